//! Opening, closing and duplicating descriptors.

const std = @import("std");
const linux = std.os.linux;
const counters = @import("counters.zig");
const create = @import("create.zig");
const credentials = @import("credentials.zig");
const descriptors = @import("descriptors.zig");
const kept = @import("kept.zig");
const next = @import("next.zig");
const placeholder = @import("placeholder.zig");
const region = @import("region.zig");
const system = @import("system.zig");
const walk = @import("walk.zig");

const Path = [*:0]const u8;
const E = linux.E;

/// Flags under which an open changes nothing. The others, and those that nobody knows, are the kernel's.
const served_flags: u32 = largefile_flag | @as(u32, @bitCast(linux.O{
    .NOCTTY = true,
    .APPEND = true,
    .NONBLOCK = true,
    .DSYNC = true,
    .SYNC = true,
    .DIRECTORY = true,
    .NOFOLLOW = true,
    .NOATIME = true,
    .CLOEXEC = true,
}));
/// What F_GETFL tells of them (and O_LARGEFILE, always).
const status_flags: u32 = served_flags & ~@as(u32, @bitCast(linux.O{ .NOCTTY = true, .CLOEXEC = true }));
const largefile_flag: u32 = 0o100000;

const Opened = union(enum) { fd: c_int, errno: E, kernel: counters.Reason };

/// open(2) of what exists, for reading.
pub fn openAt(dirfd: c_int, path: Path, flags_given: c_int) Opened {
    const flags: u32 = @bitCast(flags_given);
    if (flags & ~served_flags != 0 and create.isHopeless(dirfd, path)) return .{ .errno = .NOENT };
    if (flags & ~served_flags != 0) return .{ .kernel = if (flags & 3 != 0) .write_open else .arguments };
    const o: linux.O = @bitCast(flags);
    for (0..rounds_max) |_| {
        const place = switch (walk.at(dirfd, path, .{ .follow_last = !o.NOFOLLOW })) {
            .place => |place| place,
            .errno => |e| return .{ .errno = e },
            .kernel => |reason| return .{ .kernel = reason },
        };
        return openPlace(place, o) orelse continue;
    }
    return .{ .kernel = .busy };
}

const rounds_max = 4;

/// Null: names have changed since the walk.
fn openPlace(place: walk.Place, o: linux.O) ?Opened {
    const v = region.view() orelse return .{ .kernel = .not_attached };
    const inode = &v.inodes[place.ino];
    switch (inode.mode & linux.S.IFMT) {
        linux.S.IFDIR => {},
        linux.S.IFREG => if (o.DIRECTORY) return .{ .errno = .NOTDIR },
        linux.S.IFLNK => return .{ .errno = if (o.DIRECTORY) .NOTDIR else .LOOP },
        else => return if (o.DIRECTORY) .{ .errno = .NOTDIR } else .{ .kernel = .special_file },
    }
    const may = walk.mayAccess(v, place.ino, 4) orelse return .{ .kernel = .access_list };
    if (!may) return .{ .errno = .ACCES };
    if (o.NOATIME and !mayLeaveAtime(v, inode.uid)) return .{ .errno = .PERM };
    const claimed = descriptors.claim(v, .{
        .ino = place.ino,
        .generation = place.generation,
        .parent = place.parent,
        .dentry = place.dentry,
        .flags = (@as(u32, @bitCast(o)) & status_flags) | largefile_flag,
        .is_directory = false,
    });
    const claim = switch (claimed) {
        .claim => |claim| claim,
        .no_room => return .{ .kernel = .no_room },
        .gate_closed => return .{ .kernel = .materialized },
    };
    // The count came after the walk: only if nothing changed in between it was the inode's that was found.
    if (@atomicLoad(u32, &v.super.namespace_seq, .seq_cst) != place.namespace_seq) {
        descriptors.abandon(claim);
        return null;
    }
    const fd = descriptors.bind(claim, o.CLOEXEC);
    if (fd >= 0) return .{ .fd = fd };
    descriptors.abandon(claim);
    return if (fd == descriptors.must_be_real) .{ .kernel = .materialized } else .{ .errno = @enumFromInt(-fd) };
}

/// open(2): O_NOATIME is for the owner, and for who may act as one.
fn mayLeaveAtime(v: *const region.View, uid: u32) bool {
    const own = credentials.get(v) orelse return false;
    return own.uid == uid or own.effective.owner;
}

