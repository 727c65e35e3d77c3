//! Times of what this process does to files. The coarse clock, which costs next to nothing, as the kernel has it for its own file
//! systems; but never before what the daemon, which goes by the fine one, has stamped already: what is written later is not older.
//! And as there, a file whose time was seen gets another one by the next write, also within a tick of the clock.

const std = @import("std");
const layout = @import("layout");
const region = @import("region.zig");
const system = @import("system.zig");

const Inode = layout.Inode;
const clock_realtime_coarse = 5;
/// The coarse clock is at most this much behind: what others say beyond that was read while it changed.
const lag_nanoseconds_max = 20 * std.time.ns_per_ms;
const seen = layout.client_time_seen;

extern "c" fn clock_gettime(clock: c_int, now: *system.Timespec) c_int;

/// Nanoseconds since 1970.
pub inline fn now(v: *const region.View) u64 {
    var coarse: system.Timespec = undefined;
    _ = clock_gettime(clock_realtime_coarse, &coarse);
    var latest = nanoseconds(@bitCast(coarse.sec), @intCast(coarse.nsec));
    const limit = latest + lag_nanoseconds_max;
    for (0..layout.clock_count) |i| {
        const words = v.super.clocks[4 * i ..][0..3];
        latest = later(latest, nanoseconds(words[0] | @as(u64, words[1]) << 32, words[2]), limit);
    }
    return later(latest, v.super.client_clock, limit);
}

inline fn later(latest: u64, other: u64, limit: u64) u64 {
    return if (other > latest and other < limit) other else latest;
}

inline fn nanoseconds(seconds: u64, rest: u64) u64 {
    return seconds *% std.time.ns_per_s +% rest;
}

/// The inode was read. This and `written` are barriers.
pub fn accessed(v: *const region.View, inode: *volatile Inode) void {
    _ = @atomicRmw(u64, @as(*u64, @volatileCast(&inode.client_atime)), .Max, now(v), .seq_cst);
}

/// The inode was written.
pub inline fn written(v: *const region.View, inode: *volatile Inode) void {
    const word: *u64 = @volatileCast(&inode.client_mtime);
    const time = now(v);
    var before = @atomicLoad(u64, word, .monotonic);
    while (true) {
        const wanted = if (before == 0 or before & seen != 0) afterSeen(v, inode, before, time) else @max(before, time);
        before = @cmpxchgStrong(u64, word, before, wanted, .seq_cst, .monotonic) orelse return;
    }
}

/// What the daemon has folded into mtime and ctime it has shown to somebody, or set itself.
noinline fn afterSeen(v: *const region.View, inode: *volatile Inode, before: u64, time: u64) u64 {
    const folded = @max(nanoseconds(inode.mtime, inode.mtime_nsec), nanoseconds(inode.ctime, inode.ctime_nsec));
    const last = if (before == 0) folded else before & ~seen;
    if (last < time) return time;
    // One that is far ahead was set by somebody (utimensat(2)), or is before 1970.
    if (last - time > lag_nanoseconds_max) return time;
    _ = @atomicRmw(u64, @as(*u64, @volatileCast(&v.super.client_clock)), .Max, last + 1, .monotonic);
    return last + 1;
}

/// Somebody looks at the time of the last write. Nanoseconds since 1970; 0: that is not a client's.
pub inline fn show(inode: *volatile Inode) u64 {
    const time = inode.client_mtime;
    if (time == 0 or time & seen != 0) return time & ~seen;
    // Another write meanwhile has a time of its own, which nobody has seen.
    _ = @cmpxchgStrong(u64, @as(*u64, @volatileCast(&inode.client_mtime)), time, time | seen, .monotonic, .monotonic);
    return time;
}
