//! Makes the one-file executable: `btfuse-pack OUTPUT LAUNCHER DENO MAIN_SCRIPT FILE...`, each of
//! the last as NAME=PATH. The format is described in payload.zig.

const std = @import("std");
const linux = std.os.linux;
const payload = @import("payload.zig");

pub fn main(init: std.process.Init.Minimal) u8 {
    const arguments = init.args.vector;
    if (arguments.len < 5 or arguments.len - 3 > payload.entry_count_max) {
        return fail("usage: btfuse-pack OUTPUT LAUNCHER NAME=DENO NAME=MAIN_SCRIPT [NAME=FILE...]", "");
    }
    const output_path = arguments[1];
    const parts = arguments[3..];
    var storage: [payload.entry_count_max][]const u8 = undefined;
    const contents = storage[0..parts.len];
    var entries_storage: [payload.entry_count_max]payload.Entry = undefined;
    const entries = entries_storage[0..parts.len];

    const launcher = map(arguments[2]) orelse return fail("cannot read ", std.mem.span(arguments[2]));
    var offset_bytes: u64 = launcher.len;
    for (parts, contents, entries) |part, *content, *entry| {
        const name, const path = std.mem.cut(u8, std.mem.span(part), "=") orelse return fail("no NAME=PATH: ", std.mem.span(part));
        content.* = map(@ptrCast(path.ptr)) orelse return fail("cannot read ", path);
        entry.* = .{ .offset_bytes = offset_bytes, .size_bytes = content.len, .hash = payload.hashOf(content.*) };
        if (name.len >= entry.name.len) return fail("name too long: ", name);
        @memcpy(entry.name[0..name.len], name);
        offset_bytes += content.len;
    }
    // Deno is kept apart from what changes with every build.
    nameDirectory(entries[0..1]);
    nameDirectory(entries[1..]);

    const entries_bytes = std.mem.sliceAsBytes(entries);
    const trailer: payload.Trailer = .{
        .entries_offset_bytes = offset_bytes,
        .entry_count = @intCast(entries.len),
        .entries_hash = payload.hashOf(entries_bytes),
        .file_size_bytes = offset_bytes + entries_bytes.len + @sizeOf(payload.Trailer),
    };

    const created = linux.open(output_path, .{ .ACCMODE = .WRONLY, .CREAT = true, .TRUNC = true }, 0o755);
    if (linux.errno(created) != .SUCCESS) return fail("cannot create ", std.mem.span(output_path));
    const output: i32 = @intCast(created);
    var written = writeAll(output, launcher);
    for (contents) |content| written = written and writeAll(output, content);
    written = written and writeAll(output, entries_bytes) and writeAll(output, std.mem.asBytes(&trailer));
    return if (written) 0 else fail("cannot write ", std.mem.span(output_path));
}

/// Gives the entries a common directory, named by their names and contents.
fn nameDirectory(entries: []payload.Entry) void {
    var hash = payload.Hash.init(.{});
    for (entries) |*entry| {
        hash.update(&entry.name);
        hash.update(&entry.hash);
    }
    var digest: [8]u8 = undefined;
    hash.final(&digest);
    const name = std.fmt.bytesToHex(digest, .lower);
    for (entries) |*entry| @memcpy(entry.directory[0..name.len], &name);
}

/// A whole file, mapped until the end of the program. Null: it cannot be read, or is empty.
fn map(path: [*:0]const u8) ?[]const u8 {
    const opened = linux.open(path, .{}, 0);
    if (linux.errno(opened) != .SUCCESS) return null;
    const file: i32 = @intCast(opened);
    defer _ = linux.close(file);
    var status: linux.Statx = undefined;
    if (linux.errno(linux.statx(file, "", linux.AT.EMPTY_PATH, .{ .SIZE = true }, &status)) != .SUCCESS) return null;
    const address = linux.mmap(null, status.size, .{ .READ = true }, .{ .TYPE = .PRIVATE }, file, 0);
    if (linux.errno(address) != .SUCCESS) return null;
    return @as([*]const u8, @ptrFromInt(address))[0..status.size];
}

fn writeAll(file: i32, bytes: []const u8) bool {
    var rest = bytes;
    while (rest.len > 0) {
        const result = linux.write(file, rest.ptr, rest.len);
        if (linux.errno(result) != .SUCCESS) return false;
        rest = rest[result..];
    }
    return true;
}

fn fail(what: []const u8, name: []const u8) u8 {
    for ([_][]const u8{ "btfuse-pack: ", what, name, "\n" }) |piece| _ = writeAll(2, piece);
    return 1;
}
