//! Making a regular file: open(2) with O_CREAT of a name that is not there, and mknod(2).

const layout = @import("layout");
const descriptors = @import("descriptors.zig");
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

const permission_bits = 0o7777;

pub fn file(dirfd: c_int, path: [*:0]const u8, mode: u32) Created {
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
        var made: layout.RingMade = undefined;
        const outcome = names.makeIn(who, place, &last, walk.s_ifreg | (mode & permission_bits), &made) orelse continue;
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

/// Nobody opens it after all.
pub fn uncount(made: File) void {
    if (region.view()) |v| descriptors.uncount(v, made.ino, made.generation);
}

/// Whether nothing can be made, or found, under this path, because it is a name in a removed directory that this process has open:
/// the kernel could not even be told which one that is.
pub fn isHopeless(dirfd: c_int, path: [*:0]const u8) bool {
    const ino = descriptors.inodeOf(dirfd) orelse return false;
    const v = region.view() orelse return false;
    if (v.inodes[ino].nlink != 0 or @intFromPtr(path) < layout.page_bytes or path[0] == 0 or path[0] == '.') return false;
    var at: usize = 0;
    while (path[at] != 0) : (at += 1) if (path[at] == '/') return false;
    return true;
}
