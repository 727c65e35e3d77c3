//! Calls by which a program becomes somebody else, restricts itself, or sees other files than before by the same paths: as functions, and by
//! syscall(2) (`prepare`, for calls_syscall.zig). What follows from each is decided here; gate.zig says what it means.
//!
//! What is open stays open for whoever the process becomes, and the real files can be opened only as who it still is: so everything is
//! materialized first.

const std = @import("std");
const linux = std.os.linux;
const credentials = @import("credentials.zig");
const gate = @import("gate.zig");
const kernel_files = @import("kernel_files.zig");
const next = @import("next.zig");

const SYS = linux.SYS;

// Ids and capabilities

/// Functions by which libc changes all threads (nptl(7)).
const of_process = .{
    "setuid", "seteuid", "setreuid", "setresuid", "setgid", "setegid", "setregid", "setresgid", "setgroups", "initgroups",
};

/// Functions that change the calling thread only.
const of_thread = .{ "setfsuid", "setfsgid", "capset" };

fn OfProcess(comptime name: [:0]const u8) type {
    return struct {
        fn call(a: usize, b: usize, c: usize) callconv(.c) c_int {
            kernel_files.materializeAll(.all);
            credentials.change();
            defer {
                credentials.change();
                // The directories above the mount may be closed to who the process is now.
                gate.lookAnew();
            }
            return next.call(name, *const fn (usize, usize, usize) callconv(.c) c_int)(a, b, c);
        }
    };
}

fn OfThread(comptime name: [:0]const u8) type {
    return struct {
        fn call(a: usize, b: usize) callconv(.c) c_int {
            changeThread();
            return next.call(name, *const fn (usize, usize) callconv(.c) c_int)(a, b);
        }
    };
}

fn changeThread() void {
    credentials.changeThread();
    kernel_files.materializeAll(.all);
}

// What paths lead to

/// Flags of unshare(2) and setns(2), and of clone(2), for namespaces with which the daemon has to do; not so network, host name and others.
pub const shared_namespaces: usize = linux.CLONE.NEWNS | linux.CLONE.NEWUSER | linux.CLONE.NEWPID | linux.CLONE.NEWTIME;
/// Of unshare(2): the calling thread gets a working directory and a root, or descriptors, of its own.
const parted: usize = linux.CLONE.FS | linux.CLONE.FILES;

fn Elsewhere(comptime name: [:0]const u8) type {
    return struct {
        fn call(a: usize, b: usize, c: usize, d: usize, e: usize) callconv(.c) c_int {
            gate.close(.other_namespace);
            return next.call(name, *const fn (usize, usize, usize, usize, usize) callconv(.c) c_int)(a, b, c, d, e);
        }
    };
}

fn unshare(flags: c_int) callconv(.c) c_int {
    prepareUnshare(@as(c_uint, @bitCast(flags)));
    return next.call("unshare", *const fn (c_int) callconv(.c) c_int)(flags);
}

fn setns(fd: c_int, kind: c_int) callconv(.c) c_int {
    prepareSetns(@as(c_uint, @bitCast(kind)));
    return next.call("setns", *const fn (c_int, c_int) callconv(.c) c_int)(fd, kind);
}

fn prepareUnshare(flags: usize) void {
    if (flags & (shared_namespaces | parted) != 0) gate.close(.other_namespace);
}

/// 0: any kind.
fn prepareSetns(kind: usize) void {
    if (kind == 0 or kind & shared_namespaces != 0) gate.close(.other_namespace);
}

/// Before clone(2) with these flags. A child with other namespaces is not served, nor is one that shares only a part of what the library keeps
/// for a whole process; what a child knows it has from its parent, which therefore is not served any more, either.
pub fn prepareClone(flags: usize) void {
    const shared = linux.CLONE.VM | linux.CLONE.FS | linux.CLONE.FILES;
    // One like vfork's becomes another program, and nothing else happens meanwhile.
    const is_borrowed = flags & shared == linux.CLONE.VM and flags & linux.CLONE.VFORK != 0;
    const is_whole = flags & shared == 0 or flags & shared == shared or is_borrowed;
    if (!is_whole or flags & shared_namespaces != 0) gate.close(.other_namespace);
}

// Sandboxes

const pr_set_seccomp = 22;
const pr_set_syscall_user_dispatch = 59;

fn prctl(option: c_int, a: usize, b: usize, c: usize, d: usize) callconv(.c) c_int {
    preparePrctl(@as(c_uint, @bitCast(option)), a);
    return next.call("prctl", *const fn (c_int, usize, usize, usize, usize) callconv(.c) c_int)(option, a, b, c, d);
}

/// Others change what a program may become when it executes another one, which decides for itself.
fn preparePrctl(option: usize, value: usize) void {
    switch (option) {
        pr_set_seccomp => gate.closeSilently(),
        pr_set_syscall_user_dispatch => if (value != 0) gate.closeSilently(),
        else => {},
    }
}

const seccomp_set_mode_strict = 0;
const seccomp_set_mode_filter = 1;
const fsconfig_reconfigure = 7;

/// Before a system call of the program's own: `number` and its first arguments.
pub noinline fn prepare(number: usize, a: usize, b: usize) void {
    switch (number) {
        @intFromEnum(SYS.setuid),
        @intFromEnum(SYS.setreuid),
        @intFromEnum(SYS.setresuid),
        @intFromEnum(SYS.setgid),
        @intFromEnum(SYS.setregid),
        @intFromEnum(SYS.setresgid),
        @intFromEnum(SYS.setgroups),
        @intFromEnum(SYS.setfsuid),
        @intFromEnum(SYS.setfsgid),
        @intFromEnum(SYS.capset),
        => changeThread(),
        @intFromEnum(SYS.chroot),
        @intFromEnum(SYS.pivot_root),
        @intFromEnum(SYS.mount),
        @intFromEnum(SYS.umount2),
        @intFromEnum(SYS.move_mount),
        @intFromEnum(SYS.mount_setattr),
        => gate.close(.other_namespace),
        // Mounts that others make (open_tree, fsmount) lie nowhere before they are moved.
        @intFromEnum(SYS.fsconfig) => if (b == fsconfig_reconfigure) gate.close(.other_namespace),
        @intFromEnum(SYS.unshare) => prepareUnshare(a),
        @intFromEnum(SYS.setns) => prepareSetns(b),
        @intFromEnum(SYS.seccomp) => if (a == seccomp_set_mode_strict or a == seccomp_set_mode_filter) gate.closeSilently(),
        @intFromEnum(SYS.landlock_restrict_self) => gate.closeSilently(),
        @intFromEnum(SYS.prctl) => preparePrctl(a, b),
        else => {},
    }
}

comptime {
    for (of_process) |name| @export(&OfProcess(name).call, .{ .name = name });
    for (of_thread) |name| @export(&OfThread(name).call, .{ .name = name });
    for (.{ "chroot", "pivot_root", "mount", "umount", "umount2", "move_mount", "mount_setattr", "fsconfig" }) |name| {
        @export(&Elsewhere(name).call, .{ .name = name });
    }
    @export(&unshare, .{ .name = "unshare" });
    @export(&setns, .{ .name = "setns" });
    @export(&prctl, .{ .name = "prctl" });
}
