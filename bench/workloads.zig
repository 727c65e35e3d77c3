//! The workloads: what is set up before the clock, what one operation is, what is checked after the clock.

const std = @import("std");
const libc = @import("libc.zig");
const fixtures = @import("session.zig");
const Session = fixtures.Session;
const Failure = fixtures.Failure;
const buffer = &fixtures.buffer;
const block_bytes = fixtures.block_bytes;
const chunk_bytes = fixtures.chunk_bytes;
const large_chunk_count = fixtures.large_chunk_count;

pub const Workload = struct {
    name: []const u8,
    fixture: fixtures.Fixture,
    /// Operations come in multiples of this: one pass over the large file.
    batch: u64 = 1,
    /// Does `warm_up_count` operations, times `count` more of them: (session, count, warm_up_count) to nanoseconds.
    run: *const fn (*Session, u64, u64) Failure!u64,
};

const file = "one/two/file";
const pass = large_chunk_count;

pub const workloads = [_]Workload{
    .{ .name = "stat", .fixture = .small, .run = sample(pathOf(file), stat, nothing) },
    .{ .name = "fstat", .fixture = .small, .run = sample(openFile(file), fstat, closeFile) },
    .{ .name = "open", .fixture = .small, .run = sample(pathOf(file), openClose, nothing) },
    .{ .name = "open-read", .fixture = .small, .run = sample(pathOf(file), openReadClose, nothing) },
    .{ .name = "pread-4k", .fixture = .data, .run = sample(openFile("data"), pread(4 << 10), closeFile) },
    .{ .name = "pwrite-4k", .fixture = .none, .run = sample(openOverwritten, pwrite(4 << 10), checkOverwritten(4 << 10)) },
    .{ .name = "pread-128k", .fixture = .data, .run = sample(openFile("data"), pread(128 << 10), closeFile) },
    .{ .name = "pwrite-128k", .fixture = .none, .run = sample(openOverwritten, pwrite(128 << 10), checkOverwritten(128 << 10)) },
    .{ .name = "read", .fixture = .large, .batch = pass, .run = sample(pathOf("large"), readInSequence, nothing) },
    .{ .name = "write", .fixture = .none, .batch = pass, .run = sample(pathOf("written"), writeInSequence, checkWritten) },
    .{ .name = "create", .fixture = .work, .run = sample(freshName, createCloseUnlink, nothing) },
    .{ .name = "mkdir", .fixture = .work, .run = sample(freshName, mkdirRmdir, nothing) },
    .{ .name = "rename", .fixture = .work, .run = sample(makeRenamed, rename, removeRenamed) },
    .{ .name = "utimens", .fixture = .small, .run = sample(pathOf(file), setTimes, nothing) },
    .{ .name = "utimens-rested", .fixture = .small, .run = rested(pathOf(file), setTimes) },
    .{ .name = "readdir", .fixture = .names, .run = sample(pathOf("names"), listDirectory, nothing) },
    .{ .name = "find", .fixture = .tree, .run = sample(pathOf("tree"), find, nothing) },
    .{ .name = "cat", .fixture = .small, .run = sample(pathOf(file), cat, nothing) },
    .{ .name = "exec", .fixture = .none, .run = sample(pathOf("."), exec, nothing) },
};

fn sample(
    comptime setUp: fn (*Session) Failure!void,
    comptime step: fn (*Session, u64) Failure!void,
    comptime finish: fn (*Session, u64) Failure!void,
) *const fn (*Session, u64, u64) Failure!u64 {
    return struct {
        fn run(session: *Session, count: u64, warm_up_count: u64) Failure!u64 {
            try setUp(session);
            for (0..warm_up_count) |index| try step(session, index);
            const start = libc.nowNanoseconds();
            for (0..count) |index| try step(session, index);
            const nanoseconds = libc.nowNanoseconds() - start;
            try finish(session, count);
            return nanoseconds;
        }
    }.run;
}

/// As `sample`, but everybody sleeps before each operation, whose time alone counts: also a daemon that waits awake for a moment.
fn rested(
    comptime setUp: fn (*Session) Failure!void,
    comptime step: fn (*Session, u64) Failure!void,
) *const fn (*Session, u64, u64) Failure!u64 {
    return struct {
        fn run(session: *Session, count: u64, _: u64) Failure!u64 {
            try setUp(session);
            var nanoseconds: u64 = 0;
            for (0..count) |index| {
                _ = libc.nanosleep(&rest, null);
                const start = libc.nowNanoseconds();
                try step(session, index);
                nanoseconds += libc.nowNanoseconds() - start;
            }
            return nanoseconds;
        }
    }.run;
}

