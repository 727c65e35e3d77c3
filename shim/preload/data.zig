//! Reading files from the region: block maps (src/core/block_map.ts) and the bytes behind them.
//!
//! A reader holds no lock. It goes by Inode.map_seq: when that is even and the same afterwards as before, no block was
//! taken from the file meanwhile, or stood in it before it was filled. That the inode is still the one that was opened
//! needs no look: it is open.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const clients = @import("clients.zig");
const counters = @import("counters.zig");
const holds = @import("holds.zig");
const region = @import("region.zig");
const system = @import("system.zig");

const View = region.View;
const block_bytes = layout.block_bytes;
/// Validated in one piece: a larger one would have to begin anew too often when the file is changing.
const piece_bytes = 1 << 20;
const pause_nanoseconds = 100_000;

/// Why the kernel alone may say what the file's bytes are: it may have newer ones, or tells watchers of who reads.
pub inline fn elsewhere(inode: *volatile layout.Inode) ?counters.Reason {
    const uses = inode.kernel_uses & (layout.kernel_uses_map | layout.kernel_uses_watch);
    if (uses == 0) return null;
    return if (uses & layout.kernel_uses_watch != 0) .watched else .mapped;
}

/// Copies at most `length` bytes of the file from `offset` on; how many there were. Null: it keeps changing.
pub fn read(v: *const View, ino: u32, offset: u64, out: [*]u8, length: usize) ?usize {
    const inode = &v.inodes[ino];
    var done: usize = 0;
    while (true) {
        const wanted = @min(length - done, piece_bytes);
        const bytes = readPiece(v, inode, offset + done, out + done, wanted) orelse return if (done > 0) done else null;
        done += bytes;
        if (bytes < wanted or done == length) return done;
    }
}

fn readPiece(v: *const View, inode: *volatile layout.Inode, offset: u64, out: [*]u8, length: usize) ?usize {
    const reading = Reading.begin(v);
    defer reading.end();
    for (0..region.rounds_max) |_| {
        const seq = beginPatiently(&inode.map_seq) orelse continue;
        const size = sizeOf(inode);
        const bytes: usize = if (offset < size) @min(length, size - offset) else 0;
        const copied = copyOut(v, inode, seq, offset, out[0..bytes]);
        if (copied and region.unchanged(&inode.map_seq, seq)) return bytes;
    }
    return null;
}

/// Says to the daemon that this thread reads blocks (layout.Client.reading).
const Reading = struct {
    slot: *u32,
    before: u32,
    step: *volatile holds.Hold,

    inline fn begin(v: *const View) Reading {
        const slot = clients.threadSlot(&v.client(clients.number()).reading);
        // An outer function of this thread may be reading, too.
        const before = @atomicLoad(u32, slot, .monotonic);
        const step = holds.pushWith(&endLeft, @intFromPtr(slot), before, 0);
        @atomicStore(u32, slot, 1, .release);
        return .{ .slot = slot, .before = before, .step = step };
    }

    inline fn end(reading: Reading) void {
        @atomicStore(u32, reading.slot, reading.before, .release);
        holds.pop(reading.step);
    }

    /// The function that reads has been left.
    fn endLeft(step: *volatile holds.Hold) callconv(.c) void {
        const slot: *u32 = @ptrFromInt(step.a);
        @atomicStore(u32, slot, @truncate(step.b), .release);
    }
};

/// As region.begin, but leaves the processor to the daemon when that takes long in the middle of a change.
pub inline fn beginPatiently(word: *const volatile u32) ?u32 {
    if (region.begin(word)) |seq| return seq;
    system.nap(pause_nanoseconds);
    return null;
}

pub inline fn sizeOf(inode: *volatile layout.Inode) u64 {
    return @atomicLoad(u64, &inode.size, .acquire);
}

