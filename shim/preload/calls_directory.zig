//! Directory streams: opendir and its family, and getdents64.
//!
//! A stream is ours when its directory was opened here; glibc's are handed on. A stream of ours reads by getdents64 of this file, which
//! serves real descriptors too, so that it goes on after its directory was materialized.

const std = @import("std");
const linux = std.os.linux;
const calls_data = @import("calls_data.zig");
const calls_open = @import("calls_open.zig");
const counters = @import("counters.zig");
const descriptor_paths = @import("descriptor_paths.zig");
const descriptors = @import("descriptors.zig");
const kept = @import("kept.zig");
const kernel_files = @import("kernel_files.zig");
const listing = @import("listing.zig");
const memory_probe = @import("memory_probe.zig");
const next = @import("next.zig");
const placeholder = @import("placeholder.zig");
const system = @import("system.zig");

const Path = [*:0]const u8;
const Entry = listing.Entry;

extern "c" fn malloc(size: usize) ?*anyopaque;
extern "c" fn free(address: ?*anyopaque) void;
extern "c" fn qsort(base: *anyopaque, count: usize, size: usize, compare: *const anyopaque) void;

/// As large as glibc's.
const buffer_bytes = 32768;

const Stream = extern struct {
    /// glibc's DIR starts with its descriptor, which is not negative: the two cannot be taken for each other.
    mark: i32,
    fd: c_int,
    lock: u32,
    at: u32,
    filled: u32,
    /// Behind the entry that was returned last.
    position: i64,
    buffer: [buffer_bytes]u8 align(8),
};
const stream_mark: i32 = -0x6274_6673;

/// null: glibc's.
inline fn ours(dir: *anyopaque) ?*Stream {
    const stream: *Stream = @ptrCast(@alignCast(dir));
    return if (stream.mark == stream_mark) stream else null;
}

fn newStream(fd: c_int) ?*Stream {
    const stream: *Stream = @ptrCast(@alignCast(malloc(@sizeOf(Stream)) orelse return null));
    stream.mark = stream_mark;
    stream.fd = fd;
    stream.lock = 0;
    stream.at = 0;
    stream.filled = 0;
    stream.position = 0;
    return stream;
}

const opendir_flags: c_int = @bitCast(linux.O{ .NONBLOCK = true, .DIRECTORY = true, .CLOEXEC = true });

fn opendir(path: Path) callconv(.c) ?*anyopaque {
    switch (calls_open.openAt(system.at_fdcwd, path, opendir_flags, 0)) {
        .fd => |fd| {
            counters.fast(.directory);
            return newStream(fd) orelse {
                _ = calls_open.close(fd);
                _ = next.fail(.NOMEM);
                return null;
            };
        },
        .errno => |e| {
            counters.fast(.directory);
            _ = next.fail(e);
            return null;
        },
        .kernel => |reason| {
            counters.kernel(.directory, reason);
            descriptor_paths.materialize(system.at_fdcwd, path);
            kept.drop();
            const function = next.call("opendir", *const fn (Path) callconv(.c) ?*anyopaque);
            const dir = function(path);
            return if (placeholder.wasInTheWay(dir == null)) function(path) else dir;
        },
    }
}

fn fdopendir(fd: c_int) callconv(.c) ?*anyopaque {
    const o = descriptors.find(fd) orelse return next.call("fdopendir", *const fn (c_int) callconv(.c) ?*anyopaque)(fd);
    if (!o.isDirectory()) {
        _ = next.fail(.NOTDIR);
        return null;
    }
    counters.fast(.directory);
    const stream = newStream(fd) orelse {
        _ = next.fail(.NOMEM);
        return null;
    };
    stream.position = @intCast(o.description.offset);
    return stream;
}

fn closedir(dir: *anyopaque) callconv(.c) c_int {
    const stream = ours(dir) orelse {
        defer kept.forgetAll();
        return next.call("closedir", *const fn (*anyopaque) callconv(.c) c_int)(dir);
    };
    const fd = stream.fd;
    stream.mark = 0;
    free(stream);
    return calls_open.close(fd);
}

