//! The libc functions and structures the agent uses, declared as a C program compiled with 64-bit file
//! offsets would see them on x86-64 glibc (sources: the headers named at each structure).

pub const AT_FDCWD: c_int = -100;
pub const AT_SYMLINK_NOFOLLOW: c_int = 0x100;
pub const AT_REMOVEDIR: c_int = 0x200;

pub const O_NONBLOCK: c_int = 0o4000;
pub const O_DIRECTORY: c_int = 0o200000;
pub const O_NOFOLLOW: c_int = 0o400000;
pub const O_NOATIME: c_int = 0o1000000;
pub const O_CLOEXEC: c_int = 0o2000000;

pub const EINTR: c_int = 4;
pub const EBADF: c_int = 9;
pub const EINVAL: c_int = 22;

pub const SEEK_SET: c_int = 0;
pub const SEEK_DATA: c_int = 3;

pub const S_IFMT: u32 = 0o170000;
pub const S_IFDIR: u32 = 0o040000;
pub const S_IFREG: u32 = 0o100000;
pub const S_IFLNK: u32 = 0o120000;

pub const timespec = extern struct { sec: i64, nsec: i64 };

/// <bits/struct_stat.h>
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
    blksize: i64,
    blocks: i64,
    atime: timespec,
    mtime: timespec,
    ctime: timespec,
    reserved1: [3]i64,
};

const StatxTimestamp = extern struct { sec: i64, nsec: u32, reserved: i32 };

/// <linux/stat.h>
pub const Statx = extern struct {
    mask: u32,
    blksize: u32,
    attributes: u64,
    nlink: u32,
    uid: u32,
    gid: u32,
    mode: u16,
    reserved0: u16,
    ino: u64,
    size: u64,
    blocks: u64,
    attributes_mask: u64,
    atime: StatxTimestamp,
    btime: StatxTimestamp,
    ctime: StatxTimestamp,
    mtime: StatxTimestamp,
    rdev_major: u32,
    rdev_minor: u32,
    dev_major: u32,
    dev_minor: u32,
    reserved1: [14]u64,
};

/// <bits/statfs.h>
pub const Statfs = extern struct {
    type: i64,
    bsize: i64,
    blocks: u64,
    bfree: u64,
    bavail: u64,
    files: u64,
    ffree: u64,
    fsid: [2]i32,
    namelen: i64,
    frsize: i64,
    flags: i64,
    reserved: [4]i64,
};

/// <bits/statvfs.h>
pub const Statvfs = extern struct {
    bsize: u64,
    frsize: u64,
    blocks: u64,
    bfree: u64,
    bavail: u64,
    files: u64,
    ffree: u64,
    favail: u64,
    fsid: u64,
    flag: u64,
    namemax: u64,
    reserved: [6]i32,
};

/// <bits/dirent.h>; `name` is as long as its terminating zero says.
pub const Dirent = extern struct {
    ino: u64,
    off: i64,
    reclen: u16,
    type: u8,
    name: [256]u8,
};

/// <bits/fcntl.h>
pub const Flock = extern struct { type: i16, whence: i16, start: i64, len: i64, pid: i32 };

pub const iovec = extern struct { base: [*]u8, len: usize };

/// <sys/un.h>
pub const SockaddrUn = extern struct { family: u16, path: [108]u8 };

pub const Rlimit = extern struct { cur: u64, max: u64 };

pub const Dir = opaque {};
pub const File = opaque {};

/// <glob.h>
pub const Glob = extern struct {
    pathc: usize,
    pathv: ?[*]?[*:0]u8,
    offs: usize,
    flags: c_int,
    functions: [5]?*anyopaque,
};

const Path = [*:0]const u8;

pub extern "c" fn __errno_location() *c_int;

