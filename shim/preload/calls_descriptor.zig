//! Calls for which the kernel must see the real file: the descriptors they name are materialized first.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const calls_process = @import("calls_process.zig");
const cancellation = @import("cancellation.zig");
const counters = @import("counters.zig");
const data = @import("data.zig");
const descriptor_paths = @import("descriptor_paths.zig");
const descriptors = @import("descriptors.zig");
const gate = @import("gate.zig");
const ioctl_arguments = @import("ioctl_arguments.zig");
const kept = @import("kept.zig");
const kernel_files = @import("kernel_files.zig");
const mount_files = @import("mount_files.zig");
const memory_probe = @import("memory_probe.zig");
const next = @import("next.zig");
const placeholder = @import("placeholder.zig");
const region = @import("region.zig");
const system = @import("system.zig");

/// A function of libc and the places of its arguments that are descriptors.
const Through = struct { [:0]const u8, []const u3 };

const through = [_]Through{
    // Data and space
    .{ "readahead", &.{0} },
    .{ "tee", &.{ 0, 1 } },
    .{ "vmsplice", &.{0} },
    .{ "eventfd_read", &.{0} },
    .{ "eventfd_write", &.{0} },
    .{ "aio_cancel", &.{0} },
    .{ "aio_cancel64", &.{0} },
    .{ "sync_file_range", &.{0} },
    .{ "syncfs", &.{0} },
    .{ "sendfile", &.{ 0, 1 } },
    .{ "sendfile64", &.{ 0, 1 } },
    .{ "splice", &.{ 0, 2 } },
    // Locks and waiting
    .{ "flock", &.{0} },
    .{ "epoll_wait", &.{0} },
    .{ "epoll_pwait", &.{0} },
    .{ "epoll_pwait2", &.{0} },
    .{ "inotify_rm_watch", &.{0} },
    .{ "timerfd_settime", &.{0} },
    .{ "timerfd_gettime", &.{0} },
    .{ "fpathconf", &.{0} },
    .{ "isfdtype", &.{0} },
    // Terminals, sockets and processes: with a file in their place the kernel gives an error of its own
    .{ "tcsetattr", &.{0} },
    .{ "tcsendbreak", &.{0} },
    .{ "tcdrain", &.{0} },
    .{ "tcflush", &.{0} },
    .{ "tcflow", &.{0} },
    .{ "tcgetpgrp", &.{0} },
    .{ "tcsetpgrp", &.{0} },
    .{ "tcgetsid", &.{0} },
    .{ "grantpt", &.{0} },
    .{ "unlockpt", &.{0} },
    .{ "ptsname", &.{0} },
    .{ "ptsname_r", &.{0} },
    .{ "listen", &.{0} },
    .{ "shutdown", &.{0} },
    .{ "getsockname", &.{0} },
    .{ "getpeername", &.{0} },
    .{ "getsockopt", &.{0} },
    .{ "setsockopt", &.{0} },
    .{ "sockatmark", &.{0} },
    .{ "send", &.{0} },
    .{ "sendto", &.{0} },
    .{ "recv", &.{0} },
    .{ "__recv_chk", &.{0} },
    .{ "recvfrom", &.{0} },
    .{ "__recvfrom_chk", &.{0} },
    .{ "recvmsg", &.{0} },
    .{ "recvmmsg", &.{0} },
    .{ "pidfd_send_signal", &.{0} },
    .{ "pidfd_getfd", &.{ 0, 1 } },
    .{ "process_madvise", &.{0} },
    .{ "process_mrelease", &.{0} },
    .{ "fsmount", &.{0} },
    .{ "fspick", &.{0} },
    .{ "open_tree", &.{0} },
    // Paths that start at a descriptor
    .{ "name_to_handle_at", &.{0} },
    .{ "open_by_handle_at", &.{0} },
    .{ "scandirat", &.{0} },
    .{ "scandirat64", &.{0} },
    // What is kept with the descriptor
    .{ "fdopen", &.{0} },
    .{ "vdprintf", &.{0} },
    .{ "__vdprintf_chk", &.{0} },
    .{ "backtrace_symbols_fd", &.{2} },
    .{ "posix_spawn_file_actions_adddup2", &.{1} },
    .{ "posix_spawn_file_actions_addfchdir_np", &.{1} },
};

