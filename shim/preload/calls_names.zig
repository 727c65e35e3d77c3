//! The functions of libc that make, remove and rename names.

const counters = @import("counters.zig");
const descriptor_paths = @import("descriptor_paths.zig");
const kernel_files = @import("kernel_files.zig");
const names = @import("names.zig");
const next = @import("next.zig");
const permissions = @import("permissions.zig");
const system = @import("system.zig");
const walk = @import("walk.zig");

const E = next.E;
const Path = [*:0]const u8;
const Outcome = permissions.Outcome;
const at_fdcwd = system.at_fdcwd;

/// What the call returns; null: it is left to the kernel, which has to know the descriptors it starts from.
pub inline fn served(op: counters.Op, outcome: Outcome, dirfds: []const c_int) ?c_int {
    const e = switch (outcome) {
        .ring => |e| blk: {
            counters.ring(op);
            break :blk e;
        },
        .local => |e| blk: {
            counters.fast(op);
            break :blk e;
        },
        .kernel => |reason| {
            counters.kernel(op, reason);
            for (dirfds) |dirfd| kernel_files.materialize(dirfd);
            if (reason != .other_path) for (dirfds) |dirfd| if (kernel_files.lost(dirfd)) |e| return next.fail(e);
            return null;
        },
    };
    return if (e == .SUCCESS) 0 else next.fail(e);
}

// mkdir

const mkdir_bits = 0o1777;

fn mkdirServed(dirfd: c_int, path: Path, mode: c_uint) ?c_int {
    return served(.mkdir, names.make(dirfd, path, walk.s_ifdir | (mode & mkdir_bits)), &.{dirfd});
}

fn mkdir(path: Path, mode: c_uint) callconv(.c) c_int {
    return mkdirServed(at_fdcwd, path, mode) orelse next.call("mkdir", *const fn (Path, c_uint) callconv(.c) c_int)(path, mode);
}

fn mkdirat(dirfd: c_int, path: Path, mode: c_uint) callconv(.c) c_int {
    return mkdirServed(dirfd, path, mode) orelse
        next.call("mkdirat", *const fn (c_int, Path, c_uint) callconv(.c) c_int)(dirfd, path, mode);
}

// mknod: devices are the kernel's.

const mode_bits: c_uint = walk.s_ifmt | 0o7777;

fn mknodServed(dirfd: c_int, path: Path, mode: c_uint) ?c_int {
    const outcome: Outcome = switch (mode & walk.s_ifmt) {
        0, walk.s_ifreg => names.makeFile(dirfd, path, mode),
        names.s_ififo, names.s_ifsock => names.make(dirfd, path, mode & mode_bits),
        else => .{ .kernel = .special_file },
    };
    return served(.mknod, outcome, &.{dirfd});
}

fn mknod(path: Path, mode: c_uint, device: u64) callconv(.c) c_int {
    return mknodServed(at_fdcwd, path, mode) orelse
        next.call("mknod", *const fn (Path, c_uint, u64) callconv(.c) c_int)(path, mode, device);
}

fn mknodat(dirfd: c_int, path: Path, mode: c_uint, device: u64) callconv(.c) c_int {
    return mknodServed(dirfd, path, mode) orelse
        next.call("mknodat", *const fn (c_int, Path, c_uint, u64) callconv(.c) c_int)(dirfd, path, mode, device);
}

/// As programs built before glibc 2.33 call it; another version is an error of theirs.
fn xmknod(version: c_int, path: Path, mode: c_uint, device: *const u64) callconv(.c) c_int {
    return (if (version == 0) mknodServed(at_fdcwd, path, mode) else null) orelse
        next.call("__xmknod", *const fn (c_int, Path, c_uint, *const u64) callconv(.c) c_int)(version, path, mode, device);
}

fn xmknodat(version: c_int, dirfd: c_int, path: Path, mode: c_uint, device: *const u64) callconv(.c) c_int {
    return (if (version == 0) mknodServed(dirfd, path, mode) else served(.mknod, .{ .kernel = .arguments }, &.{dirfd})) orelse
        next.call("__xmknodat", *const fn (c_int, c_int, Path, c_uint, *const u64) callconv(.c) c_int)(version, dirfd, path, mode, device);
}

fn mkfifo(path: Path, mode: c_uint) callconv(.c) c_int {
    return mknodServed(at_fdcwd, path, mode | names.s_ififo) orelse
        next.call("mkfifo", *const fn (Path, c_uint) callconv(.c) c_int)(path, mode);
}

fn mkfifoat(dirfd: c_int, path: Path, mode: c_uint) callconv(.c) c_int {
    return mknodServed(dirfd, path, mode | names.s_ififo) orelse
        next.call("mkfifoat", *const fn (c_int, Path, c_uint) callconv(.c) c_int)(dirfd, path, mode);
}

// Links

fn symlink(target: Path, path: Path) callconv(.c) c_int {
    return served(.symlink, names.symlink(target, at_fdcwd, path), &.{}) orelse
        next.call("symlink", *const fn (Path, Path) callconv(.c) c_int)(target, path);
}

