//! Storing bytes into files, where they have room already; room is made by the daemon (layout.messages.RingPrepare).
//!
//! A writer holds the inode's `extend_lock`, as the daemon does for whatever changes blocks or size. Readers hold nothing: bytes
//! come before what makes them visible, which is an entry of the block map that stops saying "unwritten", or the file's size.
//! Whoever dies in the middle leaves bytes behind the end, and says so before (`tail_dirty`).
//!
//! A signal handler that comes upon a lock of its own thread writes without it, behind what its thread is about to write (`extend_end`).

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const clients = @import("clients.zig");
const clock = @import("clock.zig");
const counters = @import("counters.zig");
const data = @import("data.zig");
const descriptors = @import("descriptors.zig");
const holds = @import("holds.zig");
const limits = @import("limits.zig");
const liveness = @import("liveness.zig");
const next = @import("next.zig");
const permissions = @import("permissions.zig");
const region = @import("region.zig");
const ring = @import("ring.zig");
const system = @import("system.zig");

const E = next.E;
const Inode = layout.Inode;
const Open = descriptors.Open;
const View = region.View;
const block_bytes = layout.block_bytes;

pub const Part = extern struct { base: [*]const u8, len: usize };

/// `kernel`: nothing was stored, and the kernel is to do it.
pub const Stored = union(enum) { bytes: Span, errno: E, kernel: counters.Reason };

/// What was stored: where it starts, how much, and whether the file is longer now.
pub const Span = struct { offset: u64, length: usize, grew: bool };

/// At the end of the file, wherever that is (O_APPEND).
pub const at_end: u64 = std.math.maxInt(u64);

/// Stores `total` bytes of the parts, more than none, at `offset` or `at_end`. Fewer when there is no room for all.
pub fn store(o: Open, parts: []const Part, total: usize, offset: u64) Stored {
    const inode = o.inode();
    if (why(o.v, inode)) |reason| return .{ .kernel = reason };
    // Few stores before the lock is taken, which waits for them.
    const before = @atomicLoad(u32, storingSlot(o.v), .monotonic);
    const step = holds.pushWith(&finishLeft, o.ino, before, o.generation);
    defer holds.pop(step);
    const stored = locked(o, inode, parts, total, offset, step);
    if (stored == .bytes) told(o, inode, stored.bytes.grew);
    return stored;
}

/// A store has been left at some instruction. What it has stored is as after a crash: bytes behind the end, of which `tail_dirty` tells,
/// or some blocks of several. The lock is given back, and the kernel forgets what it holds.
fn finishLeft(step: *volatile holds.Hold) callconv(.c) void {
    const v = region.view() orelse return;
    const ino: u32 = @intCast(step.a);
    const inode = &v.inodes[ino];
    const word: *u64 = @ptrCast(@alignCast(@volatileCast(&inode.extend_lock)));
    if (!holds.isNested(step)) {
        // Not when somebody else has the lock, who may be about to write behind the end, too.
        if (@atomicLoad(u64, word, .acquire) == lockWord()) @atomicStore(u64, &inode.extend_end, 0, .monotonic);
        _ = @cmpxchgStrong(u64, word, lockWord(), 0, .release, .monotonic);
    }
    @atomicStore(u32, storingSlot(v), @truncate(step.b), .release);
    if (!step.is_taken) return;
    clock.written(v, inode);
    if (@atomicLoad(u32, &inode.kernel_holds, .seq_cst) != 0) ring.invalidate(v, ino, @truncate(step.c), true);
}

/// Bytes that clients leave to the kernel: those of files that it has mapped, or from which a write takes privileges (write(2)).
pub inline fn why(v: *const View, inode: *volatile Inode) ?counters.Reason {
    if (data.elsewhere(inode)) |reason| return reason;
    if (inode.mode & permissions.set_id_modes != 0 or inode.flags & layout.inode_flag_capability != 0) return .special_file;
    return if (region.ended(v)) .not_attached else null;
}

/// The kernel must forget what it holds, before the write is acknowledged: it says what it holds before it reads it, and here
/// it was stored before (`clock.written` is the barrier), so that one of both sees the other.
inline fn told(o: Open, inode: *volatile Inode, grew: bool) void {
    clock.written(o.v, inode);
    const held = @atomicLoad(u32, &inode.kernel_holds, .seq_cst);
    const concerned = if (grew) held else held & ~layout.kernel_holds_end;
    if (concerned != 0) ring.invalidate(o.v, o.ino, o.generation, grew);
}

/// Rounds of asking for room, each for up to a mebibyte, after which the kernel is asked.
const rounds_max = 1 << 14;

