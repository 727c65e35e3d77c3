//! A process that does what it is told: reads commands from standard input, carries each out by the libc function
//! of the same name, and writes the results to standard output, in order. Many commands may be sent in one piece;
//! results are written when no complete command is left to do. The format is described in agent/wire.zig.
//!
//! Every public function returning i64 in the files below is an operation. The first line of the output (the
//! banner) lists them, "name:signature" separated by spaces, so that the driver needs no list of its own.

const std = @import("std");
const c = @import("agent/libc.zig");
const wire = @import("agent/wire.zig");

const families = .{
    @import("agent/names.zig"),
    @import("agent/attributes.zig"),
    @import("agent/files.zig"),
    @import("agent/directories.zig"),
    @import("agent/memory.zig"),
    @import("agent/stdio.zig"),
    @import("agent/survey.zig"),
    @import("agent/process.zig"),
};

const Operation = struct {
    name: []const u8,
    signature: []const u8,
    perform: *const fn (*wire.Request) i64,
};

const operations: []const Operation = blk: {
    @setEvalBranchQuota(100_000);
    var list: []const Operation = &.{};
    for (families) |family| {
        for (@typeInfo(family).@"struct".decls) |declaration| {
            const value = @field(family, declaration.name);
            const info = @typeInfo(@TypeOf(value));
            if (info != .@"fn" or info.@"fn".return_type != i64) continue;
            list = list ++ [_]Operation{.{
                .name = declaration.name,
                .signature = signature(@TypeOf(value)),
                .perform = performer(value),
            }};
        }
    }
    break :blk list;
};

fn signature(comptime Function: type) []const u8 {
    var letters: []const u8 = "";
    for (@typeInfo(Function).@"fn".params) |parameter| {
        letters = letters ++ switch (parameter.type.?) {
            wire.Fd => "f",
            wire.Path => "s",
            wire.Data => "d",
            []const u8 => "b",
            else => "i",
        };
    }
    return letters;
}

fn performer(comptime function: anytype) *const fn (*wire.Request) i64 {
    return &struct {
        fn perform(request: *wire.Request) i64 {
            var arguments: std.meta.ArgsTuple(@TypeOf(function)) = undefined;
            inline for (&arguments) |*argument| argument.* = request.next(@TypeOf(argument.*));
            return @call(.auto, function, arguments);
        }
    }.perform;
}

pub fn main() u8 {
    const SIGPIPE = 13;
    const SIGXFSZ = 25;
    const SIG_IGN = 1;
    _ = c.signal(SIGPIPE, SIG_IGN);
    _ = c.signal(SIGXFSZ, SIG_IGN);
    putBanner();
    var input: std.ArrayList(u8) = .empty;
    while (flush()) {
        input.ensureUnusedCapacity(wire.allocator, 1 << 16) catch @panic("out of memory");
        const room = input.unusedCapacitySlice();
        const length = c.read(0, room.ptr, room.len);
        if (length <= 0) {
            if (length < 0 and wire.errno().* == c.EINTR) continue;
            break;
        }
        input.items.len += @intCast(length);
        const done = performAll(input.items);
        std.mem.copyForwards(u8, input.items, input.items[done..]);
        input.shrinkRetainingCapacity(input.items.len - done);
    }
    return 0;
}

fn putBanner() void {
    for (operations) |operation| {
        wire.putBytes(operation.name);
        wire.putBytes(":");
        wire.putBytes(operation.signature);
        wire.putBytes(" ");
    }
    wire.putBytes("\n");
}

/// Carries out every complete request; returns how many bytes they took.
fn performAll(bytes: []const u8) usize {
    var done: usize = 0;
    while (bytes.len - done >= 4) {
        const length = std.mem.readInt(u32, bytes[done..][0..4], .little);
        if (bytes.len - done - 4 < length) break;
        perform(bytes[done + 4 ..][0..length]);
        done += 4 + length;
        if (wire.out.items.len > 1 << 20 and !flush()) break;
    }
    return done;
}

fn perform(frame: []const u8) void {
    const start = wire.out.items.len;
    wire.put(@as(u32, 0)); // the length, known below
    wire.put(@as(i32, 0));
    wire.put(@as(i64, 0));
    const operation = operations[std.mem.readInt(u16, frame[0..2], .little)];
    var request: wire.Request = .{ .bytes = frame[2..] };
    const result = operation.perform(&request);
    const number: i32 = if (result < 0) wire.errno().* else 0;
    const head = wire.out.items[start..][0..16];
    std.mem.writeInt(u32, head[0..4], @intCast(wire.out.items.len - start - 4), .little);
    std.mem.writeInt(i32, head[4..8], number, .little);
    std.mem.writeInt(i64, head[8..16], result, .little);
}

/// False when nobody reads any more.
fn flush() bool {
    var rest: []const u8 = wire.out.items;
    while (rest.len > 0) {
        const length = c.write(1, rest.ptr, rest.len);
        if (length < 0) {
            if (wire.errno().* == c.EINTR) continue;
            return false;
        }
        rest = rest[@intCast(length)..];
    }
    wire.out.clearRetainingCapacity();
    return true;
}
