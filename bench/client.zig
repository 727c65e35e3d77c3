//! The timing client of the bench. It reads one command a line and answers each with one line:
//!
//!     prepare WORKLOAD DIRECTORY            makes the files the workload needs, unless they are there
//!     run WORKLOAD DIRECTORY COUNT          times COUNT operations, after a short warm-up
//!     fresh WORKLOAD DIRECTORY COUNT        times COUNT processes that each do the operation once
//!
//!     ok COUNT NANOSECONDS                  what was done (a workload may round COUNT up), in all
//!     failed MESSAGE                        an operation failed, or its result was wrong
//!
//! `bench_client NAME_COUNT` reads commands until end of file, so that several clients can take turns in short samples;
//! `bench_client NAME_COUNT COMMAND…` obeys one command and exits. NAME_COUNT is the number of files in the large
//! directories. It is linked with glibc and calls its functions, as other programs do.

const std = @import("std");
const libc = @import("libc.zig");
const session_ = @import("session.zig");
const Session = session_.Session;
const Failure = session_.Failure;
const Workload = @import("workloads.zig").Workload;
const workloads = @import("workloads.zig").workloads;

pub export fn main(argc: c_int, argv: [*]const [*:0]const u8) callconv(.c) c_int {
    const arguments = argv[0..@intCast(argc)];
    if (arguments.len < 2) return 2;
    const name_count = std.fmt.parseInt(u32, std.mem.span(arguments[1]), 10) catch return 2;

    if (arguments.len > 2) {
        var words: [max_words][]const u8 = undefined;
        if (arguments.len - 2 > words.len) return 2;
        for (arguments[2..], 0..) |argument, index| words[index] = std.mem.span(argument);
        return if (answer(name_count, words[0 .. arguments.len - 2])) 0 else 1;
    }
    var line: [8192]u8 = undefined;
    while (libc.fgets(&line, line.len, libc.stdin)) |command| {
        var words: [max_words][]const u8 = undefined;
        var word_count: usize = 0;
        var split = std.mem.tokenizeAny(u8, std.mem.span(command), " \n");
        while (split.next()) |word| : (word_count += 1) {
            if (word_count == words.len) break;
            words[word_count] = word;
        }
        _ = answer(name_count, words[0..word_count]);
    }
    return 0;
}

const max_words = 4;

/// Obeys one command and prints its answer; false when it failed.
fn answer(name_count: u32, words: []const []const u8) bool {
    if (words.len < 3) return print("failed a command has a verb, a workload and a directory\n", .{}, false);
    var session: Session = .{ .directory = words[2], .name_count = name_count };
    const count = if (words.len > 3) std.fmt.parseInt(u64, words[3], 10) catch 0 else 1;
    const result = obey(&session, words[0], words[1], count) catch return print("failed {s}\n", .{session.message}, false);
    return print("ok {d} {d}\n", .{ result.count, result.nanoseconds }, true);
}

const Result = struct { count: u64, nanoseconds: u64 };

fn obey(session: *Session, verb: []const u8, workload_name: []const u8, count: u64) Failure!Result {
    const workload = for (&workloads) |*candidate| {
        if (std.mem.eql(u8, candidate.name, workload_name)) break candidate;
    } else return session.fail("no workload {s}", .{workload_name});
    if (count == 0) return session.fail("a count of operations is a number above 0", .{});

    if (std.mem.eql(u8, verb, "prepare")) {
        const start = libc.nowNanoseconds();
        try session.prepare(workload.fixture);
        return .{ .count = 1, .nanoseconds = libc.nowNanoseconds() - start };
    }
    if (std.mem.eql(u8, verb, "run")) {
        const batches = std.math.divCeil(u64, count, workload.batch) catch unreachable;
        const operations = batches * workload.batch;
        const warm_up_count = batches / 16 * workload.batch;
        return .{ .count = operations, .nanoseconds = try workload.run(session, operations, warm_up_count) };
    }
    if (std.mem.eql(u8, verb, "fresh")) return runFresh(session, workload, count);
    return session.fail("no command {s}", .{verb});
}

fn runFresh(session: *Session, workload: *const Workload, count: u64) Failure!Result {
    var name_count: [16]u8 = undefined;
    var name: [64]u8 = undefined;
    var directory: [4096]u8 = undefined;
    const arguments = [_][*:0]const u8{
        "/proc/self/exe",
        std.fmt.bufPrintSentinel(&name_count, "{d}", .{session.name_count}, 0) catch unreachable,
        "run",
        std.fmt.bufPrintSentinel(&name, "{s}", .{workload.name}, 0) catch unreachable,
        std.fmt.bufPrintSentinel(&directory, "{s}", .{session.directory}, 0) catch
            return session.fail("the path {s} is too long", .{session.directory}),
        "1",
    };
    const start = libc.nowNanoseconds();
    for (0..count) |_| _ = try session.spawn(&arguments);
    return .{ .count = count, .nanoseconds = libc.nowNanoseconds() - start };
}

fn print(comptime format: []const u8, arguments: anytype, result: bool) bool {
    var bytes: [8192 + 64]u8 = undefined;
    const text = std.fmt.bufPrint(&bytes, format, arguments) catch "failed the answer is too long\n";
    return libc.write(1, text.ptr, text.len) == text.len and result;
}
