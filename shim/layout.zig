//! The layout of a region, written once. `gen_layout.zig` prints it as TypeScript
//! (src/region/layout.gen.ts); daemon and clients compare `layout_hash` when they attach.
//!
//! A region is one shared-memory object:
//!   superblock (one page) · pool sets (bit trees) · hash buckets · inode table · slot table · blocks
//! All areas are page aligned. Records name each other by number, never by address; 0 = none.
//! Only the daemon writes anything in this file's records.

const std = @import("std");

pub const page_bytes = 4096;
pub const block_bytes = 4096;

/// "BTFUSE" and the format's version.
pub const magic: u64 = 0x0001_4553_5546_5442;

pub const root_ino = 1;
pub const name_bytes_max = 255;

/// Entries in one block of a block map (4-byte block numbers).
pub const map_fanout = 1024;
/// Block numbers kept in the inode itself.
pub const direct_count = 12;
/// A block map of this height reaches 2^40 blocks.
pub const map_height_max = 4;
/// 4 PiB: what a map of full height can name. Offsets stay exact in a double.
pub const file_bytes_max: u64 = 1 << 52;
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
    reserved: [5]u32,
};

pub const Inode = extern struct {
    /// File type and permission bits (S_IFMT | 07777); 0 = the record is free.
    mode: u32,
    uid: u32,
    gid: u32,
    nlink: u32,
    size: u64,
    atime: u64,
    mtime: u64,
    ctime: u64,
    btime: u64,
    atime_nsec: u32,
    mtime_nsec: u32,
    ctime_nsec: u32,
    btime_nsec: u32,
    rdev: u32,
    generation: u32,
    /// FUSE nlookup: references the kernel holds.
    lookup_count: u64,
    flags: u32,
    /// Slot chain with the extended attributes.
    xattr_slot: u32,
    /// Data blocks held, without map blocks.
    block_count: u32,

    // Directories.
    parent_ino: u32,
    tree_root: u32,
    entry_count: u32,
    /// The cookie the next new entry gets.
    next_cookie: u64,

    /// Symbolic links whose target does not fit below: slot chain.
    target_slot: u32,

    // Regular files: block map. Short symbolic link targets use the same bytes.
    map_height: u32,
    map_root: u32,
    direct: [direct_count]u32,
    reserved: [3]u32,
};

pub const inode_flag_acl_default: u32 = 1;
pub const inode_flag_acl_access: u32 = 2;
pub const inode_flag_capability: u32 = 4;
/// Bytes of a symbolic link's target kept in the inode (map_height … direct).
pub const target_inline_bytes = 56;

pub const slot_kind_free = 0;
pub const slot_kind_dentry = 1;
pub const slot_kind_extension = 2;

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

pub const records = .{
    .{ "SUPER", Superblock },
    .{ "INODE", Inode },
    .{ "DENTRY", Dentry },
    .{ "EXTENSION", Extension },
};

comptime {
    std.debug.assert(@sizeOf(Superblock) <= page_bytes);
    std.debug.assert(@sizeOf(Inode) == 192);
    std.debug.assert(@sizeOf(Dentry) == 128);
    std.debug.assert(@sizeOf(Extension) == 128);
    std.debug.assert(@offsetOf(Inode, "direct") + direct_count * 4 - @offsetOf(Inode, "map_height") == target_inline_bytes);
}

/// FNV-1a over every record's name, fields, offsets and sizes: any change of layout changes it.
pub const layout_hash: u64 = blk: {
    @setEvalBranchQuota(1_000_000);
    var text: []const u8 = "";
    for (records) |record| {
        text = text ++ record[0] ++ std.fmt.comptimePrint(":{d};", .{@sizeOf(record[1])});
        for (@typeInfo(record[1]).@"struct".fields) |field| {
            text = text ++ field.name ++ std.fmt.comptimePrint("@{d}+{d};", .{ @offsetOf(record[1], field.name), @sizeOf(field.type) });
        }
    }
    break :blk std.hash.Fnv1a_64.hash(text);
};
