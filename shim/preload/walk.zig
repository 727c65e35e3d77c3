//! Walking a path on the mount without locks and without the kernel, by the kernel's rules: path_resolution(7).
//!
//! A walk reads buckets, dentries and inodes while the daemon may change them, checks every number it follows, and
//! counts only when the namespace's sequence word is the same afterwards as before. What it cannot decide, and
//! everything that leaves the mount, is the kernel's.

const std = @import("std");
const layout = @import("layout");
const access_time = @import("access_time.zig");
const counters = @import("counters.zig");
const credentials = @import("credentials.zig");
const gate = @import("gate.zig");
const next = @import("next.zig");
const paths = @import("paths.zig");
const region = @import("region.zig");
const scratches = @import("scratch.zig");
const system = @import("system.zig");
const View = region.View;
const E = next.E;

pub const Place = struct {
    ino: u32,
    generation: u32,
    /// The directory it is in and its name there; of a path that ends in "." or "..", and of the mount's root, what the
    /// directory itself says of its place.
    parent: u32,
    dentry: u32,
    /// Superblock.namespace_seq for which all this was true.
    namespace_seq: u32,

    /// The inode, as messages of the ring name it.
    pub fn name(place: Place) layout.InodeName {
        return .{ .ino = place.ino, .generation = place.generation };
    }
};

pub const Answer = union(enum) { place: Place, errno: E, kernel: counters.Reason };

pub const How = struct {
    /// Whether a link at the end of the path is followed (without a slash behind it, which always does).
    follow_last: bool = true,
    /// AT_EMPTY_PATH: an empty path is the directory (or file) it starts from.
    allow_empty: bool = false,
    cost: region.Cost = .look,
};

/// The last component of a path by which something is made, removed or renamed, and what has that name now.
pub const Last = struct {
    kind: enum { name, dot, dot_dot } = .name,
    /// Slashes stand behind it.
    slashes: bool = false,
    /// Of the name; more than `name_bytes_max` is a name too long, of which the bytes are not there.
    length: usize = 0,
    bytes: [layout.name_bytes_max]u8 = undefined,
    /// The dentry and its inode; 0: nothing has that name.
    dentry: u32 = 0,
    ino: u32 = 0,
    generation: u32 = 0,

    pub fn name(last: *const Last) []const u8 {
        return last.bytes[0..last.length];
    }
};

const path_bytes_max = 4096;
const links_max = 40;
/// Chains are two names long when the table is full; longer than this is a chain that is being changed.
const chain_max = 4096;
/// Directories below each other; more are left to the kernel.
const depth_max = 4096;

pub const s_ifmt = 0o170000;
pub const s_ifdir = 0o040000;
pub const s_ifreg = 0o100000;
pub const s_iflnk = 0o120000;

pub noinline fn at(dirfd: c_int, path: [*:0]const u8, how: How) Answer {
    return resolve(dirfd, path, how, null);
}

/// The directory of the path's last component, which may be searched; about the component, whatever it is, `last` says all.
/// A link there is not followed, also not with slashes behind it.
pub noinline fn beforeLast(dirfd: c_int, path: [*:0]const u8, last: *Last, cost: region.Cost) Answer {
    return resolve(dirfd, path, .{ .cost = cost }, last);
}

inline fn resolve(dirfd: c_int, path: [*:0]const u8, how: How, last: ?*Last) Answer {
    const start = switch (paths.start(dirfd, path, how.cost)) {
        .inside => |inside| inside,
        .kernel => |reason| return .{ .kernel = reason },
    };
    const v = region.attach() orelse return .{ .kernel = .not_attached };
    const own = credentials.get(v) orelse return .{ .kernel = .other_user };
    if (!gate.isCurrent(v)) return .{ .kernel = gate.reason() };
    if (path[0] == 0 and !how.allow_empty) return .{ .errno = .NOENT };
    const seq = &v.super.namespace_seq;
    for (0..region.rounds_max) |_| {
        const before = region.begin(seq) orelse break;
        var walk: Walk = .{ .v = v, .own = own, .how = how, .last = last, .ino = start.ino, .rest = start.rest };
        var answer = walk.run();
        if (answer == .kernel) return answer;
        if (!region.unchanged(seq, before)) continue;
        if (walk.isTooLong(path, answer == .place)) return .{ .errno = .NAMETOOLONG };
        if (answer == .place) answer.place.namespace_seq = before;
        return answer;
    }
    return .{ .kernel = .busy };
}