/// False: what was met cannot be, so it was changing.
fn copyOut(v: *const View, inode: *volatile layout.Inode, seq: u32, offset: u64, out: []u8) bool {
    var index = offset / block_bytes;
    var skip: usize = @intCast(offset % block_bytes);
    var done: usize = 0;
    while (done < out.len) {
        const entries = locate(v, inode, index, seq) orelse return false;
        const wanted = std.math.divCeil(usize, skip + out.len - done, block_bytes) catch unreachable;
        var i: usize = 0;
        const count: usize = @intCast(@min(entries.room, wanted));
        while (i < count) {
            const run = runAt(entries, i, count);
            const bytes = @min(run.length * block_bytes - skip, out.len - done);
            if (run.block == 0) {
                @memset(out[done..][0..bytes], 0);
            } else {
                if (@as(usize, run.block) + run.length > v.block_count) return false;
                // What has been a number of the file's a moment ago has memory, and keeps it as long as we read.
                if (!region.unchanged(&inode.map_seq, seq)) return false;
                @memcpy(out[done..][0..bytes], v.block(run.block) + skip);
            }
            done += bytes;
            i += run.length;
            skip = 0;
        }
        index += count;
    }
    return true;
}

/// Entries that lie side by side, from the one asked for on; no `words`: none of them exists.
pub const Entries = struct { words: ?[*]const volatile u32, room: u64 };

/// Indexes that hang below a map of this height.
inline fn cover(height: u32) u64 {
    return @as(u64, 1) << @intCast(10 * height);
}

/// Null: impossible numbers, or such as were perhaps not the file's any more. Who holds the inode's lock needs no `seq`.
pub fn locate(v: *const View, inode: *volatile layout.Inode, index: u64, seq: ?u32) ?Entries {
    if (index < layout.direct_count) {
        return .{ .words = @ptrCast(&inode.direct[@intCast(index)]), .room = layout.direct_count - index };
    }
    const height = inode.map_height;
    if (height > layout.map_height_max) return null;
    if (height == 0 or index >= cover(height)) return .{ .words = null, .room = std.math.maxInt(u32) };
    var node = inode.map_root;
    var level = height - 1;
    while (true) : (level -= 1) {
        if (node == 0 or node >= v.block_count) return null;
        if (seq) |value| if (!region.unchanged(&inode.map_seq, value)) return null;
        const words: [*]const volatile u32 = @ptrCast(@alignCast(v.block(node)));
        const place = (index / cover(level)) % layout.map_fanout;
        if (level == 0) return .{ .words = words + place, .room = layout.map_fanout - place };
        node = words[place];
        if (node == 0) return .{ .words = null, .room = cover(level) - index % cover(level) };
    }
}

/// Blocks that follow one another in the file and in memory, or block 0: as many that read as zeros.
const Run = struct { block: u32, length: usize };

inline fn runAt(entries: Entries, from: usize, count: usize) Run {
    const words = entries.words orelse return .{ .block = 0, .length = count - from };
    const first = dataBlock(words[from]);
    var length: usize = 1;
    while (from + length < count) : (length += 1) {
        const following: u32 = if (first == 0) 0 else first +% @as(u32, @intCast(length));
        if (dataBlock(words[from + length]) != following) break;
    }
    return .{ .block = first, .length = length };
}

inline fn dataBlock(entry: u32) u32 {
    return if (entry & layout.entry_unwritten != 0) 0 else entry;
}

/// lseek(2) with SEEK_DATA (`data`) or SEEK_HOLE, to the block.
pub const Sought = union(enum) { offset: u64, nothing, busy };

pub fn seek(v: *const View, ino: u32, offset: u64, data: bool) Sought {
    const inode = &v.inodes[ino];
    const reading = Reading.begin(v);
    defer reading.end();
    for (0..region.rounds_max) |_| {
        const seq = beginPatiently(&inode.map_seq) orelse continue;
        const found = seekOnce(v, inode, seq, offset, data) orelse continue;
        if (region.unchanged(&inode.map_seq, seq)) return found;
    }
    return .busy;
}

fn seekOnce(v: *const View, inode: *volatile layout.Inode, seq: u32, offset: u64, data: bool) ?Sought {
    const size = sizeOf(inode);
    if (offset >= size) return .nothing;
    const end = (size - 1) / block_bytes + 1;
    var index = offset / block_bytes;
    while (index < end) {
        const entries = locate(v, inode, index, seq) orelse return null;
        const count: usize = @intCast(@min(entries.room, end - index));
        var i: usize = 0;
        while (i < count) {
            const run = runAt(entries, i, count);
            if ((run.block != 0) == data) return .{ .offset = @max(offset, (index + i) * block_bytes) };
            i += run.length;
        }
        index += count;
    }
    return if (data) .nothing else .{ .offset = size };
}
