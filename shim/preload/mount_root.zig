//! The mount's root, for the library's own openings: the descriptor of a file that is open for writing is one of it (anchor.zig). It leads to the
//! mount also when other mounts lie on the mount or above it, and when the mount has been detached.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const mount_view = @import("../mount_view.zig");
const descriptors = @import("descriptors.zig");
const gate = @import("gate.zig");
const region = @import("region.zig");
const system = @import("system.zig");

/// The descriptor itself, if it is one of the root.
pub fn of(o: descriptors.Open) ?c_int {
    if (o.flags & descriptors.anchored == 0) return null;
    const place = mount_view.of(o.fd, .newest) orelse return null;
    return if (place.device == o.v.device and place.ino == layout.root_ino) o.fd else null;
}

/// One that the process has at this moment. Another thread may close it: what is opened by it is to be looked at.
pub fn find(v: *const region.View) ?c_int {
    for (0..descriptors.end()) |number| {
        const o = descriptors.find(@intCast(number)) orelse continue;
        if (o.v == v) if (of(o)) |fd| return fd;
    }
    return null;
}

/// Descriptors that are looked at: the usual limit.
const others_max = 1024;

/// The root, opened anew by what the kernel has open on the mount for this process: its working directory, or files that are not the library's. For
/// who may read everything (CAP_DAC_READ_SEARCH).
pub noinline fn openByOthers(v: *const region.View) ?c_int {
    const working_directory = linux.open(".", .{ .DIRECTORY = true, .CLOEXEC = true }, 0);
    if (linux.errno(working_directory) == .SUCCESS) {
        defer _ = linux.syscall1(.close, working_directory);
        if (openBy(v, @intCast(working_directory))) |root| return root;
    }
    for (0..others_max) |number| if (openBy(v, @intCast(number))) |root| return root;
    return null;
}

fn openBy(v: *const region.View, fd: c_int) ?c_int {
    const place = mount_view.of(fd, .newest) orelse return null;
    if (place.device != v.device or !gate.isOnMount(fd)) return null;
    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
    // To the kernel the root is of no generation.
    const result = openByNumber(fd, layout.root_ino, 0, @bitCast(flags));
    return if (linux.errno(result) == .SUCCESS) @intCast(result) else null;
}

/// What name_to_handle_at(2) would say of a file on a FUSE mount, which the kernel finds by its number.
const Handle = extern struct {
    bytes: u32 = @sizeOf([3]u32),
    type: u32 = 0x81,
    ino_high: u32 = 0,
    ino: u32,
    generation: u32,
};

/// open_by_handle_at(2) with something open on the mount, and not as a path only.
pub fn openByNumber(fd: c_int, ino: u32, generation: u32, flags: u32) usize {
    const handle: Handle = .{ .ino = ino, .generation = generation };
    return linux.syscall3(.open_by_handle_at, system.word(fd), @intFromPtr(&handle), flags);
}

/// struct open_how of openat2(2).
const How = extern struct { flags: u64, mode: u64 = 0, resolve: u64 };
const resolve_no_xdev = 1;

/// openat(2) from a directory of the mount on, EXDEV where that leads through another mount.
pub fn openInside(from: c_int, path: [*:0]const u8, flags: u32) usize {
    const how: How = .{ .flags = flags, .resolve = resolve_no_xdev };
    const result = linux.syscall4(.openat2, system.word(from), @intFromPtr(path), @intFromPtr(&how), @sizeOf(How));
    return switch (linux.errno(result)) {
        // Before Linux 5.6, and where a container's filter of system calls does not let it pass.
        .NOSYS, .PERM => openAndLook(from, path, flags),
        else => result,
    };
}

fn openAndLook(from: c_int, path: [*:0]const u8, flags: u32) usize {
    const result = linux.syscall4(.openat, system.word(from), @intFromPtr(path), flags, 0);
    // It may be another mount that is read-only.
    if (linux.errno(result) == .ROFS) return crossed;
    if (linux.errno(result) != .SUCCESS) return result;
    if (mount_view.of(from, .newest)) |start| if (mount_view.of(@intCast(result), .newest)) |end| {
        if (start.mount == end.mount) return result;
    };
    _ = linux.syscall1(.close, result);
    return crossed;
}

const crossed: usize = @bitCast(-@as(isize, @intFromEnum(linux.E.XDEV)));
