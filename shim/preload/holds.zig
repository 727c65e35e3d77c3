//! Steps of the library that must not be left halfway, of the current thread.
//!
//! A signal handler may leave the call that it has interrupted for good: by siglongjmp(3), by ending its thread, or because the
//! thread is cancelled. Whoever holds something meanwhile (a lock, a place in the ring, a descriptor that is not in the table yet)
//! notes it here first; jumps.zig then lets go of what the functions that are left have noted, and of nothing else.
//!
//! A step is noted before it is taken, so `release` has to find out whether that has happened. A handler above sees either no
//! step or a complete one: `release` is written last, and cleared first.
//!
//! What has noted nothing may be left at any instruction.

const std = @import("std");
const jumps = @import("jumps.zig");
const cancellation = @import("cancellation.zig");
const thread = @import("thread.zig");

pub const Hold = thread.Hold;
const Thread = thread.Thread;
pub const Release = thread.Release;

inline fn barrier() void {
    asm volatile ("" ::: .{ .memory = true });
}

/// Notes a step that starts now. What is in `a` may be changed later.
pub inline fn push(release: *const Release, a: usize) *volatile Hold {
    return pushWith(release, a, 0, 0);
}

pub inline fn pushWith(release: *const Release, a: usize, b: usize, c: usize) *volatile Hold {
    const t = thread.current();
    var top = t.top;
    if (@intFromPtr(top) >= t.limit) top = prepare(t);
    const hold: *volatile Hold = &top.?[0];
    @as(*volatile ?[*]Hold, &t.top).* = top.? + 1;
    hold.a = a;
    hold.b = b;
    hold.c = c;
    hold.is_taken = false;
    hold.frame = stackPointer();
    barrier();
    hold.release = release;
    barrier();
    return hold;
}

/// The step has ended, and all that came after it have.
pub inline fn pop(hold: *volatile Hold) void {
    const t = thread.current();
    barrier();
    hold.release = null;
    @as(*volatile ?[*]Hold, &t.top).* = @ptrCast(@volatileCast(hold));
    if (t.is_suspended and @intFromPtr(hold) == @intFromPtr(t.first())) cancellation.resumeAsynchronous(t);
}

/// The innermost step of this kind, about this.
pub fn find(release: *const Release, a: usize) ?*volatile Hold {
    const t = thread.current();
    var top = t.top orelse return null;
    while (@intFromPtr(top) > @intFromPtr(t.first())) {
        top -= 1;
        if (top[0].release == release and top[0].a == a) return &top[0];
    }
    return null;
}

/// Whether an outer function of this thread has taken the same step.
pub fn isNested(hold: *const volatile Hold) bool {
    const t = thread.current();
    var at = t.first();
    while (@intFromPtr(at) < @intFromPtr(hold)) : (at += 1) {
        if (at[0].release == hold.release and at[0].a == hold.a and at[0].is_taken) return true;
    }
    return false;
}

/// The first step of a thread; one too many; or one that may come while the thread can be cancelled anywhere.
noinline fn prepare(t: *Thread) [*]Hold {
    if (t.top == null) {
        t.top = t.first();
        jumps.watchEnd(t);
        if (!t.is_asynchronous) t.limit = @intFromPtr(t.last());
    }
    if (t.is_asynchronous and !t.is_suspended) cancellation.suspendAsynchronous(t);
    const top = t.top.?;
    return if (@intFromPtr(top) > @intFromPtr(t.last())) t.last() else top;
}

pub inline fn stackPointer() usize {
    return asm ("movq %%rsp, %[address]"
        : [address] "=r" (-> usize),
    );
}

/// Whether this thread is in any step.
pub inline fn any() bool {
    const t = thread.current();
    const top = t.top orelse return false;
    return @intFromPtr(top) > @intFromPtr(t.first());
}

/// Lets go of what functions hold that end now: from the innermost on, as long as `isLeft` says so.
pub fn releaseWhile(context: anytype, comptime isLeft: fn (@TypeOf(context), usize) bool) void {
    const t = thread.current();
    const first = t.first();
    var top = t.top orelse return;
    while (@intFromPtr(top) > @intFromPtr(first)) {
        const hold: *volatile Hold = &(top - 1)[0];
        if (hold.release) |release| {
            if (!isLeft(context, hold.frame)) break;
            release(hold);
            hold.release = null;
        }
        top -= 1;
        @as(*volatile ?[*]Hold, &t.top).* = top;
    }
    if (t.is_suspended and @intFromPtr(top) == @intFromPtr(first)) cancellation.resumeAsynchronous(t);
}
