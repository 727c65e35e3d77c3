//! Which processor the calling thread runs on.

const std = @import("std");
const linux = std.os.linux;

/// Its number, which may be another's a moment later.
pub export fn bt_processor() u32 {
    var current: usize = 0;
    _ = linux.getcpu(&current, null);
    return @truncate(current);
}

/// Goes on on another processor than now, if there is one that the thread may use. Where the thread may run is afterwards
/// as before. The scheduler of a virtual machine takes a processor that rests for one that the host has taken away, and wakes threads
/// next to who wakes them, however long these two go on disturbing each other.
pub export fn bt_leave_processor() void {
    const current = bt_processor();
    var allowed: linux.cpu_set_t = undefined;
    if (linux.errno(linux.sched_getaffinity(0, @sizeOf(linux.cpu_set_t), &allowed)) != .SUCCESS) return;
    var others = allowed;
    const word = current / @bitSizeOf(usize);
    if (word >= others.len) return;
    others[word] &= ~(@as(usize, 1) << @intCast(current % @bitSizeOf(usize)));
    if (linux.CPU_COUNT(others) == 0) return;
    linux.sched_setaffinity(0, &others) catch return;
    linux.sched_setaffinity(0, &allowed) catch {};
}
