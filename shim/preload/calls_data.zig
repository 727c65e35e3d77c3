//! Reading, and the offset of descriptors. Writing is in calls_write.zig, the other calls on descriptors are in calls_descriptor.zig.

const std = @import("std");
const linux = std.os.linux;
const access_time = @import("access_time.zig");
const cancellation = @import("cancellation.zig");
const counters = @import("counters.zig");
const data = @import("data.zig");
const descriptors = @import("descriptors.zig");
const kept = @import("kept.zig");
const kernel_files = @import("kernel_files.zig");
const mount_files = @import("mount_files.zig");
const memory_probe = @import("memory_probe.zig");
const next = @import("next.zig");
const system = @import("system.zig");

const Open = descriptors.Open;
const Iovec = extern struct { base: [*]u8, len: usize };

/// MAX_RW_COUNT: no call moves more.
const bytes_max = 0x7fff_f000;
pub const iov_max = 1024;

/// Reading at an offset, or at the description's own, which moves. Null: the kernel's, and the descriptor is real now.
fn readParts(fd: c_int, parts: []const Iovec, offset: ?i64) ?isize {
    cancellation.point();
    while (descriptors.find(fd)) |o| {
        if (o.flags & descriptors.access_mask == write_only) return next.fail(.BADF);
        if (o.isDirectory()) return next.fail(.ISDIR);
        if (data.elsewhere(o.inode())) |reason| return aside(fd, .read, reason);
        const total = totalOf(parts) orelse return next.fail(.INVAL);
        for (parts) |part| if (!memory_probe.isOfPrograms(part.base)) return aside(fd, .read, .arguments);
        const bytes = if (offset) |given|
            copyParts(o, parts, total, @intCast(given))
        else moving: {
            const hold = o.lock() orelse continue;
            defer hold.release();
            const bytes = copyParts(o, parts, total, o.description.offset);
            o.description.offset += bytes orelse 0;
            break :moving bytes;
        };
        counters.fast(.read);
        if (total > 0) access_time.note(o);
        return @intCast(bytes orelse return aside(fd, .read, .busy));
    }
    return null;
}

const write_only = 1;

/// EINVAL by readv(2) and writev(2) when it does not fit.
pub fn totalOf(parts: anytype) ?usize {
    var total: usize = 0;
    for (parts) |part| {
        if (part.len > std.math.maxInt(isize) - total) return null;
        total += part.len;
    }
    return @min(total, bytes_max);
}

fn copyParts(o: Open, parts: []const Iovec, total: usize, offset: u64) ?usize {
    var done: usize = 0;
    for (parts) |part| {
        const wanted = @min(part.len, total - done);
        if (wanted == 0) continue;
        // Only what there is to read is written.
        const there = @min(wanted, data.sizeOf(o.inode()) -| (offset + done));
        if (!memory_probe.canWrite(part.base, there)) return if (done > 0) done else null;
        if (there == 0) break;
        const bytes = data.read(o.v, o.ino, offset + done, part.base, there) orelse return if (done > 0) done else null;
        done += bytes;
        if (bytes < wanted) break;
    }
    return done;
}

/// The kernel serves this call, and all that follow on the descriptor.
fn aside(fd: c_int, op: counters.Op, reason: counters.Reason) ?isize {
    counters.kernel(op, reason);
    kernel_files.materialize(fd);
    return if (kernel_files.lost(fd)) |e| next.fail(e) else null;
}

fn readOne(fd: c_int, buffer: [*]u8, count: usize, offset: ?i64) ?isize {
    return readParts(fd, &.{.{ .base = buffer, .len = count }}, offset);
}

inline fn isOurs(fd: c_int) bool {
    return descriptors.find(fd) != null;
}

const Read = fn (c_int, [*]u8, usize) callconv(.c) isize;
const Pread = fn (c_int, [*]u8, usize, i64) callconv(.c) isize;
const Readv = fn (c_int, [*]const Iovec, c_int) callconv(.c) isize;
const Preadv = fn (c_int, [*]const Iovec, c_int, i64) callconv(.c) isize;
const Preadv2 = fn (c_int, [*]const Iovec, c_int, i64, c_int) callconv(.c) isize;