fn served(dirfd: c_int, path: Path, flags: c_int) ?c_int {
    switch (openAt(dirfd, path, flags)) {
        .fd => |fd| {
            counters.fast(.open);
            return fd;
        },
        .errno => |e| {
            counters.fast(.open);
            return next.fail(e);
        },
        .kernel => |reason| {
            counters.kernel(.open, reason);
            kept.drop();
            if (reason == .other_path) descriptors.materializeNamed(path) else descriptors.materialize(dirfd);
            return null;
        },
    }
}

// The mode is a variable argument, which x86-64 passes as any other.
fn Open(comptime name: [:0]const u8) type {
    return struct {
        fn call(path: Path, flags: c_int, mode: c_uint) callconv(.c) c_int {
            return served(system.at_fdcwd, path, flags) orelse
                next.call(name, *const fn (Path, c_int, ...) callconv(.c) c_int)(path, flags, mode);
        }
        fn callAt(dirfd: c_int, path: Path, flags: c_int, mode: c_uint) callconv(.c) c_int {
            return served(dirfd, path, flags) orelse
                next.call(name, *const fn (c_int, Path, c_int, ...) callconv(.c) c_int)(dirfd, path, flags, mode);
        }
        /// Without O_CREAT: compiled with _FORTIFY_SOURCE.
        fn callChecked(path: Path, flags: c_int) callconv(.c) c_int {
            return served(system.at_fdcwd, path, flags) orelse
                next.call(name, *const fn (Path, c_int) callconv(.c) c_int)(path, flags);
        }
        fn callAtChecked(dirfd: c_int, path: Path, flags: c_int) callconv(.c) c_int {
            return served(dirfd, path, flags) orelse
                next.call(name, *const fn (c_int, Path, c_int) callconv(.c) c_int)(dirfd, path, flags);
        }
    };
}

// Closing.

pub fn close(fd: c_int) callconv(.c) c_int {
    while (descriptors.find(fd)) |o| {
        if (!descriptors.close(o)) continue;
        counters.fast(.close);
        return 0;
    }
    // A program that closes all numbers there may be does not mean this one.
    if (placeholder.is(fd)) return next.fail(.BADF);
    const result = next.call("close", *const fn (c_int) callconv(.c) c_int)(fd);
    kept.closed(fd);
    return result;
}

const close_range_cloexec = 4;

pub fn close_range(first: c_uint, last: c_uint, flags: c_int) callconv(.c) c_int {
    const call = next.call("close_range", *const fn (c_uint, c_uint, c_int) callconv(.c) c_int);
    // Marked to be closed on exec, a descriptor of ours is like any other.
    kept.forgetAll();
    if (flags & close_range_cloexec != 0 or first > last) return call(first, last, flags);
    var fd: u64 = first;
    while (fd <= last and fd < descriptors.end()) : (fd += 1) {
        if (descriptors.find(@intCast(fd)) != null) _ = close(@intCast(fd));
    }
    const own = placeholder.get();
    if (own < 0 or own < first or own > last) return call(first, last, flags);
    const number: c_uint = @intCast(own);
    if (number > first) {
        const below = call(first, number - 1, flags);
        if (below != 0) return below;
    }
    return if (number < last) call(number + 1, last, flags) else 0;
}

pub fn closefrom(first: c_int) callconv(.c) void {
    if (close_range(@intCast(@max(first, 0)), std.math.maxInt(c_uint), 0) == 0) return;
    next.call("closefrom", *const fn (c_int) callconv(.c) void)(first);
}

// Duplicating.

/// A result of descriptors.zig as libc has it.
fn answer(result: c_int) c_int {
    return if (result < 0) next.fail(@enumFromInt(-result)) else result;
}

fn duplicate(fd: c_int, command: i32, lowest: usize) ?c_int {
    while (descriptors.find(fd)) |o| {
        const result = descriptors.duplicate(o, command, lowest) orelse {
            counters.kernel(.dup, .materialized);
            if (descriptors.find(fd) == null) return null;
            continue;
        };
        counters.fast(.dup);
        return answer(result);
    }
    return null;
}

pub fn dup(fd: c_int) callconv(.c) c_int {
    if (duplicate(fd, linux.F.DUPFD, 0)) |result| return result;
    kept.drop();
    return next.call("dup", *const fn (c_int) callconv(.c) c_int)(fd);
}