fn locked(o: Open, inode: *volatile Inode, parts: []const Part, total: usize, offset: u64, step: *volatile holds.Hold) Stored {
    var wanted = total;
    for (0..rounds_max) |_| {
        const hold = lock(o.v, inode, o.ino, step) orelse return .{ .kernel = .busy };
        if (offset == at_end and inode.kernel_uses & layout.kernel_uses_append != 0) {
            hold.release();
            return .{ .kernel = .appended };
        }
        const size = data.sizeOf(inode);
        // Only our own thread's says something: another may have died with it.
        const end_now = if (hold.isNested()) @max(size, inode.extend_end) else size;
        const start = if (offset == at_end) end_now else offset;
        if (start > layout.file_bytes_max or wanted > layout.file_bytes_max - start) {
            hold.release();
            return .{ .kernel = .arguments };
        }
        const end = start + wanted;
        if (end > size) if (limits.fileSize()) |limit| if (end > limit) {
            hold.release();
            return .{ .kernel = .arguments };
        };
        const ready = readyBytes(o.v, inode, start, wanted);
        if (ready == wanted and (end <= size or inode.tail_dirty == 0 or hold.isNested())) {
            const stored = write(o.v, inode, parts, start, wanted, size, hold);
            hold.release();
            // All of it once more, where the end is now.
            if (!stored) continue;
            return .{ .bytes = .{ .offset = start, .length = wanted, .grew = end > size } };
        }
        hold.release();
        // A client that died has left bytes behind the end: the daemon zeros them when it makes room.
        const from = if (ready == wanted) 0 else ready;
        const made = ring.prepare(o.v, o.ino, o.generation, start + from, wanted - from) orelse return .{ .kernel = .ring_unavailable };
        if (made >= 0) continue;
        const e: E = @enumFromInt(-made);
        if (e != .NOSPC) return .{ .kernel = .busy };
        if (ready == 0) return .{ .errno = e };
        wanted = ready;
    }
    return .{ .kernel = .busy };
}

/// How many of these bytes have blocks, from the first on.
fn readyBytes(v: *const View, inode: *volatile Inode, start: u64, length: usize) usize {
    const end = start + length;
    var index = start / block_bytes;
    const last = (end - 1) / block_bytes;
    while (index <= last) {
        const entries = data.locate(v, inode, index, null) orelse return 0;
        const words = entries.words orelse break;
        const count: usize = @intCast(@min(entries.room, last - index + 1));
        for (words[0..count], 0..) |*word, i| {
            if (word.* & ~layout.entry_unwritten != 0) continue;
            return @intCast((index + i) * block_bytes -| start);
        }
        index += count;
    } else return length;
    return @intCast(index * block_bytes -| start);
}

/// Everything has blocks, and the lock is held. False: the daemon has taken it away meanwhile, because this thread was stopped.
fn write(v: *const View, inode: *volatile Inode, parts: []const Part, start: u64, length: usize, size: u64, hold: Hold) bool {
    const end = start + length;
    const grows = end > size;
    if (!hold.isNested()) @atomicStore(u64, &inode.extend_end, if (grows) end else 0, .monotonic);
    if (grows) @atomicStore(u32, &inode.tail_dirty, 1, .release);
    var source: Source = .{ .parts = parts };
    var at = start;
    while (at < end) {
        const index = at / block_bytes;
        const entries = data.locate(v, inode, index, null) orelse return false;
        const words: [*]volatile u32 = @constCast(entries.words orelse return false);
        const last = (end - 1) / block_bytes;
        const count: usize = @intCast(@min(entries.room, last - index + 1));
        var i: usize = 0;
        while (i < count) {
            const skip: usize = @intCast(at % block_bytes);
            const left: usize = @intCast(end - at);
            const first = words[i];
            var run: usize = 1;
            if (first & layout.entry_unwritten == 0) {
                while (i + run < count and words[i + run] == first + run) run += 1;
            }
            const block = first & ~layout.entry_unwritten;
            if (@as(usize, block) + run > v.block_count) return false;
            const bytes = @min(run * block_bytes - skip, left);
            const target = v.block(block);
            source.copy(target[skip..][0..bytes]);
            if (!hold.isHeld()) return false;
            if (first != block) {
                @memset(target[0..skip], 0);
                @memset(target[skip + bytes .. block_bytes], 0);
                // Not any more when the daemon has taken the lock away meanwhile, and the block.
                _ = @cmpxchgStrong(u32, @as(*u32, @volatileCast(&words[i])), first, block, .release, .monotonic);
            }
            at += bytes;
            i += run;
        }
    }
    if (!grows) return true;
    if (!grow(inode, end, hold)) return false;
    if (hold.isNested()) return true;
    @atomicStore(u32, &inode.tail_dirty, 0, .release);
    @atomicStore(u64, &inode.extend_end, 0, .monotonic);
    return true;
}

/// A signal handler in the middle of it may have made it longer. False: the lock is not held any more.
fn grow(inode: *volatile Inode, end: u64, hold: Hold) bool {
    const word: *u64 = @volatileCast(&inode.size);
    while (true) {
        const size = @atomicLoad(u64, word, .acquire);
        // Whoever has the lock instead changes the size, or has not changed it yet.
        if (!hold.isHeld()) return false;
        if (size >= end) return true;
        if (@cmpxchgWeak(u64, word, size, end, .release, .monotonic) == null) return true;
    }
}