/// A function of this thread that was left (readdir(3) is not for signal handlers, but they may leave it), or that was interrupted, keeps
/// only other threads out.
fn lock(stream: *Stream) void {
    const own = system.threadWord();
    while (true) {
        const before = @cmpxchgWeak(u32, &stream.lock, 0, own, .acquire, .monotonic) orelse return;
        if (before == own) return;
        _ = linux.syscall0(.sched_yield);
    }
}

fn unlock(stream: *Stream) void {
    @atomicStore(u32, &stream.lock, 0, .release);
}

/// The next entry, in the stream's buffer; the stream is locked. null: the end, or an error (errno).
inline fn advance(stream: *Stream) ?*Entry {
    if (stream.at >= stream.filled and !refill(stream)) return null;
    const entry: *Entry = @ptrCast(@alignCast(&stream.buffer[stream.at]));
    stream.at += entry.reclen;
    stream.position = entry.off;
    return entry;
}

noinline fn refill(stream: *Stream) bool {
    const errno = next.errnoLocation().*;
    const bytes = getdents64(stream.fd, &stream.buffer, buffer_bytes);
    stream.at = 0;
    stream.filled = @intCast(@max(bytes, 0));
    // A directory that was removed has come to its end.
    if (bytes < 0 and next.errnoLocation().* == @intFromEnum(linux.E.NOENT)) next.errnoLocation().* = errno;
    return bytes > 0;
}

fn ReaddirCall(comptime name: [:0]const u8) type {
    return struct {
        fn call(dir: *anyopaque) callconv(.c) ?*Entry {
            const stream = ours(dir) orelse return next.call(name, *const fn (*anyopaque) callconv(.c) ?*Entry)(dir);
            lock(stream);
            defer unlock(stream);
            return advance(stream);
        }

        fn reentrant(dir: *anyopaque, entry: *Entry, result: *?*Entry) callconv(.c) c_int {
            const F = fn (*anyopaque, *Entry, *?*Entry) callconv(.c) c_int;
            const stream = ours(dir) orelse return next.call(name, *const F)(dir, entry, result);
            lock(stream);
            defer unlock(stream);
            const errno = next.errnoLocation().*;
            defer next.errnoLocation().* = errno;
            next.errnoLocation().* = 0;
            result.* = null;
            const found = advance(stream) orelse return next.errnoLocation().*;
            @memcpy(@as([*]u8, @ptrCast(entry)), @as([*]const u8, @ptrCast(found))[0..found.reclen]);
            result.* = entry;
            return 0;
        }
    };
}

fn dirfd(dir: *anyopaque) callconv(.c) c_int {
    return if (ours(dir)) |stream| stream.fd else next.call("dirfd", *const fn (*anyopaque) callconv(.c) c_int)(dir);
}

fn telldir(dir: *anyopaque) callconv(.c) c_long {
    return if (ours(dir)) |stream| stream.position else next.call("telldir", *const fn (*anyopaque) callconv(.c) c_long)(dir);
}

fn seekdir(dir: *anyopaque, position: c_long) callconv(.c) void {
    const stream = ours(dir) orelse return next.call("seekdir", *const fn (*anyopaque, c_long) callconv(.c) void)(dir, position);
    seek(stream, position);
}

fn rewinddir(dir: *anyopaque) callconv(.c) void {
    const stream = ours(dir) orelse return next.call("rewinddir", *const fn (*anyopaque) callconv(.c) void)(dir);
    seek(stream, 0);
}

fn seek(stream: *Stream, position: c_long) void {
    lock(stream);
    defer unlock(stream);
    _ = calls_data.lseek(stream.fd, position, calls_data.seek_set);
    stream.at = 0;
    stream.filled = 0;
    stream.position = position;
}

