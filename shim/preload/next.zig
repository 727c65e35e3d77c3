//! The next definition of a libc function: what a call comes to when this library does not serve it.
//! Looked up on first use, so that loading the library costs nothing.

const std = @import("std");
const early = @import("early.zig");

pub const E = std.os.linux.E;

extern "c" fn __errno_location() *c_int;

pub fn errnoLocation() *c_int {
    return __errno_location();
}

/// The end of a call that failed: errno is set, -1 is what it returns.
pub fn fail(e: E) c_int {
    errnoLocation().* = @intFromEnum(e);
    return -1;
}

/// The next function called `name`; `F` is a pointer to its type. Where there is none, one that fails with ENOSYS.
pub fn call(comptime name: [:0]const u8, comptime F: type) F {
    const Cache = struct {
        // The name makes each instance a cache of its own.
        const symbol = name;
        var address: ?*const anyopaque linksection(early.section) = null;
    };
    const known = @atomicLoad(?*const anyopaque, &Cache.address, .monotonic);
    return @ptrCast(@alignCast(known orelse resolve(Cache.symbol, &Cache.address)));
}

/// Whether there is a next function of this name.
pub fn has(comptime name: [:0]const u8) bool {
    const Missing = *const fn () callconv(.c) isize;
    return call(name, Missing) != &missing;
}

noinline fn resolve(name: [*:0]const u8, cache: *?*const anyopaque) *const anyopaque {
    const address = look(name) orelse @as(*const anyopaque, &missing);
    @atomicStore(?*const anyopaque, cache, address, .monotonic);
    return address;
}

fn missing() callconv(.c) isize {
    return fail(.NOSYS);
}

const rtld_next: ?*anyopaque = @ptrFromInt(std.math.maxInt(usize));

const Dlsym = *const fn (?*anyopaque, [*:0]const u8) callconv(.c) ?*const anyopaque;
const DlSym = *const fn (?*anyopaque, [*:0]const u8, *const anyopaque) callconv(.c) ?*const anyopaque;

// Weak: until glibc 2.34, dlsym is in a library of its own, which most programs do not have and which would take
// each of them time to load. There, libc has the function underneath. The variables are what the dynamic linker fills
// in; they are read as volatile, because the compiler takes an address for never null.
var dlsym: ?Dlsym = @extern(?Dlsym, .{ .name = "dlsym", .linkage = .weak });
var dl_sym: ?DlSym = @extern(?DlSym, .{ .name = "_dl_sym", .linkage = .weak });

/// dlsym finds out by the address it returns to whose "next" is meant: it must be called from here, in this library.
fn look(name: [*:0]const u8) ?*const anyopaque {
    if (@as(*volatile ?Dlsym, &dlsym).*) |function| return @call(.never_tail, function, .{ rtld_next, name });
    if (@as(*volatile ?DlSym, &dl_sym).*) |function| return @call(.never_tail, function, .{ rtld_next, name, @as(*const anyopaque, &missing) });
    return null;
}
