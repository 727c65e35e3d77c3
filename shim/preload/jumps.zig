//! Calls of the library that end because a signal handler above them does not return: by longjmp(3) and its relatives, or because
//! the thread ends (pthread_exit(3), or cancelled in the handler). What these calls hold (holds.zig) is let go of before.
//!
//! A jump leaves the frames between the stack pointer of now and the one that it restores. A handler may run on a stack of its own
//! (sigaltstack(2)), whose addresses do not compare with those of the thread's stack: so it is asked which of both each address is on.

const std = @import("std");
const linux = std.os.linux;
const calls_process = @import("calls_process.zig");
const early = @import("early.zig");
const holds = @import("holds.zig");
const next = @import("next.zig");
const thread = @import("thread.zig");

/// Where in glibc's jmp_buf the stack pointer is, mangled with a secret of the process.
const jump_stack_pointer = 6;
const mangling_rotation = 17;

fn targetOf(buffer: [*]const usize) usize {
    const secret = asm ("movq %%fs:0x30, %[secret]"
        : [secret] "=r" (-> usize),
    );
    return std.math.rotr(usize, buffer[jump_stack_pointer], mangling_rotation) ^ secret;
}

/// A target that is farther from a frame than this is on the stack of a coroutine, from which the program comes back.
const stack_bytes_max = 1 << 30;

const Jump = struct {
    target: usize,
    alternate: usize,
    alternate_bytes: usize,

    fn isAlternate(jump: Jump, address: usize) bool {
        return address -% jump.alternate < jump.alternate_bytes;
    }

    /// Whether the function whose frame is at this address ends.
    fn leaves(jump: Jump, frame: usize) bool {
        const frame_is_alternate = jump.isAlternate(frame);
        if (frame_is_alternate == jump.isAlternate(jump.target)) {
            return frame < jump.target and jump.target - frame < stack_bytes_max;
        }
        // On different stacks: a handler ends for what it has interrupted, or the jump stays within a handler.
        return frame_is_alternate;
    }
};

noinline fn leave(target: usize) void {
    var stack: linux.stack_t = undefined;
    const is_known = linux.errno(linux.syscall2(.sigaltstack, 0, @intFromPtr(&stack))) == .SUCCESS;
    const ss_disable = 2;
    const has_alternate = is_known and stack.flags & ss_disable == 0;
    const jump: Jump = .{
        .target = target,
        .alternate = if (has_alternate) @intFromPtr(stack.sp) else 0,
        .alternate_bytes = if (has_alternate) stack.size else 0,
    };
    holds.releaseWhile(jump, Jump.leaves);
}

/// Every function of this thread ends.
pub fn leaveAll() void {
    if (holds.any()) holds.releaseWhile({}, always);
}

fn always(_: void, _: usize) bool {
    return true;
}

fn Longjmp(comptime name: [:0]const u8) type {
    return struct {
        fn prepare(buffer: [*]const usize) callconv(.c) *const anyopaque {
            if (holds.any()) leave(targetOf(buffer));
            thread.current().is_resolving = false;
            return next.call(name, *const anyopaque);
        }
        fn call() callconv(.naked) noreturn {
            asm volatile (calls_process.jump_to_next
                :
                : [prepare] "X" (&prepare),
            );
        }
    };
}

// The end of a thread.

fn Exit(comptime name: [:0]const u8) type {
    return struct {
        fn prepare() callconv(.c) *const anyopaque {
            leaveAll();
            return next.call(name, *const anyopaque);
        }
        /// A jump, so that nothing of ours is on the stack that is unwound.
        fn call() callconv(.naked) noreturn {
            asm volatile (calls_process.jump_to_next
                :
                : [prepare] "X" (&prepare),
            );
        }
    };
}

const no_key = 0xffff_ffff;
const making_key = 0xffff_fffe;
var key: u32 linksection(early.section) = no_key;
/// glibc keeps the values of keys below this in the thread's own block; for others it allocates memory.
const key_max = 32;

const KeyCreate = *const fn (*c_uint, *const fn (?*anyopaque) callconv(.c) void) callconv(.c) c_int;
const SetSpecific = *const fn (c_uint, *anyopaque) callconv(.c) c_int;

/// A thread that is cancelled in a handler ends without a call that could be seen: libc calls us back.
pub fn watchEnd(t: *thread.Thread) void {
    const own = keyOfThreads() orelse return;
    _ = next.call("pthread_setspecific", SetSpecific)(own, t);
}

fn keyOfThreads() ?c_uint {
    if (@cmpxchgStrong(u32, &key, no_key, making_key, .acquire, .acquire)) |found| return if (found < key_max) found else null;
    var made: c_uint = no_key;
    if (next.has("pthread_key_create")) {
        if (next.call("pthread_key_create", KeyCreate)(&made, &ended) != 0) made = making_key;
    } else made = making_key;
    @atomicStore(u32, &key, if (made < key_max) made else making_key, .release);
    return if (made < key_max) made else null;
}

fn ended(_: ?*anyopaque) callconv(.c) void {
    leaveAll();
}

comptime {
    for (.{ "longjmp", "_longjmp", "siglongjmp", "__longjmp_chk" }) |name| @export(&Longjmp(name).call, .{ .name = name });
    for (.{ "pthread_exit", "thrd_exit" }) |name| @export(&Exit(name).call, .{ .name = name });
}