pub fn getdents64(fd: c_int, buffer: [*]u8, size: usize) callconv(.c) isize {
    while (descriptors.find(fd)) |o| {
        if (!o.isDirectory()) return next.fail(.NOTDIR);
        const room = @min(size, size_max);
        if (!memory_probe.canWrite(buffer, room)) {
            counters.kernel(.directory, .arguments);
            kernel_files.materializeOpen(o);
            break;
        }
        switch (listing.read(o, buffer[0..room])) {
            .bytes => |bytes| {
                counters.fast(.directory);
                return @intCast(bytes);
            },
            .too_small => return next.fail(.INVAL),
            .removed => return next.fail(.NOENT),
            .closed => {},
            .busy => {
                counters.kernel(.directory, .busy);
                kernel_files.materializeOpen(o);
                if (kernel_files.lost(fd)) |e| return next.fail(e);
                break;
            },
        }
    }
    const result = linux.getdents64(fd, buffer, size);
    return if (linux.errno(result) == .SUCCESS) @intCast(result) else next.fail(linux.errno(result));
}

const size_max = 1 << 20;

/// Of glibc before 2.30, and of some programs: the position goes where `base` points.
fn GetdirentriesCall(comptime name: [:0]const u8) type {
    return struct {
        fn call(fd: c_int, buffer: [*]u8, size: usize, base: *i64) callconv(.c) isize {
            kernel_files.materialize(fd);
            return next.call(name, *const fn (c_int, [*]u8, usize, *i64) callconv(.c) isize)(fd, buffer, size, base);
        }
    };
}

// scandir: all entries that `select` wants, each in memory of its own.

const Select = fn (*const Entry) callconv(.c) c_int;

fn ScandirCall(comptime name: [:0]const u8) type {
    return struct {
        const F = fn (Path, *[*]*Entry, ?*const Select, ?*const anyopaque) callconv(.c) c_int;
        fn call(path: Path, out: *[*]*Entry, select: ?*const Select, compare: ?*const anyopaque) callconv(.c) c_int {
            const dir = opendir(path) orelse return -1;
            defer _ = closedir(dir);
            const stream = ours(dir) orelse return next.call(name, *const F)(path, out, select, compare);
            return scan(stream, out, select, compare) orelse next.fail(.NOMEM);
        }
    };
}

/// Null: no memory.
fn scan(stream: *Stream, out: *[*]*Entry, select: ?*const Select, compare: ?*const anyopaque) ?c_int {
    const errno = next.errnoLocation().*;
    var list: std.ArrayList(*Entry) = .empty;
    while (advance(stream)) |entry| {
        if (select) |function| if (function(entry) == 0) continue;
        const copy: *Entry = @ptrCast(@alignCast(malloc(entry.reclen) orelse return giveUp(&list)));
        @memcpy(@as([*]u8, @ptrCast(copy)), @as([*]const u8, @ptrCast(entry))[0..entry.reclen]);
        list.append(std.heap.c_allocator, copy) catch {
            free(copy);
            return giveUp(&list);
        };
    }
    if (compare) |function| if (list.items.len > 1) qsort(@ptrCast(list.items.ptr), list.items.len, @sizeOf(*Entry), function);
    // The caller frees the list, also an empty one.
    if (list.capacity == 0) list.ensureTotalCapacity(std.heap.c_allocator, 1) catch return null;
    next.errnoLocation().* = errno;
    out.* = list.items.ptr;
    return @intCast(list.items.len);
}

fn giveUp(list: *std.ArrayList(*Entry)) ?c_int {
    for (list.items) |entry| free(entry);
    list.deinit(std.heap.c_allocator);
    return null;
}

comptime {
    @export(&opendir, .{ .name = "opendir" });
    @export(&fdopendir, .{ .name = "fdopendir" });
    @export(&closedir, .{ .name = "closedir" });
    for (.{ "readdir", "readdir64" }) |name| @export(&ReaddirCall(name).call, .{ .name = name });
    for (.{ "readdir_r", "readdir64_r" }) |name| @export(&ReaddirCall(name).reentrant, .{ .name = name });
    @export(&dirfd, .{ .name = "dirfd" });
    @export(&telldir, .{ .name = "telldir" });
    @export(&seekdir, .{ .name = "seekdir" });
    @export(&rewinddir, .{ .name = "rewinddir" });
    @export(&getdents64, .{ .name = "getdents64" });
    for (.{ "getdirentries", "getdirentries64" }) |name| @export(&GetdirentriesCall(name).call, .{ .name = name });
    for (.{ "scandir", "scandir64" }) |name| @export(&ScandirCall(name).call, .{ .name = name });
}
