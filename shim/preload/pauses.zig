//! Calls in which a program may wait for long. Before it does, the mount is let go of which it has nothing open any more (kept.zig); else
//! it would be in use for as long as the wait takes. Calls on descriptors are in calls_data.zig and calls_descriptor.zig.

const kept = @import("kept.zig");
const next = @import("next.zig");

const waiting = [_][:0]const u8{
    "nanosleep",   "clock_nanosleep", "sleep", "usleep",  "pause", "sigsuspend", "sigwait",
    "sigwaitinfo", "sigtimedwait",    "wait",  "waitpid", "wait3", "wait4",      "waitid",
};

fn Waiting(comptime name: [:0]const u8) type {
    return struct {
        const F = fn (usize, usize, usize, usize, usize, usize) callconv(.c) usize;
        fn call(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) callconv(.c) usize {
            kept.letMountGo();
            // Leaving no frame behind: these calls are cancellation points, and signal handlers may jump out of them.
            return @call(.always_tail, next.call(name, *const F), .{ a, b, c, d, e, f });
        }
    };
}

comptime {
    for (waiting) |name| @export(&Waiting(name).call, .{ .name = name });
}
