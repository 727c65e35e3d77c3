//! The layout of a region, written once. `gen_layout.zig` prints it as TypeScript
//! (src/region/layout.gen.ts); daemon and clients compare `layout_hash` when they attach.
//!
//! Every public number and every public `extern struct` of this file (and of ring_messages.zig and fuse_protocol.zig) is part of the hash and of the
//! TypeScript, without being listed anywhere: what both sides must agree on belongs here, as a public declaration.
//!
//! A region is one shared-memory object:
//!   superblock (one page) · pool sets (bit trees) · hash buckets · inode table · slot table · blocks · request ring · clients
//! All areas are page aligned. Records name each other by number, never by address; 0 = none.
//!
//! Who writes what: the daemon everything; a client (a program with the preloaded library) its own client area, ring
//! slots it has claimed, an inode's words that say so, and the bytes of blocks that a file has. Readers without the core lock
//! go by sequence words: odd = being changed, different afterwards = read again.

const std = @import("std");
/// How the declarations of this file are found and named; for the generator and the tests.
pub const declarations = @import("declarations.zig");
/// The slots of the ring, and what is asked for by it.
pub const messages = @import("ring_messages.zig");
/// The records of the kernel's FUSE protocol.
pub const fuse = @import("fuse_protocol.zig");

/// To be raised when daemon and clients have to agree on something that no declaration here shows: who may take a lock, in
/// which order words are written, what a field means.
pub const protocol_version = 2;

pub const page_bytes = 4096;
pub const block_bytes = 4096;

/// Runs of blocks that wait for clients.
pub const limbo_max = 128;

/// The kernel worker and the ring worker.
pub const clock_count = 2;
pub const misplaced_max = 14;
/// In `Inode.client_mtime`: somebody has seen this time, so that the next write must have a later one.
pub const client_time_seen: u64 = 1 << 63;

/// "BTFUSE" and the format's version.
pub const magic: u64 = 0x0001_4553_5546_5442;

pub const root_ino = 1;

/// Positions in a listing, at both doors: 0 the start, 1 behind ".", 2 behind ".."; else the cookie of the next entry, or of one that has been
/// there, and directory_end behind the last one (the largest position that 32 bits hold, as tmpfs has it). No entry has this cookie.
pub const directory_end: u32 = 0x7fff_ffff;
pub const name_bytes_max = 255;

/// Entries in one block of a block map (4-byte block numbers).
pub const map_fanout = 1024;
/// Block numbers kept in the inode itself.
pub const direct_count = 12;
/// A block map of this height reaches 2^40 blocks.
pub const map_height_max = 4;
/// 4 PiB: what a map of full height can name. Offsets stay exact in a double.
pub const file_bytes_max = 1 << 52;
/// In a block map entry: the block is reserved but holds no data; it reads as zeros.
pub const entry_unwritten: u32 = 1 << 31;

/// Records that are given back to the system together.
pub const inode_chunk_count = 1024;
pub const slot_chunk_count = 512;

