//! The process's umask(2), which the kernel tells only to who changes it: followed from the first look on.

const next = @import("next.zig");
const process_status = @import("process_status.zig");
const system = @import("system.zig");

const unknown: u32 = 0xffff_ffff;
const permissions: u32 = 0o777;
var value: u32 = unknown;

/// null: it cannot be found out.
pub inline fn get() ?u32 {
    const known = @atomicLoad(u32, &value, .monotonic);
    return if (known != unknown) known else read();
}

noinline fn read() ?u32 {
    const mask = system.blockSignals();
    defer system.restoreSignals(mask);
    var status: process_status.Status = undefined;
    if (!process_status.ofThread(&status)) return null;
    prime(&status);
    return @atomicLoad(u32, &value, .monotonic);
}

/// Takes what was read. A change meanwhile knows better.
pub fn prime(status: *const process_status.Status) void {
    _ = @cmpxchgStrong(u32, &value, unknown, status.umask, .monotonic, .monotonic);
}

fn umask(mask: c_uint) callconv(.c) c_uint {
    const before = next.call("umask", *const fn (c_uint) callconv(.c) c_uint)(mask);
    @atomicStore(u32, &value, mask & permissions, .monotonic);
    return before;
}

comptime {
    @export(&umask, .{ .name = "umask" });
}
