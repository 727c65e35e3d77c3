//! Operations on open files: data, offsets, allocation, descriptors, locks.

const std = @import("std");
const c = @import("libc.zig");
const wire = @import("wire.zig");
const Fd = wire.Fd;
const Data = wire.Data;

const parts_max = 1024;

pub fn close(slot: usize) i64 {
    const fd = wire.slots[slot];
    wire.slots[slot] = -1;
    return c.close(fd);
}

pub fn dup(fd: Fd, slot: usize) i64 {
    return wire.keep(slot, c.dup(fd.fd));
}

/// Onto the descriptor that `slot` holds, which stays its number.
pub fn dup2(fd: Fd, slot: usize) i64 {
    return c.dup2(fd.fd, wire.slots[slot]);
}

pub fn dup3(fd: Fd, slot: usize, flags: c_int) i64 {
    return c.dup3(fd.fd, wire.slots[slot], flags);
}

/// F_DUPFD (0) or F_DUPFD_CLOEXEC (1030) with the lowest number wanted.
pub fn fcntlDup(fd: Fd, command: c_int, lowest: c_int, slot: usize) i64 {
    return wire.keep(slot, c.fcntl(fd.fd, command, lowest));
}

pub fn fcntl(fd: Fd, command: c_int, argument: c_long) i64 {
    return if (wire.variant == 2) c.fcntl64(fd.fd, command, argument) else c.fcntl(fd.fd, command, argument);
}

/// Payload: u32 as an ioctl like FIONREAD or FS_IOC_GETFLAGS leaves it, from `argument`.
pub fn ioctl(fd: Fd, request: c_ulong, argument: c_ulong) i64 {
    var value = argument;
    const result = c.ioctl(fd.fd, request, &value);
    if (result >= 0) wire.put(@as(u32, @truncate(value)));
    return result;
}

/// Payload of the reading operations: u64 checksum, then at most `literal_max` bytes.
pub fn read(fd: Fd, count: usize, literal_max: usize) i64 {
    return putResult(c.read(fd.fd, &wire.scratch, count), literal_max);
}

pub fn pread(fd: Fd, count: usize, offset: i64, literal_max: usize) i64 {
    const call = if (wire.variant == 2) &c.pread64 else &c.pread;
    return putResult(call(fd.fd, &wire.scratch, count, offset), literal_max);
}

/// Into `part_count` buffers of `part_bytes`.
pub fn readv(fd: Fd, part_bytes: usize, part_count: usize, literal_max: usize) i64 {
    const parts = split(wire.scratch[0 .. part_bytes * part_count], part_bytes);
    return putResult(c.readv(fd.fd, parts.ptr, @intCast(parts.len)), literal_max);
}

pub fn preadv2(fd: Fd, part_bytes: usize, part_count: usize, offset: i64, flags: c_int, literal_max: usize) i64 {
    const parts = split(wire.scratch[0 .. part_bytes * part_count], part_bytes);
    return putResult(c.preadv2(fd.fd, parts.ptr, @intCast(parts.len), offset, flags), literal_max);
}

pub fn write(fd: Fd, data: Data) i64 {
    return c.write(fd.fd, data.bytes.ptr, data.bytes.len);
}

pub fn pwrite(fd: Fd, data: Data, offset: i64) i64 {
    const call = if (wire.variant == 2) &c.pwrite64 else &c.pwrite;
    return call(fd.fd, data.bytes.ptr, data.bytes.len, offset);
}

/// From buffers of `part_bytes`.
pub fn writev(fd: Fd, data: Data, part_bytes: usize) i64 {
    const parts = split(@constCast(data.bytes), part_bytes);
    return c.writev(fd.fd, parts.ptr, @intCast(parts.len));
}

pub fn pwritev2(fd: Fd, data: Data, part_bytes: usize, offset: i64, flags: c_int) i64 {
    const parts = split(@constCast(data.bytes), part_bytes);
    return c.pwritev2(fd.fd, parts.ptr, @intCast(parts.len), offset, flags);
}

