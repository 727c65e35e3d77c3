//! What only this process may use. The memory is zeros in a child that was made without the library's knowledge (a raw
//! clone), so that nobody takes its parent's descriptors and client record for its own.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");

/// Descriptors at and above this number are left to the kernel.
pub const table_count = 1 << 16;

pub const Memory = extern struct {
    /// By descriptor: 0, or the number of its description + 1.
    table: [table_count]u32,
    /// No descriptor of ours is this high or higher.
    table_end: u32,
    /// Not 0: the process is being copied.
    closed_gates: u32,
    /// See kept.zig.
    kept: u32,
    lowest: u32,
    reserved: u32,

    /// Our client record; 0 = none.
    client: u32,
    registration: u32,
    /// Attempts to leave out before registering is tried again.
    patience: u32,
    /// Descriptions never used yet: from this number on, and below `held`, whose memory is reserved.
    unused: u32,
    held: u32,
    /// The first free description, + 1; the upper half counts changes, so that a compare-and-swap cannot be fooled.
    free_head: u64,
    /// By description: the next free one, + 1.
    free_next: [layout.client_description_max]u32,
    /// By description: whether it is in that list.
    listed: [layout.client_description_max]u8,
    /// The description that is tried first, + 1: it is never in the list.
    favourite: u32,
};

/// Whole pages, because they are wiped as such.
const byte_count = std.mem.alignForward(usize, @sizeOf(Memory), layout.page_bytes);
var bytes: [byte_count]u8 align(layout.page_bytes) = @splat(0);
pub const memory: *Memory = @ptrCast(&bytes);

/// From now on a copy of this process finds zeros here. False: that cannot be had.
pub fn wipeInCopies() bool {
    return linux.madvise(&bytes, byte_count, linux.MADV.WIPEONFORK) == 0;
}

/// In a child made by fork(2), whose memory may not have been wiped because nothing was ever opened.
pub fn reset() void {
    memory.closed_gates = 0;
}
