//! syscall(2), by which programs make calls that have no function, or whose functions they mistrust. Calls that are served
//! go to their functions; for the others that take descriptors, these are materialized.

const std = @import("std");
const linux = std.os.linux;
const calls_descriptor = @import("calls_descriptor.zig");
const calls_process = @import("calls_process.zig");
const calls_restrict = @import("calls_restrict.zig");
const cancellation = @import("cancellation.zig");
const descriptor_paths = @import("descriptor_paths.zig");
const descriptors = @import("descriptors.zig");
const holds = @import("holds.zig");
const kept = @import("kept.zig");
const kernel_files = @import("kernel_files.zig");
const limits = @import("limits.zig");
const materialize_words = @import("materialize_words.zig");
const memory_probe = @import("memory_probe.zig");
const next = @import("next.zig");
const system = @import("system.zig");
const system_calls = @import("system_calls.zig");

const SYS = linux.SYS;
const Arguments = [6]usize;

/// Calls that have a function with the same arguments and results, and how many arguments that are.
const Function = struct { SYS, [:0]const u8, usize };
const functions = [_]Function{
    .{ .open, "open", 3 },
    .{ .openat, "openat", 4 },
    .{ .close, "close", 1 },
    .{ .close_range, "close_range", 3 },
    .{ .dup, "dup", 1 },
    .{ .dup2, "dup2", 2 },
    .{ .dup3, "dup3", 3 },
    .{ .fcntl, "fcntl", 3 },
    .{ .read, "read", 3 },
    .{ .pread64, "pread64", 4 },
    .{ .readv, "readv", 3 },
    .{ .preadv, "preadv", 4 },
    .{ .write, "write", 3 },
    .{ .pwrite64, "pwrite64", 4 },
    .{ .writev, "writev", 3 },
    .{ .pwritev, "pwritev", 4 },
    .{ .creat, "creat", 2 },
    .{ .lseek, "lseek", 3 },
    .{ .ftruncate, "ftruncate", 2 },
    .{ .fallocate, "fallocate", 4 },
    .{ .copy_file_range, "copy_file_range", 6 },
    .{ .fchmod, "fchmod", 2 },
    .{ .fchown, "fchown", 3 },
    .{ .getdents64, "getdents64", 3 },
    .{ .stat, "stat", 2 },
    .{ .lstat, "lstat", 2 },
    .{ .fstat, "fstat", 2 },
    .{ .fstatat64, "fstatat", 4 },
    .{ .statx, "statx", 5 },
    .{ .access, "access", 2 },
    .{ .faccessat, "faccessat", 3 },
    .{ .faccessat2, "faccessat", 4 },
    .{ .readlink, "readlink", 3 },
    .{ .readlinkat, "readlinkat", 4 },
    .{ .umask, "umask", 1 },
    .{ .chdir, "chdir", 1 },
    .{ .fchdir, "fchdir", 1 },
    .{ .ioctl, "ioctl", 3 },
    .{ .fsync, "fsync", 1 },
    .{ .fdatasync, "fdatasync", 1 },
    .{ .mmap, "mmap", 6 },
    .{ .poll, "poll", 3 },
    .{ .select, "select", 5 },
    .{ .sendmsg, "sendmsg", 3 },
    .{ .sendmmsg, "sendmmsg", 4 },
    .{ .rmdir, "rmdir", 1 },
    .{ .unlinkat, "unlinkat", 3 },
    .{ .rename, "rename", 2 },
    .{ .renameat, "renameat", 4 },
    .{ .renameat2, "renameat2", 5 },
    .{ .fork, "fork", 0 },
    .{ .vfork, "fork", 0 },
    .{ .execve, "execve", 3 },
    .{ .execveat, "execveat", 5 },
    .{ .inotify_add_watch, "inotify_add_watch", 3 },
    .{ .fanotify_mark, "fanotify_mark", 5 },
    .{ .epoll_ctl, "epoll_ctl", 4 },
    .{ .bind, "bind", 3 },
    .{ .connect, "connect", 3 },
    .{ .mlock, "mlock", 2 },
    .{ .mlock2, "mlock2", 3 },
    .{ .mlockall, "mlockall", 1 },
};

