//! What the command line asks about files straight from the kernel. Deno asks through libc, and there a library such as
//! fakeroot's may answer with another owner; what decides whom we trust must be true.

const std = @import("std");
const linux = std.os.linux;

fn result(rc: usize) i32 {
    return @truncate(@as(isize, @bitCast(rc)));
}

/// The user whose rights this process has.
export fn bt_user() u32 {
    return linux.geteuid();
}

/// What a descriptor's file is: mode (with its type), owner, number of names. Null path: of `fd` itself; else of the name
/// in the directory `fd` (or -100), a symbolic link not followed.
export fn bt_file_identity(fd: i32, path: ?[*:0]const u8, out: *[3]u32) i32 {
    var found: linux.Statx = undefined;
    const flags: u32 = if (path == null) linux.AT.EMPTY_PATH else linux.AT.SYMLINK_NOFOLLOW;
    const rc = result(linux.statx(fd, path orelse "", flags, linux.STATX.BASIC_STATS, &found));
    if (rc == 0) out.* = .{ found.mode, found.uid, found.nlink };
    return rc;
}

/// Whether programs of this user may load the library: 1 or 0. A file system mounted noexec, or a missing right, forbids it.
export fn bt_is_loadable(path: [*:0]const u8) i32 {
    const opened = linux.open(path, .{ .CLOEXEC = true }, 0);
    if (linux.errno(opened) != .SUCCESS) return 0;
    const fd: i32 = @intCast(opened);
    defer _ = linux.close(fd);
    const mapped = linux.mmap(null, std.heap.page_size_min, .{ .READ = true, .EXEC = true }, .{ .TYPE = .PRIVATE }, fd, 0);
    if (linux.errno(mapped) != .SUCCESS) return 0;
    _ = linux.munmap(@ptrFromInt(mapped), std.heap.page_size_min);
    return 1;
}

/// A number made of a file's content, to name a copy by; 0: it cannot be read.
export fn bt_content_number(path: [*:0]const u8) u64 {
    const content = map(path) orelse return 0;
    defer unmap(content);
    return std.hash.Wyhash.hash(0, content);
}

/// Whether two files have the same content: 1 or 0.
export fn bt_is_same_content(a: [*:0]const u8, b: [*:0]const u8) i32 {
    const one = map(a) orelse return 0;
    defer unmap(one);
    const other = map(b) orelse return 0;
    defer unmap(other);
    return @intFromBool(std.mem.eql(u8, one, other));
}

/// A whole file, for as long as nobody cuts it off: of this user's own files only. Null: it cannot be read, or is empty.
fn map(path: [*:0]const u8) ?[]align(std.heap.page_size_min) const u8 {
    const opened = linux.open(path, .{ .CLOEXEC = true, .NOFOLLOW = true }, 0);
    if (linux.errno(opened) != .SUCCESS) return null;
    const fd: i32 = @intCast(opened);
    defer _ = linux.close(fd);
    var found: linux.Statx = undefined;
    if (result(linux.statx(fd, "", linux.AT.EMPTY_PATH, linux.STATX.BASIC_STATS, &found)) != 0) return null;
    if (found.uid != linux.geteuid() and found.uid != 0) return null;
    const address = linux.mmap(null, found.size, .{ .READ = true }, .{ .TYPE = .PRIVATE }, fd, 0);
    if (linux.errno(address) != .SUCCESS) return null;
    return @as([*]align(std.heap.page_size_min) const u8, @ptrFromInt(address))[0..found.size];
}

fn unmap(content: []align(std.heap.page_size_min) const u8) void {
    _ = linux.munmap(content.ptr, content.len);
}
