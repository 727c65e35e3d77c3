//! The functions of libc that change attributes of what a path leads to, and extended attributes.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const calls_names = @import("calls_names.zig");
const attributes_change = @import("attributes_change.zig");
const counters = @import("counters.zig");
const descriptors = @import("descriptors.zig");
const next = @import("next.zig");
const permissions = @import("permissions.zig");
const ring = @import("ring.zig");
const system = @import("system.zig");
const walk = @import("walk.zig");

const Path = [*:0]const u8;
const Actor = permissions.Actor;
const Outcome = permissions.Outcome;
const Change = attributes_change.Change;
const at_fdcwd = system.at_fdcwd;
const at_symlink_nofollow = 0x100;

/// Walks to an inode and lets `use` change it, which is null when the inode has ended meanwhile.
inline fn onPath(
    op: counters.Op,
    dirfd: c_int,
    path: Path,
    follow: bool,
    context: anytype,
    comptime use: fn (Actor, walk.Place, *volatile layout.Inode, @TypeOf(context)) ?Outcome,
) ?c_int {
    const outcome: Outcome = for (0..permissions.rounds_max) |_| {
        const place = switch (walk.at(dirfd, path, .{ .follow_last = follow })) {
            .place => |place| place,
            .errno => |e| break .{ .local = e },
            .kernel => |reason| break .{ .kernel = reason },
        };
        var why: Outcome = undefined;
        const who = permissions.actor(&why) orelse break why;
        break use(who, place, who.inode(place.ino), context) orelse continue;
    } else .{ .kernel = .busy };
    return calls_names.served(op, outcome, &.{dirfd}) orelse {
        descriptors.materializeNamed(path);
        return null;
    };
}

/// A call whose arguments the kernel is to judge.
fn left(op: counters.Op, dirfd: c_int) ?c_int {
    return calls_names.served(op, .{ .kernel = .arguments }, &.{dirfd});
}

/// The kernel refers to the inode. Told to forget its attributes it goes on using mode, owner and size where it does not need
/// to be sure of them for itself: the owner of a file whose mode is to change, the end to which something is appended.
fn isKnown(inode: *volatile layout.Inode) bool {
    return inode.lookup_count != 0;
}

fn hasAccessList(inode: *volatile layout.Inode) bool {
    return inode.flags & layout.inode_flag_acl_access != 0;
}

// chmod

const permission_bits = 0o7777;

fn chmodServed(dirfd: c_int, path: Path, mode: c_uint, follow: bool) ?c_int {
    return onPath(.chmod, dirfd, path, follow, mode, struct {
        fn use(who: Actor, place: walk.Place, inode: *volatile layout.Inode, wanted: c_uint) ?Outcome {
            if (inode.mode & walk.s_ifmt == walk.s_iflnk) return .{ .local = .OPNOTSUPP };
            if (!who.isOwner(inode)) return .{ .local = .PERM };
            if (hasAccessList(inode)) return .{ .kernel = .access_list };
            if (isKnown(inode)) return .{ .kernel = .materialized };
            const taken: u32 = if (who.mayKeepSetGid(inode.gid)) 0 else permissions.set_gid_mode;
            return (Change{ .valid = attributes_change.mode_bit, .mode = wanted & permission_bits & ~taken }).ask(who, place);
        }
    }.use);
}

fn chmod(path: Path, mode: c_uint) callconv(.c) c_int {
    return chmodServed(at_fdcwd, path, mode, true) orelse next.call("chmod", *const fn (Path, c_uint) callconv(.c) c_int)(path, mode);
}

fn lchmod(path: Path, mode: c_uint) callconv(.c) c_int {
    return chmodServed(at_fdcwd, path, mode, false) orelse next.call("lchmod", *const fn (Path, c_uint) callconv(.c) c_int)(path, mode);
}

fn fchmodat(dirfd: c_int, path: Path, mode: c_uint, flags: c_int) callconv(.c) c_int {
    const known = flags & ~@as(c_int, at_symlink_nofollow) == 0;
    return (if (known) chmodServed(dirfd, path, mode, flags == 0) else left(.chmod, dirfd)) orelse
        next.call("fchmodat", *const fn (c_int, Path, c_uint, c_int) callconv(.c) c_int)(dirfd, path, mode, flags);
}

