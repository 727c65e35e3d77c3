//! Materializing when RLIMIT_NOFILE leaves no number free: the real file has to be opened before it can take its descriptor's place.
//!
//! Where the hard limit allows it, the soft limit is raised for that moment. Else the placeholder is closed first, and the real file, being
//! opened at once, gets its number, as long as no other thread of the process opens something in between.

const std = @import("std");
const linux = std.os.linux;
const descriptors = @import("descriptors.zig");
const placeholder = @import("placeholder.zig");
const system = @import("system.zig");

/// A descriptor of the real file, perhaps at `o`'s own number; negative: it cannot be had. The description's lock is held.
pub noinline fn openReal(o: descriptors.Open) c_int {
    if (raise()) |raised| {
        defer lower(raised);
        const real = descriptors.openReal(o);
        if (real >= 0) return real;
    }
    return openInPlace(o);
}

/// Reopening may take more than one.
const spare_count = 4;
const rlimit_nofile = 7;
const Limit = extern struct { soft: u64, hard: u64 };
const Raised = struct { before: u64, now: u64 };

/// A thread has raised the limit; two at a time would not put it back.
var is_raised = false;

fn raise() ?Raised {
    if (@atomicRmw(bool, &is_raised, .Xchg, true, .acquire)) return null;
    var limit: Limit = undefined;
    if (linux.syscall4(.prlimit64, 0, rlimit_nofile, 0, @intFromPtr(&limit)) == 0 and limit.soft < limit.hard) {
        const raised: Raised = .{ .before = limit.soft, .now = @min(limit.soft + spare_count, limit.hard) };
        limit.soft = raised.now;
        if (linux.syscall4(.prlimit64, 0, rlimit_nofile, @intFromPtr(&limit), 0) == 0) return raised;
    }
    @atomicStore(bool, &is_raised, false, .release);
    return null;
}

/// The program may have set another limit meanwhile.
fn lower(raised: Raised) void {
    defer @atomicStore(bool, &is_raised, false, .release);
    var limit: Limit = undefined;
    if (linux.syscall4(.prlimit64, 0, rlimit_nofile, 0, @intFromPtr(&limit)) != 0 or limit.soft != raised.now) return;
    limit.soft = raised.before;
    _ = linux.syscall4(.prlimit64, 0, rlimit_nofile, @intFromPtr(&limit), 0);
}

fn openInPlace(o: descriptors.Open) c_int {
    const descriptor_flags = linux.fcntl(o.fd, linux.F.GETFD, 0);
    if (linux.errno(descriptor_flags) != .SUCCESS) return -@as(c_int, @intFromEnum(linux.E.BADF));
    const close_on_exec = descriptor_flags & linux.FD_CLOEXEC != 0;
    _ = linux.syscall1(.close, system.word(o.fd));
    const real = descriptors.openReal(o);
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
