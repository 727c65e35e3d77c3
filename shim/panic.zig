//! What a failed safety check does, in libraries that live in other people's programs: it ends the process by SIGABRT, without a word and
//! without waiting for anything. Only a build with safety checks (`--release=safe`, for the tests) has any; the fast one has none.

const std = @import("std");
const linux = std.os.linux;

pub const panic = std.debug.FullPanic(abort);

/// A debugger finds `message` in the first argument of this function.
noinline fn abort(message: []const u8, address: ?usize) noreturn {
    std.mem.doNotOptimizeAway(message.ptr);
    std.mem.doNotOptimizeAway(address);
    // A handler that the program has for it may run; ignored or blocked it does nothing, and the trap ends the process.
    _ = linux.syscall3(.tgkill, linux.syscall0(.getpid), linux.syscall0(.gettid), @intFromEnum(linux.SIG.ABRT));
    @trap();
}