// chown

const Owner = struct { uid: u32, gid: u32 };
const unchanged = 0xffff_ffff;

fn chownServed(dirfd: c_int, path: Path, owner: Owner, follow: bool) ?c_int {
    // With nobody to give it to, other things happen: chown(2).
    if (owner.uid == unchanged and owner.gid == unchanged) return left(.chown, dirfd);
    return onPath(.chown, dirfd, path, follow, owner, struct {
        fn use(who: Actor, place: walk.Place, inode: *volatile layout.Inode, to: Owner) ?Outcome {
            if (inode.mode & permissions.set_id_modes != 0 and !permissions.isDirectory(inode)) return .{ .kernel = .special_file };
            if (inode.flags & layout.inode_flag_capability != 0) return .{ .kernel = .special_file };
            const uid_exists = to.uid == unchanged or to.uid == inode.uid or to.uid == who.own.uid;
            const gid_exists = to.gid == unchanged or to.gid == inode.gid or who.own.isMember(to.gid);
            if (!(uid_exists and gid_exists) and !isInFirstNamespace()) return .{ .kernel = .other_user };
            if (!who.own.effective.give_away) {
                const is_owner = inode.uid == who.own.uid;
                if (to.uid != unchanged and !(is_owner and to.uid == inode.uid)) return .{ .local = .PERM };
                if (to.gid != unchanged and !(is_owner and (to.gid == inode.gid or who.own.isMember(to.gid)))) return .{ .local = .PERM };
            }
            if (isKnown(inode)) return .{ .kernel = .materialized };
            const valid = (if (to.uid == unchanged) 0 else @as(u64, attributes_change.uid_bit)) | (if (to.gid == unchanged) 0 else @as(u64, attributes_change.gid_bit));
            return (Change{ .valid = valid, .uid = to.uid, .gid = to.gid }).ask(who, place);
        }
    }.use);
}

/// Of all user namespaces, the one in which every id exists (user_namespaces(7)).
fn isInFirstNamespace() bool {
    const first_ino = 0xeffffffd;
    const namespace = system.stat("/proc/self/ns/user") orelse return false;
    return namespace.ino == first_ino;
}

fn Chown(comptime name: [:0]const u8, comptime follow: bool) type {
    return struct {
        fn call(path: Path, uid: u32, gid: u32) callconv(.c) c_int {
            return chownServed(at_fdcwd, path, .{ .uid = uid, .gid = gid }, follow) orelse
                next.call(name, *const fn (Path, u32, u32) callconv(.c) c_int)(path, uid, gid);
        }
    };
}

fn fchownat(dirfd: c_int, path: Path, uid: u32, gid: u32, flags: c_int) callconv(.c) c_int {
    const known = flags & ~@as(c_int, at_symlink_nofollow) == 0;
    return (if (known) chownServed(dirfd, path, .{ .uid = uid, .gid = gid }, flags == 0) else left(.chown, dirfd)) orelse
        next.call("fchownat", *const fn (c_int, Path, u32, u32, c_int) callconv(.c) c_int)(dirfd, path, uid, gid, flags);
}

// truncate

fn truncateServed(path: Path, length: i64) ?c_int {
    if (length < 0 or length > layout.file_bytes_max) return left(.truncate, at_fdcwd);
    return onPath(.truncate, at_fdcwd, path, true, @as(u64, @intCast(length)), struct {
        fn use(who: Actor, place: walk.Place, inode: *volatile layout.Inode, size: u64) ?Outcome {
            const mode = inode.mode;
            if (permissions.isDirectory(inode)) return .{ .local = .ISDIR };
            if (mode & walk.s_ifmt != walk.s_ifreg) return .{ .local = .INVAL };
            if (who.may(inode, 2)) |outcome| return outcome;
            // It may be running as a program (ETXTBSY), or mapped with bytes that are not written back yet.
            if (isKnown(inode)) return .{ .kernel = .materialized };
            const loses = mode & permissions.set_id_modes != 0 or inode.flags & layout.inode_flag_capability != 0;
            if (loses) return .{ .kernel = .special_file };
            if (size > inode.size and hasSizeLimit()) return .{ .kernel = .arguments };
            return (Change{ .valid = attributes_change.size_bit, .size = size }).ask(who, place);
        }
    }.use);
}