fn Calls(comptime name: [:0]const u8) type {
    return struct {
        fn read(fd: c_int, buffer: [*]u8, count: usize) callconv(.c) isize {
            if (isOurs(fd)) if (readOne(fd, buffer, count, null)) |result| return result;
            kept.letMountGo();
            return next.call(name, *const Read)(fd, buffer, count);
        }
        fn pread(fd: c_int, buffer: [*]u8, count: usize, offset: i64) callconv(.c) isize {
            if (isOurs(fd) and offset >= 0) if (readOne(fd, buffer, count, offset)) |result| return result;
            return next.call(name, *const Pread)(fd, buffer, count, offset);
        }
        /// Compiled with _FORTIFY_SOURCE: libc ends the program when the buffer is too small.
        fn readChecked(fd: c_int, buffer: [*]u8, count: usize, size: usize) callconv(.c) isize {
            if (isOurs(fd) and count <= size) if (readOne(fd, buffer, count, null)) |result| return result;
            kept.letMountGo();
            return next.call(name, *const fn (c_int, [*]u8, usize, usize) callconv(.c) isize)(fd, buffer, count, size);
        }
        fn preadChecked(fd: c_int, buffer: [*]u8, count: usize, offset: i64, size: usize) callconv(.c) isize {
            if (isOurs(fd) and offset >= 0 and count <= size) if (readOne(fd, buffer, count, offset)) |result| return result;
            return next.call(name, *const fn (c_int, [*]u8, usize, i64, usize) callconv(.c) isize)(fd, buffer, count, offset, size);
        }
        fn readv(fd: c_int, parts: [*]const Iovec, count: c_int) callconv(.c) isize {
            if (partsOf(fd, parts, count)) |list| if (readParts(fd, list, null)) |result| return result;
            kept.letMountGo();
            return next.call(name, *const Readv)(fd, parts, count);
        }
        fn preadv(fd: c_int, parts: [*]const Iovec, count: c_int, offset: i64) callconv(.c) isize {
            if (offset >= 0) if (partsOf(fd, parts, count)) |list| if (readParts(fd, list, offset)) |result| return result;
            return next.call(name, *const Preadv)(fd, parts, count, offset);
        }
        fn preadv2(fd: c_int, parts: [*]const Iovec, count: c_int, offset: i64, flags: c_int) callconv(.c) isize {
            if (isOurs(fd) and flags != 0) _ = aside(fd, .read, .arguments);
            if (offset >= -1) if (partsOf(fd, parts, count)) |list| {
                if (readParts(fd, list, if (offset == -1) null else offset)) |result| return result;
            };
            return next.call(name, *const Preadv2)(fd, parts, count, offset, flags);
        }
        fn lseek(fd: c_int, offset: i64, whence: c_int) callconv(.c) i64 {
            if (isOurs(fd)) if (seek(fd, offset, whence)) |result| return result;
            // FUSE knows an end of directories.
            if (whence >= seek_end and whence <= seek_hole and mount_files.isDirectory(fd)) return next.fail(.INVAL);
            return next.call(name, *const fn (c_int, i64, c_int) callconv(.c) i64)(fd, offset, whence);
        }
    };
}

/// The parts of a vector for a descriptor of ours; null: the kernel's, be it for a wrong count.
fn partsOf(fd: c_int, parts: [*]const Iovec, count: c_int) ?[]const Iovec {
    if (!isOurs(fd)) return null;
    // Of no parts the address says nothing: it may be 0, which as a slice would mean null.
    if (count == 0) return &.{};
    if (count > 0 and count <= iov_max and memory_probe.canRead(parts, @as(usize, @intCast(count)) * @sizeOf(Iovec))) return parts[0..@intCast(count)];
    _ = aside(fd, .read, .arguments);
    return null;
}

pub const seek_set = 0;
const seek_cur = 1;
const seek_end = 2;
const seek_data = 3;
const seek_hole = 4;

/// lseek(2).
pub fn lseek(fd: c_int, offset: i64, whence: c_int) i64 {
    return Calls("lseek").lseek(fd, offset, whence);
}

fn seek(fd: c_int, offset: i64, whence: c_int) ?i64 {
    while (descriptors.find(fd)) |o| {
        const hold = o.lock() orelse continue;
        defer hold.release();
        const is_directory = o.isDirectory();
        const inode = o.inode();
        const from: i64 = switch (whence) {
            seek_set => 0,
            seek_cur => @intCast(o.description.offset),
            // As tmpfs has it, directories are not sought from their end.
            seek_end => if (is_directory) return next.fail(.INVAL) else @intCast(data.sizeOf(inode)),
            seek_data, seek_hole => {
                if (is_directory) return next.fail(.INVAL);
                if (offset < 0) return next.fail(.NXIO);
                switch (data.seek(o.v, o.ino, @intCast(offset), whence == seek_data)) {
                    .offset => |found| {
                        o.description.offset = found;
                        return @intCast(found);
                    },
                    .nothing => return next.fail(.NXIO),
                    .busy => break,
                }
            },
            else => return next.fail(.INVAL),
        };
        const target = std.math.add(i64, from, offset) catch return next.fail(.INVAL);
        if (target < 0) return next.fail(.INVAL);
        counters.fast(.lseek);
        o.description.offset = @intCast(target);
        return target;
    }
    return aside(fd, .lseek, .busy);
}

comptime {
    for (.{ "read", "__read" }) |name| @export(&Calls(name).read, .{ .name = name });
    for (.{ "pread", "pread64", "__pread64" }) |name| @export(&Calls(name).pread, .{ .name = name });
    @export(&Calls("__read_chk").readChecked, .{ .name = "__read_chk" });
    for (.{ "__pread_chk", "__pread64_chk" }) |name| @export(&Calls(name).preadChecked, .{ .name = name });
    @export(&Calls("readv").readv, .{ .name = "readv" });
    for (.{ "preadv", "preadv64" }) |name| @export(&Calls(name).preadv, .{ .name = name });
    for (.{ "preadv2", "preadv64v2" }) |name| @export(&Calls(name).preadv2, .{ .name = name });
    for (.{ "lseek", "lseek64", "__lseek" }) |name| @export(&Calls(name).lseek, .{ .name = name });
}
