//! Changing an inode's attributes: after the checks the kernel makes, in its order (fs/attr.c), the daemon is asked. Who asks has found
//! the inode by a path, or has it open.

const std = @import("std");
const layout = @import("layout");
const fuse = layout.fuse;
const identity = @import("../identity.zig");
const limits = @import("limits.zig");
const permissions = @import("permissions.zig");
const system = @import("system.zig");
const walk = @import("walk.zig");

const Actor = permissions.Actor;
const Inode = layout.Inode;
const Outcome = permissions.Outcome;

pub const Change = struct {
    valid: u32,
    size: u64 = 0,
    mode: u32 = 0,
    uid: u32 = 0,
    gid: u32 = 0,
    atime: system.Timespec = .{ .sec = 0, .nsec = 0 },
    mtime: system.Timespec = .{ .sec = 0, .nsec = 0 },

    /// null: the inode has ended meanwhile.
    pub fn ask(change: Change, who: Actor, place: walk.Place) ?Outcome {
        return who.ask(change.message(place, who.own.uid), &.{}, null);
    }

    fn message(change: Change, place: walk.Place, uid: u32) layout.messages.RingSetattr {
        return .{
            .inode = place.name(),
            .valid = change.valid,
            .mode = change.mode,
            .uid = change.uid,
            .gid = change.gid,
            .size = change.size,
            .atime = ringTime(change.atime),
            .mtime = ringTime(change.mtime),
            .caller = .{ .uid = uid, .may_keep_set_group_id = 0 },
        };
    }
};

/// Nanoseconds that are none are refused by the daemon.
fn ringTime(time: system.Timespec) layout.messages.RingTime {
    return .{ .seconds = time.sec, .nanoseconds = std.math.cast(u32, time.nsec) orelse std.math.maxInt(u32) };
}

/// truncate(2) of a file from which it takes no privileges.
pub fn toSize(place: walk.Place, size: u64) layout.messages.RingSetattr {
    return (Change{ .valid = fuse.fattr_size, .size = size }).message(place, 0);
}

/// The kernel refers to the inode. Told to forget its attributes it goes on using mode, owner and size where it does not need
/// to be sure of them for itself: the owner of a file whose mode is to change, the end to which something is appended.
fn isKnown(inode: *volatile Inode) bool {
    return inode.lookup_count != 0;
}

fn hasAccessList(inode: *volatile Inode) bool {
    return inode.flags & layout.inode_flag_acl_access != 0;
}

const permission_bits = 0o7777;

pub fn setMode(who: Actor, place: walk.Place, inode: *volatile Inode, wanted: c_uint) ?Outcome {
    if (inode.mode & walk.s_ifmt == walk.s_iflnk) return .{ .local = .OPNOTSUPP };
    if (who.isProtected(inode)) return .{ .kernel = .special_file };
    if (!who.isOwner(inode)) return .{ .local = .PERM };
    if (hasAccessList(inode)) return .{ .kernel = .access_list };
    if (isKnown(inode)) return .{ .kernel = .materialized };
    const taken: u32 = if (who.mayKeepSetGid(inode.gid)) 0 else permissions.set_gid_mode;
    return (Change{ .valid = fuse.fattr_mode, .mode = wanted & permission_bits & ~taken }).ask(who, place);
}

pub const Owner = struct { uid: u32, gid: u32 };
pub const unchanged = 0xffff_ffff;

pub fn setOwner(who: Actor, place: walk.Place, inode: *volatile Inode, to: Owner) ?Outcome {
    if (inode.mode & permissions.set_id_modes != 0 and !permissions.isDirectory(inode)) return .{ .kernel = .special_file };
    if (inode.flags & layout.inode_flag_capability != 0 or who.isProtected(inode)) return .{ .kernel = .special_file };
    const uid_exists = to.uid == unchanged or to.uid == inode.uid or to.uid == who.own.uid;
    const gid_exists = to.gid == unchanged or to.gid == inode.gid or who.own.isMember(to.gid);
    if (!(uid_exists and gid_exists) and who.v.super.user_namespace != identity.first_user_namespace) return .{ .kernel = .other_user };
    if (!who.own.effective.give_away) {
        const is_owner = inode.uid == who.own.uid;
        if (to.uid != unchanged and !(is_owner and to.uid == inode.uid)) return .{ .local = .PERM };
        if (to.gid != unchanged and !(is_owner and (to.gid == inode.gid or who.own.isMember(to.gid)))) return .{ .local = .PERM };
    }
    if (isKnown(inode)) return .{ .kernel = .materialized };
    const valid = (if (to.uid == unchanged) 0 else @as(u32, fuse.fattr_uid)) | (if (to.gid == unchanged) 0 else @as(u32, fuse.fattr_gid));
    return (Change{ .valid = valid, .uid = to.uid, .gid = to.gid }).ask(who, place);
}

/// truncate(2)
pub fn setSize(who: Actor, place: walk.Place, inode: *volatile Inode, size: u64) ?Outcome {
    if (permissions.isDirectory(inode)) return .{ .local = .ISDIR };
    if (who.isProtected(inode)) return .{ .kernel = .special_file };
    if (inode.mode & walk.s_ifmt != walk.s_ifreg) return .{ .local = .INVAL };
    return who.may(inode, 2) orelse setSizeOfOpen(who, place, inode, size);
}

