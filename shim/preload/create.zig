//! Making a regular file: open(2) with O_CREAT of a name that is not there, and mknod(2).

const names = @import("names.zig");
const permissions = @import("permissions.zig");
const region = @import("region.zig");
const ring = @import("ring.zig");
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
        const place = switch (walk.beforeLast(dirfd, path, &last)) {
            .place => |place| place,
            .errno => |e| return .{ .outcome = .{ .local = e } },
            .kernel => |reason| return .{ .outcome = .{ .kernel = reason } },
        };
        const who = switch (permissions.actor()) {
            .actor => |who| who,
            .outcome => |outcome| return .{ .outcome = outcome },
        };
        if (last.kind != .name or last.ino != 0) return .exists;
        var made: ring.Made = .{};
        const outcome = names.makeIn(who, place, &last, walk.s_ifreg | (mode & permission_bits), &made) orelse continue;
        if (outcome != .ring) return .{ .outcome = outcome };
        return switch (outcome.ring) {
            .SUCCESS => .{ .file = .{
                .ino = made.ino,
                .generation = made.generation,
                .parent = place.ino,
                .dentry = walk.dentryNamed(who.v, place.ino, last.name()),
            } },
            .EXIST => .exists,
            else => .{ .outcome = outcome },
        };
    }
    return .{ .outcome = .{ .kernel = .busy } };
}

/// Nobody opens it after all.
pub fn uncount(made: File) void {
    const v = region.view() orelse return;
    const inode = &v.inodes[made.ino];
    const before = @atomicRmw(u32, &inode.open_count, .Sub, 1, .seq_cst);
    // As at the last close: somebody may have removed it meanwhile.
    if (before == 1 and @atomicLoad(u32, &inode.nlink, .seq_cst) == 0) ring.release(v, made.ino, made.generation);
}
