//! Where a path leads in the mount table, and what the mount there allows: for the daemon, which watches its own mount, and for
//! programs, which ask whether the kernel would still take them to it (preload/gate.zig).
//!
//! A mount has a number. Since Linux 6.8 there is one that is never used again, by which the kernel answers questions about one mount
//! at a time (statmount(2), listmount(2)), however many there are. Before that the numbers of /proc/self/mountinfo are used, which is
//! read through a small buffer: it may have thousands of lines.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");

pub const Place = struct {
    /// Number of the mount on which the path ends; it is a unique one if it is as large as `first_unique`.
    mount: u64,
    /// As st_dev and st_ino.
    device: u64,
    ino: u64,
};

pub const Mount = struct {
    /// layout.mount_* bits.
    flags: u32 = 0,
    /// Another mount lies on it, or on one of its directories.
    is_covered: bool = false,
};

/// Numbers that are not used again start here (include/uapi: struct statmount; the kernel's MNT_UNIQUE_ID_OFFSET).
const first_unique: u64 = 1 << 31;

/// Which of a mount's two numbers is wanted.
pub const Numbers = enum { newest, of_mountinfo };

const statx_ino: u32 = 0x100;
const statx_mnt_id: u32 = 0x1000;
const statx_mnt_id_unique: u32 = 0x4000;

/// What the path leads to; the file system that it leads to is not asked. Null on any error, or when the kernel does not tell mounts apart (before Linux 5.8).
pub fn at(path: [*:0]const u8, numbers: Numbers) ?Place {
    return placeOf(linux.AT.FDCWD, path, 0, numbers);
}

/// The same of a descriptor, which may have been opened as a path only.
pub fn of(fd: i32, numbers: Numbers) ?Place {
    return placeOf(fd, "", linux.AT.EMPTY_PATH, numbers);
}

/// Which kind of number `mount` is.
pub fn kindOf(mount: u64) Numbers {
    return if (mount >= first_unique) .newest else .of_mountinfo;
}

fn placeOf(from: i32, path: [*:0]const u8, flags: u32, numbers: Numbers) ?Place {
    var found: linux.Statx = undefined;
    const mask = statx_ino | statx_mnt_id | if (numbers == .newest) statx_mnt_id_unique else 0;
    const directory: usize = @bitCast(@as(isize, from));
    const result = linux.syscall5(.statx, directory, @intFromPtr(path), flags | linux.AT.STATX_DONT_SYNC, mask, @intFromPtr(&found));
    if (linux.errno(result) != .SUCCESS) return null;
    if (@as(u32, @bitCast(found.mask)) & (statx_mnt_id | statx_mnt_id_unique) == 0) return null;
    return .{
        .mount = found.mnt_id,
        .device = deviceNumber(found.dev_major, found.dev_minor),
        .ino = found.ino,
    };
}

/// makedev(3)
fn deviceNumber(major: u64, minor: u64) u64 {
    return (minor & 0xff) | (major & 0xfff) << 8 | (minor & ~@as(u64, 0xff)) << 12 | (major & ~@as(u64, 0xfff)) << 32;
}

pub const View = struct { place: Place, mount: Mount };

/// Where the path leads and what the mount there is like; null: it leads nowhere, or to a mount of another mount namespace.
pub fn look(path: [*:0]const u8) ?View {
    const place = at(path, .newest) orelse return null;
    if (mountOf(place.mount)) |mount| return .{ .place = place, .mount = mount };
    if (place.mount < first_unique) return null;
    // The kernel, or a container's filter of system calls, does not let us ask by the newer number.
    const older = at(path, .of_mountinfo) orelse return null;
    return .{ .place = older, .mount = mountOf(older.mount) orelse return null };
}

/// Flags of the mount, and whether something lies on it; null: it is not in this process's mount table.
pub fn mountOf(number: u64) ?Mount {
    return if (number >= first_unique) ask(number) else (read(number, null) orelse return null).mount;
}

/// The path at which the mount lies now, seen from this process's root; null: nowhere, or the path is too long.
pub fn pathOf(number: u64, buffer: []u8) ?[:0]const u8 {
    return if (number >= first_unique) askPath(number, buffer) else (read(number, buffer) orelse return null).path;
}

// statmount(2) and listmount(2)

/// struct mnt_id_req, as it was first.
const Question = extern struct { size: u32 = @sizeOf(Question), reserved: u32 = 0, number: u64, parameter: u64 };

/// struct statmount, whose strings follow.
const Statmount = extern struct {
    size: u32,
    options: u32,
    mask: u64,
    device_major: u32,
    device_minor: u32,
    magic: u64,
    super_flags: u32,
    type: u32,
    number: u64,
    parent: u64,
    old_number: u32,
    old_parent: u32,
    attributes: u64,
    propagation: u64,
    peer_group: u64,
    master: u64,
    propagates_from: u64,
    root: u32,
    point: u32,
    reserved: [50]u64,
};

