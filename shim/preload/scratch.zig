//! Room for paths, which is not on the stack: a signal handler may have little of it (sigaltstack(2)), and no call of the library takes more than
//! 3 KiB. A buffer is claimed by a compare-and-swap, and let go of when its function is left (holds.zig).

const linux = @import("std").os.linux;
const holds = @import("holds.zig");
const system = @import("system.zig");

/// A path, and what a symbolic link puts before it.
pub const bytes_max = 5120;
pub const Buffer = [bytes_max]u8;

const count = 16;
var buffers: [count]Buffer align(16) = undefined;
/// The thread that has the buffer (system.threadWord), or 0.
var owners: [count]u32 = @splat(0);

pub const Scratch = struct {
    buffer: *Buffer,
    step: *volatile holds.Hold,

    pub fn release(scratch: Scratch) void {
        @atomicStore(u32, &owners[scratch.step.a - 1], 0, .release);
        holds.pop(scratch.step);
    }
};

/// Null: none is free, and the kernel is to serve the call.
pub noinline fn take() ?Scratch {
    const step = holds.push(&releaseLeft, 0);
    for (&owners, &buffers, 1..) |*owner, *buffer, number| {
        if (@atomicLoad(u32, owner, .monotonic) != 0) continue;
        step.a = number;
        if (@cmpxchgStrong(u32, owner, 0, system.threadWord(), .acquire, .monotonic) != null) continue;
        step.is_taken = true;
        return .{ .buffer = buffer, .step = step };
    }
    step.a = 0;
    holds.pop(step);
    return null;
}

/// For what the kernel cannot do instead: others have a buffer for microseconds. Null after about a second.
pub noinline fn wait() ?Scratch {
    for (0..waits_max) |_| {
        if (take()) |scratch| return scratch;
        system.nap(wait_nanoseconds);
    }
    return null;
}

const waits_max = 10_000;
const wait_nanoseconds = 100_000;

fn releaseLeft(step: *volatile holds.Hold) callconv(.c) void {
    if (step.a == 0 or holds.isNested(step)) return;
    _ = @cmpxchgStrong(u32, &owners[step.a - 1], system.threadWord(), 0, .release, .monotonic);
}

/// In a child, where only the thread that made it lives on.
pub fn keepOwn() void {
    for (&owners) |*owner| if (owner.* != system.threadWord()) {
        owner.* = 0;
    };
}