/// The others return a pointer, an errno or nothing.
fn returnsMinusOne(comptime name: []const u8) bool {
    inline for (.{ "fdopen", "backtrace_symbols_fd", "posix_spawn" }) |start| if (std.mem.startsWith(u8, name, start)) return false;
    return true;
}

fn ThroughCall(comptime entry: Through) type {
    return struct {
        /// Every argument is a whole register, also those that the function does not have, and so is the result.
        const F = fn (usize, usize, usize, usize, usize, usize) callconv(.c) usize;

        fn call(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) callconv(.c) usize {
            kept.letMountGo();
            const arguments = [_]usize{ a, b, c, d, e, f };
            inline for (entry[1]) |place| {
                const fd: c_int = @bitCast(@as(u32, @truncate(arguments[place])));
                if (descriptors.find(fd)) |o| {
                    counters.kernel(.descriptor, .materialized);
                    kernel_files.materializeOpen(o);
                    if (returnsMinusOne(entry[0])) if (kernel_files.lost(fd)) |errno| return @bitCast(@as(isize, next.fail(errno)));
                }
            }
            return next.call(entry[0], *const F)(a, b, c, d, e, f);
        }
    };
}

/// dprintf(3), with any number of arguments, some on the stack: all stay where they are, and the next function is jumped to.
fn Dprintf(comptime name: [:0]const u8) type {
    return struct {
        fn prepare(fd: c_int) callconv(.c) *const anyopaque {
            kernel_files.materialize(fd);
            return next.call(name, *const anyopaque);
        }
        fn call() callconv(.naked) noreturn {
            asm volatile (calls_process.jump_to_next
                :
                : [prepare] "X" (&prepare),
            );
        }
    };
}

// Mapping: through the kernel's own pages, so that of a file which it maps for writing every byte is read and written there from then on.

fn Mmap(comptime name: [:0]const u8) type {
    return struct {
        fn call(address: usize, length: usize, protection: c_int, flags: c_int, fd: c_int, offset: i64) callconv(.c) usize {
            if (descriptors.find(fd)) |o| {
                counters.kernel(.map, .materialized);
                kernel_files.materializeOpen(o);
                if (kernel_files.lost(fd)) |e| return @bitCast(@as(isize, next.fail(e)));
                // Not before: where nothing can be mapped the file stays ours.
                if (isWritable(flags, o.flags)) mark(o.inode());
            } else if (fd >= 0) markReal(flags, fd);
            const result = next.call(name, *const fn (usize, usize, c_int, c_int, c_int, i64) callconv(.c) usize)(address, length, protection, flags, fd, offset);
            // What was there before may have gone without being seen.
            if (result +% 1 != 0) memory_probe.forget(result, length);
            return result;
        }
    };
}

const map_anonymous = 0x20;
const map_type_mask = 0x0f;
const map_private = 2;
const read_and_write = 2;

/// A mapping that may write the file, now or after mprotect(2).
fn isWritable(flags: c_int, open_flags: u32) bool {
    return flags & map_type_mask != map_private and open_flags & descriptors.access_mask == read_and_write;
}

fn mark(inode: *volatile layout.Inode) void {
    _ = @atomicRmw(u32, &inode.kernel_uses, .Or, layout.kernel_uses_map, .seq_cst);
}

/// The same of a file that the kernel has opened.
noinline fn markReal(flags: c_int, fd: c_int) void {
    if (flags & map_anonymous != 0 or flags & map_type_mask == map_private or !gate.mayAct()) return;
    const open_flags = linux.fcntl(fd, linux.F.GETFL, 0);
    if (linux.errno(open_flags) != .SUCCESS or !isWritable(flags, @truncate(open_flags))) return;
    if (region.inodeFound(system.fstat(fd) orelse return)) |inode| mark(inode);
}

