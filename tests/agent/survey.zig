//! One operation that describes a whole tree, so that two trees can be compared by one exchange.

const std = @import("std");
const c = @import("libc.zig");
const wire = @import("wire.zig");
const attributes = @import("attributes.zig");

const page_bytes = 4096;
var path_buffer: [8192]u8 = undefined;
var read_buffer: [64 * page_bytes]u8 = undefined;

/// Everything below `path` (itself not included), in the order of the names, access times left as they are.
/// Result: number of entries. Payload for each: u16 length and path relative to `path`; the stat fields of
/// attributes.zig; u64 checksum of the content (file: its pages that are not all zero, with their places; link:
/// its target; else 0); u64 checksum of the extended attributes, names sorted; i32 error met while reading.
pub fn survey(path: wire.Path) i64 {
    const home = c.openat(c.AT_FDCWD, ".", directory_flags);
    if (home < 0) return -1;
    defer {
        const saved = wire.errno().*;
        _ = c.fchdir(home);
        _ = c.close(home);
        wire.errno().* = saved;
    }
    return walk(path.z, 0) catch -1;
}

const directory_flags = c.O_DIRECTORY | c.O_NOATIME | c.O_CLOEXEC;
const Failed = error{Failed};

/// Goes into the directory `name`, whose path takes the first `length` bytes of the buffer, and comes back to the
/// current one: paths of one name keep the number of look-ups small.
fn walk(name: [*:0]const u8, length: usize) Failed!i64 {
    const here = c.openat(c.AT_FDCWD, ".", directory_flags);
    if (here < 0) return error.Failed;
    defer {
        _ = c.fchdir(here);
        _ = c.close(here);
    }
    const fd = c.openat(c.AT_FDCWD, name, directory_flags);
    if (fd < 0) return error.Failed;
    const dir = c.fdopendir(fd) orelse return error.Failed;
    defer _ = c.closedir(dir);
    if (c.fchdir(fd) != 0) return error.Failed;
    var names = namesIn(dir);
    defer names.deinit(wire.allocator);
    defer for (names.items) |entry| wire.allocator.free(entry);
    var count: i64 = 0;
    for (names.items) |entry| {
        const start = if (length == 0) 0 else length + 1;
        if (length > 0) path_buffer[length] = '/';
        @memcpy(path_buffer[start..][0..entry.len], entry);
        var st: c.Stat = undefined;
        if (c.fstatat(c.AT_FDCWD, entry.ptr, &st, c.AT_SYMLINK_NOFOLLOW) != 0) return error.Failed;
        describe(path_buffer[0 .. start + entry.len], entry.ptr, &st);
        count += 1;
        if (st.mode & c.S_IFMT == c.S_IFDIR) count += try walk(entry.ptr, start + entry.len);
    }
    return count;
}

fn describe(path: []const u8, name: [*:0]const u8, st: *const c.Stat) void {
    wire.put(@as(u16, @intCast(path.len)));
    wire.putBytes(path);
    attributes.putStat(st);
    wire.errno().* = 0;
    const content: Failed!u64 = switch (st.mode & c.S_IFMT) {
        c.S_IFREG => fileChecksum(name),
        c.S_IFLNK => linkChecksum(name),
        else => 0,
    };
    const xattrs = xattrChecksum(name);
    wire.put(content catch 0);
    wire.put(xattrs catch 0);
    const failed = content == error.Failed or xattrs == error.Failed;
    wire.put(if (failed) wire.errno().* else @as(c_int, 0));
}

fn namesIn(dir: *c.Dir) std.ArrayList([:0]u8) {
    var names: std.ArrayList([:0]u8) = .empty;
    while (c.readdir(dir)) |entry| {
        const name = std.mem.sliceTo(&entry.name, 0);
        if (std.mem.eql(u8, name, ".") or std.mem.eql(u8, name, "..")) continue;
        const copy = wire.allocator.dupeZ(u8, name) catch @panic("out of memory");
        names.append(wire.allocator, copy) catch @panic("out of memory");
    }
    std.mem.sort([:0]u8, names.items, {}, before);
    return names;
}

fn before(_: void, a: [:0]u8, b: [:0]u8) bool {
    return std.mem.lessThan(u8, a, b);
}

/// Pages of zeros count as holes: where the two begin and end is for lseek to say.
fn fileChecksum(name: [*:0]const u8) Failed!u64 {
    const fd = c.openat(c.AT_FDCWD, name, c.O_NONBLOCK | c.O_NOFOLLOW | c.O_NOATIME | c.O_CLOEXEC);
    if (fd < 0) return error.Failed;
    defer _ = c.close(fd);
    var sum = std.hash.Wyhash.init(0);
    var offset: i64 = 0;
    while (true) {
        const data = c.lseek(fd, offset, c.SEEK_DATA);
        if (data < 0) break; // nothing but a hole up to the end
        offset = data & ~@as(i64, page_bytes - 1);
        const length = c.pread(fd, &read_buffer, read_buffer.len, offset);
        if (length < 0) return error.Failed;
        if (length == 0) break;
        var pages = std.mem.window(u8, read_buffer[0..@intCast(length)], page_bytes, page_bytes);
        while (pages.next()) |page| : (offset += page_bytes) {
            if (std.mem.allEqual(u8, page, 0)) continue;
            sum.update(std.mem.asBytes(&offset));
            sum.update(page);
        }
    }
    return sum.final();
}

fn linkChecksum(name: [*:0]const u8) Failed!u64 {
    const length = c.readlink(name, &wire.scratch, page_bytes);
    if (length < 0) return error.Failed;
    return std.hash.Wyhash.hash(0, wire.scratch[0..@intCast(length)]);
}

fn xattrChecksum(path: [*:0]const u8) Failed!u64 {
    const length = c.llistxattr(path, &wire.scratch, 65536);
    if (length < 0) return error.Failed;
    var sum: u64 = 0;
    var names = std.mem.splitScalar(u8, wire.scratch[0..@intCast(length)], 0);
    while (names.next()) |name| {
        if (name.len == 0) continue;
        const value = wire.scratch[65536..][0..65536];
        const size = c.lgetxattr(path, name.ptr[0..name.len :0].ptr, value.ptr, value.len);
        if (size < 0) return error.Failed;
        // A sum, so that the order of the names does not matter.
        sum +%= std.hash.Wyhash.hash(std.hash.Wyhash.hash(1, name), value[0..@intCast(size)]);
    }
    return sum;
}
