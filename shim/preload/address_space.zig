//! A limit of the address space (RLIMIT_AS) counts the region, however little of it is used. A program that sets one gives up being served:
//! its descriptors become real, and the region is unmapped, so that the limit is all the program's.
//!
//! Other threads may be in the middle of a call that looks at the region. They are waited for (threads.zig). Where that cannot be told in time,
//! only blocks and other programs' descriptions are unmapped, which are most of it, once no thread says that it reads or stores (layout.Client).

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const clients = @import("clients.zig");
const kernel_files = @import("kernel_files.zig");
const region = @import("region.zig");
const system = @import("system.zig");
const threads = @import("threads.zig");

/// A thread that has found the region just before is at work by now.
const settle_nanoseconds = 10_000_000;
const pause_nanoseconds = 1_000_000;
const pauses_max = 100;

pub noinline fn giveUp() void {
    const v = region.view() orelse return;
    kernel_files.stop();
    const is_alone = isSingleThreaded();
    const client = clients.number();
    if (client != 0) for ([_]*u32{ clients.threadSlot(&v.client(client).reading), clients.threadSlot(&v.client(client).storing_ino) }) |slot| {
        // A signal handler has interrupted this thread there, which will go on. Or another thread has the slot: then it is not known.
        if (is_alone and @atomicLoad(u32, slot, .acquire) != 0) return;
    };
    region.forget();
    if (is_alone or threads.haveLeft()) return unmap(@intFromPtr(v.base), @intFromPtr(v.base) + v.length);
    system.nap(settle_nanoseconds);
    for (0..pauses_max) |_| {
        if (!isBusy(v, client)) break;
        system.nap(pause_nanoseconds);
    } else return;
    unmap(@intFromPtr(v.blocks), @intFromPtr(v.ring));
    const own = @intFromPtr(v.client(client));
    unmap(@intFromPtr(v.clients), own);
    unmap(own + layout.client_pages * layout.page_bytes, @intFromPtr(v.base) + v.length);
}

/// Whether a thread is reading or storing.
fn isBusy(v: *const region.View, client: u32) bool {
    if (client == 0) return false;
    const record = v.client(client);
    for (&record.reading, &record.storing_ino) |*reading, *storing| {
        if (@atomicLoad(u32, reading, .acquire) != 0 or @atomicLoad(u32, storing, .acquire) != 0) return true;
    }
    return false;
}

fn unmap(start: usize, end: usize) void {
    if (end > start) _ = linux.syscall2(.munmap, start, end - start);
}

/// A directory's links are two, and one for each directory in it: here, for each thread.
fn isSingleThreaded() bool {
    const tasks = system.stat("/proc/self/task") orelse return false;
    return tasks.nlink == 3;
}