// Opening and closing
pub extern "c" fn open(path: Path, flags: c_int, ...) c_int;
pub extern "c" fn open64(path: Path, flags: c_int, ...) c_int;
pub extern "c" fn openat(dir: c_int, path: Path, flags: c_int, ...) c_int;
pub extern "c" fn openat64(dir: c_int, path: Path, flags: c_int, ...) c_int;
pub extern "c" fn __openat_2(dir: c_int, path: Path, flags: c_int) c_int;
pub extern "c" fn __open64_2(path: Path, flags: c_int) c_int;
pub extern "c" fn creat(path: Path, mode: c_uint) c_int;
pub extern "c" fn creat64(path: Path, mode: c_uint) c_int;
pub extern "c" fn close(fd: c_int) c_int;
pub extern "c" fn dup(fd: c_int) c_int;
pub extern "c" fn dup2(from: c_int, to: c_int) c_int;
pub extern "c" fn dup3(from: c_int, to: c_int, flags: c_int) c_int;
pub extern "c" fn fcntl(fd: c_int, command: c_int, ...) c_int;
pub extern "c" fn fcntl64(fd: c_int, command: c_int, ...) c_int;
pub extern "c" fn ioctl(fd: c_int, request: c_ulong, ...) c_int;
pub extern "c" fn flock(fd: c_int, operation: c_int) c_int;
pub extern "c" fn lockf(fd: c_int, command: c_int, length: i64) c_int;

// Data
pub extern "c" fn read(fd: c_int, buffer: [*]u8, count: usize) isize;
pub extern "c" fn write(fd: c_int, buffer: [*]const u8, count: usize) isize;
pub extern "c" fn pread(fd: c_int, buffer: [*]u8, count: usize, offset: i64) isize;
pub extern "c" fn pread64(fd: c_int, buffer: [*]u8, count: usize, offset: i64) isize;
pub extern "c" fn pwrite(fd: c_int, buffer: [*]const u8, count: usize, offset: i64) isize;
pub extern "c" fn pwrite64(fd: c_int, buffer: [*]const u8, count: usize, offset: i64) isize;
pub extern "c" fn readv(fd: c_int, parts: [*]const iovec, count: c_int) isize;
pub extern "c" fn writev(fd: c_int, parts: [*]const iovec, count: c_int) isize;
pub extern "c" fn preadv2(fd: c_int, parts: [*]const iovec, count: c_int, offset: i64, flags: c_int) isize;
pub extern "c" fn pwritev2(fd: c_int, parts: [*]const iovec, count: c_int, offset: i64, flags: c_int) isize;
pub extern "c" fn lseek(fd: c_int, offset: i64, whence: c_int) i64;
pub extern "c" fn lseek64(fd: c_int, offset: i64, whence: c_int) i64;
pub extern "c" fn truncate(path: Path, length: i64) c_int;
pub extern "c" fn truncate64(path: Path, length: i64) c_int;
pub extern "c" fn ftruncate(fd: c_int, length: i64) c_int;
pub extern "c" fn ftruncate64(fd: c_int, length: i64) c_int;
pub extern "c" fn fallocate(fd: c_int, mode: c_int, offset: i64, length: i64) c_int;
pub extern "c" fn posix_fallocate(fd: c_int, offset: i64, length: i64) c_int;
pub extern "c" fn posix_fadvise(fd: c_int, offset: i64, length: i64, advice: c_int) c_int;
pub extern "c" fn copy_file_range(in: c_int, in_offset: ?*i64, out: c_int, out_offset: ?*i64, count: usize, flags: c_uint) isize;
pub extern "c" fn sendfile(out: c_int, in: c_int, offset: ?*i64, count: usize) isize;
pub extern "c" fn fsync(fd: c_int) c_int;
pub extern "c" fn fdatasync(fd: c_int) c_int;
pub extern "c" fn syncfs(fd: c_int) c_int;
pub extern "c" fn mmap(address: ?*anyopaque, length: usize, protection: c_int, flags: c_int, fd: c_int, offset: i64) ?*anyopaque;
pub extern "c" fn munmap(address: *anyopaque, length: usize) c_int;
pub extern "c" fn msync(address: *anyopaque, length: usize, flags: c_int) c_int;

