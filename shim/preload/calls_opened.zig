//! The functions of libc that change attributes, size and space of what is open, and copy between open files.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const calls_attributes = @import("calls_attributes.zig");
const calls_names = @import("calls_names.zig");
const changes = @import("attributes_change.zig");
const cancellation = @import("cancellation.zig");
const counters = @import("counters.zig");
const data = @import("data.zig");
const descriptors = @import("descriptors.zig");
const kernel_files = @import("kernel_files.zig");
const limits = @import("limits.zig");
const memory_probe = @import("memory_probe.zig");
const next = @import("next.zig");
const permissions = @import("permissions.zig");
const ring = @import("ring.zig");
const store = @import("store.zig");
const walk = @import("walk.zig");
const watches = @import("watches.zig");

const Actor = permissions.Actor;
const Open = descriptors.Open;
const Outcome = permissions.Outcome;
const Path = [*:0]const u8;
const append_flag: u32 = @bitCast(linux.O{ .APPEND = true });

/// Lets `use` change the inode of a descriptor of ours. Null: the kernel's, and the descriptor is real.
inline fn onDescriptor(
    op: counters.Op,
    fd: c_int,
    context: anytype,
    comptime use: fn (Actor, walk.Place, *volatile layout.Inode, @TypeOf(context)) ?Outcome,
) ?c_int {
    const o = descriptors.find(fd) orelse return null;
    // Where it was found is of interest only for who watches it.
    const place: walk.Place = .{ .ino = o.ino, .generation = o.generation, .parent = o.description.parent, .dentry = 0, .namespace_seq = 0 };
    var why: Outcome = undefined;
    const outcome = if (permissions.actor(&why)) |who| changed: {
        if (watches.concern(who.v, place)) break :changed Outcome{ .kernel = .watched };
        break :changed use(who, place, who.inode(place.ino), context);
    } else why;
    return calls_names.served(op, outcome orelse .{ .kernel = .busy }, &.{fd});
}

/// A call whose arguments the kernel is to judge.
fn left(op: counters.Op, fd: c_int) ?c_int {
    if (descriptors.find(fd) == null) return null;
    return calls_names.served(op, .{ .kernel = .arguments }, &.{fd});
}

fn isFileToWrite(o: Open) bool {
    return o.flags & descriptors.access_mask != 0 and !o.isDirectory();
}

fn fchmod(fd: c_int, mode: c_uint) callconv(.c) c_int {
    return onDescriptor(.chmod, fd, mode, changes.setMode) orelse next.call("fchmod", *const fn (c_int, c_uint) callconv(.c) c_int)(fd, mode);
}

fn fchown(fd: c_int, uid: u32, gid: u32) callconv(.c) c_int {
    const to_nobody = uid == changes.unchanged and gid == changes.unchanged;
    const owner: changes.Owner = .{ .uid = uid, .gid = gid };
    return (if (to_nobody) left(.chown, fd) else onDescriptor(.chown, fd, owner, changes.setOwner)) orelse
        next.call("fchown", *const fn (c_int, u32, u32) callconv(.c) c_int)(fd, uid, gid);
}

fn futimens(fd: c_int, times: ?*const changes.Times) callconv(.c) c_int {
    const known = times == null or (calls_attributes.isPointer(times) and calls_attributes.areTimes(times.?.*));
    const wanted: ?changes.Times = if (known and times != null) times.?.* else null;
    return (if (known) onDescriptor(.utime, fd, wanted, changes.setTimes) else left(.utime, fd)) orelse
        next.call("futimens", *const fn (c_int, ?*const changes.Times) callconv(.c) c_int)(fd, times);
}

fn futimes(fd: c_int, times: ?*const calls_attributes.Microtimes) callconv(.c) c_int {
    const given = if (times) |pointer| calls_attributes.fromMicroseconds(pointer) else null;
    const known = times == null or given != null;
    return (if (known) onDescriptor(.utime, fd, given, changes.setTimes) else left(.utime, fd)) orelse
        next.call("futimes", *const fn (c_int, ?*const calls_attributes.Microtimes) callconv(.c) c_int)(fd, times);
}

