// Generated from shim/fuse_protocol.zig by `deno task gen`. Do not edit.

export const FATTR_MODE = 1;
export const FATTR_UID = 2;
export const FATTR_GID = 4;
export const FATTR_SIZE = 8;
export const FATTR_ATIME = 16;
export const FATTR_MTIME = 32;
export const FATTR_ATIME_NOW = 128;
export const FATTR_MTIME_NOW = 256;
export const FATTR_KILL_SUIDGID = 2048;

export const IN_WORDS = 10;
export const IN_LEN = 0;
export const IN_OPCODE = 1;
export const IN_UNIQUE = 2;
export const IN_NODEID = 4;
export const IN_UID = 6;
export const IN_GID = 7;
export const IN_PID = 8;
export const IN_TOTAL_EXTLEN_OFFSET_BYTES = 36;

export const OUT_WORDS = 4;
export const OUT_LEN = 0;
export const OUT_ERROR = 1;
export const OUT_UNIQUE = 2;

export const ATTR_WORDS = 22;
export const ATTR_INO = 0;
export const ATTR_SIZE = 2;
export const ATTR_BLOCKS = 4;
export const ATTR_ATIME = 6;
export const ATTR_MTIME = 8;
export const ATTR_CTIME = 10;
export const ATTR_ATIMENSEC = 12;
export const ATTR_MTIMENSEC = 13;
export const ATTR_CTIMENSEC = 14;
export const ATTR_MODE = 15;
export const ATTR_NLINK = 16;
export const ATTR_UID = 17;
export const ATTR_GID = 18;
export const ATTR_RDEV = 19;
export const ATTR_BLKSIZE = 20;
export const ATTR_FLAGS = 21;

export const ENTRY_OUT_WORDS = 32;
export const ENTRY_OUT_NODEID = 0;
export const ENTRY_OUT_GENERATION = 2;
export const ENTRY_OUT_ENTRY_VALID = 4;
export const ENTRY_OUT_ATTR_VALID = 6;
export const ENTRY_OUT_ENTRY_VALID_NSEC = 8;
export const ENTRY_OUT_ATTR_VALID_NSEC = 9;
export const ENTRY_OUT_ATTR = 10;

export const ATTR_OUT_WORDS = 26;
export const ATTR_OUT_ATTR_VALID = 0;
export const ATTR_OUT_ATTR_VALID_NSEC = 2;
export const ATTR_OUT_ATTR = 4;

export const SETATTR_IN_WORDS = 22;
export const SETATTR_IN_VALID = 0;
export const SETATTR_IN_FH = 2;
export const SETATTR_IN_SIZE = 4;
export const SETATTR_IN_LOCK_OWNER = 6;
export const SETATTR_IN_ATIME = 8;
export const SETATTR_IN_MTIME = 10;
export const SETATTR_IN_CTIME = 12;
export const SETATTR_IN_ATIMENSEC = 14;
export const SETATTR_IN_MTIMENSEC = 15;
export const SETATTR_IN_CTIMENSEC = 16;
export const SETATTR_IN_MODE = 17;
export const SETATTR_IN_UID = 19;
export const SETATTR_IN_GID = 20;

export const SX_TIME_WORDS = 4;
export const SX_TIME_TV_SEC = 0;
export const SX_TIME_TV_NSEC = 2;

export const STATX_WORDS = 64;
export const STATX_MASK = 0;
export const STATX_BLKSIZE = 1;
export const STATX_ATTRIBUTES = 2;
export const STATX_NLINK = 4;
export const STATX_UID = 5;
export const STATX_GID = 6;
export const STATX_MODE_OFFSET_BYTES = 28;
export const STATX_INO = 8;
export const STATX_SIZE = 10;
export const STATX_BLOCKS = 12;
export const STATX_ATTRIBUTES_MASK = 14;
export const STATX_ATIME = 16;
export const STATX_BTIME = 20;
export const STATX_CTIME = 24;
export const STATX_MTIME = 28;
export const STATX_RDEV_MAJOR = 32;
export const STATX_RDEV_MINOR = 33;
export const STATX_DEV_MAJOR = 34;
export const STATX_DEV_MINOR = 35;