fn hasSizeLimit() bool {
    var limit: linux.rlimit = undefined;
    return linux.errno(linux.getrlimit(.FSIZE, &limit)) != .SUCCESS or limit.cur != std.math.maxInt(u64);
}

fn Truncate(comptime name: [:0]const u8) type {
    return struct {
        fn call(path: Path, length: i64) callconv(.c) c_int {
            return truncateServed(path, length) orelse next.call(name, *const fn (Path, i64) callconv(.c) c_int)(path, length);
        }
    };
}

// utimensat

const Times = [2]system.Timespec;
const utime_now = (1 << 30) - 1;
const utime_omit = (1 << 30) - 2;

/// `times` null: now, for which being allowed to write is enough.
fn utimeServed(dirfd: c_int, path: Path, given: ?Times, follow: bool) ?c_int {
    if (given) |times| {
        for (times) |time| if (!isTime(time.nsec)) return left(.utime, dirfd);
        if (times[0].nsec == utime_omit and times[1].nsec == utime_omit) return left(.utime, dirfd);
    }
    return onPath(.utime, dirfd, path, follow, given, struct {
        fn use(who: Actor, place: walk.Place, inode: *volatile layout.Inode, wanted: ?Times) ?Outcome {
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
                utime_now => change.valid |= attributes_change.atime_bit | attributes_change.atime_now_bit,
                else => {
                    change.valid |= attributes_change.atime_bit;
                    change.atime = times[0];
                },
            }
            switch (times[1].nsec) {
                utime_omit => {},
                utime_now => change.valid |= attributes_change.mtime_bit | attributes_change.mtime_now_bit,
                else => {
                    change.valid |= attributes_change.mtime_bit;
                    change.mtime = times[1];
                },
            }
            return change.ask(who, place);
        }
    }.use);
}

fn isTime(nanoseconds: i64) bool {
    return (nanoseconds >= 0 and nanoseconds < std.time.ns_per_s) or nanoseconds == utime_now or nanoseconds == utime_omit;
}

fn isPointer(pointer: anytype) bool {
    return @intFromPtr(pointer) >= layout.page_bytes;
}

fn utimensat(dirfd: c_int, path: Path, times: ?*const Times, flags: c_int) callconv(.c) c_int {
    const known = flags & ~@as(c_int, at_symlink_nofollow) == 0 and (times == null or isPointer(times));
    return (if (known) utimeServed(dirfd, path, if (times) |given| given.* else null, flags == 0) else left(.utime, dirfd)) orelse
        next.call("utimensat", *const fn (c_int, Path, ?*const Times, c_int) callconv(.c) c_int)(dirfd, path, times, flags);
}

/// struct timeval
const Microtimes = [2]extern struct { sec: i64, usec: i64 };

/// null: the kernel is to judge them.
fn fromMicroseconds(times: *const Microtimes) ?Times {
    var result: Times = undefined;
    if (!isPointer(times)) return null;
    for (times, &result) |time, *to| {
        if (time.usec < 0 or time.usec >= std.time.us_per_s) return null;
        to.* = .{ .sec = time.sec, .nsec = time.usec * std.time.ns_per_us };
    }
    return result;
}

fn microtimesServed(dirfd: c_int, path: Path, given: ?*const Microtimes, follow: bool) ?c_int {
    const times = given orelse return utimeServed(dirfd, path, null, follow);
    return utimeServed(dirfd, path, fromMicroseconds(times) orelse return left(.utime, dirfd), follow);
}

fn Utimes(comptime name: [:0]const u8, comptime follow: bool) type {
    return struct {
        fn call(path: Path, times: ?*const Microtimes) callconv(.c) c_int {
            return microtimesServed(at_fdcwd, path, times, follow) orelse
                next.call(name, *const fn (Path, ?*const Microtimes) callconv(.c) c_int)(path, times);
        }
    };
}