/// ftruncate(2) of what is open for writing
pub fn setSizeOfOpen(who: Actor, place: walk.Place, inode: *volatile Inode, size: u64) ?Outcome {
    const mode = inode.mode;
    if (who.isProtected(inode)) return .{ .kernel = .special_file };
    // It may be running as a program (ETXTBSY), or mapped with bytes that are not written back yet.
    if (isKnown(inode)) return .{ .kernel = .materialized };
    const loses = mode & permissions.set_id_modes != 0 or inode.flags & layout.inode_flag_capability != 0;
    if (loses) return .{ .kernel = .special_file };
    if (size > inode.size and limits.fileSize() != null) return .{ .kernel = .arguments };
    return (Change{ .valid = fuse.fattr_size, .size = size }).ask(who, place);
}

pub const Times = [2]system.Timespec;
pub const utime_now = (1 << 30) - 1;
pub const utime_omit = (1 << 30) - 2;

/// fallocate(2) of what is open for writing
pub const Space = struct { mode: c_int, offset: u64, length: u64 };
const keep_size = 1;
const served_space_modes = [_]c_int{ 0, keep_size, 2 | keep_size, 16, 16 | keep_size };

pub fn setSpace(who: Actor, place: walk.Place, inode: *volatile Inode, space: Space) ?Outcome {
    if (who.isProtected(inode)) return .{ .kernel = .special_file };
    const known = for (served_space_modes) |mode| {
        if (mode == space.mode) break true;
    } else false;
    if (!known or space.offset > layout.file_bytes_max or space.length > layout.file_bytes_max - space.offset) return .{ .kernel = .arguments };
    if (isKnown(inode)) return .{ .kernel = .materialized };
    const loses = inode.mode & permissions.set_id_modes != 0 or inode.flags & layout.inode_flag_capability != 0;
    if (loses) return .{ .kernel = .special_file };
    if (space.mode & keep_size == 0 and limits.fileSize() != null) return .{ .kernel = .arguments };
    return who.ask(layout.messages.RingFallocate{
        .inode = place.name(),
        .offset = space.offset,
        .length = space.length,
        .mode = @intCast(space.mode),
    }, &.{}, null);
}

pub fn setTimes(who: Actor, place: walk.Place, inode: *volatile Inode, wanted: ?Times) ?Outcome {
    if (who.isProtected(inode)) return .{ .kernel = .special_file };
    const now: system.Timespec = .{ .sec = 0, .nsec = utime_now };
    const times = wanted orelse Times{ now, now };
    const both_now = times[0].nsec == utime_now and times[1].nsec == utime_now;
    if (!who.isOwner(inode)) {
        if (!both_now) return .{ .local = .PERM };
        if (who.may(inode, 2)) |outcome| return outcome;
    }
    var change: Change = .{ .valid = 0 };
    switch (times[0].nsec) {
        utime_omit => {},
        utime_now => change.valid |= fuse.fattr_atime | fuse.fattr_atime_now,
        else => {
            change.valid |= fuse.fattr_atime;
            change.atime = times[0];
        },
    }
    switch (times[1].nsec) {
        utime_omit => {},
        utime_now => change.valid |= fuse.fattr_mtime | fuse.fattr_mtime_now,
        else => {
            change.valid |= fuse.fattr_mtime;
            change.mtime = times[1];
        },
    }
    return change.ask(who, place);
}

pub const Attribute = struct { name: []const u8, value: []const u8 = "", flags: c_int = 0, is_removed: bool = false };

pub fn setAttribute(who: Actor, place: walk.Place, inode: *volatile Inode, a: Attribute) ?Outcome {
    const type_bits = inode.mode & walk.s_ifmt;
    if (type_bits != walk.s_ifreg and type_bits != walk.s_ifdir) return .{ .kernel = .special_file };
    if (who.isProtected(inode)) return .{ .kernel = .special_file };
    if (type_bits == walk.s_ifdir and inode.mode & 0o1000 != 0 and !who.isOwner(inode)) return .{ .local = .PERM };
    if (who.may(inode, 2)) |outcome| return outcome;
    if (a.is_removed) return who.ask(layout.messages.RingRemovexattr{ .inode = place.name() }, &.{a.name}, null);
    const message: layout.messages.RingSetxattr = .{ .inode = place.name(), .flags = @intCast(a.flags) };
    return who.ask(message, &.{ a.name, "\x00", a.value }, null);
}

/// getxattr(2) of what is not there. Values lie in chains that change under a reader's eyes: the kernel's.
pub fn getMissing(who: Actor, _: walk.Place, inode: *volatile Inode, is_user: bool) ?Outcome {
    const type_bits = inode.mode & walk.s_ifmt;
    const can_have = type_bits == walk.s_ifreg or type_bits == walk.s_ifdir;
    if (!can_have or inode.xattr_slot != 0) return .{ .kernel = .special_file };
    if (is_user) if (who.may(inode, 4)) |outcome| return outcome;
    return .{ .local = .NODATA };
}

/// listxattr(2) of what has none.
pub fn listNone(_: Actor, _: walk.Place, inode: *volatile Inode, _: void) ?Outcome {
    return if (inode.xattr_slot == 0) .{ .local = .SUCCESS } else .{ .kernel = .special_file };
}
