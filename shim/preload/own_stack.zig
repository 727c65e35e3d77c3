//! A stack for what is rare and takes much of it: a signal handler may have little (sigaltstack(2)), and no call of the library takes more than
//! 3 KiB. No signal handler runs there.

const std = @import("std");
const system = @import("system.zig");

const stack_bytes = 32 * 1024;
var stack: [stack_bytes]u8 align(64) = undefined;
var is_taken = false;

/// Calls the function with the context, on the stack of its own unless another thread is there, which then takes that of the thread.
pub fn call(context: anytype, comptime function: fn (@TypeOf(context)) void) void {
    const Context = @TypeOf(context);
    const entry = struct {
        fn call(given: *const Context) callconv(.c) void {
            function(given.*);
        }
    };
    const mask = system.blockSignals();
    defer system.restoreSignals(mask);
    if (@atomicRmw(bool, &is_taken, .Xchg, true, .acquire)) return function(context);
    defer @atomicStore(bool, &is_taken, false, .release);
    switchTo(@intFromPtr(&stack) + stack_bytes, @ptrCast(&entry.call), @ptrCast(&context));
}

noinline fn switchTo(top: usize, function: *const anyopaque, argument: *const anyopaque) void {
    asm volatile (
        \\ movq %%rsp, %%rbx
        \\ movq %[top], %%rsp
        \\ movq %[argument], %%rdi
        \\ callq *%[function]
        \\ movq %%rbx, %%rsp
        :
        : [top] "r" (top),
          [function] "r" (function),
          [argument] "r" (argument),
        : .{ .memory = true, .cc = true, .rax = true, .rbx = true, .rcx = true, .rdx = true, .rsi = true, .rdi = true, .r8 = true, .r9 = true, .r10 = true, .r11 = true, .xmm0 = true, .xmm1 = true, .xmm2 = true, .xmm3 = true, .xmm4 = true, .xmm5 = true, .xmm6 = true, .xmm7 = true, .xmm8 = true, .xmm9 = true, .xmm10 = true, .xmm11 = true, .xmm12 = true, .xmm13 = true, .xmm14 = true, .xmm15 = true });
}
