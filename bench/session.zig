//! What one workload works with: its directory, open files and buffers; and the files it finds there (fixtures).

const std = @import("std");
const libc = @import("libc.zig");

/// The reason is in `Session.message`.
pub const Failure = error{Failed};

pub const block_bytes = 4096;
pub const chunk_bytes = 1 << 20;
/// The file that is read and written in sequence. 32 MiB: beyond the second-level cache, quick to make on every side.
pub const large_chunk_count = 32;
pub const files_per_directory = 100;

pub const Fixture = enum {
    /// Nothing: the workload does not look at the directory.
    none,
    /// `one/two/file`, 4 KiB: a path of three components below the mount's root.
    small,
    /// `data`, 1 MiB.
    data,
    /// `large`, 32 MiB.
    large,
    /// `names`: one directory of `name_count` empty files.
    names,
    /// `tree`: `name_count` empty files, a hundred in each directory.
    tree,
    /// `work`: an empty directory.
    work,
};

/// What a spawned program printed.
pub const Output = struct { byte_count: u64, line_count: u64 };

pub const Session = struct {
    directory: []const u8,
    name_count: u64,
    message: []const u8 = "",
    fd: c_int = -1,
    path: [:0]u8 = &no_path,
    other_path: [:0]u8 = &no_path,
    /// Mixed into what is written and expected of what is read; 0 in the fixtures.
    stamp: u64 = 0,

    /// `path` becomes `name` under the session's directory.
    pub fn setPath(session: *Session, name: []const u8) Failure!void {
        session.path = try session.join(&path_bytes, name);
    }

    /// `other_path` becomes `name` under the session's directory.
    pub fn setOtherPath(session: *Session, name: []const u8) Failure!void {
        session.other_path = try session.join(&other_path_bytes, name);
    }

    /// Opens `name` as the session's file.
    pub fn open(session: *Session, name: []const u8, flags: c_int) Failure!void {
        try session.setPath(name);
        session.fd = try session.check(libc.open(session.path, flags | libc.o_cloexec, @as(c_uint, 0o644)), "open");
    }

    pub fn close(session: *Session) Failure!void {
        const fd = session.fd;
        session.fd = -1;
        _ = try session.check(libc.close(fd), "close");
    }

    /// The result of a C library call, or a failure that names the call, its path and errno.
    pub inline fn check(session: *Session, result: anytype, comptime call: []const u8) Failure!@TypeOf(result) {
        if (result >= 0) return result;
        return session.failErrno(call, libc.errno());
    }

    /// A transfer that must move `bytes` bytes.
    pub inline fn checkBytes(session: *Session, result: isize, bytes: usize, comptime call: []const u8) Failure!void {
        if (result == bytes) return;
        _ = try session.check(result, call);
        return session.fail(call ++ " moved {d} bytes instead of {d}", .{ result, bytes });
    }

    pub fn failErrno(session: *Session, call: []const u8, code: c_int) Failure {
        @branchHint(.cold);
        return session.fail("{s} {s}: {s} (errno {d})", .{ call, session.path, libc.strerror(code), code });
    }

    pub fn fail(session: *Session, comptime format: []const u8, arguments: anytype) Failure {
        @branchHint(.cold);
        session.message = std.fmt.bufPrint(&message_bytes, format, arguments) catch "the error message is too long";
        return error.Failed;
    }

    /// Makes what `fixture` says, unless it is there.
    pub fn prepare(session: *Session, fixture: Fixture) Failure!void {
        switch (fixture) {
            .none => {},
            .small => {
                try session.makeDirectory("one");
                try session.makeDirectory("one/two");
                try session.makeFile("one/two/file", block_bytes);
            },
            .data => try session.makeFile("data", chunk_bytes),
            .large => try session.makeFile("large", large_chunk_count * chunk_bytes),
            .names => {
                try session.makeDirectory("names");
                for (0..session.name_count) |index| try session.makeNumbered("names", index);
            },
            .tree => {
                try session.makeDirectory("tree");
                var name: [32]u8 = undefined;
                for (0..session.name_count) |index| {
                    const directory = numbered(&name, "tree", index / files_per_directory);
                    if (index % files_per_directory == 0) try session.makeDirectory(directory);
                    try session.makeNumbered(directory, index % files_per_directory);
                }
            },
            .work => try session.makeDirectory("work"),
        }
    }

    /// Runs a program to its end and reads all it prints; anything but exit code 0 is a failure.
    pub fn spawn(session: *Session, arguments: []const [*:0]const u8) Failure!Output {
        var argv: [8]?[*:0]const u8 = @splat(null);
        for (arguments, 0..) |argument, index| argv[index] = argument;
        const program = arguments[0];

        var ends: [2]c_int = undefined;
        _ = try session.check(libc.pipe2(&ends, libc.o_cloexec), "pipe2");
        defer _ = libc.close(ends[0]);
        var actions: libc.SpawnActions = undefined;
        _ = libc.posix_spawn_file_actions_init(&actions);
        defer _ = libc.posix_spawn_file_actions_destroy(&actions);
        _ = libc.posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
        var pid: c_int = undefined;
        const code = libc.posix_spawn(&pid, program, &actions, null, argv[0 .. argv.len - 1 :null], libc.environ);
        _ = libc.close(ends[1]);
        if (code != 0) return session.fail("cannot run {s}: {s}", .{ program, libc.strerror(code) });

        var output: Output = .{ .byte_count = 0, .line_count = 0 };
        while (true) {
            const bytes = try session.check(libc.read(ends[0], &buffer, buffer.len), "read");
            if (bytes == 0) break;
            output.byte_count += @intCast(bytes);
            output.line_count += std.mem.countScalar(u8, buffer[0..@intCast(bytes)], '\n');
        }
        var status: c_int = 0;
        _ = try session.check(libc.waitpid(pid, &status, 0), "waitpid");
        if (status != 0) return session.fail("{s} ended with wait status {d}", .{ program, status });
        return output;
    }

    fn makeDirectory(session: *Session, name: []const u8) Failure!void {
        try session.setPath(name);
        if (libc.mkdir(session.path, 0o755) == 0 or libc.errno() == libc.eexist) return;
        return session.failErrno("mkdir", libc.errno());
    }

    fn makeNumbered(session: *Session, directory: []const u8, index: u64) Failure!void {
        var name: [64]u8 = undefined;
        try session.makeFile(numbered(&name, directory, index), 0);
    }

    fn makeFile(session: *Session, name: []const u8, bytes: usize) Failure!void {
        try session.open(name, libc.o_wronly | libc.o_creat);
        var offset: usize = 0;
        while (offset < bytes) : (offset += block_bytes) {
            stampEnds(buffer[0..block_bytes], offset, 0);
            try session.checkBytes(libc.pwrite(session.fd, &buffer, block_bytes, @intCast(offset)), block_bytes, "pwrite");
        }
        try session.close();
    }

    fn join(session: *Session, into: []u8, name: []const u8) Failure![:0]u8 {
        return std.fmt.bufPrintSentinel(into, "{s}/{s}", .{ session.directory, name }, 0) catch
            session.fail("the path {s}/{s} is too long", .{ session.directory, name });
    }
};

