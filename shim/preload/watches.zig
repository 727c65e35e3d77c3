//! What programs watch (inotify(7), fanotify(7)) is the kernel's: it tells watchers of what goes through the kernel only. The first
//! watch marks the inode, for all clients; the kernel knows the inode as long as somebody watches it, and forgetting it ends the mark.
//!
//! The daemon looks for watches that programs outside set (shim/watch_scan.zig): on its own while clients change files, and before a
//! change after a pause. Those of whole mounts are not seen. Files of a directory that are open already when the directory is
//! watched are changed without it being told.

const layout = @import("layout");
const clients = @import("clients.zig");
const descriptor_paths = @import("descriptor_paths.zig");
const gate = @import("gate.zig");
const kernel_files = @import("kernel_files.zig");
const next = @import("next.zig");
const region = @import("region.zig");
const ring = @import("ring.zig");
const system = @import("system.zig");
const walk = @import("walk.zig");

const Path = [*:0]const u8;

pub inline fn isWatched(inode: *volatile layout.Inode) bool {
    return inode.kernel_uses & layout.kernel_uses_watch != 0;
}

/// Whether changes of the inode are told to somebody, or changes in the directory it was found in.
pub inline fn concern(v: *const region.View, place: walk.Place) bool {
    if (isWatched(&v.inodes[place.ino])) return true;
    return isWatched(region.inode(v, place.parent) orelse return false);
}

/// This process is about to change something: the daemon is to have looked for watches of programs outside, not long ago.
pub fn findOutside(v: *const region.View) void {
    const now: u32 = @truncate(gate.coarseMilliseconds());
    const is_fresh = now -% v.super.watches_seen_at < fresh_milliseconds;
    if (!is_fresh and now -% @atomicLoad(u32, &asked_at, .monotonic) >= fresh_milliseconds) ask(v, now);
}

/// The same once in a process, before it opens anything to read: somebody may decide who may (fanotify(7), FAN_OPEN_PERM), or want to know.
pub inline fn findOutsideFirst(v: *const region.View) void {
    if (!@atomicLoad(bool, &has_asked, .monotonic)) {
        @atomicStore(bool, &has_asked, true, .monotonic);
        findOutside(v);
    }
}

var has_asked = false;

/// What README promises; while clients change files, the daemon looks more often on its own.
const fresh_milliseconds = 250;

var asked_at: u32 = 0;

noinline fn ask(v: *const region.View, now: u32) void {
    @atomicStore(u32, &asked_at, now, .monotonic);
    if (clients.get(v) != 0) _ = ring.request(v, layout.messages.RingFindWatches{});
}

/// What was watched before cannot be told from what is opened now: descriptors of the inode become real before.
fn mark(dirfd: c_int, path: Path, follow: bool) void {
    if (!gate.mayAct()) return;
    const inode = switch (walk.at(dirfd, path, .{ .follow_last = follow, .cost = .lasting })) {
        .place => |place| &(region.view() orelse return).inodes[place.ino],
        .errno => return,
        // Perhaps it leads there in a way that only the kernel follows.
        .kernel => region.inodeFound(system.statAt(dirfd, path, follow) orelse return) orelse return,
    };
    _ = @atomicRmw(u32, &inode.kernel_uses, .Or, layout.kernel_uses_watch, .seq_cst);
    kernel_files.materializeInode(inode);
}

const in_dont_follow = 0x0200_0000;
const fan_mark_dont_follow = 4;

pub fn inotify_add_watch(fd: c_int, path: Path, mask: u32) callconv(.c) c_int {
    const follow = mask & in_dont_follow == 0;
    descriptor_paths.materialize(system.at_fdcwd, path);
    mark(system.at_fdcwd, path, follow);
    const result = next.call("inotify_add_watch", *const fn (c_int, Path, u32) callconv(.c) c_int)(fd, path, mask);
    // The kernel may have forgotten the inode, and thus ended the mark, just before it was watched.
    if (result >= 0) mark(system.at_fdcwd, path, follow);
    return result;
}

fn fanotify_mark(fd: c_int, flags: c_uint, mask: u64, dirfd: c_int, path: ?Path) callconv(.c) c_int {
    const follow = flags & fan_mark_dont_follow == 0;
    kernel_files.materialize(dirfd);
    if (path) |given| mark(dirfd, given, follow);
    const result = next.call("fanotify_mark", *const fn (c_int, c_uint, u64, c_int, ?Path) callconv(.c) c_int)(fd, flags, mask, dirfd, path);
    if (result >= 0) if (path) |given| mark(dirfd, given, follow);
    return result;
}

comptime {
    @export(&inotify_add_watch, .{ .name = "inotify_add_watch" });
    @export(&fanotify_mark, .{ .name = "fanotify_mark" });
}
