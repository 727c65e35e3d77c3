//! Materializing when RLIMIT_NOFILE leaves no number free: the real file has to be opened before it can take its descriptor's place.
//!
//! Where the hard limit allows it, the soft limit is raised for that moment. Else the placeholder is closed first, and the real file, being
//! opened at once, gets its number, as long as no other thread of the process opens something in between.

const std = @import("std");
const linux = std.os.linux;
const descriptors = @import("descriptors.zig");
const kernel_files = @import("kernel_files.zig");
const placeholder = @import("placeholder.zig");
const system = @import("system.zig");

/// A descriptor of the real file, perhaps at `o`'s own number; negative: it cannot be had. The description's lock is held.
pub noinline fn openReal(o: descriptors.Open) c_int {
    if (raise()) |raised| {
        defer lower(raised);
        const real = kernel_files.openReal(o);
        if (real >= 0) return real;
    }
    return openInPlace(o);
}

/// dup3(2) onto a number that is above the limit.
pub noinline fn move(from: c_int, to: c_int, flags: u32) bool {
    const raised = raise() orelse return false;
    defer lower(raised);
    return linux.errno(linux.dup3(from, to, flags)) == .SUCCESS;
}

/// Reopening may take more than one.
const spare_count = 4;
const rlimit_nofile = 7;
const Limit = extern struct { soft: u64, hard: u64 };
const Raised = struct { before: Limit, now: Limit };

/// A thread has raised the limit; two at a time would not put it back.
var is_raised = false;

fn raise() ?Raised {
    if (@atomicRmw(bool, &is_raised, .Xchg, true, .acquire)) return null;
    if (getLimit()) |before| {
        // The program may have lowered it below what it has open.
        const wanted = @max(before.soft, descriptors.end()) + spare_count;
        // Above the hard limit it can be raised with CAP_SYS_RESOURCE only.
        for ([_]u64{ wanted, before.hard }) |soft| {
            const now: Limit = .{ .soft = soft, .hard = @max(soft, before.hard) };
            if (soft > before.soft and setLimit(now)) return .{ .before = before, .now = now };
        }
    }
    @atomicStore(bool, &is_raised, false, .release);
    return null;
}

/// The program may have set another limit meanwhile.
fn lower(raised: Raised) void {
    defer @atomicStore(bool, &is_raised, false, .release);
    const limit = getLimit() orelse return;
    if (limit.soft == raised.now.soft and limit.hard == raised.now.hard) _ = setLimit(raised.before);
}

fn getLimit() ?Limit {
    var limit: Limit = undefined;
    return if (linux.syscall4(.prlimit64, 0, rlimit_nofile, 0, @intFromPtr(&limit)) == 0) limit else null;
}

fn setLimit(limit: Limit) bool {
    return linux.syscall4(.prlimit64, 0, rlimit_nofile, @intFromPtr(&limit), 0) == 0;
}

fn openInPlace(o: descriptors.Open) c_int {
    // A number that is closed above the limit could not be had again.
    const limit = getLimit() orelse return -@as(c_int, @intFromEnum(linux.E.MFILE));
    if (@as(u64, @intCast(o.fd)) >= limit.soft) return -@as(c_int, @intFromEnum(linux.E.MFILE));
    const descriptor_flags = linux.fcntl(o.fd, linux.F.GETFD, 0);
    if (linux.errno(descriptor_flags) != .SUCCESS) return -@as(c_int, @intFromEnum(linux.E.BADF));
    const close_on_exec = descriptor_flags & linux.FD_CLOEXEC != 0;
    _ = linux.syscall1(.close, system.word(o.fd));
    const real = kernel_files.openReal(o);
    if (real == o.fd) {
        if (!close_on_exec) _ = linux.fcntl(real, linux.F.SETFD, 0);
        return real;
    }
    const is_free = linux.errno(linux.fcntl(o.fd, linux.F.GETFD, 0)) == .BADF;
    if (real < 0 and is_free) restore(o.fd, close_on_exec);
    // A lower number was closed meanwhile: the caller moves the file.
    if (real >= 0 and is_free) _ = linux.dup3(real, o.fd, @bitCast(linux.O{ .CLOEXEC = close_on_exec }));
    return real;
}

/// The file cannot be opened: calls on the descriptor go on failing as before.
fn restore(fd: c_int, close_on_exec: bool) void {
    const new = placeholder.duplicate(close_on_exec);
    if (new < 0 or new == fd) return;
    _ = linux.dup3(new, fd, @bitCast(linux.O{ .CLOEXEC = close_on_exec }));
    _ = linux.syscall1(.close, system.word(new));
}
