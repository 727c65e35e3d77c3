//! Signal handlers that work with files, while the main program does the same.

const std = @import("std");
const common = @import("common.zig");
const c = common.c;
const expect = common.expect;

extern "c" fn setitimer(which: c_int, value: *const [4]c_long, old: ?*[4]c_long) c_int;
extern "c" fn pthread_self() usize;
extern "c" fn pthread_kill(thread: usize, number: c_int) c_int;
extern "c" fn sigaction(number: c_int, action: *const Action, old: ?*Action) c_int;
extern "c" fn pthread_sigmask(how: c_int, set: *const [16]u64, old: ?*[16]u64) c_int;
extern "c" fn sched_yield() c_int;

/// struct sigaction of x86-64 glibc
const Action = extern struct { handler: *const fn (c_int) callconv(.c) void, mask: [16]u64, flags: c_int, restorer: usize };
const SA_RESTART = 0x1000_0000;
const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;
const SIGUSR1 = 10;
const SIGALRM = 14;
const alarm_microseconds = 500;

/// Of the main program, which the handlers may leave little time.
const rounds_min = 20;

var handled: u32 = 0;
var main_thread: usize = 0;
var wanted: u32 = 0;

/// Makes, fills, reads, looks at and removes nothing but its own files.
fn work(path: [*:0]const u8, number: u32) void {
    const text: [4]u8 = @bitCast(number);
    const fd = common.open(path, common.O_RDWR | common.O_CREAT);
    expect(c.pwrite(fd, &text, 4, 0) == 4, "pwrite");
    common.writeAll(fd, &text);
    common.writeAll(fd, &text);
    var back: [8]u8 = undefined;
    expect(c.lseek(fd, 0, 0) == 0, "lseek");
    expect(c.read(fd, &back, 8) == 8, "read");
    expect(std.mem.eql(u8, back[0..4], &text) and std.mem.eql(u8, back[4..8], &text), "what was written is read");
    var status: c.Stat = undefined;
    expect(c.fstat(fd, &status) == 0 and status.size == 8, "fstat");
    expect(c.close(fd) == 0, "close");
    expect(c.stat(path, &status) == 0 and status.size == 8, "stat");
    expect(c.access("nothing", 0) < 0, "access");
}

fn handle(number: c_int) callconv(.c) void {
    const kept = c.__errno_location().*;
    work(if (number == SIGALRM) "alarm" else "user", handled);
    handled += 1;
    c.__errno_location().* = kept;
}

/// As soon as one signal is handled, the next one.
fn killer() void {
    var last: u32 = 0xffff_ffff;
    while (@atomicLoad(u32, &handled, .acquire) < wanted) {
        const now = @atomicLoad(u32, &handled, .acquire);
        if (now == last) _ = sched_yield() else _ = pthread_kill(main_thread, SIGUSR1);
        last = now;
    }
}

pub fn run(count: u32) void {
    wanted = count;
    main_thread = pthread_self();
    // Neither interrupts the other: both write into `handled`.
    const both: [16]u64 = .{1 << (SIGUSR1 - 1) | 1 << (SIGALRM - 1)} ++ .{0} ** 15;
    const action: Action = .{ .handler = &handle, .mask = both, .flags = SA_RESTART, .restorer = 0 };
    _ = common.must(sigaction(SIGUSR1, &action, null), "sigaction");
    _ = common.must(sigaction(SIGALRM, &action, null), "sigaction");
    // The thread inherits that it handles none of them.
    _ = pthread_sigmask(SIG_BLOCK, &both, null);
    const thread = std.Thread.spawn(.{ .stack_size = 1 << 20 }, killer, .{}) catch common.fail("a thread");
    _ = pthread_sigmask(SIG_UNBLOCK, &both, null);
    _ = common.must(setitimer(0, &.{ 0, alarm_microseconds, 0, alarm_microseconds }, null), "setitimer");
    var rounds: u32 = 0;
    while (@atomicLoad(u32, &handled, .acquire) < wanted or rounds < rounds_min) : (rounds += 1) {
        work("main", rounds);
        var buffer: [32]u8 = undefined;
        const path = std.fmt.bufPrintSentinel(&buffer, "main{d}", .{rounds % 50}, 0) catch unreachable;
        _ = c.rename("main", path.ptr);
        expect(c.unlink(path.ptr) == 0, "unlink");
    }
    _ = setitimer(0, &.{ 0, 0, 0, 0 }, null);
    thread.join();
    common.say("{d} signals handled, files of {d} and {d} bytes", .{ count, size("alarm"), size("user") });
}

fn size(path: [*:0]const u8) i64 {
    var status: c.Stat = undefined;
    return if (c.stat(path, &status) == 0) status.size else -1;
}
