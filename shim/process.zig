//! Process and mount calls the command line needs and Deno does not offer: a child in its own
//! session with nothing inherited, reaping it, becoming another program, and umount2(2).

const std = @import("std");
const linux = std.os.linux;

const exec_failed_status = 127;
const log_flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .APPEND = true, .NOFOLLOW = true };

fn result(rc: usize) i32 {
    return @truncate(@as(isize, @bitCast(rc)));
}

/// Starts `path` as a daemon: own session, working directory `/`, stdin from /dev/null, stdout
/// and stderr appended to `log_path`, an empty signal mask and no other descriptor. Returns its
/// pid. A log that cannot be opened or a failing execve shows as exit status 127.
export fn bt_process_spawn(
    path: [*:0]const u8,
    argv: [*:null]const ?[*:0]const u8,
    envp: [*:null]const ?[*:0]const u8,
    log_path: [*:0]const u8,
) i32 {
    // A plain fork: the child must not share this thread's stack, because Deno's other threads
    // go on running. The child makes system calls only, so the locks they hold do not matter.
    const pid = result(linux.fork());
    if (pid != 0) return pid;

    _ = linux.setsid();
    _ = linux.chdir("/");
    const no_signals = std.mem.zeroes(linux.sigset_t);
    _ = linux.sigprocmask(linux.SIG.SETMASK, &no_signals, null);
    bt_raise_limits(); // of its log, too
    const null_fd = result(linux.open("/dev/null", .{ .ACCMODE = .RDONLY }, 0));
    const log_fd = result(linux.open(log_path, log_flags, 0o600));
    if (null_fd < 0 or log_fd < 0) linux.exit_group(exec_failed_status);
    _ = linux.dup2(null_fd, 0);
    _ = linux.dup2(log_fd, 1);
    _ = linux.dup2(log_fd, 2);
    _ = linux.close_range(3, std.math.maxInt(i32), .{ .CLOEXEC = true, .UNSHARE = false });
    _ = linux.execve(path, argv, envp);
    linux.exit_group(exec_failed_status);
}

/// Raises the limits on the size of files and on processor time as far as allowed, and makes exceeding the first an error
/// (EFBIG) instead of the end of the process: a daemon must outlive the shell with such limits that started it.
export fn bt_raise_limits() void {
    setAction(.XFSZ, linux.SIG.IGN);
    for ([_]linux.rlimit_resource{ .FSIZE, .CPU }) |resource| {
        const none: linux.rlimit = .{ .cur = std.math.maxInt(u64), .max = std.math.maxInt(u64) };
        if (linux.errno(linux.setrlimit(resource, &none)) == .SUCCESS) continue;
        var limit: linux.rlimit = undefined;
        if (linux.errno(linux.getrlimit(resource, &limit)) != .SUCCESS) continue;
        limit.cur = limit.max;
        _ = linux.setrlimit(resource, &limit);
    }
}

fn setAction(signal: linux.SIG, handler: ?linux.Sigaction.handler_fn) void {
    const action: linux.Sigaction = .{
        .handler = .{ .handler = handler },
        .mask = std.mem.zeroes(linux.sigset_t),
        .flags = 0,
    };
    _ = linux.sigaction(signal, &action, null);
}

/// waitpid(2) without waiting: 0 while child `pid` runs, its pid when it has ended, then with the
/// wait status in `status`.
export fn bt_process_reap(pid: i32, status: *u32) i32 {
    return result(linux.waitpid(pid, status, linux.W.NOHANG));
}

/// Becomes another program: same process, same descriptors but those of Deno, which close by themselves. What Deno's
/// start has changed becomes again what it was: the limit of open files (0 = not known, leave it), and SIGPIPE, which
/// Deno ignores and every program counts on, and SIGXFSZ. Returns only on failure.
export fn bt_exec(
    path: [*:0]const u8,
    argv: [*:null]const ?[*:0]const u8,
    envp: [*:null]const ?[*:0]const u8,
    nofile_soft: u64,
) i32 {
    setAction(.PIPE, linux.SIG.DFL);
    var limit: linux.rlimit = undefined;
    // What the launcher ignores where files are limited (shim/launcher_limits.zig).
    if (linux.errno(linux.getrlimit(.FSIZE, &limit)) == .SUCCESS and limit.cur != std.math.maxInt(u64)) setAction(.XFSZ, linux.SIG.DFL);
    if (nofile_soft != 0 and linux.errno(linux.getrlimit(.NOFILE, &limit)) == .SUCCESS) {
        limit.cur = @min(nofile_soft, limit.max);
        _ = linux.setrlimit(.NOFILE, &limit);
    }
    return result(linux.execve(path, argv, envp));
}

/// Whether there is no process with this pid, not even one that has ended and was not waited for: 1 or 0.
export fn bt_process_is_gone(pid: u32) i32 {
    const signed = std.math.cast(i32, pid) orelse return 0;
    return @intFromBool(signed > 0 and linux.errno(linux.kill(signed, @enumFromInt(0))) == .SRCH);
}

/// Makes the directory of this descriptor the working directory, and closes it.
export fn bt_enter(fd: i32) i32 {
    defer _ = linux.close(fd);
    return result(linux.fchdir(fd));
}

/// Whether the program file gives capabilities(7) to who runs it: 1 or 0.
export fn bt_has_capabilities(path: [*:0]const u8) i32 {
    var none: [1]u8 = undefined;
    return @intFromBool(result(linux.getxattr(path, "security.capability", &none, 0)) > 0);
}

export fn bt_umount(path: [*:0]const u8, flags: u32) i32 {
    return result(linux.umount2(path, flags));
}

/// mount(2) with flags alone: for MS_REMOUNT.
export fn bt_mount_flags(path: [*:0]const u8, flags: u32) i32 {
    return result(linux.mount("none", path, null, flags, 0));
}
