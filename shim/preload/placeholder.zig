//! The placeholder: what descriptors of ours are for the kernel. It is a symbolic link opened as such, so that every call that
//! the library does not know of fails with EBADF, and opening it again through /proc/self/fd with ELOOP, instead
//! of reaching a wrong file. The process keeps one at a high number and duplicates it.

const std = @import("std");
const linux = std.os.linux;
const gate = @import("gate.zig");
const next = @import("next.zig");
const system = @import("system.zig");

const link = "/proc/self";
/// The last one of the usual limit: out of the way of programs, which count descriptors, and no burden for fork(2).
const number_max = 1023;
const f_dupfd_cloexec = 1030;
const rlimit_nofile = 7;

var number: c_int = -1;

pub fn get() c_int {
    return @atomicLoad(c_int, &number, .monotonic);
}

pub inline fn is(fd: c_int) bool {
    return fd >= 0 and fd == get();
}

/// The lowest free descriptor, or a negative errno.
pub fn duplicate(close_on_exec: bool) c_int {
    const command: i32 = if (close_on_exec) f_dupfd_cloexec else linux.F.DUPFD;
    for (0..2) |_| {
        const result = linux.fcntl(get(), command, 0);
        switch (linux.errno(result)) {
            .SUCCESS => {
                const fd: c_int = @intCast(result);
                return if (fd > get()) swap(fd, close_on_exec) else fd;
            },
            // There was none yet, or the program closed it, by a way the library does not see.
            .BADF => return open(close_on_exec),
            .MFILE => return giveAway(close_on_exec) orelse break,
            else => |e| return -@as(c_int, @intFromEnum(e)),
        }
    }
    return -@as(c_int, @intFromEnum(linux.E.MFILE));
}

/// For the program the placeholder's own number is free, and now it is the lowest one.
fn giveAway(close_on_exec: bool) ?c_int {
    var limit: linux.rlimit = undefined;
    const is_known = linux.errno(linux.getrlimit(.NOFILE, &limit)) == .SUCCESS;
    // The limit may be lower now than it was.
    if (!is_known or get() < 0 or @as(c_uint, @intCast(get())) >= limit.cur) return null;
    const fd = @atomicRmw(c_int, &number, .Xchg, -1, .monotonic);
    if (fd < 0) return null;
    _ = linux.fcntl(fd, linux.F.SETFD, @intFromBool(close_on_exec));
    return fd;
}

/// The same when all numbers below are in use: the placeholder goes on to a higher one.
noinline fn swap(fd: c_int, close_on_exec: bool) c_int {
    const mask = system.blockSignals();
    defer system.restoreSignals(mask);
    const old = goUp() orelse return fd;
    _ = linux.fcntl(old, linux.F.SETFD, @intFromBool(close_on_exec));
    _ = linux.syscall1(.close, system.word(fd));
    return old;
}

/// The number that the placeholder had until now, which is the caller's; null: another thread was faster.
fn goUp() ?c_int {
    const old = get();
    if (old < 0) return null;
    const higher = linux.fcntl(old, f_dupfd_cloexec, @intCast(2 * old + 1));
    const moved: c_int = if (linux.errno(higher) == .SUCCESS) @intCast(higher) else -1;
    if (@cmpxchgStrong(c_int, &number, old, moved, .monotonic, .monotonic) == null) return old;
    if (moved >= 0) _ = linux.syscall1(.close, system.word(moved));
    return null;
}

/// Makes way where the lowest number from `lowest` on would have been the placeholder's, and not `fd`. Whether it did.
pub fn makeWay(lowest: usize, fd: usize) bool {
    const old = get();
    if (old < 0 or old < lowest or old > fd) return false;
    const free = goUp() orelse return false;
    _ = linux.syscall1(.close, system.word(free));
    return true;
}

/// Opens it at the lowest free number, which is what is wanted, and keeps another one where there is room.
noinline fn open(close_on_exec: bool) c_int {
    const mask = system.blockSignals();
    defer system.restoreSignals(mask);
    const flags: linux.O = .{ .PATH = true, .NOFOLLOW = true, .CLOEXEC = close_on_exec };
    const low = linux.open(link, flags, 0);
    if (linux.errno(low) != .SUCCESS) return -@as(c_int, @intFromEnum(linux.errno(low)));
    _ = place(@intCast(low));
    return @intCast(low);
}

fn place(from: c_int) bool {
    var limit: [2]u64 = .{ number_max + 1, 0 };
    _ = linux.syscall4(.prlimit64, 0, rlimit_nofile, 0, @intFromPtr(&limit));
    const last = @min(limit[0] -| 1, number_max);
    for ([_]u64{ last, last / 2, 3 }) |lowest| {
        const high = linux.fcntl(from, f_dupfd_cloexec, lowest);
        if (linux.errno(high) != .SUCCESS) continue;
        @atomicStore(c_int, &number, @intCast(high), .monotonic);
        return true;
    }
    return false;
}

/// The program wants the number for itself, as the target of dup2(2).
pub fn yield() void {
    const old = get();
    if (!place(old)) @atomicStore(c_int, &number, -1, .monotonic);
    _ = linux.syscall1(.close, system.word(old));
}

/// After a call that makes a descriptor has failed: whether it failed because of the placeholder, which is gone now, and is to be made again.
pub inline fn wasInTheWay(failed: bool) bool {
    return failed and next.errnoLocation().* == @intFromEnum(linux.E.MFILE) and gate.mayAct() and close();
}

/// Makes room for one descriptor: the placeholder is opened again when it is needed.
pub fn close() bool {
    const old = @atomicRmw(c_int, &number, .Xchg, -1, .monotonic);
    return old >= 0 and linux.syscall1(.close, system.word(old)) == 0;
}
