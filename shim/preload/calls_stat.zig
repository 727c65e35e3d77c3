//! Attributes, permissions and link targets: stat, statx, access, readlink, fstatfs and their many names.

const std = @import("std");
const layout = @import("layout");
const access_time = @import("access_time.zig");
const attributes = @import("attributes.zig");
const counters = @import("counters.zig");
const credentials = @import("credentials.zig");
const descriptor_paths = @import("descriptor_paths.zig");
const descriptors = @import("descriptors.zig");
const gate = @import("gate.zig");
const kernel_files = @import("kernel_files.zig");
const memory_probe = @import("memory_probe.zig");
const mount_root = @import("mount_root.zig");
const next = @import("next.zig");
const permissions = @import("permissions.zig");
const region = @import("region.zig");
const system = @import("system.zig");
const walk = @import("walk.zig");
const Stat = system.Stat;
const Statx = attributes.Statx;
const Path = [*:0]const u8;

pub const fillStat = attributes.fillStat;

const at_fdcwd = system.at_fdcwd;
const at_symlink_nofollow = 0x100;
const at_eaccess = 0x200;
const at_no_automount = 0x800;
const at_empty_path = 0x1000;
const at_statx_sync_type = 0x6000;
/// Nothing here is ever mounted or out of date: these flags make no difference.
const indifferent_flags = at_no_automount | at_statx_sync_type;

/// An inode may end between the walk to it and the look at it: as often is it walked again.
const attempts_max = 3;

/// Not for libc to write to: the kernel says EFAULT.
inline fn isPointer(pointer: anytype) bool {
    return @intFromPtr(pointer) >= layout.page_bytes;
}

/// The result of a call that walks to an inode and does `use` with it, which is false when the inode is gone or changes
/// all the time; null: left to the kernel, and counted so.
inline fn onPath(
    op: counters.Op,
    dirfd: c_int,
    path: Path,
    how: walk.How,
    context: anytype,
    comptime use: fn (*const region.View, walk.Place, @TypeOf(context)) Use,
) ?c_int {
    for (0..attempts_max) |_| {
        switch (walk.at(dirfd, path, how)) {
            .place => |place| switch (use(region.view().?, place, context)) {
                .result => |result| {
                    counters.fast(op);
                    return result;
                },
                .errno => |e| {
                    counters.fast(op);
                    return next.fail(e);
                },
                .kernel => |reason| return left(op, dirfd, reason),
                .again => continue,
            },
            .errno => |e| {
                counters.fast(op);
                return next.fail(e);
            },
            .kernel => |reason| return left(op, dirfd, reason),
        }
    }
    return left(op, dirfd, .busy);
}

const Use = union(enum) { result: c_int, errno: next.E, kernel: counters.Reason, again };

/// The kernel has to know the directory the path starts from.
noinline fn left(op: counters.Op, dirfd: c_int, reason: counters.Reason) ?c_int {
    counters.kernel(op, reason);
    if (dirfd == at_fdcwd) return null;
    kernel_files.materialize(dirfd);
    return if (reason == .other_path) null else if (kernel_files.lost(dirfd)) |e| next.fail(e) else null;
}

/// The same for arguments that only the kernel is to judge; nobody has looked at the path yet.
noinline fn leftUnread(op: counters.Op, dirfd: c_int, path: Path) ?c_int {
    descriptor_paths.materialize(dirfd, path);
    return left(op, dirfd, .arguments);
}

// stat

fn statAt(dirfd: c_int, path: Path, out: ?*Stat, flags: c_int) ?c_int {
    if (!isPointer(out) or flags & ~@as(c_int, at_symlink_nofollow | at_empty_path | indifferent_flags) != 0) {
        return leftUnread(.stat, dirfd, path);
    }
    const how: walk.How = .{ .follow_last = flags & at_symlink_nofollow == 0, .allow_empty = flags & at_empty_path != 0 };
    return onPath(.stat, dirfd, path, how, out.?, struct {
        fn use(v: *const region.View, place: walk.Place, to: *Stat) Use {
            if (!memory_probe.canWriteTo(to, @sizeOf(Stat))) return .{ .kernel = .arguments };
            return if (attributes.fillStat(v, place.ino, place.generation, to)) .{ .result = 0 } else .again;
        }
    }.use);
}

