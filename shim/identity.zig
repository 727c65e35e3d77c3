//! What a process's view of the system depends on besides its ids: the daemon notes its own in the superblock, and whoever wants to be
//! served compares (preload/gate.zig).

const std = @import("std");
const linux = std.os.linux;
const mount_view = @import("mount_view.zig");

/// Inode number of the first user namespace, in which every id exists; the kernel's PROC_USER_INIT_INO.
pub const first_user_namespace: u64 = 0xefff_fffd;

/// Inode number of the namespace called so in /proc/self/ns; null: it cannot be found out.
pub fn namespace(comptime name: []const u8) ?u64 {
    return (mount_view.at("/proc/self/ns/" ++ name, .of_mountinfo) orelse return null).ino;
}

/// The root directory. A mount belongs to one mount namespace, so that its number also tells these apart.
pub fn root() ?mount_view.Place {
    return mount_view.at("/", .newest);
}

/// What SELinux, AppArmor or Smack call this process, as a number; 0: there is none of them.
pub fn label() u64 {
    const opened = linux.openat(linux.AT.FDCWD, "/proc/self/attr/current", .{ .CLOEXEC = true }, 0);
    if (linux.errno(opened) != .SUCCESS) return 0;
    const fd: i32 = @intCast(opened);
    defer _ = linux.close(fd);
    var text: [512]u8 = undefined;
    const length = linux.read(fd, &text, text.len);
    if (linux.errno(length) != .SUCCESS or length == 0) return 0;
    return std.hash.Fnv1a_64.hash(text[0..length]) | 1;
}
