//! Operations on directory streams. A stream slot holds one DIR; marks keep what telldir said, because its
//! numbers mean nothing outside their own file system.

const std = @import("std");
const c = @import("libc.zig");
const wire = @import("wire.zig");

const stream_count = 256;
const mark_count = 4096;
var streams: [stream_count]?*c.Dir = @splat(null);
var marks: [mark_count]c_long = @splat(0);

/// How an entry's inode number compares with the one stat gives for its name.
const Number = enum(u8) { differs = 0, same = 1, not_compared = 2 };

/// u8 type (d_type), u8 inode number check (see `Number`), u16 length, name.
fn putEntry(kind: u8, number: Number, name: []const u8) void {
    wire.put(kind);
    wire.put(@intFromEnum(number));
    wire.put(@as(u16, @intCast(name.len)));
    wire.putBytes(name);
}

pub fn opendir(path: wire.Path, stream: usize) i64 {
    return keep(stream, c.opendir(path.z));
}

/// The stream owns the descriptor from now on: its slot is emptied.
pub fn fdopendir(slot: usize, stream: usize) i64 {
    const result = keep(stream, c.fdopendir(wire.slots[slot]));
    if (result == 0) wire.slots[slot] = -1;
    return result;
}

fn keep(stream: usize, dir: ?*c.Dir) i64 {
    const saved = wire.errno().*;
    if (streams[stream]) |old| _ = c.closedir(old);
    streams[stream] = dir;
    wire.errno().* = saved;
    return if (dir == null) -1 else 0;
}

fn next(dir: *c.Dir) ?*c.Dirent {
    wire.errno().* = 0;
    return if (wire.variant == 2) c.readdir64(dir) else c.readdir(dir);
}

/// Reads at most `count` entries. Result: how many; fewer than `count` means the end. Payload: the entries.
pub fn readdir(stream: usize, count: i64) i64 {
    const dir = streams[stream] orelse return wire.refuse(c.EBADF);
    var done: i64 = 0;
    while (done < count) : (done += 1) {
        const entry = next(dir) orelse break;
        putEntry(entry.type, .not_compared, std.mem.sliceTo(&entry.name, 0));
    }
    return if (wire.errno().* == 0) done else -1;
}

/// Keeps the stream's place under `mark`.
pub fn telldir(stream: usize, mark: usize) i64 {
    const dir = streams[stream] orelse return wire.refuse(c.EBADF);
    marks[mark] = c.telldir(dir);
    return if (marks[mark] == -1) -1 else 0;
}

/// Returns to a place kept by `telldir` of the same stream.
pub fn seekdir(stream: usize, mark: usize) i64 {
    const dir = streams[stream] orelse return wire.refuse(c.EBADF);
    c.seekdir(dir, marks[mark]);
    return 0;
}

pub fn rewinddir(stream: usize) i64 {
    const dir = streams[stream] orelse return wire.refuse(c.EBADF);
    c.rewinddir(dir);
    return 0;
}

pub fn closedir(stream: usize) i64 {
    const dir = streams[stream] orelse return wire.refuse(c.EBADF);
    streams[stream] = null;
    return c.closedir(dir);
}

/// A duplicate of the stream's descriptor, into a slot.
pub fn dirfd(stream: usize, slot: usize) i64 {
    const dir = streams[stream] orelse return wire.refuse(c.EBADF);
    return wire.keep(slot, c.dup(c.dirfd(dir)));
}

/// One call with a buffer of `size` bytes. Result: number of entries. Payload: the entries.
pub fn getdents(fd: wire.Fd, size: usize) i64 {
    const length = c.getdents64(fd.fd, &wire.scratch, size);
    if (length < 0) return -1;
    var rest = wire.scratch[0..@intCast(length)];
    var count: i64 = 0;
    while (rest.len > 0) : (count += 1) {
        const entry_bytes = std.mem.readInt(u16, rest[16..18], .little);
        putEntry(rest[18], .not_compared, std.mem.sliceTo(rest[19..entry_bytes], 0));
        rest = rest[entry_bytes..];
    }
    return count;
}

/// The whole directory, by a fresh stream. Result: number of entries. Payload: the entries in the order of their
/// names, each inode number compared with the one stat gives.
pub fn list(path: wire.Path) i64 {
    const dir = c.opendir(path.z) orelse return -1;
    defer closeQuietly(dir);
    var entries: std.ArrayList(Listed) = .empty;
    defer entries.deinit(wire.allocator);
    defer for (entries.items) |entry| wire.allocator.free(entry.name);
    while (next(dir)) |entry| {
        const name = std.mem.sliceTo(&entry.name, 0);
        entries.append(wire.allocator, .{
            .kind = entry.type,
            .number = compareNumber(dir, entry),
            .name = wire.allocator.dupe(u8, name) catch @panic("out of memory"),
        }) catch @panic("out of memory");
    }
    if (wire.errno().* != 0) return -1;
    std.mem.sort(Listed, entries.items, {}, Listed.before);
    for (entries.items) |entry| putEntry(entry.kind, entry.number, entry.name);
    return @intCast(entries.items.len);
}

const Listed = struct {
    kind: u8,
    number: Number,
    name: []u8,

    fn before(_: void, a: Listed, b: Listed) bool {
        return std.mem.lessThan(u8, a.name, b.name);
    }
};

/// ".." is left out: the root of a file system gives another number for it than stat does.
fn compareNumber(dir: *c.Dir, entry: *const c.Dirent) Number {
    const name: [*:0]const u8 = @ptrCast(&entry.name);
    if (std.mem.eql(u8, std.mem.span(name), "..")) return .not_compared;
    var st: c.Stat = undefined;
    if (c.fstatat(c.dirfd(dir), name, &st, c.AT_SYMLINK_NOFOLLOW) != 0) return .not_compared;
    return if (st.ino == entry.ino) .same else .differs;
}

fn closeQuietly(dir: *c.Dir) void {
    const saved = wire.errno().*;
    _ = c.closedir(dir);
    wire.errno().* = saved;
}

pub const internal = struct {
    pub fn reset() void {
        for (&streams) |*stream| {
            if (stream.*) |dir| _ = c.closedir(dir);
            stream.* = null;
        }
    }
};
