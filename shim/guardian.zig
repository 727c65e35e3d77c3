//! The daemon's guardian: a tiny process that aborts the kernel's connection of the mount when the daemon has been killed.
//!
//! The kernel does so itself once every thread of the daemon has ended. But one may be inside write(2) to /dev/fuse, telling the kernel to
//! forget a name, and wait there for the lock of a directory, which a program holds that waits for an answer of the daemon: then neither
//! ever ends, and whoever comes later waits as well. Aborting the connection answers the program, which gives the lock back.
//!
//! The guardian is a program of its own, of a page, so that it needs none of the daemon's memory. It has one descriptor, 0: the file that
//! aborts. It takes no signals but one, which the kernel sends when the thread ends that has made the guardian (the daemon's first).

const std = @import("std");
const linux = std.os.linux;

/// The last realtime signal, which nobody else sends.
const daemon_ended = 64;

// An ELF file: waits for the signal `daemon_ended`, then writes "1" to descriptor 0.
comptime {
    asm (
        \\.pushsection .rodata
        \\.balign 8
        \\.hidden btfuse_guardian
        \\.hidden btfuse_guardian_end
        \\.globl btfuse_guardian
        \\.globl btfuse_guardian_end
        \\btfuse_guardian: # the header: 64 bits, little-endian, executable, x86-64, one segment
        \\  .byte 0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0
        \\  .short 2, 62
        \\  .long 1
        \\  .quad 0x400078, 64, 0
        \\  .long 0
        \\  .short 64, 56, 1, 64, 0, 0
        \\  # the segment: the whole file, to be read and executed
        \\  .long 1, 5
        \\  .quad 0, 0x400000, 0x400000, btfuse_guardian_end - btfuse_guardian, btfuse_guardian_end - btfuse_guardian, 4096
        \\1: leaq 2f(%rip), %rdi
        \\  xorl %esi, %esi
        \\  xorl %edx, %edx
        \\  movl $8, %r10d
        \\  movl $128, %eax # rt_sigtimedwait(2)
        \\  syscall
        \\  cmpl $64, %eax
        \\  jne 1b
        \\  xorl %edi, %edi
        \\  leaq 3f(%rip), %rsi
        \\  movl $1, %edx
        \\  movl $1, %eax # write(2)
        \\  syscall
        \\  xorl %edi, %edi
        \\  movl $231, %eax # exit_group(2)
        \\  syscall
        \\.balign 8
        \\2: .quad 0x8000000000000000 # the set of signal 64
        \\3: .byte '1'
        \\btfuse_guardian_end:
        \\.popsection
    );
}
extern const btfuse_guardian: u8;
extern const btfuse_guardian_end: u8;

var abort_fd: i32 = -1;
var program_fd: i32 = -1;
var guardian_pid: i32 = 0;
var stack: [16 * 1024]u8 align(16) = undefined;

/// Starts the guardian of the mount whose device has this minor number. Once in a process, from its first thread. 0, or a negative errno.
export fn bt_guardian_start(minor: u32) i32 {
    const opened = openAbort(minor);
    abort_fd = descriptor(opened) orelse return errnoOf(opened);
    defer _ = linux.close(abort_fd);
    const close_on_exec = 1;
    const made = linux.memfd_create("btfuse-guardian", close_on_exec);
    program_fd = descriptor(made) orelse return errnoOf(made);
    defer _ = linux.close(program_fd);
    const bytes = @intFromPtr(&btfuse_guardian_end) - @intFromPtr(&btfuse_guardian);
    if (linux.write(program_fd, @ptrCast(&btfuse_guardian), bytes) != bytes) return -@as(i32, @intFromEnum(linux.E.NOSPC));

    // Every signal stays blocked in the guardian.
    var all: linux.sigset_t = undefined;
    @memset(std.mem.asBytes(&all), 0xff);
    var before: linux.sigset_t = undefined;
    _ = linux.sigprocmask(linux.SIG.BLOCK, &all, &before);
    defer _ = linux.sigprocmask(linux.SIG.SETMASK, &before, null);
    // It uses this memory until it has become the program, and makes system calls only. Its end is told to nobody, so that nobody who
    // waits for some other child finds it.
    const result = linux.clone(&become, @intFromPtr(&stack) + stack.len, linux.CLONE.VM | linux.CLONE.VFORK, 0, null, 0, null);
    guardian_pid = descriptor(result) orelse return errnoOf(result);
    return 0;
}

/// Ends the guardian, when the mount has ended.
export fn bt_guardian_end() void {
    if (guardian_pid == 0) return;
    _ = linux.kill(guardian_pid, .KILL);
    var status: u32 = undefined;
    const of_every_kind = 0x4000_0000; // __WALL
    while (linux.errno(linux.waitpid(guardian_pid, &status, of_every_kind)) == .INTR) {}
    guardian_pid = 0;
}

fn become(_: usize) callconv(.c) u8 {
    _ = linux.dup2(abort_fd, 0);
    // By number: the standard library's CLOSE_RANGE means other bits.
    const close_range_cloexec = 4;
    _ = linux.syscall3(.close_range, 1, std.math.maxInt(i32), close_range_cloexec);
    // So that a signal to the daemon's group of processes does not end it.
    _ = linux.setsid();
    _ = linux.chdir("/");
    _ = linux.prctl(@intFromEnum(linux.PR.SET_PDEATHSIG), daemon_ended, 0, 0, 0);
    const arguments = [_:null]?[*:0]const u8{"btfuse-guardian"};
    const none = [_:null]?[*:0]const u8{};
    const at_empty_path = 0x1000;
    _ = linux.syscall5(.execveat, @intCast(program_fd), @intFromPtr(""), @intFromPtr(&arguments), @intFromPtr(&none), at_empty_path);
    return 127;
}

/// The file that aborts the connection, and means this one for ever. Where nobody has mounted the file system that it belongs to, the daemon
/// does, in no directory, if it may.
fn openAbort(minor: u32) usize {
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CLOEXEC = true };
    var bytes: [64]u8 = undefined;
    const path = std.fmt.bufPrintSentinel(&bytes, "/sys/fs/fuse/connections/{d}/abort", .{minor}, 0) catch unreachable;
    const opened = linux.openat(linux.AT.FDCWD, path, flags, 0);
    if (linux.errno(opened) == .SUCCESS) return opened;
    const close_on_exec = 1;
    const context = descriptor(linux.syscall2(.fsopen, @intFromPtr("fusectl"), close_on_exec)) orelse return opened;
    defer _ = linux.close(context);
    const create = 6; // FSCONFIG_CMD_CREATE
    if (linux.errno(linux.syscall5(.fsconfig, @intCast(context), create, 0, 0, 0)) != .SUCCESS) return opened;
    const root = descriptor(linux.syscall3(.fsmount, @intCast(context), close_on_exec, 0)) orelse return opened;
    defer _ = linux.close(root);
    const name = std.fmt.bufPrintSentinel(&bytes, "{d}/abort", .{minor}, 0) catch unreachable;
    return linux.openat(root, name, flags, 0);
}

fn descriptor(result: usize) ?i32 {
    return if (linux.errno(result) == .SUCCESS) @intCast(result) else null;
}

fn errnoOf(result: usize) i32 {
    return -@as(i32, @intFromEnum(linux.errno(result)));
}
