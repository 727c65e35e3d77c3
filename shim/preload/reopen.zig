//! Opens the real file of the mount for an inode that this process has open: by its path while it has one, else by a name that does not
//! exist, and under which the daemon lets this thread alone find it (src/ops/hidden_names.ts).
//!
//! The mount may have been covered, bound over or detached by others since. So the ways start at a descriptor of its root where there is one
//! (mount_root.zig), and none leads through another mount. A directory on which another mount lies has no other name than the one that leads
//! there: it is opened by its number, which only who may read everything may do (CAP_DAC_READ_SEARCH).

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const data = @import("data.zig");
const deep_paths = @import("deep_paths.zig");
const dentries = @import("dentries.zig");
const gate = @import("gate.zig");
const liveness = @import("liveness.zig");
const mount_root = @import("mount_root.zig");
const own_stack = @import("own_stack.zig");
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

/// A descriptor that is closed on exec, or a negative errno. `own_root`: the descriptor that is to be replaced, if it is one of the mount's root.
pub fn open(v: *const View, what: What, own_root: ?c_int) c_int {
    var attempt: Opening = .{ .v = v, .what = what, .own_root = own_root };
    // Several ways are tried, one inside the other: more stack than a signal handler may have.
    own_stack.call(&attempt, Opening.perform);
    return attempt.result;
}

const Opening = struct {
    v: *const View,
    what: What,
    own_root: ?c_int,
    result: c_int = no_entry,

    fn perform(attempt: *Opening) void {
        attempt.result = openAnyhow(attempt.v, attempt.what, attempt.own_root);
    }
};

fn openAnyhow(v: *const View, what: What, own_root: ?c_int) c_int {
    const room = scratch.wait() orelse return no_entry;
    defer room.release();
    const way: Way = .{ .v = v, .buffer = room.buffer[0..path_bytes_max], .root = own_root };
    const fd = openBy(way, what);
    if (fd >= 0 or fd == no_number or own_root != null) return fd;
    if (mount_root.find(v)) |root| return openBy(.{ .v = v, .buffer = way.buffer, .root = root }, what);
    if (mount_root.openByOthers(v)) |root| {
        defer _ = linux.syscall1(.close, system.word(root));
        return openBy(.{ .v = v, .buffer = way.buffer, .root = root }, what);
    }
    // The file itself is better than none.
    const path = pathOf(way, what, .present) orelse return fd;
    const elsewhere = openPath(.{ .v = v, .buffer = way.buffer, .root = null, .is_any_mount = true }, system.at_fdcwd, path, what);
    return if (elsewhere >= 0) elsewhere else fd;
}

/// From where paths start, and room for one. Without a root they are absolute.
const Way = struct {
    v: *const View,
    buffer: *[path_bytes_max]u8,
    root: ?c_int,
    /// They may lead to another mount of the file system.
    is_any_mount: bool = false,

    fn from(way: Way) c_int {
        return way.root orelse system.at_fdcwd;
    }
};

fn openBy(way: Way, what: What) c_int {
    if (pathOf(way, what, .present)) |path| {
        const fd = openPath(way, way.from(), path, what);
        if (fd != no_entry and fd != no_access) return fd;
    } else if (openInSteps(way, what)) |fd| return fd;
    for (0..former_rounds_max) |_| {
        const fd = openByFormerName(way, what) orelse break;
        if (fd == no_access) break;
        // Somebody else has asked for the name at the same time, and the kernel has given us that answer.
        if (fd != no_entry) return fd;
    }
    const fd = openByKey(way, what);
    return if (fd == no_entry) openByNumber(way, what) else fd;
}

const former_rounds_max = 3;

/// By the name that the inode has lost, so that it looks like any file that was removed while it was open. null: that is impossible.
/// Revealed like this, its owner may open a file whatever its mode is by now.
fn openByFormerName(way: Way, what: What) ?c_int {
    const path = pathOf(way, what, .former) orelse return null;
    const revealed = reveal(way.v, what, true) orelse return null;
    const fd = openPath(way, way.from(), path, what);
    ring.conceal(way.v, what.name(), revealed.grant);
    return fd;
}

/// In a directory with a random name, by the name that the inode had last. Of a removed directory, ".." leads there then.
fn openByKey(way: Way, what: What) c_int {
    const v = way.v;
    const mount = if (way.root == null) gate.mountPath() orelse return no_entry else ".";
    const slash = if (way.root == null) "/" else "";
    var name_bytes: [layout.name_bytes_max]u8 = undefined;
    const name = formerName(v, what, &name_bytes) orelse "file";
    const revealed = reveal(v, what, false) orelse return no_entry;
    defer ring.conceal(v, what.name(), revealed.grant);
    const key = revealed.key;
    const path = std.fmt.bufPrintSentinel(way.buffer, "{s}{s}/.btfuse-{x:0>8}{x:0>8}{x:0>8}{x:0>8}/{s}", .{
        slash, mount, key[0], key[1], key[2], key[3], name,
    }, 0) catch return no_entry;
    return openPath(way, way.from(), path, what);
}

