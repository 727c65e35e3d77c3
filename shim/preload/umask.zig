//! The process's umask(2), which the kernel tells only to who changes it: followed from the first look on.

const std = @import("std");
const linux = std.os.linux;
const next = @import("next.zig");

const unknown: u32 = 0xffff_ffff;
const permissions: u32 = 0o777;
var value: u32 = unknown;

/// null: it cannot be found out.
pub inline fn get() ?u32 {
    const known = @atomicLoad(u32, &value, .monotonic);
    return if (known != unknown) known else read();
}

noinline fn read() ?u32 {
    const found = fromStatus() orelse return null;
    // A change meanwhile knows better.
    return @cmpxchgStrong(u32, &value, unknown, found, .monotonic, .monotonic) orelse found;
}

/// It stands in the first lines there.
fn fromStatus() ?u32 {
    const flags: linux.O = .{ .CLOEXEC = true };
    const opened = linux.syscall3(.open, @intFromPtr("/proc/self/status"), @as(u32, @bitCast(flags)), 0);
    if (linux.errno(opened) != .SUCCESS) return null;
    defer _ = linux.syscall1(.close, opened);
    var buffer: [256]u8 = undefined;
    const length = linux.syscall3(.read, opened, @intFromPtr(&buffer), buffer.len);
    if (linux.errno(length) != .SUCCESS) return null;
    var lines = std.mem.tokenizeScalar(u8, buffer[0..length], '\n');
    while (lines.next()) |line| {
        if (!std.mem.startsWith(u8, line, "Umask:\t") or lines.peek() == null) continue;
        return std.fmt.parseInt(u32, line["Umask:\t".len..], 8) catch null;
    }
    return null;
}

fn umask(mask: c_uint) callconv(.c) c_uint {
    const before = next.call("umask", *const fn (c_uint) callconv(.c) c_uint)(mask);
    @atomicStore(u32, &value, mask & permissions, .monotonic);
    return before;
}

comptime {
    @export(&umask, .{ .name = "umask" });
}
