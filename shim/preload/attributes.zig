//! An inode's attributes in the forms libc gives them, exactly as they come through the kernel (src/ops/exchange.ts,
//! src/ops/attributes.ts).

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const clock = @import("clock.zig");
const region = @import("region.zig");
const system = @import("system.zig");
const walk = @import("walk.zig");
const View = region.View;

/// What tmpfs says a directory entry takes, "." and ".." included.
const dirent_bytes = 20;
const dot_entries = 2;
const sectors_per_block = layout.block_bytes / 512;

/// Attributes as they were at one time. false: the inode is not this one any more, or it keeps changing.
pub inline fn fillStat(v: *const View, ino: u32, generation: u32, out: *system.Stat) bool {
    const inode = region.inode(v, ino) orelse return false;
    for (0..region.rounds_max) |_| {
        const seq = region.begin(&inode.seq) orelse return false;
        const mode = inode.mode;
        const written = clock.show(inode);
        const accessed = inode.client_atime;
        out.* = .{
            .dev = v.device,
            .ino = ino,
            .nlink = inode.nlink,
            .mode = mode,
            .uid = inode.uid,
            .gid = inode.gid,
            .rdev = inode.rdev,
            .size = sizeOf(inode, mode),
            .blksize = layout.block_bytes,
            .blocks = @as(i64, inode.block_count) * sectors_per_block,
            .atim = .{ .sec = @bitCast(inode.atime), .nsec = inode.atime_nsec },
            .mtim = .{ .sec = @bitCast(inode.mtime), .nsec = inode.mtime_nsec },
            .ctim = .{ .sec = @bitCast(inode.ctime), .nsec = inode.ctime_nsec },
        };
        if (written != 0) {
            out.mtim = timeOf(written);
            out.ctim = out.mtim;
        }
        if (accessed != 0) out.atim = timeOf(accessed);
        const living = mode != 0 and inode.generation == generation;
        if (region.unchanged(&inode.seq, seq)) return living;
    }
    return false;
}

fn timeOf(nanoseconds: u64) system.Timespec {
    return .{ .sec = @intCast(nanoseconds / std.time.ns_per_s), .nsec = @intCast(nanoseconds % std.time.ns_per_s) };
}

fn sizeOf(inode: *volatile layout.Inode, mode: u32) i64 {
    if (mode & walk.s_ifmt != walk.s_ifdir) return @bitCast(inode.size);
    return (@as(i64, inode.entry_count) + dot_entries) * dirent_bytes;
}

/// struct statx, <linux/stat.h>
pub const Statx = linux.Statx;

const statx_basic_stats = 0x7ff;
const statx_btime = 0x800;
const statx_mnt_id = 0x1000;
/// What can be answered here; unknown bits ask the kernel for what only it has.
pub const statx_known = statx_basic_stats | statx_btime | statx_mnt_id;

/// What statx(2) tells of the mount and not of the file: asked for once.
const MountFacts = struct { mask: u32, attributes: linux.STATX_ATTR, attributes_mask: linux.STATX_ATTR, mnt_id: u64 };
var mount_facts: MountFacts = undefined;
var mount_facts_known = false;

fn mountFacts() ?*const MountFacts {
    if (@atomicLoad(bool, &mount_facts_known, .acquire)) return &mount_facts;
    const configuration = region.configuration() orelse return null;
    var root: Statx = undefined;
    const result = linux.syscall5(.statx, system.word(system.at_fdcwd), @intFromPtr(configuration.mount.ptr), 0, statx_mnt_id, @intFromPtr(&root));
    if (result != 0) return null;
    // Threads that come here together write the same.
    mount_facts = .{
        .mask = @as(u32, @bitCast(root.mask)) & statx_mnt_id,
        .attributes = root.attributes,
        .attributes_mask = root.attributes_mask,
        .mnt_id = root.mnt_id,
    };
    @atomicStore(bool, &mount_facts_known, true, .release);
    return &mount_facts;
}

/// As `fillStat`, with the time of birth.
pub fn fillStatx(v: *const View, ino: u32, generation: u32, out: *Statx) bool {
    const mount = mountFacts() orelse return false;
    var stat: system.Stat = undefined;
    const inode = region.inode(v, ino) orelse return false;
    if (!fillStat(v, ino, generation, &stat)) return false;
    out.* = std.mem.zeroes(Statx);
    out.mask = @bitCast(statx_basic_stats | statx_btime | mount.mask);
    out.blksize = @intCast(stat.blksize);
    if (ino == layout.root_ino) out.attributes = mount.attributes;
    out.nlink = @intCast(stat.nlink);
    out.uid = stat.uid;
    out.gid = stat.gid;
    out.mode = @intCast(stat.mode);
    out.ino = ino;
    out.size = @bitCast(stat.size);
    out.blocks = @bitCast(stat.blocks);
    out.attributes_mask = mount.attributes_mask;
    out.atime = statxTime(stat.atim);
    // Never changes in an inode's life.
    out.btime = statxTime(.{ .sec = @bitCast(inode.btime), .nsec = inode.btime_nsec });
    out.ctime = statxTime(stat.ctim);
    out.mtime = statxTime(stat.mtim);
    out.rdev_major = major(stat.rdev);
    out.rdev_minor = minor(stat.rdev);
    out.dev_major = major(stat.dev);
    out.dev_minor = minor(stat.dev);
    out.mnt_id = mount.mnt_id;
    return inode.generation == generation;
}

fn statxTime(time: system.Timespec) linux.statx_timestamp {
    return .{ .sec = time.sec, .nsec = @intCast(time.nsec), .__pad1 = 0 };
}

/// makedev(3)
fn major(device: u64) u32 {
    return @intCast((device >> 8 & 0xfff) | (device >> 32 & 0xfffff000));
}
fn minor(device: u64) u32 {
    return @intCast((device & 0xff) | (device >> 12 & 0xffffff00));
}

comptime {
    std.debug.assert(@sizeOf(system.Stat) == 144);
    std.debug.assert(@sizeOf(Statx) == 256);
}
