//! The daemon's watch over its mount: what happens to the mount table, to the directories above the mount point and to the mount's flags
//! is told to programs that are served without the kernel, by one word of the superblock (`mount_changes`).
//!
//! Two threads, made by clone(2) alone: they make nothing but system calls, touch no thread-local memory (they share their maker's), take no
//! signals, and end with the process. Both sleep until something happens.
//!
//! - The watch sleeps in poll(2) on /proc/self/mountinfo, which is ready when mounts come, go, move or change their flags, and on an inotify
//!   descriptor for the directories above the mount point, because the mount table tells nobody when one of these is renamed. It looks only at
//!   its own mount, so that what happens to others is told to nobody.
//! - The witness has no capabilities. The kernel lets a process look at another one (ptrace(2), "access mode checking") only if it has at least
//!   the other's capabilities, in the other's user namespace, and is in no Landlock domain that the other is not in: whoever may look at the
//!   witness is in no sandbox of that kind.

const std = @import("std");
const linux = std.os.linux;
const identity = @import("identity.zig");
const layout = @import("layout");
const mount_view = @import("mount_view.zig");

const path_bytes_max = 4096;

/// Set once by `bt_mount_watch`, and from then on the watch's own.
var super: *volatile layout.Superblock = undefined;
var mount_path: [path_bytes_max:0]u8 = undefined;
var known: ?mount_view.View = null;
var mount_number: u64 = 0;
var table_fd: i32 = -1;
var inotify_fd: i32 = -1;
/// The directories that are watched, as inotify numbers them.
var watches: [256]i32 = undefined;
var watch_count: usize = 0;

const Stack = [32 * 1024]u8;
var watch_stack: Stack align(16) = undefined;
var witness_stack: Stack align(16) = undefined;

/// Notes in the superblock at `superblock_address` who the daemon is and what its mount on `path` (absolute, canonical) is like, and
/// keeps the latter true from now on. Once in a process. 0, or a negative errno: then no program is served without the kernel.
export fn bt_mount_watch(superblock_address: u64, path: [*:0]const u8) i32 {
    super = @ptrFromInt(superblock_address);
    const text = std.mem.span(path);
    if (text.len >= path_bytes_max) return -@as(i32, @intFromEnum(linux.E.NAMETOOLONG));
    @memcpy(mount_path[0..text.len], text);
    mount_path[text.len] = 0;
    table_fd = descriptor(linux.openat(linux.AT.FDCWD, "/proc/self/mountinfo", .{ .CLOEXEC = true }, 0)) orelse return no_entry;
    // Where there are no more of these, clients look for themselves.
    inotify_fd = descriptor(linux.inotify_init1(linux.IN.CLOEXEC | linux.IN.NONBLOCK)) orelse -1;
    known = mount_view.look(&mount_path);
    mount_number = (known orelse return no_entry).place.mount;
    watchParents();
    lookAgain(false);
    if (startThread(&beWatch, &watch_stack) == null) return -@as(i32, @intFromEnum(linux.E.AGAIN));
    return noteIdentity();
}

/// Gives the mount on `path` another rule for access times: layout.mount_no_atime, mount_strict_atime or neither, and mount_no_dir_atime.
/// 0, or a negative errno.
export fn bt_mount_set_atime(path: [*:0]const u8, flags: u32) i32 {
    const Attributes = extern struct { set: u64, clear: u64, propagation: u64 = 0, user_namespace: u64 = 0 };
    const attributes: Attributes = .{ .set = mount_view.atimeAttributes(flags), .clear = mount_view.atime_attributes };
    const at_fdcwd: usize = @bitCast(@as(isize, linux.AT.FDCWD));
    const result = linux.syscall5(.mount_setattr, at_fdcwd, @intFromPtr(path), 0, @intFromPtr(&attributes), @sizeOf(Attributes));
    return -@as(i32, @intFromEnum(linux.errno(result)));
}

