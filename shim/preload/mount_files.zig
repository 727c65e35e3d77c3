//! Files and directories of the mount, whichever door they were opened by: where the library knows better than FUSE what a file of tmpfs would say.

const linux = @import("std").os.linux;
const descriptors = @import("descriptors.zig");
const gate = @import("gate.zig");
const region = @import("region.zig");
const system = @import("system.zig");

pub fn isFile(fd: c_int) bool {
    if (descriptors.find(fd)) |o| return !o.isDirectory();
    return isReal(fd, linux.S.IFREG);
}

pub fn isDirectory(fd: c_int) bool {
    if (descriptors.find(fd)) |o| return o.isDirectory();
    return isReal(fd, linux.S.IFDIR);
}

fn isReal(fd: c_int, kind: u32) bool {
    if (region.configuration() == null or !gate.mayAct()) return false;
    const found = system.fstat(fd) orelse return false;
    return found.mode & linux.S.IFMT == kind and found.dev == (device() orelse return false);
}

fn device() ?u64 {
    if (region.view()) |v| return v.device;
    const configuration = region.configuration() orelse return null;
    return (system.stat(configuration.mount) orelse return null).dev;
}