/// The bytes of the parts, one after the other.
const Source = struct {
    parts: []const Part,
    part: usize = 0,
    done: usize = 0,

    fn copy(s: *Source, target: []u8) void {
        var at: usize = 0;
        while (at < target.len) {
            const part = s.parts[s.part];
            const bytes = @min(part.len - s.done, target.len - at);
            @memcpy(target[at..][0..bytes], part.base[s.done..]);
            at += bytes;
            s.done += bytes;
            if (s.done < part.len) continue;
            s.part += 1;
            s.done = 0;
        }
    }
};

// The lock.

const Hold = struct {
    word: *u64,
    own: u64,
    /// An outer function of this thread has it.
    nested: bool,
    slot: *u32,
    slot_before: u32,

    inline fn isNested(hold: Hold) bool {
        return hold.nested;
    }

    inline fn isHeld(hold: Hold) bool {
        return @atomicLoad(u64, hold.word, .acquire) == hold.own;
    }

    inline fn release(hold: Hold) void {
        if (hold.nested) return;
        // Not ours any more when it was taken away.
        if (hold.isHeld()) @atomicStore(u64, hold.word, 0, .release);
        @atomicStore(u32, hold.slot, hold.slot_before, .release);
    }
};

/// What the lock holds while this thread has it.
inline fn lockWord() u64 {
    return @as(u64, system.threadWord()) << 32 | clients.number();
}

inline fn storingSlot(v: *const View) *u32 {
    return clients.threadSlot(&v.client(clients.number()).storing_ino);
}

/// Null: somebody else has it for longer than can be waited for.
inline fn lock(v: *const View, inode: *volatile Inode, ino: u32, step: *volatile holds.Hold) ?Hold {
    const slot = storingSlot(v);
    const before: u32 = @truncate(step.b);
    @atomicStore(u32, slot, ino, .release);
    const word: *u64 = @ptrCast(@alignCast(@volatileCast(&inode.extend_lock)));
    var hold: Hold = .{ .word = word, .own = lockWord(), .nested = false, .slot = slot, .slot_before = before };
    const found = @cmpxchgStrong(u64, word, 0, hold.own, .acquire, .monotonic) orelse {
        step.is_taken = true;
        return hold;
    };
    if (found == hold.own) {
        hold.nested = true;
        step.is_taken = true;
        return hold;
    }
    if (lockLater(v, word, hold.own)) {
        step.is_taken = true;
        return hold;
    }
    @atomicStore(u32, slot, before, .release);
    return null;
}

const spins_max = 100;
const yields_max = 200;
const sleep_nanoseconds = 50_000;
/// How often it is asked whether who has the lock still lives.
const life_nanoseconds = 10_000_000;
/// A client that has the lock for longer than one copy takes waits for a processor, or was stopped: its lock is taken from it.
const patience_nanoseconds = 300_000_000;
/// The daemon has it for the time of one change, a large one at most.
const wait_nanoseconds = 800_000_000;

noinline fn lockLater(v: *const View, word: *u64, own: u64) bool {
    for (0..spins_max + yields_max) |i| {
        if (take(word, 0, own)) return true;
        if (i < spins_max) std.atomic.spinLoopHint() else _ = linux.syscall0(.sched_yield);
    }
    const start = liveness.monotonicNanoseconds();
    var next_look = start + life_nanoseconds;
    var seen: u64 = 0;
    var seen_since = start;
    while (true) {
        if (take(word, 0, own)) return true;
        system.nap(sleep_nanoseconds);
        const now = liveness.monotonicNanoseconds();
        const found = @atomicLoad(u64, word, .monotonic);
        if (found == 0) continue;
        if (found != seen) {
            seen = found;
            seen_since = now;
        }
        if (holderOf(v, found)) |holder| {
            if (now -% seen_since > patience_nanoseconds and steal(v, word, found, own)) return true;
            if (now > next_look and clients.hasDied(v.client(holder)) and take(word, found, own)) return true;
        } else if (now > next_look and liveness.daemonHasDied(v)) return false;
        if (now > next_look) next_look = now + life_nanoseconds;
        if (now - start > wait_nanoseconds) return false;
    }
}

inline fn take(word: *u64, found: u64, own: u64) bool {
    return @atomicLoad(u64, word, .monotonic) == found and @cmpxchgWeak(u64, word, found, own, .acquire, .monotonic) == null;
}

/// The client that has the lock; null: the daemon.
fn holderOf(v: *const View, found: u64) ?u32 {
    const holder: u32 = @truncate(found);
    return if (holder != 0 and holder < layout.client_count_max and holder < @atomicLoad(u32, &v.super.client_high, .acquire)) holder else null;
}

/// Takes the lock from a client that may still be alive, as the daemon does (src/core/client_guard.ts). That client notices after
/// each copy that the lock is not its own any more, and begins anew. Until then it may store into blocks that the file had: the daemon,
/// which is told first that this can be, gives them to no other file.
fn steal(v: *const View, word: *u64, found: u64, own: u64) bool {
    _ = @atomicRmw(u32, @volatileCast(&v.super.stolen_count), .Add, 1, .seq_cst);
    return take(word, found, own);
}
