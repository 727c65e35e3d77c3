//! For `btfuse doctor`: what the library would find in a program's machine code.

const std = @import("std");
const inline_verdict = @import("inline_verdict.zig");

/// `name` is the file's. 1: no system calls that concern the library, 2: some with descriptors, 3: some that it must know of, or nobody knows which.
export fn bt_inline_calls(name: [*:0]const u8, code: [*]const u8, length: u64) u32 {
    const verdict: inline_verdict.Verdict = if (inline_verdict.isTrusted(std.mem.span(name))) .none else inline_verdict.of(code[0..length]);
    return @intFromEnum(verdict);
}
