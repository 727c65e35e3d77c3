//! Access times: a read that mount(8) "relatime" wants noted is noted in the inode (`client_atime`), before it returns. All others,
//! nearly all, cost some loads and a look at the clock.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const clients = @import("clients.zig");
const clock = @import("clock.zig");
const descriptors = @import("descriptors.zig");
const gate = @import("gate.zig");
const kernel_files = @import("kernel_files.zig");
const region = @import("region.zig");
const ring = @import("ring.zig");
const system = @import("system.zig");

const day_seconds = 24 * 60 * 60;
const clock_realtime_coarse = 5;
const noatime_flag: u32 = @bitCast(linux.O{ .NOATIME = true });

extern "c" fn clock_gettime(clock: c_int, now: *system.Timespec) c_int;

/// The file or directory has been read.
pub inline fn note(o: descriptors.Open) void {
    if (isDue(o.inode()) or gate.mayNoteEveryReading(o.v)) noteDue(o);
}

/// By the mount's flags, as mount(8) has them.
fn isLeftOut(flags: u32, inode: *volatile layout.Inode) bool {
    if (flags & (layout.mount_read_only | layout.mount_no_atime) != 0) return true;
    if (inode.flags & layout.inode_flag_no_atime != 0) return true;
    if (flags & layout.mount_no_dir_atime != 0 and inode.mode & linux.S.IFMT == linux.S.IFDIR) return true;
    return flags & layout.mount_strict_atime == 0 and !isDue(inode);
}

/// By the rule of "relatime" (as InodeTable.touchAtime).
inline fn isDue(inode: *volatile layout.Inode) bool {
    if (inode.client_mtime | inode.client_atime != 0) return isDueOfClients(inode);
    if (!isAfter(inode.atime, inode.atime_nsec, inode.mtime, inode.mtime_nsec)) return true;
    if (!isAfter(inode.atime, inode.atime_nsec, inode.ctime, inode.ctime_nsec)) return true;
    return isOld(@bitCast(inode.atime));
}

/// Where a client has written or read last, its time counts.
noinline fn isDueOfClients(inode: *volatile layout.Inode) bool {
    const written = inode.client_mtime & ~layout.client_time_seen;
    const accessed = inode.client_atime;
    const atime = if (accessed != 0) accessed else nanoseconds(inode.atime, inode.atime_nsec);
    const mtime = if (written != 0) written else nanoseconds(inode.mtime, inode.mtime_nsec);
    const ctime = if (written != 0) written else nanoseconds(inode.ctime, inode.ctime_nsec);
    return atime <= @max(mtime, ctime) or isOld(@intCast(atime / std.time.ns_per_s));
}

/// Of times since 1970; those before are in no hurry.
fn nanoseconds(seconds: u64, rest: u32) u64 {
    return if (seconds >> 63 != 0) 0 else seconds *% std.time.ns_per_s +% rest;
}

inline fn isOld(seconds: i64) bool {
    var now: system.Timespec = undefined;
    _ = clock_gettime(clock_realtime_coarse, &now);
    return now.sec -% seconds >= day_seconds;
}

inline fn isAfter(seconds: u64, rest: u32, other_seconds: u64, other_rest: u32) bool {
    const difference: i64 = @bitCast(seconds -% other_seconds);
    return difference > 0 or (difference == 0 and rest > other_rest);
}

/// A link is being read. False: the kernel has to do it, which knows the time: for a process that is no client yet, one link is not
/// worth becoming one.
pub fn noteLink(v: *const region.View, ino: u32, inode: *volatile layout.Inode) bool {
    if (!isDue(inode) and !gate.mayNoteEveryReading(v)) return true;
    if (isLeftOut(gate.flags(v), inode)) return true;
    if (inode.kernel_holds & layout.kernel_holds_attributes == 0) {
        clock.accessed(v, inode);
        if (@atomicLoad(u32, &inode.kernel_holds, .seq_cst) & layout.kernel_holds_attributes == 0) return true;
    }
    return clients.number() != 0 and ring.accessed(v, ino, inode.generation);
}

noinline fn noteDue(o: descriptors.Open) void {
    const inode = o.inode();
    if (o.flags & noatime_flag != 0 or isLeftOut(gate.flags(o.v), inode)) return;
    clock.accessed(o.v, inode);
    // As with bytes that were stored (store.zig): what the kernel holds is looked at afterwards.
    if (@atomicLoad(u32, &inode.kernel_holds, .seq_cst) & layout.kernel_holds_attributes == 0) return;
    if (!ring.accessed(o.v, o.ino, o.generation)) readReally(o);
}

/// The kernel's way: a byte, or the first entries.
fn readReally(o: descriptors.Open) void {
    const mask = system.blockSignals();
    defer system.restoreSignals(mask);
    const real = kernel_files.openReal(o);
    if (real < 0) return;
    defer _ = linux.syscall1(.close, system.word(real));
    _ = linux.lseek(real, 0, linux.SEEK.SET);
    var bytes: [512]u8 align(8) = undefined;
    if (o.isDirectory()) {
        _ = linux.getdents64(real, &bytes, bytes.len);
    } else {
        _ = linux.read(real, &bytes, 1);
    }
}
