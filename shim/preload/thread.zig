//! What the library knows about one thread: the steps it is in the middle of (holds.zig), and what it resolves or was asked for.
//!
//! It lies in the thread's static storage (the "initial exec" model, written in assembly because Zig offers only the model
//! that calls a function, which may allocate memory): two loads lead there, also in a signal handler. A new thread's is zeros.

const std = @import("std");

/// Steps that a thread is in at a time: a call takes up to five, and signal handlers may interrupt each other.
const holds_max = 24;

/// A step that must not be left halfway: a lock that is held, a descriptor that has no owner yet. See holds.zig.
pub const Hold = extern struct {
    /// What undoes or finishes the step when its function is left by a jump; null = nothing is held.
    release: ?*const Release,
    /// An address in the stack frame of the function that is in the step.
    frame: usize,
    /// Whether the step has been taken, as far as an inner function that takes the same one has to know.
    is_taken: bool,
    /// For `release`.
    a: usize,
    b: usize,
    c: usize,
    reserved: [2]usize,
};

/// Steps are written and read as volatile: a signal handler looks at them between any two instructions.
pub const Release = fn (*volatile Hold) callconv(.c) void;

pub const Thread = extern struct {
    /// Behind the last step; null = none was ever taken.
    top: ?[*]Hold,
    /// A step is taken without further looks as long as `top` is below.
    limit: usize,
    /// The program has chosen to be cancelled at any instruction (PTHREAD_CANCEL_ASYNCHRONOUS).
    is_asynchronous: bool,
    /// That is suspended until the last step ends.
    is_suspended: bool,
    /// Looking up a function (next.zig), which may call the library.
    is_resolving: bool,
    reserved: [45]u8,
    /// One more than can be used: it takes what nobody looks at when there are too many.
    holds: [holds_max + 1]Hold,

    pub inline fn first(t: *Thread) [*]Hold {
        return &t.holds;
    }

    pub inline fn last(t: *Thread) [*]Hold {
        return @as([*]Hold, &t.holds) + holds_max;
    }
};

comptime {
    // A step that lies in two cache lines was seen to make short calls twice as long.
    std.debug.assert(@sizeOf(Hold) == 64 and @offsetOf(Thread, "holds") == 64);
    asm (std.fmt.comptimePrint(
            \\ .section .tbss,"awT",@nobits
            \\ .p2align 6
            \\ .local btfuse_thread
            \\ .type btfuse_thread, @tls_object
            \\ .size btfuse_thread, {0d}
            \\ btfuse_thread:
            \\ .zero {0d}
            \\ .text
        , .{@sizeOf(Thread)}));
}

pub inline fn current() *Thread {
    return asm (
        \\ movq btfuse_thread@gottpoff(%%rip), %[thread]
        \\ addq %%fs:0, %[thread]
        : [thread] "=r" (-> *Thread),
        :
        : .{ .cc = true });
}
