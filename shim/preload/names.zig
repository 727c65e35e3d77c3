//! Making, removing and renaming names by the request ring, after the checks the kernel makes, in its order (fs/namei.c).
//! The daemon looks again, under its lock, whether the names are as they were found.

const layout = @import("layout");
const create = @import("create.zig");
const descriptors = @import("descriptors.zig");
const holds = @import("holds.zig");
const kernel_files = @import("kernel_files.zig");
const memory_probe = @import("memory_probe.zig");
const permissions = @import("permissions.zig");
const region = @import("region.zig");
const ring = @import("ring.zig");
const umask = @import("umask.zig");
const walk = @import("walk.zig");
const watches = @import("watches.zig");

const Path = [*:0]const u8;
const Actor = permissions.Actor;
const Outcome = permissions.Outcome;
const Last = walk.Last;
const rounds_max = permissions.rounds_max;
const isDirectory = permissions.isDirectory;

pub const s_ififo = 0o010000;
pub const s_ifsock = 0o140000;
const nul = "\x00";

/// Where a name is, or is to be.
const Spot = struct { place: walk.Place, last: Last };

fn find(dirfd: c_int, path: Path, spot: *Spot) ?Outcome {
    spot.place = switch (walk.beforeLast(dirfd, path, &spot.last, .change)) {
        .place => |place| place,
        .errno => |e| return .{ .local = e },
        .kernel => |reason| return .{ .kernel = reason },
    };
    return null;
}

/// What looking the name up ends with, whatever it is looked up for.
fn lookupProblem(who: Actor, place: walk.Place, last: *const Last) ?Outcome {
    if (who.inode(place.ino).nlink == 0) return .{ .local = .NOENT };
    return if (last.length > layout.name_bytes_max) .{ .local = .NAMETOOLONG } else null;
}

/// filename_create: whether the name is free.
fn newNameProblem(who: Actor, place: walk.Place, last: *const Last, for_directory: bool) ?Outcome {
    if (last.kind != .name) return .{ .local = .EXIST };
    if (lookupProblem(who, place, last)) |outcome| return outcome;
    if (last.ino != 0) return .{ .local = .EXIST };
    return if (last.slashes and !for_directory) .{ .local = .NOENT } else null;
}

// Making.

/// mkdir(2), and mknod(2) of what is neither a regular file nor a device.
pub fn make(dirfd: c_int, path: Path, mode: u32) Outcome {
    for (0..rounds_max) |_| {
        var spot: Spot = undefined;
        if (find(dirfd, path, &spot)) |outcome| return outcome;
        var why: Outcome = undefined;
        const who = permissions.actor(&why) orelse return why;
        return makeIn(who, spot.place, &spot.last, mode, null) orelse continue;
    }
    return .{ .kernel = .busy };
}

/// null: the directory has ended meanwhile.
pub fn makeIn(who: Actor, place: walk.Place, last: *const Last, mode: u32, made: ?*layout.messages.RingMade) ?Outcome {
    const for_directory = mode & walk.s_ifmt == walk.s_ifdir;
    if (newNameProblem(who, place, last, for_directory)) |outcome| return outcome;
    const directory = who.inode(place.ino);
    if (who.mayCreate(directory)) |outcome| return outcome;
    if (!for_directory and who.losesSetGid(directory, mode)) return .{ .kernel = .arguments };
    if (who.register()) |outcome| return outcome;
    const mask = umask.get() orelse return .{ .kernel = .arguments };
    return who.ask(layout.messages.RingMake{
        .parent = place.name(),
        .mode = mode,
        .umask = mask,
        .uid = who.own.uid,
        .gid = who.own.gid,
        .rdev = 0,
    }, &.{last.name()}, made);
}

/// mknod(2) of a regular file.
pub fn makeFile(dirfd: c_int, path: Path, mode: u32) Outcome {
    const step = create.watch();
    defer holds.pop(step);
    return switch (create.file(dirfd, path, mode, create.madeIn(step))) {
        .file => {
            create.uncount(create.madeIn(step));
            return .{ .ring = .SUCCESS };
        },
        .exists => .{ .local = .EXIST },
        .outcome => |outcome| outcome,
    };
}

