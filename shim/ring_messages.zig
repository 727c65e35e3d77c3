//! The ring by which clients ask the daemon: its slots, the states that a slot goes through, and the messages that lie in it. A part of the layout
//! (layout.zig): what is public here is in the hash and in src/region/layout.gen.ts as well.

const std = @import("std");
const layout = @import("layout.zig");

const InodeName = layout.InodeName;

pub const ring_slot_count = 64;
pub const ring_free = 0;
/// By a client: with its number and a mark of the thread above (`ring_claim_shift`), so that who was interrupted can tell whether it has come
/// so far, and nobody's slot is lost with who died.
pub const ring_claimed = 1;
pub const ring_ready = 2;
pub const ring_done = 3;
pub const ring_state_mask: u32 = 15;
pub const ring_claim_shift = 4;
pub const ring_claim_client_mask: u32 = layout.client_count_max - 1;
pub const ring_bytes_max = layout.page_bytes - 192;
pub const ring_results_words = 10;
pub const ring_arguments_words = 26;

/// Bytes that one `RingCopy` copies at most, so that others are served in between.
pub const copy_bytes_max = 32 << 20;
/// Bytes that one `RingPrepare` makes room for at most.
pub const prepare_bytes_max = 1 << 20;

// Messages of the ring: for every operation a record with its number, which lies over `RingSlot.arguments`, and, where the answer is more
// than `RingSlot.result`, a record `Answer`, which lies over `RingSlot.results`. Names and the like lie in `RingSlot.bytes`; the comment says what.

pub const RingTime = extern struct { seconds: i64, nanoseconds: u32, reserved: u32 = 0 };

/// Who wants a change that takes set-user-ID, set-group-ID and capabilities from a file.
pub const RingCaller = extern struct {
    uid: u32,
    /// 1: set-group-ID stays, for the caller belongs to the file's group.
    may_keep_set_group_id: u32,
};

/// The answer of operations that make an inode.
pub const RingMade = extern struct {
    inode: InodeName,
    /// 0: it has no name.
    dentry: u32,
    reserved: u32 = 0,
};

/// Does nothing; measures the way.
pub const RingPing = extern struct {
    pub const operation = 1;
};

/// The last open file description of an inode without names is gone.
pub const RingRelease = extern struct {
    pub const operation = 2;
    inode: InodeName,
};

/// The inode was read: its atime follows the rules of the mount.
pub const RingAccessed = extern struct {
    pub const operation = 3;
    inode: InodeName,
};

/// Bytes were stored that the kernel may hold. Answered when it holds them no more.
pub const RingInvalidate = extern struct {
    pub const operation = 4;
    inode: InodeName,
    /// 1: the file may have become longer.
    grew: u32,
};

/// mknod(2), mkdir(2), open(2) with O_CREAT; bytes: the name. A regular file counts as opened: `Inode.open_count` + 1.
pub const RingMake = extern struct {
    pub const operation = 5;
    pub const Answer = RingMade;
    parent: InodeName,
    /// With the type (S_IFMT).
    mode: u32,
    umask: u32,
    uid: u32,
    gid: u32,
    rdev: u32,
};

/// symlink(2); bytes: the name, NUL, the target.
pub const RingSymlink = extern struct {
    pub const operation = 6;
    pub const Answer = RingMade;
    parent: InodeName,
    uid: u32,
    gid: u32,
};

/// link(2); bytes: the new name.
pub const RingLink = extern struct {
    pub const operation = 7;
    inode: InodeName,
    parent: InodeName,
};

/// unlink(2) and rmdir(2); bytes: the name.
pub const RingRemove = extern struct {
    pub const operation = 8;
    parent: InodeName,
    /// 1: rmdir(2).
    as_directory: u32,
};

/// renameat2(2); bytes: the name, NUL, the new name.
pub const RingRename = extern struct {
    pub const operation = 9;
    parent: InodeName,
    new_parent: InodeName,
    /// RENAME_*
    flags: u32,
};

/// chmod(2), chown(2), truncate(2), utimensat(2).
pub const RingSetattr = extern struct {
    pub const operation = 10;
    inode: InodeName,
    /// Which of the others count: fuse.fattr_*.
    valid: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    atime: RingTime,
    mtime: RingTime,
    caller: RingCaller,
};