fn symlinkat(target: Path, dirfd: c_int, path: Path) callconv(.c) c_int {
    return served(.symlink, names.symlink(target, dirfd, path), &.{dirfd}) orelse
        next.call("symlinkat", *const fn (Path, c_int, Path) callconv(.c) c_int)(target, dirfd, path);
}

const at_symlink_follow = 0x400;

fn linkServed(old_dirfd: c_int, old: Path, new_dirfd: c_int, new: Path, flags: c_int) ?c_int {
    const outcome: Outcome = if (flags & ~@as(c_int, at_symlink_follow) != 0)
        .{ .kernel = .arguments }
    else
        names.link(old_dirfd, old, new_dirfd, new, flags != 0);
    return served(.link, outcome, &.{ old_dirfd, new_dirfd }) orelse {
        descriptor_paths.materialize(old_dirfd, old);
        return null;
    };
}

fn link(old: Path, new: Path) callconv(.c) c_int {
    return linkServed(at_fdcwd, old, at_fdcwd, new, 0) orelse next.call("link", *const fn (Path, Path) callconv(.c) c_int)(old, new);
}

fn linkat(old_dirfd: c_int, old: Path, new_dirfd: c_int, new: Path, flags: c_int) callconv(.c) c_int {
    return linkServed(old_dirfd, old, new_dirfd, new, flags) orelse
        next.call("linkat", *const fn (c_int, Path, c_int, Path, c_int) callconv(.c) c_int)(old_dirfd, old, new_dirfd, new, flags);
}

// Removing

const at_removedir = 0x200;

fn removeServed(dirfd: c_int, path: Path, as_directory: bool) ?c_int {
    return served(if (as_directory) .rmdir else .unlink, names.remove(dirfd, path, as_directory), &.{dirfd});
}

fn unlink(path: Path) callconv(.c) c_int {
    return removeServed(at_fdcwd, path, false) orelse next.call("unlink", *const fn (Path) callconv(.c) c_int)(path);
}

fn rmdir(path: Path) callconv(.c) c_int {
    return removeServed(at_fdcwd, path, true) orelse next.call("rmdir", *const fn (Path) callconv(.c) c_int)(path);
}

fn unlinkat(dirfd: c_int, path: Path, flags: c_int) callconv(.c) c_int {
    const known = flags == 0 or flags == at_removedir;
    return (if (known) removeServed(dirfd, path, flags != 0) else served(.unlink, .{ .kernel = .arguments }, &.{dirfd})) orelse
        next.call("unlinkat", *const fn (c_int, Path, c_int) callconv(.c) c_int)(dirfd, path, flags);
}

/// As libc's: unlink, or rmdir of what unlink does not want.
fn remove(path: Path) callconv(.c) c_int {
    if (unlink(path) == 0) return 0;
    return if (next.errnoLocation().* == @intFromEnum(E.ISDIR) and rmdir(path) == 0) 0 else -1;
}

// Renaming

fn renameServed(old_dirfd: c_int, old: Path, new_dirfd: c_int, new: Path, flags: c_uint) ?c_int {
    return served(.rename, names.rename(old_dirfd, old, new_dirfd, new, flags), &.{ old_dirfd, new_dirfd });
}

fn rename(old: Path, new: Path) callconv(.c) c_int {
    return renameServed(at_fdcwd, old, at_fdcwd, new, 0) orelse
        next.call("rename", *const fn (Path, Path) callconv(.c) c_int)(old, new);
}

fn renameat(old_dirfd: c_int, old: Path, new_dirfd: c_int, new: Path) callconv(.c) c_int {
    return renameServed(old_dirfd, old, new_dirfd, new, 0) orelse
        next.call("renameat", *const fn (c_int, Path, c_int, Path) callconv(.c) c_int)(old_dirfd, old, new_dirfd, new);
}

fn renameat2(old_dirfd: c_int, old: Path, new_dirfd: c_int, new: Path, flags: c_uint) callconv(.c) c_int {
    return renameServed(old_dirfd, old, new_dirfd, new, flags) orelse
        next.call("renameat2", *const fn (c_int, Path, c_int, Path, c_uint) callconv(.c) c_int)(old_dirfd, old, new_dirfd, new, flags);
}

comptime {
    const functions = .{
        .{ "mkdir", &mkdir },     .{ "mkdirat", &mkdirat },     .{ "mknod", &mknod },         .{ "mknodat", &mknodat },
        .{ "__xmknod", &xmknod }, .{ "__xmknodat", &xmknodat }, .{ "mkfifo", &mkfifo },       .{ "mkfifoat", &mkfifoat },
        .{ "symlink", &symlink }, .{ "symlinkat", &symlinkat }, .{ "link", &link },           .{ "linkat", &linkat },
        .{ "unlink", &unlink },   .{ "unlinkat", &unlinkat },   .{ "rmdir", &rmdir },         .{ "remove", &remove },
        .{ "rename", &rename },   .{ "renameat", &renameat },   .{ "renameat2", &renameat2 },
    };
    for (functions) |function| @export(function[1], .{ .name = function[0] });
}
