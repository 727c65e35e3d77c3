//! The FUSE device: "write this reply, read the next request" in one call, because one crossing of
//! the FFI border costs as little as a function call and the system calls are what remains.

const std = @import("std");
const linux = std.os.linux;
const region = @import("region.zig");

/// What holes are read from. Never written, so it stays the kernel's zero page.
const zeros_bytes = 1 << 20;
var zeros: [zeros_bytes]u8 align(4096) = @splat(0);

const vectors_max = 1024;

fn result(rc: usize) i32 {
    return @truncate(@as(isize, @bitCast(rc)));
}

/// Reads the next request. `clock` becomes CLOCK_REALTIME at its arrival: seconds (two words, low
/// first) and nanoseconds. Returns the request's bytes or a negative errno.
export fn bt_fuse_receive(fd: i32, request: [*]u8, capacity: u32, clock: [*]u32) i32 {
    const length = result(linux.read(fd, request, capacity));
    region.bt_clock(clock);
    return length;
}

/// Writes a reply only. Returns its bytes or a negative errno.
export fn bt_fuse_reply(fd: i32, reply: [*]const u8, reply_bytes: u32) i32 {
    return result(linux.write(fd, reply, reply_bytes));
}

/// 1 when a request waits to be read, else 0.
export fn bt_fuse_waiting(fd: i32) i32 {
    var poll = [_]linux.pollfd{.{ .fd = fd, .events = linux.POLL.IN, .revents = 0 }};
    return @intFromBool(result(linux.poll(&poll, 1, 0)) == 1);
}

/// Writes a reply and receives the next request. A reply the kernel does not want any more
/// (ENOENT: the request was aborted) is dropped, as libfuse does.
export fn bt_fuse_exchange(fd: i32, reply: [*]const u8, reply_bytes: u32, request: [*]u8, capacity: u32, clock: [*]u32) i32 {
    const written = result(linux.write(fd, reply, reply_bytes));
    if (written < 0 and written != -@as(i32, @intFromEnum(linux.E.NOENT))) return written;
    return bt_fuse_receive(fd, request, capacity, clock);
}

/// The same for a reply with data that stays where it is: `segments` holds `count` pairs of an
/// address (0 = zeros) and a length in bytes, as doubles. The word at `sending` becomes 0 when they are sent.
export fn bt_fuse_exchange_data(
    fd: i32,
    reply: [*]const u8,
    reply_bytes: u32,
    segments: [*]const f64,
    count: u32,
    sending: u64,
    request: [*]u8,
    capacity: u32,
    clock: [*]u32,
) i32 {
    var vectors: [vectors_max]std.posix.iovec_const = undefined;
    vectors[0] = .{ .base = reply, .len = reply_bytes };
    if (count >= vectors_max) return -@as(i32, @intFromEnum(linux.E.INVAL));
    for (vectors[1 .. 1 + count], 0..) |*vector, i| {
        const address: usize = @intFromFloat(segments[2 * i]);
        const bytes: usize = @intFromFloat(segments[2 * i + 1]);
        if (address == 0 and bytes > zeros_bytes) return -@as(i32, @intFromEnum(linux.E.INVAL));
        vector.* = .{ .base = if (address == 0) &zeros else @ptrFromInt(address), .len = bytes };
    }
    const written = result(linux.writev(fd, &vectors, 1 + count));
    @atomicStore(u32, @as(*u32, @ptrFromInt(sending)), 0, .release);
    if (written < 0 and written != -@as(i32, @intFromEnum(linux.E.NOENT))) return written;
    return bt_fuse_receive(fd, request, capacity, clock);
}