const rest: libc.Timespec = .{ .seconds = 0, .nanoseconds = 1_000_000 };

// Before the clock and after it.

fn nothing(_: *Session, _: u64) Failure!void {}

fn pathOf(comptime name: []const u8) fn (*Session) Failure!void {
    return struct {
        fn setUp(session: *Session) Failure!void {
            try session.setPath(name);
        }
    }.setUp;
}

fn openFile(comptime name: []const u8) fn (*Session) Failure!void {
    return struct {
        fn setUp(session: *Session) Failure!void {
            try session.open(name, libc.o_rdonly);
        }
    }.setUp;
}

fn closeFile(session: *Session, _: u64) Failure!void {
    try session.close();
}

/// A file with all its blocks in place. The stamp is new with each sample: what an earlier one left does not pass.
fn openOverwritten(session: *Session) Failure!void {
    session.stamp = libc.nowNanoseconds();
    try session.open("overwritten", libc.o_rdwr | libc.o_creat);
    try session.checkBytes(libc.pwrite(session.fd, buffer, chunk_bytes, 0), chunk_bytes, "pwrite");
}

fn checkOverwritten(comptime bytes: usize) fn (*Session, u64) Failure!void {
    return struct {
        fn finish(session: *Session, count: u64) Failure!void {
            for (0..@min(count, chunk_bytes / bytes)) |index| try readBack(session, index * bytes, bytes);
            try session.close();
        }
    }.finish;
}

fn checkWritten(session: *Session, _: u64) Failure!void {
    try session.open("written", libc.o_rdonly);
    for (0..large_chunk_count) |index| try readBack(session, index * chunk_bytes, chunk_bytes);
    try session.close();
    _ = try session.check(libc.unlink(session.path), "unlink");
}

fn readBack(session: *Session, offset_bytes: u64, bytes: usize) Failure!void {
    try session.checkBytes(libc.pread(session.fd, buffer, bytes, @intCast(offset_bytes)), bytes, "pread");
    try checkEnds(session, offset_bytes, bytes);
}

inline fn checkEnds(session: *Session, offset_bytes: u64, bytes: usize) Failure!void {
    if (fixtures.endsMatch(buffer[0..bytes], offset_bytes, session.stamp)) return;
    return session.fail("{s}: wrong data at {d}", .{ session.path, offset_bytes });
}

/// Names that no earlier sample has used: the kernel remembers names that were not there.
fn freshName(session: *Session) Failure!void {
    var name: [64]u8 = undefined;
    try session.setPath(std.fmt.bufPrint(&name, "work/{d}", .{libc.nowNanoseconds()}) catch unreachable);
}

/// Counts the number at the end of the path up by one, in place.
inline fn nextName(path: [:0]u8) void {
    var at = path.len - 1;
    while (path[at] == '9') : (at -= 1) path[at] = '0';
    path[at] += 1;
}

fn makeRenamed(session: *Session) Failure!void {
    try session.setOtherPath("work/renamed-b");
    try session.open("work/renamed-a", libc.o_wronly | libc.o_creat);
    try session.close();
}

fn removeRenamed(session: *Session, _: u64) Failure!void {
    _ = try session.check(libc.unlink(session.path), "unlink");
}

// The operations.

fn stat(session: *Session, _: u64) Failure!void {
    var result: libc.Stat = undefined;
    _ = try session.check(libc.stat(session.path, &result), "stat");
    if (result.size != block_bytes) return session.fail("stat {s}: size {d}", .{ session.path, result.size });
}

fn fstat(session: *Session, _: u64) Failure!void {
    var result: libc.Stat = undefined;
    _ = try session.check(libc.fstat(session.fd, &result), "fstat");
    if (result.size != block_bytes) return session.fail("fstat {s}: size {d}", .{ session.path, result.size });
}

fn openClose(session: *Session, _: u64) Failure!void {
    const fd = try session.check(libc.open(session.path, libc.o_rdonly), "open");
    _ = try session.check(libc.close(fd), "close");
}

fn openReadClose(session: *Session, _: u64) Failure!void {
    const fd = try session.check(libc.open(session.path, libc.o_rdonly), "open");
    try session.checkBytes(libc.read(fd, buffer, block_bytes), block_bytes, "read");
    _ = try session.check(libc.close(fd), "close");
    try checkEnds(session, 0, block_bytes);
}

fn pread(comptime bytes: usize) fn (*Session, u64) Failure!void {
    return struct {
        fn step(session: *Session, index: u64) Failure!void {
            const offset = index * bytes % chunk_bytes;
            try session.checkBytes(libc.pread(session.fd, buffer, bytes, @intCast(offset)), bytes, "pread");
            try checkEnds(session, offset, bytes);
        }
    }.step;
}

