//! The functions of libc that change attributes of what a path leads to, and extended attributes. Those on descriptors are in
//! calls_opened.zig.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const calls_names = @import("calls_names.zig");
const changes = @import("attributes_change.zig");
const counters = @import("counters.zig");
const descriptors = @import("descriptors.zig");
const memory_probe = @import("memory_probe.zig");
const next = @import("next.zig");
const permissions = @import("permissions.zig");
const ring = @import("ring.zig");
const system = @import("system.zig");
const walk = @import("walk.zig");
const watches = @import("watches.zig");

const Path = [*:0]const u8;
const Actor = permissions.Actor;
const Outcome = permissions.Outcome;
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
        const place = switch (walk.at(dirfd, path, .{ .follow_last = follow, .cost = .change })) {
            .place => |place| place,
            .errno => |e| break .{ .local = e },
            .kernel => |reason| break .{ .kernel = reason },
        };
        var why: Outcome = undefined;
        const who = permissions.actor(&why) orelse break why;
        if (watches.concern(who.v, place)) break .{ .kernel = .watched };
        break use(who, place, who.inode(place.ino), context) orelse continue;
    } else .{ .kernel = .busy };
    return calls_names.served(op, outcome, &.{dirfd});
}

/// A call whose arguments the kernel is to judge.
fn left(op: counters.Op, dirfd: c_int) ?c_int {
    return calls_names.served(op, .{ .kernel = .arguments }, &.{dirfd});
}

// chmod

