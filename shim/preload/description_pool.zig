//! The open file descriptions of this process's client area: which are free, and whether inodes are counted as often as they are open.
//!
//! A description is taken by a compare-and-swap on its state, which then says by which thread: so whoever was interrupted and left (jumps.zig)
//! can tell whether it has it. Where free ones are is only a hint: the one that was used last, else a list. A hint that is lost on the way
//! costs nothing, because all are looked at before there are too few.

const std = @import("std");
const layout = @import("layout");
const clients = @import("clients.zig");
const holds = @import("holds.zig");
const private = @import("private.zig");
const region = @import("region.zig");
const system = @import("system.zig");

const View = region.View;
const Description = layout.Description;
const memory = private.memory;

/// Whether a description is being opened right now.
pub fn hasClaims() bool {
    const v = region.view() orelse return false;
    const client = memory.client;
    if (client == 0) return false;
    for (0..@atomicLoad(u32, &memory.unused, .acquire)) |index| {
        const description = v.description(client, @intCast(index));
        if (@atomicLoad(u32, &description.state, .acquire) & layout.description_state_mask == layout.description_claimed) return true;
    }
    return false;
}

/// As the state of a description: claimed by this thread.
inline fn claimedByUs() u32 {
    return layout.description_claimed | (system.threadWord() *% 0x9e37_79b1) << layout.description_claim_shift;
}

/// Whether the description in a step has been claimed for it.
pub fn isClaimedFor(step: *volatile holds.Hold, description: *Description) bool {
    return @atomicLoad(u32, &description.state, .acquire) == claimedByUs() and !holds.isNested(step);
}

/// One that is open, and about to be free, is claimed again, so that nobody takes it for still open, nor for another's.
pub inline fn takeBack(description: *Description) void {
    @atomicStore(u32, &description.state, claimedByUs(), .release);
}

const low_half: u64 = 0xffff_ffff;

/// The number of a description that is now ours to fill in; null when there is none left. `step.a` is that number + 1.
pub fn claim(v: *const View, client: u32, step: *volatile holds.Hold) ?u32 {
    const favourite = @atomicLoad(u32, &memory.favourite, .monotonic);
    if (favourite != 0 and take(v, client, favourite - 1, step)) return favourite - 1;
    return claimOther(v, client, step);
}

inline fn take(v: *const View, client: u32, index: u32, step: *volatile holds.Hold) bool {
    step.a = @as(usize, index) + 1;
    const state = &v.description(client, index).state;
    if (@cmpxchgStrong(u32, state, layout.description_free, claimedByUs(), .acquire, .monotonic) != null) return false;
    step.is_taken = true;
    return true;
}

noinline fn claimOther(v: *const View, client: u32, step: *volatile holds.Hold) ?u32 {
    while (popListed()) |index| if (take(v, client, index, step)) return index;
    while (true) {
        const index = @atomicLoad(u32, &memory.unused, .monotonic);
        if (index == layout.client_description_max) return sweep(v, client, step);
        if (index == @atomicLoad(u32, &memory.held, .acquire)) {
            // Two threads that do it at once reserve the same memory, which does no harm.
            if (!clients.reserveMore(v, client)) return sweep(v, client, step);
            continue;
        }
        if (@cmpxchgWeak(u32, &memory.unused, index, index + 1, .acquire, .monotonic) != null) continue;
        // An earlier client may have died with it.
        @atomicStore(u32, &v.description(client, index).lock, 0, .monotonic);
        if (take(v, client, index, step)) return index;
    }
}

/// Looks for one that is free without being known as such.
fn sweep(v: *const View, client: u32, step: *volatile holds.Hold) ?u32 {
    for (0..@atomicLoad(u32, &memory.unused, .acquire)) |i| {
        const index: u32 = @intCast(i);
        const state = @atomicLoad(u32, &v.description(client, index).state, .monotonic);
        if (state == layout.description_free and take(v, client, index, step)) return index;
    }
    return null;
}

fn popListed() ?u32 {
    var head = @atomicLoad(u64, &memory.free_head, .acquire);
    while (head & low_half != 0) {
        const index: u32 = @intCast((head & low_half) - 1);
        const following = (head & ~low_half) +% (1 << 32) | @atomicLoad(u32, &memory.free_next[index], .monotonic);
        head = @cmpxchgWeak(u64, &memory.free_head, head, following, .acquire, .acquire) orelse {
            @atomicStore(u8, &memory.listed[index], 0, .release);
            return index;
        };
    }
    return null;
}

pub inline fn free(description: *Description, index: u32) void {
    @atomicStore(u32, &description.ino, 0, .release);
    @atomicStore(u32, &description.state, layout.description_free, .release);
    if (index + 1 != @atomicLoad(u32, &memory.favourite, .monotonic)) list(index);
}

noinline fn list(index: u32) void {
    if (becomesFavourite(index)) return;
    if (@atomicRmw(u8, &memory.listed[index], .Xchg, 1, .acq_rel) != 0) return;
    var head = @atomicLoad(u64, &memory.free_head, .monotonic);
    while (true) {
        @atomicStore(u32, &memory.free_next[index], @intCast(head & low_half), .monotonic);
        const following = (head & ~low_half) +% (1 << 32) | (index + 1);
        head = @cmpxchgWeak(u64, &memory.free_head, head, following, .release, .monotonic) orelse return;
    }
}

/// Instead of one that is in use now, and will be listed itself when it is free.
fn becomesFavourite(index: u32) bool {
    const before = @atomicLoad(u32, &memory.favourite, .monotonic);
    const v = region.view() orelse return false;
    const is_free = before != 0 and @atomicLoad(u32, &v.description(memory.client, before - 1).state, .monotonic) == layout.description_free;
    if (is_free or @atomicLoad(u8, &memory.listed[index], .acquire) != 0) return false;
    return @cmpxchgStrong(u32, &memory.favourite, before, index + 1, .acq_rel, .monotonic) == null;
}

/// Counts how often the inode is open, after a function was left of which nobody knows whether it had counted: `open_count` becomes as much
/// if it is more, unless it changes meanwhile. Descriptions name their inode before they are counted and until they are not, so what others
/// do meanwhile makes the count too high at most. True: nobody has it open.
pub fn recount(v: *const View, ino: u32) bool {
    const word: *u32 = @volatileCast(&v.inodes[ino].open_count);
    for (0..rounds_max) |_| {
        const before = @atomicLoad(u32, word, .seq_cst);
        const found = countOf(v, ino);
        if (before <= found) return found == 0;
        if (@cmpxchgStrong(u32, word, before, found, .seq_cst, .monotonic) == null) return found == 0;
    }
    return false;
}

const rounds_max = 100;

fn countOf(v: *const View, ino: u32) u32 {
    var count: u32 = 0;
    for (1..@min(@atomicLoad(u32, &v.super.client_high, .acquire), layout.client_count_max)) |client| {
        const record = v.client(@intCast(client));
        if (@atomicLoad(u32, &record.state, .acquire) == layout.client_free) continue;
        for (0..@min(@atomicLoad(u32, &record.description_held, .acquire), layout.client_description_max)) |index| {
            const description = v.description(@intCast(client), @intCast(index));
            if (@atomicLoad(u32, &description.ino, .acquire) == ino) count += 1;
        }
    }
    // Made files whose makers have not noted their description yet.
    for (v.ring[0..layout.messages.ring_slot_count]) |*slot| {
        const made: *const layout.messages.RingMade = @ptrCast(&slot.results);
        if (@atomicLoad(u32, &slot.state, .acquire) == layout.messages.ring_done and made.inode.ino == ino) count += 1;
    }
    return count;
}
