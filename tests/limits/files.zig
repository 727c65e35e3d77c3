//! Thousands of files open at once: numbers are the lowest there are, and limits hold.

const std = @import("std");
const common = @import("common.zig");
const c = common.c;
const expect = common.expect;
const must = common.must;

const spare = 200;
var numbers: [70_000]c_int = undefined;

fn name(buffer: *[32]u8, i: usize) [*:0]const u8 {
    return (std.fmt.bufPrintSentinel(buffer, "file{d}", .{i}, 0) catch unreachable).ptr;
}

fn limit(soft: u64) void {
    var now: c.Rlimit = undefined;
    _ = must(c.getrlimit(common.RLIMIT_NOFILE, &now), "getrlimit");
    now.cur = @min(soft, now.max);
    _ = must(c.setrlimit(common.RLIMIT_NOFILE, &now), "setrlimit");
}

fn content(i: usize) [8]u8 {
    return std.mem.toBytes(std.mem.nativeToLittle(u64, i * 0x9e37_79b9_7f4a_7c15));
}

/// Reads, asks for the size, and stores, through a descriptor.
fn use(fd: c_int, i: usize) void {
    var bytes: [9]u8 = undefined;
    expect(c.pread(fd, &bytes, bytes.len, 0) == 8 and std.mem.eql(u8, bytes[0..8], &content(i)), "each descriptor is its own file's");
    var status: c.Stat = undefined;
    _ = must(c.fstat(fd, &status), "fstat");
    expect(status.size == 8, "fstat's size");
    expect(c.pwrite(fd, &content(i), 8, 0) == 8, "pwrite");
}

pub fn run(count: u32) void {
    limit(count + count / 2 + spare);
    var buffer: [32]u8 = undefined;
    const first = common.open(name(&buffer, 0), common.O_RDWR | common.O_CREAT);
    _ = c.close(first);
    for (0..count) |i| {
        numbers[i] = common.open(name(&buffer, i), common.O_RDWR | common.O_CREAT);
        if (numbers[i] != first + @as(c_int, @intCast(i))) {
            common.say("file {d} has number {d} and not the lowest, {d}", .{ i, numbers[i], first + @as(c_int, @intCast(i)) });
            common._exit(1);
        }
        common.writeAll(numbers[i], &content(i));
    }
    for (0..count) |i| use(numbers[i], i);
    common.say("{d} files", .{count});

    // Gaps are filled from below, by dup as well as by open.
    var i: usize = 0;
    while (i < count) : (i += 3) expect(c.close(numbers[i]) == 0, "close");
    i = 0;
    while (i < count) : (i += 6) {
        const source = numbers[if (i + 1 < count) i + 1 else 1];
        expect(must(c.dup(source), "dup") == numbers[i], "dup takes the lowest number");
        expect(c.close(numbers[i]) == 0, "close");
        expect(common.open(name(&buffer, i), common.O_RDWR) == numbers[i], "open takes the lowest number");
        if (i + 3 < count) expect(common.open(name(&buffer, i + 3), common.O_RDWR) == numbers[i + 3], "and the next one");
    }
    for (0..count) |k| use(numbers[k], k);
    for (0..count / 2) |k| {
        const other = must(c.dup(numbers[k]), "dup");
        expect(other == first + @as(c_int, @intCast(count + k)), "dup goes on behind");
        use(other, k);
    }
    for (0..count / 2) |k| expect(c.close(first + @as(c_int, @intCast(count + k))) == 0, "close");
    common.say("half as many again", .{});

    // A limit below what is open: nothing new, but what is there works.
    limit(count / 2);
    expect(c.open(name(&buffer, 0), common.O_RDONLY) < 0 and common.errno() == common.EMFILE, "no file above the limit");
    expect(c.dup(numbers[0]) < 0 and common.errno() == common.EMFILE, "no number above the limit");
    for (0..count) |k| use(numbers[k], k);
    expect(c.close(numbers[5]) == 0 and common.open(name(&buffer, 5), common.O_RDWR) == numbers[5], "a number below the limit");
    expect(c.close(numbers[count - 1]) == 0, "close");
    expect(c.open(name(&buffer, 0), common.O_RDONLY) < 0 and common.errno() == common.EMFILE, "nor does closing one above it help");
    for (0..count - 1) |k| expect(c.close(numbers[k]) == 0, "close");
    expect(c.close(numbers[3]) < 0 and common.errno() == c.EBADF, "closed is closed");
    common.say("limits hold, and then the lowest is {d} again: {}", .{ first, common.open("file0", common.O_RDONLY) == first });
}