fn numbered(into: []u8, directory: []const u8, index: u64) []const u8 {
    return std.fmt.bufPrint(into, "{s}/{d:0>8}", .{ directory, index }) catch unreachable;
}

/// Marks the first and the last word of what is written at `offset_bytes`, so that reading it can be checked
/// at a cost that does not count.
pub inline fn stampEnds(bytes: []u8, offset_bytes: u64, stamp: u64) void {
    std.mem.writeInt(u64, bytes[0..8], word(offset_bytes, stamp), .little);
    std.mem.writeInt(u64, bytes[bytes.len - 8 ..][0..8], word(offset_bytes + bytes.len - 8, stamp), .little);
}

/// Whether `bytes`, read at `offset_bytes`, begin and end as they were written by `stampEnds`.
pub inline fn endsMatch(bytes: []const u8, offset_bytes: u64, stamp: u64) bool {
    return std.mem.readInt(u64, bytes[0..8], .little) == word(offset_bytes, stamp) and
        std.mem.readInt(u64, bytes[bytes.len - 8 ..][0..8], .little) == word(offset_bytes + bytes.len - 8, stamp);
}

inline fn word(offset_bytes: u64, stamp: u64) u64 {
    return (offset_bytes +% 1) *% 0x9e37_79b9_7f4a_7c15 ^ stamp;
}

/// One session at a time, so its buffers need no allocation.
pub var buffer: [chunk_bytes]u8 align(block_bytes) = @splat(0x5a);
var no_path: [0:0]u8 = .{};
var path_bytes: [4096]u8 = undefined;
var other_path_bytes: [4096]u8 = undefined;
var message_bytes: [8192]u8 = undefined;
