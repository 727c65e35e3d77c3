//! Calls that take names away. A directory that is removed cannot be opened by any path afterwards, so that its descriptors
//! become real before.

const linux = @import("std").os.linux;
const descriptors = @import("descriptors.zig");
const next = @import("next.zig");
const region = @import("region.zig");
const system = @import("system.zig");
const walk = @import("walk.zig");

const Path = [*:0]const u8;

/// The name is about to lose what it leads to.
fn prepare(dirfd: c_int, path: Path) void {
    descriptors.materialize(dirfd);
    if (!descriptors.any()) return;
    const place = switch (walk.at(dirfd, path, .{ .follow_last = false })) {
        .place => |place| place,
        .errno, .kernel => return,
    };
    const v = region.view() orelse return;
    if (v.inodes[place.ino].mode & linux.S.IFMT == linux.S.IFDIR) descriptors.materializeInode(place.ino);
}

fn RemoveCall(comptime name: [:0]const u8) type {
    return struct {
        fn call(path: Path) callconv(.c) c_int {
            prepare(system.at_fdcwd, path);
            return next.call(name, *const fn (Path) callconv(.c) c_int)(path);
        }
    };
}

fn unlinkat(dirfd: c_int, path: Path, flags: c_int) callconv(.c) c_int {
    prepare(dirfd, path);
    return next.call("unlinkat", *const fn (c_int, Path, c_int) callconv(.c) c_int)(dirfd, path, flags);
}

fn rename(old: Path, new: Path) callconv(.c) c_int {
    prepare(system.at_fdcwd, new);
    return next.call("rename", *const fn (Path, Path) callconv(.c) c_int)(old, new);
}

fn RenameCall(comptime name: [:0]const u8) type {
    return struct {
        fn call(old_dirfd: c_int, old: Path, new_dirfd: c_int, new: Path, flags: c_uint) callconv(.c) c_int {
            descriptors.materialize(old_dirfd);
            prepare(new_dirfd, new);
            const F = fn (c_int, Path, c_int, Path, c_uint) callconv(.c) c_int;
            return next.call(name, *const F)(old_dirfd, old, new_dirfd, new, flags);
        }
    };
}

comptime {
    for (.{ "rmdir", "remove" }) |name| @export(&RemoveCall(name).call, .{ .name = name });
    @export(&unlinkat, .{ .name = "unlinkat" });
    @export(&rename, .{ .name = "rename" });
    for (.{ "renameat", "renameat2" }) |name| @export(&RenameCall(name).call, .{ .name = name });
}