pub fn symlink(target: Path, dirfd: c_int, path: Path) Outcome {
    if (@intFromPtr(target) < layout.page_bytes or !memory_probe.isPath(target)) return .{ .kernel = .arguments };
    const room = layout.messages.ring_bytes_max - layout.name_bytes_max - nul.len;
    const length = for (target[0..room], 0..) |byte, i| {
        if (byte == 0) break i;
    } else 0;
    // Too long for the ring, or for anybody; or empty, which is ENOENT before anything else.
    if (length == 0) return .{ .kernel = .arguments };
    for (0..rounds_max) |_| {
        var spot: Spot = undefined;
        if (find(dirfd, path, &spot)) |outcome| return outcome;
        var why: Outcome = undefined;
        const who = permissions.actor(&why) orelse return why;
        if (newNameProblem(who, spot.place, &spot.last, false)) |outcome| return outcome;
        if (who.mayCreate(who.inode(spot.place.ino))) |outcome| return outcome;
        const message: layout.messages.RingSymlink = .{ .parent = spot.place.name(), .uid = who.own.uid, .gid = who.own.gid };
        return who.ask(message, &.{ spot.last.name(), nul, target[0..length] }, null) orelse continue;
    }
    return .{ .kernel = .busy };
}

pub fn link(old_dirfd: c_int, old: Path, new_dirfd: c_int, new: Path, follow: bool) Outcome {
    for (0..rounds_max) |_| {
        const source = switch (walk.at(old_dirfd, old, .{ .follow_last = follow })) {
            .place => |place| place,
            .errno => |e| return .{ .local = e },
            .kernel => |reason| return .{ .kernel = reason },
        };
        var spot: Spot = undefined;
        if (find(new_dirfd, new, &spot)) |outcome| return outcome;
        var why: Outcome = undefined;
        const who = permissions.actor(&why) orelse return why;
        if (newNameProblem(who, spot.place, &spot.last, false)) |outcome| return outcome;
        const file = who.inode(source.ino);
        // What others may link, the system is set to say (proc_sys_fs(5), protected_hardlinks).
        if (!who.isOwner(file)) return .{ .kernel = .other_user };
        if (who.mayCreate(who.inode(spot.place.ino))) |outcome| return outcome;
        if (isDirectory(file)) return .{ .local = .PERM };
        if (who.isProtected(file)) return .{ .kernel = .special_file };
        if (watches.concern(who.v, source)) return .{ .kernel = .watched };
        const message: layout.messages.RingLink = .{ .inode = source.name(), .parent = spot.place.name() };
        return who.ask(message, &.{spot.last.name()}, null) orelse continue;
    }
    return .{ .kernel = .busy };
}

// Removing.

/// unlink(2) or rmdir(2).
pub fn remove(dirfd: c_int, path: Path, as_directory: bool) Outcome {
    for (0..rounds_max) |_| {
        var spot: Spot = undefined;
        if (find(dirfd, path, &spot)) |outcome| return outcome;
        const place, const last = .{ spot.place, &spot.last };
        if (as_directory) endsDirectory(last);
        var why: Outcome = undefined;
        const who = permissions.actor(&why) orelse return why;
        if (last.kind != .name) return .{ .local = if (!as_directory) .ISDIR else if (last.kind == .dot) .INVAL else .NOTEMPTY };
        if (lookupProblem(who, place, last)) |outcome| return outcome;
        if (last.ino == 0) return .{ .local = .NOENT };
        const victim = who.inode(last.ino);
        if (last.slashes and !as_directory) return .{ .local = if (isDirectory(victim)) .ISDIR else .NOTDIR };
        if (who.mayDelete(who.inode(place.ino), victim, as_directory)) |outcome| return outcome;
        if (isKnownDirectory(victim)) return .{ .kernel = .materialized };
        const message: layout.messages.RingRemove = .{ .parent = place.name(), .as_directory = @intFromBool(as_directory) };
        return who.ask(message, &.{last.name()}, null) orelse continue;
    }
    return .{ .kernel = .busy };
}

/// The kernel has to see what becomes of a directory that it knows: programs may have their working directory there, or read it.
fn isKnownDirectory(file: *volatile layout.Inode) bool {
    return isDirectory(file) and file.lookup_count != 0;
}

