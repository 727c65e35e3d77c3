//! Opening, closing and duplicating descriptors.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const attributes_change = @import("attributes_change.zig");
const cancellation = @import("cancellation.zig");
const counters = @import("counters.zig");
const create = @import("create.zig");
const credentials = @import("credentials.zig");
const descriptor_paths = @import("descriptor_paths.zig");
const descriptors = @import("descriptors.zig");
const duplicating = @import("duplicating.zig");
const fcntl_commands = @import("fcntl_commands.zig");
const holds = @import("holds.zig");
const kept = @import("kept.zig");
const kernel_files = @import("kernel_files.zig");
const memory_probe = @import("memory_probe.zig");
const next = @import("next.zig");
const paths = @import("paths.zig");
const permissions = @import("permissions.zig");
const placeholder = @import("placeholder.zig");
const region = @import("region.zig");
const reopen = @import("reopen.zig");
const ring = @import("ring.zig");
const store = @import("store.zig");
const system = @import("system.zig");
const walk = @import("walk.zig");
const watches = @import("watches.zig");

const Path = [*:0]const u8;
const path_bytes_max = 4096;
const E = linux.E;

/// Flags that are understood here. The others, and those that nobody knows, are the kernel's.
const served_flags: u32 = status_flags | creation_flags;
/// What F_GETFL tells of them (and O_LARGEFILE, always).
const status_flags: u32 = descriptors.access_mask | largefile_flag | @as(u32, @bitCast(linux.O{
    .APPEND = true,
    .NONBLOCK = true,
    .DSYNC = true,
    .SYNC = true,
    .DIRECTORY = true,
    .NOFOLLOW = true,
    .NOATIME = true,
}));
const creation_flags: u32 = @bitCast(linux.O{ .NOCTTY = true, .CLOEXEC = true, .CREAT = true, .EXCL = true, .TRUNC = true });
const largefile_flag: u32 = 0o100000;
const may_read = 4;
const may_write = 2;

const Opened = union(enum) {
    fd: c_int,
    errno: E,
    kernel: counters.Reason,
};

/// open(2).
pub fn openAt(dirfd: c_int, path: Path, flags_given: c_int, mode: c_uint) Opened {
    const flags: u32 = @bitCast(flags_given);
    if (flags & ~served_flags != 0 and create.isHopeless(dirfd, path)) return .{ .errno = .NOENT };
    const o: linux.O = @bitCast(flags);
    const mask = accessOf(flags);
    const is_odd = mask == 0 or (o.CREAT and o.DIRECTORY) or (o.EXCL and !o.CREAT) or (o.TRUNC and mask & may_write == 0);
    if (flags & ~served_flags != 0 or is_odd) return .{ .kernel = .arguments };
    if (o.CREAT and endsWithSlash(path)) return .{ .kernel = .arguments };
    const cost: region.Cost = if (mask & may_write != 0 or o.DIRECTORY) .lasting else .open;
    const how: walk.How = .{ .follow_last = !o.NOFOLLOW, .cost = cost };
    // What must not be there need not be looked for first.
    if (o.CREAT and o.EXCL) return switch (paths.start(dirfd, path, .lasting)) {
        .inside => openNew(dirfd, path, o, mode),
        .kernel => |reason| .{ .kernel = reason },
    };
    for (0..rounds_max) |_| {
        const place = switch (walk.at(dirfd, path, how)) {
            .place => |place| place,
            .errno => |e| {
                if (e != .NOENT or !o.CREAT) return .{ .errno = e };
                return openNew(dirfd, path, o, mode);
            },
            .kernel => |reason| return .{ .kernel = reason },
        };
        return openPlace(place, o, mask) orelse continue;
    }
    return .{ .kernel = .busy };
}

const rounds_max = 4;

/// What the caller must be allowed to do with the file; 0: a mode of its own kind (open(2), 3).
fn accessOf(flags: u32) u3 {
    return switch (flags & descriptors.access_mask) {
        0 => may_read,
        1 => may_write,
        2 => may_read | may_write,
        else => 0,
    };
}

/// Also of what is no pointer: the kernel says what it thinks of that.
fn endsWithSlash(path: Path) bool {
    if (@intFromPtr(path) < layout.page_bytes or !memory_probe.isPath(path)) return false;
    const text = std.mem.sliceTo(path[0..path_bytes_max], 0);
    return text.len > 0 and text[text.len - 1] == '/';
}