export const STATX_OUT_WORDS = 72;
export const STATX_OUT_ATTR_VALID = 0;
export const STATX_OUT_ATTR_VALID_NSEC = 2;
export const STATX_OUT_FLAGS = 3;
export const STATX_OUT_STAT = 8;

export const KSTATFS_WORDS = 20;
export const KSTATFS_BLOCKS = 0;
export const KSTATFS_BFREE = 2;
export const KSTATFS_BAVAIL = 4;
export const KSTATFS_FILES = 6;
export const KSTATFS_FFREE = 8;
export const KSTATFS_BSIZE = 10;
export const KSTATFS_NAMELEN = 11;
export const KSTATFS_FRSIZE = 12;

export const FORGET_IN_WORDS = 2;
export const FORGET_IN_NLOOKUP = 0;

export const FORGET_ONE_WORDS = 4;
export const FORGET_ONE_NODEID = 0;
export const FORGET_ONE_NLOOKUP = 2;

export const BATCH_FORGET_IN_WORDS = 2;
export const BATCH_FORGET_IN_COUNT = 0;

export const MKNOD_IN_WORDS = 4;
export const MKNOD_IN_MODE = 0;
export const MKNOD_IN_RDEV = 1;
export const MKNOD_IN_UMASK = 2;

export const MKDIR_IN_WORDS = 2;
export const MKDIR_IN_MODE = 0;
export const MKDIR_IN_UMASK = 1;

export const CREATE_IN_WORDS = 4;
export const CREATE_IN_FLAGS = 0;
export const CREATE_IN_MODE = 1;
export const CREATE_IN_UMASK = 2;
export const CREATE_IN_OPEN_FLAGS = 3;

export const LINK_IN_WORDS = 2;
export const LINK_IN_OLDNODEID = 0;

export const RENAME_IN_WORDS = 2;
export const RENAME_IN_NEWDIR = 0;

export const RENAME2_IN_WORDS = 4;
export const RENAME2_IN_NEWDIR = 0;
export const RENAME2_IN_FLAGS = 2;

export const DIRENT_WORDS = 6;
export const DIRENT_INO = 0;
export const DIRENT_OFF = 2;
export const DIRENT_NAMELEN = 4;
export const DIRENT_TYPE = 5;

export const OPEN_IN_WORDS = 2;
export const OPEN_IN_FLAGS = 0;
export const OPEN_IN_OPEN_FLAGS = 1;

export const OPEN_OUT_WORDS = 4;
export const OPEN_OUT_FH = 0;
export const OPEN_OUT_OPEN_FLAGS = 2;

export const READ_IN_WORDS = 10;
export const READ_IN_FH = 0;
export const READ_IN_OFFSET = 2;
export const READ_IN_SIZE = 4;
export const READ_IN_READ_FLAGS = 5;
export const READ_IN_LOCK_OWNER = 6;
export const READ_IN_FLAGS = 8;

export const WRITE_IN_WORDS = 10;
export const WRITE_IN_FH = 0;
export const WRITE_IN_OFFSET = 2;
export const WRITE_IN_SIZE = 4;
export const WRITE_IN_WRITE_FLAGS = 5;
export const WRITE_IN_LOCK_OWNER = 6;
export const WRITE_IN_FLAGS = 8;

export const WRITE_OUT_WORDS = 2;
export const WRITE_OUT_SIZE = 0;

export const FALLOCATE_IN_WORDS = 8;
export const FALLOCATE_IN_FH = 0;
export const FALLOCATE_IN_OFFSET = 2;
export const FALLOCATE_IN_LENGTH = 4;
export const FALLOCATE_IN_MODE = 6;

