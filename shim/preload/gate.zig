//! Whom the library serves. THE RULE, which is kept here and nowhere else:
//!
//!     The library serves a process only while its view of the mount and its rights are those that the daemon can judge; else the
//!     kernel does.
//!
//! 1. Before the first system call that the program has not made itself (`mayAct`): the calling thread is under no seccomp filter, or under as
//!    many as the daemon. Nothing else may be asked by who may be killed for asking. What is asked is read with the system calls that
//!    starting a program takes.
//! 2. When the region is attached (`refusal`): the process sees processes, users, directories and the mount as the daemon does, and nothing
//!    stands between it and the mount that the kernel would ask first. A process that is in none of the sandboxes the kernel has may look at the
//!    daemon's witness (shim/mount_watch.zig).
//! 3. From then on (`isCurrent`): nothing has happened to the mount's path, its flags, or what lies on it. The daemon is told by the kernel and
//!    counts in `Superblock.mount_changes`; a process whose number differs looks again. Where the kernel does not tell, it looks every
//!    10 ms.
//! 4. Calls by which a program restricts itself, or changes what it sees, close the gate for good (`close`, calls_restrict.zig); before they are
//!    made, all that is open is handed to the kernel. Ids and capabilities are read anew after each call that changes them (credentials.zig).
//!
//! What a program starts decides for itself, from 1 on.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const identity = @import("../identity.zig");
const mount_view = @import("../mount_view.zig");
const counters = @import("counters.zig");
const credentials = @import("credentials.zig");
const early = @import("early.zig");
const kernel_files = @import("kernel_files.zig");
const own_stack = @import("own_stack.zig");
const process_status = @import("process_status.zig");
const region = @import("region.zig");
const system = @import("system.zig");
const umask = @import("umask.zig");

const State = enum(u8) { unasked, asking, open, closed };
var state: State linksection(early.section) = .unasked;
var the_reason: counters.Reason = .not_attached;
/// No system call is to be made that the program does not make.
var silent: bool = false;

pub inline fn isClosed() bool {
    return @atomicLoad(State, &state, .monotonic) == .closed;
}

/// Whether a call that starting a program takes may be made.
pub inline fn mayProbe() bool {
    return !@atomicLoad(bool, &silent, .monotonic);
}

/// As `mayAct`, where that is known without asking.
pub inline fn isKnownToAct() bool {
    return switch (@atomicLoad(State, &state, .monotonic)) {
        .open => true,
        .unasked, .asking => false,
        .closed => !@atomicLoad(bool, &silent, .monotonic),
    };
}

/// Why the kernel serves everything, or everything so far.
pub fn reason() counters.Reason {
    return if (isClosed()) @atomicLoad(counters.Reason, &the_reason, .monotonic) else .not_attached;
}

/// Everything is left to the kernel from now on, and so is all that is open, as long as the process may open it. Not for changes that others
/// have made: then what is open can still be read and written here, where its real file cannot be found.
pub noinline fn close(why: counters.Reason) void {
    if (!isClosed()) @atomicStore(counters.Reason, &the_reason, why, .monotonic);
    @atomicStore(State, &state, .closed, .seq_cst);
    kernel_files.stop();
}

/// `close`, before the program lets itself make no more system calls than it knows of: from now on it makes no other, also not at its end.
pub noinline fn closeSilently() void {
    close(.sandboxed);
    counters.finish();
    @atomicStore(bool, &silent, true, .seq_cst);
}

// 1. Before anything else

/// Whether the library may make system calls of its own. The answer costs one reading of a file in /proc, once.
pub inline fn mayAct() bool {
    return switch (@atomicLoad(State, &state, .monotonic)) {
        .open => true,
        .unasked => ask(),
        .asking => false,
        .closed => !@atomicLoad(bool, &silent, .monotonic),
    };
}

/// What was read when it was first asked, and the number of changes of ids before.
var first_status: process_status.Status = undefined;
var first_changes: u32 = 0;

noinline fn ask() bool {
    if (@cmpxchgStrong(State, &state, .unasked, .asking, .acquire, .monotonic) != null) return false;
    first_changes = credentials.changes();
    const may = process_status.ofThread(&first_status) and (!first_status.isRestricted() or hasFiltersOfDaemon());
    if (!may) {
        @atomicStore(counters.Reason, &the_reason, .sandboxed, .monotonic);
        @atomicStore(bool, &silent, true, .monotonic);
    }
    // A program that has closed it meanwhile, in another thread, knows better.
    _ = @cmpxchgStrong(State, &state, .asking, if (may) .open else .closed, .release, .monotonic);
    return may;
}

