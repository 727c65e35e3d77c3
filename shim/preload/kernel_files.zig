//! Handing descriptors of ours to the kernel: the real file of the mount takes the place of a description at all its descriptors, one by one
//! (*materializing*), for a copy of the process, or for good.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const description_pool = @import("description_pool.zig");
const descriptors = @import("descriptors.zig");
const early = @import("early.zig");
const full_table = @import("full_table.zig");
const gate = @import("gate.zig");
const holds = @import("holds.zig");
const kept = @import("kept.zig");
const mount_root = @import("mount_root.zig");
const placeholder = @import("placeholder.zig");
const private = @import("private.zig");
const region = @import("region.zig");
const reopen = @import("reopen.zig");
const system = @import("system.zig");

const Open = descriptors.Open;
const find = descriptors.find;
const memory = private.memory;
const no_number = descriptors.no_number;

/// The descriptor, and all that share its description, become the real file of the mount at the same offset. Nothing
/// happens to others. When it cannot be done (the file is beyond the caller's rights, or its mount is out of reach by now), the descriptor
/// goes on as it is, for all that the library serves, and `lost` says what the call is answered.
pub inline fn materialize(fd: c_int) void {
    if (find(fd)) |o| materializeOpen(o);
}

pub noinline fn materializeOpen(o: Open) void {
    // When others have covered or detached the mount, everything becomes real as long as this descriptor leads there.
    if (o.flags & descriptors.anchored != 0 and !areStopped()) gate.lookForMount(o.v);
    const mask = system.blockSignals();
    defer system.restoreSignals(mask);
    const hold = o.lock() orelse return;
    defer hold.release();
    const real = switch (openReal(o)) {
        no_number => full_table.openReal(o),
        else => |result| result,
    };
    if (real < 0) {
        const e: linux.E = @enumFromInt(-real);
        if (e == .NOTCONN or e == .CONNABORTED) @atomicStore(bool, &is_disconnected, true, .monotonic);
        return;
    }
    defer if (real != o.fd) {
        _ = linux.syscall1(.close, system.word(real));
    };
    const others = o.description.references - 1;
    replace(o, real);
    if (others == 0) return;
    for (0..descriptors.end()) |number| {
        if (@atomicLoad(u32, &memory.table[number], .monotonic) != o.entry) continue;
        var other = o;
        other.fd = @intCast(number);
        replace(other, real);
    }
}

/// The kernel has refused to open a file because nobody serves the mount any more.
var is_disconnected: bool linksection(early.section) = false;

/// What a call is answered on a descriptor that was to be made real and could not be: where the mount has no daemon any more, as on
/// any file of a FUSE mount then. Null where it is real, and the kernel is to answer.
pub noinline fn lost(fd: c_int) ?linux.E {
    const o = find(fd) orelse return null;
    return if (region.ended(o.v) or @atomicLoad(bool, &is_disconnected, .monotonic)) .NOTCONN else .IO;
}

fn replace(o: Open, real: c_int) void {
    // Where no number was free it has the descriptor's own already.
    if (o.fd == real) return descriptors.clearEntry(o);
    const descriptor_flags = linux.fcntl(o.fd, linux.F.GETFD, 0);
    // One that was closed by a way the library does not see stays closed.
    if (linux.errno(descriptor_flags) == .SUCCESS) {
        const flags: linux.O = .{ .CLOEXEC = descriptor_flags & linux.FD_CLOEXEC != 0 };
        const result = linux.dup3(real, o.fd, @bitCast(flags));
        // The limit may be lower now than it was. Where nothing helps the descriptor stays ours.
        if (linux.errno(result) != .SUCCESS and !full_table.move(real, o.fd, @bitCast(flags))) return;
    }
    descriptors.clearEntry(o);
}