fn chmodServed(dirfd: c_int, path: Path, mode: c_uint, follow: bool) ?c_int {
    return onPath(.chmod, dirfd, path, follow, mode, changes.setMode);
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

fn chownServed(dirfd: c_int, path: Path, owner: changes.Owner, follow: bool) ?c_int {
    // With nobody to give it to, other things happen: chown(2).
    if (owner.uid == changes.unchanged and owner.gid == changes.unchanged) return left(.chown, dirfd);
    return onPath(.chown, dirfd, path, follow, owner, changes.setOwner);
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
    return onPath(.truncate, at_fdcwd, path, true, @as(u64, @intCast(length)), changes.setSize);
}

fn Truncate(comptime name: [:0]const u8) type {
    return struct {
        fn call(path: Path, length: i64) callconv(.c) c_int {
            return truncateServed(path, length) orelse next.call(name, *const fn (Path, i64) callconv(.c) c_int)(path, length);
        }
    };
}

// utimensat

/// `times` null: now, for which being allowed to write is enough.
fn utimeServed(dirfd: c_int, path: Path, given: ?changes.Times, follow: bool) ?c_int {
    if (given) |times| if (!areTimes(times)) return left(.utime, dirfd);
    return onPath(.utime, dirfd, path, follow, given, changes.setTimes);
}

/// Of which something is to be set, and which the kernel understands.
pub fn areTimes(times: changes.Times) bool {
    for (times) |time| if (!isTime(time.nsec)) return false;
    return times[0].nsec != changes.utime_omit or times[1].nsec != changes.utime_omit;
}

fn isTime(nanoseconds: i64) bool {
    return (nanoseconds >= 0 and nanoseconds < std.time.ns_per_s) or nanoseconds == changes.utime_now or nanoseconds == changes.utime_omit;
}

/// Whether what the pointer points at can be read; else the kernel says EFAULT.
pub fn isPointer(pointer: anytype) bool {
    const Pointer = switch (@typeInfo(@TypeOf(pointer))) {
        .optional => |optional| optional.child,
        else => @TypeOf(pointer),
    };
    const info = @typeInfo(Pointer).pointer;
    return @intFromPtr(pointer) >= layout.page_bytes and memory_probe.canRead(pointer, if (info.size == .one) @sizeOf(info.child) else 1);
}

fn utimensat(dirfd: c_int, path: Path, times: ?*const changes.Times, flags: c_int) callconv(.c) c_int {
    const known = flags & ~@as(c_int, at_symlink_nofollow) == 0 and (times == null or isPointer(times));
    return (if (known) utimeServed(dirfd, path, if (times) |given| given.* else null, flags == 0) else left(.utime, dirfd)) orelse
        next.call("utimensat", *const fn (c_int, Path, ?*const changes.Times, c_int) callconv(.c) c_int)(dirfd, path, times, flags);
}

/// struct timeval
pub const Microtimes = [2]extern struct { sec: i64, usec: i64 };

/// null: the kernel is to judge them.
pub fn fromMicroseconds(times: *const Microtimes) ?changes.Times {
    var result: changes.Times = undefined;
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
pub fn userName(name: Path) ?[]const u8 {
    if (!memory_probe.isPath(name)) return null;
    const text = std.mem.sliceTo(name[0 .. layout.name_bytes_max + 1], 0);
    const known = text.len > user_prefix.len and text.len <= layout.name_bytes_max and std.mem.startsWith(u8, text, user_prefix);
    return if (known) text else null;
}

fn attributeServed(path: Path, follow: bool, attribute: changes.Attribute) ?c_int {
    return onPath(.xattr, at_fdcwd, path, follow, attribute, changes.setAttribute);
}

/// What is to be set; null: the kernel's.
pub fn newAttribute(attribute: Path, value: ?[*]const u8, size: usize, flags: c_int) ?changes.Attribute {
    const text = userName(attribute) orelse return null;
    const fits = size <= layout.messages.ring_bytes_max - layout.name_bytes_max - 1 and (size == 0 or memory_probe.canRead(value, size));
    if (!fits or flags & ~@as(c_int, 3) != 0) return null;
    return .{ .name = text, .value = if (size == 0) "" else value.?[0..size], .flags = flags };
}

fn Setxattr(comptime name: [:0]const u8, comptime follow: bool) type {
    return struct {
        fn call(path: Path, attribute: Path, value: ?[*]const u8, size: usize, flags: c_int) callconv(.c) c_int {
            return setServed(path, attribute, value, size, flags) orelse
                next.call(name, *const fn (Path, Path, ?[*]const u8, usize, c_int) callconv(.c) c_int)(path, attribute, value, size, flags);
        }
        fn setServed(path: Path, attribute: Path, value: ?[*]const u8, size: usize, flags: c_int) ?c_int {
            return attributeServed(path, follow, newAttribute(attribute, value, size, flags) orelse return left(.xattr, at_fdcwd));
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

/// Of names that are understood here, whether programs use them, or they are access lists.
pub fn isOfUser(attribute: Path) ?bool {
    if (userName(attribute) != null) return true;
    if (!memory_probe.isPath(attribute)) return null;
    for (list_names) |list| if (std.mem.eql(u8, std.mem.sliceTo(attribute[0..64], 0), list)) return false;
    return null;
}

/// getxattr(2) of what is not there.
fn Getxattr(comptime name: [:0]const u8, comptime follow: bool) type {
    return struct {
        fn call(path: Path, attribute: Path, value: ?[*]u8, size: usize) callconv(.c) isize {
            if (missingServed(path, attribute)) |result| return result;
            return next.call(name, *const fn (Path, Path, ?[*]u8, usize) callconv(.c) isize)(path, attribute, value, size);
        }
        fn missingServed(path: Path, attribute: Path) ?c_int {
            const of_user = isOfUser(attribute) orelse return left(.xattr, at_fdcwd);
            return onPath(.xattr, at_fdcwd, path, follow, of_user, changes.getMissing);
        }
    };
}

/// listxattr(2) of what has none.
fn Listxattr(comptime name: [:0]const u8, comptime follow: bool) type {
    return struct {
        fn call(path: Path, list: ?[*]u8, size: usize) callconv(.c) isize {
            const served = onPath(.xattr, at_fdcwd, path, follow, {}, changes.listNone);
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