/// What mount_view.zig finds, by the newer way of asking the kernel or by /proc/self/mountinfo: out[0] = flags, out[1] = 1 when something lies on the
/// mount; and where the mount is. 0, or a negative errno. For tests.
export fn bt_mount_look(path: [*:0]const u8, by_mountinfo: i32, out: [*]f64, mount_point: [*]u8, capacity: u64) i32 {
    const numbers: mount_view.Numbers = if (by_mountinfo != 0) .of_mountinfo else .newest;
    const place = mount_view.at(path, numbers) orelse return no_entry;
    const mount = mount_view.mountOf(place.mount) orelse return no_entry;
    out[0] = @floatFromInt(mount.flags);
    out[1] = @floatFromInt(@intFromBool(mount.is_covered));
    return if (mount_view.pathOf(place.mount, mount_point[0..capacity]) == null) no_entry else 0;
}

const no_entry = -@as(i32, @intFromEnum(linux.E.NOENT));

fn descriptor(result: usize) ?i32 {
    return if (linux.errno(result) == .SUCCESS) @intCast(result) else null;
}

fn noteIdentity() i32 {
    const root = identity.root() orelse return no_entry;
    super.root_mount = root.mount;
    super.root_device = root.device;
    super.root_ino = root.ino;
    super.label = identity.label();
    super.time_namespace = identity.namespace("time") orelse 0;
    super.user_namespace = identity.namespace("user") orelse return no_entry;
    // Last: without a witness nobody is served.
    const witness = startThread(&beWitness, &witness_stack) orelse return -@as(i32, @intFromEnum(linux.E.AGAIN));
    @atomicStore(u32, &super.witness, witness, .release);
    return 0;
}

/// The new thread's number. It shares everything, and takes no signals: handlers would use their own thread's memory.
fn startThread(function: *const fn (usize) callconv(.c) u8, stack: *Stack) ?u32 {
    var all: linux.sigset_t = undefined;
    @memset(std.mem.asBytes(&all), 0xff);
    var before: linux.sigset_t = undefined;
    _ = linux.sigprocmask(linux.SIG.BLOCK, &all, &before);
    defer _ = linux.sigprocmask(linux.SIG.SETMASK, &before, null);
    const flags = linux.CLONE.VM | linux.CLONE.FS | linux.CLONE.FILES | linux.CLONE.SIGHAND | linux.CLONE.THREAD | linux.CLONE.SYSVSEM;
    const result = linux.clone(function, @intFromPtr(stack) + stack.len, flags, 0, null, 0, null);
    return if (linux.errno(result) == .SUCCESS) @intCast(result) else null;
}

// The witness

const Header = extern struct { version: u32 = 0x2008_0522, pid: i32 = 0 };
const Capabilities = extern struct { effective: u32 = 0, permitted: u32 = 0, inheritable: u32 = 0 };

fn beWitness(_: usize) callconv(.c) u8 {
    const header: Header = .{};
    const none: [2]Capabilities = @splat(.{});
    _ = linux.syscall2(.capset, @intFromPtr(&header), @intFromPtr(&none));
    while (true) _ = linux.poll(undefined, 0, -1);
}

// The watch

fn beWatch(_: usize) callconv(.c) u8 {
    bePrompt();
    var polled = [_]linux.pollfd{
        .{ .fd = table_fd, .events = linux.POLL.PRI, .revents = 0 },
        .{ .fd = inotify_fd, .events = linux.POLL.IN, .revents = 0 },
    };
    while (true) {
        for (&polled) |*each| each.revents = 0;
        _ = linux.poll(&polled, polled.len, -1);
        // A descriptor that somebody has closed would be ready for ever.
        if ((polled[0].revents | polled[1].revents) & linux.POLL.NVAL != 0) return giveUp();
        const parents_changed = polled[1].revents != 0 and readEvents();
        if (polled[0].revents == 0 and !parents_changed) {
            if (polled[1].revents == 0) rest();
            continue;
        }
        lookAgain(parents_changed);
        watchParents();
        // What has changed before they were watched.
        lookAgain(false);
    }
}

/// poll(2) failed, for want of memory: a moment later it may not.
fn rest() void {
    const moment: linux.timespec = .{ .sec = 0, .nsec = 10 * std.time.ns_per_ms };
    _ = linux.nanosleep(&moment, null);
}

/// Nobody is served any more.
fn giveUp() u8 {
    @atomicStore(u32, &super.ended, 1, .seq_cst);
    tell();
    return 1;
}

