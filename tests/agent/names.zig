//! Operations on names: create, remove, rename, link, read links, move about.

const std = @import("std");
const c = @import("libc.zig");
const wire = @import("wire.zig");
const Fd = wire.Fd;
const Path = wire.Path;

const O_CREAT: c_int = 0o100;
const O_TMPFILE: c_int = 0o20000000;

fn plain(dir: Fd) bool {
    return wire.variant == 1 and dir.fd == c.AT_FDCWD;
}

pub fn openat(dir: Fd, path: Path, flags: c_int, mode: c_uint, slot: usize) i64 {
    const fd = if (plain(dir))
        c.open(path.z, flags, mode)
    else if (wire.variant != 2)
        c.openat(dir.fd, path.z, flags, mode)
    else if (flags & (O_CREAT | O_TMPFILE) == 0)
        // What open() becomes under _FORTIFY_SOURCE.
        if (dir.fd == c.AT_FDCWD) c.__open64_2(path.z, flags) else c.__openat_2(dir.fd, path.z, flags)
    else
        c.openat64(dir.fd, path.z, flags, mode);
    return wire.keep(slot, fd);
}

pub fn creat(path: Path, mode: c_uint, slot: usize) i64 {
    return wire.keep(slot, if (wire.variant == 2) c.creat64(path.z, mode) else c.creat(path.z, mode));
}

pub fn mkdirat(dir: Fd, path: Path, mode: c_uint) i64 {
    return if (plain(dir)) c.mkdir(path.z, mode) else c.mkdirat(dir.fd, path.z, mode);
}

/// `mode` with the file type; `major` and `minor` as in makedev(3).
pub fn mknodat(dir: Fd, path: Path, mode: c_uint, major: u64, minor: u64) i64 {
    const dev = (major & 0xfff) << 8 | (minor & 0xff) | (minor >> 8 << 20) | (major >> 12 << 44);
    if (!plain(dir)) return c.mknodat(dir.fd, path.z, mode, dev);
    return if (mode & c.S_IFMT == 0o010000) c.mkfifo(path.z, mode & ~c.S_IFMT) else c.mknod(path.z, mode, dev);
}

pub fn unlinkat(dir: Fd, path: Path, flags: c_int) i64 {
    if (!plain(dir)) return c.unlinkat(dir.fd, path.z, flags);
    return switch (flags) {
        0 => c.unlink(path.z),
        c.AT_REMOVEDIR => c.rmdir(path.z),
        else => c.unlinkat(dir.fd, path.z, flags),
    };
}

/// remove(3): unlink for a file, rmdir for a directory.
pub fn remove(path: Path) i64 {
    return c.remove(path.z);
}

pub fn renameat2(old_dir: Fd, old: Path, new_dir: Fd, new: Path, flags: c_uint) i64 {
    if (flags != 0 or wire.variant == 0) return c.renameat2(old_dir.fd, old.z, new_dir.fd, new.z, flags);
    if (plain(old_dir) and plain(new_dir)) return c.rename(old.z, new.z);
    return c.renameat(old_dir.fd, old.z, new_dir.fd, new.z);
}

pub fn linkat(old_dir: Fd, old: Path, new_dir: Fd, new: Path, flags: c_int) i64 {
    if (flags == 0 and plain(old_dir) and plain(new_dir)) return c.link(old.z, new.z);
    return c.linkat(old_dir.fd, old.z, new_dir.fd, new.z, flags);
}

/// Gives the file behind an open descriptor a name, the way open(2) describes it for O_TMPFILE without privilege.
pub fn linkProc(fd: Fd, new_dir: Fd, new: Path) i64 {
    var buffer: [64]u8 = undefined;
    const path = std.fmt.bufPrintSentinel(&buffer, "/proc/self/fd/{d}", .{fd.fd}, 0) catch unreachable;
    return c.linkat(c.AT_FDCWD, path.ptr, new_dir.fd, new.z, 0x400);
}

pub fn symlinkat(target: Path, dir: Fd, path: Path) i64 {
    return if (plain(dir)) c.symlink(target.z, path.z) else c.symlinkat(target.z, dir.fd, path.z);
}

/// Payload: the target's bytes.
pub fn readlinkat(dir: Fd, path: Path, size: usize) i64 {
    const buffer = wire.scratch[0..size];
    const length = if (plain(dir))
        c.readlink(path.z, buffer.ptr, size)
    else
        c.readlinkat(dir.fd, path.z, buffer.ptr, size);
    if (length > 0) wire.putBytes(buffer[0..@intCast(length)]);
    return length;
}

pub fn chdir(path: Path) i64 {
    return c.chdir(path.z);
}

pub fn fchdir(fd: Fd) i64 {
    return c.fchdir(fd.fd);
}

/// Payload: the path.
pub fn getcwd(size: usize) i64 {
    if (c.getcwd(&wire.scratch, size) == null) return -1;
    const path = std.mem.sliceTo(&wire.scratch, 0);
    wire.putBytes(path);
    return @intCast(path.len);
}

/// Payload: the resolved path.
pub fn realpath(path: Path) i64 {
    const resolved = c.realpath(path.z, null) orelse return -1;
    defer c.free(resolved);
    wire.putBytes(std.mem.span(resolved));
    return 0;
}
