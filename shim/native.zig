//! libbtfuse_native.so: what the TypeScript daemon needs from Linux and Deno does not offer.
//! Every function returns a negative errno on failure; nothing here keeps state, but the watch over the mount (mount_watch.zig), its
//! guardian (guardian.zig) and what is known of processes that watch it (watch_scan.zig).

pub const panic = @import("panic.zig").panic;

comptime {
    _ = @import("region.zig");
    _ = @import("fuse_device.zig");
    _ = @import("process.zig");
    _ = @import("mount_watch.zig");
    _ = @import("guardian.zig");
    _ = @import("processor.zig");
    _ = @import("watch_scan.zig");
    _ = @import("files.zig");
    _ = @import("machine_code.zig");
}