/// Programs may use a path that leads elsewhere by now until the watch has run, which takes it microseconds: it comes before others,
/// where that is allowed.
fn bePrompt() void {
    const fifo = 1;
    const priority: i32 = 1;
    _ = linux.syscall3(.sched_setscheduler, 0, fifo, @intFromPtr(&priority));
}

fn lookAgain(parents_changed: bool) void {
    const now = mount_view.look(&mount_path);
    // The mount's own flags, wherever it is by now.
    if (mount_view.mountOf(mount_number)) |mount| @atomicStore(u32, &super.mount_flags, mount.flags, .release);
    // A directory above that nobody may search any more leads nowhere, for some.
    if (!parents_changed and std.meta.eql(now, known)) return;
    known = now;
    tell();
}

fn tell() void {
    _ = @atomicRmw(u32, &super.mount_changes, .Add, 2, .seq_cst);
}

/// Whether something has happened to a directory that is watched, and not only to what is in it.
fn readEvents() bool {
    const Event = extern struct { watch: i32, mask: u32, cookie: u32, name_length: u32 };
    var bytes: [4096]u8 align(8) = undefined;
    var concerns = false;
    while (true) {
        const length = linux.read(inotify_fd, &bytes, bytes.len);
        if (linux.errno(length) != .SUCCESS) return concerns;
        var offset: usize = 0;
        while (offset + @sizeOf(Event) <= length) {
            const event: *const Event = @ptrCast(@alignCast(&bytes[offset]));
            if (event.name_length == 0) concerns = true;
            offset += @sizeOf(Event) + event.name_length;
        }
    }
}

/// Watches every directory above the mount point, but the root, which cannot be renamed.
fn watchParents() void {
    const is_there = if (known) |view| view.place.mount == mount_number else false;
    // As long as the path leads elsewhere, what was above the mount may come back.
    const old_count = if (is_there) watch_count else 0;
    var is_complete = is_there and inotify_fd >= 0;
    const length = std.mem.indexOfSentinel(u8, 0, &mount_path);
    for (mount_path[1..length], 1..) |byte, end| {
        if (byte != '/') continue;
        mount_path[end] = 0;
        defer mount_path[end] = '/';
        if (!watch(&mount_path, old_count) or !tellsOfRenames(&mount_path)) is_complete = false;
    }
    forgetOld(old_count);
    if (@atomicRmw(u32, &super.unwatched, .Xchg, @intFromBool(!is_complete), .seq_cst) != @intFromBool(!is_complete)) tell();
}

/// Adds it behind the first `old_count`. False: it cannot be watched.
fn watch(directory: [*:0]const u8, old_count: usize) bool {
    const mask = linux.IN.MOVE_SELF | linux.IN.DELETE_SELF | linux.IN.ATTRIB | linux.IN.ONLYDIR;
    const number = descriptor(linux.inotify_add_watch(inotify_fd, directory, mask)) orelse return false;
    if (std.mem.indexOfScalar(i32, watches[old_count..watch_count], number) != null) return true;
    if (watch_count == watches.len) return false;
    watches[watch_count] = number;
    watch_count += 1;
    return true;
}

/// Forgets the first `old_count` watches, but those that have come again behind them.
fn forgetOld(old_count: usize) void {
    const current = watches[old_count..watch_count];
    for (watches[0..old_count]) |number| {
        if (std.mem.indexOfScalar(i32, current, number) == null) _ = linux.inotify_rm_watch(inotify_fd, number);
    }
    std.mem.copyForwards(i32, watches[0..current.len], current);
    watch_count = current.len;
}

/// File systems whose directories others rename without the kernel here knowing: NFS, SMB and CIFS, FUSE, 9p, Ceph, AFS, Coda, GFS2, OCFS2.
const shared_file_systems = [_]u64{
    0x6969,      0x517b,      0xff53_4d42, 0xfe53_4d42, 0x6573_5546, 0x0102_1997,
    0x00c3_6400, 0x5346_414f, 0x7375_7245, 0x0116_1970, 0x7461_636f,
};

fn tellsOfRenames(path: [*:0]const u8) bool {
    // struct statfs, of which the first word is the type.
    var answer: [16]u64 = undefined;
    const result = linux.syscall2(.statfs, @intFromPtr(path), @intFromPtr(&answer));
    return linux.errno(result) == .SUCCESS and std.mem.indexOfScalar(u64, &shared_file_systems, answer[0]) == null;
}