comptime {
    std.debug.assert(@sizeOf(Statmount) == 512);
}

const statmount_super_basic = 1;
const statmount_mount_basic = 2;
const statmount_mount_point = 16;
const super_read_only = 1;

const attribute_read_only: u64 = 0x1;
const attribute_atime_mask: u64 = 0x70;
const attribute_no_atime: u64 = 0x10;
const attribute_strict_atime: u64 = 0x20;
const attribute_no_dir_atime: u64 = 0x80;
const attribute_id_mapped: u64 = 0x10_0000;
const attribute_no_symlinks: u64 = 0x20_0000;

/// Everything about access times, for mount_setattr(2).
pub const atime_attributes = attribute_atime_mask | attribute_no_dir_atime;

pub fn atimeAttributes(flags: u32) u64 {
    var attributes: u64 = 0;
    if (flags & layout.mount_no_atime != 0) attributes |= attribute_no_atime;
    if (flags & layout.mount_strict_atime != 0) attributes |= attribute_strict_atime;
    if (flags & layout.mount_no_dir_atime != 0) attributes |= attribute_no_dir_atime;
    return attributes;
}

fn ask(number: u64) ?Mount {
    const basic = statmount_super_basic | statmount_mount_basic;
    const question: Question = .{ .number = number, .parameter = basic };
    var answer: Statmount = undefined;
    const result = linux.syscall4(.statmount, @intFromPtr(&question), @intFromPtr(&answer), @sizeOf(Statmount), 0);
    if (linux.errno(result) != .SUCCESS or answer.mask & basic != basic) return null;
    const first: Question = .{ .number = number, .parameter = 0 };
    var child: u64 = undefined;
    const count = linux.syscall4(.listmount, @intFromPtr(&first), @intFromPtr(&child), 1, 0);
    if (linux.errno(count) != .SUCCESS) return null;
    const attributes = answer.attributes;
    var flags: u32 = 0;
    if (attributes & attribute_read_only != 0 or answer.super_flags & super_read_only != 0) flags |= layout.mount_read_only;
    if (attributes & attribute_atime_mask == attribute_no_atime) flags |= layout.mount_no_atime;
    if (attributes & attribute_atime_mask == attribute_strict_atime) flags |= layout.mount_strict_atime;
    if (attributes & attribute_no_dir_atime != 0) flags |= layout.mount_no_dir_atime;
    if (attributes & attribute_id_mapped != 0) flags |= layout.mount_id_mapped;
    if (attributes & attribute_no_symlinks != 0) flags |= layout.mount_no_symlinks;
    return .{ .flags = flags, .is_covered = count != 0 };
}

fn askPath(number: u64, buffer: []u8) ?[:0]const u8 {
    const question: Question = .{ .number = number, .parameter = statmount_mount_point };
    const start = std.mem.alignPointerOffset(buffer.ptr, @alignOf(Statmount)) orelse return null;
    if (start + @sizeOf(Statmount) >= buffer.len) return null;
    const room = buffer[start..];
    const result = linux.syscall4(.statmount, @intFromPtr(&question), @intFromPtr(room.ptr), room.len, 0);
    if (linux.errno(result) != .SUCCESS) return null;
    const answer: *const Statmount = @ptrCast(@alignCast(room.ptr));
    if (answer.mask & statmount_mount_point == 0) return null;
    const strings = room[@sizeOf(Statmount)..];
    if (answer.point >= strings.len) return null;
    const length = std.mem.indexOfScalar(u8, strings[answer.point..], 0) orelse return null;
    std.mem.copyForwards(u8, buffer[0..length], strings[answer.point..][0..length]);
    buffer[length] = 0;
    return buffer[0..length :0];
}

// /proc/self/mountinfo

const Line = struct { mount: Mount, path: ?[:0]const u8 };

fn read(number: u64, path_buffer: ?[]u8) ?Line {
    const opened = linux.openat(linux.AT.FDCWD, "/proc/self/mountinfo", .{ .CLOEXEC = true }, 0);
    if (linux.errno(opened) != .SUCCESS) return null;
    const fd: i32 = @intCast(opened);
    defer _ = linux.close(fd);
    var table: Table = .{ .wanted = number, .path_buffer = path_buffer };
    var bytes: [1024]u8 = undefined;
    while (true) {
        const length = linux.read(fd, &bytes, bytes.len);
        if (linux.errno(length) == .INTR) continue;
        if (linux.errno(length) != .SUCCESS) return null;
        if (length == 0) break;
        for (bytes[0..length]) |byte| table.take(byte);
    }
    return if (table.is_found) .{ .mount = table.mount, .path = table.path() } else null;
}

