/**
 * Numbers of the Linux system call interface on x86-64 (sources: the man pages named beside them).
 * @module
 */

/** open(2) flags. */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  ACCMODE: 3,
  CREAT: 0o100,
  EXCL: 0o200,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DSYNC: 0o10000,
  DIRECT: 0o40000,
  DIRECTORY: 0o200000,
  NOFOLLOW: 0o400000,
  NOATIME: 0o1000000,
  CLOEXEC: 0o2000000,
  SYNC: 0o4010000,
  PATH: 0o10000000,
  TMPFILE: 0o20200000,
} as const;

/** Flags of the *at functions. */
export const AT = {
  FDCWD: -100,
  SYMLINK_NOFOLLOW: 0x100,
  REMOVEDIR: 0x200,
  EACCESS: 0x200,
  SYMLINK_FOLLOW: 0x400,
  EMPTY_PATH: 0x1000,
} as const;

/** inode(7): file type and mode. */
export const S = {
  IFMT: 0o170000,
  IFSOCK: 0o140000,
  IFLNK: 0o120000,
  IFREG: 0o100000,
  IFBLK: 0o060000,
  IFDIR: 0o040000,
  IFCHR: 0o020000,
  IFIFO: 0o010000,
  ISUID: 0o4000,
  ISGID: 0o2000,
  ISVTX: 0o1000,
} as const;

/** access(2). */
export const ACCESS = { F_OK: 0, X_OK: 1, W_OK: 2, R_OK: 4 } as const;
/** lseek(2). */
export const SEEK = { SET: 0, CUR: 1, END: 2, DATA: 3, HOLE: 4 } as const;
/** renameat2(2). */
export const RENAME = { NOREPLACE: 1, EXCHANGE: 2, WHITEOUT: 4 } as const;
/** setxattr(2). */
export const XATTR = { CREATE: 1, REPLACE: 2 } as const;
/** fallocate(2). */
export const FALLOC = {
  KEEP_SIZE: 1,
  PUNCH_HOLE: 2,
  COLLAPSE_RANGE: 8,
  ZERO_RANGE: 16,
  INSERT_RANGE: 32,
  UNSHARE_RANGE: 64,
} as const;
/** flock(2). */
export const LOCK = { SH: 1, EX: 2, NB: 4, UN: 8 } as const;
/** fcntl(2). */
export const F = {
  DUPFD: 0,
  GETFD: 1,
  SETFD: 2,
  GETFL: 3,
  SETFL: 4,
  GETLK: 5,
  SETLK: 6,
  SETLKW: 7,
  OFD_GETLK: 36,
  OFD_SETLK: 37,
  OFD_SETLKW: 38,
  SETLEASE: 1024,
  GETLEASE: 1025,
  DUPFD_CLOEXEC: 1030,
  SETPIPE_SZ: 1031,
  ADD_SEALS: 1033,
  RDLCK: 0,
  WRLCK: 1,
  UNLCK: 2,
} as const;
/** mmap(2), msync(2). */
export const MAP = { SHARED: 1, PRIVATE: 2 } as const;
export const PROT = { READ: 1, WRITE: 2, EXEC: 4 } as const;
export const MS = { ASYNC: 1, INVALIDATE: 2, SYNC: 4 } as const;
/** preadv2(2). */
export const RWF = { HIPRI: 1, DSYNC: 2, SYNC: 4, NOWAIT: 8, APPEND: 16 } as const;
/** statx(2). */
export const STATX = { BASIC_STATS: 0x7ff, BTIME: 0x800 } as const;
/** getrlimit(2). */
export const RLIMIT = { FSIZE: 1, NOFILE: 7 } as const;
/** utimensat(2): in place of nanoseconds. */
export const UTIME_NOW = 0x3fffffff;
export const UTIME_OMIT = 0x3ffffffe;
/** readdir(3) d_type. */
export const DT = { FIFO: 1, CHR: 2, DIR: 4, BLK: 6, REG: 8, LNK: 10, SOCK: 12 } as const;

/** limits.h. */
export const NAME_MAX = 255;
export const PATH_MAX = 4096;

/** Names of error numbers (source: asm-generic/errno.h). */
const ERRNO_NAMES: Record<number, string> = Object.fromEntries(
  ("1 EPERM 2 ENOENT 3 ESRCH 4 EINTR 5 EIO 6 ENXIO 7 E2BIG 8 ENOEXEC 9 EBADF 10 ECHILD 11 EAGAIN " +
    "12 ENOMEM 13 EACCES 14 EFAULT 15 ENOTBLK 16 EBUSY 17 EEXIST 18 EXDEV 19 ENODEV 20 ENOTDIR " +
    "21 EISDIR 22 EINVAL 23 ENFILE 24 EMFILE 25 ENOTTY 26 ETXTBSY 27 EFBIG 28 ENOSPC 29 ESPIPE " +
    "30 EROFS 31 EMLINK 32 EPIPE 33 EDOM 34 ERANGE 35 EDEADLK 36 ENAMETOOLONG 37 ENOLCK 38 ENOSYS " +
    "39 ENOTEMPTY 40 ELOOP 61 ENODATA 71 EPROTO 75 EOVERFLOW 95 EOPNOTSUPP 98 EADDRINUSE " +
    "103 ECONNABORTED 107 ENOTCONN 110 ETIMEDOUT 111 ECONNREFUSED 116 ESTALE 122 EDQUOT")
    .split(" ").reduce<[string, string][]>((pairs, word, index, words) => {
      if (index % 2 === 0) pairs.push([word, words[index + 1] ?? ""]);
      return pairs;
    }, []),
);

/** "ENOENT" for 2; "" for 0, which is success. */
export function errnoName(errno: number): string {
  return errno === 0 ? "" : ERRNO_NAMES[errno] ?? `errno ${errno}`;
}
