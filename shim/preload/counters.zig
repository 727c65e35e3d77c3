//! What the library did, for BTFUSE_REPORT=1: for each operation how many calls it served itself (fast), through
//! the ring, and left to the kernel, these by reason. One line an operation goes to standard error at exit:
//!
//!     btfuse: PID stat fast=12 ring=0 kernel=3 other_path=2 busy=1
//!
//! Operations that were never called are left out. Without BTFUSE_REPORT counting is one predictable branch.

const std = @import("std");
const linux = std.os.linux;
const early = @import("early.zig");
const gate = @import("gate.zig");

pub const Op = enum {
    stat,
    fstat,
    statx,
    access,
    readlink,
    statfs,
    chdir,
    getcwd,
    realpath,
    mkdir,
    mknod,
    symlink,
    link,
    unlink,
    rmdir,
    rename,
    chmod,
    chown,
    truncate,
    utime,
    xattr,
    open,
    close,
    read,
    write,
    lseek,
    dup,
    fcntl,
    directory,
    map,
    process,
    /// Any other call that takes a descriptor.
    descriptor,
    /// Any other call that takes a path.
    path,
};

/// Why a call was left to the kernel.
pub const Reason = enum {
    /// The path does not lead below the mount, as far as can be told from its text.
    other_path,
    /// It does, but "..", a link or the working directory lead out of the mount.
    leaves_mount,
    /// There is no region to look at, or not of this version, or the mount has ended.
    not_attached,
    /// Not the user who mounted, with all of their ids: the kernel decides who may come in.
    other_user,
    /// The process sees other files or processes than the daemon: namespaces, root directory, an id-mapped mount.
    other_namespace,
    /// A seccomp filter, a Landlock domain or a security module stands between the process and the kernel.
    sandboxed,
    /// The program makes system calls by itself, which the library would not see.
    own_calls,
    /// The mount's path leads elsewhere by now, or something was mounted on it or in it.
    mount_changed,
    /// The descriptor is an ordinary one.
    other_descriptor,
    /// What was looked at kept changing.
    busy,
    /// Access lists, or ids and capabilities that differ between threads.
    access_list,
    /// It depends on the flags of the mount (ro, noexec).
    mount_flags,
    /// The access time has to be changed.
    access_time,
    /// Arguments that are not understood here.
    arguments,
    write_open,
    created,
    special_file,
    removed,
    /// The kernel has to know the file.
    materialized,
    /// It has mapped the file for writing.
    mapped,
    /// Others append to it through the kernel.
    appended,
    /// Somebody watches it, and what happens to it is told by the kernel.
    watched,
    /// No descriptor, description or client record was free.
    no_room,
    no_memory,
    ring_unavailable,
    changes,
    /// Too few calls so far to be worth attaching the region.
    first_calls,
};

const op_count = @typeInfo(Op).@"enum".fields.len;
const reason_count = @typeInfo(Reason).@"enum".fields.len;

const State = enum(u8) { unknown, off, on };
var state: State linksection(early.section) = .unknown;
var fast_counts: [op_count]u64 = @splat(0);
var ring_counts: [op_count]u64 = @splat(0);
var kernel_counts: [op_count][reason_count]u64 = @splat(@splat(0));

pub inline fn fast(op: Op) void {
    if (@atomicLoad(State, &state, .monotonic) != .off) add(&fast_counts[@intFromEnum(op)]);
}

pub inline fn ring(op: Op) void {
    if (@atomicLoad(State, &state, .monotonic) != .off) add(&ring_counts[@intFromEnum(op)]);
}

pub inline fn kernel(op: Op, reason: Reason) void {
    if (@atomicLoad(State, &state, .monotonic) != .off) {
        add(&kernel_counts[@intFromEnum(op)][@intFromEnum(reason)]);
    }
}

/// In a new child: what its parent did is its parent's.
pub fn reset() void {
    fast_counts = @splat(0);
    ring_counts = @splat(0);
    kernel_counts = @splat(@splat(0));
}

extern "c" fn getenv(name: [*:0]const u8) ?[*:0]const u8;
extern "c" fn __cxa_atexit(function: *const fn (?*anyopaque) callconv(.c) void, argument: ?*anyopaque, object: ?*anyopaque) c_int;

noinline fn add(counter: *u64) void {
    if (@atomicLoad(State, &state, .monotonic) == .unknown) decide();
    if (@atomicLoad(State, &state, .monotonic) == .on) _ = @atomicRmw(u64, counter, .Add, 1, .monotonic);
}

fn decide() void {
    const wanted = if (getenv("BTFUSE_REPORT")) |value| value[0] == '1' and value[1] == 0 and gate.mayAct() else false;
    const decided: State = if (wanted) .on else .off;
    if (@cmpxchgStrong(State, &state, .unknown, decided, .monotonic, .monotonic) != null) return;
    if (!wanted) return;
    // Programs close their standard error at exit, some before this comes to write.
    const result = linux.fcntl(2, linux.F.DUPFD_CLOEXEC, report_fd_min);
    if (linux.errno(result) == .SUCCESS) report_fd = @intCast(result);
    _ = __cxa_atexit(&report, null, null);
}

var is_reported = false;
const report_fd_min = 500;
var report_fd: i32 = 2;

/// The last moment at which the report may be written.
pub fn finish() void {
    if (@atomicRmw(State, &state, .Xchg, .off, .monotonic) == .on) report(null);
}

fn report(_: ?*anyopaque) callconv(.c) void {
    if (@atomicRmw(bool, &is_reported, .Xchg, true, .monotonic)) return;
    // One write, so that the lines of several processes do not mix.
    var buffer: [8192]u8 = undefined;
    var text = std.Io.Writer.fixed(&buffer);
    for (std.enums.values(Op)) |op| writeLine(&text, op) catch break;
    _ = linux.write(report_fd, buffer[0..text.end].ptr, text.end);
}

fn writeLine(text: *std.Io.Writer, op: Op) !void {
    const index = @intFromEnum(op);
    var kernel_count: u64 = 0;
    for (kernel_counts[index]) |count| kernel_count += count;
    if (fast_counts[index] + ring_counts[index] + kernel_count == 0) return;
    try text.print("btfuse: {d} {t} fast={d} ring={d} kernel={d}", .{
        @as(u32, @intCast(linux.getpid())), op, fast_counts[index], ring_counts[index], kernel_count,
    });
    for (std.enums.values(Reason)) |reason| {
        const count = kernel_counts[index][@intFromEnum(reason)];
        if (count != 0) try text.print(" {t}={d}", .{ reason, count });
    }
    try text.writeByte('\n');
}