inline fn statDescriptor(fd: c_int, out: ?*Stat) ?c_int {
    const ino = descriptors.inodeOf(fd) orelse {
        counters.kernel(.fstat, .other_descriptor);
        return null;
    };
    const v = region.view().?;
    const inode = region.inode(v, ino) orelse return left(.fstat, fd, .busy);
    // What is open does not end: whatever the generation is, it is the right one.
    if (!memory_probe.canWriteTo(out, @sizeOf(Stat)) or !attributes.fillStat(v, ino, inode.generation, out.?)) return left(.fstat, fd, .busy);
    counters.fast(.fstat);
    return 0;
}

/// stat and lstat, as `name`.
fn StatCall(comptime name: [:0]const u8, comptime flags: c_int) type {
    return struct {
        fn call(path: Path, out: ?*Stat) callconv(.c) c_int {
            return statAt(at_fdcwd, path, out, flags) orelse
                next.call(name, *const fn (Path, ?*Stat) callconv(.c) c_int)(path, out);
        }
        /// As programs built before glibc 2.33 call it. Other versions of the structure there never were, but numbers for them.
        fn versioned(version: c_int, path: Path, out: ?*Stat) callconv(.c) c_int {
            const known = version == 0 or version == 1;
            return (if (known) statAt(at_fdcwd, path, out, flags) else null) orelse
                next.call(name, *const fn (c_int, Path, ?*Stat) callconv(.c) c_int)(version, path, out);
        }
    };
}

fn FstatCall(comptime name: [:0]const u8) type {
    return struct {
        fn call(fd: c_int, out: ?*Stat) callconv(.c) c_int {
            return statDescriptor(fd, out) orelse
                next.call(name, *const fn (c_int, ?*Stat) callconv(.c) c_int)(fd, out);
        }
        fn versioned(version: c_int, fd: c_int, out: ?*Stat) callconv(.c) c_int {
            const known = version == 0 or version == 1;
            return (if (known) statDescriptor(fd, out) else null) orelse
                next.call(name, *const fn (c_int, c_int, ?*Stat) callconv(.c) c_int)(version, fd, out);
        }
    };
}

fn FstatatCall(comptime name: [:0]const u8) type {
    return struct {
        fn call(dirfd: c_int, path: Path, out: ?*Stat, flags: c_int) callconv(.c) c_int {
            return statAt(dirfd, path, out, flags) orelse
                next.call(name, *const fn (c_int, Path, ?*Stat, c_int) callconv(.c) c_int)(dirfd, path, out, flags);
        }
        fn versioned(version: c_int, dirfd: c_int, path: Path, out: ?*Stat, flags: c_int) callconv(.c) c_int {
            const known = version == 0 or version == 1;
            return (if (known) statAt(dirfd, path, out, flags) else leftUnread(.stat, dirfd, path)) orelse
                next.call(name, *const fn (c_int, c_int, Path, ?*Stat, c_int) callconv(.c) c_int)(version, dirfd, path, out, flags);
        }
    };
}

fn statx(dirfd: c_int, path: Path, flags: c_int, mask: c_uint, out: ?*Statx) callconv(.c) c_int {
    return statxAt(dirfd, path, flags, mask, out) orelse
        next.call("statx", *const fn (c_int, Path, c_int, c_uint, ?*Statx) callconv(.c) c_int)(dirfd, path, flags, mask, out);
}

fn statxAt(dirfd: c_int, path: Path, flags: c_int, mask: c_uint, out: ?*Statx) ?c_int {
    const known = flags & ~@as(c_int, at_symlink_nofollow | at_empty_path | indifferent_flags) == 0 and
        flags & at_statx_sync_type != at_statx_sync_type and mask & ~@as(c_uint, attributes.statx_known) == 0;
    if (!isPointer(out) or !known) return leftUnread(.statx, dirfd, path);
    const how: walk.How = .{ .follow_last = flags & at_symlink_nofollow == 0, .allow_empty = flags & at_empty_path != 0 };
    return onPath(.statx, dirfd, path, how, out.?, struct {
        fn use(v: *const region.View, place: walk.Place, to: *Statx) Use {
            if (!memory_probe.canWriteTo(to, @sizeOf(Statx))) return .{ .kernel = .arguments };
            return if (attributes.fillStatx(v, place.ino, place.generation, to)) .{ .result = 0 } else .again;
        }
    }.use);
}