const Walk = struct {
    v: *const View,
    own: *const credentials.Credentials,
    how: How,
    /// Set: the walk ends before the last component.
    last: ?*Last,
    /// Where it has come to, and the name there that led to it (0, 0: none did).
    ino: u32,
    parent: u32 = 0,
    dentry: u32 = 0,
    /// What remains of the path, perhaps with slashes before it.
    rest: [*:0]const u8,
    link_count: u32 = 0,
    /// The targets of links, put before what remained of the path; set with the first link.
    text: ?*LinkText = null,

    fn run(w: *Walk) Answer {
        while (true) {
            const inode = region.inode(w.v, w.ino) orelse return .{ .kernel = .busy };
            const is_directory = inode.mode & s_ifmt == s_ifdir;
            const name = afterSlashes(w.rest);
            if (name[0] == 0) {
                // The mount's own name is in a directory of another file system.
                if (w.last != null) return .{ .kernel = .leaves_mount };
                if (name != w.rest and !is_directory) return .{ .errno = .NOTDIR };
                w.rest = name;
                return w.arrive(inode);
            }
            if (!is_directory) return .{ .errno = .NOTDIR };
            const may_search = w.own.effective.override or (permits(inode, w.own, w.own.effective, 1) orelse return .{ .kernel = .access_list });
            if (!may_search) return .{ .errno = .ACCES };
            const length = componentLength(name);
            w.rest = name + length;
            if (w.last) |last| if (afterSlashes(w.rest)[0] == 0) return w.stopBefore(last, inode, name[0..length]);
            if (name[0] == '.' and length <= 2 and (length == 1 or name[1] == '.')) {
                if (length == 2) {
                    if (w.ino == layout.root_ino) return .{ .kernel = .leaves_mount };
                    if (inode.nlink == 0) return .{ .kernel = .removed };
                    w.ino = inode.parent_ino;
                }
                w.dentry = 0;
                continue;
            }
            if (length > layout.name_bytes_max) return .{ .errno = .NAMETOOLONG };
            const slot = find(w.v, w.ino, name[0..length]) orelse return .{ .kernel = .busy };
            if (slot == 0) return .{ .errno = .NOENT };
            const child = w.v.dentries[slot].ino;
            const child_inode = region.inode(w.v, child) orelse return .{ .kernel = .busy };
            if (child_inode.mode & s_ifmt == s_iflnk and (w.rest[0] == '/' or w.how.follow_last)) {
                if (w.refuses(inode, child, child_inode)) |answer| return answer;
                if (w.text) |text| {
                    if (w.expand(text, child_inode)) |answer| return answer;
                    continue;
                }
                return w.runWithText(child_inode);
            }
            w.parent = w.ino;
            w.dentry = slot;
            w.ino = child;
        }
    }

    noinline fn stopBefore(w: *Walk, last: *Last, directory: *volatile layout.Inode, name: []const u8) Answer {
        const dots = name[0] == '.' and name.len <= 2 and (name.len == 1 or name[1] == '.');
        last.* = .{
            .kind = if (!dots) .name else if (name.len == 1) .dot else .dot_dot,
            .slashes = w.rest[0] == '/',
            .length = name.len,
        };
        w.rest = afterSlashes(w.rest);
        if (dots or name.len > layout.name_bytes_max) return w.arrive(directory);
        @memcpy(last.bytes[0..name.len], name);
        last.dentry = find(w.v, w.ino, name) orelse return .{ .kernel = .busy };
        if (last.dentry == 0) return w.arrive(directory);
        last.ino = w.v.dentries[last.dentry].ino;
        last.generation = (region.inode(w.v, last.ino) orelse return .{ .kernel = .busy }).generation;
        return w.arrive(directory);
    }

    fn arrive(w: *Walk, inode: *volatile layout.Inode) Answer {
        const named = w.dentry != 0;
        return .{ .place = .{
            .ino = w.ino,
            .generation = inode.generation,
            .parent = if (named) w.parent else inode.parent_ino,
            .dentry = if (named) w.dentry else inode.dentry,
            .namespace_seq = 0,
        } };
    }

    /// Why a link is not followed from here.
    noinline fn refuses(w: *Walk, directory: *volatile layout.Inode, link: u32, inode: *volatile layout.Inode) ?Answer {
        w.link_count += 1;
        if (w.link_count > links_max) return .{ .errno = .LOOP };
        if (gate.flags(w.v) & layout.mount_no_symlinks != 0) return .{ .kernel = .mount_flags };
        // The system may be set to protect links in such directories (proc_sys_fs(5), protected_symlinks).
        const shared = directory.mode & 0o1002 == 0o1002;
        if (shared and inode.uid != w.own.uid and inode.uid != directory.uid) return .{ .kernel = .mount_flags };
        return if (access_time.noteLink(w.v, link, inode)) null else .{ .kernel = .access_time };
    }

    /// Links are rare, and their text is large.
    noinline fn runWithText(w: *Walk, link: *volatile layout.Inode) Answer {
        const scratch = scratches.take() orelse return .{ .kernel = .busy };
        defer scratch.release();
        const text: *LinkText = @ptrCast(scratch.buffer);
        const remaining = std.mem.span(w.rest);
        if (remaining.len >= text.len) return .{ .kernel = .arguments };
        w.rest = text[text.len - remaining.len ..];
        @memcpy(text[text.len - remaining.len ..], remaining);
        text[text.len] = 0;
        w.text = text;
        return w.expand(text, link) orelse w.run();
    }

    /// Puts the link's target before the rest of the path; an answer when the walk ends with it.
    noinline fn expand(w: *Walk, text: *LinkText, link: *volatile layout.Inode) ?Answer {
        const room = @intFromPtr(w.rest) - @intFromPtr(text);
        const length = link.size;
        if (length == 0 or length > room) return .{ .kernel = .arguments };
        const target = text[room - @as(usize, @intCast(length)) .. room];
        if (!copyTarget(w.v, link, target)) return .{ .kernel = .busy };
        w.rest = text[room - target.len ..];
        w.dentry = 0;
        if (target[0] != '/') return null;
        switch (paths.fromLink(w.rest)) {
            .kernel => return .{ .kernel = .leaves_mount },
            .inside => |inside| {
                w.ino = inside.ino;
                w.rest = inside.rest;
                return null;
            },
        }
    }

    /// getname(9): a path as long as this is refused before anything else. Looked at last, because a walk that arrived
    /// has read the path to its end.
    fn isTooLong(w: *const Walk, path: [*:0]const u8, arrived: bool) bool {
        if (arrived and w.link_count == 0) return @intFromPtr(w.rest) - @intFromPtr(path) >= path_bytes_max;
        for (path[0..path_bytes_max]) |byte| if (byte == 0) return false;
        return true;
    }
};

