//! Running a program whose file somebody has open for writing is ETXTBSY. The kernel knows only those who have it open through the kernel; who has it open
//! through the library is looked up here, by programs that use the library themselves.

const layout = @import("layout");
const linux = @import("std").os.linux;
const openers = @import("openers.zig");
const region = @import("region.zig");
const system = @import("system.zig");
const walk = @import("walk.zig");

/// Whether execve(2) of the path is to fail. Of a name without a slash libc finds the file itself.
pub fn isBusy(path: ?[*:0]const u8) bool {
    if (@intFromPtr(path) < layout.page_bytes) return false;
    const given = path.?;
    // To find out where a relative path leads is not worth attaching.
    const is_absolute = given[0] == '/';
    if (!is_absolute and (region.view() == null or !hasSlash(given))) return false;
    const place = switch (walk.at(system.at_fdcwd, given, .{ .cost = if (is_absolute) .lasting else .look })) {
        .place => |place| place,
        else => return false,
    };
    const v = region.view() orelse return false;
    const inode = &v.inodes[place.ino];
    const is_program = inode.mode & linux.S.IFMT == linux.S.IFREG and inode.mode & 0o111 != 0;
    return is_program and openers.of(v, inode).writers > 0;
}

fn hasSlash(path: [*:0]const u8) bool {
    var at = path;
    while (at[0] != 0) : (at += 1) if (at[0] == '/') return true;
    return false;
}