fn pwrite(comptime bytes: usize) fn (*Session, u64) Failure!void {
    return struct {
        fn step(session: *Session, index: u64) Failure!void {
            const offset = index * bytes % chunk_bytes;
            fixtures.stampEnds(buffer[0..bytes], offset, session.stamp);
            try session.checkBytes(libc.pwrite(session.fd, buffer, bytes, @intCast(offset)), bytes, "pwrite");
        }
    }.step;
}

/// One chunk; opens the file before the first of a pass and closes it after the last, as a program would.
fn readInSequence(session: *Session, index: u64) Failure!void {
    const chunk = index % large_chunk_count;
    if (chunk == 0) session.fd = try session.check(libc.open(session.path, libc.o_rdonly), "open");
    try session.checkBytes(libc.read(session.fd, buffer, chunk_bytes), chunk_bytes, "read");
    try checkEnds(session, chunk * chunk_bytes, chunk_bytes);
    if (chunk == large_chunk_count - 1) try session.close();
}

/// As `readInSequence`; each pass makes the file anew, so allocating its blocks is part of it.
fn writeInSequence(session: *Session, index: u64) Failure!void {
    const chunk = index % large_chunk_count;
    if (chunk == 0) {
        session.stamp = libc.nowNanoseconds();
        const flags = libc.o_wronly | libc.o_creat | libc.o_trunc;
        session.fd = try session.check(libc.open(session.path, flags, @as(c_uint, 0o644)), "open");
    }
    fixtures.stampEnds(buffer, chunk * chunk_bytes, session.stamp);
    try session.checkBytes(libc.write(session.fd, buffer, chunk_bytes), chunk_bytes, "write");
    if (chunk == large_chunk_count - 1) try session.close();
}

fn createCloseUnlink(session: *Session, _: u64) Failure!void {
    nextName(session.path);
    const flags = libc.o_wronly | libc.o_creat | libc.o_excl;
    const fd = try session.check(libc.open(session.path, flags, @as(c_uint, 0o644)), "open");
    _ = try session.check(libc.close(fd), "close");
    _ = try session.check(libc.unlink(session.path), "unlink");
}

fn mkdirRmdir(session: *Session, _: u64) Failure!void {
    nextName(session.path);
    _ = try session.check(libc.mkdir(session.path, 0o755), "mkdir");
    _ = try session.check(libc.rmdir(session.path), "rmdir");
}

fn rename(session: *Session, _: u64) Failure!void {
    _ = try session.check(libc.rename(session.path, session.other_path), "rename");
    std.mem.swap([:0]u8, &session.path, &session.other_path);
}

/// The least that goes to the daemon and back.
fn setTimes(session: *Session, index: u64) Failure!void {
    const time: libc.Timespec = .{ .seconds = 1_000_000_000, .nanoseconds = @intCast(index % 1_000_000_000) };
    _ = try session.check(libc.utimensat(libc.at_fdcwd, session.path, &.{ time, time }, 0), "utimensat");
}

fn listDirectory(session: *Session, _: u64) Failure!void {
    const directory = libc.opendir(session.path) orelse return session.failErrno("opendir", libc.errno());
    var count: u64 = 0;
    libc.__errno_location().* = 0;
    while (libc.readdir(directory)) |_| count += 1;
    if (libc.errno() != 0) return session.failErrno("readdir", libc.errno());
    _ = try session.check(libc.closedir(directory), "closedir");
    const expected = session.name_count + 2; // "." and ".."
    if (count != expected) return session.fail("{s} lists {d} names instead of {d}", .{ session.path, count, expected });
}

fn find(session: *Session, _: u64) Failure!void {
    const output = try session.spawn(&.{ "/usr/bin/find", session.path });
    const directory_count = std.math.divCeil(u64, session.name_count, fixtures.files_per_directory) catch unreachable;
    const expected = 1 + directory_count + session.name_count;
    if (output.line_count != expected)
        return session.fail("find {s} prints {d} lines instead of {d}", .{ session.path, output.line_count, expected });
}

fn cat(session: *Session, _: u64) Failure!void {
    const output = try session.spawn(&.{ "/bin/cat", session.path });
    if (output.byte_count != block_bytes)
        return session.fail("cat {s} prints {d} bytes", .{ session.path, output.byte_count });
}

/// What `find` and `cat` cost before they touch a file.
fn exec(session: *Session, _: u64) Failure!void {
    _ = try session.spawn(&.{"/bin/true"});
}
