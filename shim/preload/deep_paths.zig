//! Opening a file whose path is longer than the kernel takes at once (PATH_MAX): in several steps, each from the directory that the step
//! before has opened.

const linux = @import("std").os.linux;
const layout = @import("layout");
const data = @import("data.zig");
const dentries = @import("dentries.zig");
const gate = @import("gate.zig");
const mount_root = @import("mount_root.zig");
const region = @import("region.zig");
const system = @import("system.zig");

const View = region.View;

/// A file and the name by which it was found; 0 as `dentry` of the root.
pub const Node = struct { ino: u32, dentry: u32 };

/// Of one step; the rest of PATH_MAX is spared on the stack.
const step_bytes = 1024;
pub const Step = [step_bytes:0]u8;
/// Directories below each other, as many as walk.zig walks.
const depth_max = 4096;
const steps_max = 1024;
/// Tries of a step while names change.
const rounds_max = 1000;

/// Where the last step starts, and its path; whoever opens it closes the directory.
pub const Last = struct { directory: c_int, path: [:0]const u8 };

/// Goes to the directory from which the rest of the path is one step, from the descriptor `root` on, or from where the mount lies. Negative errno in `directory`: it is not there, or may not be searched.
pub fn before(v: *const View, root: ?c_int, target: Node, buffer: *Step) Last {
    // Which memory without a value does not have.
    buffer[step_bytes] = 0;
    var at: u32 = layout.root_ino;
    var directory = if (root) |fd| openDirectory(fd, ".") else openMount();
    for (0..steps_max) |_| {
        if (directory < 0) break;
        const next = step(v, at, target, buffer) orelse break;
        if (next.ino == target.ino) return .{ .directory = directory, .path = next.path };
        const further = openDirectory(directory, next.path);
        _ = linux.syscall1(.close, system.word(directory));
        directory = further;
        at = next.ino;
    }
    if (directory >= 0) _ = linux.syscall1(.close, system.word(directory));
    return if (directory < 0) .{ .directory = directory, .path = "" } else failed(.NOENT);
}

fn openMount() c_int {
    return result(linux.open(gate.mountPath() orelse return no_entry, directory_flags, 0));
}

fn failed(e: linux.E) Last {
    return .{ .directory = -@as(c_int, @intFromEnum(e)), .path = "" };
}

fn openDirectory(from: c_int, path: [:0]const u8) c_int {
    return result(mount_root.openInside(from, path, @bitCast(directory_flags)));
}

const directory_flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };

fn result(code: usize) c_int {
    return if (linux.errno(code) == .SUCCESS) @intCast(code) else -@as(c_int, @intFromEnum(linux.errno(code)));
}

const no_entry = -@as(c_int, @intFromEnum(linux.E.NOENT));

const Next = struct { ino: u32, path: [:0]const u8 };

/// The farthest place on the way from the directory `from` down to `target` whose path fits. Null: the way does not lead there any more.
fn step(v: *const View, from: u32, target: Node, buffer: *Step) ?Next {
    for (0..rounds_max) |_| {
        const seq = data.beginPatiently(&v.super.namespace_seq) orelse continue;
        const found = stepOnce(v, from, target, buffer);
        if (region.unchanged(&v.super.namespace_seq, seq)) return found;
    }
    return null;
}

fn stepOnce(v: *const View, from: u32, target: Node, buffer: *Step) ?Next {
    var end = target;
    var too_long = (lengthBetween(v, from, target) orelse return null) -| step_bytes;
    // Names at the end are left to later steps, until what is before them fits.
    while (too_long > 0) {
        const dentry = dentryOf(v, end) orelse return null;
        too_long -|= dentry.name_length + 1;
        end = parentOf(v, dentry) orelse return null;
    }
    return .{ .ino = end.ino, .path = pathBetween(v, from, end, buffer) orelse return null };
}

/// Bytes of the names from below `from` on, each with a slash.
fn lengthBetween(v: *const View, from: u32, target: Node) ?usize {
    var node = target;
    var length: usize = 0;
    for (0..depth_max) |_| {
        if (node.ino == from) return length;
        const dentry = dentryOf(v, node) orelse return null;
        length += dentry.name_length + 1;
        node = parentOf(v, dentry) orelse return null;
    }
    return null;
}

fn pathBetween(v: *const View, from: u32, target: Node, buffer: *Step) ?[:0]const u8 {
    var node = target;
    var start: usize = buffer.len;
    buffer[buffer.len] = 0;
    for (0..step_bytes) |_| {
        // Without the slash in front, which would make it absolute.
        if (node.ino == from) return if (start < buffer.len) buffer[start + 1 ..] else null;
        const dentry = dentryOf(v, node) orelse return null;
        const length = dentry.name_length;
        if (length + 1 > start) return null;
        start -= length + 1;
        buffer[start] = '/';
        if (!dentries.copyName(v, dentry, buffer[start + 1 ..][0..length])) return null;
        node = parentOf(v, dentry) orelse return null;
    }
    return null;
}

fn dentryOf(v: *const View, node: Node) ?*const volatile layout.Dentry {
    const dentry = region.dentry(v, node.dentry) orelse return null;
    const length = dentry.name_length;
    const is_right = dentry.kind == layout.slot_kind_dentry and dentry.ino == node.ino and length > 0 and length <= layout.name_bytes_max;
    return if (is_right) dentry else null;
}

fn parentOf(v: *const View, dentry: *const volatile layout.Dentry) ?Node {
    const ino = dentry.parent;
    return .{ .ino = ino, .dentry = (region.inode(v, ino) orelse return null).dentry };
}