/// The range has blocks afterwards; those that are new read as zeros. Result: how many bytes have, from `offset` on.
pub const RingPrepare = extern struct {
    pub const operation = 11;
    inode: InodeName,
    offset: u64,
    length: u64,
    caller: RingCaller,
};

/// fallocate(2)
pub const RingFallocate = extern struct {
    pub const operation = 12;
    inode: InodeName,
    offset: u64,
    length: u64,
    /// FALLOC_FL_*
    mode: u32,
    reserved: u32 = 0,
};

/// copy_file_range(2). Result: bytes copied.
pub const RingCopy = extern struct {
    pub const operation = 13;
    inode: InodeName,
    target: InodeName,
    offset: u64,
    target_offset: u64,
    length: u64,
};

/// setxattr(2); bytes: the attribute's name, NUL, its value.
pub const RingSetxattr = extern struct {
    pub const operation = 14;
    inode: InodeName,
    /// XATTR_CREATE, XATTR_REPLACE
    flags: u32,
};

/// removexattr(2); bytes: the attribute's name.
pub const RingRemovexattr = extern struct {
    pub const operation = 15;
    inode: InodeName,
};

/// open(2) with O_TMPFILE. Counts as opened, as with `RingMake`.
pub const RingTmpfile = extern struct {
    pub const operation = 16;
    pub const Answer = RingMade;
    parent: InodeName,
    mode: u32,
    umask: u32,
    uid: u32,
    gid: u32,
};

/// The caller has the inode open and is about to open the kernel's file of it, but no name leads there: one LOOKUP of this thread finds it, within
/// a second or two. Answered ENOENT when its former name cannot be used, and EAGAIN when too many threads are about to do this.
pub const RingReveal = extern struct {
    pub const operation = 17;
    pub const Answer = RingRevealed;
    inode: InodeName,
    thread: u32,
    uid: u32,
    /// 1: by its former name (slot_kind_former) where that was; 0: by any name in the directory ".btfuse-KEY" of the root directory.
    by_former_name: u32,
};

pub const RingRevealed = extern struct {
    grant: u32,
    /// See `Grant.key`.
    key: [layout.key_words]u32,
};

/// The inode was opened, or could not be: the kernel forgets the name, which would keep the file from ending.
pub const RingConceal = extern struct {
    pub const operation = 18;
    inode: InodeName,
    grant: u32,
};

/// Files may be watched by programs without the library: the daemon looks for such, and marks what they watch.
pub const RingFindWatches = extern struct {
    pub const operation = 19;
};

/// In `ring_processor`: the worker is about to go to another processor than that of its client, and to look for requests there.
pub const worker_leaves: u32 = 0xffff_ffff;
/// In `waiting`: the client sleeps until the state changes.
pub const client_sleeps: u32 = 1;

/// A request of a client and its reply.
pub const RingSlot = extern struct {
    /// A futex word.
    state: u32,
    client: u32,
    operation: u32,
    /// 0 or more, or a negative errno.
    result: i32,
    /// The processor on which the client was when it made the request, times 2, and client_sleeps.
    waiting: u32,
    bytes_length: u32,
    /// With the state in one cache line, as the first arguments are in the next one.
    results: [ring_results_words]u32,
    arguments: [ring_arguments_words]u32,
    reserved: [3]u64,
    bytes: [ring_bytes_max]u8,
};

comptime {
    std.debug.assert(@offsetOf(RingSlot, "arguments") == 64 and @offsetOf(RingSlot, "bytes") % 64 == 0);
    std.debug.assert(@sizeOf(RingSlot) == layout.page_bytes);
    @setEvalBranchQuota(100_000);
    for (layout.declarations.messages(@This()), 0..) |message, i| {
        std.debug.assert(@sizeOf(message) <= @sizeOf(@FieldType(RingSlot, "arguments")));
        if (@hasDecl(message, "Answer")) std.debug.assert(@sizeOf(message.Answer) <= @sizeOf(@FieldType(RingSlot, "results")));
        for (layout.declarations.messages(@This())[0..i]) |other| std.debug.assert(message.operation != other.operation);
    }
}
