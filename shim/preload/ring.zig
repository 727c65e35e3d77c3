//! The client's end of the request ring: a request is written into a slot, the daemon answers it in the same slot.
//!
//! A slot goes free → claimed (by a client) → ready (filled in) → done (by the daemon) → free (by the client).
//! No lock is held meanwhile: a signal handler may make a request of its own while its thread waits for another.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const clients = @import("clients.zig");
const descriptors = @import("descriptors.zig");
const holds = @import("holds.zig");
const liveness = @import("liveness.zig");
const region = @import("region.zig");
const system = @import("system.zig");

/// Some 50 us. While the worker is awake an answer takes less than a microsecond, and waiting for it in the kernel would take longer.
const spins_max = 2000;
/// Some 100 us, where nobody else wants the processor.
const yields_max = 200;

/// An inode was read: its access time follows the rules of the mount. False when it was not noted.
pub fn accessed(v: *const region.View, ino: u32, generation: u32) bool {
    return request(v, layout.messages.RingAccessed{ .inode = .{ .ino = ino, .generation = generation } }) == 0;
}

/// Bytes were stored that the kernel may hold, or `grew`, the file has become longer than it knows: it holds and believes them no more.
pub noinline fn invalidate(v: *const region.View, ino: u32, generation: u32, grew: bool) void {
    insist(v, layout.messages.RingInvalidate{ .inode = .{ .ino = ino, .generation = generation }, .grew = @intFromBool(grew) });
}

/// Makes room for bytes of a file: for how many, or a negative errno; null when the daemon cannot be asked. What a write takes from a
/// file is not asked for: such files are the kernel's.
pub noinline fn prepare(v: *const region.View, ino: u32, generation: u32, offset: u64, length: usize) ?i32 {
    return request(v, layout.messages.RingPrepare{
        .inode = .{ .ino = ino, .generation = generation },
        .offset = offset,
        .length = length,
        .caller = .{ .uid = 0, .may_keep_set_group_id = 0 },
    });
}

/// Nobody has the inode open any more, and it has no names.
pub fn release(v: *const region.View, ino: u32, generation: u32) void {
    insist(v, layout.messages.RingRelease{ .inode = .{ .ino = ino, .generation = generation } });
}

/// What `reveal` gave: to be given back with `conceal`. null: it is impossible.
pub fn reveal(v: *const region.View, message: layout.messages.RingReveal) ?layout.messages.RingRevealed {
    for (0..reveal_attempts_max) |_| {
        var revealed: layout.messages.RingRevealed = undefined;
        const result = change(v, message, &.{}, &revealed) orelse return null;
        if (result == 0) return revealed;
        if (result != -@as(i32, @intFromEnum(linux.E.AGAIN))) return null;
        system.nap(reveal_nanoseconds);
    }
    return null;
}

/// Two seconds, after which the daemon has taken back what others have left.
const reveal_attempts_max = 2000;
const reveal_nanoseconds = 1_000_000;

pub fn conceal(v: *const region.View, inode: layout.InodeName, grant: u32) void {
    insist(v, layout.messages.RingConceal{ .inode = inode, .grant = grant });
}

/// Makes a request: a message of layout.zig (`Ring…`). Returns its result (0 or more, or a negative errno); null when the daemon cannot
/// be asked.
pub fn request(v: *const region.View, message: anytype) ?i32 {
    return change(v, message, &.{}, null);
}

/// Like `request`, but reports something that has happened already. The kernel cannot be told of these instead, so it waits until
/// the ring has a free slot.
fn insist(v: *const region.View, message: anytype) void {
    var watch: liveness.Watch = .{};
    while (request(v, message) == null) {
        if (watch.daemonIsGone(v)) return;
        system.nap(pause_nanoseconds);
    }
}

const pause_nanoseconds = 50_000;

/// What comes with the result of a message.
pub fn Answer(comptime Message: type) type {
    return if (@hasDecl(Message, "Answer")) Message.Answer else extern struct {};
}

