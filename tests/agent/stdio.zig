//! Functions inside which libc reaches files without crossing its own symbol table: whoever stands between a
//! program and libc must catch each of them by its own name.

const std = @import("std");
const c = @import("libc.zig");
const wire = @import("wire.zig");

/// fopen, fread of at most `count` bytes, fclose. Payload as of the reading operations.
pub fn fopenRead(path: wire.Path, count: usize, literal_max: usize) i64 {
    const file = c.fopen(path.z, "r") orelse return -1;
    const length = c.fread(&wire.scratch, 1, count, file);
    if (c.fclose(file) != 0) return -1;
    wire.putRead(wire.scratch[0..length], literal_max);
    return @intCast(length);
}

/// fopen with `mode` ("w", "a", "r+", "wx" …), fwrite, fclose. Result: bytes written.
pub fn fopenWrite(path: wire.Path, mode: wire.Path, data: wire.Data) i64 {
    const file = c.fopen(path.z, mode.z) orelse return -1;
    const length = c.fwrite(data.bytes.ptr, 1, data.bytes.len, file);
    return if (c.fclose(file) == 0) @intCast(length) else -1;
}

/// A new file whose name starts with `prefix`. Payload: its name.
pub fn mkstemp(prefix: wire.Path, slot: usize) i64 {
    const template = temporary(prefix);
    const fd = c.mkostemp(template.ptr, c.O_CLOEXEC);
    if (fd >= 0) wire.putBytes(template);
    return wire.keep(slot, fd);
}

/// A new directory whose name starts with `prefix`. Payload: its name.
pub fn mkdtemp(prefix: wire.Path) i64 {
    const template = temporary(prefix);
    if (c.mkdtemp(template.ptr) == null) return -1;
    wire.putBytes(template);
    return 0;
}

var template_buffer: [4200:0]u8 = undefined;

fn temporary(prefix: wire.Path) [:0]u8 {
    return std.fmt.bufPrintSentinel(&template_buffer, "{s}XXXXXX", .{std.mem.span(prefix.z)}, 0) catch unreachable;
}

/// scandir with alphasort. Result: number of entries. Payload: the names, each with a zero byte.
pub fn scandir(path: wire.Path) i64 {
    var entries: [*]*c.Dirent = undefined;
    const count = c.scandir(path.z, &entries, null, &c.alphasort);
    if (count < 0) return -1;
    for (entries[0..@intCast(count)]) |entry| {
        const name: [*:0]const u8 = @ptrCast(&entry.name);
        wire.putBytes(std.mem.span(name)[0 .. std.mem.len(name) + 1]);
        c.free(entry);
    }
    c.free(@ptrCast(entries));
    return count;
}

/// Result: number of matches, 0 when there are none. Payload: the paths, each with a zero byte.
pub fn glob(pattern: wire.Path) i64 {
    var result: c.Glob = std.mem.zeroes(c.Glob);
    const failure = c.glob(pattern.z, 0, null, &result);
    defer c.globfree(&result);
    if (failure != 0) return if (failure == 3) 0 else wire.refuse(c.EINVAL);
    const paths = result.pathv orelse return 0;
    for (paths[0..result.pathc]) |path| {
        wire.putBytes(std.mem.span(path.?));
        wire.put(@as(u8, 0));
    }
    return @intCast(result.pathc);
}

/// nftw without following links. Result: number of visits. Payload: the sorted lines "kind path".
pub fn nftw(path: wire.Path) i64 {
    visits.clearRetainingCapacity();
    if (c.nftw(path.z, &visit, 16, 1) != 0) return -1;
    std.mem.sort([]const u8, visits.items, {}, before);
    for (visits.items) |line| {
        wire.putBytes(line);
        wire.put(@as(u8, 0));
        wire.allocator.free(line);
    }
    return @intCast(visits.items.len);
}

var visits: std.ArrayList([]const u8) = .empty;

fn visit(path: [*:0]const u8, _: *const c.Stat, kind: c_int, _: ?*anyopaque) callconv(.c) c_int {
    const line = std.fmt.allocPrint(wire.allocator, "{d} {s}", .{ kind, path }) catch @panic("out of memory");
    visits.append(wire.allocator, line) catch @panic("out of memory");
    return 0;
}

fn before(_: void, a: []const u8, b: []const u8) bool {
    return std.mem.lessThan(u8, a, b);
}