/// Names do not lead to a directory on which another mount lies.
fn openByNumber(way: Way, what: What) c_int {
    // The kernel takes no descriptor that was opened as a path only.
    const flags: linux.O = .{ .DIRECTORY = true, .CLOEXEC = true };
    const path = if (way.root == null) gate.mountPath() orelse return no_entry else ".";
    const opened = linux.openat(way.from(), path, flags, 0);
    if (linux.errno(opened) != .SUCCESS) return no_entry;
    const root: c_int = @intCast(opened);
    defer _ = linux.syscall1(.close, system.word(root));
    const result = mount_root.openByNumber(root, what.ino, what.generation, opening(what));
    return if (linux.errno(result) == .SUCCESS) accepted(way, @intCast(result), what) else no_entry;
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

fn reveal(v: *const View, what: What, by_former_name: bool) ?layout.messages.RingRevealed {
    return ring.reveal(v, .{
        .inode = what.name(),
        .thread = @intCast(linux.gettid()),
        .uid = linux.geteuid(),
        .by_former_name = @intFromBool(by_former_name),
    });
}

const no_number = -@as(c_int, @intFromEnum(linux.E.MFILE));
const no_access = -@as(c_int, @intFromEnum(linux.E.ACCES));
const no_entry = -@as(c_int, @intFromEnum(linux.E.NOENT));
const path_bytes_max = 4096;
/// A second and more, when the daemon has to wait for the processor in the middle of a change: nothing else leads to a directory.
const rounds_max = 10_000;
const access_mask: u32 = 3;
/// Of open(2)'s flags, those that describe the open file; the others were done with when it was opened.
const kept_flags: linux.O = .{ .APPEND = true, .NONBLOCK = true, .NOATIME = true, .DIRECTORY = true, .NOFOLLOW = true, .DSYNC = true, .SYNC = true };

/// Null: there is no way to it by names.
noinline fn openInSteps(way: Way, what: What) ?c_int {
    const dentry = if (what.is_directory) (region.inode(way.v, what.ino) orelse return null).dentry else what.dentry;
    var buffer: deep_paths.Step = undefined;
    const last = deep_paths.before(way.v, way.root, .{ .ino = what.ino, .dentry = dentry }, &buffer);
    if (last.directory < 0) return if (last.directory == no_entry or last.directory == no_access) null else last.directory;
    defer _ = linux.syscall1(.close, system.word(last.directory));
    const fd = openPath(way, last.directory, last.path, what);
    return if (fd == no_entry or fd == no_access) null else fd;
}

/// `path` starts at the directory `from`, unless it is absolute.
fn openPath(way: Way, from: c_int, path: [:0]const u8, what: What) c_int {
    const flags = opening(what);
    const result = while (true) {
        const attempt = if (from == system.at_fdcwd)
            linux.syscall4(.openat, system.word(from), @intFromPtr(path.ptr), flags, 0)
        else
            mount_root.openInside(from, path, flags);
        if (linux.errno(attempt) != .INTR) break attempt;
    };
    switch (linux.errno(result)) {
        .SUCCESS => return accepted(way, @intCast(result), what),
        // Something else has the name by now, or another mount lies there.
        .NOTDIR, .LOOP, .NXIO, .XDEV => return no_entry,
        else => |e| return -@as(c_int, @intFromEnum(e)),
    }
}

/// Flags for open(2).
fn opening(what: What) u32 {
    // Not blocking, in case that by now a FIFO has the name.
    const always: linux.O = .{ .CLOEXEC = true, .NOCTTY = true, .NONBLOCK = true };
    return keptOf(what) | @as(u32, @bitCast(always));
}

fn keptOf(what: What) u32 {
    return what.flags & (access_mask | @as(u32, @bitCast(kept_flags)));
}

/// The descriptor, if it is of the inode, and on the mount, as it is if the way started at the mount's root.
fn accepted(way: Way, fd: c_int, what: What) c_int {
    // The inode is ours as long as it is open: its number is nobody else's.
    if (system.fstat(fd)) |now| if (now.ino == what.ino and now.dev == way.v.device and (way.root != null or way.is_any_mount or gate.isOnMount(fd))) {
        _ = linux.fcntl(fd, linux.F.SETFL, keptOf(what));
        return fd;
    };
    _ = linux.syscall1(.close, system.word(fd));
    return no_entry;
}

const Name = enum { present, former };

/// The path by which the inode was opened, if it still leads there, or if `former`, did so to its last; built from its end.
fn pathOf(way: Way, what: What, name: Name) ?[:0]const u8 {
    const v = way.v;
    var watch: liveness.Watch = .{};
    for (0..rounds_max) |_| {
        const seq = data.beginPatiently(&v.super.namespace_seq) orelse {
            // A daemon that has died in the middle of a change never ends it.
            if (watch.daemonIsGone(v)) return null;
            continue;
        };
        const start = build(way, what, name);
        if (!region.unchanged(&v.super.namespace_seq, seq)) continue;
        return if (start) |at| way.buffer[at .. path_bytes_max - 1 :0] else null;
    }
    return null;
}

/// Where the path starts in the buffer, which it fills to the end.
fn build(way: Way, what: What, name: Name) ?usize {
    const v = way.v;
    const buffer = way.buffer;
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
    const mount = if (way.root == null) gate.mountPath() orelse return null else ".";
    if (mount.len + 1 > start) return null;
    start -= mount.len;
    @memcpy(buffer[start..][0..mount.len], mount);
    if (way.root != null) return start;
    start -= 1;
    buffer[start] = '/';
    return start;
}

/// Whether the directory of a former name is still there.
fn isIn(v: *const View, dentry: *volatile layout.Dentry) bool {
    const directory = region.inode(v, dentry.parent) orelse return false;
    return directory.generation == dentry.next and directory.nlink > 0;
}
