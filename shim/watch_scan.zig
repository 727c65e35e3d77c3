//! Programs outside of `btfuse run` that watch files of the mount (inotify(7), fanotify(7)): the kernel tells them only of what goes through
//! the kernel. It tells nobody who watches, but shows it in /proc/PID/fdinfo. What is watched is marked in its inode
//! (layout.kernel_uses_watch), so that clients leave it to the kernel.
//!
//! Looking at all descriptors of all processes takes milliseconds, so most processes are only asked how many descriptors they have, which
//! the link count's neighbour st_size of /proc/PID/fd says since Linux 6.2. Each is looked at in full when that has changed, when it has had
//! watches before, and every `rounds_between` scans in any case. Only processes that the daemon's user may look at are seen.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");

/// A process that was seen before. Two with the same place in the table are both looked at in full each time.
const Seen = struct {
    pid: u32 = 0,
    has_watches: bool = false,
    /// Of its directory of descriptors: another process with this pid has another one.
    ino: u64 = 0,
    count: i64 = 0,
};

const seen_count = 4096;
const rounds_between = 32;

var seen: [seen_count]Seen = @splat(.{});
var round: u32 = 0;
/// Held during a scan, of which one at a time is done; both workers' threads and the main one come here.
var is_scanning = false;

const nap_nanoseconds = 100_000;

/// Marks what is watched now. How many watches of the mount were found.
export fn bt_watch_scan(region_address: u64) i32 {
    while (@atomicRmw(bool, &is_scanning, .Xchg, true, .acquire)) nap();
    defer @atomicStore(bool, &is_scanning, false, .release);
    const super: *volatile layout.Superblock = @ptrFromInt(region_address);
    const start = milliseconds();
    round +%= 1;
    var scan: Scan = .{
        .device = kernelDevice(super.device),
        .inodes = @ptrFromInt(region_address + @as(u64, super.inode_page) * layout.page_bytes),
        .inode_count = super.inode_count_max,
    };
    scan.processes();
    @atomicStore(u32, @volatileCast(&super.watches_seen_at), start, .release);
    return scan.found;
}

fn milliseconds() u32 {
    var now: linux.timespec = undefined;
    _ = linux.clock_gettime(.MONOTONIC_COARSE, &now);
    return @truncate(@as(u64, @intCast(now.sec)) * std.time.ms_per_s + @as(u64, @intCast(now.nsec)) / std.time.ns_per_ms);
}

fn nap() void {
    const time: linux.timespec = .{ .sec = 0, .nsec = nap_nanoseconds };
    _ = linux.nanosleep(&time, null);
}

/// A device number as fdinfo has it, from the one that stat(2) has.
fn kernelDevice(device: u64) u64 {
    const major = device >> 8 & 0xfff;
    const minor = (device & 0xff) | (device >> 12 & 0xfff00);
    return major << 20 | minor;
}

