//! Descriptors that are handed on: by fork, vfork, posix_spawn and exec, with their offsets and flags, in both directions.

const std = @import("std");
const common = @import("common.zig");
const c = common.c;
const expect = common.expect;
const must = common.must;

extern "c" fn vfork() c_int;
extern "c" fn execv(path: [*:0]const u8, arguments: [*:null]const ?[*:0]const u8) c_int;
extern "c" fn setsid() c_int;
extern "c" var environ: [*:null]const ?[*:0]const u8;

var buffer: [4 << 20]u8 = undefined;
var rounds: u32 = undefined;

pub fn run(count: u32) void {
    rounds = count;
    for ([_]c_int{ 0, common.O_APPEND }) |flags| {
        takingTurns(flags);
        starting(flags);
        daemon(flags);
    }
    reading();
    threadsAndForks();
}

fn show(what: []const u8, path: [*:0]const u8) void {
    const content = common.whole(path, &buffer);
    common.say("{s}: {d} bytes, {x}: {s}", .{ what, content.len, common.sum(content), content[0..@min(40, content.len)] });
}

/// Parent and child write through the same description, one after the other.
fn takingTurns(flags: c_int) void {
    const fd = common.open("turns", common.O_RDWR | common.O_CREAT | common.O_TRUNC | flags);
    common.writeAll(fd, "start ");
    var down: [2]c_int = undefined;
    var up: [2]c_int = undefined;
    _ = must(common.pipe(&down), "pipe");
    _ = must(common.pipe(&up), "pipe");
    const child = must(common.fork(), "fork");
    const own = if (child == 0) "child " else "parent ";
    const in, const out = if (child == 0) .{ down[0], up[1] } else .{ up[0], down[1] };
    var byte: [1]u8 = undefined;
    for (0..rounds) |_| {
        if (child == 0) expect(c.read(in, &byte, 1) == 1, "a turn");
        common.writeAll(fd, own);
        // A descriptor of its own does not move the common offset.
        const other = common.open("turns", common.O_RDONLY);
        expect(c.read(other, &byte, 1) == 1 and byte[0] == 's', "read");
        _ = c.close(other);
        common.writeAll(out, "x");
        if (child != 0) expect(c.read(in, &byte, 1) == 1, "a turn");
    }
    if (child == 0) common._exit(0);
    common.wait(child);
    common.writeAll(fd, "end");
    common.say("offset {d}", .{c.lseek(fd, 0, common.SEEK_CUR)});
    for ([_]c_int{ fd, down[0], down[1], up[0], up[1] }) |each| _ = c.close(each);
    show("turns", "turns");
}

/// The started program: writes to the descriptor it was given.
pub fn goOn(text: [*:0]const u8, fd: u32) u8 {
    for (0..3) |_| common.writeAll(@intCast(fd), std.mem.span(text));
    return 0;
}

fn starting(flags: c_int) void {
    const fd = common.open("started", common.O_RDWR | common.O_CREAT | common.O_TRUNC | flags);
    var number: [16]u8 = undefined;
    const fd_text = (std.fmt.bufPrintSentinel(&number, "{d}", .{fd}, 0) catch unreachable).ptr;
    for (0..@max(1, rounds / 20)) |_| {
        common.writeAll(fd, "own ");
        const by_fork = [_:null]?[*:0]const u8{ common.program, "continue", "fork ", fd_text };
        const forked = common.fork();
        if (forked == 0) {
            common.writeAll(fd, "before ");
            _ = execv(common.program, &by_fork);
            common._exit(9);
        }
        common.wait(forked);
        common.writeAll(fd, "own ");
        const by_vfork = [_:null]?[*:0]const u8{ common.program, "continue", "vfork ", fd_text };
        const vforked = vfork();
        if (vforked == 0) {
            _ = execv(common.program, &by_vfork);
            common._exit(9);
        }
        common.wait(vforked);
        common.writeAll(fd, "own ");
        const by_spawn = [_:null]?[*:0]const u8{ common.program, "continue", "spawn ", fd_text };
        var spawned: c_int = undefined;
        expect(c.posix_spawn(&spawned, common.program, null, null, &by_spawn, @ptrCast(environ)) == 0, "posix_spawn");
        common.wait(spawned);
    }
    common.say("offset {d}", .{c.lseek(fd, 0, common.SEEK_CUR)});
    _ = c.close(fd);
    show("started", "started");
}

