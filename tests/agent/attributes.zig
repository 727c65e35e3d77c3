//! Operations on attributes: the stat family, modes, owners, times, extended attributes, file system figures.

const std = @import("std");
const c = @import("libc.zig");
const wire = @import("wire.zig");
const Fd = wire.Fd;
const Path = wire.Path;

/// The version number glibc's old stat entry points take on x86-64.
const stat_version = 1;

/// 16 fields of i64: mode, nlink, uid, gid, rdev, size, blocks, blksize; then what differs from file system to
/// file system: dev, ino, and seconds and nanoseconds of atime, mtime, ctime.
pub fn putStat(st: *const c.Stat) void {
    wire.put([16]i64{
        st.mode,      @intCast(st.nlink), st.uid,           st.gid,           @bitCast(st.rdev), st.size,
        st.blocks,    st.blksize,         @bitCast(st.dev), @bitCast(st.ino), st.atime.sec,      st.atime.nsec,
        st.mtime.sec, st.mtime.nsec,      st.ctime.sec,     st.ctime.nsec,
    });
}

/// Payload: see `putStat`.
pub fn fstatat(dir: Fd, path: Path, flags: c_int) i64 {
    var st: c.Stat = undefined;
    const no_follow = flags == c.AT_SYMLINK_NOFOLLOW;
    const plain = wire.variant == 1 and dir.fd == c.AT_FDCWD and (flags == 0 or no_follow);
    const twin = wire.variant == 2;
    const result = if (plain and no_follow)
        c.lstat(path.z, &st)
    else if (plain)
        c.stat(path.z, &st)
    else if (twin and dir.fd == c.AT_FDCWD and no_follow)
        c.__lxstat(stat_version, path.z, &st)
    else if (twin and dir.fd == c.AT_FDCWD and flags == 0)
        c.__xstat(stat_version, path.z, &st)
    else if (twin)
        c.__fxstatat(stat_version, dir.fd, path.z, &st, flags)
    else
        c.fstatat(dir.fd, path.z, &st, flags);
    if (result == 0) putStat(&st);
    return result;
}

/// Payload: see `putStat`.
pub fn fstat(fd: Fd) i64 {
    var st: c.Stat = undefined;
    const result = if (wire.variant == 2) c.__fxstat(stat_version, fd.fd, &st) else c.fstat(fd.fd, &st);
    if (result == 0) putStat(&st);
    return result;
}

/// Payload: 22 fields of i64: mode, nlink, uid, gid, rdev, size, blocks, blksize, mask, attributes, attributes mask;
/// then dev, ino, and seconds and nanoseconds of atime, mtime, ctime, btime, and one spare.
pub fn statx(dir: Fd, path: Path, flags: c_int, mask: c_uint) i64 {
    var stx: c.Statx = undefined;
    const result = c.statx(dir.fd, path.z, flags, mask, &stx);
    if (result != 0) return result;
    wire.put([22]i64{
        stx.mode,                                        stx.nlink,
        stx.uid,                                         stx.gid,
        @as(i64, stx.rdev_major) << 32 | stx.rdev_minor, @bitCast(stx.size),
        @bitCast(stx.blocks),                            stx.blksize,
        stx.mask,                                        @bitCast(stx.attributes),
        @bitCast(stx.attributes_mask),                   @as(i64, stx.dev_major) << 32 | stx.dev_minor,
        @bitCast(stx.ino),                               stx.atime.sec,
        stx.atime.nsec,                                  stx.mtime.sec,
        stx.mtime.nsec,                                  stx.ctime.sec,
        stx.ctime.nsec,                                  stx.btime.sec,
        stx.btime.nsec,                                  0,
    });
    return 0;
}

pub fn faccessat(dir: Fd, path: Path, mode: c_int, flags: c_int) i64 {
    if (wire.variant != 0 and dir.fd == c.AT_FDCWD) {
        if (flags == 0) return c.access(path.z, mode);
        if (flags == 0x200) return c.eaccess(path.z, mode);
    }
    return c.faccessat(dir.fd, path.z, mode, flags);
}

pub fn fchmodat(dir: Fd, path: Path, mode: c_uint, flags: c_int) i64 {
    if (wire.variant == 1 and dir.fd == c.AT_FDCWD and flags == 0) return c.chmod(path.z, mode);
    return c.fchmodat(dir.fd, path.z, mode, flags);
}

pub fn fchmod(fd: Fd, mode: c_uint) i64 {
    return c.fchmod(fd.fd, mode);
}

pub fn fchownat(dir: Fd, path: Path, uid: c_uint, gid: c_uint, flags: c_int) i64 {
    if (wire.variant == 1 and dir.fd == c.AT_FDCWD) {
        if (flags == 0) return c.chown(path.z, uid, gid);
        if (flags == c.AT_SYMLINK_NOFOLLOW) return c.lchown(path.z, uid, gid);
    }
    return c.fchownat(dir.fd, path.z, uid, gid, flags);
}