/// Like `request`, for a message with names or the like, in pieces. Waits for the answer as long as the daemon lives: nothing is done twice.
pub fn change(v: *const region.View, message: anytype, pieces: []const []const u8, answer: ?*Answer(@TypeOf(message))) ?i32 {
    const Message = @TypeOf(message);
    comptime std.debug.assert(@sizeOf(Message) % @sizeOf(u32) == 0);
    const words: []const u32 = if (@sizeOf(Message) == 0) &.{} else @as(*const [@sizeOf(Message) / @sizeOf(u32)]u32, @ptrCast(&message));
    const place: []u8 = if (answer) |a| std.mem.asBytes(a) else &.{};
    return exchange(v, Message.operation, words, pieces, place);
}

fn exchange(v: *const region.View, operation: u32, message: []const u32, pieces: []const []const u8, answer: []u8) ?i32 {
    var bytes_length: usize = 0;
    for (pieces) |piece| bytes_length += piece.len;
    if (bytes_length > layout.messages.ring_bytes_max) return null;
    const step = holds.push(&finishLeft, 0);
    defer holds.pop(step);
    const slot = claim(v, step) orelse return null;
    @atomicStore(u32, &slot.client, clients.number(), .release);
    var at: usize = 0;
    for (pieces) |piece| {
        @memcpy(slot.bytes[at..][0..piece.len], piece);
        at += piece.len;
    }
    advance(step, submitted);
    submit(v, slot, operation, message, @intCast(bytes_length));
    if (!wait(v, slot)) return null;
    const result = slot.result;
    if (result >= 0) @memcpy(answer, std.mem.asBytes(&slot.results)[0..answer.len]);
    giveBack(slot, step);
    return result;
}

// How far a request has come, in its step; before, the slot's state says whether it is claimed.
const submitted = 1;

inline fn advance(step: *volatile holds.Hold, stage: usize) void {
    step.b = stage;
}

/// Claimed once more before, so that at no instruction it could be somebody else's already and still count as this request's.
fn giveBack(slot: *layout.messages.RingSlot, step: *volatile holds.Hold) void {
    @atomicStore(u32, &slot.state, claimedByUs(), .release);
    advance(step, 0);
    @atomicStore(u32, &slot.state, layout.messages.ring_free, .release);
}

/// As the state of a slot: claimed by this thread.
inline fn claimedByUs() u32 {
    const mark = system.threadWord() *% 0x9e37_79b1 >> 14;
    return layout.messages.ring_claimed | clients.number() << layout.messages.ring_claim_shift | mark << 14;
}

/// The function that made the request has been left. What the daemon was asked for it does, as the kernel would have done it before the
/// handler ran: so the answer is waited for.
fn finishLeft(step: *volatile holds.Hold) callconv(.c) void {
    const v = region.view() orelse return;
    if (step.a == 0) return;
    const slot: *layout.messages.RingSlot = @ptrFromInt(step.a);
    if (step.b == 0 or @atomicLoad(u32, &slot.state, .acquire) == claimedByUs()) {
        const is_ours = step.b != 0 or !holds.isNested(step);
        if (is_ours) _ = @cmpxchgStrong(u32, &slot.state, claimedByUs(), layout.messages.ring_free, .release, .monotonic);
        return;
    }
    // Perhaps the daemon was not told of it yet.
    ring(v, slot);
    if (!wait(v, slot)) return;
    const made: *const layout.messages.RingMade = @ptrCast(&slot.results);
    const counted = if (countsAsOpened(slot) and slot.result >= 0) made.inode else null;
    giveBack(slot, step);
    if (counted) |inode| descriptors.recount(v, inode.ino, inode.generation);
}

/// Whether the request makes a file that counts as opened by who asked for it.
fn countsAsOpened(slot: *const layout.messages.RingSlot) bool {
    if (slot.operation == layout.messages.RingTmpfile.operation) return true;
    const message: *const layout.messages.RingMake = @ptrCast(&slot.arguments);
    return slot.operation == layout.messages.RingMake.operation and message.mode & linux.S.IFMT == linux.S.IFREG;
}