fn futimesat(dirfd: c_int, path: Path, times: ?*const Microtimes) callconv(.c) c_int {
    return microtimesServed(dirfd, path, times, true) orelse
        next.call("futimesat", *const fn (c_int, Path, ?*const Microtimes) callconv(.c) c_int)(dirfd, path, times);
}

/// struct utimbuf: two times in seconds.
fn utime(path: Path, given: ?*const [2]i64) callconv(.c) c_int {
    return utimeSecondsServed(path, given) orelse next.call("utime", *const fn (Path, ?*const [2]i64) callconv(.c) c_int)(path, given);
}

fn utimeSecondsServed(path: Path, given: ?*const [2]i64) ?c_int {
    const seconds = given orelse return utimeServed(at_fdcwd, path, null, true);
    if (!isPointer(seconds)) return left(.utime, at_fdcwd);
    return utimeServed(at_fdcwd, path, .{ .{ .sec = seconds[0], .nsec = 0 }, .{ .sec = seconds[1], .nsec = 0 } }, true);
}

// Extended attributes: those of programs ("user.") are changed here, where files and directories have them. Values lie in chains
// that change under a reader's eyes, so that only what is not there is told without the kernel.

const user_prefix = "user.";
const list_names = [_][]const u8{ "system.posix_acl_access", "system.posix_acl_default" };

/// The name, if it is one of "user."; null: the kernel's.
fn userName(name: Path) ?[]const u8 {
    if (!isPointer(name)) return null;
    const text = std.mem.sliceTo(name[0 .. layout.name_bytes_max + 1], 0);
    const known = text.len > user_prefix.len and text.len <= layout.name_bytes_max and std.mem.startsWith(u8, text, user_prefix);
    return if (known) text else null;
}

const Attribute = struct { name: []const u8, value: []const u8 = "", flags: c_int = 0, is_removed: bool = false };

fn attributeServed(path: Path, follow: bool, attribute: Attribute) ?c_int {
    return onPath(.xattr, at_fdcwd, path, follow, attribute, struct {
        fn use(who: Actor, place: walk.Place, inode: *volatile layout.Inode, a: Attribute) ?Outcome {
            const type_bits = inode.mode & walk.s_ifmt;
            if (type_bits != walk.s_ifreg and type_bits != walk.s_ifdir) return .{ .kernel = .special_file };
            if (type_bits == walk.s_ifdir and inode.mode & 0o1000 != 0 and !who.isOwner(inode)) return .{ .local = .PERM };
            if (who.may(inode, 2)) |outcome| return outcome;
            const inode_arguments = [_]u64{ place.ino, place.generation };
            if (a.is_removed) return who.ask(layout.ring_removexattr, &inode_arguments, &.{a.name}, null);
            const arguments = inode_arguments ++ [_]u64{@intCast(a.flags)};
            return who.ask(layout.ring_setxattr, &arguments, &.{ a.name, "\x00", a.value }, null);
        }
    }.use);
}

fn Setxattr(comptime name: [:0]const u8, comptime follow: bool) type {
    return struct {
        fn call(path: Path, attribute: Path, value: ?[*]const u8, size: usize, flags: c_int) callconv(.c) c_int {
            return setServed(path, attribute, value, size, flags) orelse
                next.call(name, *const fn (Path, Path, ?[*]const u8, usize, c_int) callconv(.c) c_int)(path, attribute, value, size, flags);
        }
        fn setServed(path: Path, attribute: Path, value: ?[*]const u8, size: usize, flags: c_int) ?c_int {
            const text = userName(attribute) orelse return left(.xattr, at_fdcwd);
            const fits = size <= layout.ring_bytes_max - layout.name_bytes_max - 1 and (size == 0 or isPointer(value));
            if (!fits or flags & ~@as(c_int, 3) != 0) return left(.xattr, at_fdcwd);
            return attributeServed(path, follow, .{ .name = text, .value = if (size == 0) "" else value.?[0..size], .flags = flags });
        }
    };
}