// access

fn accessAt(dirfd: c_int, path: Path, mode: c_int, flags: c_int) ?c_int {
    if (mode & ~@as(c_int, 7) != 0 or flags & ~@as(c_int, at_eaccess | at_symlink_nofollow) != 0) {
        return leftUnread(.access, dirfd, path);
    }
    const how: walk.How = .{ .follow_last = flags & at_symlink_nofollow == 0 };
    return onPath(.access, dirfd, path, how, @as(u3, @intCast(mode)), mayUse);
}

/// Effective and real ids are the same where the library serves at all; capabilities may differ.
fn mayUse(v: *const region.View, place: walk.Place, mask: u3) Use {
    const own = credentials.get(v) orelse return .{ .kernel = .other_user };
    if (!std.meta.eql(own.effective, own.real)) return .{ .kernel = .access_list };
    const inode = &v.inodes[place.ino];
    const regular = inode.mode & walk.s_ifmt == walk.s_ifreg;
    // A mount may be read-only, or noexec.
    if ((mask & 2 != 0 and !permissions.mountIsWritable()) or (mask & 1 != 0 and regular)) return .{ .kernel = .mount_flags };
    // What chattr(1) says, a FUSE mount cannot say for itself.
    const is_immutable = inode.flags & layout.inode_flag_immutable != 0;
    if (mask & 2 != 0 and is_immutable and inode.generation == place.generation) return .{ .errno = .PERM };
    const may = walk.permits(inode, own, own.effective, mask) orelse return .{ .kernel = .access_list };
    if (inode.mode == 0 or inode.generation != place.generation) return .again;
    return if (may) .{ .result = 0 } else .{ .errno = .ACCES };
}

fn AccessCall(comptime name: [:0]const u8) type {
    return struct {
        fn call(path: Path, mode: c_int) callconv(.c) c_int {
            return accessAt(at_fdcwd, path, mode, 0) orelse
                next.call(name, *const fn (Path, c_int) callconv(.c) c_int)(path, mode);
        }
    };
}

fn faccessat(dirfd: c_int, path: Path, mode: c_int, flags: c_int) callconv(.c) c_int {
    return accessAt(dirfd, path, mode, flags) orelse
        next.call("faccessat", *const fn (c_int, Path, c_int, c_int) callconv(.c) c_int)(dirfd, path, mode, flags);
}

// readlink

fn linkAt(dirfd: c_int, path: Path, buffer: ?[*]u8, size: usize) ?c_int {
    if (!isPointer(buffer) or size == 0 or size > std.math.maxInt(c_int)) return leftUnread(.readlink, dirfd, path);
    return onPath(.readlink, dirfd, path, .{ .follow_last = false }, buffer.?[0..size], struct {
        fn use(v: *const region.View, place: walk.Place, to: []u8) Use {
            const inode = &v.inodes[place.ino];
            if (inode.mode & walk.s_ifmt != walk.s_iflnk) return if (inode.generation == place.generation) .{ .errno = .INVAL } else .again;
            if (!access_time.noteLink(v, place.ino, inode)) return .{ .kernel = .access_time };
            const length = @min(to.len, inode.size, layout.page_bytes);
            if (!memory_probe.canWrite(to.ptr, length)) return .{ .kernel = .arguments };
            if (!walk.copyTarget(v, inode, to[0..length])) return .again;
            // A target stays as it is until its inode ends: checked after the copy.
            asm volatile ("" ::: .{ .memory = true });
            if (inode.mode & walk.s_ifmt != walk.s_iflnk or inode.generation != place.generation) return .again;
            return .{ .result = @intCast(length) };
        }
    }.use);
}

