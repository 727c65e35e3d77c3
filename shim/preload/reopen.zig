//! Opens the real file of the mount for an inode that this process has open: by its path while it has one, else by a name
//! that only the library knows (src/ops/lookup.ts).

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const data = @import("data.zig");
const deep_paths = @import("deep_paths.zig");
const dentries = @import("dentries.zig");
const gate = @import("gate.zig");
const liveness = @import("liveness.zig");
const region = @import("region.zig");
const ring = @import("ring.zig");
const system = @import("system.zig");

const View = region.View;

pub const What = struct {
    ino: u32,
    generation: u32,
    /// Where it was found.
    parent: u32,
    dentry: u32,
    /// As given to open(2).
    flags: u32,
    is_directory: bool,
};

/// A descriptor that is closed on exec, or a negative errno.
pub fn open(v: *const View, what: What) c_int {
    var buffer: [path_bytes_max]u8 = undefined;
    if (pathOf(v, &buffer, what)) |path| {
        const fd = openPath(v, system.at_fdcwd, path, what);
        if (fd != no_entry and fd != no_access) return fd;
    } else if (openInSteps(v, what)) |fd| return fd;
    // By its hidden name the owner may open a file whatever its mode is by now. In a removed directory, ".." is the root then.
    const fd = openPath(v, system.at_fdcwd, hiddenPath(v, &buffer, what) orelse return no_entry, what);
    if (fd >= 0) ring.unhide(v, what.ino, what.generation);
    return fd;
}

const no_access = -@as(c_int, @intFromEnum(linux.E.ACCES));
const no_entry = -@as(c_int, @intFromEnum(linux.E.NOENT));
const path_bytes_max = 4096;
/// A second and more, when the daemon has to wait for the processor in the middle of a change: nothing else leads to a directory.
const rounds_max = 10_000;
const access_mask: u32 = 3;
/// Of open(2)'s flags, those that describe the open file; the others were done with when it was opened.
const kept_flags: linux.O = .{ .APPEND = true, .NONBLOCK = true, .NOATIME = true, .DIRECTORY = true, .NOFOLLOW = true, .DSYNC = true, .SYNC = true };

/// Null: there is no way to it by names.
noinline fn openInSteps(v: *const View, what: What) ?c_int {
    const dentry = if (what.is_directory) (region.inode(v, what.ino) orelse return null).dentry else what.dentry;
    var buffer: deep_paths.Step = undefined;
    const last = deep_paths.before(v, .{ .ino = what.ino, .dentry = dentry }, &buffer);
    if (last.directory < 0) return if (last.directory == no_entry or last.directory == no_access) null else last.directory;
    defer _ = linux.syscall1(.close, system.word(last.directory));
    const fd = openPath(v, last.directory, last.path, what);
    return if (fd == no_entry or fd == no_access) null else fd;
}

/// `path` starts at the directory `from`, unless it is absolute.
fn openPath(v: *const View, from: c_int, path: [:0]const u8, what: What) c_int {
    // Not blocking, in case that by now a FIFO has the name.
    const always: linux.O = .{ .CLOEXEC = true, .NOCTTY = true, .NONBLOCK = true };
    const kept = what.flags & (access_mask | @as(u32, @bitCast(kept_flags)));
    const flags = kept | @as(u32, @bitCast(always));
    const result = while (true) {
        const attempt = linux.syscall4(.openat, system.word(from), @intFromPtr(path.ptr), flags, 0);
        if (linux.errno(attempt) != .INTR) break attempt;
    };
    switch (linux.errno(result)) {
        .SUCCESS => {},
        // Something else has the name by now.
        .NOTDIR, .LOOP, .NXIO => return no_entry,
        else => |e| return -@as(c_int, @intFromEnum(e)),
    }
    const fd: c_int = @intCast(result);
    // The inode is ours as long as it is open: its number is nobody else's.
    if (system.fstat(fd)) |now| if (now.ino == what.ino and now.dev == v.device) {
        _ = linux.fcntl(fd, linux.F.SETFL, kept);
        return fd;
    };
    _ = linux.syscall1(.close, system.word(fd));
    return no_entry;
}

fn hiddenPath(v: *const View, buffer: []u8, what: What) ?[:0]const u8 {
    const mount = gate.mountPath() orelse return null;
    return std.fmt.bufPrintSentinel(buffer, "/{s}/.btfuse-{d}-{d}-{x:0>16}", .{ mount, what.ino, what.generation, v.super.generation }, 0) catch null;
}

/// The path by which the inode was opened, if it still leads there; built from its end.
fn pathOf(v: *const View, buffer: *[path_bytes_max]u8, what: What) ?[:0]const u8 {
    var watch: liveness.Watch = .{};
    for (0..rounds_max) |_| {
        const seq = data.beginPatiently(&v.super.namespace_seq) orelse {
            // A daemon that has died in the middle of a change never ends it.
            if (watch.daemonIsGone(v)) return null;
            continue;
        };
        const start = build(v, buffer, what);
        if (!region.unchanged(&v.super.namespace_seq, seq)) continue;
        return if (start) |at| buffer[at .. buffer.len - 1 :0] else null;
    }
    return null;
}

/// Where the path starts in the buffer, which it fills to the end.
fn build(v: *const View, buffer: *[path_bytes_max]u8, what: What) ?usize {
    const mount = gate.mountPath() orelse return null;
    var start: usize = buffer.len - 1;
    buffer[start] = 0;
    var ino = what.ino;
    var slot = what.dentry;
    if (what.is_directory) slot = (region.inode(v, ino) orelse return null).dentry;
    while (ino != layout.root_ino) {
        const dentry = region.dentry(v, slot) orelse return null;
        if (dentry.kind != layout.slot_kind_dentry or dentry.ino != ino) return null;
        const length = dentry.name_length;
        if (length == 0 or length > layout.name_bytes_max or length + 1 > start) return null;
        start -= length;
        if (!dentries.copyName(v, dentry, buffer[start..][0..length])) return null;
        start -= 1;
        buffer[start] = '/';
        ino = dentry.parent;
        slot = (region.inode(v, ino) orelse return null).dentry;
    }
    if (mount.len + 1 > start) return null;
    start -= mount.len;
    @memcpy(buffer[start..][0..mount.len], mount);
    start -= 1;
    buffer[start] = '/';
    return start;
}
