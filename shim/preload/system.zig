//! System calls the library makes for itself: straight to the kernel, never through libc's names, which are its own.

const std = @import("std");
const linux = std.os.linux;

pub const at_fdcwd: c_int = -100;

pub const Timespec = extern struct { sec: i64, nsec: i64 };

/// struct stat of x86-64, the kernel's and glibc's.
pub const Stat = extern struct {
    dev: u64,
    ino: u64,
    nlink: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    reserved_0: u32 = 0,
    rdev: u64,
    size: i64,
    blksize: i64,
    blocks: i64,
    atim: Timespec,
    mtim: Timespec,
    ctim: Timespec,
    reserved_1: [3]i64 = @splat(0),
};

/// The attributes of what the path leads to; null on any error.
pub fn stat(path: [*:0]const u8) ?Stat {
    return statAt(at_fdcwd, path, true);
}

/// The same from a directory on, and of a link itself unless `follow`.
pub fn statAt(dirfd: c_int, path: [*:0]const u8, follow: bool) ?Stat {
    var result: Stat = undefined;
    const flags: usize = if (follow) 0 else linux.AT.SYMLINK_NOFOLLOW;
    const code = linux.syscall4(.fstatat64, word(dirfd), @intFromPtr(path), @intFromPtr(&result), flags);
    return if (code == 0) result else null;
}

pub fn fstat(fd: c_int) ?Stat {
    var result: Stat = undefined;
    return if (linux.syscall2(.fstat, word(fd), @intFromPtr(&result)) == 0) result else null;
}

/// Sleeps, less than a second.
pub fn nap(nanoseconds: u32) void {
    const time: linux.timespec = .{ .sec = 0, .nsec = nanoseconds };
    _ = linux.syscall2(.nanosleep, @intFromPtr(&time), 0);
}

/// Until `restoreSignals`, no signal handler runs in this thread, and nothing ends it: for steps that are rare, and would
/// otherwise have to be noted one by one (holds.zig).
pub fn blockSignals() u64 {
    const all: u64 = std.math.maxInt(u64);
    var before: u64 = 0;
    _ = linux.syscall4(.rt_sigprocmask, linux.SIG.SETMASK, @intFromPtr(&all), @intFromPtr(&before), @sizeOf(u64));
    return before;
}

pub fn restoreSignals(before: u64) void {
    _ = linux.syscall4(.rt_sigprocmask, linux.SIG.SETMASK, @intFromPtr(&before), 0, @sizeOf(u64));
}

/// A signed argument in a register.
pub fn word(value: c_int) usize {
    return @bitCast(@as(isize, value));
}

/// Another value for each thread of the process: where its control block lies.
pub inline fn threadWord() u32 {
    const block = asm ("movq %%fs:0, %[block]"
        : [block] "=r" (-> usize),
    );
    return @as(u32, @truncate(block >> 6)) | 1;
}
