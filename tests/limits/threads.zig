//! 32 threads on one file: no byte is lost, doubled or torn.

const std = @import("std");
const common = @import("common.zig");
const c = common.c;
const expect = common.expect;

const thread_count = 32;
const part_bytes = 1000;
const record_bytes = 16;
/// What the buffer has room for.
const rounds_max = 2000;

var fd: c_int = undefined;
var rounds: u32 = undefined;
var buffer: [thread_count * part_bytes * rounds_max]u8 = undefined;
/// How often each record was read.
var seen: [thread_count * rounds_max]u8 = undefined;

fn together(comptime work: fn (u32) void) void {
    var threads: [thread_count]std.Thread = undefined;
    for (&threads, 0..) |*thread, i| {
        thread.* = std.Thread.spawn(.{ .stack_size = 1 << 20 }, work, .{@as(u32, @intCast(i))}) catch common.fail("a thread");
    }
    for (threads) |thread| thread.join();
}

pub fn run(count: u32) void {
    rounds = @min(count, rounds_max);
    disjoint();
    append("log", common.O_APPEND);
    append("shared", 0);
    readTogether();
}

/// Each stores into places of its own; neighbours are other threads'.
fn disjoint() void {
    fd = common.open("disjoint", common.O_RDWR | common.O_CREAT);
    together(struct {
        fn work(thread: u32) void {
            var part: [part_bytes]u8 = undefined;
            for (0..rounds) |round| {
                const place = round * thread_count + thread;
                @memset(&part, @truncate(place * 7));
                expect(c.pwrite(fd, &part, part.len, @intCast(place * part_bytes)) == part.len, "pwrite");
            }
        }
    }.work);
    _ = c.close(fd);
    const content = common.whole("disjoint", &buffer);
    for (content, 0..) |byte, i| expect(byte == @as(u8, @truncate(i / part_bytes * 7)), "every byte is its own thread's");
    common.say("disjoint: {d} bytes, {x}", .{ content.len, common.sum(content) });
}

fn record(thread: u32, round: usize) [record_bytes]u8 {
    var bytes: [record_bytes]u8 = undefined;
    std.mem.writeInt(u32, bytes[0..4], thread, .little);
    std.mem.writeInt(u32, bytes[4..8], @intCast(round), .little);
    std.mem.writeInt(u32, bytes[8..12], common.sum(bytes[0..8]), .little);
    bytes[12..16].* = "end\n".*;
    return bytes;
}

/// Through one descriptor: by O_APPEND, or by the offset they share.
fn append(path: [*:0]const u8, flags: c_int) void {
    fd = common.open(path, common.O_RDWR | common.O_CREAT | flags);
    together(struct {
        fn work(thread: u32) void {
            for (0..rounds) |round| common.writeAll(fd, &record(thread, round));
        }
    }.work);
    common.say("{s}: offset {d}", .{ path, c.lseek(fd, 0, common.SEEK_CUR) });
    _ = c.close(fd);
    const content = common.whole(path, &buffer);
    var next: [thread_count]u32 = @splat(0);
    var at: usize = 0;
    while (at < content.len) : (at += record_bytes) {
        const thread = std.mem.readInt(u32, content[at..][0..4], .little);
        expect(thread < thread_count and std.mem.eql(u8, content[at..][0..record_bytes], &record(thread, next[thread])), "records are whole and in order");
        next[thread] += 1;
    }
    for (next) |each| expect(each == rounds, "every record is there");
    common.say("{s}: {d} bytes", .{ path, content.len });
}

fn readTogether() void {
    @memset(&seen, 0);
    fd = common.open("shared", common.O_RDONLY);
    together(struct {
        fn work(_: u32) void {
            var bytes: [record_bytes]u8 = undefined;
            while (common.must(c.read(fd, &bytes, bytes.len), "read") > 0) {
                const thread = std.mem.readInt(u32, bytes[0..4], .little);
                const round = std.mem.readInt(u32, bytes[4..8], .little);
                expect(std.mem.eql(u8, &bytes, &record(thread, round)), "what is read is a record");
                _ = @atomicRmw(u8, &seen[thread * rounds + round], .Add, 1, .monotonic);
            }
        }
    }.work);
    for (seen[0 .. thread_count * rounds]) |times| expect(times == 1, "every record is read once");
    common.say("shared: read to {d}", .{c.lseek(fd, 0, common.SEEK_CUR)});
    _ = c.close(fd);
}
