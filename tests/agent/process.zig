//! The agent as a process: who it is, what it may, what time it is, and starting other programs.

const std = @import("std");
const c = @import("libc.zig");
const wire = @import("wire.zig");
const memory = @import("memory.zig");
const directories = @import("directories.zig");

const keep_id: c_uint = 0xffff_ffff;
const clock_realtime = 0;
const clock_realtime_coarse = 5;

/// Becomes this user for good. `groups`: u32 each.
pub fn become(uid: c_uint, gid: c_uint, groups: []const u8) i64 {
    if (setGroups(groups) != 0) return -1;
    if (c.setresgid(gid, gid, gid) != 0) return -1;
    return c.setresuid(uid, uid, uid);
}

/// Acts as this user, with the real user id kept, so that a further `act` can change it again.
pub fn act(uid: c_uint, gid: c_uint, groups: []const u8) i64 {
    if (c.setresuid(keep_id, 0, keep_id) != 0) return -1;
    if (setGroups(groups) != 0) return -1;
    if (c.setresgid(keep_id, gid, keep_id) != 0) return -1;
    return c.setresuid(keep_id, uid, keep_id);
}

fn setGroups(groups: []const u8) c_int {
    var buffer: [64]c_uint = undefined;
    const count = groups.len / 4;
    @memcpy(std.mem.sliceAsBytes(buffer[0..count]), groups);
    return c.setgroups(count, &buffer);
}

pub fn umask(mask: c_uint) i64 {
    return c.umask(mask);
}

/// Which of several equal libc functions the following operations call; see wire.zig.
pub fn variant(number: i64) i64 {
    wire.variant = number;
    return 0;
}

/// Closes and unmaps everything, sets umask 022 and variant 0, and goes to `path`.
pub fn reset(path: wire.Path) i64 {
    for (0..wire.slot_count) |slot| _ = wire.keep(slot, -1);
    memory.internal.reset();
    directories.internal.reset();
    wire.variant = 0;
    _ = c.umask(0o022);
    return c.chdir(path.z);
}

/// Sets the soft limit, the hard one stays. Result: the soft limit before.
pub fn setrlimit(resource: c_int, limit: u64) i64 {
    var current: c.Rlimit = undefined;
    if (c.getrlimit(resource, &current) != 0) return -1;
    const changed: c.Rlimit = .{ .cur = @min(limit, current.max), .max = current.max };
    if (c.setrlimit(resource, &changed) != 0) return -1;
    return @bitCast(current.cur);
}

/// Result: nanoseconds since 1970.
pub fn now() i64 {
    var time: c.timespec = undefined;
    _ = c.clock_gettime(clock_realtime, &time);
    return time.sec * std.time.ns_per_s + time.nsec;
}

/// Waits until the clock that kernels stamp files with has moved twice: whatever is stamped from now on is
/// later than what was stamped before.
pub fn tick() i64 {
    for (0..2) |_| {
        var start: c.timespec = undefined;
        var time: c.timespec = undefined;
        _ = c.clock_gettime(clock_realtime_coarse, &start);
        while (true) {
            _ = c.nanosleep(&.{ .sec = 0, .nsec = 500_000 }, null);
            _ = c.clock_gettime(clock_realtime_coarse, &time);
            if (time.sec != start.sec or time.nsec != start.nsec) break;
        }
    }
    return 0;
}

/// Runs a program without arguments and waits for its end. Result: wait status; errno when it cannot start.
pub fn run(path: wire.Path) i64 {
    var pid: c_int = 0;
    const argv = [_]?[*:0]const u8{ path.z, null };
    const envp = [_]?[*:0]const u8{null};
    const failure = c.posix_spawn(&pid, path.z, null, null, &argv, &envp);
    if (failure != 0) return wire.refuse(failure);
    var status: c_int = 0;
    while (c.waitpid(pid, &status, 0) < 0) {
        if (wire.errno().* != c.EINTR) return -1;
    }
    return status;
}

/// A listening stream socket bound to a path of at most 107 bytes.
pub fn bindSocket(path: wire.Path, slot: usize) i64 {
    const fd = c.socket(1, 1 | c.O_CLOEXEC, 0);
    if (fd < 0) return -1;
    const address = socketAddress(path.z);
    if (c.bind(fd, &address, @sizeOf(c.SockaddrUn)) != 0 or c.listen(fd, 8) != 0) {
        const saved = wire.errno().*;
        _ = c.close(fd);
        return wire.refuse(saved);
    }
    return wire.keep(slot, fd);
}

pub fn connectSocket(path: wire.Path, slot: usize) i64 {
    const fd = c.socket(1, 1 | c.O_CLOEXEC, 0);
    if (fd < 0) return -1;
    const address = socketAddress(path.z);
    if (c.connect(fd, &address, @sizeOf(c.SockaddrUn)) != 0) {
        const saved = wire.errno().*;
        _ = c.close(fd);
        return wire.refuse(saved);
    }
    return wire.keep(slot, fd);
}

fn socketAddress(path: [*:0]const u8) c.SockaddrUn {
    var address: c.SockaddrUn = .{ .family = 1, .path = @splat(0) };
    const length = std.mem.len(path);
    @memcpy(address.path[0..length], path[0..length]);
    return address;
}
