//! RLIMIT_FSIZE: beyond it the kernel sends SIGXFSZ or says EFBIG, so what may go there is the kernel's.

const std = @import("std");
const linux = std.os.linux;
const address_space = @import("address_space.zig");
const next = @import("next.zig");
const region = @import("region.zig");

const unknown = std.math.maxInt(u64) - 1;
var known: u64 = unknown;

/// Bytes, or null where there is no limit. One that another process sets (prlimit(2)) is not seen.
pub inline fn fileSize() ?u64 {
    const limit = @atomicLoad(u64, &known, .monotonic);
    return if (limit == std.math.maxInt(u64)) null else if (limit == unknown) ask() else limit;
}

noinline fn ask() ?u64 {
    var limit: linux.rlimit = undefined;
    if (linux.errno(linux.getrlimit(.FSIZE, &limit)) != .SUCCESS) return 0;
    @atomicStore(u64, &known, limit.cur, .monotonic);
    return if (limit.cur == std.math.maxInt(u64)) null else limit.cur;
}

fn forget() void {
    @atomicStore(u64, &known, unknown, .monotonic);
}

/// Calls that may change it, of this process or another one.
fn Setting(comptime name: [:0]const u8) type {
    return struct {
        fn call(a: usize, b: usize, c: usize, d: usize) callconv(.c) c_int {
            const result = next.call(name, *const fn (usize, usize, usize, usize) callconv(.c) c_int)(a, b, c, d);
            changed();
            return result;
        }
    };
}

/// Limits of this process, or of another one, may have been set.
pub fn changed() void {
    forget();
    if (region.view() != null and region.hasLimitedAddressSpace()) address_space.giveUp();
}

comptime {
    for (.{ "setrlimit", "setrlimit64", "prlimit", "prlimit64" }) |name| @export(&Setting(name).call, .{ .name = name });
}
