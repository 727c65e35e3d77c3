//! dup(2) and its kind, where one of both descriptors is of ours: both share the open file description then.

const std = @import("std");
const linux = std.os.linux;
const descriptors = @import("descriptors.zig");
const kept = @import("kept.zig");
const kernel_files = @import("kernel_files.zig");
const placeholder = @import("placeholder.zig");
const system = @import("system.zig");

const Open = descriptors.Open;
const find = descriptors.find;
const keepable = descriptors.keepable;
const mustBeReal = descriptors.mustBeReal;
const setEntry = descriptors.setEntry;

/// F_DUPFD or F_DUPFD_CLOEXEC: a descriptor at or above `lowest` that shares the description, or a negative errno. Null: it is
/// to be a real one, and so is `o` now.
pub fn duplicate(o: Open, command: i32, lowest: usize) ?c_int {
    const mask = system.blockSignals();
    defer system.restoreSignals(mask);
    const hold = o.lock() orelse return null;
    kept.drop();
    var result = linux.fcntl(o.fd, command, lowest);
    if (linux.errno(result) == .MFILE and placeholder.close()) result = linux.fcntl(o.fd, command, lowest);
    if (linux.errno(result) == .SUCCESS and placeholder.makeWay(lowest, result)) {
        _ = linux.syscall1(.close, result);
        result = linux.fcntl(o.fd, command, lowest);
    }
    if (linux.errno(result) != .SUCCESS) {
        hold.release();
        return -@as(c_int, @intFromEnum(linux.errno(result)));
    }
    const fd: c_int = @intCast(result);
    if (mustBeReal(fd)) {
        _ = linux.syscall1(.close, result);
        hold.release();
        kernel_files.materializeOpen(o);
        return null;
    }
    o.description.references += 1;
    o.description.flags &= ~keepable;
    setEntry(fd, o.entry);
    hold.release();
    return fd;
}

/// dup3(2), where one of both is a descriptor of ours: 0 or a negative errno. Null: neither is one any more.
pub fn duplicateOnto(from: c_int, to: c_int, flags: u32) ?c_int {
    const mask = system.blockSignals();
    defer system.restoreSignals(mask);
    if (placeholder.is(to)) placeholder.yield();
    while (true) {
        const source = find(from);
        if (source) |o| if (mustBeReal(to)) {
            kernel_files.materializeOpen(o);
            if (find(from) != null) return -@as(c_int, @intFromEnum(kernel_files.lost(from) orelse .BADF));
            continue;
        };
        const target = find(to);
        if (source == null and target == null) return null;
        const locks = descriptors.lockBoth(source, target) orelse continue;
        defer locks.release();
        const result = linux.dup3(from, to, flags);
        if (linux.errno(result) != .SUCCESS) return -@as(c_int, @intFromEnum(linux.errno(result)));
        if (source) |o| {
            o.description.references += 1;
            o.description.flags &= ~keepable;
        }
        if (target) |o| descriptors.clearEntry(o);
        if (source) |o| setEntry(to, o.entry);
        return 0;
    }
}