export const LSEEK_IN_WORDS = 6;
export const LSEEK_IN_FH = 0;
export const LSEEK_IN_OFFSET = 2;
export const LSEEK_IN_WHENCE = 4;

export const LSEEK_OUT_WORDS = 2;
export const LSEEK_OUT_OFFSET = 0;

export const COPY_FILE_RANGE_IN_WORDS = 14;
export const COPY_FILE_RANGE_IN_FH_IN = 0;
export const COPY_FILE_RANGE_IN_OFF_IN = 2;
export const COPY_FILE_RANGE_IN_NODEID_OUT = 4;
export const COPY_FILE_RANGE_IN_FH_OUT = 6;
export const COPY_FILE_RANGE_IN_OFF_OUT = 8;
export const COPY_FILE_RANGE_IN_LEN = 10;
export const COPY_FILE_RANGE_IN_FLAGS = 12;

export const IOCTL_IN_WORDS = 8;
export const IOCTL_IN_FH = 0;
export const IOCTL_IN_FLAGS = 2;
export const IOCTL_IN_CMD = 3;
export const IOCTL_IN_ARG = 4;
export const IOCTL_IN_IN_SIZE = 6;
export const IOCTL_IN_OUT_SIZE = 7;

export const IOCTL_OUT_WORDS = 4;
export const IOCTL_OUT_RESULT = 0;
export const IOCTL_OUT_FLAGS = 1;
export const IOCTL_OUT_IN_IOVS = 2;
export const IOCTL_OUT_OUT_IOVS = 3;

export const SETXATTR_IN_WORDS = 4;
export const SETXATTR_IN_SIZE = 0;
export const SETXATTR_IN_FLAGS = 1;
export const SETXATTR_IN_SETXATTR_FLAGS = 2;

export const GETXATTR_IN_WORDS = 2;
export const GETXATTR_IN_SIZE = 0;

export const GETXATTR_OUT_WORDS = 2;
export const GETXATTR_OUT_SIZE = 0;

export const INIT_IN_WORDS = 16;
export const INIT_IN_MAJOR = 0;
export const INIT_IN_MINOR = 1;
export const INIT_IN_MAX_READAHEAD = 2;
export const INIT_IN_FLAGS = 3;
export const INIT_IN_FLAGS2 = 4;

export const INIT_OUT_WORDS = 16;
export const INIT_OUT_MAJOR = 0;
export const INIT_OUT_MINOR = 1;
export const INIT_OUT_MAX_READAHEAD = 2;
export const INIT_OUT_FLAGS = 3;
export const INIT_OUT_MAX_BACKGROUND_OFFSET_BYTES = 16;
export const INIT_OUT_CONGESTION_THRESHOLD_OFFSET_BYTES = 18;
export const INIT_OUT_MAX_WRITE = 5;
export const INIT_OUT_TIME_GRAN = 6;
export const INIT_OUT_MAX_PAGES_OFFSET_BYTES = 28;
export const INIT_OUT_MAP_ALIGNMENT_OFFSET_BYTES = 30;
export const INIT_OUT_FLAGS2 = 8;

export const NOTIFY_INVAL_INODE_OUT_WORDS = 6;
export const NOTIFY_INVAL_INODE_OUT_INO = 0;
export const NOTIFY_INVAL_INODE_OUT_OFF = 2;
export const NOTIFY_INVAL_INODE_OUT_LEN = 4;

export const NOTIFY_INVAL_ENTRY_OUT_WORDS = 4;
export const NOTIFY_INVAL_ENTRY_OUT_PARENT = 0;
export const NOTIFY_INVAL_ENTRY_OUT_NAMELEN = 2;
export const NOTIFY_INVAL_ENTRY_OUT_FLAGS = 3;

export const NOTIFY_STORE_OUT_WORDS = 6;
export const NOTIFY_STORE_OUT_NODEID = 0;
export const NOTIFY_STORE_OUT_OFFSET = 2;
export const NOTIFY_STORE_OUT_SIZE = 4;
