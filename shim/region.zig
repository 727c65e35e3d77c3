//! Shared-memory objects: shm_open(3) without libc (it is open(2) below /dev/shm), mmap(2), futex(2).

const std = @import("std");
const linux = std.os.linux;

fn result(rc: usize) i32 {
    return @truncate(@as(isize, @bitCast(rc)));
}

/// `name` is "/x"; the path is built without allocation.
fn withPath(name: [*:0]const u8, buffer: *[512]u8) ?[*:0]const u8 {
    const text = std.mem.span(name);
    const prefix = "/dev/shm";
    if (prefix.len + text.len + 1 > buffer.len) return null;
    @memcpy(buffer[0..prefix.len], prefix);
    @memcpy(buffer[prefix.len..][0..text.len], text);
    buffer[prefix.len + text.len] = 0;
    return @ptrCast(buffer);
}

const flags_open: linux.O = .{ .ACCMODE = .RDWR, .CLOEXEC = true, .NOFOLLOW = true };

export fn bt_region_create(name: [*:0]const u8, bytes: u64) i32 {
    var buffer: [512]u8 = undefined;
    const path = withPath(name, &buffer) orelse return -@as(i32, @intFromEnum(linux.E.NAMETOOLONG));
    var flags = flags_open;
    flags.CREAT = true;
    flags.EXCL = true;
    const fd = result(linux.open(path, flags, 0o600));
    if (fd < 0) return fd;
    const rc = result(linux.ftruncate(fd, @intCast(bytes)));
    if (rc == 0) return fd;
    _ = linux.close(fd);
    _ = linux.unlink(path);
    return rc;
}

export fn bt_region_open(name: [*:0]const u8) i32 {
    var buffer: [512]u8 = undefined;
    const path = withPath(name, &buffer) orelse return -@as(i32, @intFromEnum(linux.E.NAMETOOLONG));
    return result(linux.open(path, flags_open, 0));
}

/// Reads what is there instead of mapping it: an object that somebody cuts off meanwhile is then an error, no signal.
export fn bt_region_read(fd: i32, offset: u64, buffer: [*]u8, bytes: u32) i32 {
    return result(linux.pread(fd, buffer, bytes, @intCast(offset)));
}

export fn bt_region_unlink(name: [*:0]const u8) i32 {
    var buffer: [512]u8 = undefined;
    const path = withPath(name, &buffer) orelse return -@as(i32, @intFromEnum(linux.E.NAMETOOLONG));
    return result(linux.unlink(path));
}

/// The address, or 0.
export fn bt_region_map(fd: i32, bytes: u64) u64 {
    const rc = linux.mmap(null, bytes, .{ .READ = true, .WRITE = true }, .{ .TYPE = .SHARED, .NORESERVE = true }, fd, 0);
    return if (linux.errno(rc) == .SUCCESS) rc else 0;
}

export fn bt_region_unmap(address: u64, bytes: u64) i32 {
    return result(linux.munmap(@ptrFromInt(address), bytes));
}

/// Takes memory for a range, so that touching it later cannot fail (SIGBUS) when the machine has none left.
export fn bt_region_reserve(fd: i32, offset: u64, bytes: u64) i32 {
    const interrupted = -@as(i32, @intFromEnum(linux.E.INTR));
    while (true) {
        const rc = result(linux.fallocate(fd, 0, @intCast(offset), @intCast(bytes)));
        if (rc != interrupted) return rc;
    }
}

export fn bt_region_punch(fd: i32, offset: u64, bytes: u64) i32 {
    const keep_size_and_punch = 0x01 | 0x02;
    return result(linux.fallocate(fd, keep_size_and_punch, @intCast(offset), @intCast(bytes)));
}

/// Whether no other process has the object open, as each has that maps it: 1 or 0, or a negative errno where that cannot be told. The kernel gives a write lease (fcntl(2)) only to a
/// file's single user; it is given back at once.
export fn bt_region_is_alone(fd: i32) i32 {
    const f_setsig = 10;
    const f_setlease = 1024;
    const f_wrlck = 1;
    const f_unlck = 2;
    // Who opens the object in between waits until the lease has gone, and we are sent a signal, which is to do nothing.
    _ = linux.fcntl(fd, f_setsig, @intFromEnum(linux.SIG.URG));
    const leased = result(linux.fcntl(fd, f_setlease, f_wrlck));
    if (leased == -@as(i32, @intFromEnum(linux.E.AGAIN))) return 0;
    if (leased != 0) return leased;
    _ = linux.fcntl(fd, f_setlease, f_unlck);
    return 1;
}

/// out[0] = size, out[1] = memory taken, both in bytes.
export fn bt_region_stat(fd: i32, out: [*]f64) i32 {
    var stat: linux.Statx = undefined;
    const rc = result(linux.statx(fd, "", linux.AT.EMPTY_PATH, .{ .SIZE = true, .BLOCKS = true }, &stat));
    if (rc != 0) return rc;
    out[0] = @floatFromInt(stat.size);
    out[1] = @floatFromInt(stat.blocks * 512);
    return 0;
}

export fn bt_close(fd: i32) i32 {
    return result(linux.close(fd));
}

/// Waits while the word at `address` is `expected`, at most `timeout_ms`.
export fn bt_futex_wait(address: u64, expected: u32, timeout_ms: u32) i32 {
    const timeout: linux.timespec = .{ .sec = timeout_ms / 1000, .nsec = @as(isize, timeout_ms % 1000) * 1_000_000 };
    const word: *const u32 = @ptrFromInt(address);
    return result(linux.futex_4arg(word, .{ .cmd = .WAIT, .private = false }, expected, &timeout));
}

export fn bt_futex_wake(address: u64, count: u32) i32 {
    const word: *const u32 = @ptrFromInt(address);
    return result(linux.futex_3arg(word, .{ .cmd = .WAKE, .private = false }, count));
}

/// CLOCK_REALTIME: seconds (two words, low first) and nanoseconds.
pub export fn bt_clock(clock: [*]u32) void {
    var now: linux.timespec = undefined;
    _ = linux.clock_gettime(.REALTIME, &now);
    const seconds: u64 = @bitCast(@as(i64, now.sec));
    clock[0] = @truncate(seconds);
    clock[1] = @truncate(seconds >> 32);
    clock[2] = @intCast(now.nsec);
}

/// flock(2), exclusive, without waiting. The lock goes with the descriptor, so also with a killed process.
export fn bt_region_lock(fd: i32) i32 {
    const exclusive_nonblocking = 2 | 4;
    return result(linux.syscall2(.flock, @as(usize, @intCast(fd)), exclusive_nonblocking));
}

export fn bt_region_unlock(fd: i32) i32 {
    const unlock = 8;
    return result(linux.syscall2(.flock, @as(usize, @intCast(fd)), unlock));
}

/// Bytes of [from, to) that take memory, or a negative errno. Moves the descriptor's offset.
export fn bt_region_data_bytes(fd: i32, from: u64, to: u64) f64 {
    const seek_data = 3;
    const seek_hole = 4;
    var total: u64 = 0;
    var at = from;
    while (at < to) {
        const data: isize = @bitCast(linux.lseek(fd, @intCast(at), seek_data));
        if (data < 0) break;
        if (data >= to) break;
        const hole: isize = @bitCast(linux.lseek(fd, data, seek_hole));
        if (hole < 0) return @floatFromInt(hole);
        at = @min(to, @as(u64, @intCast(hole)));
        total += at - @as(u64, @intCast(data));
    }
    return @floatFromInt(total);
}