fn syscall(number: usize, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) callconv(.c) isize {
    const arguments: Arguments = .{ a, b, c, d, e, f };
    // A library behind this one implements a function by this call: what there was to do was done when it was called.
    if (next.isPassing(number) and descriptors.inodeOf(@bitCast(@as(u32, @truncate(a)))) == null) return pass(number, &arguments);
    inline for (functions) |function| if (number == @intFromEnum(function[0])) return call(function, &arguments);
    kept.drop();
    if (descriptors.any()) if (materialize(system_calls.ruleOf(number), &arguments)) |errno| return next.fail(errno);
    switch (number) {
        @intFromEnum(SYS.ppoll) => calls_descriptor.materializePolled(@ptrFromInt(a), b),
        @intFromEnum(SYS.pselect6) => calls_descriptor.materializeSelected(
            @bitCast(@as(u32, @truncate(a))),
            .{ @ptrFromInt(b), @ptrFromInt(c), @ptrFromInt(d) },
        ),
        // Descriptors will go to the kernel through memory.
        @intFromEnum(SYS.io_uring_setup),
        @intFromEnum(SYS.io_uring_enter),
        @intFromEnum(SYS.io_uring_register),
        @intFromEnum(SYS.io_setup),
        @intFromEnum(SYS.io_submit),
        => if (!kernel_files.areStopped()) kernel_files.stop(),
        @intFromEnum(SYS.landlock_add_rule) => materialize_words.in(c, landlock_rule_bytes),
        @intFromEnum(SYS.bpf) => materialize_words.in(b, c),
        @intFromEnum(SYS.clone) => return clone(a, number, &arguments),
        @intFromEnum(SYS.clone3) => return clone(flagsOf(a) orelse return next.fail(.FAULT), number, &arguments),
        @intFromEnum(SYS.munmap), @intFromEnum(SYS.mprotect), @intFromEnum(SYS.pkey_mprotect) => memory_probe.forget(a, b),
        @intFromEnum(SYS.mremap), @intFromEnum(SYS.brk), @intFromEnum(SYS.shmdt) => memory_probe.forgetAll(),
        // What functions do that were served, functions have to know: limits.zig
        @intFromEnum(SYS.setrlimit), @intFromEnum(SYS.prlimit64) => {
            const result = pass(number, &arguments);
            limits.changed();
            return result;
        },
        else => calls_restrict.prepare(number, a, b),
    }
    return pass(number, &arguments);
}

/// struct landlock_path_beneath_attr, packed
const landlock_rule_bytes = 12;

/// The descriptors that the kernel is about to be given, and those that paths lead to.
/// An errno where a descriptor cannot be made real any more.
noinline fn materialize(rule: system_calls.Rule, arguments: *const Arguments) ?next.E {
    var dirfd: c_int = system.at_fdcwd;
    for (arguments, 0..) |argument, place| {
        const bit = @as(u8, 1) << @intCast(place);
        if (rule.descriptors & bit != 0) {
            dirfd = @bitCast(@as(u32, @truncate(argument)));
            kernel_files.materialize(dirfd);
            if (rule.paths == 0) if (kernel_files.lost(dirfd)) |errno| return errno;
        }
        if (rule.paths & bit != 0) descriptor_paths.materialize(dirfd, @as(?[*:0]const u8, @ptrFromInt(argument)));
    }
    return null;
}

fn pass(number: usize, a: *const Arguments) isize {
    const F = fn (usize, usize, usize, usize, usize, usize, usize) callconv(.c) isize;
    return next.call("syscall", *const F)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/// Through the function of this library, by a name of its own: under the function's name, another library may come before.
fn call(comptime function: Function, a: *const Arguments) isize {
    const F = fn (usize, usize, usize, usize, usize, usize) callconv(.c) isize;
    const address = @extern(*const F, .{ .name = own_prefix ++ function[1] });
    const hold = cancellation.beginPlainCall();
    defer if (hold) |started| holds.pop(started);
    var registers: Arguments = @splat(0);
    @memcpy(registers[0..function[2]], a[0..function[2]]);
    const result = address(registers[0], registers[1], registers[2], registers[3], registers[4], registers[5]);
    // Most return an int, of which half a register is meant.
    return if (isLong(function[0])) result else @as(i32, @truncate(result));
}

/// struct clone_args starts with them.
fn flagsOf(arguments: usize) ?u64 {
    const flags: ?*align(1) const u64 = @ptrFromInt(arguments);
    return if (memory_probe.canRead(flags, @sizeOf(u64))) flags.?.* else null;
}

fn isLong(number: SYS) bool {
    return switch (number) {
        .read, .pread64, .readv, .preadv, .write, .pwrite64, .writev, .pwritev, .copy_file_range, .lseek, .getdents64, .mmap, .sendmsg, .readlink, .readlinkat => true,
        else => false,
    };
}

const clone_vm = 0x100;
const clone_thread = 0x10000;

fn clone(flags: usize, number: usize, a: *const Arguments) isize {
    calls_restrict.prepareClone(flags);
    if (flags & clone_thread != 0) return pass(number, a);
    const copies_memory = flags & clone_vm == 0;
    kernel_files.closeGate();
    const result = pass(number, a);
    if (result == 0 and copies_memory) calls_process.startChild() else kernel_files.openGate();
    return result;
}

const own_prefix = "btfuse_own_";

comptime {
    var aliases: []const u8 = "";
    for (functions) |function| {
        aliases = aliases ++ ".set " ++ own_prefix ++ function[1] ++ ", " ++ function[1] ++ "\n";
    }
    asm (aliases);
    @export(&syscall, .{ .name = "syscall" });
}