/// Reads the mount table byte by byte, see proc_pid_mountinfo(5). Lines may be very long, but nothing in them that is looked at is, except
/// the mount point:
///     36 35 98:0 / /mnt/parent rw,noatime master:1 - ext3 /dev/root rw,errors=continue
pub const Table = struct {
    wanted: u64,
    path_buffer: ?[]u8 = null,

    mount: Mount = .{},
    is_found: bool = false,
    path_length: ?usize = 0,

    field: u32 = 0,
    /// The field that is "-": the type, the source and the superblock's options follow.
    dash: u32 = 0,
    number: u64 = 0,
    is_wanted: bool = false,
    /// The option, or whatever stands between commas; cut off when it is longer than all that are known.
    word: [16]u8 = undefined,
    word_length: usize = 0,
    /// Octal digits of `\040` that are still to come.
    escaped_digits: u32 = 0,
    escaped: u8 = 0,
    /// An atime option stands there: without one, every reading counts.
    has_atime: bool = false,

    const field_point = 4;
    const field_options = 5;

    pub fn take(t: *Table, byte: u8) void {
        switch (byte) {
            ' ' => {
                t.endWord();
                t.field += 1;
            },
            ',' => t.endWord(),
            '\n' => {
                t.endWord();
                t.field = 0;
                t.dash = 0;
                t.is_wanted = false;
            },
            else => {
                if (t.field < 2 and byte >= '0' and byte <= '9') t.number = t.number *% 10 +% (byte - '0');
                if (t.field == field_point and t.is_wanted) t.takePath(byte);
                if (t.word_length < t.word.len) t.word[t.word_length] = byte;
                t.word_length += 1;
                return;
            },
        }
        // A comma in a path is only a comma.
        if (byte == ',' and t.field == field_point and t.is_wanted) t.takePath(byte);
    }

    fn endWord(t: *Table) void {
        const word = t.word[0..@min(t.word_length, t.word.len)];
        t.word_length = 0;
        switch (t.field) {
            0 => {
                t.is_wanted = t.number == t.wanted;
                if (t.is_wanted) t.is_found = true;
            },
            1 => if (t.number == t.wanted) {
                t.mount.is_covered = true;
            },
            field_options => if (t.is_wanted) t.option(word),
            else => {
                if (t.dash == 0 and t.field > field_options and std.mem.eql(u8, word, "-")) t.dash = t.field;
                if (t.is_wanted and t.dash != 0 and t.field == t.dash + 3 and std.mem.eql(u8, word, "ro")) t.mount.flags |= layout.mount_read_only;
                if (t.is_wanted and t.field == t.dash + 1 and t.dash != 0 and !t.has_atime) t.mount.flags |= layout.mount_strict_atime;
            },
        }
        t.number = 0;
    }

    fn option(t: *Table, word: []const u8) void {
        const known = [_]struct { []const u8, u32 }{
            .{ "ro", layout.mount_read_only },
            .{ "noatime", layout.mount_no_atime },
            .{ "nodiratime", layout.mount_no_dir_atime },
            .{ "relatime", 0 },
            .{ "nosymfollow", layout.mount_no_symlinks },
            .{ "idmapped", layout.mount_id_mapped },
        };
        for (known) |entry| if (std.mem.eql(u8, word, entry[0])) {
            t.mount.flags |= entry[1];
        };
        if (std.mem.eql(u8, word, "noatime") or std.mem.eql(u8, word, "relatime")) t.has_atime = true;
    }

    /// The kernel writes space, tab, newline, backslash and "#" as `\ooo`.
    fn takePath(t: *Table, byte: u8) void {
        if (byte == '\\' and t.escaped_digits == 0) {
            t.escaped_digits = 3;
            t.escaped = 0;
            return;
        }
        if (t.escaped_digits == 0) return t.append(byte);
        t.escaped = t.escaped *% 8 +% (byte -% '0');
        t.escaped_digits -= 1;
        if (t.escaped_digits == 0) t.append(t.escaped);
    }

    fn append(t: *Table, byte: u8) void {
        const buffer = t.path_buffer orelse return;
        const length = t.path_length orelse return;
        if (length + 1 >= buffer.len) {
            t.path_length = null;
            return;
        }
        buffer[length] = byte;
        t.path_length = length + 1;
    }

    fn path(t: *const Table) ?[:0]const u8 {
        const buffer = t.path_buffer orelse return null;
        const length = t.path_length orelse return null;
        buffer[length] = 0;
        return buffer[0..length :0];
    }
};
