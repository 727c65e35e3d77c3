//! Cancellation of threads: what is a cancellation point of glibc's is one here (pthreads(7)), and a thread that may be cancelled at
//! any instruction is not cancelled in a step that it must not be left in (holds.zig).

const std = @import("std");
const early = @import("early.zig");
const holds = @import("holds.zig");
const next = @import("next.zig");
const thread = @import("thread.zig");

/// Some thread was cancelled once. Programs that cancel none, nearly all, pay one load a call.
var is_used: bool linksection(early.section) = false;

/// At the start of a served call, where nothing is held: the thread may end here.
pub inline fn point() void {
    if (@atomicLoad(bool, &is_used, .monotonic)) act();
}

noinline fn act() void {
    if (holds.find(&passed, 0) != null) return;
    next.call("pthread_testcancel", *const fn () callconv(.c) void)();
}

/// syscall(2) is no cancellation point, whatever function serves the call. Null: that makes no difference yet.
pub fn beginPlainCall() ?*volatile holds.Hold {
    return if (@atomicLoad(bool, &is_used, .monotonic)) holds.push(&passed, 0) else null;
}

fn passed(_: *volatile holds.Hold) callconv(.c) void {}

fn pthread_cancel(target: usize) callconv(.c) c_int {
    @atomicStore(bool, &is_used, true, .seq_cst);
    return next.call("pthread_cancel", *const fn (usize) callconv(.c) c_int)(target);
}

const asynchronous = 1;
const deferred = 0;
const SetType = *const fn (c_int, ?*c_int) callconv(.c) c_int;

fn pthread_setcanceltype(kind: c_int, old: ?*c_int) callconv(.c) c_int {
    const t = thread.current();
    if (kind == asynchronous) {
        // Before: from then on every step has to be looked at.
        t.is_asynchronous = true;
        t.limit = 0;
    }
    const result = next.call("pthread_setcanceltype", SetType)(kind, old);
    const is_now = if (result == 0) kind == asynchronous else t.is_asynchronous;
    t.is_asynchronous = is_now;
    t.limit = if (is_now or t.top == null) 0 else @intFromPtr(t.last());
    return result;
}

pub fn suspendAsynchronous(t: *thread.Thread) void {
    _ = next.call("pthread_setcanceltype", SetType)(deferred, null);
    t.is_suspended = true;
}

pub noinline fn resumeAsynchronous(t: *thread.Thread) void {
    t.is_suspended = false;
    if (t.is_asynchronous) _ = next.call("pthread_setcanceltype", SetType)(asynchronous, null);
}

comptime {
    @export(&pthread_cancel, .{ .name = "pthread_cancel" });
    @export(&pthread_setcanceltype, .{ .name = "pthread_setcanceltype" });
}