/// The daemon's process is named in the superblock, which is read like any other file: nothing is mapped yet.
fn hasFiltersOfDaemon() bool {
    const configuration = region.configuration() orelse return false;
    const opened = linux.openat(linux.AT.FDCWD, configuration.object, .{ .CLOEXEC = true, .NOFOLLOW = true }, 0);
    if (linux.errno(opened) != .SUCCESS) return false;
    const fd: i32 = @intCast(opened);
    defer _ = linux.close(fd);
    var start: [@offsetOf(layout.Superblock, "owner_pid") + 4]u8 align(8) = undefined;
    if (linux.read(fd, &start, start.len) != start.len) return false;
    const hash = std.mem.readInt(u64, start[@offsetOf(layout.Superblock, "layout_hash")..][0..8], .little);
    if (hash != layout.layout_hash) return false;
    var daemon: process_status.Status = undefined;
    const pid = std.mem.readInt(u32, start[@offsetOf(layout.Superblock, "owner_pid")..][0..4], .little);
    if (!process_status.ofProcess(pid, &daemon)) return false;
    return daemon.seccomp_mode == first_status.seccomp_mode and daemon.filter_count == first_status.filter_count;
}

// 2. When the region is attached

/// Why this process is not to be served from this region; null: it is. Then its ids, which have been read already, are known.
pub fn refusal(v: *const region.View) ?counters.Reason {
    const super = v.super;
    const witness = @atomicLoad(u32, &super.witness, .acquire);
    if (witness == 0) return .not_attached;
    const root = identity.root() orelse return .other_namespace;
    if (root.mount != super.root_mount or root.device != super.root_device or root.ino != super.root_ino) return .other_namespace;
    if ((identity.namespace("pid") orelse return .other_namespace) != super.pid_namespace) return .other_namespace;
    if ((identity.namespace("time") orelse 0) != super.time_namespace) return .other_namespace;
    // Every user namespace is below the first one: who may look at a witness there is there as well.
    if (super.user_namespace != identity.first_user_namespace) {
        if ((identity.namespace("user") orelse return .other_namespace) != super.user_namespace) return .other_namespace;
    }
    if (!mayLookAt(witness)) return .sandboxed;
    if (super.label != 0 and super.label != identity.label()) return .sandboxed;
    if (look(v, null)) |why| return why;
    _ = credentials.prime(v, &first_status, first_changes);
    umask.prime(&first_status);
    return null;
}

/// get_robust_list(2) asks the kernel whether the caller may look at the thread (PTRACE_MODE_READ_REALCREDS), and costs nothing else.
fn mayLookAt(thread: u32) bool {
    var head: usize = undefined;
    var length: usize = undefined;
    return linux.syscall3(.get_robust_list, thread, @intFromPtr(&head), @intFromPtr(&length)) == 0;
}

// 3. From then on

/// `Superblock.mount_changes`, which is even, when the process last looked; `never` when each use has to ask: the kernel tells nobody of
/// everything, or every reading is to be noted.
var seen: u32 linksection(early.section) = never;
const never: u32 = 1;
/// The same without exceptions.
var looked_at: u32 = never;
/// What the mount allows, as it was then (layout.mount_*).
var known_flags: u32 = 0;
var known_mount: u64 = 0;
/// When there is nobody to tell of changes: CLOCK_MONOTONIC_COARSE in milliseconds at which it is time to look again.
var look_again_at: u64 = 0;
const look_milliseconds = 10;
var storing = false;

/// Whether paths still lead to the mount as they did: asked before each use of a path. A load and a comparison.
pub inline fn isCurrent(v: *const region.View) bool {
    return isSeen(v) or lookAgain(v);
}

inline fn isSeen(v: *const region.View) bool {
    return @atomicLoad(u32, &v.super.mount_changes, .acquire) == @atomicLoad(u32, &seen, .monotonic);
}

/// What the mount allows now (layout.mount_*).
pub inline fn flags(v: *const region.View) u32 {
    if (!isSeen(v)) _ = lookAgain(v);
    return @atomicLoad(u32, &known_flags, .monotonic);
}

/// Whether a reading may have to be noted that "relatime" would not note.
pub inline fn mayNoteEveryReading(v: *const region.View) bool {
    return !isSeen(v);
}

/// What the process may search, or sees, may be different from now on: the mount is looked at again before the next use of a path.
pub fn lookAnew() void {
    @atomicStore(u32, &looked_at, never, .seq_cst);
    @atomicStore(u32, &seen, never, .seq_cst);
}

