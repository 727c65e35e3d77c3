//! libbtfuse_preload.so, for LD_PRELOAD: programs reach files of a btfuse mount without the kernel.
//!
//! It defines the libc functions by which programs reach files, serves from shared memory the calls it fully understands,
//! and hands all others to the next definition (next.zig) with the same arguments. Which calls are on the mount, and
//! where it is, BTFUSE_MOUNT and BTFUSE_OBJECT say; without them every call is handed on.
//!
//! A call on a path goes: calls_*.zig → walk.zig (paths.zig: is it on the mount; region.zig: where the memory is;
//! gate.zig: whether this process is served; credentials.zig: who asks) → the inode in the region. A call on a descriptor: calls_*.zig → descriptors.zig.
//! counters.zig tells what was served how.
//!
//! Nothing runs when it is loaded. Functions of libc that are defined here are never called by name from within, but
//! through next.zig or as system calls (system.zig).

pub const panic = @import("panic.zig").panic;

comptime {
    _ = @import("preload/calls_attributes.zig");
    _ = @import("preload/calls_data.zig");
    _ = @import("preload/calls_descriptor.zig");
    _ = @import("preload/calls_directory.zig");
    _ = @import("preload/calls_names.zig");
    _ = @import("preload/calls_open.zig");
    _ = @import("preload/calls_opened.zig");
    _ = @import("preload/calls_paths.zig");
    _ = @import("preload/calls_process.zig");
    _ = @import("preload/calls_restrict.zig");
    _ = @import("preload/calls_stat.zig");
    _ = @import("preload/calls_syscall.zig");
    _ = @import("preload/calls_write.zig");
    _ = @import("preload/cancellation.zig");
    _ = @import("preload/jumps.zig");
    _ = @import("preload/limits.zig");
    _ = @import("preload/memory_probe.zig");
    _ = @import("preload/machine_code.zig");
    _ = @import("preload/locked_memory.zig");
    _ = @import("preload/paths.zig");
    _ = @import("preload/pauses.zig");
    _ = @import("preload/umask.zig");
    _ = @import("preload/watches.zig");
}
