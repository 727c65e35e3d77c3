//! What pack.zig appends to the launcher and launcher.zig reads:
//!
//!     launcher | contents of the entries | Entry, Entry, ... | Trailer
//!
//! Entry 0 is the Deno binary, entry 1 the main script; workers and libraries follow.

const std = @import("std");

pub const magic = "BTFUSE01".*;
pub const entry_count_max = 16;

/// Fast without any processor extension: 100 MB are checked in less than 0.1 s.
pub const Hash = std.crypto.hash.Blake3;

pub const Entry = extern struct {
    /// Directory below the cache, named by what it holds; zeros fill up.
    directory: [32]u8 = @splat(0),
    name: [48]u8 = @splat(0),
    offset_bytes: u64,
    size_bytes: u64,
    hash: [32]u8,
};

pub const Trailer = extern struct {
    entries_offset_bytes: u64,
    entry_count: u32,
    reserved: u32 = 0,
    /// Of the entries themselves; they have the hashes of the contents.
    entries_hash: [32]u8,
    file_size_bytes: u64,
    magic: [8]u8 = magic,
};

comptime {
    std.debug.assert(@sizeOf(Entry) == 128);
    std.debug.assert(@sizeOf(Trailer) == 64);
}

pub fn hashOf(bytes: []const u8) [32]u8 {
    var digest: [32]u8 = undefined;
    Hash.hash(bytes, &digest, .{});
    return digest;
}