/// lockf(3) is fcntl's F_SETLK inside of libc.
fn Lockf(comptime name: [:0]const u8) type {
    return struct {
        fn call(fd: c_int, command: c_int, length: i64) callconv(.c) c_int {
            kernel_files.materialize(fd);
            if (kernel_files.lost(fd)) |e| return next.fail(e);
            kernel_files.stopForLocks(fd);
            return next.call(name, *const fn (c_int, c_int, i64) callconv(.c) c_int)(fd, command, length);
        }
    };
}

// Synchronizing: what can be read is in the region, and nowhere else.

fn Sync(comptime name: [:0]const u8) type {
    return struct {
        fn call(fd: c_int) callconv(.c) c_int {
            if (descriptors.find(fd) == null) return next.call(name, *const fn (c_int) callconv(.c) c_int)(fd);
            cancellation.point();
            counters.fast(.descriptor);
            return 0;
        }
    };
}

// Advice changes nothing here: there is no disk to read ahead from.

const advice_max = 5;

fn Advice(comptime name: [:0]const u8) type {
    return struct {
        fn call(fd: c_int, offset: i64, length: i64, advice: c_int) callconv(.c) c_int {
            if (descriptors.find(fd) == null) {
                return next.call(name, *const fn (c_int, i64, i64, c_int) callconv(.c) c_int)(fd, offset, length, advice);
            }
            counters.fast(.descriptor);
            return if (length < 0 or advice < 0 or advice > advice_max) @intFromEnum(linux.E.INVAL) else 0;
        }
    };
}

// Terminals and devices: files are neither.

fn isatty(fd: c_int) callconv(.c) c_int {
    if (descriptors.find(fd) == null) return next.call("isatty", *const fn (c_int) callconv(.c) c_int)(fd);
    _ = next.fail(.NOTTY);
    return 0;
}

fn tcgetattr(fd: c_int, out: ?*anyopaque) callconv(.c) c_int {
    if (descriptors.find(fd) == null) return next.call("tcgetattr", *const fn (c_int, ?*anyopaque) callconv(.c) c_int)(fd, out);
    return next.fail(.NOTTY);
}

fn ttyname(fd: c_int) callconv(.c) ?[*:0]u8 {
    if (descriptors.find(fd) == null) return next.call("ttyname", *const fn (c_int) callconv(.c) ?[*:0]u8)(fd);
    _ = next.fail(.NOTTY);
    return null;
}

fn ttyname_r(fd: c_int, buffer: [*]u8, size: usize) callconv(.c) c_int {
    if (descriptors.find(fd) == null) return next.call("ttyname_r", *const fn (c_int, [*]u8, usize) callconv(.c) c_int)(fd, buffer, size);
    return @intFromEnum(linux.E.NOTTY);
}

fn ioctl(fd: c_int, request: c_ulong, argument: usize) callconv(.c) c_int {
    if (descriptors.find(fd)) |o| if (control(o, @truncate(request), argument)) |result| return result;
    ioctl_arguments.materialize(@truncate(request), argument);
    const result = next.call("ioctl", *const fn (c_int, c_ulong, ...) callconv(.c) c_int)(fd, request, argument);
    // FUSE says of every file that its blocks lie nowhere; tmpfs, that it does not know blocks.
    return if (request == fibmap and result == 0 and mount_files.isFile(fd)) next.fail(.INVAL) else result;
}

const fibmap = 1;
const fionread = 0x541b;
const fioclex = 0x5451;
const fionclex = 0x5450;
/// Requests to terminals all have this in the upper byte.
const terminal_requests = 0x54;

