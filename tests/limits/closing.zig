//! Programs that close every descriptor there may be, and go on.

const std = @import("std");
const common = @import("common.zig");
const c = common.c;
const expect = common.expect;

extern "c" fn dlsym(handle: ?*anyopaque, name: [*:0]const u8) ?*anyopaque;

const first = 3;
const descriptor_end = 65_536;

fn byLoop() void {
    for (first..descriptor_end) |fd| _ = c.close(@intCast(fd));
}

// Not in every libc this program may meet.
fn byRange() void {
    const close_range: *const fn (c_uint, c_uint, c_int) callconv(.c) c_int = @ptrCast(dlsym(null, "close_range") orelse return byLoop());
    expect(close_range(first, ~@as(c_uint, 0), 0) == 0, "close_range");
}

fn byCloseFrom() void {
    const closefrom: *const fn (c_int) callconv(.c) void = @ptrCast(dlsym(null, "closefrom") orelse return byLoop());
    closefrom(first);
}

pub fn run(count: u32) void {
    inline for (.{ .{ "a loop", byLoop }, .{ "close_range", byRange }, .{ "closefrom", byCloseFrom } }) |way| {
        for (0..count) |_| round(way[1]);
        var buffer: [1 << 16]u8 = undefined;
        common.say("{s}: {x}", .{ way[0], common.sum(common.whole("file", &buffer)) });
    }
}

fn round(comptime closeAll: fn () void) void {
    const before = common.open("file", common.O_RDWR | common.O_CREAT | common.O_TRUNC);
    for (0..20) |_| _ = common.open("file", common.O_RDONLY);
    const directory = c.opendir(".") orelse common.fail("opendir");
    _ = c.readdir(directory);
    common.writeAll(before, "before\n");
    closeAll();
    expect(c.write(before, "x", 1) < 0 and common.errno() == c.EBADF, "closed is closed");
    var status: c.Stat = undefined;
    expect(c.fstat(before, &status) < 0 and common.errno() == c.EBADF, "closed is closed to fstat");
    const after = common.open("file", common.O_RDWR | common.O_APPEND);
    expect(after == first, "numbers begin anew");
    const other = common.open("file", common.O_RDONLY);
    expect(other == first + 1, "and go on");
    common.writeAll(after, "after\n");
    var bytes: [20]u8 = undefined;
    expect(c.read(other, &bytes, bytes.len) == 13, "read");
    expect(c.fstat(other, &status) == 0 and status.size == 13, "fstat");
    expect(c.stat("file", &status) == 0 and status.size == 13, "stat");
    _ = c.close(other);
    _ = c.close(after);
}
