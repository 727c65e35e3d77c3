//! Structures that are handed to the kernel and may hold descriptors: every word that is the number of a descriptor of ours is taken for
//! one. Where it is another number the descriptor is materialized for nothing, which costs time and changes no answer.

const linux = @import("std").os.linux;
const descriptors = @import("descriptors.zig");
const gate = @import("gate.zig");
const kernel_files = @import("kernel_files.zig");
const system = @import("system.zig");

/// The largest structure that is looked at; descriptors stand in front.
const words_max = 128;
pub const Words = [words_max]u32;

/// The `length` bytes at `address`, which the kernel is about to read.
pub fn in(address: usize, length: usize) void {
    if (!descriptors.any() or address < 4096 or !gate.mayAct()) return;
    var words: Words = undefined;
    for (words[0..copy(address, length, &words)]) |word| kernel_files.materialize(@bitCast(word));
}

/// How many words could be copied. The address may be wrong, which the kernel is to tell: so the kernel copies.
pub fn copy(address: usize, length: usize, words: *Words) usize {
    const bytes = @min(length, @sizeOf(@TypeOf(words.*)));
    const from: [2]usize = .{ address, bytes };
    const to: [2]usize = .{ @intFromPtr(words), bytes };
    const result = linux.syscall6(.process_vm_readv, system.word(linux.getpid()), @intFromPtr(&to), 1, @intFromPtr(&from), 1, 0);
    return if (linux.errno(result) == .SUCCESS) result / @sizeOf(u32) else 0;
}