/// Forks twice and works on, as daemons do.
fn daemon(flags: c_int) void {
    const fd = common.open("daemon", common.O_RDWR | common.O_CREAT | common.O_TRUNC | flags);
    common.writeAll(fd, "first ");
    var done: [2]c_int = undefined;
    _ = must(common.pipe(&done), "pipe");
    const child = common.fork();
    if (child == 0) {
        _ = setsid();
        common.writeAll(fd, "second ");
        if (common.fork() != 0) common._exit(0);
        const own = common.open("daemon-own", common.O_RDWR | common.O_CREAT | common.O_TRUNC);
        for (0..rounds) |_| {
            common.writeAll(fd, "third ");
            common.writeAll(own, "own ");
        }
        _ = c.close(done[1]);
        common._exit(0);
    }
    common.wait(child);
    _ = c.close(done[1]);
    var byte: [1]u8 = undefined;
    expect(c.read(done[0], &byte, 1) == 0, "the daemon ends");
    _ = c.close(done[0]);
    common.writeAll(fd, "first");
    _ = c.close(fd);
    show("daemon", "daemon");
    show("daemon-own", "daemon-own");
}

/// What one process has read, no other one reads.
fn reading() void {
    const fd = common.open("turns", common.O_RDONLY);
    var bytes: [7]u8 = undefined;
    for (0..@min(rounds, 30)) |_| {
        const child = common.fork();
        if (child == 0) {
            _ = must(c.read(fd, &bytes, 5), "read");
            common._exit(0);
        }
        common.wait(child);
        const length: usize = @intCast(must(c.read(fd, &bytes, 7), "read"));
        if (length == 7) common.say("{s} at {d}", .{ bytes, c.lseek(fd, 0, common.SEEK_CUR) });
    }
    _ = c.close(fd);
}

var stop = false;

fn busy(number: u32) void {
    var name: [32]u8 = undefined;
    const path = (std.fmt.bufPrintSentinel(&name, "busy{d}", .{number}, 0) catch unreachable).ptr;
    var round: u32 = 0;
    while (!@atomicLoad(bool, &stop, .acquire)) : (round += 1) {
        const fd = common.open(path, common.O_RDWR | common.O_CREAT | common.O_TRUNC);
        const text: [4]u8 = @bitCast(round);
        common.writeAll(fd, &text);
        var back: [5]u8 = undefined;
        // Often, so that forks come in between, after which the descriptor is another one underneath.
        for (0..50) |_| {
            expect(c.pread(fd, &back, 5, 0) == 4 and std.mem.eql(u8, back[0..4], &text), "a thread reads what it wrote");
            expect(c.pwrite(fd, &text, 4, 0) == 4, "a thread writes it again");
        }
        expect(c.lseek(fd, 0, common.SEEK_END) == 4, "the file is as long as what was written");
        expect(c.close(fd) == 0, "close");
    }
    _ = c.unlink(path);
}

/// Threads work on their files while others fork, and children write with what they have.
fn threadsAndForks() void {
    var threads: [4]std.Thread = undefined;
    for (&threads, 0..) |*thread, i| thread.* = std.Thread.spawn(.{ .stack_size = 1 << 20 }, busy, .{@as(u32, @intCast(i))}) catch common.fail("a thread");
    const fd = common.open("mixed", common.O_RDWR | common.O_CREAT | common.O_APPEND);
    for (0..rounds) |_| {
        const child = common.fork();
        if (child == 0) {
            common.writeAll(fd, "child ");
            const own = common.open("mixed", common.O_WRONLY | common.O_APPEND);
            common.writeAll(own, "again ");
            common._exit(0);
        }
        common.wait(child);
        common.writeAll(fd, "parent ");
    }
    @atomicStore(bool, &stop, true, .release);
    for (threads) |thread| thread.join();
    _ = c.close(fd);
    show("mixed", "mixed");
}
