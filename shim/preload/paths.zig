//! Whether a path lies on the mount, and from which directory there it is walked.
//!
//! Told by its text alone, so that other paths cost next to nothing: an absolute path by the mount's own, a relative
//! one by the working directory or the descriptor it starts from. What reaches the mount otherwise (a link from
//! elsewhere, "..") goes through the kernel.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const counters = @import("counters.zig");
const descriptor_paths = @import("descriptor_paths.zig");
const descriptors = @import("descriptors.zig");
const early = @import("early.zig");
const gate = @import("gate.zig");
const holds = @import("holds.zig");
const kernel_files = @import("kernel_files.zig");
const memory_probe = @import("memory_probe.zig");
const next = @import("next.zig");
const region = @import("region.zig");
const scratch = @import("scratch.zig");
const system = @import("system.zig");

pub const Start = union(enum) {
    /// The directory and what remains of the path from there, perhaps with slashes before it.
    inside: struct { ino: u32, rest: [*:0]const u8 },
    kernel: counters.Reason,
};

pub inline fn start(dirfd: c_int, path: [*:0]const u8, cost: region.Cost) Start {
    // No pointer, and nothing that may be looked at: the kernel says EFAULT.
    if (@intFromPtr(path) < layout.page_bytes) return .{ .kernel = .arguments };
    if (gate.isClosed()) return .{ .kernel = gate.reason() };
    if (!memory_probe.isPath(path)) return .{ .kernel = .arguments };
    return if (path[0] == '/') fromRoot(path, cost) else fromDirectory(dirfd, path, cost);
}

fn fromRoot(path: [*:0]const u8, cost: region.Cost) Start {
    const configuration = region.configuration() orelse return .{ .kernel = .not_attached };
    const rest = below(path, configuration.mount) orelse return leaveElsewhere(system.at_fdcwd, path, .other_path);
    if (region.whyNot(cost)) |reason| return .{ .kernel = reason };
    return .{ .inside = .{ .ino = layout.root_ino, .rest = rest } };
}

/// As `start` for an absolute path that a link on the mount leads to.
pub fn fromLink(path: [*:0]const u8) Start {
    return fromRoot(path, .look);
}

fn fromDirectory(dirfd: c_int, path: [*:0]const u8, cost: region.Cost) Start {
    if (dirfd != system.at_fdcwd) {
        const ino = descriptors.inodeOf(dirfd) orelse return leaveElsewhere(dirfd, path, .other_descriptor);
        return .{ .inside = .{ .ino = ino, .rest = path } };
    }
    // Whether it is about the mount would have to be asked first.
    if (region.whyNot(cost)) |reason| return .{ .kernel = reason };
    const at = workingDirectory();
    switch (at.kind) {
        .unknown, .elsewhere => return leaveElsewhere(dirfd, path, .other_path),
        .above => {
            const configuration = region.configuration() orelse return .{ .kernel = .not_attached };
            const rest = below(path, configuration.mount[at.value..]) orelse return .{ .kernel = .other_path };
            return .{ .inside = .{ .ino = layout.root_ino, .rest = rest } };
        },
        .inside => return .{ .inside = .{ .ino = at.value, .rest = path } },
    }
}

/// The kernel will follow the path, which may lead to a descriptor of ours.
inline fn leaveElsewhere(dirfd: c_int, path: [*:0]const u8, reason: counters.Reason) Start {
    descriptor_paths.materialize(dirfd, path);
    return .{ .kernel = reason };
}

/// What remains of `path` behind `prefix`, or null when it does not lead there. Slashes may be repeated and "." put
/// in between; a ".." is followed by nobody but the kernel.
fn below(path: [*:0]const u8, prefix: []const u8) ?[*:0]const u8 {
    var at = path;
    var done: usize = 0;
    while (done < prefix.len) {
        if (prefix[done] == '/') done += 1;
        while (at[0] == '/' or (at[0] == '.' and at[1] == '/')) at += 1;
        while (done < prefix.len and prefix[done] != '/') : (done += 1) {
            if (at[0] != prefix[done]) return null;
            at += 1;
        }
        if (at[0] != '/' and at[0] != 0) return null;
    }
    return at;
}

const WorkingDirectory = packed struct(u64) {
    kind: enum(u32) {
        unknown,
        /// Not on the mount and not above it.
        elsewhere,
        /// Above it: `value` is where the rest starts in the mount's path.
        above,
        /// `value` is its inode number.
        inside,
    },
    value: u32,
};

var working_directory: u64 linksection(early.section) = 0;
/// Changes of the working directory: what was learnt before one does not count.
var working_directory_changes: u32 linksection(early.section) = 0;

inline fn workingDirectory() WorkingDirectory {
    const known: WorkingDirectory = @bitCast(@atomicLoad(u64, &working_directory, .acquire));
    return if (known.kind != .unknown) known else learnWorkingDirectory();
}

/// Functions of libc that change it inside of libc, and call the program meanwhile, are under way.
var wandering: u32 = 0;