/// A path that does not fit with the links in it is left to the kernel.
const LinkText = [scratches.bytes_max - 1:0]u8;

fn afterSlashes(path: [*:0]const u8) [*:0]const u8 {
    var at_byte = path;
    while (at_byte[0] == '/') at_byte += 1;
    return at_byte;
}

fn componentLength(name: [*:0]const u8) usize {
    var length: usize = 0;
    while (name[length] != 0 and name[length] != '/') length += 1;
    return length;
}

/// Whether directory `inner` is `outer` or lies below it; null when that cannot be told.
pub fn isWithin(v: *const View, inner: u32, outer: u32) ?bool {
    var ino = inner;
    for (0..depth_max) |_| {
        if (ino == outer) return true;
        if (ino == layout.root_ino) return false;
        ino = (region.inode(v, ino) orelse return null).parent_ino;
    }
    return null;
}

/// The name's slot, 0 when there is none, null when what was read makes no sense.
fn find(v: *const View, parent: u32, name: []const u8) ?u32 {
    const h = layout.nameHash(v.hash_seed, parent, name);
    var slot = v.buckets[h & v.bucket_mask];
    for (0..chain_max) |_| {
        if (slot == 0) return 0;
        const dentry = region.dentry(v, slot) orelse return null;
        if (dentry.hash == h and dentry.parent == parent and dentry.name_length == name.len and isNamed(v, dentry, name)) return slot;
        // One that is something else by now holds any bytes.
        if (dentry.kind != layout.slot_kind_dentry) return null;
        slot = dentry.next;
    }
    return null;
}

