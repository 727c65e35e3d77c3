//! The C library calls of the timing client. Everything goes through glibc's own entry points and nothing through raw
//! system calls: a preloaded library has to see each call that is timed.

pub const Timespec = extern struct { seconds: i64, nanoseconds: i64 };

/// `struct stat` of glibc on x86-64.
pub const Stat = extern struct {
    dev: u64,
    ino: u64,
    nlink: u64,
    mode: u32,
    uid: u32,
    gid: u32,
    reserved0: u32,
    rdev: u64,
    size: i64,
    block_size: i64,
    block_count: i64,
    atime: Timespec,
    mtime: Timespec,
    ctime: Timespec,
    reserved1: [3]i64,

    comptime {
        if (@sizeOf(Stat) != 144) @compileError("struct stat has 144 bytes on x86-64");
    }
};

/// `struct dirent` of glibc on x86-64.
pub const Dirent = extern struct { ino: u64, offset: i64, record_bytes: u16, kind: u8, name: [256]u8 };

pub const Directory = opaque {};
pub const File = opaque {};

/// Larger than glibc's 80 bytes; only glibc looks inside.
pub const SpawnActions = extern struct { bytes: [256]u8 align(16) };

pub const o_rdonly: c_int = 0;
pub const o_wronly: c_int = 1;
pub const o_rdwr: c_int = 2;
pub const o_creat: c_int = 0o100;
pub const o_excl: c_int = 0o200;
pub const o_trunc: c_int = 0o1000;
pub const o_cloexec: c_int = 0o2000000;
pub const at_fdcwd: c_int = -100;
pub const clock_monotonic: c_int = 1;
pub const eexist: c_int = 17;

pub extern "c" var environ: [*:null]const ?[*:0]const u8;

pub extern "c" fn __errno_location() *c_int;
pub extern "c" fn strerror(code: c_int) [*:0]const u8;
pub extern "c" fn clock_gettime(clock: c_int, time: *Timespec) c_int;

pub extern "c" fn stat(path: [*:0]const u8, result: *Stat) c_int;
pub extern "c" fn fstat(fd: c_int, result: *Stat) c_int;
pub extern "c" fn open(path: [*:0]const u8, flags: c_int, ...) c_int;
pub extern "c" fn close(fd: c_int) c_int;
pub extern "c" fn read(fd: c_int, buffer: [*]u8, bytes: usize) isize;
pub extern "c" fn write(fd: c_int, buffer: [*]const u8, bytes: usize) isize;
pub extern "c" fn pread(fd: c_int, buffer: [*]u8, bytes: usize, offset: i64) isize;
pub extern "c" fn pwrite(fd: c_int, buffer: [*]const u8, bytes: usize, offset: i64) isize;
pub extern "c" fn unlink(path: [*:0]const u8) c_int;
pub extern "c" fn mkdir(path: [*:0]const u8, mode: c_uint) c_int;
pub extern "c" fn rmdir(path: [*:0]const u8) c_int;
pub extern "c" fn rename(from: [*:0]const u8, to: [*:0]const u8) c_int;
pub extern "c" fn utimensat(dirfd: c_int, path: [*:0]const u8, times: *const [2]Timespec, flags: c_int) c_int;
pub extern "c" fn nanosleep(time: *const Timespec, rest: ?*Timespec) c_int;
pub extern "c" fn opendir(path: [*:0]const u8) ?*Directory;
pub extern "c" fn readdir(directory: *Directory) ?*Dirent;
pub extern "c" fn closedir(directory: *Directory) c_int;

pub extern "c" var stdin: *File;
pub extern "c" fn fgets(into: [*]u8, bytes: c_int, stream: *File) ?[*:0]u8;
pub extern "c" fn pipe2(ends: *[2]c_int, flags: c_int) c_int;
pub extern "c" fn waitpid(pid: c_int, status: *c_int, flags: c_int) c_int;
pub extern "c" fn posix_spawn(
    pid: *c_int,
    path: [*:0]const u8,
    actions: *const SpawnActions,
    attributes: ?*const anyopaque,
    argv: [*:null]const ?[*:0]const u8,
    envp: [*:null]const ?[*:0]const u8,
) c_int;
pub extern "c" fn posix_spawn_file_actions_init(actions: *SpawnActions) c_int;
pub extern "c" fn posix_spawn_file_actions_adddup2(actions: *SpawnActions, from: c_int, to: c_int) c_int;
pub extern "c" fn posix_spawn_file_actions_destroy(actions: *SpawnActions) c_int;

/// errno of the last failed call.
pub fn errno() c_int {
    return __errno_location().*;
}

/// CLOCK_MONOTONIC in nanoseconds.
pub fn nowNanoseconds() u64 {
    var time: Timespec = undefined;
    _ = clock_gettime(clock_monotonic, &time);
    return @intCast(time.seconds * 1_000_000_000 + time.nanoseconds);
}