const Scan = struct {
    device: u64,
    inodes: [*]volatile layout.Inode,
    inode_count: u32,
    found: i32 = 0,

    fn processes(scan: *Scan) void {
        var entries = Entries.open("/proc") orelse return;
        defer entries.close();
        while (entries.next()) |name| {
            const pid = std.fmt.parseInt(u32, name, 10) catch continue;
            scan.process(pid);
        }
    }

    fn process(scan: *Scan, pid: u32) void {
        var buffer: [32]u8 = undefined;
        const path = std.fmt.bufPrintSentinel(&buffer, "/proc/{d}/fd", .{pid}, 0) catch return;
        var stat: linux.Statx = undefined;
        if (linux.errno(linux.statx(linux.AT.FDCWD, path, 0, .{ .INO = true, .SIZE = true }, &stat)) != .SUCCESS) return;
        const now: Seen = .{ .pid = pid, .ino = stat.ino, .count = @intCast(stat.size) };
        const known = &seen[pid % seen_count];
        const is_same = known.pid == pid and known.ino == now.ino and known.count == now.count and now.count != 0;
        if (is_same and !known.has_watches and (pid +% round) % rounds_between != 0) return;
        known.* = now;
        known.has_watches = scan.descriptors(pid, path);
    }

    /// Whether there are any through which something is watched.
    fn descriptors(scan: *Scan, pid: u32, path: [*:0]const u8) bool {
        var entries = Entries.open(path) orelse return false;
        defer entries.close();
        var has_watches = false;
        while (entries.next()) |name| {
            var target: [32]u8 = undefined;
            const length = linux.readlinkat(entries.fd, name, &target, target.len);
            if (linux.errno(length) != .SUCCESS) continue;
            const text = target[0..length];
            if (!std.mem.eql(u8, text, "anon_inode:inotify") and !std.mem.eql(u8, text, "anon_inode:[fanotify]")) continue;
            has_watches = true;
            scan.watches(pid, name);
        }
        return has_watches;
    }

    /// Lines such as "inotify wd:1 ino:7b sdev:2a mask:…" and "fanotify ino:7b sdev:2a mflags:…", numbers in hexadecimal.
    fn watches(scan: *Scan, pid: u32, descriptor: [*:0]const u8) void {
        var buffer: [64]u8 = undefined;
        const path = std.fmt.bufPrintSentinel(&buffer, "/proc/{d}/fdinfo/{s}", .{ pid, descriptor }, 0) catch return;
        const opened = linux.open(path, .{ .CLOEXEC = true }, 0);
        if (linux.errno(opened) != .SUCCESS) return;
        const fd: i32 = @intCast(opened);
        defer _ = linux.close(fd);
        var bytes: [16384]u8 = undefined;
        var kept: usize = 0;
        while (true) {
            const count = linux.read(fd, bytes[kept..].ptr, bytes.len - kept);
            if (linux.errno(count) != .SUCCESS or count == 0) return;
            const text = bytes[0 .. kept + count];
            var rest = text;
            while (std.mem.indexOfScalar(u8, rest, '\n')) |end| {
                scan.line(rest[0..end]);
                rest = rest[end + 1 ..];
            }
            if (rest.len == bytes.len) return;
            std.mem.copyForwards(u8, bytes[0..rest.len], rest);
            kept = rest.len;
        }
    }

    fn line(scan: *Scan, text: []const u8) void {
        if (hexadecimal(text, " sdev:") != scan.device) return;
        const ino = hexadecimal(text, " ino:") orelse return;
        if (ino == 0 or ino >= scan.inode_count) return;
        const inode = &scan.inodes[@intCast(ino)];
        // What is watched the kernel refers to. The mark ends when it does not any more.
        if (inode.mode == 0 or inode.lookup_count == 0 and ino != layout.root_ino) return;
        scan.found +|= 1;
        if (inode.kernel_uses & layout.kernel_uses_watch != 0) return;
        _ = @atomicRmw(u32, @volatileCast(&inode.kernel_uses), .Or, layout.kernel_uses_watch, .seq_cst);
    }
};

fn hexadecimal(text: []const u8, key: []const u8) ?u64 {
    const start = (std.mem.indexOf(u8, text, key) orelse return null) + key.len;
    const end = std.mem.indexOfScalarPos(u8, text, start, ' ') orelse text.len;
    return std.fmt.parseInt(u64, text[start..end], 16) catch null;
}

/// The names in a directory.
const Entries = struct {
    fd: i32,
    bytes: [8192]u8 align(8) = undefined,
    at: usize = 0,
    length: usize = 0,

    fn open(path: [*:0]const u8) ?Entries {
        const opened = linux.open(path, .{ .DIRECTORY = true, .CLOEXEC = true }, 0);
        return if (linux.errno(opened) == .SUCCESS) .{ .fd = @intCast(opened) } else null;
    }

    fn close(entries: *Entries) void {
        _ = linux.close(entries.fd);
    }

    fn next(entries: *Entries) ?[:0]const u8 {
        if (entries.at == entries.length) {
            const count = linux.getdents64(entries.fd, &entries.bytes, entries.bytes.len);
            if (linux.errno(count) != .SUCCESS or count == 0) return null;
            entries.at = 0;
            entries.length = count;
        }
        const entry: *align(1) linux.dirent64 = @ptrCast(&entries.bytes[entries.at]);
        entries.at += entry.reclen;
        return std.mem.span(@as([*:0]const u8, @ptrCast(&entry.name)));
    }
};
