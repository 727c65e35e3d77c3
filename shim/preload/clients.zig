//! This process as a client of the region: its client record, and the open file descriptions in its area.
//! Both are made on the first open, because most programs that are started open nothing on the mount.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const description_pool = @import("description_pool.zig");
const kept = @import("kept.zig");
const liveness = @import("liveness.zig");
const private = @import("private.zig");
const region = @import("region.zig");
const system = @import("system.zig");

const View = region.View;
const memory = private.memory;

const unregistered = 0;
const registering = 1;
const registered = 2;
const hopeless = 3;

/// Attempts without a try after there was no room.
const patience_count = 1000;
/// Pages of descriptions reserved at first; each time there are too few, as many again.
const first_pages = 4;

/// Our client's number; 0 before the first file is open.
pub fn number() u32 {
    return memory.client;
}

/// The word of this thread in one of the record's arrays; another thread's, too, where there are very many.
pub inline fn threadSlot(slots: *[layout.client_thread_max]u32) *u32 {
    return &slots[(system.threadWord() *% 0x9e37_79b1 >> 16) % layout.client_thread_max];
}

/// Our client record, made on first use; 0 when there can be none now.
pub inline fn get(v: *const View) u32 {
    return if (@atomicLoad(u32, &memory.registration, .acquire) == registered) memory.client else register(v);
}

noinline fn register(v: *const View) u32 {
    if (memory.patience > 0) {
        memory.patience -= 1;
        return 0;
    }
    if (@atomicLoad(u32, &memory.registration, .acquire) == hopeless) return 0;
    const mask = system.blockSignals();
    defer system.restoreSignals(mask);
    // Another thread is at it, or we interrupted ourselves: the kernel serves this one.
    if (@cmpxchgStrong(u32, &memory.registration, unregistered, registering, .acquire, .monotonic) != null) return 0;
    if (!private.wipeInCopies()) {
        @atomicStore(u32, &memory.registration, hopeless, .release);
        return 0;
    }
    const claimed = claim(v);
    memory.client = claimed;
    memory.patience = if (claimed == 0) patience_count else 0;
    @atomicStore(u32, &memory.registration, if (claimed == 0) unregistered else registered, .release);
    if (claimed != 0 and !@atomicRmw(bool, &has_exit, .Xchg, true, .monotonic)) _ = __cxa_atexit(&atExit, null, null);
    return claimed;
}

extern "c" fn __cxa_atexit(function: *const fn (?*anyopaque) callconv(.c) void, argument: ?*anyopaque, object: ?*anyopaque) c_int;

/// Children made by fork inherit it with the handler.
var has_exit = false;

/// The daemon frees records of processes that have ended, but only now and then, and a shell starts hundreds a second.
/// What is still open may still be read by other threads and handlers: then the record is left to the daemon.
fn atExit(_: ?*anyopaque) callconv(.c) void {
    kept.drop();
    if (isEmpty()) unregister();
}

/// Whether no descriptor is of ours, nor is about to be in another thread.
pub fn isEmpty() bool {
    if (description_pool.hasClaims()) return false;
    for (memory.table[0..@atomicLoad(u32, &memory.table_end, .monotonic)]) |*entry| {
        if (@atomicLoad(u32, entry, .monotonic) != 0) return false;
    }
    return true;
}

fn claim(v: *const View) u32 {
    const object = region.openObject();
    if (object < 0) return 0;
    defer _ = linux.syscall1(.close, system.word(object));
    const claimed: u32 = for (1..layout.client_count_max) |candidate| {
        const record = v.client(@intCast(candidate));
        // Memory that nobody has reserved must not be touched: where there is none left, that would be a signal.
        const is_new = candidate >= @atomicLoad(u32, &v.super.client_high, .acquire);
        if (is_new and !reserve(v, object, record, layout.page_bytes)) return 0;
        if (@cmpxchgStrong(u32, &record.state, layout.client_free, layout.client_registering, .acquire, .monotonic) == null) break @intCast(candidate);
    } else return 0;
    const record = v.client(claimed);
    for (&record.reading) |*slot| @atomicStore(u32, slot, 0, .monotonic);
    // In this order: with a pid and no time it is not taken for a dead one's.
    @atomicStore(u32, &record.pid, @intCast(linux.getpid()), .release);
    @atomicStore(u64, &record.registered_at, bootNanoseconds(), .release);
    _ = @atomicRmw(u32, &v.super.client_high, .Max, claimed + 1, .acq_rel);
    // What an earlier client of this number had reserved is free again.
    memory.held = @min(record.description_held, layout.client_description_max);
    memory.unused = 0;
    memory.free_head = 0;
    memory.favourite = 0;
    memory.listed = @splat(0);
    if (memory.held == 0 and !reserveDescriptions(v, object, claimed, first_pages)) {
        free(record);
        return 0;
    }
    @atomicStore(u32, &record.state, layout.client_live, .release);
    return claimed;
}

fn free(record: *layout.Client) void {
    record.registered_at = 0;
    record.pid = 0;
    @atomicStore(u32, &record.state, layout.client_free, .release);
}

fn bootNanoseconds() u64 {
    var now: linux.timespec = undefined;
    _ = linux.clock_gettime(.BOOTTIME, &now);
    return @as(u64, @intCast(now.sec)) * std.time.ns_per_s + @as(u64, @intCast(now.nsec));
}

fn reserveDescriptions(v: *const View, object: c_int, client: u32, pages: u32) bool {
    const held = memory.held;
    const more = @min(pages, layout.client_pages - 1 - held / layout.descriptions_per_page);
    if (more == 0 or !reserve(v, object, v.description(client, held), more * layout.page_bytes)) return false;
    const now = held + more * layout.descriptions_per_page;
    @atomicStore(u32, &v.client(client).description_held, now, .release);
    @atomicStore(u32, &memory.held, now, .release);
    return true;
}

pub noinline fn reserveMore(v: *const View, client: u32) bool {
    const mask = system.blockSignals();
    defer system.restoreSignals(mask);
    const object = region.openObject();
    if (object < 0) return false;
    defer _ = linux.syscall1(.close, system.word(object));
    return reserveDescriptions(v, object, client, memory.held / layout.descriptions_per_page);
}

/// Gives memory of the system to this part of the region.
fn reserve(v: *const View, object: c_int, first: *const anyopaque, length: usize) bool {
    const offset = @intFromPtr(first) - @intFromPtr(v.base);
    return linux.fallocate(object, 0, @intCast(offset), @intCast(length)) == 0;
}

/// Gives the record back: nothing is open any more, and the program is about to become another one.
pub fn unregister() void {
    if (@cmpxchgStrong(u32, &memory.registration, registered, registering, .acquire, .monotonic) != null) return;
    if (region.view()) |v| free(v.client(memory.client));
    memory.client = 0;
    @atomicStore(u32, &memory.registration, unregistered, .release);
}

/// Whether the process that registered has ended.
pub fn hasDied(record: *const layout.Client) bool {
    if (@atomicLoad(u32, &record.state, .acquire) == layout.client_free) return true;
    const pid = @atomicLoad(u32, &record.pid, .acquire);
    return pid != 0 and liveness.hasEnded(pid, @atomicLoad(u64, &record.registered_at, .acquire));
}