pub const Superblock = extern struct {
    magic: u64,
    layout_hash: u64,
    /// Random, new for every region.
    generation: u64,
    region_bytes: u64,

    inode_count_max: u32,
    slot_count_max: u32,
    block_count_max: u32,
    /// A power of two.
    bucket_count: u32,

    // First page of each area.
    inode_set_page: u32,
    slot_set_page: u32,
    block_set_page: u32,
    bucket_page: u32,
    inode_page: u32,
    slot_page: u32,
    block_page: u32,

    // Pools: records in use, and free chunks whose memory was not given back yet.
    inode_used: u32,
    slot_used: u32,
    block_used: u32,
    inode_dirty: u32,
    slot_dirty: u32,
    block_dirty: u32,
    // Records below which the sets' words have memory; behind them everything is free and no word may be touched.
    inode_held: u32,
    slot_held: u32,
    block_held: u32,

    /// Core lock: 0 free, 1 held, 2 held and somebody waits (futex).
    lock: u32,
    /// Not 0 while `btfuse check` wants everybody to wait: its token.
    pause: u32,

    owner_pid: u32,
    /// Field 22 of /proc/PID/stat: with the pid it names one process for ever.
    owner_start_ticks: u64,
    /// 0 = auto, 1 = none (see src/core/superblock.ts).
    cache_mode: u32,
    hash_seed: u32,
    inode_generation: u32,
    /// Requests served through the kernel.
    request_count: u64,
    /// Set when formatting is complete: an object without it is a torn one.
    formatted: u32,
    reserved_word: u32,
    /// st_dev of the mount.
    device: u64,
    /// Inode number of the daemon's pid namespace: clients elsewhere cannot be told alive from dead.
    pid_namespace: u64,
    ring_page: u32,
    client_page: u32,

    // With what a process that wants to be served compares itself (preload/gate.zig), all of the daemon.
    /// Inode number of its user namespace.
    user_namespace: u64,
    /// The same of its time namespace, by whose clock clients say since when they live; 0: there is none.
    time_namespace: u64,
    /// Its root directory: number of the mount, st_dev, st_ino.
    root_mount: u64,
    root_device: u64,
    root_ino: u64,
    /// What a security module calls it, as a number (identity.zig).
    label: u64,
    /// A thread without capabilities, whom everybody with the daemon's user id may look at who is in no sandbox of their own (mount_watch.zig).
    witness: u32,
    /// Not 0: nobody tells the daemon when directories above the mount are renamed, so that clients look again and again.
    unwatched: u32,
    reserved_line_0: [2]u32,

    // From here on each cache line of its own, so that who writes one does not disturb the readers of another.

    /// Sequence of everything in which names are found: dentries, chains, trees, a directory's place, which inodes live.
    namespace_seq: u32,
    /// Inodes without names that live on because of clients.
    orphan_count: u32,
    reserved_line_1: [14]u32,

    // What clients look at all the time, and hardly anybody changes.
    /// Not 0 once the mount is gone: clients leave everything to the kernel.
    ended: u32,
    /// What the mount allows, as the kernel sees it now (mount_*): the daemon looks whenever the mount table changes.
    mount_flags: u32,
    /// Clients that were ever registered, at most: where scans end.
    client_high: u32,
    /// Times that the daemon took an inode's `extend_lock` from a client that may still be alive.
    stolen_count: u32,
    /// Goes up by two when the mount's path, its flags or what lies on it may have changed, and when `ended` is set: clients compare it with what it
    /// was when they last looked.
    mount_changes: u32,
    /// When the daemon last began to look for programs that watch files (shim/watch_scan.zig), in milliseconds of CLOCK_MONOTONIC_COARSE.
    watches_seen_at: u32,
    reserved_line_2: [10]u32,

    // The ring.
    /// The bell, a futex word: how often it was rung, which clients do when the worker sleeps.
    write_index: u32,
    /// The ring worker sleeps, or is about to.
    ring_sleeping: u32,
    /// The processor on which the worker was when it last woke up, times 2: where it is awake, or is to be woken, most likely; or
    /// worker_leaves.
    ring_processor: u32,
    reserved_line_3: [13]u32,
    /// A bit for each ring slot that is ready.
    ring_ready: [messages.ring_slot_count / 32]u32,
    reserved_line_4: [16 - messages.ring_slot_count / 32]u32,
    /// Requests ever served.
    read_index: u32,
    reserved_line_5: [15]u32,
    /// The inode whose blocks the kernel worker is sending right now, outside the core lock: nobody frees them meanwhile.
    sending_ino: u32,
    reserved_line_6: [15]u32,

    /// By worker of the daemon: the time it last stamped something with, seconds (two words, low first) and nanoseconds, and a word nobody uses.
    clocks: [clock_count * 4]u32,
    /// The latest time, in nanoseconds since 1970, that a client made up to be later than one before (shim/preload/clock.zig).
    client_clock: u64,
    /// Inodes of which the kernel has pages in a wrong place, for the ring worker to make it forget them; 0 = none.
    misplaced: [misplaced_max]u32,
    /// Not 0: there are such.
    misplaced_count: u32,
    reserved_line_7: [7]u32,
    /// Blocks taken from files whose locks were taken from clients: inode, first block, count. Free once these are done.
    limbo: [limbo_max * 3]u32,

    /// Grants that are not free.
    grant_count: u32,
    reserved_word_2: u32,
    grants: [grant_max]Grant,
};