fn submit(v: *const region.View, slot: *layout.messages.RingSlot, operation: u32, message: []const u32, bytes_length: u32) void {
    slot.operation = operation;
    slot.bytes_length = bytes_length;
    @memcpy(slot.arguments[0..message.len], message);
    @atomicStore(u32, &slot.waiting, ownProcessor(), .monotonic);
    @atomicStore(u32, &slot.state, layout.messages.ring_ready, .seq_cst);
    ring(v, slot);
}

/// Another slot for each thread to start at, so that threads do not meet.
fn claim(v: *const region.View, step: *volatile holds.Hold) ?*layout.messages.RingSlot {
    if (region.ended(v)) return null;
    const first = system.threadWord() *% 0x9e37_79b1 >> 26;
    for (0..layout.messages.ring_slot_count) |i| {
        const slot = &v.ring[(first + i) % layout.messages.ring_slot_count];
        if (@atomicLoad(u32, &slot.state, .monotonic) != layout.messages.ring_free) continue;
        step.a = @intFromPtr(slot);
        if (@cmpxchgStrong(u32, &slot.state, layout.messages.ring_free, claimedByUs(), .acquire, .monotonic) != null) continue;
        step.is_taken = true;
        return slot;
    }
    return null;
}

fn ring(v: *const region.View, slot: *layout.messages.RingSlot) void {
    const number: u32 = @intCast((@intFromPtr(slot) - @intFromPtr(v.ring)) / @sizeOf(layout.messages.RingSlot));
    const bit = @as(u32, 1) << @intCast(number % 32);
    _ = @atomicRmw(u32, &v.super.ring_ready[number / 32], .Or, bit, .seq_cst);
    // The worker says that it sleeps, and looks at the bits afterwards: one of both sees the other.
    if (@atomicLoad(u32, &v.super.ring_sleeping, .seq_cst) == 0) return;
    _ = @atomicRmw(u32, &v.super.write_index, .Add, 1, .seq_cst);
    _ = linux.syscall3(.futex, @intFromPtr(&v.super.write_index), futex_wake, 1);
}

/// Until the answer is there. False: the daemon is gone, and the slot with it.
fn wait(v: *const region.View, slot: *layout.messages.RingSlot) bool {
    const processor = ownProcessor();
    const of_worker = @atomicLoad(u32, &v.super.ring_processor, .monotonic);
    if (of_worker == layout.messages.worker_leaves) {
        // It needs this processor to leave it. Woken by the worker there, we would be sent after it: so do not sleep.
        for (0..yields_max) |_| {
            if (@atomicLoad(u32, &slot.state, .acquire) == layout.messages.ring_done) return true;
            _ = linux.syscall0(.sched_yield);
        }
    } else if (of_worker != processor) {
        // Otherwise to look for the answer would keep the worker from giving it.
        for (0..spins_max) |_| {
            if (@atomicLoad(u32, &slot.state, .acquire) == layout.messages.ring_done) return true;
            std.atomic.spinLoopHint();
        }
    }
    @atomicStore(u32, &slot.waiting, processor | layout.messages.client_sleeps, .seq_cst);
    var watch: liveness.Watch = .{};
    while (true) {
        const state = @atomicLoad(u32, &slot.state, .seq_cst);
        if (state == layout.messages.ring_done) return true;
        // Somebody has written over it, who should not have.
        if (state != layout.messages.ring_ready) return false;
        const limit: linux.timespec = .{ .sec = 0, .nsec = liveness.look_nanoseconds };
        const result = linux.syscall4(.futex, @intFromPtr(&slot.state), futex_wait, layout.messages.ring_ready, @intFromPtr(&limit));
        // A handled signal ends the wait, too. There may be very many of them, so that it is the clock that tells when to look.
        if (linux.errno(result) != .SUCCESS and watch.daemonIsGone(v)) return @atomicLoad(u32, &slot.state, .acquire) == layout.messages.ring_done;
    }
}

extern "c" fn sched_getcpu() c_int;

/// As in `waiting` and `ring_processor`: it may be another one a moment later.
inline fn ownProcessor() u32 {
    return @as(u32, @bitCast(sched_getcpu())) << 1;
}

// The words are shared between processes: not FUTEX_PRIVATE_FLAG.
const futex_wait = 0;
const futex_wake = 1;