fn Dup2(comptime name: [:0]const u8) type {
    return struct {
        fn call(from: c_int, to: c_int) callconv(.c) c_int {
            // Of the same number nothing is wanted but whether there is one.
            if (from != to) if (duplicateOnto(from, to, 0)) |result| return result;
            return next.call(name, *const fn (c_int, c_int) callconv(.c) c_int)(from, to);
        }
    };
}

pub fn dup3(from: c_int, to: c_int, flags: c_int) callconv(.c) c_int {
    if (from != to) if (duplicateOnto(from, to, flags)) |result| return result;
    return next.call("dup3", *const fn (c_int, c_int, c_int) callconv(.c) c_int)(from, to, flags);
}

fn duplicateOnto(from: c_int, to: c_int, flags: c_int) ?c_int {
    if (placeholder.is(from)) return next.fail(.BADF);
    const result = descriptors.duplicateOnto(from, to, @bitCast(flags)) orelse return null;
    counters.fast(.dup);
    return if (result < 0) answer(result) else to;
}

// fcntl.

const f_setlk = 6;
const f_setlkw = 7;
const f_dupfd_cloexec = 1030;
/// What F_SETFL changes; the rest of its argument is ignored.
const settable_flags: u32 = @bitCast(linux.O{ .APPEND = true, .NONBLOCK = true, .NOATIME = true, .ASYNC = true, .DIRECT = true });
/// Of these, what means nothing for a description that only reads.
const idle_flags: u32 = @bitCast(linux.O{ .APPEND = true, .NONBLOCK = true });

fn Fcntl(comptime name: [:0]const u8) type {
    return struct {
        fn call(fd: c_int, command: c_int, argument: usize) callconv(.c) c_int {
            if (descriptors.find(fd) != null) if (control(fd, command, argument)) |result| return result;
            if (command == f_setlk or command == f_setlkw) descriptors.stopForLocks(fd);
            if (command == linux.F.DUPFD or command == f_dupfd_cloexec) kept.drop();
            return next.call(name, *const fn (c_int, c_int, ...) callconv(.c) c_int)(fd, command, argument);
        }
    };
}

fn control(fd: c_int, command: c_int, argument: usize) ?c_int {
    switch (command) {
        // Kept by the kernel with the placeholder.
        linux.F.GETFD, linux.F.SETFD => {
            counters.fast(.fcntl);
            if (command == linux.F.SETFD) if (descriptors.find(fd)) |o| descriptors.notKeepable(o);
            return null;
        },
        linux.F.DUPFD, f_dupfd_cloexec => return duplicate(fd, command, argument),
        linux.F.GETFL => if (descriptors.find(fd)) |o| {
            counters.fast(.fcntl);
            return @bitCast(@atomicLoad(u32, &o.description.flags, .monotonic) & (status_flags | largefile_flag));
        },
        linux.F.SETFL => if (setStatus(fd, @truncate(argument))) return 0,
        else => {},
    }
    counters.kernel(.fcntl, .materialized);
    descriptors.materialize(fd);
    return null;
}

fn setStatus(fd: c_int, flags: u32) bool {
    const o = descriptors.find(fd) orelse return false;
    const hold = o.lock() orelse return false;
    defer hold.release();
    const before = o.description.flags;
    if ((before ^ flags) & settable_flags & ~idle_flags != 0) return false;
    counters.fast(.fcntl);
    @atomicStore(u32, &o.description.flags, (before & ~idle_flags) | (flags & idle_flags), .monotonic);
    return true;
}

comptime {
    for (.{ "open", "open64", "__open", "__open64" }) |name| @export(&Open(name).call, .{ .name = name });
    for (.{ "openat", "openat64" }) |name| @export(&Open(name).callAt, .{ .name = name });
    for (.{ "__open_2", "__open64_2" }) |name| @export(&Open(name).callChecked, .{ .name = name });
    for (.{ "__openat_2", "__openat64_2" }) |name| @export(&Open(name).callAtChecked, .{ .name = name });
    for (.{ "close", "__close" }) |name| @export(&close, .{ .name = name });
    @export(&close_range, .{ .name = "close_range" });
    @export(&closefrom, .{ .name = "closefrom" });
    @export(&dup, .{ .name = "dup" });
    for (.{ "dup2", "__dup2" }) |name| @export(&Dup2(name).call, .{ .name = name });
    @export(&dup3, .{ .name = "dup3" });
    for (.{ "fcntl", "fcntl64", "__fcntl" }) |name| @export(&Fcntl(name).call, .{ .name = name });
}