/// Null: names have changed since the walk.
fn openPlace(place: walk.Place, o: linux.O, mask: u3) ?Opened {
    const v = region.view() orelse return .{ .kernel = .not_attached };
    const inode = &v.inodes[place.ino];
    const writes = mask & may_write != 0;
    switch (inode.mode & linux.S.IFMT) {
        linux.S.IFDIR => if (writes or o.CREAT) return .{ .errno = .ISDIR },
        linux.S.IFREG => if (o.DIRECTORY) return .{ .errno = .NOTDIR },
        linux.S.IFLNK => return .{ .errno = if (o.DIRECTORY) .NOTDIR else .LOOP },
        else => return if (o.DIRECTORY) .{ .errno = .NOTDIR } else .{ .kernel = .special_file },
    }
    if (writes) watches.findOutside(v) else watches.findOutsideFirst(v);
    if (watches.concern(v, place)) return .{ .kernel = .watched };
    // What chattr(1) says, in the kernel's order. On a mount it could not say so itself (src/ops/files.ts).
    if (writes and inode.flags & layout.inode_flag_immutable != 0) return .{ .errno = .PERM };
    const may = walk.mayAccess(v, place.ino, mask) orelse return .{ .kernel = .access_list };
    if (!may) return .{ .errno = .ACCES };
    const only_appends = inode.flags & layout.inode_flag_append_only != 0;
    if (writes and only_appends and (!o.APPEND or o.TRUNC)) return .{ .errno = .PERM };
    if (o.NOATIME and !mayLeaveAtime(v, inode.uid)) return .{ .errno = .PERM };
    if (writes) if (whyNotWrite(v, place, o)) |reason| return .{ .kernel = reason };
    const claim = switch (descriptors.claim(v, whatOf(place, o), null)) {
        .claim => |claim| claim,
        .no_room => return .{ .kernel = .no_room },
        .gate_closed => return .{ .kernel = .materialized },
    };
    // The count came after the walk: only if nothing changed in between it was the inode's that was found.
    if (@atomicLoad(u32, &v.super.namespace_seq, .seq_cst) != place.namespace_seq) {
        descriptors.abandon(claim);
        return null;
    }
    // Somebody who takes a lease (leases.zig) marks the inode first and then counts those who have it open.
    if (watches.isWatched(inode)) {
        descriptors.abandon(claim);
        return .{ .kernel = .watched };
    }
    const reserved = descriptors.reserve(o, &claim.step.c);
    const fd = reserved.fd;
    if (fd >= 0) {
        if (!o.TRUNC or truncate(v, place)) return .{ .fd = descriptors.bind(claim, reserved) };
        reserved.giveBack();
    }
    descriptors.abandon(claim);
    if (fd >= 0) return .{ .kernel = .ring_unavailable };
    return if (fd == descriptors.must_be_real) .{ .kernel = .materialized } else .{ .errno = @enumFromInt(-fd) };
}

fn whatOf(place: walk.Place, o: linux.O) reopen.What {
    return .{
        .ino = place.ino,
        .generation = place.generation,
        .parent = place.parent,
        .dentry = place.dentry,
        .flags = (@as(u32, @bitCast(o)) & status_flags) | largefile_flag,
        .is_directory = false,
    };
}

/// Why the kernel is to open an existing file for writing.
fn whyNotWrite(v: *const region.View, place: walk.Place, o: linux.O) ?counters.Reason {
    const inode = &v.inodes[place.ino];
    if (store.why(v, inode)) |reason| return reason;
    // What is appended would be the kernel's, after the descriptor had been made real: more requests than if it is so from the start.
    if (o.APPEND and inode.kernel_uses & layout.kernel_uses_append != 0) return .appended;
    if (!permissions.mountIsWritable()) return .mount_flags;
    if (inode.lookup_count != 0) {
        // It may be running as a program (ETXTBSY).
        if (inode.mode & 0o111 != 0) return .special_file;
        // The kernel goes on using its own idea of the size, see calls_attributes.zig.
        if (o.TRUNC) return .materialized;
    }
    // The system may be set to protect files in such directories (proc_sys_fs(5), protected_regular).
    const own = credentials.get(v) orelse return .other_user;
    if (o.CREAT and v.inodes[place.parent].mode & 0o1000 != 0 and inode.uid != own.uid) return .mount_flags;
    return null;
}

/// False: it could not be done.
fn truncate(v: *const region.View, place: walk.Place) bool {
    return (ring.request(v, attributes_change.toSize(place, 0)) orelse return false) == 0;
}