/// How many threads can be about to open inodes by names that do not exist.
pub const grant_max = 16;
pub const grant_free = 0;
pub const grant_given = 1;
pub const grant_used = 2;

/// Allows one thread to find an inode once by a name that does not exist (src/ops/hidden_names.ts): the name it had last, in the directory where it
/// was, or in a directory with a random name in the root directory. Written by the daemon only.
pub const Grant = extern struct {
    state: u32,
    inode: InodeName,
    /// Where the name is looked up.
    parent: u32,
    /// The thread's number, and the user as whom it opens the file.
    thread: u32,
    uid: u32,
    /// When it ends, seconds since 1970.
    until: u32,
    /// The random name is ".btfuse-" and this in hexadecimal; zeros: the former name.
    key: [key_words]u32,
    /// What the random name has turned out to be: a directory that was made for this, in which the inode is looked up. 0: not yet.
    directory: u32,
};
pub const key_words = 4;

pub const Inode = extern struct {
    /// File type and permission bits (S_IFMT | 07777); 0 = the record is free.
    mode: u32,
    uid: u32,
    gid: u32,
    nlink: u32,
    /// One 64-bit word for clients, who let it grow (under `extend_lock`).
    size: u64,
    /// Sequence of the block map: the daemon takes an entry away, replaces it, or fills a block it stands for.
    map_seq: u32,
    /// Sequence of size and times as the daemon changes them.
    seq: u32,
    generation: u32,
    flags: u32,
    /// Open file descriptions of clients, roughly: never less than there are (see Description).
    open_count: u32,
    /// What the kernel may hold (kernel_holds_*); set before the daemon reads what it will tell the kernel.
    kernel_holds: u32,
    /// Who stores bytes, or changes the block map or the size of a file: a client's number, extend_daemon, 0 = nobody. Taken and
    /// given back together with `extend_thread`, as one 64-bit word. Never held while waiting for the ring.
    extend_lock: u32,
    /// The client's thread that has it, for a signal handler in the same thread; the daemon leaves it 0.
    extend_thread: u32,
    rdev: u32,
    /// What the kernel does with the inode, so that clients leave the inode to it (kernel_uses_*). Until the kernel forgets it.
    kernel_uses: u32,

    atime: u64,
    mtime: u64,
    ctime: u64,
    btime: u64,
    atime_nsec: u32,
    mtime_nsec: u32,
    ctime_nsec: u32,
    btime_nsec: u32,
    /// When a client last wrote, in nanoseconds since 1970 (and perhaps client_time_seen): mtime and ctime, until the daemon folds it into
    /// them (then 0).
    client_mtime: u64,
    /// The same for atime: when a client last read.
    client_atime: u64,
    /// Slot chain with the extended attributes.
    xattr_slot: u32,
    /// Data blocks held, without map blocks.
    block_count: u32,

    // Directories.
    parent_ino: u32,
    tree_root: u32,
    entry_count: u32,
    /// The directory's own name; of any inode, the name that it has lost (slot_kind_former), or 0.
    dentry: u32,
    /// The cookie the next new entry gets.
    next_cookie: u64,

    /// Symbolic links whose target does not fit below: slot chain.
    target_slot: u32,
    /// A client may have stored bytes behind the end: who makes the file longer zeros them.
    tail_dirty: u32,
    /// FUSE nlookup: references the kernel holds.
    lookup_count: u64,
    /// How far the holder of `extend_lock` is about to write, for a signal handler in its thread; 0 = not behind the end.
    extend_end: u64,
    /// A directory: by the hash of their names, names of which the kernel was told that they do not exist (src/ops/kernel_notices.ts).
    negative_names: [negative_names_words]u32,

    // Regular files: block map. Short symbolic link targets use the same bytes.
    map_height: u32,
    map_root: u32,
    direct: [direct_count]u32,
};