fn Removexattr(comptime name: [:0]const u8, comptime follow: bool) type {
    return struct {
        fn call(path: Path, attribute: Path) callconv(.c) c_int {
            const text = userName(attribute);
            return (if (text) |known| attributeServed(path, follow, .{ .name = known, .is_removed = true }) else left(.xattr, at_fdcwd)) orelse
                next.call(name, *const fn (Path, Path) callconv(.c) c_int)(path, attribute);
        }
    };
}

/// getxattr(2) of what is not there.
fn Getxattr(comptime name: [:0]const u8, comptime follow: bool) type {
    return struct {
        fn call(path: Path, attribute: Path, value: ?[*]u8, size: usize) callconv(.c) isize {
            if (missingServed(path, attribute)) |result| return result;
            return next.call(name, *const fn (Path, Path, ?[*]u8, usize) callconv(.c) isize)(path, attribute, value, size);
        }
        fn missingServed(path: Path, attribute: Path) ?c_int {
            if (!isPointer(attribute)) return left(.xattr, at_fdcwd);
            const of_user = userName(attribute) != null;
            const known = of_user or for (list_names) |list| {
                if (std.mem.eql(u8, std.mem.sliceTo(attribute[0..64], 0), list)) break true;
            } else false;
            if (!known) return left(.xattr, at_fdcwd);
            return onPath(.xattr, at_fdcwd, path, follow, of_user, struct {
                fn use(who: Actor, _: walk.Place, inode: *volatile layout.Inode, is_user: bool) ?Outcome {
                    const type_bits = inode.mode & walk.s_ifmt;
                    const can_have = type_bits == walk.s_ifreg or type_bits == walk.s_ifdir;
                    if (!can_have or inode.xattr_slot != 0) return .{ .kernel = .special_file };
                    if (is_user) if (who.may(inode, 4)) |outcome| return outcome;
                    return .{ .local = .NODATA };
                }
            }.use);
        }
    };
}

/// listxattr(2) of what has none.
fn Listxattr(comptime name: [:0]const u8, comptime follow: bool) type {
    return struct {
        fn call(path: Path, list: ?[*]u8, size: usize) callconv(.c) isize {
            const served = onPath(.xattr, at_fdcwd, path, follow, {}, struct {
                fn use(_: Actor, _: walk.Place, inode: *volatile layout.Inode, _: void) ?Outcome {
                    return if (inode.xattr_slot == 0) .{ .local = .SUCCESS } else .{ .kernel = .special_file };
                }
            }.use);
            if (served) |result| return result;
            return next.call(name, *const fn (Path, ?[*]u8, usize) callconv(.c) isize)(path, list, size);
        }
    };
}

comptime {
    const functions = .{
        .{ "chmod", &chmod },         .{ "lchmod", &lchmod },       .{ "fchmodat", &fchmodat }, .{ "fchownat", &fchownat },
        .{ "utimensat", &utimensat }, .{ "futimesat", &futimesat }, .{ "utime", &utime },
    };
    for (functions) |function| @export(function[1], .{ .name = function[0] });
    for (.{ "truncate", "truncate64" }) |name| @export(&Truncate(name).call, .{ .name = name });
    for (.{ .{ "", true }, .{ "l", false } }) |way| {
        @export(&Chown(way[0] ++ "chown", way[1]).call, .{ .name = way[0] ++ "chown" });
        @export(&Utimes(way[0] ++ "utimes", way[1]).call, .{ .name = way[0] ++ "utimes" });
        @export(&Setxattr(way[0] ++ "setxattr", way[1]).call, .{ .name = way[0] ++ "setxattr" });
        @export(&Removexattr(way[0] ++ "removexattr", way[1]).call, .{ .name = way[0] ++ "removexattr" });
        @export(&Getxattr(way[0] ++ "getxattr", way[1]).call, .{ .name = way[0] ++ "getxattr" });
        @export(&Listxattr("l" ** @intFromBool(!way[1]) ++ "listxattr", way[1]).call, .{ .name = "l" ** @intFromBool(!way[1]) ++ "listxattr" });
    }
}
