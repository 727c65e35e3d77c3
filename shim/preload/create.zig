//! Making a regular file: open(2) with O_CREAT of a name that is not there, and mknod(2).

const std = @import("std");
const layout = @import("layout");
const descriptors = @import("descriptors.zig");
const holds = @import("holds.zig");
const memory_probe = @import("memory_probe.zig");
const names = @import("names.zig");
const permissions = @import("permissions.zig");
const region = @import("region.zig");
const walk = @import("walk.zig");

const Outcome = permissions.Outcome;

/// A new file, counted in its inode's `open_count`: who made it opens a description of it, or gives the count back (`uncount`).
pub const File = struct { ino: u32, generation: u32, parent: u32, dentry: u32 };

pub const Created = union(enum) {
    file: File,
    /// Something has the name.
    exists,
    outcome: Outcome,
};

const path_bytes_max = 4096;
const permission_bits = 0o7777;

/// `made` gets the file, too: it is that of a step (`watch`), because the count may have to be given back.
pub fn file(dirfd: c_int, path: [*:0]const u8, mode: u32, made: *volatile layout.messages.RingMade) Created {
    for (0..permissions.rounds_max) |_| {
        var last: walk.Last = .{};
        const place = switch (walk.beforeLast(dirfd, path, &last, .lasting)) {
            .place => |place| place,
            .errno => |e| return .{ .outcome = .{ .local = e } },
            .kernel => |reason| return .{ .outcome = .{ .kernel = reason } },
        };
        var why: Outcome = undefined;
        const who = permissions.actor(&why) orelse return .{ .outcome = why };
        if (last.kind != .name or last.ino != 0) return .exists;
        const outcome = names.makeIn(who, place, &last, walk.s_ifreg | (mode & permission_bits), @volatileCast(made)) orelse continue;
        if (outcome != .ring) return .{ .outcome = outcome };
        return switch (outcome.ring) {
            .SUCCESS => .{ .file = .{
                .ino = made.inode.ino,
                .generation = made.inode.generation,
                .parent = place.ino,
                .dentry = made.dentry,
            } },
            .EXIST => .exists,
            else => .{ .outcome = outcome },
        };
    }
    return .{ .outcome = .{ .kernel = .busy } };
}

/// From now on until the step ends, a file that was made (`madeIn`), and a descriptor that was reserved for it (in `a`), are given back when
/// the function is left.
pub fn watch() *volatile holds.Hold {
    return holds.push(&uncountLeft, 0);
}

/// It lies in the step itself, because the stack may have gone when the thread has ended.
pub fn madeIn(step: *volatile holds.Hold) *volatile layout.messages.RingMade {
    comptime std.debug.assert(@offsetOf(holds.Hold, "c") == @offsetOf(holds.Hold, "b") + 8 and @sizeOf(layout.messages.RingMade) == 16);
    return @ptrCast(&step.b);
}

fn uncountLeft(step: *volatile holds.Hold) callconv(.c) void {
    const inode = madeIn(step).inode;
    if (inode.ino != 0) if (region.view()) |v| descriptors.recount(v, inode.ino, inode.generation);
    descriptors.unreserveLeft(&step.a);
}

/// Nobody opens it after all, or it is counted as something else's.
pub fn uncount(made: *volatile layout.messages.RingMade) void {
    const inode = made.inode;
    if (inode.ino == 0) return;
    made.inode.ino = 0;
    if (region.view()) |v| descriptors.uncount(v, inode.ino, inode.generation);
}

/// Whether nothing can be made, or found, under this path, because it is a name in a removed directory that this process has open:
/// the kernel could not even be told which one that is.
pub fn isHopeless(dirfd: c_int, path: [*:0]const u8) bool {
    const ino = descriptors.inodeOf(dirfd) orelse return false;
    const v = region.view() orelse return false;
    if (v.inodes[ino].nlink != 0 or @intFromPtr(path) < layout.page_bytes or !memory_probe.isPath(path) or path[0] == 0 or path[0] == '.') return false;
    var at: usize = 0;
    while (at < path_bytes_max and path[at] != 0) : (at += 1) if (path[at] == '/') return false;
    return true;
}
