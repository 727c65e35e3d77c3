//! Functions that are always the kernel's and take a path: it may lead to a descriptor of ours (descriptor_paths.zig).

const std = @import("std");
const linux = std.os.linux;
const descriptor_paths = @import("descriptor_paths.zig");
const descriptors = @import("descriptors.zig");
const kernel_files = @import("kernel_files.zig");
const next = @import("next.zig");
const system = @import("system.zig");

const Path = [*:0]const u8;

/// A function of libc and the place of the path among its arguments.
const OnPath = struct { [:0]const u8, u3 };

const on_path = [_]OnPath{
    .{ "realpath", 0 },
    .{ "__realpath_chk", 0 },
    .{ "canonicalize_file_name", 0 },
    .{ "statfs", 0 },
    .{ "statfs64", 0 },
    .{ "statvfs", 0 },
    .{ "statvfs64", 0 },
    .{ "pathconf", 0 },
    .{ "ftw", 0 },
    .{ "ftw64", 0 },
    .{ "acct", 0 },
    .{ "swapon", 0 },
    .{ "posix_spawn_file_actions_addopen", 2 },
};

fn OnPathCall(comptime entry: OnPath) type {
    return struct {
        const F = fn (usize, usize, usize, usize, usize, usize) callconv(.c) usize;

        fn call(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) callconv(.c) usize {
            const arguments = [_]usize{ a, b, c, d, e, f };
            if (@as(?Path, @ptrFromInt(arguments[entry[1]]))) |path| descriptor_paths.materialize(system.at_fdcwd, path);
            return next.call(entry[0], *const F)(a, b, c, d, e, f);
        }
    };
}

// Sockets with a name in a directory: one longer than an address is reached as /proc/self/fd/N/name.

const sun_path_offset = 2;
const sun_path_bytes = 108;

fn AddressCall(comptime name: [:0]const u8) type {
    return struct {
        fn call(socket: c_int, address: ?[*]const u8, length: u32) callconv(.c) c_int {
            kernel_files.materialize(socket);
            if (descriptors.any()) if (address) |bytes| materializeAddress(bytes, length);
            return next.call(name, *const fn (c_int, ?[*]const u8, u32) callconv(.c) c_int)(socket, address, length);
        }
    };
}

noinline fn materializeAddress(bytes: [*]const u8, length: u32) void {
    if (@intFromPtr(bytes) < 4096 or length <= sun_path_offset) return;
    if (std.mem.readInt(u16, bytes[0..2], .little) != linux.AF.UNIX) return;
    var path: [sun_path_bytes:0]u8 = @splat(0);
    const given = bytes[sun_path_offset..@min(length, sun_path_offset + sun_path_bytes)];
    @memcpy(path[0..given.len], given);
    descriptor_paths.materialize(system.at_fdcwd, &path);
}

comptime {
    for (on_path) |entry| @export(&OnPathCall(entry).call, .{ .name = entry[0] });
    for (.{ "bind", "connect" }) |name| @export(&AddressCall(name).call, .{ .name = name });
}
