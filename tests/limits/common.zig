//! What the cases share: calls that must succeed, and what is said about them.

const std = @import("std");
pub const c = @import("../agent/libc.zig");

pub const O_RDONLY = 0;
pub const O_WRONLY = 1;
pub const O_RDWR = 2;
pub const O_CREAT = 0o100;
pub const O_EXCL = 0o200;
pub const O_TRUNC = 0o1000;
pub const O_APPEND = 0o2000;
pub const RLIMIT_NOFILE = 7;
pub const SEEK_CUR = 1;
pub const SEEK_END = 2;
pub const EMFILE = 24;

pub extern "c" fn _exit(code: c_int) noreturn;
pub extern "c" fn fork() c_int;
pub extern "c" fn pipe(fds: *[2]c_int) c_int;

/// This program, to be started again.
pub const program = "/proc/self/exe";

pub fn say(comptime format: []const u8, values: anytype) void {
    var buffer: [512]u8 = undefined;
    const text = std.fmt.bufPrint(&buffer, format ++ "\n", values) catch "too long\n";
    _ = c.write(1, text.ptr, text.len);
}

pub fn errno() c_int {
    return c.__errno_location().*;
}

pub fn fail(what: []const u8) noreturn {
    say("{s}: failed, errno {d}", .{ what, errno() });
    _exit(1);
}

/// The result of a call that must succeed.
pub fn must(result: anytype, what: []const u8) @TypeOf(result) {
    if (result < 0) fail(what);
    return result;
}

pub fn expect(is_so: bool, what: []const u8) void {
    if (is_so) return;
    say("{s}: not so", .{what});
    _exit(1);
}

pub fn open(path: [*:0]const u8, flags: c_int) c_int {
    return must(c.open(path, flags, @as(c_uint, 0o644)), "open");
}

pub fn writeAll(fd: c_int, bytes: []const u8) void {
    expect(c.write(fd, bytes.ptr, bytes.len) == bytes.len, "a whole write");
}

/// The whole file, and its checksum.
pub fn whole(path: [*:0]const u8, buffer: []u8) []u8 {
    const fd = open(path, O_RDONLY);
    var length: usize = 0;
    while (true) {
        const part: usize = @intCast(must(c.read(fd, buffer.ptr + length, buffer.len - length), "read"));
        if (part == 0) break;
        length += part;
    }
    _ = c.close(fd);
    return buffer[0..length];
}

pub fn sum(bytes: []const u8) u32 {
    return std.hash.Crc32.hash(bytes);
}

pub fn wait(pid: c_int) void {
    var status: c_int = undefined;
    while (c.waitpid(must(pid, "a new process"), &status, 0) < 0) {
        if (errno() != c.EINTR) fail("waitpid");
    }
    if (status != 0) say("a process ended with {x}", .{status});
}
