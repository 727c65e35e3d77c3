//! What is asked of the daemon to change attributes: the arguments of layout.ring_setattr.

const layout = @import("layout");
const permissions = @import("permissions.zig");
const system = @import("system.zig");
const walk = @import("walk.zig");

// struct fuse_setattr_in, `valid`
pub const mode_bit = 1;
pub const uid_bit = 2;
pub const gid_bit = 4;
pub const size_bit = 8;
pub const atime_bit = 16;
pub const mtime_bit = 32;
pub const atime_now_bit = 128;
pub const mtime_now_bit = 256;

const argument_count = 13;

pub const Change = struct {
    valid: u64,
    size: u64 = 0,
    mode: u64 = 0,
    uid: u64 = 0,
    gid: u64 = 0,
    atime: system.Timespec = .{ .sec = 0, .nsec = 0 },
    mtime: system.Timespec = .{ .sec = 0, .nsec = 0 },

    /// null: the inode has ended meanwhile.
    pub fn ask(change: Change, who: permissions.Actor, place: walk.Place) ?permissions.Outcome {
        return who.ask(layout.ring_setattr, &change.arguments(place, who.own.uid), &.{}, null);
    }

    fn arguments(change: Change, place: walk.Place, uid: u32) [argument_count]u64 {
        return .{
            place.ino,                   place.generation,
            change.valid,                change.size,
            change.mode,                 change.uid,
            change.gid,                  @bitCast(change.atime.sec),
            @bitCast(change.atime.nsec), @bitCast(change.mtime.sec),
            @bitCast(change.mtime.nsec), uid,
            0,
        };
    }
};

/// truncate(2) of a file from which it takes no privileges.
pub fn toSize(place: walk.Place, size: u64) [argument_count]u64 {
    return (Change{ .valid = size_bit, .size = size }).arguments(place, 0);
}