// Attributes
pub extern "c" fn stat(path: Path, st: *Stat) c_int;
pub extern "c" fn lstat(path: Path, st: *Stat) c_int;
pub extern "c" fn fstat(fd: c_int, st: *Stat) c_int;
pub extern "c" fn fstatat(dir: c_int, path: Path, st: *Stat, flags: c_int) c_int;
pub extern "c" fn __xstat(version: c_int, path: Path, st: *Stat) c_int;
pub extern "c" fn __lxstat(version: c_int, path: Path, st: *Stat) c_int;
pub extern "c" fn __fxstat(version: c_int, fd: c_int, st: *Stat) c_int;
pub extern "c" fn __fxstatat(version: c_int, dir: c_int, path: Path, st: *Stat, flags: c_int) c_int;
pub extern "c" fn statx(dir: c_int, path: Path, flags: c_int, mask: c_uint, stx: *Statx) c_int;
pub extern "c" fn statfs(path: Path, sfs: *Statfs) c_int;
pub extern "c" fn fstatfs(fd: c_int, sfs: *Statfs) c_int;
pub extern "c" fn statvfs(path: Path, sfs: *Statvfs) c_int;
pub extern "c" fn access(path: Path, mode: c_int) c_int;
pub extern "c" fn eaccess(path: Path, mode: c_int) c_int;
pub extern "c" fn faccessat(dir: c_int, path: Path, mode: c_int, flags: c_int) c_int;
pub extern "c" fn chmod(path: Path, mode: c_uint) c_int;
pub extern "c" fn fchmod(fd: c_int, mode: c_uint) c_int;
pub extern "c" fn fchmodat(dir: c_int, path: Path, mode: c_uint, flags: c_int) c_int;
pub extern "c" fn chown(path: Path, uid: c_uint, gid: c_uint) c_int;
pub extern "c" fn lchown(path: Path, uid: c_uint, gid: c_uint) c_int;
pub extern "c" fn fchown(fd: c_int, uid: c_uint, gid: c_uint) c_int;
pub extern "c" fn fchownat(dir: c_int, path: Path, uid: c_uint, gid: c_uint, flags: c_int) c_int;
pub extern "c" fn utimensat(dir: c_int, path: Path, times: ?*const [2]timespec, flags: c_int) c_int;
pub extern "c" fn futimens(fd: c_int, times: ?*const [2]timespec) c_int;
pub extern "c" fn setxattr(path: Path, name: Path, value: [*]const u8, size: usize, flags: c_int) c_int;
pub extern "c" fn lsetxattr(path: Path, name: Path, value: [*]const u8, size: usize, flags: c_int) c_int;
pub extern "c" fn fsetxattr(fd: c_int, name: Path, value: [*]const u8, size: usize, flags: c_int) c_int;
pub extern "c" fn getxattr(path: Path, name: Path, value: [*]u8, size: usize) isize;
pub extern "c" fn lgetxattr(path: Path, name: Path, value: [*]u8, size: usize) isize;
pub extern "c" fn fgetxattr(fd: c_int, name: Path, value: [*]u8, size: usize) isize;
pub extern "c" fn listxattr(path: Path, list: [*]u8, size: usize) isize;
pub extern "c" fn llistxattr(path: Path, list: [*]u8, size: usize) isize;
pub extern "c" fn flistxattr(fd: c_int, list: [*]u8, size: usize) isize;
pub extern "c" fn removexattr(path: Path, name: Path) c_int;
pub extern "c" fn lremovexattr(path: Path, name: Path) c_int;
pub extern "c" fn fremovexattr(fd: c_int, name: Path) c_int;

// Names
pub extern "c" fn mkdir(path: Path, mode: c_uint) c_int;
pub extern "c" fn mkdirat(dir: c_int, path: Path, mode: c_uint) c_int;
pub extern "c" fn mknod(path: Path, mode: c_uint, dev: u64) c_int;
pub extern "c" fn mknodat(dir: c_int, path: Path, mode: c_uint, dev: u64) c_int;
pub extern "c" fn mkfifo(path: Path, mode: c_uint) c_int;
pub extern "c" fn unlink(path: Path) c_int;
pub extern "c" fn rmdir(path: Path) c_int;
pub extern "c" fn unlinkat(dir: c_int, path: Path, flags: c_int) c_int;
pub extern "c" fn remove(path: Path) c_int;
pub extern "c" fn rename(old: Path, new: Path) c_int;
pub extern "c" fn renameat(old_dir: c_int, old: Path, new_dir: c_int, new: Path) c_int;
pub extern "c" fn renameat2(old_dir: c_int, old: Path, new_dir: c_int, new: Path, flags: c_uint) c_int;
pub extern "c" fn link(old: Path, new: Path) c_int;
pub extern "c" fn linkat(old_dir: c_int, old: Path, new_dir: c_int, new: Path, flags: c_int) c_int;
pub extern "c" fn symlink(target: Path, path: Path) c_int;
pub extern "c" fn symlinkat(target: Path, dir: c_int, path: Path) c_int;
pub extern "c" fn readlink(path: Path, buffer: [*]u8, size: usize) isize;
pub extern "c" fn readlinkat(dir: c_int, path: Path, buffer: [*]u8, size: usize) isize;
pub extern "c" fn chdir(path: Path) c_int;
pub extern "c" fn fchdir(fd: c_int) c_int;
pub extern "c" fn getcwd(buffer: [*]u8, size: usize) ?[*]u8;