fn Ftruncate(comptime name: [:0]const u8) type {
    return struct {
        fn call(fd: c_int, length: i64) callconv(.c) c_int {
            return truncated(fd, length) orelse next.call(name, *const fn (c_int, i64) callconv(.c) c_int)(fd, length);
        }
        fn truncated(fd: c_int, length: i64) ?c_int {
            const o = descriptors.find(fd) orelse return null;
            if (length < 0 or !isFileToWrite(o)) return next.fail(.INVAL);
            if (length > layout.file_bytes_max) return left(.truncate, fd);
            return onDescriptor(.truncate, fd, @as(u64, @intCast(length)), changes.setSizeOfOpen);
        }
    };
}

// Space.

fn allocated(fd: c_int, mode: c_int, offset: i64, length: i64) ?c_int {
    const o = descriptors.find(fd) orelse return null;
    if (offset < 0 or length <= 0 or !isFileToWrite(o)) return left(.truncate, fd);
    const space: changes.Space = .{ .mode = mode, .offset = @intCast(offset), .length = @intCast(length) };
    return onDescriptor(.truncate, fd, space, changes.setSpace);
}

fn Fallocate(comptime name: [:0]const u8) type {
    return struct {
        fn call(fd: c_int, mode: c_int, offset: i64, length: i64) callconv(.c) c_int {
            cancellation.point();
            return allocated(fd, mode, offset, length) orelse
                next.call(name, *const fn (c_int, c_int, i64, i64) callconv(.c) c_int)(fd, mode, offset, length);
        }
    };
}

/// Returns the errno, and leaves the program's as it is.
fn PosixFallocate(comptime name: [:0]const u8) type {
    return struct {
        fn call(fd: c_int, offset: i64, length: i64) callconv(.c) c_int {
            const before = next.errnoLocation().*;
            if (allocated(fd, 0, offset, length)) |result| {
                defer next.errnoLocation().* = before;
                return if (result == 0) 0 else next.errnoLocation().*;
            }
            return next.call(name, *const fn (c_int, i64, i64) callconv(.c) c_int)(fd, offset, length);
        }
    };
}

// Copying.

/// Copies at most `copy_bytes_max`; a program that wants more asks again, see copy_file_range(2).
fn copy_file_range(in: c_int, in_offset: ?*i64, out: c_int, out_offset: ?*i64, length: usize, flags: c_uint) callconv(.c) isize {
    cancellation.point();
    if (copied(in, in_offset, out, out_offset, length, flags)) |result| return result;
    for ([_]c_int{ in, out }) |fd| kernel_files.materialize(fd);
    for ([_]c_int{ in, out }) |fd| if (kernel_files.lost(fd)) |e| return next.fail(e);
    const F = fn (c_int, ?*i64, c_int, ?*i64, usize, c_uint) callconv(.c) isize;
    return next.call("copy_file_range", *const F)(in, in_offset, out, out_offset, length, flags);
}