fn readlink(path: Path, buffer: ?[*]u8, size: usize) callconv(.c) isize {
    if (linkAt(at_fdcwd, path, buffer, size)) |result| return result;
    return next.call("readlink", *const fn (Path, ?[*]u8, usize) callconv(.c) isize)(path, buffer, size);
}

fn readlinkat(dirfd: c_int, path: Path, buffer: ?[*]u8, size: usize) callconv(.c) isize {
    if (linkAt(dirfd, path, buffer, size)) |result| return result;
    return next.call("readlinkat", *const fn (c_int, Path, ?[*]u8, usize) callconv(.c) isize)(dirfd, path, buffer, size);
}

fn readlinkChecked(path: Path, buffer: ?[*]u8, size: usize, room: usize) callconv(.c) isize {
    if (size <= room) if (linkAt(at_fdcwd, path, buffer, size)) |result| return result;
    return next.call("__readlink_chk", *const fn (Path, ?[*]u8, usize, usize) callconv(.c) isize)(path, buffer, size, room);
}

fn readlinkatChecked(dirfd: c_int, path: Path, buffer: ?[*]u8, size: usize, room: usize) callconv(.c) isize {
    if (size <= room) if (linkAt(dirfd, path, buffer, size)) |result| return result;
    return next.call("__readlinkat_chk", *const fn (c_int, Path, ?[*]u8, usize, usize) callconv(.c) isize)(dirfd, path, buffer, size, room);
}

// statfs: the flags of the mount, which are part of it, are known to the kernel alone.

/// fstatfs and fstatvfs, as `name`; `path_name` does the same by path.
fn FstatfsCall(comptime name: [:0]const u8, comptime path_name: [:0]const u8) type {
    return struct {
        fn call(fd: c_int, out: ?*anyopaque) callconv(.c) c_int {
            counters.kernel(.statfs, .mount_flags);
            if (descriptors.find(fd)) |o| if (mount_root.of(o) == null) {
                // All of the mount is one file system.
                if (gate.isCurrent(o.v)) {
                    const mount = region.configuration().?.mount;
                    return next.call(path_name, *const fn (Path, ?*anyopaque) callconv(.c) c_int)(mount, out);
                }
                kernel_files.materializeOpen(o);
                if (kernel_files.lost(fd)) |e| return next.fail(e);
            };
            return next.call(name, *const fn (c_int, ?*anyopaque) callconv(.c) c_int)(fd, out);
        }
    };
}

comptime {
    for (.{ "", "64" }) |wide| {
        @export(&StatCall("stat" ++ wide, 0).call, .{ .name = "stat" ++ wide });
        @export(&StatCall("lstat" ++ wide, at_symlink_nofollow).call, .{ .name = "lstat" ++ wide });
        @export(&FstatCall("fstat" ++ wide).call, .{ .name = "fstat" ++ wide });
        @export(&FstatatCall("fstatat" ++ wide).call, .{ .name = "fstatat" ++ wide });
        @export(&StatCall("__xstat" ++ wide, 0).versioned, .{ .name = "__xstat" ++ wide });
        @export(&StatCall("__lxstat" ++ wide, at_symlink_nofollow).versioned, .{ .name = "__lxstat" ++ wide });
        @export(&FstatCall("__fxstat" ++ wide).versioned, .{ .name = "__fxstat" ++ wide });
        @export(&FstatatCall("__fxstatat" ++ wide).versioned, .{ .name = "__fxstatat" ++ wide });
        @export(&FstatfsCall("fstatfs" ++ wide, "statfs" ++ wide).call, .{ .name = "fstatfs" ++ wide });
        @export(&FstatfsCall("fstatvfs" ++ wide, "statvfs" ++ wide).call, .{ .name = "fstatvfs" ++ wide });
    }
    @export(&statx, .{ .name = "statx" });
    for (.{ "access", "eaccess", "euidaccess" }) |name| @export(&AccessCall(name).call, .{ .name = name });
    @export(&faccessat, .{ .name = "faccessat" });
    @export(&readlink, .{ .name = "readlink" });
    @export(&readlinkat, .{ .name = "readlinkat" });
    @export(&readlinkChecked, .{ .name = "__readlink_chk" });
    @export(&readlinkatChecked, .{ .name = "__readlinkat_chk" });
}