/// The kernel was told attributes of the inode (or its name).
pub const kernel_holds_attributes: u32 = 1;
/// The kernel was told of its bytes, or wrote them itself.
pub const kernel_holds_data: u32 = 2;
/// A directory: the kernel was told its listing.
pub const kernel_holds_listing: u32 = 4;
/// A regular file: the kernel knows it, and asks nobody where it ends when it appends, copies or maps (i_size): it is told each time
/// the file grows. Stays until it forgets the file.
pub const kernel_holds_end: u32 = 8;

/// The kernel has, or may have, mapped the file for writing, so that its pages may be newer than the blocks.
pub const kernel_uses_map: u32 = 1;
/// A program watches the inode (inotify(7)): the kernel tells it of what goes through the kernel only. Of a directory this is also
/// about what has its name there.
pub const kernel_uses_watch: u32 = 2;

/// The kernel appends to the file (O_APPEND), at times by two requests for one write(2), between which only it can keep others away: so it
/// appends for clients, too.
pub const kernel_uses_append: u32 = 4;

// In `mount_flags`, see mount(8).
/// Nothing changes, also no access time.
pub const mount_read_only: u32 = 1;
pub const mount_no_atime: u32 = 2;
pub const mount_no_dir_atime: u32 = 4;
/// Every reading counts. Without this and the two above the rule is "relatime".
pub const mount_strict_atime: u32 = 8;
pub const mount_no_symlinks: u32 = 16;
pub const mount_id_mapped: u32 = 32;

/// In `extend_lock`.
pub const extend_daemon: u32 = 0xffff_ffff;

pub const inode_flag_acl_default: u32 = 1;
pub const inode_flag_acl_access: u32 = 2;
pub const inode_flag_capability: u32 = 4;
/// Without names, and counted in `orphan_count`.
pub const inode_flag_orphan: u32 = 8;
/// Made without a name (O_TMPFILE): it may get one. Others that have lost theirs may not.
pub const inode_flag_linkable: u32 = 16;
/// What chattr(1) sets: +i, +a, +d, +A. Clients leave changes of inodes with one of the first two to the kernel.
pub const inode_flag_immutable: u32 = 32;
pub const inode_flag_append_only: u32 = 64;
pub const inode_flag_no_dump: u32 = 128;
pub const inode_flag_no_atime: u32 = 256;
/// Bytes of a symbolic link's target kept in the inode (map_height … direct).
pub const target_inline_bytes = 56;

pub const negative_names_words = 4;

pub const slot_kind_free = 0;
pub const slot_kind_dentry = 1;
pub const slot_kind_extension = 2;
/// A dentry in no directory any more: the name that an inode had last, whose `dentry` it is, while programs still have the inode open. `next`
/// is the generation of the directory it was in.
pub const slot_kind_former = 3;

/// A name in a directory. Names longer than `name` go on in a chain of extensions.
pub const Dentry = extern struct {
    kind: u32,
    name_length: u32,
    parent: u32,
    ino: u32,
    hash: u32,
    /// Hash chain.
    next: u32,
    // The directory's red-black tree, ordered by cookie.
    left: u32,
    right: u32,
    up: u32,
    red: u32,
    cookie: u64,
    extension: u32,
    reserved: [3]u32,
    name: [64]u8,
};

/// A piece of a chain of bytes: long names, link targets, extended attributes.
pub const Extension = extern struct {
    kind: u32,
    next: u32,
    bytes: [120]u8,
};

/// Client 0 does not exist: the page of its area behind its record holds what clients have found out about the machine code of programs
/// (preload/machine_code.zig), which costs more to find out than to look up.
pub const verdict_page = 1;

/// Programs that can be attached at a time.
pub const client_count_max = 1024;
/// A client's area: its record, then pages of open file descriptions.
pub const client_pages = 256;
pub const descriptions_per_page = page_bytes / @sizeOf(Description);
pub const client_description_max = (client_pages - 1) * descriptions_per_page;
/// Threads of one client that may store data at the same time.
pub const client_thread_max = 128;

