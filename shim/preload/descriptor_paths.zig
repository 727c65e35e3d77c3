//! Paths that lead to an open descriptor: /proc/self/fd/N, /proc/PID/fdinfo/N, /dev/fd/N and what lies below them.
//!
//! The kernel follows them to the placeholder (placeholder.zig), which is a file of another kind with another name. So the descriptor
//! becomes the real file before the kernel looks. Whoever lists all descriptors finds the real files too, and the library's own
//! spare descriptors are closed, because the program has not opened them.
//!
//! A number in such a path may also belong to another process. The descriptor of the same number here is then materialized for
//! nothing, which costs time and changes no answer.

const std = @import("std");
const linux = std.os.linux;
const descriptors = @import("descriptors.zig");
const gate = @import("gate.zig");
const kept = @import("kept.zig");
const kernel_files = @import("kernel_files.zig");
const memory_probe = @import("memory_probe.zig");
const placeholder = @import("placeholder.zig");
const system = @import("system.zig");

const Path = [*:0]const u8;
const path_bytes_max = 4096;

/// A path that the kernel is about to follow, from `dirfd` on when it is relative.
pub inline fn materialize(dirfd: c_int, path: ?Path) void {
    if (descriptors.any() or placeholder.get() >= 0) look(dirfd, path);
}

noinline fn look(dirfd: c_int, path: ?Path) void {
    // No pointer: the kernel says EFAULT.
    if (@intFromPtr(path) < 4096 or !gate.mayAct() or !memory_probe.isPath(path)) return;
    const text = std.mem.sliceTo(path.?[0..path_bytes_max], 0);
    if (text.len == path_bytes_max) return;
    if (text.len > 0 and text[0] == '/') {
        if (isBelow(text, "proc") or isBelow(text, "dev")) follow(text, false);
    } else if (mayName(text) and isInProc(dirfd)) {
        follow(text, true);
    }
}

fn isBelow(text: []const u8, directory: []const u8) bool {
    const start = std.mem.indexOfNone(u8, text, "/.") orelse return false;
    return std.mem.startsWith(u8, text[start..], directory);
}

/// Most relative paths are ruled out by their text, without asking the kernel where they start.
fn mayName(text: []const u8) bool {
    if (text.len == 0) return false;
    return std.ascii.isDigit(text[0]) or text[0] == '.' or std.mem.indexOf(u8, text, "fd") != null;
}

const proc_super_magic = 0x9fa0;

fn isInProc(dirfd: c_int) bool {
    // struct statfs starts with the type, and has 120 bytes.
    var about: [15]u64 = undefined;
    const result = if (dirfd == system.at_fdcwd)
        linux.syscall2(.statfs, @intFromPtr("."), @intFromPtr(&about))
    else
        linux.syscall2(.fstatfs, system.word(dirfd), @intFromPtr(&about));
    return result == 0 and about[0] == proc_super_magic;
}

/// Materializes what the path names. `is_list_open`: it may start in a directory of descriptors.
fn follow(text: []const u8, is_list_open: bool) void {
    var in_list = is_list_open;
    var components = std.mem.tokenizeScalar(u8, text, '/');
    while (components.next()) |component| {
        if (std.mem.eql(u8, component, ".")) continue;
        if (in_list) if (std.fmt.parseInt(u16, component, 10)) |number| kernel_files.materialize(number) else |_| {};
        in_list = std.mem.eql(u8, component, "fd") or std.mem.eql(u8, component, "fdinfo");
    }
    if (in_list) showAll();
}

/// The program is about to list its descriptors.
fn showAll() void {
    kernel_files.materializeAll(.all);
    kept.drop();
    _ = placeholder.close();
}