fn control(o: descriptors.Open, request: u32, argument: usize) ?c_int {
    switch (request) {
        fioclex, fionclex => {
            descriptors.notKeepable(o);
            _ = linux.fcntl(o.fd, linux.F.SETFD, @intFromBool(request == fioclex));
            return 0;
        },
        fionread => if (!o.isDirectory() and memory_probe.canWrite(@as(?*u8, @ptrFromInt(argument)), @sizeOf(c_int))) {
            const left: *align(1) c_int = @ptrFromInt(argument);
            const size = data.sizeOf(o.inode());
            left.* = @bitCast(@as(u32, @truncate(size -% o.description.offset)));
            return 0;
        },
        // "Is it a terminal?" asks every program that opens a file.
        0x5401, 0x5413 => return next.fail(.NOTTY),
        else => {},
    }
    counters.kernel(.descriptor, .materialized);
    kernel_files.materializeOpen(o);
    return if (kernel_files.lost(o.fd)) |e| next.fail(e) else null;
}

// Waiting for descriptors.

const Pollfd = extern struct { fd: c_int, events: i16, revents: i16 };

pub fn materializePolled(polled: [*]const Pollfd, count: c_ulong) void {
    kept.letMountGo();
    if (!descriptors.any() or !memory_probe.canRead(polled, count *| @sizeOf(Pollfd))) return;
    for (polled[0..count]) |entry| kernel_files.materialize(entry.fd);
}

pub fn materializeSelected(count: c_int, sets: [3]?[*]const usize) void {
    kept.letMountGo();
    if (!descriptors.any()) return;
    for (0..@intCast(@max(@min(count, 1024), 0))) |fd| {
        for (sets) |set| {
            const words = set orelse continue;
            if (!memory_probe.canRead(words + fd / 64, @sizeOf(usize))) continue;
            if (words[fd / 64] >> @intCast(fd % 64) & 1 != 0) kernel_files.materialize(@intCast(fd));
        }
    }
}

fn PollCall(comptime name: [:0]const u8) type {
    return struct {
        const F = fn ([*]const Pollfd, c_ulong, usize, usize, usize) callconv(.c) c_int;
        fn call(polled: [*]const Pollfd, count: c_ulong, a: usize, b: usize, c: usize) callconv(.c) c_int {
            materializePolled(polled, count);
            return next.call(name, *const F)(polled, count, a, b, c);
        }
    };
}

fn SelectCall(comptime name: [:0]const u8) type {
    return struct {
        const Set = ?[*]const usize;
        const F = fn (c_int, Set, Set, Set, usize, usize) callconv(.c) c_int;
        fn call(count: c_int, read: Set, write: Set, exceptional: Set, a: usize, b: usize) callconv(.c) c_int {
            materializeSelected(count, .{ read, write, exceptional });
            return next.call(name, *const F)(count, read, write, exceptional, a, b);
        }
    };
}

/// epoll(7) does not take files and directories. FUSE's files it would take, so that the kernel is not asked.
fn epoll_ctl(epoll: c_int, operation: c_int, fd: c_int, event: ?*anyopaque) callconv(.c) c_int {
    kernel_files.materialize(epoll);
    const is_ours = descriptors.find(fd) != null;
    const is_refused = is_ours or mount_files.isFile(fd);
    const is_open = is_refused and linux.errno(linux.fcntl(epoll, linux.F.GETFD, 0)) == .SUCCESS;
    if (is_open and (event != null or operation == linux.EPOLL.CTL_DEL)) return next.fail(.PERM);
    if (is_ours) kernel_files.materialize(fd);
    return next.call("epoll_ctl", *const fn (c_int, c_int, c_int, ?*anyopaque) callconv(.c) c_int)(epoll, operation, fd, event);
}

// Descriptors inside of structures.

/// struct aiocb starts with the descriptor.
fn AioCall(comptime name: [:0]const u8, comptime place: u1) type {
    return struct {
        fn call(a: usize, b: usize) callconv(.c) c_int {
            const block: ?*align(1) const c_int = @ptrFromInt(if (place == 0) a else b);
            materializeAio(block);
            return next.call(name, *const fn (usize, usize) callconv(.c) c_int)(a, b);
        }
    };
}