var parts_buffer: [parts_max]c.iovec = undefined;

fn split(bytes: []u8, part_bytes: usize) []const c.iovec {
    var rest = bytes;
    var count: usize = 0;
    while (rest.len > 0) : (count += 1) {
        const length = @min(part_bytes, rest.len);
        parts_buffer[count] = .{ .base = rest.ptr, .len = length };
        rest = rest[length..];
    }
    return parts_buffer[0..count];
}

fn putResult(length: isize, literal_max: usize) i64 {
    if (length >= 0) wire.putRead(wire.scratch[0..@intCast(length)], literal_max);
    return length;
}

/// The checksum that reading these bytes would give, as payload.
pub fn checksum(data: Data) i64 {
    wire.putRead(data.bytes, 0);
    return @intCast(data.bytes.len);
}

pub fn lseek(fd: Fd, offset: i64, whence: c_int) i64 {
    return if (wire.variant == 2) c.lseek64(fd.fd, offset, whence) else c.lseek(fd.fd, offset, whence);
}

pub fn truncate(path: wire.Path, length: i64) i64 {
    return if (wire.variant == 2) c.truncate64(path.z, length) else c.truncate(path.z, length);
}

pub fn ftruncate(fd: Fd, length: i64) i64 {
    return if (wire.variant == 2) c.ftruncate64(fd.fd, length) else c.ftruncate(fd.fd, length);
}

pub fn fallocate(fd: Fd, mode: c_int, offset: i64, length: i64) i64 {
    return c.fallocate(fd.fd, mode, offset, length);
}

/// posix_fallocate(3) returns its error instead of setting errno.
pub fn posixFallocate(fd: Fd, offset: i64, length: i64) i64 {
    return returned(c.posix_fallocate(fd.fd, offset, length));
}

pub fn posixFadvise(fd: Fd, offset: i64, length: i64, advice: c_int) i64 {
    return returned(c.posix_fadvise(fd.fd, offset, length, advice));
}

fn returned(number: c_int) i64 {
    return if (number == 0) 0 else wire.refuse(number);
}

/// Offsets < 0 stand for NULL: the descriptor's own offset. Payload: both offsets after the call, i64.
pub fn copyFileRange(in: Fd, in_offset: i64, out: Fd, out_offset: i64, count: usize, flags: c_uint) i64 {
    var offsets = [2]i64{ in_offset, out_offset };
    const result = c.copy_file_range(
        in.fd,
        if (in_offset < 0) null else &offsets[0],
        out.fd,
        if (out_offset < 0) null else &offsets[1],
        count,
        flags,
    );
    wire.put(offsets);
    return result;
}

/// As above. Payload: the offset after the call.
pub fn sendfile(out: Fd, in: Fd, offset: i64, count: usize) i64 {
    var position = offset;
    const result = c.sendfile(out.fd, in.fd, if (offset < 0) null else &position, count);
    wire.put(position);
    return result;
}

pub fn fsync(fd: Fd) i64 {
    return c.fsync(fd.fd);
}

pub fn fdatasync(fd: Fd) i64 {
    return c.fdatasync(fd.fd);
}

pub fn syncfs(fd: Fd) i64 {
    return c.syncfs(fd.fd);
}

pub fn flock(fd: Fd, operation: c_int) i64 {
    return c.flock(fd.fd, operation);
}

pub fn lockf(fd: Fd, command: c_int, length: i64) i64 {
    return c.lockf(fd.fd, command, length);
}

/// Record locks. Payload: type, whence, start, length as the call leaves them, i64 each, and whether a process is named.
pub fn fcntlLock(fd: Fd, command: c_int, kind: i16, whence: i16, start: i64, length: i64) i64 {
    var lock: c.Flock = .{ .type = kind, .whence = whence, .start = start, .len = length, .pid = 0 };
    const result = c.fcntl(fd.fd, command, &lock);
    wire.put([5]i64{ lock.type, lock.whence, lock.start, lock.len, @intFromBool(lock.pid != 0) });
    return result;
}
