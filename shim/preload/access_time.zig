//! Access times: a read that mount(8) "relatime" wants noted is noted by the daemon, before the read returns. All others,
//! nearly all, cost three loads and a look at the clock.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const clients = @import("clients.zig");
const descriptors = @import("descriptors.zig");
const region = @import("region.zig");
const ring = @import("ring.zig");
const system = @import("system.zig");

const day_seconds = 24 * 60 * 60;
const clock_realtime_coarse = 5;
const noatime_flag: u32 = @bitCast(linux.O{ .NOATIME = true });

extern "c" fn clock_gettime(clock: c_int, now: *system.Timespec) c_int;

/// The file or directory has been read.
pub inline fn note(o: descriptors.Open) void {
    if (isDue(o.inode())) noteDue(o);
}

/// By the rule of "relatime" (as InodeTable.touchAtime).
inline fn isDue(inode: *volatile layout.Inode) bool {
    if (!isAfter(inode.atime, inode.atime_nsec, inode.mtime, inode.mtime_nsec)) return true;
    if (!isAfter(inode.atime, inode.atime_nsec, inode.ctime, inode.ctime_nsec)) return true;
    var now: system.Timespec = undefined;
    _ = clock_gettime(clock_realtime_coarse, &now);
    return now.sec -% @as(i64, @bitCast(inode.atime)) >= day_seconds;
}

inline fn isAfter(seconds: u64, nanoseconds: u32, other_seconds: u64, other_nanoseconds: u32) bool {
    const difference: i64 = @bitCast(seconds -% other_seconds);
    return difference > 0 or (difference == 0 and nanoseconds > other_nanoseconds);
}

/// A link is being read. false: the kernel has to do it, as for a process that is no client yet, for which one link is not
/// worth becoming one.
pub fn noteLink(v: *const region.View, ino: u32, inode: *volatile layout.Inode) bool {
    if (!isDue(inode) or v.super.noatime != 0) return true;
    return clients.number() != 0 and ring.accessed(v, ino, inode.generation);
}

noinline fn noteDue(o: descriptors.Open) void {
    const d = o.description;
    if (o.v.super.noatime != 0 or d.flags & noatime_flag != 0) return;
    if (!ring.accessed(o.v, d.ino, d.generation)) readReally(o);
}

/// The kernel's way: a byte, or the first entries.
fn readReally(o: descriptors.Open) void {
    const real = descriptors.openReal(o);
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