/// open(2) with O_CREAT of a name that is not there, as far as is known.
fn openNew(dirfd: c_int, path: Path, o: linux.O, mode: c_uint) Opened {
    if (kernel_files.areStopped()) return .{ .kernel = .materialized };
    // First, so that nothing is made for a process that can open no more.
    const step = create.watch();
    defer holds.pop(step);
    const reserved = descriptors.reserve(o, &step.a);
    const fd = reserved.fd;
    if (fd < 0) return if (fd == descriptors.must_be_real) .{ .kernel = .materialized } else .{ .errno = @enumFromInt(-fd) };
    const counted = create.madeIn(step);
    const made = switch (create.file(dirfd, path, mode, counted)) {
        .file => |made| made,
        .exists => {
            reserved.giveBack();
            // A link that leads to nothing has the name, or somebody else was faster.
            return if (o.EXCL) .{ .errno = .EXIST } else .{ .kernel = .busy };
        },
        .outcome => |outcome| {
            reserved.giveBack();
            return switch (outcome) {
                .local, .ring => |e| .{ .errno = e },
                .kernel => |reason| .{ .kernel = reason },
            };
        },
    };
    const v = region.view().?;
    const place: walk.Place = .{ .ino = made.ino, .generation = made.generation, .parent = made.parent, .dentry = made.dentry, .namespace_seq = 0 };
    var what = whatOf(place, o);
    what.flags |= descriptors.created;
    switch (descriptors.claim(v, what, &counted.inode.ino)) {
        .claim => |claim| return .{ .fd = descriptors.bind(claim, reserved) },
        // A closed gate has given the count back.
        .no_room, .gate_closed => {},
    }
    defer create.uncount(counted);
    step.a = 0;
    return openReal(v, fd, whatOf(place, o), o.CLOEXEC);
}

/// The kernel's own descriptor of what was just made, whose mode may be one with which nobody could open it; in place of a reserved one.
fn openReal(v: *const region.View, reserved: c_int, what: reopen.What, close_on_exec: bool) Opened {
    const mask = system.blockSignals();
    defer system.restoreSignals(mask);
    _ = linux.syscall1(.close, system.word(reserved));
    const fd = reopen.open(v, what, null);
    if (fd < 0) return .{ .errno = @enumFromInt(-fd) };
    if (!close_on_exec) _ = linux.fcntl(fd, linux.F.SETFD, 0);
    return .{ .fd = fd };
}

/// open(2): O_NOATIME is for the owner, and for who may act as one.
fn mayLeaveAtime(v: *const region.View, uid: u32) bool {
    const own = credentials.get(v) orelse return false;
    return own.uid == uid or own.effective.owner;
}

/// Null: the kernel's.
fn served(dirfd: c_int, path: Path, flags: c_int, mode: c_uint) ?c_int {
    cancellation.point();
    const reason = switch (openAt(dirfd, path, flags, mode)) {
        .fd => |fd| {
            counters.fast(.open);
            return fd;
        },
        .errno => |e| {
            counters.fast(.open);
            return next.fail(e);
        },
        .kernel => |reason| reason,
    };
    left(dirfd, path, reason);
    return if (reason == .other_path) null else if (kernel_files.lost(dirfd)) |e| next.fail(e) else null;
}

fn left(dirfd: c_int, path: Path, reason: counters.Reason) void {
    counters.kernel(.open, reason);
    kept.drop();
    kernel_files.materialize(dirfd);
    // For what was left before its path was looked at; else paths.zig has done it.
    if (reason == .arguments) descriptor_paths.materialize(dirfd, path);
}

/// Calls what makes a descriptor, twice where the only number left was the placeholder's.
inline fn again(function: anytype, arguments: anytype) c_int {
    const result = @call(.auto, function, arguments);
    return if (placeholder.wasInTheWay(result < 0)) @call(.auto, function, arguments) else result;
}

// The mode is a variable argument, which x86-64 passes as any other.
fn Open(comptime name: [:0]const u8) type {
    return struct {
        fn call(path: Path, flags: c_int, mode: c_uint) callconv(.c) c_int {
            return served(system.at_fdcwd, path, flags, mode) orelse
                again(next.call(name, *const fn (Path, c_int, ...) callconv(.c) c_int), .{ path, flags, mode });
        }
        fn callAt(dirfd: c_int, path: Path, flags: c_int, mode: c_uint) callconv(.c) c_int {
            return served(dirfd, path, flags, mode) orelse
                again(next.call(name, *const fn (c_int, Path, c_int, ...) callconv(.c) c_int), .{ dirfd, path, flags, mode });
        }
        /// Without O_CREAT: compiled with _FORTIFY_SOURCE.
        fn callChecked(path: Path, flags: c_int) callconv(.c) c_int {
            return served(system.at_fdcwd, path, flags, 0) orelse
                again(next.call(name, *const fn (Path, c_int) callconv(.c) c_int), .{ path, flags });
        }
        fn callAtChecked(dirfd: c_int, path: Path, flags: c_int) callconv(.c) c_int {
            return served(dirfd, path, flags, 0) orelse
                again(next.call(name, *const fn (c_int, Path, c_int) callconv(.c) c_int), .{ dirfd, path, flags });
        }
    };
}

