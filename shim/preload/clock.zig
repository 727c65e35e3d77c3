//! Times of what this process does to files. The coarse clock, which costs next to nothing, as the kernel has it for its own file
//! systems; but never before what the daemon, which goes by the fine one, has stamped already: what is written later is not older.

const std = @import("std");
const layout = @import("layout");
const region = @import("region.zig");
const system = @import("system.zig");

const clock_realtime_coarse = 5;
/// The coarse clock is at most this much behind: what the daemon says beyond that was read while it changed.
const lag_nanoseconds_max = 20 * std.time.ns_per_ms;

extern "c" fn clock_gettime(clock: c_int, now: *system.Timespec) c_int;

/// Nanoseconds since 1970.
pub inline fn now(v: *const region.View) u64 {
    var coarse: system.Timespec = undefined;
    _ = clock_gettime(clock_realtime_coarse, &coarse);
    var latest = nanoseconds(@bitCast(coarse.sec), @intCast(coarse.nsec));
    const limit = latest + lag_nanoseconds_max;
    for (0..layout.clock_count) |i| {
        const words = v.super.clocks[4 * i ..][0..3];
        const stamped = nanoseconds(words[0] | @as(u64, words[1]) << 32, words[2]);
        if (stamped > latest and stamped < limit) latest = stamped;
    }
    return latest;
}

inline fn nanoseconds(seconds: u64, rest: u64) u64 {
    return seconds *% std.time.ns_per_s +% rest;
}

/// Sets an inode's time to now, and is a barrier.
pub inline fn stamp(v: *const region.View, time: *volatile u64) void {
    _ = @atomicRmw(u64, @as(*u64, @volatileCast(time)), .Max, now(v), .seq_cst);
}
