//! The records of the kernel's FUSE protocol, <linux/fuse.h> 7.39, as far as the daemon reads or writes them: `struct fuse_write_in` is
//! `WriteIn` here. `gen_layout.zig` prints them as TypeScript (src/ops/fuse_records.gen.ts), and tests/core/layout.test.ts compares them with the
//! C header. Fields without a meaning are called `reserved`.

// What every request and every reply starts with.

pub const InHeader = extern struct {
    len: u32,
    opcode: u32,
    unique: u64,
    nodeid: u64,
    uid: u32,
    gid: u32,
    pid: u32,
    total_extlen: u16,
    reserved: u16,
};

pub const OutHeader = extern struct {
    len: u32,
    @"error": i32,
    unique: u64,
};

// Attributes.

pub const Attr = extern struct {
    ino: u64,
    size: u64,
    blocks: u64,
    atime: u64,
    mtime: u64,
    ctime: u64,
    atimensec: u32,
    mtimensec: u32,
    ctimensec: u32,
    mode: u32,
    nlink: u32,
    uid: u32,
    gid: u32,
    rdev: u32,
    blksize: u32,
    flags: u32,
};

pub const EntryOut = extern struct {
    nodeid: u64,
    generation: u64,
    entry_valid: u64,
    attr_valid: u64,
    entry_valid_nsec: u32,
    attr_valid_nsec: u32,
    attr: Attr,
};

pub const AttrOut = extern struct {
    attr_valid: u64,
    attr_valid_nsec: u32,
    reserved: u32,
    attr: Attr,
};

pub const SetattrIn = extern struct {
    valid: u32,
    reserved: u32,
    fh: u64,
    size: u64,
    lock_owner: u64,
    atime: u64,
    mtime: u64,
    ctime: u64,
    atimensec: u32,
    mtimensec: u32,
    ctimensec: u32,
    mode: u32,
    reserved_2: u32,
    uid: u32,
    gid: u32,
    reserved_3: u32,
};

/// In `SetattrIn.valid`, and in the ring's `RingSetattr.valid`.
pub const fattr_mode = 1 << 0;
pub const fattr_uid = 1 << 1;
pub const fattr_gid = 1 << 2;
pub const fattr_size = 1 << 3;
pub const fattr_atime = 1 << 4;
pub const fattr_mtime = 1 << 5;
pub const fattr_atime_now = 1 << 7;
pub const fattr_mtime_now = 1 << 8;
pub const fattr_kill_suidgid = 1 << 11;

pub const SxTime = extern struct {
    tv_sec: i64,
    tv_nsec: u32,
    reserved: i32,
};

pub const Statx = extern struct {
    mask: u32,
    blksize: u32,
    attributes: u64,
    nlink: u32,
    uid: u32,
    gid: u32,
    mode: u16,
    reserved: u16,
    ino: u64,
    size: u64,
    blocks: u64,
    attributes_mask: u64,
    atime: SxTime,
    btime: SxTime,
    ctime: SxTime,
    mtime: SxTime,
    rdev_major: u32,
    rdev_minor: u32,
    dev_major: u32,
    dev_minor: u32,
    reserved_2: [14]u64,
};

pub const StatxOut = extern struct {
    attr_valid: u64,
    attr_valid_nsec: u32,
    flags: u32,
    reserved: [2]u64,
    stat: Statx,
};

pub const Kstatfs = extern struct {
    blocks: u64,
    bfree: u64,
    bavail: u64,
    files: u64,
    ffree: u64,
    bsize: u32,
    namelen: u32,
    frsize: u32,
    reserved: u32,
    reserved_2: [6]u32,
};

// Names.

pub const ForgetIn = extern struct { nlookup: u64 };

pub const ForgetOne = extern struct { nodeid: u64, nlookup: u64 };

/// `count` times `ForgetOne` follows.
pub const BatchForgetIn = extern struct { count: u32, reserved: u32 };

pub const MknodIn = extern struct { mode: u32, rdev: u32, umask: u32, reserved: u32 };

pub const MkdirIn = extern struct { mode: u32, umask: u32 };

pub const CreateIn = extern struct { flags: u32, mode: u32, umask: u32, open_flags: u32 };

pub const LinkIn = extern struct { oldnodeid: u64 };

pub const RenameIn = extern struct { newdir: u64 };

pub const Rename2In = extern struct { newdir: u64, flags: u32, reserved: u32 };

/// The name follows.
pub const Dirent = extern struct { ino: u64, off: u64, namelen: u32, type: u32 };

// Bytes.

pub const OpenIn = extern struct { flags: u32, open_flags: u32 };

pub const OpenOut = extern struct { fh: u64, open_flags: u32, reserved: u32 };

/// Of READ, READDIR and READDIRPLUS.
pub const ReadIn = extern struct {
    fh: u64,
    offset: u64,
    size: u32,
    read_flags: u32,
    lock_owner: u64,
    flags: u32,
    reserved: u32,
};

/// The data follows.
pub const WriteIn = extern struct {
    fh: u64,
    offset: u64,
    size: u32,
    write_flags: u32,
    lock_owner: u64,
    flags: u32,
    reserved: u32,
};

pub const WriteOut = extern struct { size: u32, reserved: u32 };

pub const FallocateIn = extern struct { fh: u64, offset: u64, length: u64, mode: u32, reserved: u32 };

pub const LseekIn = extern struct { fh: u64, offset: u64, whence: u32, reserved: u32 };

pub const LseekOut = extern struct { offset: u64 };

pub const CopyFileRangeIn = extern struct {
    fh_in: u64,
    off_in: u64,
    nodeid_out: u64,
    fh_out: u64,
    off_out: u64,
    len: u64,
    flags: u64,
};

/// `in_size` bytes follow.
pub const IoctlIn = extern struct { fh: u64, flags: u32, cmd: u32, arg: u64, in_size: u32, out_size: u32 };

/// `out_size` bytes of the request follow.
pub const IoctlOut = extern struct { result: i32, flags: u32, in_iovs: u32, out_iovs: u32 };

// Extended attributes.

pub const SetxattrIn = extern struct { size: u32, flags: u32, setxattr_flags: u32, reserved: u32 };

/// Of GETXATTR and LISTXATTR.
pub const GetxattrIn = extern struct { size: u32, reserved: u32 };

pub const GetxattrOut = extern struct { size: u32, reserved: u32 };

// The session.

pub const InitIn = extern struct {
    major: u32,
    minor: u32,
    max_readahead: u32,
    flags: u32,
    flags2: u32,
    reserved: [11]u32,
};

pub const InitOut = extern struct {
    major: u32,
    minor: u32,
    max_readahead: u32,
    flags: u32,
    max_background: u16,
    congestion_threshold: u16,
    max_write: u32,
    time_gran: u32,
    max_pages: u16,
    map_alignment: u16,
    flags2: u32,
    reserved: [7]u32,
};

// What the daemon tells without being asked.

pub const NotifyInvalInodeOut = extern struct { ino: u64, off: i64, len: i64 };

/// The name follows, and NUL.
pub const NotifyInvalEntryOut = extern struct { parent: u64, namelen: u32, flags: u32 };

/// The data follows.
pub const NotifyStoreOut = extern struct { nodeid: u64, offset: u64, size: u32, reserved: u32 };