pub const client_free = 0;
pub const client_registering = 1;
pub const client_live = 2;

/// A process with the preloaded library that holds something: open files, or a request under way.
/// Written by the process; the daemon frees it after the process has died. Client 0 is nobody.
pub const Client = extern struct {
    state: u32,
    pid: u32,
    /// CLOCK_BOOTTIME in nanoseconds when it registered: a process that started later is another one with the same pid.
    registered_at: u64,
    /// Descriptions below this number have memory and may be looked at.
    description_held: u32,
    reserved: [11]u32,
    /// By thread, roughly: the inode whose `extend_lock` it has or wants, 0 = none. By it the daemon finds what a dead client has locked.
    storing_ino: [client_thread_max]u32,
    /// By thread, roughly: not 0 while it copies bytes out of blocks, or follows a block map. No block loses its memory meanwhile: it may
    /// have been freed since the thread found its number.
    reading: [client_thread_max]u32,
};

pub const description_free = 0;
pub const description_claimed = 1;
pub const description_open = 2;
pub const description_state_mask: u32 = 15;
/// Above: a mark of the thread that claims it.
pub const description_claim_shift = 4;

/// An open file description (open(2)) of a client. `ino` is set before the inode's `open_count` goes up, and cleared after it went down: after
/// a crash the inodes it may concern are known.
pub const Description = extern struct {
    state: u32,
    ino: u32,
    generation: u32,
    /// As for open(2).
    flags: u32,
    /// Descriptors that refer to it.
    references: u32,
    /// Held while the offset moves: the thread's id.
    lock: u32,
    offset: u64,
    /// Directory and dentry it was opened by, to find its path again.
    parent: u32,
    dentry: u32,
    reserved: [6]u32,
};

/// An inode for ever: a number that is used again for another inode has another generation, and is answered ESTALE.
pub const InodeName = extern struct { ino: u32, generation: u32 };

comptime {
    std.debug.assert(@sizeOf(Superblock) <= page_bytes);
    std.debug.assert(@sizeOf(Inode) == 256);
    std.debug.assert(@offsetOf(Inode, "extend_lock") % 8 == 0 and @offsetOf(Inode, "extend_thread") == @offsetOf(Inode, "extend_lock") + 4);
    std.debug.assert(@offsetOf(Inode, "atime") == 64);
    for (.{ "namespace_seq", "ended", "write_index", "ring_ready", "read_index", "sending_ino", "clocks" }) |field| {
        std.debug.assert(@offsetOf(Superblock, field) % 64 == 0);
    }
    std.debug.assert(@sizeOf(Client) <= page_bytes);
    std.debug.assert(@sizeOf(Description) == 64);
    std.debug.assert(@sizeOf(Dentry) == 128);
    std.debug.assert(@sizeOf(Extension) == 128);
    std.debug.assert(@offsetOf(Inode, "direct") + direct_count * 4 - @offsetOf(Inode, "map_height") == target_inline_bytes);
}

/// The hash of a name in a directory, by which `Dentry.hash` and its bucket are found; DentryHash.hash (src/core/dentry_hash.ts) does the same.
pub inline fn nameHash(seed: u32, parent: u32, name: []const u8) u32 {
    var h = (parent ^ seed) *% 0x9e3779b1 ^ @as(u32, @intCast(name.len));
    for (name) |byte| h = (h ^ byte) *% 0x01000193;
    h = (h ^ (h >> 16)) *% 0x85ebca6b;
    h = (h ^ (h >> 13)) *% 0xc2b2ae35;
    return h ^ (h >> 16);
}
/// What it is for seed 1, directory 2 and "a name": another hash is another layout.
pub const name_hash_sample: u32 = nameHash(1, 2, "a name");

/// Of every public number and record, see declarations.zig: any change of them changes it.
pub const layout_hash: u64 = declarations.hash(.{ @This(), messages, fuse });