// Directories
pub extern "c" fn opendir(path: Path) ?*Dir;
pub extern "c" fn fdopendir(fd: c_int) ?*Dir;
pub extern "c" fn readdir(dir: *Dir) ?*Dirent;
pub extern "c" fn readdir64(dir: *Dir) ?*Dirent;
pub extern "c" fn telldir(dir: *Dir) c_long;
pub extern "c" fn seekdir(dir: *Dir, location: c_long) void;
pub extern "c" fn rewinddir(dir: *Dir) void;
pub extern "c" fn closedir(dir: *Dir) c_int;
pub extern "c" fn dirfd(dir: *Dir) c_int;
pub extern "c" fn getdents64(fd: c_int, buffer: [*]u8, size: usize) isize;

// Functions whose inner calls never cross libc's symbol table
pub extern "c" fn fopen(path: Path, mode: Path) ?*File;
pub extern "c" fn fread(buffer: [*]u8, size: usize, count: usize, file: *File) usize;
pub extern "c" fn fwrite(buffer: [*]const u8, size: usize, count: usize, file: *File) usize;
pub extern "c" fn fclose(file: *File) c_int;
pub extern "c" fn realpath(path: Path, resolved: ?[*]u8) ?[*:0]u8;
pub extern "c" fn mkostemp(template: [*:0]u8, flags: c_int) c_int;
pub extern "c" fn mkdtemp(template: [*:0]u8) ?[*:0]u8;
pub extern "c" fn scandir(path: Path, list: *[*]*Dirent, filter: ?*const anyopaque, compare: ?*const anyopaque) c_int;
pub extern "c" fn alphasort(a: *const *const Dirent, b: *const *const Dirent) c_int;
pub extern "c" fn glob(pattern: Path, flags: c_int, on_error: ?*const anyopaque, result: *Glob) c_int;
pub extern "c" fn globfree(result: *Glob) void;
pub extern "c" fn nftw(path: Path, visit: *const fn (Path, *const Stat, c_int, ?*anyopaque) callconv(.c) c_int, descriptors: c_int, flags: c_int) c_int;

// The process
pub extern "c" fn umask(mask: c_uint) c_uint;
pub extern "c" fn setresuid(real: c_uint, effective: c_uint, saved: c_uint) c_int;
pub extern "c" fn setresgid(real: c_uint, effective: c_uint, saved: c_uint) c_int;
pub extern "c" fn setgroups(count: usize, groups: [*]const c_uint) c_int;
pub extern "c" fn setrlimit(resource: c_int, limit: *const Rlimit) c_int;
pub extern "c" fn getrlimit(resource: c_int, limit: *Rlimit) c_int;
pub extern "c" fn signal(number: c_int, handler: usize) usize;
pub extern "c" fn clock_gettime(clock: c_int, time: *timespec) c_int;
pub extern "c" fn nanosleep(duration: *const timespec, remaining: ?*timespec) c_int;
pub extern "c" fn posix_spawn(pid: *c_int, path: Path, actions: ?*anyopaque, attributes: ?*anyopaque, argv: [*]const ?Path, envp: [*]const ?Path) c_int;
pub extern "c" fn waitpid(pid: c_int, status: *c_int, options: c_int) c_int;
pub extern "c" fn socket(domain: c_int, kind: c_int, protocol: c_int) c_int;
pub extern "c" fn bind(fd: c_int, address: *const SockaddrUn, size: c_uint) c_int;
pub extern "c" fn listen(fd: c_int, backlog: c_int) c_int;
pub extern "c" fn connect(fd: c_int, address: *const SockaddrUn, size: c_uint) c_int;
pub extern "c" fn free(pointer: ?*anyopaque) void;
