//! What a descriptor open for writing is for the kernel: the mount's root directory, opened as a path only (O_PATH). So the mount is in use as
//! long as somebody has a file open for writing: umount(2) says EBUSY, and detaching it (umount -l) waits for the last one. It is the
//! kernel that counts, also when the process is killed; nothing is to be given back here.
//!
//! Like a placeholder (placeholder.zig), which descriptors open for reading are, it fails with EBADF where the library does not see a call.
//! It costs more than a placeholder, because it cannot be duplicated from one that is always there. So while a program opens one file after
//! the other for writing, it is kept for the next one as placeholders are (kept.zig), but not for longer than until the program waits for
//! something (pauses.zig).

const linux = @import("std").os.linux;
const gate = @import("gate.zig");
const kept = @import("kept.zig");
const placeholder = @import("placeholder.zig");
const system = @import("system.zig");

/// Files opened within so short a time after each other: the next one will follow. Some 2 ms, in ticks of the processor's clock.
const burst_ticks = 5_000_000;
const burst_count_min = 8;

/// Both roughly: threads may disturb each other here.
var last_ticks: u64 = 0;
var burst_count: u32 = 0;

/// A file is being opened for writing.
pub inline fn note() void {
    const now = ticks();
    burst_count = if (now -% last_ticks < burst_ticks) burst_count +| 1 else 0;
    last_ticks = now;
}

/// Whether an anchor that was closed is worth keeping.
pub inline fn isWorthKeeping() bool {
    return burst_count >= burst_count_min;
}

inline fn ticks() u64 {
    var low: u32 = undefined;
    var high: u32 = undefined;
    asm volatile ("rdtsc"
        : [low] "={eax}" (low),
          [high] "={edx}" (high),
    );
    return @as(u64, high) << 32 | low;
}

/// The lowest free descriptor, or a negative errno.
pub noinline fn open(close_on_exec: bool) c_int {
    kept.drop();
    const fd = attempt(close_on_exec);
    const spare = placeholder.get();
    // For the program, the placeholder's own number is free.
    const is_in_the_way = spare >= 0 and (fd == no_number or fd > spare);
    if (!is_in_the_way or !placeholder.close()) return fd;
    if (fd >= 0) _ = linux.syscall1(.close, system.word(fd));
    return attempt(close_on_exec);
}

const no_number = -@as(c_int, @intFromEnum(linux.E.MFILE));

fn attempt(close_on_exec: bool) c_int {
    const mount = gate.mountPath() orelse return no_entry;
    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = close_on_exec };
    while (true) {
        const result = linux.open(mount, flags, 0);
        switch (linux.errno(result)) {
            .SUCCESS => return @intCast(result),
            .INTR => continue,
            else => |e| return -@as(c_int, @intFromEnum(e)),
        }
    }
}

const no_entry = -@as(c_int, @intFromEnum(linux.E.NOENT));