fn isNamed(v: *const View, dentry: *volatile layout.Dentry, name: []const u8) bool {
    const here: *const [64]u8 = @volatileCast(&dentry.name);
    const length = @min(name.len, here.len);
    // Names are short, and nearly always this is the one: a plain loop is the fastest.
    for (here[0..length], name[0..length]) |a, b| if (a != b) return false;
    return length == name.len or chainEquals(v, dentry.extension, name[length..]);
}

noinline fn chainEquals(v: *const View, first: u32, bytes: []const u8) bool {
    var chain: Chain = .{ .v = v, .slot = first, .remaining = bytes.len };
    var done: usize = 0;
    while (chain.next()) |piece| : (done += piece.len) {
        if (!std.mem.eql(u8, piece, bytes[done..][0..piece.len])) return false;
    }
    return done == bytes.len;
}

/// The pieces of a chain of extension slots; fewer than `remaining` bytes when it is broken.
const Chain = struct {
    v: *const View,
    slot: u32,
    remaining: usize,

    fn next(chain: *Chain) ?[]const u8 {
        if (chain.remaining == 0) return null;
        const extension: *volatile layout.Extension = @ptrCast(region.dentry(chain.v, chain.slot) orelse return null);
        const bytes: *const [120]u8 = @volatileCast(&extension.bytes);
        const length = @min(chain.remaining, bytes.len);
        chain.remaining -= length;
        chain.slot = extension.next;
        return bytes[0..length];
    }
};

/// Copies a link's target, `target.len` bytes; false when they are not there.
pub fn copyTarget(v: *const View, link: *volatile layout.Inode, target: []u8) bool {
    if (link.target_slot == 0) {
        if (target.len > layout.target_inline_bytes) return false;
        const here: [*]const u8 = @ptrCast(@volatileCast(&link.map_height));
        @memcpy(target, here[0..target.len]);
        return true;
    }
    var chain: Chain = .{ .v = v, .slot = link.target_slot, .remaining = target.len };
    var done: usize = 0;
    while (chain.next()) |piece| : (done += piece.len) @memcpy(target[done..][0..piece.len], piece);
    return done == target.len;
}

/// Whether the process may do this with the inode: read 4, write 2, execute or search 1. null: the kernel must say.
pub fn mayAccess(v: *const View, ino: u32, mask: u3) ?bool {
    const own = credentials.get(v) orelse return null;
    const inode = region.inode(v, ino) orelse return null;
    return permits(inode, own, own.effective, mask);
}

/// generic_permission(9). Whether an immutable file may be written is left to the kernel.
pub fn permits(inode: *volatile layout.Inode, own: *const credentials.Credentials, capabilities: credentials.Capabilities, mask: u3) ?bool {
    const mode = inode.mode;
    if (mask & 2 != 0 and inode.flags & layout.inode_flag_immutable != 0) return null;
    const owner = inode.uid == own.uid;
    // An access list says what it says for everybody but the owner, unless the group bits, its mask, are empty.
    const listed = !owner and inode.flags & layout.inode_flag_acl_access != 0 and mode & 0o070 != 0;
    if (!listed) {
        const shift: u5 = if (owner) 6 else if (own.isMember(inode.gid)) 3 else 0;
        if (mask & ~(mode >> shift) & 7 == 0) return true;
    }
    if (capabilities.override and (mode & s_ifmt == s_ifdir or mask & 1 == 0 or mode & 0o111 != 0)) return true;
    if (capabilities.read_search and (if (mode & s_ifmt == s_ifdir) mask & 2 == 0 else mask == 4)) return true;
    return if (listed) null else false;
}