/// A directory that is removed cannot be opened by any path afterwards: its descriptors become real before.
fn endsDirectory(last: *const Last) void {
    if (last.ino == 0 or !descriptors.any()) return;
    const v = region.view() orelse return;
    const victim = &v.inodes[last.ino];
    if (isDirectory(victim)) kernel_files.materializeInode(victim);
}

// Renaming.

const rename_noreplace = 1;
const rename_exchange = 2;

pub fn rename(old_dirfd: c_int, old: Path, new_dirfd: c_int, new: Path, flags: u32) Outcome {
    if (flags != 0 and flags != rename_noreplace and flags != rename_exchange) return .{ .kernel = .arguments };
    for (0..rounds_max) |_| {
        var from: Spot = undefined;
        var to: Spot = undefined;
        if (find(old_dirfd, old, &from)) |outcome| return outcome;
        if (find(new_dirfd, new, &to)) |outcome| return outcome;
        if (flags == 0) endsDirectory(&to.last);
        if (from.place.namespace_seq != to.place.namespace_seq) continue;
        var why: Outcome = undefined;
        const who = permissions.actor(&why) orelse return why;
        if (renameProblem(who, &from, &to, flags)) |outcome| return outcome;
        const message: layout.messages.RingRename = .{ .parent = from.place.name(), .new_parent = to.place.name(), .flags = flags };
        return who.ask(message, &.{ from.last.name(), nul, to.last.name() }, null) orelse continue;
    }
    return .{ .kernel = .busy };
}

/// do_renameat2 and vfs_rename
fn renameProblem(who: Actor, from: *const Spot, to: *const Spot, flags: u32) ?Outcome {
    const exchange = flags == rename_exchange;
    if (from.last.kind != .name) return .{ .local = .BUSY };
    if (to.last.kind != .name) return .{ .local = if (flags == rename_noreplace) .EXIST else .BUSY };
    if (lookupProblem(who, from.place, &from.last)) |outcome| return outcome;
    if (from.last.ino == 0) return .{ .local = .NOENT };
    if (lookupProblem(who, to.place, &to.last)) |outcome| return outcome;
    const replaces = to.last.ino != 0;
    if (replaces and flags == rename_noreplace) return .{ .local = .EXIST };
    if (!replaces and exchange) return .{ .local = .NOENT };
    const source = who.inode(from.last.ino);
    // Meaningless, but of the region, where nothing is replaced.
    const target = who.inode(if (replaces) to.last.ino else layout.root_ino);
    const moves_directory = isDirectory(source);
    const meets_directory = replaces and isDirectory(target);
    if (exchange and !meets_directory and to.last.slashes) return .{ .local = .NOTDIR };
    if (!moves_directory and (from.last.slashes or (!exchange and to.last.slashes))) return .{ .local = .NOTDIR };
    if (moves_directory and (walk.isWithin(who.v, to.place.ino, from.last.ino) orelse return .{ .kernel = .busy })) {
        return .{ .local = .INVAL };
    }
    if (meets_directory and (walk.isWithin(who.v, from.place.ino, to.last.ino) orelse return .{ .kernel = .busy })) {
        return .{ .local = if (exchange) .INVAL else .NOTEMPTY };
    }
    if (from.last.ino == to.last.ino) return .{ .local = .SUCCESS };
    const from_directory = who.inode(from.place.ino);
    const to_directory = who.inode(to.place.ino);
    if (who.mayDelete(from_directory, source, moves_directory)) |outcome| return outcome;
    if (!replaces) {
        if (who.mayCreate(to_directory)) |outcome| return outcome;
    } else if (who.mayDelete(to_directory, target, if (exchange) meets_directory else moves_directory)) |outcome| return outcome;
    if (from.place.ino != to.place.ino) {
        // Their ".." changes.
        if (moves_directory) if (who.may(source, 2)) |outcome| return outcome;
        if (exchange and meets_directory) if (who.may(target, 2)) |outcome| return outcome;
    }
    const is_known = isKnownDirectory(source) or (replaces and isKnownDirectory(target));
    return if (is_known) .{ .kernel = .materialized } else null;
}
