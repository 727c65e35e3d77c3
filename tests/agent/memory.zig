//! Operations on mapped files. A map slot holds one mapping.

const std = @import("std");
const c = @import("libc.zig");
const wire = @import("wire.zig");

const map_count = 64;
var maps: [map_count][]u8 = @splat(&.{});

pub fn mmap(slot: usize, fd: wire.Fd, offset: i64, length: usize, protection: c_int, flags: c_int) i64 {
    unmap(slot);
    const address = c.mmap(null, length, protection, flags, fd.fd, offset);
    if (@as(isize, @bitCast(@intFromPtr(address))) == -1) return -1;
    maps[slot] = @as([*]u8, @ptrCast(address.?))[0..length];
    return 0;
}

/// Touching a page behind the end of the file ends the agent with SIGBUS, as it does every program.
/// Payload: u64 checksum, then at most `literal_max` bytes.
pub fn mapRead(slot: usize, offset: usize, length: usize, literal_max: usize) i64 {
    if (maps[slot].len == 0) return wire.refuse(c.EBADF);
    const part = maps[slot][offset..][0..length];
    wire.putRead(part, literal_max);
    return @intCast(part.len);
}

pub fn mapWrite(slot: usize, offset: usize, data: wire.Data) i64 {
    if (maps[slot].len == 0) return wire.refuse(c.EBADF);
    @memcpy(maps[slot][offset..][0..data.bytes.len], data.bytes);
    return @intCast(data.bytes.len);
}

pub fn msync(slot: usize, offset: usize, length: usize, flags: c_int) i64 {
    if (maps[slot].len == 0) return wire.refuse(c.EBADF);
    return c.msync(maps[slot][offset..].ptr, length, flags);
}

pub fn munmap(slot: usize) i64 {
    if (maps[slot].len == 0) return wire.refuse(c.EBADF);
    unmap(slot);
    return 0;
}

/// Maps a part of a file for the time of one write, inside the file's size only. Result: bytes written.
pub fn mapOnce(fd: wire.Fd, offset: i64, data: wire.Data) i64 {
    var st: c.Stat = undefined;
    if (c.fstat(fd.fd, &st) != 0) return -1;
    if (st.mode & c.S_IFMT != c.S_IFREG or st.size <= offset) return wire.refuse(c.EINVAL);
    const start = offset & ~@as(i64, 4095);
    const skip: usize = @intCast(offset - start);
    const length = @min(data.bytes.len, @as(usize, @intCast(st.size - offset)));
    const address = c.mmap(null, skip + length, 3, 1, fd.fd, start);
    if (@as(isize, @bitCast(@intFromPtr(address))) == -1) return -1;
    @memcpy(@as([*]u8, @ptrCast(address.?))[skip..][0..length], data.bytes[0..length]);
    return if (c.munmap(address.?, skip + length) == 0) @intCast(length) else -1;
}

fn unmap(slot: usize) void {
    if (maps[slot].len > 0) _ = c.munmap(maps[slot].ptr, maps[slot].len);
    maps[slot] = &.{};
}

pub const internal = struct {
    pub fn reset() void {
        for (0..map_count) |slot| unmap(slot);
    }
};