fn materializeAio(block: ?*align(1) const c_int) void {
    if (descriptors.any() and memory_probe.canRead(block, @sizeOf(c_int))) kernel_files.materialize(block.?.*);
}

fn ListioCall(comptime name: [:0]const u8) type {
    return struct {
        fn call(mode: c_int, list: [*]const ?*const c_int, count: c_int, event: usize) callconv(.c) c_int {
            const blocks = list[0..@intCast(@max(count, 0))];
            if (memory_probe.canRead(blocks.ptr, blocks.len * @sizeOf(usize))) for (blocks) |block| materializeAio(block);
            return next.call(name, *const fn (c_int, [*]const ?*const c_int, c_int, usize) callconv(.c) c_int)(mode, list, count, event);
        }
    };
}

const Msghdr = extern struct {
    name: usize,
    name_length: usize,
    parts: usize,
    part_count: usize,
    control: ?[*]const u8,
    control_length: usize,
    flags: usize,
};
const Mmsghdr = extern struct { header: Msghdr, length: usize };
const Cmsghdr = extern struct { length: usize, level: c_int, type: c_int };
const sol_socket = 1;
const scm_rights = 1;

/// Descriptors that another process is to receive.
fn materializePassed(message: *const Msghdr) void {
    if (!descriptors.any() or !memory_probe.canRead(message, @sizeOf(Msghdr))) return;
    const bytes = message.control orelse return;
    if (!memory_probe.canRead(bytes, message.control_length)) return;
    var at: usize = 0;
    while (at + @sizeOf(Cmsghdr) <= message.control_length) {
        const header: *align(1) const Cmsghdr = @ptrCast(bytes + at);
        if (header.length < @sizeOf(Cmsghdr) or header.length > message.control_length - at) return;
        if (header.level == sol_socket and header.type == scm_rights) {
            const fds: [*]align(1) const c_int = @ptrCast(bytes + at + @sizeOf(Cmsghdr));
            for (fds[0 .. (header.length - @sizeOf(Cmsghdr)) / @sizeOf(c_int)]) |fd| kernel_files.materialize(fd);
        }
        at += std.mem.alignForward(usize, header.length, @alignOf(Cmsghdr));
    }
}

fn sendmsg(socket: c_int, message: *const Msghdr, flags: c_int) callconv(.c) isize {
    kernel_files.materialize(socket);
    materializePassed(message);
    return next.call("sendmsg", *const fn (c_int, *const Msghdr, c_int) callconv(.c) isize)(socket, message, flags);
}

fn sendmmsg(socket: c_int, messages: [*]const Mmsghdr, count: c_uint, flags: c_int) callconv(.c) c_int {
    kernel_files.materialize(socket);
    for (messages[0..count]) |*message| materializePassed(&message.header);
    return next.call("sendmmsg", *const fn (c_int, [*]const Mmsghdr, c_uint, c_int) callconv(.c) c_int)(socket, messages, count, flags);
}

// New descriptors have the lowest number that is free.

const making = [_][:0]const u8{
    "pipe",         "pipe2",         "socket",         "socketpair",    "accept",        "accept4",
    "eventfd",      "signalfd",      "timerfd_create", "memfd_create",  "pidfd_open",    "shm_open",
    "epoll_create", "epoll_create1", "inotify_init",   "inotify_init1", "fanotify_init", "mkstemp",
    "mkstemp64",    "mkostemp",      "mkostemp64",     "mkstemps",      "mkstemps64",    "mkostemps",
    "mkostemps64",  "tmpfile",       "tmpfile64",      "openpty",       "posix_openpt",
};

