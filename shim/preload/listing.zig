//! Listing a directory of the region as getdents64(2) does. Offsets are those of the kernel's door (layout.directory_end says what they
//! mean), so that either door goes on where the other stopped.

const std = @import("std");
const layout = @import("layout");
const access_time = @import("access_time.zig");
const data = @import("data.zig");
const dentries = @import("dentries.zig");
const descriptors = @import("descriptors.zig");
const region = @import("region.zig");

/// struct linux_dirent64, and glibc's struct dirent and dirent64.
pub const Entry = extern struct {
    ino: u64,
    off: i64,
    reclen: u16,
    type: u8,
    name: [256]u8,
};
const name_offset = @offsetOf(Entry, "name");
const behind_dot = 1;
const behind_dot_dot = 2;
const type_directory = 4;

pub const Result = union(enum) {
    /// How much was put into the buffer; 0: the end.
    bytes: usize,
    /// Not even one entry has room.
    too_small,
    removed,
    /// The names keep changing.
    busy,
    /// The descriptor is not ours any more.
    closed,
};

/// Entries from the description's offset on, which moves behind them.
pub fn read(o: descriptors.Open, out: []u8) Result {
    const result = readLocked(o, out);
    if (result == .bytes) access_time.note(o);
    return result;
}

fn readLocked(o: descriptors.Open, out: []u8) Result {
    const hold = o.lock() orelse return .closed;
    defer hold.release();
    const d = o.description;
    for (0..region.rounds_max) |round| {
        const seq = data.beginPatiently(&o.v.super.namespace_seq) orelse continue;
        // What changes while much is copied may let a little pass.
        const room = if (round < 2) out.len else @min(out.len, short_bytes);
        var list: List = .{ .v = o.v, .out = out[0..room], .offset = d.offset };
        const complete = list.fill(o.inode());
        if (!region.unchanged(&o.v.super.namespace_seq, seq)) continue;
        if (o.inode().nlink == 0) return .removed;
        if (!complete) continue;
        if (list.bytes == 0 and list.is_full) {
            if (room < out.len) continue;
            return .too_small;
        }
        d.offset = list.offset;
        return .{ .bytes = list.bytes };
    }
    return .busy;
}

const short_bytes = 2048;

const List = struct {
    v: *const region.View,
    out: []u8,
    bytes: usize = 0,
    is_full: bool = false,
    /// Behind the last entry.
    offset: u64,

    /// False: what was met cannot be.
    fn fill(list: *List, directory: *volatile layout.Inode) bool {
        const own: u32 = @intCast((@intFromPtr(directory) - @intFromPtr(list.v.inodes)) / @sizeOf(layout.Inode));
        if (list.offset < behind_dot and !list.addDots(own, 1, behind_dot)) return true;
        if (list.offset < behind_dot_dot and !list.addDots(directory.parent_ino, 2, behind_dot_dot)) return true;
        if (list.offset == layout.directory_end) return true;
        // At the offset itself, or the next one below it: the entry that was there may have been removed.
        var slot = (if (list.offset > behind_dot_dot)
            dentries.below(list.v, directory, list.offset +| 1)
        else
            dentries.newest(list.v, directory)) orelse return false;
        while (slot != 0) {
            const dentry = region.dentry(list.v, slot) orelse return false;
            const following = dentries.older(list.v, dentry, slot) orelse return false;
            const inode = region.inode(list.v, dentry.ino) orelse return false;
            const length = dentry.name_length;
            const is_right = dentry.kind == layout.slot_kind_dentry and dentry.parent == own and length > 0 and length <= layout.name_bytes_max;
            if (!is_right) return false;
            const position = if (following == 0) layout.directory_end else (region.dentry(list.v, following) orelse return false).cookie;
            // They fall, or in a damaged tree whoever reads the directory would never come to an end.
            if (following != 0 and (position >= dentry.cookie or position <= behind_dot_dot)) return false;
            const name = list.place(length, dentry.ino, position, @truncate(inode.mode >> 12 & 15)) orelse return true;
            if (!dentries.copyName(list.v, dentry, name)) return false;
            slot = following;
        }
        return true;
    }

    fn addDots(list: *List, ino: u32, length: u32, offset: u64) bool {
        const name = list.place(length, ino, offset, type_directory) orelse return false;
        @memset(name, '.');
        return true;
    }

    /// Room for a name, behind a head that is filled in; null: the buffer is full.
    fn place(list: *List, length: u32, ino: u32, offset: u64, kind: u8) ?[]u8 {
        const total = std.mem.alignForward(usize, name_offset + length + 1, @alignOf(Entry));
        if (total > list.out.len - list.bytes) {
            list.is_full = true;
            return null;
        }
        const entry: *align(1) Entry = @ptrCast(list.out.ptr + list.bytes);
        // The name's end, and what is between it and the next entry.
        std.mem.writeInt(u64, (list.out.ptr + list.bytes + total - 8)[0..8], 0, .little);
        entry.ino = ino;
        entry.off = @intCast(offset);
        entry.reclen = @intCast(total);
        entry.type = kind;
        const name = list.out[list.bytes + name_offset ..][0..length];
        list.bytes += total;
        list.offset = offset;
        return name;
    }
};
