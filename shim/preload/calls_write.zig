//! Writing to descriptors. Reading, and their offsets, are in calls_data.zig.

const std = @import("std");
const linux = std.os.linux;
const calls_data = @import("calls_data.zig");
const cancellation = @import("cancellation.zig");
const counters = @import("counters.zig");
const descriptors = @import("descriptors.zig");
const kernel_files = @import("kernel_files.zig");
const memory_probe = @import("memory_probe.zig");
const next = @import("next.zig");
const store = @import("store.zig");

const Part = store.Part;
const append_flag: u32 = @bitCast(linux.O{ .APPEND = true });

/// Writing at an offset, or at the description's own, which moves; with O_APPEND at the end. Null: the kernel's, and the
/// descriptor is real now.
fn writeParts(fd: c_int, parts: []const Part, offset: ?i64) ?isize {
    cancellation.point();
    while (descriptors.find(fd)) |o| {
        const flags = o.flags;
        if (flags & descriptors.access_mask == 0) return next.fail(.BADF);
        const total = calls_data.totalOf(parts) orelse return next.fail(.INVAL);
        for (parts) |part| if (!memory_probe.canRead(part.base, part.len)) return aside(fd, .arguments);
        if (total == 0) return 0;
        const stored = if (offset) |given|
            store.store(o, parts, total, if (flags & append_flag != 0) store.at_end else @intCast(given))
        else moving: {
            const hold = o.lock() orelse continue;
            defer hold.release();
            const stored = store.store(o, parts, total, if (flags & append_flag != 0) store.at_end else o.description.offset);
            if (stored == .bytes) o.description.offset = stored.bytes.offset + stored.bytes.length;
            break :moving stored;
        };
        switch (stored) {
            .bytes => |span| {
                counters.fast(.write);
                return @intCast(span.length);
            },
            .errno => |e| return next.fail(e),
            .kernel => |reason| return aside(fd, reason),
        }
    }
    return null;
}

/// The kernel serves this call, and all that follow on the descriptor.
noinline fn aside(fd: c_int, reason: counters.Reason) ?isize {
    counters.kernel(.write, reason);
    kernel_files.materialize(fd);
    return if (kernel_files.lost(fd)) |e| next.fail(e) else null;
}

fn writeOne(fd: c_int, buffer: [*]const u8, count: usize, offset: ?i64) ?isize {
    return writeParts(fd, &.{.{ .base = buffer, .len = count }}, offset);
}

inline fn isOurs(fd: c_int) bool {
    return descriptors.find(fd) != null;
}

/// The parts of a vector for a descriptor of ours; null: the kernel's, be it for a wrong count.
fn partsOf(fd: c_int, parts: [*]const Part, count: c_int) ?[]const Part {
    if (!isOurs(fd)) return null;
    // Of no parts the address says nothing: it may be 0, which as a slice would mean null.
    if (count == 0) return &.{};
    const known = count > 0 and count <= calls_data.iov_max and memory_probe.canRead(parts, @as(usize, @intCast(count)) * @sizeOf(Part));
    if (known) return parts[0..@intCast(count)];
    _ = aside(fd, .arguments);
    return null;
}

const Write = fn (c_int, [*]const u8, usize) callconv(.c) isize;
const Pwrite = fn (c_int, [*]const u8, usize, i64) callconv(.c) isize;
const Writev = fn (c_int, [*]const Part, c_int) callconv(.c) isize;
const Pwritev = fn (c_int, [*]const Part, c_int, i64) callconv(.c) isize;
const Pwritev2 = fn (c_int, [*]const Part, c_int, i64, c_int) callconv(.c) isize;

fn Calls(comptime name: [:0]const u8) type {
    return struct {
        fn write(fd: c_int, buffer: [*]const u8, count: usize) callconv(.c) isize {
            if (isOurs(fd)) if (writeOne(fd, buffer, count, null)) |result| return result;
            return next.call(name, *const Write)(fd, buffer, count);
        }
        fn pwrite(fd: c_int, buffer: [*]const u8, count: usize, offset: i64) callconv(.c) isize {
            if (isOurs(fd) and offset >= 0) if (writeOne(fd, buffer, count, offset)) |result| return result;
            return next.call(name, *const Pwrite)(fd, buffer, count, offset);
        }
        fn writev(fd: c_int, parts: [*]const Part, count: c_int) callconv(.c) isize {
            if (partsOf(fd, parts, count)) |list| if (writeParts(fd, list, null)) |result| return result;
            return next.call(name, *const Writev)(fd, parts, count);
        }
        fn pwritev(fd: c_int, parts: [*]const Part, count: c_int, offset: i64) callconv(.c) isize {
            if (offset >= 0) if (partsOf(fd, parts, count)) |list| if (writeParts(fd, list, offset)) |result| return result;
            return next.call(name, *const Pwritev)(fd, parts, count, offset);
        }
        fn pwritev2(fd: c_int, parts: [*]const Part, count: c_int, offset: i64, flags: c_int) callconv(.c) isize {
            if (isOurs(fd) and flags != 0) _ = aside(fd, .arguments);
            if (offset >= -1) if (partsOf(fd, parts, count)) |list| {
                if (writeParts(fd, list, if (offset == -1) null else offset)) |result| return result;
            };
            return next.call(name, *const Pwritev2)(fd, parts, count, offset, flags);
        }
    };
}

comptime {
    for (.{ "write", "__write" }) |name| @export(&Calls(name).write, .{ .name = name });
    for (.{ "pwrite", "pwrite64", "__pwrite64" }) |name| @export(&Calls(name).pwrite, .{ .name = name });
    @export(&Calls("writev").writev, .{ .name = "writev" });
    for (.{ "pwritev", "pwritev64" }) |name| @export(&Calls(name).pwritev, .{ .name = name });
    for (.{ "pwritev2", "pwritev64v2" }) |name| @export(&Calls(name).pwritev2, .{ .name = name });
}
