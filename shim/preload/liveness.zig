//! Whether a process still lives: the daemon, for which a request waits, or a client that holds a lock.
//!
//! kill(2) alone is not enough: it succeeds for a zombie, which a daemon stays for ever where the first process of a container does
//! not reap it, and for another process that has got the same pid. /proc/PID/stat tells all three apart. It is read while waiting
//! only, and not more often than every `look_nanoseconds`.

const std = @import("std");
const linux = std.os.linux;
const region = @import("region.zig");
const system = @import("system.zig");

/// How often who waits asks whether the other one still lives.
pub const look_nanoseconds = 100_000_000;

/// A tick of /proc/PID/stat is a hundredth of a second for every Linux program (USER_HZ).
const tick_nanoseconds = 10_000_000;

/// Asks from time to time, however often it is called: signals may interrupt a wait at any rate.
pub const Watch = struct {
    next_look: u64 = 0,

    /// Whether the mount has ended, or its daemon has died without a word.
    pub fn daemonIsGone(watch: *Watch, v: *const region.View) bool {
        if (region.ended(v)) return true;
        const now = monotonicNanoseconds();
        if (watch.next_look == 0) watch.next_look = now + look_nanoseconds;
        if (now < watch.next_look) return false;
        watch.next_look = now + look_nanoseconds;
        return daemonHasDied(v);
    }
};

/// Whether the daemon has died. Then the mount has ended for every client: the kernel refuses what comes to it from now on.
///
/// Its first thread never ends before the others, unless it was killed; one of these may still be kept inside the kernel.
pub noinline fn daemonHasDied(v: *const region.View) bool {
    if (region.ended(v)) return true;
    switch (look(v.super.owner_pid, .first_thread)) {
        .gone => {},
        .unknown => return false,
        .runs => |start_ticks| if (start_ticks == v.super.owner_start_ticks or !hasOurClock(v.super.owner_pid)) return false,
    }
    region.end(v);
    return true;
}

/// Whether the process that had the pid at this time (CLOCK_BOOTTIME) has ended.
pub fn hasEnded(pid: u32, since_nanoseconds: u64) bool {
    return switch (look(pid, .every_thread)) {
        .gone => true,
        .unknown => false,
        .runs => |start_ticks| since_nanoseconds != 0 and start_ticks > since_nanoseconds / tick_nanoseconds,
    };
}

pub fn monotonicNanoseconds() u64 {
    var now: linux.timespec = undefined;
    _ = linux.clock_gettime(.MONOTONIC, &now);
    return @as(u64, @intCast(now.sec)) * std.time.ns_per_s + @as(u64, @intCast(now.nsec));
}

/// What a pid means now; `runs` since so many ticks after boot.
const Look = union(enum) { gone, unknown, runs: u64 };

/// Which threads have to end before a process counts as gone.
const Ended = enum { first_thread, every_thread };

fn look(pid: u32, ended: Ended) Look {
    const signed = std.math.cast(i32, pid) orelse return .unknown;
    if (signed <= 0) return .unknown;
    if (linux.errno(linux.kill(signed, @enumFromInt(0))) == .SRCH) return .gone;
    var bytes: [512]u8 = undefined;
    const text = readStat(pid, &bytes) orelse return if (isReadable(signed)) .gone else .unknown;
    return parse(text, ended);
}

/// Whether the time since boot is the same for the process as for this one (time_namespaces(7)), so that start times may be compared.
fn hasOurClock(pid: u32) bool {
    var path: [40]u8 = undefined;
    var bytes: [2][128]u8 = undefined;
    const name = std.fmt.bufPrintSentinel(&path, "/proc/{d}/timens_offsets", .{pid}, 0) catch return false;
    const ours = readFile("/proc/self/timens_offsets", &bytes[0]) orelse return true;
    return std.mem.eql(u8, ours, readFile(name, &bytes[1]) orelse return false);
}

/// The text of /proc/PID/stat, if /proc is the one of this process's pid namespace.
fn readStat(pid: u32, bytes: []u8) ?[]const u8 {
    var path: [32]u8 = undefined;
    var target: [16]u8 = undefined;
    const length = linux.readlink("/proc/self", &target, target.len);
    if (linux.errno(length) != .SUCCESS) return null;
    const own = std.fmt.parseInt(i32, target[0..length], 10) catch return null;
    if (own != linux.getpid()) return null;
    const name = std.fmt.bufPrintSentinel(&path, "/proc/{d}/stat", .{pid}, 0) catch return null;
    return readFile(name, bytes);
}

fn readFile(name: [*:0]const u8, bytes: []u8) ?[]const u8 {
    const flags: linux.O = .{ .CLOEXEC = true };
    const opened = linux.open(name, flags, 0);
    if (linux.errno(opened) != .SUCCESS) return null;
    const fd: c_int = @intCast(opened);
    defer _ = linux.syscall1(.close, system.word(fd));
    const count = linux.read(fd, bytes.ptr, bytes.len);
    return if (linux.errno(count) == .SUCCESS) bytes[0..count] else null;
}

/// See proc_pid_stat(5). The second field, the program's name, may hold blanks and parentheses.
fn parse(text: []const u8, ended: Ended) Look {
    const name_end = std.mem.lastIndexOfScalar(u8, text, ')') orelse return .unknown;
    var fields = std.mem.tokenizeScalar(u8, text[name_end + 1 ..], ' ');
    const state = fields.next() orelse return .unknown;
    for (0..16) |_| _ = fields.next();
    const thread_count = std.fmt.parseInt(u32, fields.next() orelse return .unknown, 10) catch return .unknown;
    _ = fields.next();
    const start_ticks = std.fmt.parseInt(u64, fields.next() orelse return .unknown, 10) catch return .unknown;
    // A process whose first thread has ended while others go on is shown as a zombie, too.
    if ((state[0] == 'Z' or state[0] == 'X') and (thread_count <= 1 or ended == .first_thread)) return .gone;
    return .{ .runs = start_ticks };
}

/// Without /proc: a descriptor of a process (pidfd_open(2)) is readable once all of its threads have ended, also of a zombie.
fn isReadable(pid: i32) bool {
    const opened = linux.syscall2(.pidfd_open, @as(u32, @bitCast(pid)), 0);
    if (linux.errno(opened) != .SUCCESS) return false;
    defer _ = linux.syscall1(.close, opened);
    var polled: linux.pollfd = .{ .fd = @intCast(opened), .events = linux.POLL.IN, .revents = 0 };
    const none: linux.timespec = .{ .sec = 0, .nsec = 0 };
    const count = linux.syscall4(.ppoll, @intFromPtr(&polled), 1, @intFromPtr(&none), 0);
    return linux.errno(count) == .SUCCESS and count == 1;
}