noinline fn lookAgain(v: *const region.View) bool {
    if (isClosed() or v.super.ended != 0) return false;
    if (@atomicLoad(u32, &v.super.mount_changes, .acquire) == @atomicLoad(u32, &looked_at, .monotonic)) {
        if (@atomicLoad(u32, &v.super.unwatched, .acquire) == 0) return true;
        if (coarseMilliseconds() < @atomicLoad(u64, &look_again_at, .monotonic)) return true;
    }
    own_stack.call(v, lookNow);
    return !isClosed();
}

fn lookNow(v: *const region.View) void {
    const why = look(v, @atomicLoad(u64, &known_mount, .monotonic)) orelse return;
    followMount();
    close(if (why == .not_attached) .mount_changed else why);
}

/// Looks at the mount as the kernel shows it to this process. Null: it is what the region is about, and can be reached by its path, which leads to
/// the mount with the number `expected`: what is open was opened there, and another mount of the file system may be read-only.
fn look(v: *const region.View, expected: ?u64) ?counters.Reason {
    // First: what happens meanwhile is looked at again.
    const changes = @atomicLoad(u32, &v.super.mount_changes, .acquire);
    const is_told = @atomicLoad(u32, &v.super.unwatched, .acquire) == 0;
    const now = coarseMilliseconds();
    const configuration = region.configuration() orelse return .not_attached;
    const view = mount_view.look(configuration.mount) orelse return .not_attached;
    if (view.place.device != v.device or view.place.ino != layout.root_ino) return .mount_changed;
    if (view.mount.is_covered) return .mount_changed;
    if (expected) |number| if (view.place.mount != number) return .mount_changed;
    if (view.mount.flags & layout.mount_id_mapped != 0) return .other_namespace;
    // What belongs together is stored by one thread at a time. Who finds another one at it looks again the next time.
    if (@atomicRmw(bool, &storing, .Xchg, true, .acquire)) return null;
    defer @atomicStore(bool, &storing, false, .release);
    @atomicStore(u64, &known_mount, view.place.mount, .monotonic);
    @atomicStore(u32, &known_flags, view.mount.flags, .monotonic);
    @atomicStore(u32, &looked_at, changes, .monotonic);
    @atomicStore(u64, &look_again_at, now + look_milliseconds, .monotonic);
    const is_strict = view.mount.flags & layout.mount_strict_atime != 0;
    @atomicStore(u32, &seen, if (is_told and !is_strict) changes else never, .release);
    return null;
}

var moved_bytes: [512 + 4096]u8 align(8) = undefined;
var moved: ?*const u8 = null;

/// Finds the mount again that was moved, for what is open of which the real file is to be found.
fn followMount() void {
    const path = mount_view.pathOf(@atomicLoad(u64, &known_mount, .monotonic), &moved_bytes) orelse return;
    @atomicStore(?*const u8, &moved, @ptrCast(path.ptr), .release);
}

/// Looks without being told by the daemon, which takes its time, whether the path leads to the mount. Where it does not, all that is open
/// becomes the kernel's.
pub noinline fn lookForMount(v: *const region.View) void {
    if (isClosed() or v.super.ended != 0) return;
    const known = @atomicLoad(u64, &known_mount, .monotonic);
    const configuration = region.configuration() orelse return;
    if (mount_view.at(configuration.mount, mount_view.kindOf(known))) |place| if (place.mount == known) return;
    own_stack.call(v, lookNow);
}

/// Whether the descriptor was opened on the mount that is served, and not on another mount of its file system.
pub fn isOnMount(fd: c_int) bool {
    const known = @atomicLoad(u64, &known_mount, .monotonic);
    const place = mount_view.of(fd, mount_view.kindOf(known)) orelse return false;
    return place.mount == known;
}

/// Where the mount lies, as far as is known.
pub fn mountPath() ?[:0]const u8 {
    const bytes: [*:0]const u8 = @ptrCast(@atomicLoad(?*const u8, &moved, .acquire) orelse return (region.configuration() orelse return null).mount);
    return std.mem.span(bytes);
}

extern "c" fn clock_gettime(clock: c_int, result: *system.Timespec) c_int;
const clock_monotonic_coarse = 6;

pub fn coarseMilliseconds() u64 {
    var now: system.Timespec = undefined;
    if (clock_gettime(clock_monotonic_coarse, &now) != 0) return 0;
    return @intCast(now.sec * std.time.ms_per_s + @divTrunc(now.nsec, std.time.ns_per_ms));
}
