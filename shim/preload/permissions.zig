//! What the kernel asks before names and attributes change, in its words and its order: fs/namei.c (may_create, may_delete),
//! fs/attr.c (setattr_prepare). The daemon then does what it is asked for.

const std = @import("std");
const layout = @import("layout");
const clients = @import("clients.zig");
const counters = @import("counters.zig");
const credentials = @import("credentials.zig");
const gate = @import("gate.zig");
const next = @import("next.zig");
const region = @import("region.zig");
const ring = @import("ring.zig");
const walk = @import("walk.zig");
const watches = @import("watches.zig");

const E = next.E;

/// What became of a call: answered by the daemon, or here without it (SUCCESS: there was nothing to do), or left.
pub const Outcome = union(enum) { ring: E, local: E, kernel: counters.Reason };

/// As often is a path walked again of which something has ended meanwhile.
pub const rounds_max = 4;

pub const set_gid_mode = 0o2000;
pub const set_id_modes = 0o6000;
const sticky_mode = 0o1000;
const group_execute_mode = 0o010;

/// Who wants to change something.
pub const Actor = struct {
    v: *const region.View,
    own: *const credentials.Credentials,

    pub fn inode(who: Actor, ino: u32) *volatile layout.Inode {
        return &who.v.inodes[ino];
    }

    pub fn may(who: Actor, file: *volatile layout.Inode, mask: u3) ?Outcome {
        const allowed = walk.permits(file, who.own, who.own.effective, mask) orelse return .{ .kernel = .access_list };
        return if (allowed) null else .{ .local = .ACCES };
    }

    /// inode_owner_or_capable
    pub fn isOwner(who: Actor, file: *volatile layout.Inode) bool {
        return file.uid == who.own.uid or who.own.effective.owner;
    }

    /// in_group_or_capable
    pub fn mayKeepSetGid(who: Actor, gid: u32) bool {
        return who.own.isMember(gid) or who.own.effective.set_id;
    }

    /// What chattr(1) has said of an inode, the kernel and the daemon follow.
    pub fn isProtected(_: Actor, file: *volatile layout.Inode) bool {
        return file.flags & (layout.inode_flag_immutable | layout.inode_flag_append_only) != 0;
    }

    /// may_create, behind its first question, whether the name is there already.
    pub fn mayCreate(who: Actor, directory: *volatile layout.Inode) ?Outcome {
        if (watches.isWatched(directory)) return .{ .kernel = .watched };
        return who.may(directory, write_and_search);
    }

    /// may_delete, of a name that is there.
    pub fn mayDelete(who: Actor, directory: *volatile layout.Inode, victim: *volatile layout.Inode, as_directory: bool) ?Outcome {
        if (watches.isWatched(directory) or watches.isWatched(victim)) return .{ .kernel = .watched };
        if (who.isProtected(directory) or who.isProtected(victim)) return .{ .kernel = .special_file };
        if (who.may(directory, write_and_search)) |outcome| return outcome;
        const kept = directory.mode & sticky_mode != 0 and directory.uid != who.own.uid and !who.isOwner(victim);
        if (kept) return .{ .local = .PERM };
        if (as_directory != isDirectory(victim)) return .{ .local = if (as_directory) .NOTDIR else .ISDIR };
        return null;
    }

    /// A new file that is no directory loses set-group-ID, if somebody else's group could execute it (mode_strip_sgid).
    pub fn losesSetGid(who: Actor, directory: *volatile layout.Inode, mode: u32) bool {
        const both = set_gid_mode | group_execute_mode;
        return mode & both == both and directory.mode & set_gid_mode != 0 and !who.mayKeepSetGid(directory.gid);
    }

    /// null: we are a client, and the daemon may be asked.
    pub fn register(who: Actor) ?Outcome {
        return if (clients.get(who.v) == 0) .{ .kernel = .no_room } else null;
    }

    /// The daemon's answer, with the inode it made, where one wants it; null: an inode has ended meanwhile, the path is to be walked again.
    pub fn ask(who: Actor, message: anytype, pieces: []const []const u8, answer: ?*ring.Answer(@TypeOf(message))) ?Outcome {
        if (who.register()) |outcome| return outcome;
        const result = ring.change(who.v, message, pieces, answer) orelse return .{ .kernel = .ring_unavailable };
        if (result == -@as(i32, @intFromEnum(E.STALE))) return null;
        return .{ .ring = if (result < 0) @enumFromInt(-result) else .SUCCESS };
    }
};

const write_and_search = 3;

pub fn isDirectory(file: *volatile layout.Inode) bool {
    return file.mode & walk.s_ifmt == walk.s_ifdir;
}

/// After a walk has found that this is about the mount. null: the kernel has to do it, and `why`.
pub fn actor(why: *Outcome) ?Actor {
    const v = region.view() orelse return left(why, .not_attached);
    const own = credentials.get(v) orelse return left(why, .other_user);
    if (!mountIsWritable()) return left(why, .mount_flags);
    watches.findOutside(v);
    return .{ .v = v, .own = own };
}

fn left(why: *Outcome, reason: counters.Reason) ?Actor {
    why.* = .{ .kernel = reason };
    return null;
}

/// Not so where it is mounted read-only (mount(8) "remount,ro").
pub fn mountIsWritable() bool {
    const v = region.view() orelse return false;
    return gate.flags(v) & layout.mount_read_only == 0 and !gate.isClosed();
}
