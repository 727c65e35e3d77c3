//! Opens the real file of the mount for an inode that this process has open: by its path while it has one, else by a name that does not
//! exist, and under which the daemon lets this thread alone find it (src/ops/hidden_names.ts).

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
const scratch = @import("scratch.zig");
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

    fn name(what: What) layout.InodeName {
        return .{ .ino = what.ino, .generation = what.generation };
    }
};

/// A descriptor that is closed on exec, or a negative errno.
pub fn open(v: *const View, what: What) c_int {
    const room = scratch.wait() orelse return no_entry;
    defer room.release();
    const buffer = room.buffer[0..path_bytes_max];
    if (pathOf(v, buffer, what, .present)) |path| {
        const fd = openPath(v, system.at_fdcwd, path, what);
        if (fd != no_entry and fd != no_access) return fd;
    } else if (openInSteps(v, what)) |fd| return fd;
    for (0..former_rounds_max) |_| {
        const fd = openByFormerName(v, buffer, what) orelse break;
        if (fd == no_access) break;
        // Somebody else has asked for the name at the same time, and the kernel has given us that answer.
        if (fd != no_entry) return fd;
    }
    return openByKey(v, buffer, what);
}

const former_rounds_max = 3;

/// By the name that the inode has lost, so that it looks like any file that was removed while it was open. null: that is impossible.
/// Revealed like this, its owner may open a file whatever its mode is by now.
fn openByFormerName(v: *const View, buffer: *[path_bytes_max]u8, what: What) ?c_int {
    const path = pathOf(v, buffer, what, .former) orelse return null;
    const revealed = reveal(v, what, true) orelse return null;
    const fd = openPath(v, system.at_fdcwd, path, what);
    ring.conceal(v, what.name(), revealed.grant);
    return fd;
}

/// In a directory with a random name, by the name that the inode had last. Of a removed directory, ".." leads there then.
fn openByKey(v: *const View, buffer: *[path_bytes_max]u8, what: What) c_int {
    const mount = gate.mountPath() orelse return no_entry;
    var name_bytes: [layout.name_bytes_max]u8 = undefined;
    const name = formerName(v, what, &name_bytes) orelse "file";
    const revealed = reveal(v, what, false) orelse return no_entry;
    defer ring.conceal(v, what.name(), revealed.grant);
    const key = revealed.key;
    const path = std.fmt.bufPrintSentinel(buffer, "/{s}/.btfuse-{x:0>8}{x:0>8}{x:0>8}{x:0>8}/{s}", .{
        mount, key[0], key[1], key[2], key[3], name,
    }, 0) catch return no_entry;
    return openPath(v, system.at_fdcwd, path, what);
}

/// The inode is ours, so that its former name stays as it is.
fn formerName(v: *const View, what: What, bytes: *[layout.name_bytes_max]u8) ?[]const u8 {
    const inode = region.inode(v, what.ino) orelse return null;
    const is_removed = !what.is_directory or inode.nlink == 0;
    const dentry = region.dentry(v, if (is_removed) inode.dentry else 0) orelse return null;
    if (dentry.kind != layout.slot_kind_former or dentry.ino != what.ino) return null;
    const length = dentry.name_length;
    if (length == 0 or length > layout.name_bytes_max) return null;
    return if (dentries.copyName(v, dentry, bytes[0..length])) bytes[0..length] else null;
}

fn reveal(v: *const View, what: What, by_former_name: bool) ?layout.RingRevealed {
    return ring.reveal(v, .{
        .inode = what.name(),
        .thread = @intCast(linux.gettid()),
        .uid = linux.geteuid(),
        .by_former_name = @intFromBool(by_former_name),
    });
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

const Name = enum { present, former };

/// The path by which the inode was opened, if it still leads there, or if `former`, did so to its last; built from its end.
fn pathOf(v: *const View, buffer: *[path_bytes_max]u8, what: What, name: Name) ?[:0]const u8 {
    var watch: liveness.Watch = .{};
    for (0..rounds_max) |_| {
        const seq = data.beginPatiently(&v.super.namespace_seq) orelse {
            // A daemon that has died in the middle of a change never ends it.
            if (watch.daemonIsGone(v)) return null;
            continue;
        };
        const start = build(v, buffer, what, name);
        if (!region.unchanged(&v.super.namespace_seq, seq)) continue;
        return if (start) |at| buffer[at .. buffer.len - 1 :0] else null;
    }
    return null;
}

/// Where the path starts in the buffer, which it fills to the end.
fn build(v: *const View, buffer: *[path_bytes_max]u8, what: What, name: Name) ?usize {
    const mount = gate.mountPath() orelse return null;
    var start: usize = buffer.len - 1;
    buffer[start] = 0;
    var ino = what.ino;
    var slot = what.dentry;
    if (what.is_directory) slot = (region.inode(v, ino) orelse return null).dentry;
    while (ino != layout.root_ino) {
        const dentry = region.dentry(v, slot) orelse return null;
        const is_former = ino == what.ino and name == .former;
        const kind: u32 = if (is_former) layout.slot_kind_former else layout.slot_kind_dentry;
        if (dentry.kind != kind or dentry.ino != ino) return null;
        if (is_former and !isIn(v, dentry)) return null;
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

/// Whether the directory of a former name is still there.
fn isIn(v: *const View, dentry: *volatile layout.Dentry) bool {
    const directory = region.inode(v, dentry.parent) orelse return false;
    return directory.generation == dentry.next and directory.nlink > 0;
}