noinline fn learnWorkingDirectory() WorkingDirectory {
    if (@atomicLoad(u32, &wandering, .acquire) != 0) return askWorkingDirectory();
    const changes = @atomicLoad(u32, &working_directory_changes, .acquire);
    const learnt = askWorkingDirectory();
    if (@atomicLoad(u32, &working_directory_changes, .acquire) == changes) {
        @atomicStore(u64, &working_directory, @bitCast(learnt), .release);
        // A change between the two lines above has to win.
        if (@atomicLoad(u32, &working_directory_changes, .seq_cst) != changes) forgetWorkingDirectory();
    }
    return learnt;
}

fn askWorkingDirectory() WorkingDirectory {
    const elsewhere: WorkingDirectory = .{ .kind = .elsewhere, .value = 0 };
    const configuration = region.configuration() orelse return elsewhere;
    const mount = configuration.mount;
    const room = scratch.take() orelse return .{ .kind = .unknown, .value = 0 };
    defer room.release();
    const buffer = room.buffer;
    const length = linux.getcwd(buffer, buffer.len);
    if (linux.errno(length) != .SUCCESS) return elsewhere;
    const path = buffer[0 .. length - 1];
    if (path.len == 1) return .{ .kind = .above, .value = 0 };
    if (startsWithDirectory(path, mount)) {
        const v = region.attach() orelse return elsewhere;
        const found = system.stat(".") orelse return elsewhere;
        if (found.dev != v.device) return elsewhere;
        return .{ .kind = .inside, .value = @intCast(found.ino) };
    }
    return if (startsWithDirectory(mount, path)) .{ .kind = .above, .value = @intCast(path.len) } else elsewhere;
}

fn startsWithDirectory(path: []const u8, directory: []const u8) bool {
    return std.mem.startsWith(u8, path, directory) and (path.len == directory.len or path[directory.len] == '/');
}

fn forgetWorkingDirectory() void {
    @atomicStore(u64, &working_directory, 0, .release);
}

/// Before and after a change.
pub fn workingDirectoryChanges() void {
    _ = @atomicRmw(u32, &working_directory_changes, .Add, 1, .seq_cst);
    forgetWorkingDirectory();
}

/// A change of the working directory, until `endChange`, or until its function is left.
fn beginChange() *volatile holds.Hold {
    workingDirectoryChanges();
    return holds.push(&changedLeft, 0);
}

fn endChange(step: *volatile holds.Hold) void {
    workingDirectoryChanges();
    holds.pop(step);
}

fn changedLeft(_: *volatile holds.Hold) callconv(.c) void {
    workingDirectoryChanges();
}

/// nftw(3) was left by the function that it calls.
fn wanderedLeft(_: *volatile holds.Hold) callconv(.c) void {
    _ = @atomicRmw(u32, &wandering, .Sub, 1, .seq_cst);
    workingDirectoryChanges();
}

fn chdir(path: [*:0]const u8) callconv(.c) c_int {
    const step = beginChange();
    defer endChange(step);
    counters.kernel(.chdir, .changes);
    descriptor_paths.materialize(system.at_fdcwd, path);
    return next.call("chdir", *const fn ([*:0]const u8) callconv(.c) c_int)(path);
}

fn fchdir(fd: c_int) callconv(.c) c_int {
    const step = beginChange();
    defer endChange(step);
    kernel_files.materialize(fd);
    if (kernel_files.lost(fd)) |e| return next.fail(e);
    counters.kernel(.chdir, .changes);
    return next.call("fchdir", *const fn (c_int) callconv(.c) c_int)(fd);
}

const ftw_chdir = 4;

/// nftw(3), which may go into each directory.
fn Nftw(comptime name: [:0]const u8) type {
    return struct {
        fn call(path: [*:0]const u8, function: usize, fd_count: c_int, flags: c_int) callconv(.c) c_int {
            const goes = flags & ftw_chdir != 0;
            const step: ?*volatile holds.Hold = if (goes) holds.push(&wanderedLeft, 0) else null;
            defer if (step) |begun| holds.pop(begun);
            if (goes) {
                _ = @atomicRmw(u32, &wandering, .Add, 1, .seq_cst);
                workingDirectoryChanges();
            }
            defer if (goes) {
                _ = @atomicRmw(u32, &wandering, .Sub, 1, .seq_cst);
                workingDirectoryChanges();
            };
            return next.call(name, *const fn ([*:0]const u8, usize, c_int, c_int) callconv(.c) c_int)(path, function, fd_count, flags);
        }
    };
}

/// Calls that may change it before they return.
fn Going(comptime name: [:0]const u8) type {
    return struct {
        fn call(a: usize, b: usize, c: usize) callconv(.c) usize {
            const step = beginChange();
            defer endChange(step);
            return next.call(name, *const fn (usize, usize, usize) callconv(.c) usize)(a, b, c);
        }
    };
}

comptime {
    @export(&chdir, .{ .name = "chdir" });
    @export(&fchdir, .{ .name = "fchdir" });
    for (.{ "nftw", "nftw64" }) |name| @export(&Nftw(name).call, .{ .name = name });
    const going = .{
        "fts_open",   "fts_read",   "fts_children",   "fts_close",
        "fts64_open", "fts64_read", "fts64_children", "fts64_close",
    };
    for (going) |name| @export(&Going(name).call, .{ .name = name });
}
