/**
 * The FUSE protocol, <linux/fuse.h> 7.39: opcodes and flags. The records, by their words, are in fuse_records.gen.ts.
 */
import { IN_WORDS, OUT_WORDS, WRITE_IN_WORDS } from "./fuse_records.gen.ts";

export const FUSE_VERSION_MAJOR = 7;
export const FUSE_VERSION_MINOR = 39;

/** enum fuse_opcode. */
export const Opcode = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  CREATE: 35,
  INTERRUPT: 36,
  DESTROY: 38,
  IOCTL: 39,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SYNCFS: 50,
  TMPFILE: 51,
  STATX: 52,
} as const;

/** Where a request's body starts, by word and byte. */
export const IN_BODY = IN_WORDS;
export const IN_BODY_BYTES = IN_WORDS * 4;
/** The same of a reply. */
export const OUT_BODY = OUT_WORDS;
export const OUT_BODY_BYTES = OUT_WORDS * 4;

/** Bytes of data one request carries at most (max_write; 256 pages). */
export const DATA_BYTES_MAX = 1 << 20;
/** The kernel wants room for a whole WRITE request with its headers. */
export const REQUEST_BYTES_MAX = DATA_BYTES_MAX + 4096;
/** Where the data of a WRITE starts, in bytes. */
export const WRITE_DATA_BYTES = IN_BODY_BYTES + WRITE_IN_WORDS * 4;

// INIT flags (1 << n) that we may ask for.
export const INIT = {
  ASYNC_READ: 1 << 0,
  EXPORT_SUPPORT: 1 << 4,
  BIG_WRITES: 1 << 5,
  DONT_MASK: 1 << 6,
  AUTO_INVAL_DATA: 1 << 12,
  DO_READDIRPLUS: 1 << 13,
  READDIRPLUS_AUTO: 1 << 14,
  ASYNC_DIO: 1 << 15,
  NO_OPEN_SUPPORT: 1 << 17,
  PARALLEL_DIROPS: 1 << 18,
  POSIX_ACL: 1 << 20,
  ABORT_ERROR: 1 << 21,
  MAX_PAGES: 1 << 22,
  CACHE_SYMLINKS: 1 << 23,
  NO_OPENDIR_SUPPORT: 1 << 24,
  EXPLICIT_INVAL_DATA: 1 << 25,
  HANDLE_KILLPRIV_V2: 1 << 28,
  SETXATTR_EXT: 1 << 29,
  INIT_EXT: 1 << 30,
} as const;
/** In flags2 (bits 32 and up): shared mappings of files opened with FOPEN_DIRECT_IO. */
export const INIT2_DIRECT_IO_ALLOW_MMAP = 1 << 4;
/** The same: the mount may be bound elsewhere with other owners (mount_setattr(2), Linux 6.12). */
export const INIT2_ALLOW_IDMAP = 1 << 8;

export const FOPEN_DIRECT_IO = 1;
export const FOPEN_KEEP_CACHE = 2;
export const FOPEN_PARALLEL_DIRECT_WRITES = 1 << 6;

/** Of fuse_write_in.write_flags: the pages were stored into earlier. */
export const WRITE_CACHE = 1;
export const WRITE_KILL_SUIDGID = 1 << 2;
export const SETXATTR_ACL_KILL_SGID = 1;

export const FALLOC = { KEEP_SIZE: 1, PUNCH_HOLE: 2, ZERO_RANGE: 16 } as const;
