//! The environment of a program that is about to be started. It must not name this library where that cannot be loaded
//! (another root directory, another user without the right, a cache that somebody has removed): the dynamic linker would
//! say so on the new program's standard error.
//!
//! Only openat, close and mmap are called for it, without which no dynamic program starts: a seccomp filter that
//! lets a program start others lets this pass.

const std = @import("std");
const linux = std.os.linux;
const scratch = @import("scratch.zig");

const Entry = [*:0]const u8;
/// As execve(2) takes it.
const List = [*:null]const ?Entry;

const variable = "LD_PRELOAD=";
const library = "/libbtfuse_preload.so";
/// What src/cli/library_place.ts writes for programs of any machine, and what it means to those of this one.
const any_platform = "/$PLATFORM/";
const this_platform = "/x86_64/";
const path_bytes_max = 1024;
const separators = " :";

extern "c" var environ: ?[*:null]?Entry;

/// The list to start a program with: the one given or a copy, which `release` frees when no program was started.
pub const Environment = struct {
    list: usize,
    copy: []align(std.heap.page_size_min) u8 = &.{},

    pub fn of(given: usize) Environment {
        if (given == 0) return .{ .list = given };
        const list: List = @ptrFromInt(given);
        const index = unusableEntry(list) orelse return .{ .list = given };
        const text = std.mem.span(list[index].?);
        const count = std.mem.len(list);
        const list_bytes = (count + 1) * @sizeOf(?Entry);
        const copy = reserve(list_bytes + text.len + 1) orelse return .{ .list = given };
        const entries: [*]?Entry = @ptrCast(copy.ptr);
        @memcpy(entries[0..count], list[0..count]);
        entries[count] = null;
        entries[index] = withoutLibrary(text, copy[list_bytes..]);
        return .{ .list = @intFromPtr(copy.ptr), .copy = copy };
    }

    pub fn release(self: Environment) void {
        if (self.copy.len > 0) _ = linux.syscall2(.munmap, @intFromPtr(self.copy.ptr), self.copy.len);
    }
};

/// The same for functions that take the process's own environment: there the entry is replaced for good, for what
/// cannot be loaded from here now hardly can later.
pub fn correctOwn() void {
    const list = environ orelse return;
    const index = unusableEntry(list) orelse return;
    const text = std.mem.span(list[index].?);
    const memory = reserve(text.len + 1) orelse return;
    @atomicStore(?Entry, &list[index], withoutLibrary(text, memory), .release);
}

/// Where the list names our library, if that cannot be loaded.
fn unusableEntry(list: List) ?usize {
    for (std.mem.span(list), 0..) |entry, index| {
        if (!startsWith(entry.?, variable)) continue;
        const text = std.mem.span(entry.?)[variable.len..];
        var paths = std.mem.tokenizeAny(u8, text, separators);
        while (paths.next()) |path| if (std.mem.endsWith(u8, path, library)) {
            return if (canBeLoaded(path)) null else index;
        };
        return null;
    }
    return null;
}

fn startsWith(text: Entry, comptime start: []const u8) bool {
    for (start, 0..) |byte, index| if (text[index] != byte) return false;
    return true;
}

/// In doubt it can: the entry is then left as it is.
fn canBeLoaded(path: []const u8) bool {
    const room = scratch.take() orelse return true;
    defer room.release();
    const buffer = room.buffer;
    const at = std.mem.indexOf(u8, path, any_platform) orelse path.len;
    const rest = if (at < path.len) path[at + any_platform.len ..] else "";
    const middle = if (at < path.len) this_platform else "";
    const file = std.fmt.bufPrintSentinel(buffer, "{s}{s}{s}", .{ path[0..at], middle, rest }, 0) catch return true;
    const flags: linux.O = .{ .ACCMODE = .RDONLY, .CLOEXEC = true };
    const opened = linux.syscall4(.openat, @bitCast(@as(isize, linux.AT.FDCWD)), @intFromPtr(file.ptr), @as(u32, @bitCast(flags)), 0);
    switch (linux.errno(opened)) {
        .SUCCESS => _ = linux.syscall1(.close, opened),
        .NOENT, .ACCES, .NOTDIR, .LOOP, .PERM => return false,
        else => {},
    }
    return true;
}

/// The entry without our library; `memory` has room for it as it was.
fn withoutLibrary(text: []const u8, memory: []u8) Entry {
    @memcpy(memory[0..variable.len], variable);
    var length = variable.len;
    var paths = std.mem.tokenizeAny(u8, text[variable.len..], separators);
    while (paths.next()) |path| {
        if (std.mem.endsWith(u8, path, library)) continue;
        if (length > variable.len) {
            memory[length] = ':';
            length += 1;
        }
        @memcpy(memory[length..][0..path.len], path);
        length += path.len;
    }
    memory[length] = 0;
    return @ptrCast(memory.ptr);
}

fn reserve(bytes: usize) ?[]align(std.heap.page_size_min) u8 {
    const address = linux.mmap(null, bytes, .{ .READ = true, .WRITE = true }, .{ .TYPE = .PRIVATE, .ANONYMOUS = true }, -1, 0);
    if (linux.errno(address) != .SUCCESS) return null;
    return @as([*]align(std.heap.page_size_min) u8, @ptrFromInt(address))[0..bytes];
}