fn Creat(comptime name: [:0]const u8) type {
    return struct {
        fn call(path: Path, mode: c_uint) callconv(.c) c_int {
            const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .TRUNC = true };
            return Open(name).call(path, @bitCast(flags), mode);
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

/// close(2) as programs call it: a cancellation point, which what closes descriptors on the way is not.
fn closeAsked(fd: c_int) callconv(.c) c_int {
    cancellation.point();
    return close(fd);
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
    for (0..rounds_max) |_| {
        const o = descriptors.find(fd) orelse return null;
        const result = duplicating.duplicate(o, command, lowest) orelse {
            counters.kernel(.dup, .materialized);
            continue;
        };
        counters.fast(.dup);
        return answer(result);
    }
    // It has to be a real one, and cannot.
    return if (descriptors.find(fd) == null) null else next.fail(.BADF);
}

pub fn dup(fd: c_int) callconv(.c) c_int {
    if (duplicate(fd, linux.F.DUPFD, 0)) |result| return result;
    kept.drop();
    return again(next.call("dup", *const fn (c_int) callconv(.c) c_int), .{fd});
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
    const result = duplicating.duplicateOnto(from, to, @bitCast(flags)) orelse return null;
    counters.fast(.dup);
    return if (result < 0) answer(result) else to;
}

// fcntl.

const f_setlk = 6;
const f_setlkw = 7;
const f_dupfd_cloexec = 1030;
/// What F_SETFL changes; the rest of its argument is ignored.
const settable_flags: u32 = @bitCast(linux.O{ .APPEND = true, .NONBLOCK = true, .NOATIME = true, .ASYNC = true, .DIRECT = true });
/// Of these, what can be followed here, or means nothing.
const idle_flags: u32 = @bitCast(linux.O{ .APPEND = true, .NONBLOCK = true });

fn Fcntl(comptime name: [:0]const u8) type {
    return struct {
        fn call(fd: c_int, command: c_int, argument: usize) callconv(.c) c_int {
            if (fcntl_commands.isSpecial(command)) if (fcntl_commands.serve(fd, command, argument)) |result| return result;
            if (descriptors.find(fd) != null) if (control(fd, command, argument)) |result| return result;
            if (command == f_setlk or command == f_setlkw) kernel_files.stopForLocks(fd);
            if (command == linux.F.DUPFD or command == f_dupfd_cloexec) kept.drop();
            const function = next.call(name, *const fn (c_int, c_int, ...) callconv(.c) c_int);
            return if (command == linux.F.DUPFD or command == f_dupfd_cloexec) again(function, .{ fd, command, argument }) else function(fd, command, argument);
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
            return @bitCast(@atomicLoad(u32, &o.description.flags, .monotonic) & status_flags);
        },
        linux.F.SETFL => {
            if (endsAppending(fd, @truncate(argument))) return next.fail(.PERM);
            if (setStatus(fd, @truncate(argument))) return 0;
        },
        else => {},
    }
    counters.kernel(.fcntl, .materialized);
    kernel_files.materialize(fd);
    return if (kernel_files.lost(fd)) |e| next.fail(e) else null;
}

/// Whether O_APPEND would change for a file that may only be appended to (chattr(1)), which the kernel does not refuse on a FUSE mount.
fn endsAppending(fd: c_int, flags: u32) bool {
    const o = descriptors.find(fd) orelse return false;
    const appends: u32 = @bitCast(linux.O{ .APPEND = true });
    return o.inode().flags & layout.inode_flag_append_only != 0 and (o.description.flags ^ flags) & appends != 0;
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
    for (.{ .{ "creat", "open" }, .{ "creat64", "open64" } }) |names| @export(&Creat(names[1]).call, .{ .name = names[0] });
    for (.{ "close", "__close" }) |name| @export(&closeAsked, .{ .name = name });
    @export(&close_range, .{ .name = "close_range" });
    @export(&closefrom, .{ .name = "closefrom" });
    @export(&dup, .{ .name = "dup" });
    for (.{ "dup2", "__dup2" }) |name| @export(&Dup2(name).call, .{ .name = name });
    @export(&dup3, .{ .name = "dup3" });
    for (.{ "fcntl", "fcntl64", "__fcntl" }) |name| @export(&Fcntl(name).call, .{ .name = name });
}