pub fn fchown(fd: Fd, uid: c_uint, gid: c_uint) i64 {
    return c.fchown(fd.fd, uid, gid);
}

/// `atime_nsec` may be UTIME_NOW or UTIME_OMIT; `use_null` passes no times at all.
pub fn utimensat(dir: Fd, path: Path, atime_sec: i64, atime_nsec: i64, mtime_sec: i64, mtime_nsec: i64, flags: c_int, use_null: i64) i64 {
    const times = [2]c.timespec{
        .{ .sec = atime_sec, .nsec = atime_nsec },
        .{ .sec = mtime_sec, .nsec = mtime_nsec },
    };
    return c.utimensat(dir.fd, path.z, if (use_null != 0) null else &times, flags);
}

pub fn futimens(fd: Fd, atime_sec: i64, atime_nsec: i64, mtime_sec: i64, mtime_nsec: i64, use_null: i64) i64 {
    const times = [2]c.timespec{
        .{ .sec = atime_sec, .nsec = atime_nsec },
        .{ .sec = mtime_sec, .nsec = mtime_nsec },
    };
    return c.futimens(fd.fd, if (use_null != 0) null else &times);
}

/// Payload: 10 fields of i64: bsize, frsize, blocks, bfree, bavail, files, ffree, namelen, flags, type.
fn putStatfs(sfs: *const c.Statfs) void {
    wire.put([10]i64{
        sfs.bsize,            sfs.frsize,          @bitCast(sfs.blocks), @bitCast(sfs.bfree),
        @bitCast(sfs.bavail), @bitCast(sfs.files), @bitCast(sfs.ffree),  sfs.namelen,
        sfs.flags,            sfs.type,
    });
}

/// Payload: see `putStatfs`. Variant 1 asks by statvfs(3), which does not know the type.
pub fn statfs(path: Path) i64 {
    if (wire.variant == 1) {
        var sfs: c.Statvfs = undefined;
        const result = c.statvfs(path.z, &sfs);
        if (result == 0) wire.put([10]u64{
            sfs.bsize, sfs.frsize, sfs.blocks,  sfs.bfree, sfs.bavail,
            sfs.files, sfs.ffree,  sfs.namemax, sfs.flag,  0,
        });
        return result;
    }
    var sfs: c.Statfs = undefined;
    const result = c.statfs(path.z, &sfs);
    if (result == 0) putStatfs(&sfs);
    return result;
}

/// Payload: see `putStatfs`.
pub fn fstatfs(fd: Fd) i64 {
    var sfs: c.Statfs = undefined;
    const result = c.fstatfs(fd.fd, &sfs);
    if (result == 0) putStatfs(&sfs);
    return result;
}

/// For the four operations below: `follow` = 0 is the l- function.
pub fn setxattr(path: Path, name: Path, value: wire.Data, flags: c_int, follow: i64) i64 {
    const call = if (follow != 0) &c.setxattr else &c.lsetxattr;
    return call(path.z, name.z, value.bytes.ptr, value.bytes.len, flags);
}

pub fn fsetxattr(fd: Fd, name: Path, value: wire.Data, flags: c_int) i64 {
    return c.fsetxattr(fd.fd, name.z, value.bytes.ptr, value.bytes.len, flags);
}

/// Payload: the value.
pub fn getxattr(path: Path, name: Path, size: usize, follow: i64) i64 {
    const call = if (follow != 0) &c.getxattr else &c.lgetxattr;
    return putValue(call(path.z, name.z, &wire.scratch, size), size);
}

pub fn fgetxattr(fd: Fd, name: Path, size: usize) i64 {
    return putValue(c.fgetxattr(fd.fd, name.z, &wire.scratch, size), size);
}

/// Payload: the names, each with its zero byte.
pub fn listxattr(path: Path, size: usize, follow: i64) i64 {
    const call = if (follow != 0) &c.listxattr else &c.llistxattr;
    return putValue(call(path.z, &wire.scratch, size), size);
}

pub fn flistxattr(fd: Fd, size: usize) i64 {
    return putValue(c.flistxattr(fd.fd, &wire.scratch, size), size);
}

pub fn removexattr(path: Path, name: Path, follow: i64) i64 {
    const call = if (follow != 0) &c.removexattr else &c.lremovexattr;
    return call(path.z, name.z);
}

pub fn fremovexattr(fd: Fd, name: Path) i64 {
    return c.fremovexattr(fd.fd, name.z);
}

/// A call with size 0 only asks for the length.
fn putValue(length: isize, size: usize) i64 {
    if (length > 0 and size > 0) wire.putBytes(wire.scratch[0..@intCast(length)]);
    return length;
}