/// Null: the kernel's.
fn copied(in: c_int, in_offset: ?*i64, out: c_int, out_offset: ?*i64, length: usize, flags: c_uint) ?isize {
    const source = descriptors.find(in) orelse return null;
    const target = descriptors.find(out) orelse return null;
    if (flags != 0 or length == 0 or source.isDirectory() or !isFileToWrite(target)) return null;
    if (source.flags & descriptors.access_mask == 1 or target.flags & append_flag != 0) return null;
    if (source.ino == target.ino or source.entry == target.entry or limits.fileSize() != null) return null;
    if (store.why(target.v, target.inode()) != null or data.elsewhere(source.inode()) != null) return null;
    for ([_]?*i64{ in_offset, out_offset }) |given| if (given) |pointer| {
        if (!memory_probe.canWrite(pointer, @sizeOf(i64)) or pointer.* < 0) return null;
    };
    var why: Outcome = undefined;
    const who = permissions.actor(&why) orelse return null;
    const locks = descriptors.lockBoth(source, target) orelse return null;
    defer locks.release();
    const from: u64 = if (in_offset) |given| @intCast(given.*) else source.description.offset;
    const to: u64 = if (out_offset) |given| @intCast(given.*) else target.description.offset;
    if (to > layout.file_bytes_max) return null;
    const result = ring.request(who.v, layout.messages.RingCopy{
        .inode = .{ .ino = source.ino, .generation = source.generation },
        .target = .{ .ino = target.ino, .generation = target.generation },
        .offset = from,
        .target_offset = to,
        .length = @min(length, layout.messages.copy_bytes_max),
    }) orelse return null;
    if (result < 0) return if (result == -@as(i32, @intFromEnum(next.E.NOSPC))) next.fail(.NOSPC) else null;
    counters.ring(.write);
    const bytes: u32 = @intCast(result);
    if (in_offset) |given| given.* += bytes else source.description.offset += bytes;
    if (out_offset) |given| given.* += bytes else target.description.offset += bytes;
    return bytes;
}

// Extended attributes.

fn fsetxattr(fd: c_int, attribute: Path, value: ?[*]const u8, size: usize, flags: c_int) callconv(.c) c_int {
    const wanted = calls_attributes.newAttribute(attribute, value, size, flags);
    return (if (wanted) |new| onDescriptor(.xattr, fd, new, changes.setAttribute) else left(.xattr, fd)) orelse
        next.call("fsetxattr", *const fn (c_int, Path, ?[*]const u8, usize, c_int) callconv(.c) c_int)(fd, attribute, value, size, flags);
}

fn fremovexattr(fd: c_int, attribute: Path) callconv(.c) c_int {
    const served = if (calls_attributes.userName(attribute)) |name|
        onDescriptor(.xattr, fd, changes.Attribute{ .name = name, .is_removed = true }, changes.setAttribute)
    else
        left(.xattr, fd);
    return served orelse next.call("fremovexattr", *const fn (c_int, Path) callconv(.c) c_int)(fd, attribute);
}

fn fgetxattr(fd: c_int, attribute: Path, value: ?[*]u8, size: usize) callconv(.c) isize {
    const served = if (calls_attributes.isOfUser(attribute)) |of_user| onDescriptor(.xattr, fd, of_user, changes.getMissing) else left(.xattr, fd);
    if (served) |result| return result;
    return next.call("fgetxattr", *const fn (c_int, Path, ?[*]u8, usize) callconv(.c) isize)(fd, attribute, value, size);
}

fn flistxattr(fd: c_int, list: ?[*]u8, size: usize) callconv(.c) isize {
    if (onDescriptor(.xattr, fd, {}, changes.listNone)) |result| return result;
    return next.call("flistxattr", *const fn (c_int, ?[*]u8, usize) callconv(.c) isize)(fd, list, size);
}

comptime {
    const functions = .{
        .{ "fchmod", &fchmod },       .{ "fchown", &fchown },             .{ "futimens", &futimens },   .{ "futimes", &futimes },
        .{ "fsetxattr", &fsetxattr }, .{ "fremovexattr", &fremovexattr }, .{ "fgetxattr", &fgetxattr }, .{ "flistxattr", &flistxattr },
    };
    for (functions) |function| @export(function[1], .{ .name = function[0] });
    for (.{ "ftruncate", "ftruncate64" }) |name| @export(&Ftruncate(name).call, .{ .name = name });
    for (.{ "fallocate", "fallocate64" }) |name| @export(&Fallocate(name).call, .{ .name = name });
    for (.{ "posix_fallocate", "posix_fallocate64" }) |name| @export(&PosixFallocate(name).call, .{ .name = name });
    @export(&copy_file_range, .{ .name = "copy_file_range" });
}
