//! Descriptors in the argument of ioctl(2): it may be one itself, or the address of a structure that holds some.
//!
//! Requests are numbers of a thousand drivers, but most say how large their structure is, and whether the kernel reads it (asm-generic/ioctl.h). That is
//! enough to find every descriptor of ours in it; structures behind further addresses are not looked at.

const descriptors = @import("descriptors.zig");
const kernel_files = @import("kernel_files.zig");
const materialize_words = @import("materialize_words.zig");

const Request = packed struct(u32) {
    number: u8,
    kind: u8,
    bytes: u14,
    /// The program writes the structure, for the kernel to read.
    is_written: bool,
    is_read: bool,
};

/// struct loop_config starts with the descriptor; the request does not say so.
const loop_configure = 0x4c0a;
/// Terminals and sockets: these requests say nothing of their structures, and have no descriptors.
const terminal_kind = 0x54;
const socket_kind = 0x89;
/// struct file_dedupe_range, of which the request counts only the head; behind it comes an array.
const dedupe_range = 0xc018_9436;
const dedupe_head_bytes = 24;
const dedupe_entry_bytes = 32;
const dedupe_count_word = 4;

pub inline fn materialize(request: u32, argument: usize) void {
    if (descriptors.any()) look(request, argument);
}

noinline fn look(number: u32, argument: usize) void {
    const request: Request = @bitCast(number);
    if (request.kind == terminal_kind or request.kind == socket_kind) return;
    if (argument <= 0xffff) return kernel_files.materialize(@intCast(argument));
    if (number == loop_configure) return materialize_words.in(argument, 4);
    if (request.is_written) materialize_words.in(argument, request.bytes);
    if (number == dedupe_range) dedupe(argument);
}

fn dedupe(argument: usize) void {
    var head: materialize_words.Words = undefined;
    if (materialize_words.copy(argument, dedupe_head_bytes, &head) <= dedupe_count_word) return;
    const count: u16 = @truncate(head[dedupe_count_word]);
    for (0..count) |i| materialize_words.in(argument + dedupe_head_bytes + i * dedupe_entry_bytes, 8);
}