/// A descriptor of the real file, at the description's offset; negative: it cannot be had.
pub fn openReal(o: Open) c_int {
    const d = o.description;
    const what: reopen.What = .{
        .ino = d.ino,
        .generation = d.generation,
        .parent = d.parent,
        .dentry = d.dentry,
        .flags = d.flags,
        .is_directory = o.isDirectory(),
    };
    const root = mount_root.of(o);
    var real = reopen.open(o.v, what, root);
    if (real == no_number and placeholder.close()) real = reopen.open(o.v, what, root);
    if (real < 0 or d.offset == 0) return real;
    if (what.is_directory) lookAtStart(real);
    _ = linux.lseek(real, @intCast(d.offset), linux.SEEK.SET);
    return real;
}

/// The kernel finds out only at the start of a directory that the listing in its cache is out of date. It is no reading that
/// the program would have asked for: where it may be, without a trace.
fn lookAtStart(directory: c_int) void {
    var bytes: [512]u8 align(8) = undefined;
    const flags = linux.fcntl(directory, linux.F.GETFL, 0);
    const untraced: linux.O = .{ .NOATIME = true };
    _ = linux.fcntl(directory, linux.F.SETFL, flags | @as(u32, @bitCast(untraced)));
    _ = linux.getdents64(directory, &bytes, bytes.len);
    _ = linux.fcntl(directory, linux.F.SETFL, flags);
}

/// Every descriptor, or those that a program started by exec would inherit.
pub fn materializeAll(which: enum { all, inherited }) void {
    kept.drop();
    // Anchors last: from them the other files can be reached.
    for ([_]u32{ 0, descriptors.anchored }) |kind| {
        for (0..descriptors.end()) |number| {
            const open = find(@intCast(number)) orelse continue;
            if (open.flags & descriptors.anchored != kind) continue;
            if (which == .inherited and linux.fcntl(open.fd, linux.F.GETFD, 0) & linux.FD_CLOEXEC != 0) continue;
            materializeOpen(open);
        }
    }
}

/// Every descriptor of the inode.
pub fn materializeInode(inode: *volatile layout.Inode) void {
    for (0..descriptors.end()) |number| {
        const open = find(@intCast(number)) orelse continue;
        if (open.inode() == inode) materializeOpen(open);
    }
}

// Being copied.

var stopped: bool linksection(early.section) = false;

/// Everything is left to the kernel.
pub fn areStopped() bool {
    return @atomicLoad(bool, &stopped, .monotonic);
}

/// The process is about to be copied: nothing of ours is open, nor will be until `openGate`.
pub fn closeGate() void {
    _ = holds.push(&openLeft, 0);
    _ = @atomicRmw(u32, &memory.closed_gates, .Add, 1, .seq_cst);
    // An open takes microseconds. One that this thread interrupted to run a signal handler goes on only afterwards.
    for (0..descriptors.yields_before_sleep) |_| {
        if (!description_pool.hasClaims()) break;
        _ = linux.syscall0(.sched_yield);
    }
    materializeAll(.all);
}

pub fn openGate() void {
    _ = @atomicRmw(u32, &memory.closed_gates, .Sub, 1, .seq_cst);
    forgetGate();
}

/// In the copy, whose gates are all open.
pub fn forgetGate() void {
    if (holds.find(&openLeft, 0)) |step| holds.pop(step);
}

/// The function that copies the process has been left.
fn openLeft(_: *volatile holds.Hold) callconv(.c) void {
    const before = @atomicLoad(u32, &memory.closed_gates, .seq_cst);
    if (before > 0) _ = @atomicRmw(u32, &memory.closed_gates, .Sub, 1, .seq_cst);
}

/// From now on everything is real: the kernel will be given descriptors where the library does not see it.
pub fn stop() void {
    @atomicStore(bool, &stopped, true, .seq_cst);
    closeGate();
    openGate();
}

/// The process takes record locks of this file: fcntl(2) takes them back when any of its descriptors of the file is closed,
/// so the kernel has to see them all.
pub fn stopForLocks(fd: c_int) void {
    const v = region.view() orelse return;
    if (areStopped()) return;
    const file = system.fstat(fd) orelse return;
    if (file.dev == v.device) stop();
}
