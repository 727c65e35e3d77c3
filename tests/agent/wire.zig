//! The agent's state and its wire format. All integers little-endian.
//!
//! Request: u32 length of what follows, u16 operation (its index in the banner), then the arguments one after
//! the other, as the operation's signature in the banner says:
//!   i  integer     i64
//!   f  descriptor  i64: a slot (>= 0), AT_FDCWD (-100), or another negative number, passed on as it is
//!   s  path        u32 length, bytes, one zero byte (the length does not count it)
//!   b  bytes       u32 length, bytes
//!   d  data        u8 kind, u32 length, then: 0 literal: bytes; 1 pattern: u32 seed; 2 fill: u8 byte
//! Reply, in the order of the requests: u32 length of what follows, i32 errno (0 = success), i64 result, payload.
//!
//! Slots are numbers chosen by the driver, so that a batch can use a descriptor that an earlier command of the
//! same batch opens. Storing into an occupied slot closes what it held. An empty slot stands for descriptor -1.

const std = @import("std");
const c = @import("libc.zig");

pub const slot_count = 4096;
pub const scratch_bytes = 16 << 20;

pub const Fd = struct { fd: c_int };
pub const Path = struct { z: [*:0]const u8 };
pub const Data = struct { bytes: []const u8 };

pub const allocator = std.heap.c_allocator;

/// Replies not yet written to standard output.
pub var out: std.ArrayList(u8) = .empty;
/// Descriptors by slot; -1 = empty.
pub var slots: [slot_count]c_int = @splat(-1);
/// Which of several equal libc functions is called: 0 the *at function, 1 the one without a directory
/// where that means the same, 2 the 64-bit or otherwise renamed twin.
pub var variant: i64 = 0;

var data_scratch: [scratch_bytes]u8 = undefined;
/// For what is read: never the same memory as what is written.
pub var scratch: [scratch_bytes]u8 = undefined;

pub fn errno() *c_int {
    return c.__errno_location();
}

/// The result of an operation refused by the agent itself with this error number.
pub fn refuse(number: c_int) i64 {
    errno().* = number;
    return -1;
}

/// Stores a new descriptor into a slot and returns its number; a failed call (-1) empties the slot.
pub fn keep(slot: usize, fd: c_int) i64 {
    const saved = errno().*;
    if (slots[slot] >= 0 and slots[slot] != fd) _ = c.close(slots[slot]);
    slots[slot] = fd;
    errno().* = saved;
    return fd;
}

pub fn put(value: anytype) void {
    const bytes = std.mem.asBytes(&value);
    out.appendSlice(allocator, bytes) catch @panic("out of memory");
}

pub fn putBytes(bytes: []const u8) void {
    out.appendSlice(allocator, bytes) catch @panic("out of memory");
}

/// Payload of an operation that reads: u64 checksum of all bytes, then the first `literal_max` of them.
pub fn putRead(bytes: []const u8, literal_max: usize) void {
    put(std.hash.Wyhash.hash(0, bytes));
    putBytes(bytes[0..@min(bytes.len, literal_max)]);
}

/// Decodes one request. Input comes from the test driver: a malformed frame is a bug there and ends the agent.
pub const Request = struct {
    bytes: []const u8,

    pub fn next(request: *Request, comptime T: type) T {
        return switch (T) {
            Fd => .{ .fd = resolve(request.integer()) },
            Path => .{ .z = request.path() },
            Data => .{ .bytes = request.data() },
            []const u8 => request.take(request.number(u32)),
            else => narrow(T, request.integer()),
        };
    }

    /// Unsigned arguments keep their low bits, so that -1 can be given for "unchanged".
    fn narrow(comptime T: type, value: i64) T {
        return if (@typeInfo(T).int.signedness == .unsigned)
            @truncate(@as(u64, @bitCast(value)))
        else
            @truncate(value);
    }

    fn resolve(value: i64) c_int {
        return if (value >= 0) slots[@intCast(value)] else @truncate(value);
    }

    fn take(request: *Request, length: usize) []const u8 {
        const part = request.bytes[0..length];
        request.bytes = request.bytes[length..];
        return part;
    }

    fn number(request: *Request, comptime T: type) T {
        return std.mem.readInt(T, request.take(@sizeOf(T))[0..@sizeOf(T)], .little);
    }

    fn integer(request: *Request) i64 {
        return request.number(i64);
    }

    fn path(request: *Request) [*:0]const u8 {
        const length = request.number(u32);
        return request.take(length + 1)[0..length :0].ptr;
    }

    fn data(request: *Request) []const u8 {
        const kind = request.number(u8);
        const length = request.number(u32);
        if (kind == 0) return request.take(length);
        const bytes = data_scratch[0..length];
        if (kind == 1) pattern(bytes, request.number(u32)) else @memset(bytes, request.number(u8));
        return bytes;
    }
};

/// Reproducible bytes without a visible order; `pattern()` in tests/support/agent.ts makes the same ones.
fn pattern(bytes: []u8, seed: u32) void {
    var index: u32 = 0;
    while (index * 4 < bytes.len) : (index += 1) {
        var x = (seed ^ (index *% 0x9E3779B9)) *% 0x85EBCA6B;
        x ^= x >> 13;
        x *%= 0xC2B2AE35;
        x ^= x >> 16;
        const word = std.mem.toBytes(x);
        const part = bytes[index * 4 .. @min(bytes.len, index * 4 + 4)];
        @memcpy(part, word[0..part.len]);
    }
}
