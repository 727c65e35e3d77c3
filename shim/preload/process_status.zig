//! What /proc/thread-self/status says of the calling thread, and /proc/PID/status of another process: ids, groups, capabilities, umask, and
//! whether a seccomp filter stands between the thread and the kernel. The only reader of these files in the library.
//!
//! It is read by openat(2), read(2) and close(2) alone: a filter that kills for system calls which it does not know lets these through, because
//! the dynamic linker needs them.

const std = @import("std");
const linux = std.os.linux;
const scratch = @import("scratch.zig");

pub const groups_max = 64;

pub const Status = struct {
    /// Real, effective, saved, of the file system.
    uids: [4]u32 = undefined,
    gids: [4]u32 = undefined,
    groups: [groups_max]u32 = undefined,
    /// More than groups_max: some are not there.
    group_count: usize = 0,
    permitted: u64 = 0,
    effective: u64 = 0,
    umask: u32 = 0,
    /// 0: none; 1: strict; 2: filters.
    seccomp_mode: u32 = 0,
    filter_count: u32 = 0,

    found: std.EnumSet(Line) = .initEmpty(),

    pub fn isRestricted(status: *const Status) bool {
        return status.seccomp_mode != 0;
    }
};

/// The lines that are looked at, called as the kernel calls them.
const Line = enum { Umask, Uid, Gid, Groups, CapPrm, CapEff, Seccomp, Seccomp_filters };

/// Of the calling thread. False: it cannot be read, or lacks something (Linux before 5.9 does not count filters, which matters where there
/// are some).
pub fn ofThread(status: *Status) bool {
    return readFile("/proc/thread-self/status", status);
}

pub fn ofProcess(pid: u32, status: *Status) bool {
    var path: [32]u8 = undefined;
    return readFile(std.fmt.bufPrintSentinel(&path, "/proc/{d}/status", .{pid}, 0) catch return false, status);
}

fn readFile(path: [*:0]const u8, status: *Status) bool {
    const opened = linux.openat(linux.AT.FDCWD, path, .{ .CLOEXEC = true }, 0);
    if (linux.errno(opened) != .SUCCESS) return false;
    const fd: i32 = @intCast(opened);
    defer _ = linux.close(fd);
    status.* = .{};
    // Lines are short, but for the groups of who has very many, and those behind all that is looked at.
    const room = scratch.take() orelse return false;
    defer room.release();
    const buffer = room.buffer[0..1024];
    var filled: usize = 0;
    while (true) {
        const length = linux.read(fd, buffer[filled..].ptr, buffer.len - filled);
        if (linux.errno(length) == .INTR) continue;
        if (linux.errno(length) != .SUCCESS) return false;
        if (length == 0) break;
        filled += length;
        var start: usize = 0;
        while (std.mem.indexOfScalarPos(u8, buffer[0..filled], start, '\n')) |end| : (start = end + 1) {
            if (!takeLine(status, buffer[start..end])) return false;
        }
        if (status.found.contains(.Seccomp_filters)) break;
        // A line that fills the buffer is one that is too long: what is in it is not found then.
        if (start == 0 and filled == buffer.len) filled = 0 else {
            std.mem.copyForwards(u8, buffer[0 .. filled - start], buffer[start..filled]);
            filled -= start;
        }
    }
    if (status.seccomp_mode == 0) status.found.insert(.Seccomp_filters);
    return status.found.count() == std.enums.values(Line).len;
}

/// False: it does not look as it should.
fn takeLine(status: *Status, text: []const u8) bool {
    const colon = std.mem.indexOfScalar(u8, text, ':') orelse return true;
    const line = std.meta.stringToEnum(Line, text[0..colon]) orelse return true;
    const value = std.mem.trim(u8, text[colon + 1 ..], " \t");
    status.found.insert(line);
    switch (line) {
        .Umask => status.umask = number(u32, value, 8) orelse return false,
        .Uid => if (numbers(value, &status.uids) != status.uids.len) return false,
        .Gid => if (numbers(value, &status.gids) != status.gids.len) return false,
        .Groups => status.group_count = numbers(value, &status.groups) orelse return false,
        .CapPrm => status.permitted = number(u64, value, 16) orelse return false,
        .CapEff => status.effective = number(u64, value, 16) orelse return false,
        .Seccomp => status.seccomp_mode = number(u32, value, 10) orelse return false,
        .Seccomp_filters => status.filter_count = number(u32, value, 10) orelse return false,
    }
    return true;
}

fn number(comptime T: type, text: []const u8, base: u8) ?T {
    return std.fmt.parseInt(T, text, base) catch null;
}

/// How many there are, of which `out` gets as many as it has room for.
fn numbers(text: []const u8, out: []u32) ?usize {
    var words = std.mem.tokenizeAny(u8, text, " \t");
    var count: usize = 0;
    while (words.next()) |word| : (count += 1) {
        const value = number(u32, word, 10) orelse return null;
        if (count < out.len) out[count] = value;
    }
    return count;
}
