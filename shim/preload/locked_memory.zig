//! mlockall(2), mlock(2) and mlock2(2): the region is left out. Locking it would take memory for every block that the mount may ever have,
//! holes included, and nobody who asks for his own memory to be locked means the files of a mount.

const std = @import("std");
const linux = std.os.linux;
const next = @import("next.zig");
const region = @import("region.zig");
const system = @import("system.zig");

const mcl_current = 1;
const mcl_onfault = 4;
const mlock_onfault = 1;

/// Addresses from `start` up to `end`.
pub const Range = struct { start: usize, end: usize };

fn mlockall(flags: c_int) callconv(.c) c_int {
    const call = next.call("mlockall", *const fn (c_int) callconv(.c) c_int);
    const mapped = regionRange() orelse return call(flags);
    const known = flags > 0 and flags & ~@as(c_int, mcl_current | 2 | mcl_onfault) == 0;
    if (!known or flags & mcl_current == 0) return call(flags);
    const on_fault = flags & mcl_onfault != 0;
    if (lockAllBut(mapped, on_fault)) |e| {
        // It is all or nothing.
        _ = linux.syscall0(.munlockall);
        return next.fail(e);
    }
    // What is mapped from now on; the region is there already, and mapped so that this does not concern it.
    const future = flags & ~@as(c_int, mcl_current);
    return if (future & ~@as(c_int, mcl_onfault) == 0) 0 else call(future);
}

fn mlock(start: usize, length: usize) callconv(.c) c_int {
    return lockParts(start, length, 0) orelse next.call("mlock", *const fn (usize, usize) callconv(.c) c_int)(start, length);
}

fn mlock2(start: usize, length: usize, flags: c_uint) callconv(.c) c_int {
    return lockParts(start, length, flags) orelse next.call("mlock2", *const fn (usize, usize, c_uint) callconv(.c) c_int)(start, length, flags);
}

fn regionRange() ?Range {
    const v = region.view() orelse return null;
    return .{ .start = @intFromPtr(v.base), .end = @intFromPtr(v.base) + v.length };
}

/// Null: none of it is the region.
fn lockParts(start: usize, length: usize, flags: c_uint) ?c_int {
    const mapped = regionRange() orelse return null;
    const end = std.math.add(usize, start, length) catch return null;
    if (end <= mapped.start or start >= mapped.end) return null;
    const parts = [_]Range{ .{ .start = start, .end = mapped.start }, .{ .start = mapped.end, .end = end } };
    for (parts) |part| {
        if (part.start >= part.end) continue;
        const result = lockRange(part, flags);
        if (result != .SUCCESS) return next.fail(result);
    }
    return 0;
}

fn lockRange(range: Range, flags: c_uint) next.E {
    const length = range.end - range.start;
    return linux.errno(if (flags == 0)
        linux.syscall2(.mlock, range.start, length)
    else
        linux.syscall3(.mlock2, range.start, length, flags));
}

/// Locks every mapping of the process but this range.
fn lockAllBut(excluded: Range, on_fault: bool) ?next.E {
    var lines = Lines.open("/proc/self/maps") orelse return .AGAIN;
    defer lines.close();
    while (lines.next()) |line| {
        const range = parse(line) orelse continue;
        if (range.start >= excluded.start and range.end <= excluded.end) continue;
        const e = lockRange(range, if (on_fault) mlock_onfault else 0);
        // Where nothing may be accessed, there is nothing to be had; so it is with what the kernel maps on its own.
        if (e != .SUCCESS and isOrdinary(line)) return e;
    }
    return null;
}

/// The range of a line: start-end permissions offset device inode path. See proc_pid_maps(5).
pub fn parse(line: []const u8) ?Range {
    const dash = std.mem.indexOfScalar(u8, line, '-') orelse return null;
    const blank = std.mem.indexOfScalar(u8, line, ' ') orelse return null;
    if (dash > blank) return null;
    return .{
        .start = std.fmt.parseInt(usize, line[0..dash], 16) catch return null,
        .end = std.fmt.parseInt(usize, line[dash + 1 .. blank], 16) catch return null,
    };
}

fn isOrdinary(line: []const u8) bool {
    const blank = std.mem.indexOfScalar(u8, line, ' ') orelse return false;
    const is_accessible = !std.mem.startsWith(u8, line[blank + 1 ..], "---");
    return is_accessible and std.mem.indexOf(u8, line, "[v") == null;
}

/// The lines of a file, of which only the beginning counts where they are long.
pub const Lines = struct {
    fd: c_int,
    bytes: [512]u8 = undefined,
    start: usize = 0,
    end: usize = 0,

    pub fn open(path: [*:0]const u8) ?Lines {
        const opened = linux.open(path, .{ .CLOEXEC = true }, 0);
        return if (linux.errno(opened) == .SUCCESS) .{ .fd = @intCast(opened) } else null;
    }

    pub fn close(lines: *Lines) void {
        _ = linux.syscall1(.close, system.word(lines.fd));
    }

    pub fn next(lines: *Lines) ?[]const u8 {
        while (true) {
            const text = lines.bytes[lines.start..lines.end];
            if (std.mem.indexOfScalar(u8, text, '\n')) |length| {
                lines.start += length + 1;
                return text[0..length];
            }
            // A line that does not fit is a long path: what is known of it stays, the rest is not needed.
            const keep = @min(text.len, lines.bytes.len / 2);
            std.mem.copyForwards(u8, lines.bytes[0..keep], text[0..keep]);
            lines.start = 0;
            lines.end = keep;
            const count = linux.read(lines.fd, lines.bytes[keep..].ptr, lines.bytes.len - keep);
            if (linux.errno(count) == .INTR) continue;
            if (linux.errno(count) != .SUCCESS or count == 0) return null;
            lines.end += count;
        }
    }
};

comptime {
    @export(&mlockall, .{ .name = "mlockall" });
    @export(&mlock, .{ .name = "mlock" });
    @export(&mlock2, .{ .name = "mlock2" });
}
