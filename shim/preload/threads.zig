//! Whether other threads of this process are still in a function of this library that they entered before.
//!
//! Nothing counts them, because that would cost every call. But what a call does here without waiting takes microseconds: a thread that
//! has run for longer since then has left. One that is waiting in the kernel shows where it went there from (/proc/PID/task/TID/syscall).

const std = @import("std");
const linux = std.os.linux;
const locked_memory = @import("locked_memory.zig");
const system = @import("system.zig");

/// Longer than any call takes of the processor before it waits or returns.
const run_nanoseconds = 5_000_000;
const pause_nanoseconds = 1_000_000;
const pauses_max = 300;
const threads_max = 64;

const Thread = struct { id: u32, ran: u64 };

/// Waits until no other thread is in a function of this library that it had entered before. False: that cannot be told.
pub fn haveLeft() bool {
    var threads: [threads_max]Thread = undefined;
    const own_code = codeRange() orelse return false;
    var left = list(&threads) orelse return false;
    for (0..pauses_max) |_| {
        var i: usize = 0;
        while (i < left) {
            if (hasLeft(threads[i], own_code)) {
                left -= 1;
                threads[i] = threads[left];
            } else i += 1;
        }
        if (left == 0) return true;
        system.nap(pause_nanoseconds);
    }
    return false;
}

/// Where the library's instructions lie.
fn codeRange() ?locked_memory.Range {
    const here = @intFromPtr(&haveLeft);
    var lines = locked_memory.Lines.open("/proc/self/maps") orelse return null;
    defer lines.close();
    while (lines.next()) |line| {
        const range = locked_memory.parse(line) orelse continue;
        if (here >= range.start and here < range.end) return range;
    }
    return null;
}

/// The other threads, and how long they have run so far; null when there are too many, or that is not known.
fn list(threads: *[threads_max]Thread) ?usize {
    const opened = linux.open("/proc/self/task", .{ .DIRECTORY = true, .CLOEXEC = true }, 0);
    if (linux.errno(opened) != .SUCCESS) return null;
    const fd: c_int = @intCast(opened);
    defer _ = linux.syscall1(.close, system.word(fd));
    const own: u32 = @intCast(linux.gettid());
    // Not every kernel says it.
    if (ran(own) == null) return null;
    var count: usize = 0;
    var bytes: [1024]u8 align(8) = undefined;
    while (true) {
        const length = linux.getdents64(fd, &bytes, bytes.len);
        if (linux.errno(length) != .SUCCESS) return null;
        if (length == 0) return count;
        var at: usize = 0;
        while (at < length) {
            const entry: *align(1) linux.dirent64 = @ptrCast(&bytes[at]);
            at += entry.reclen;
            const name = std.mem.span(@as([*:0]const u8, @ptrCast(&entry.name)));
            const id = std.fmt.parseInt(u32, name, 10) catch continue;
            if (id == own) continue;
            if (count == threads_max) return null;
            threads[count] = .{ .id = id, .ran = ran(id) orelse continue };
            count += 1;
        }
    }
}

/// In nanoseconds; null: there is no such thread any more.
fn ran(id: u32) ?u64 {
    var bytes: [64]u8 = undefined;
    const text = read(id, "schedstat", &bytes) orelse return null;
    return std.fmt.parseInt(u64, text[0 .. std.mem.indexOfScalar(u8, text, ' ') orelse return null], 10) catch null;
}

fn hasLeft(thread: Thread, own_code: locked_memory.Range) bool {
    const now = ran(thread.id) orelse return true;
    if (now -% thread.ran > run_nanoseconds) return true;
    // "running", "-1 SP PC" while it waits for a page, or: number, six arguments, SP, PC.
    var bytes: [256]u8 = undefined;
    const text = read(thread.id, "syscall", &bytes) orelse return false;
    if (!std.ascii.isDigit(text[0])) return false;
    const last = std.mem.lastIndexOfScalar(u8, text, ' ') orelse return false;
    const hexadecimal = std.mem.trimEnd(u8, text[last + 1 ..], "\n");
    if (!std.mem.startsWith(u8, hexadecimal, "0x")) return false;
    const instruction = std.fmt.parseInt(usize, hexadecimal[2..], 16) catch return false;
    return instruction < own_code.start or instruction >= own_code.end;
}

fn read(id: u32, name: []const u8, bytes: []u8) ?[]const u8 {
    var path: [64]u8 = undefined;
    const full = std.fmt.bufPrintSentinel(&path, "/proc/self/task/{d}/{s}", .{ id, name }, 0) catch return null;
    const opened = linux.open(full, .{ .CLOEXEC = true }, 0);
    if (linux.errno(opened) != .SUCCESS) return null;
    const fd: c_int = @intCast(opened);
    defer _ = linux.syscall1(.close, system.word(fd));
    const count = linux.read(fd, bytes.ptr, bytes.len);
    return if (linux.errno(count) == .SUCCESS and count > 0) bytes[0..count] else null;
}