fn Making(comptime name: [:0]const u8) type {
    return struct {
        const F = fn (usize, usize, usize, usize, usize) callconv(.c) usize;
        const is_on_first = std.mem.startsWith(u8, name, "accept") or std.mem.eql(u8, name, "signalfd");
        fn call(a: usize, b: usize, c: usize, d: usize, e: usize) callconv(.c) usize {
            kept.drop();
            if (is_on_first) kernel_files.materialize(@bitCast(@as(u32, @truncate(a))));
            const function = next.call(name, *const F);
            const result = function(a, b, c, d, e);
            // Streams, which are addresses, are null then, and numbers -1.
            const failed = result == 0 or @as(i32, @truncate(@as(isize, @bitCast(result)))) == -1;
            return if (placeholder.wasInTheWay(failed)) function(a, b, c, d, e) else result;
        }
    };
}

/// These close descriptors inside of libc.
fn Closing(comptime name: [:0]const u8) type {
    return struct {
        fn call(stream: usize) callconv(.c) c_int {
            const result = next.call(name, *const fn (usize) callconv(.c) c_int)(stream);
            kept.forgetAll();
            return result;
        }
    };
}

// Streams of stdio are libc's own; only the name may be one of a descriptor.

fn StreamCall(comptime name: [:0]const u8) type {
    return struct {
        fn call(path: ?[*:0]const u8, mode: usize, stream: usize) callconv(.c) usize {
            if (path) |given| descriptor_paths.materialize(system.at_fdcwd, given);
            kept.drop();
            const function = next.call(name, *const fn (?[*:0]const u8, usize, usize) callconv(.c) usize);
            const result = function(path, mode, stream);
            // freopen has closed its stream by then.
            const may_repeat = comptime std.mem.startsWith(u8, name, "fopen");
            return if (may_repeat and placeholder.wasInTheWay(result == 0)) function(path, mode, stream) else result;
        }
    };
}

comptime {
    for (through) |entry| @export(&ThroughCall(entry).call, .{ .name = entry[0] });
    for (.{ "dprintf", "__dprintf_chk" }) |name| @export(&Dprintf(name).call, .{ .name = name });
    for (.{ "mmap", "mmap64" }) |name| @export(&Mmap(name).call, .{ .name = name });
    for (.{ "lockf", "lockf64" }) |name| @export(&Lockf(name).call, .{ .name = name });
    for (.{ "fsync", "fdatasync" }) |name| @export(&Sync(name).call, .{ .name = name });
    for (.{ "posix_fadvise", "posix_fadvise64" }) |name| @export(&Advice(name).call, .{ .name = name });
    @export(&isatty, .{ .name = "isatty" });
    @export(&tcgetattr, .{ .name = "tcgetattr" });
    @export(&ttyname, .{ .name = "ttyname" });
    @export(&ttyname_r, .{ .name = "ttyname_r" });
    @export(&ioctl, .{ .name = "ioctl" });
    @export(&epoll_ctl, .{ .name = "epoll_ctl" });
    for (.{ "poll", "__poll_chk", "ppoll", "__ppoll_chk" }) |name| @export(&PollCall(name).call, .{ .name = name });
    for (.{ "select", "pselect" }) |name| @export(&SelectCall(name).call, .{ .name = name });
    for (.{ "aio_read", "aio_read64", "aio_write", "aio_write64" }) |name| @export(&AioCall(name, 0).call, .{ .name = name });
    for (.{ "aio_fsync", "aio_fsync64" }) |name| @export(&AioCall(name, 1).call, .{ .name = name });
    for (.{ "lio_listio", "lio_listio64" }) |name| @export(&ListioCall(name).call, .{ .name = name });
    for (.{ "fclose", "pclose" }) |name| @export(&Closing(name).call, .{ .name = name });
    for (making) |name| @export(&Making(name).call, .{ .name = name });
    @export(&sendmsg, .{ .name = "sendmsg" });
    @export(&sendmmsg, .{ .name = "sendmmsg" });
    for (.{ "fopen", "fopen64", "freopen", "freopen64" }) |name| @export(&StreamCall(name).call, .{ .name = name });
}
