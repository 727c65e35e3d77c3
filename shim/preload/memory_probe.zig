//! Whether memory that a program names may be read or written: the kernel answers EFAULT where it may not, and so the library leaves the call
//! to the kernel, instead of ending the program.
//!
//! Pages that were found to be there are remembered in a table; others are asked for by a system call that reports EFAULT and does nothing
//! else. Pages are forgotten when the program unmaps or protects them by a function of libc. What libc unmaps for itself (memory that free(3)
//! gives back, the stack of a thread that has ended, a library that dlclose(3) unloads) is not seen: a program that uses such memory for a
//! call on files, having used the same page for one before, is ended by a signal.

const std = @import("std");
const linux = std.os.linux;
const gate = @import("gate.zig");
const next = @import("next.zig");

const page_shift = 12;
const page_bytes = 1 << page_shift;
/// As many pages side by side, 4 MiB, do not displace each other.
const table_count = 1024;

/// A page's number times 2, and 1 when it may be written; 0: nothing is known.
var table: [table_count]usize = @splat(0);

inline fn entryOf(page: usize) *usize {
    return &table[page % table_count];
}

inline fn isReadable(page: usize) bool {
    return @atomicLoad(usize, entryOf(page), .monotonic) >> 1 == page;
}

inline fn isWritable(page: usize) bool {
    return @atomicLoad(usize, entryOf(page), .monotonic) == page << 1 | 1;
}

/// Whether it is an address as programs may have them: the kernel looks at that first, also where there is nothing to be copied.
pub inline fn isOfPrograms(pointer: anytype) bool {
    return @intFromPtr(pointer) >> 47 == 0;
}

/// Whether all bytes may be read.
pub inline fn canRead(pointer: anytype, length: usize) bool {
    return can(.read, @intFromPtr(pointer), length);
}

/// Whether all bytes may be written. Nothing is changed.
pub inline fn canWrite(pointer: anytype, length: usize) bool {
    return can(.write, @intFromPtr(pointer), length);
}

const Access = enum { read, write };

/// The same of a structure.
pub inline fn canWriteTo(pointer: anytype, comptime length: usize) bool {
    const address = @intFromPtr(pointer);
    if (isWritable(address >> page_shift) and address % page_bytes <= page_bytes - length) return true;
    return canLater(.write, address, length);
}

inline fn can(comptime access: Access, address: usize, length: usize) bool {
    const first = address >> page_shift;
    const last = (address +% length -% 1) >> page_shift;
    const is_known = if (access == .read) isReadable else isWritable;
    if (is_known(first) and (first == last or (first + 1 == last and is_known(last)))) return true;
    return canLater(access, address, length);
}

noinline fn canLater(comptime access: Access, address: usize, length: usize) bool {
    if (length == 0) return address >> 47 == 0;
    const end = std.math.add(usize, address, length) catch return false;
    const is_known = if (access == .read) isReadable else isWritable;
    var page = address >> page_shift;
    const last = (end - 1) >> page_shift;
    while (page <= last) : (page += 1) {
        if (is_known(page)) continue;
        if (last - page >= populated_min and populate(access, page, last)) return true;
        // Of a page at the edge, an address that the program has named.
        if (!probe(access, @max(address, page << page_shift))) return false;
    }
    return true;
}

/// So many pages are asked for at once.
const populated_min = 16;

fn populate(access: Access, first: usize, last: usize) bool {
    const populate_read = 22;
    const populate_write = 23;
    const advice: usize = if (access == .read) populate_read else populate_write;
    const result = linux.syscall3(.madvise, first << page_shift, (last - first + 1) << page_shift, advice);
    if (linux.errno(result) != .SUCCESS) return false;
    for (first..last + 1) |page| remember(access, page);
    return true;
}

fn remember(access: Access, page: usize) void {
    const entry = entryOf(page);
    if (access == .read and isReadable(page)) return;
    @atomicStore(usize, entry, page << 1 | @intFromBool(access == .write), .monotonic);
}

fn probe(access: Access, address: usize) bool {
    // Where no system call may be made, everything is the kernel's.
    if (!gate.mayProbe()) return false;
    const is_there = switch (access) {
        .read => probeRead(address),
        .write => probeWrite(address),
    };
    if (is_there) remember(access, address >> page_shift);
    return is_there;
}

/// prlimit(2) of a limit that does not exist reads the new one first. It is one of the calls that starting a program takes, so that
/// filters (seccomp(2)) let it through.
fn probeRead(address: usize) bool {
    const no_limit = 0xffff;
    return linux.errno(linux.syscall4(.prlimit64, 0, no_limit, address & ~@as(usize, 15), 0)) != .FAULT;
}

var futex_word: u32 = 0;

/// futex(2) that adds 0 to a word, and wakes nobody.
fn probeWrite(address: usize) bool {
    const wake_op_private = 5 | 128;
    const add = 1 << 28;
    const unlikely_value = 0x800;
    const own = @intFromPtr(&futex_word);
    return linux.errno(linux.syscall6(.futex, own, wake_op_private, 0, 0, address & ~@as(usize, 3), add | unlikely_value)) != .FAULT;
}

const path_bytes_max = 4096;
/// Most paths end within so many bytes.
const short_bytes = 64;

/// Whether a string can be read up to its end, and is not longer than a path may be.
pub inline fn isPath(path: anytype) bool {
    const address = @intFromPtr(path);
    if (isReadable(address >> page_shift) and address % page_bytes <= page_bytes - short_bytes) {
        const start: @Vector(short_bytes, u8) = @as(*align(1) const [short_bytes]u8, @ptrFromInt(address)).*;
        if (@reduce(.Min, start) == 0) return true;
    }
    return isPathLater(address);
}

noinline fn isPathLater(address: usize) bool {
    var at = address;
    const end = std.math.add(usize, address, path_bytes_max) catch return false;
    // Page by page: behind the one in which it ends, there may be nothing.
    while (at < end) {
        if (!canRead(@as(?*const u8, @ptrFromInt(at)), 1)) return false;
        const room = @min(page_bytes - at % page_bytes, end - at);
        if (std.mem.indexOfScalar(u8, @as([*]const u8, @ptrFromInt(at))[0..room], 0) != null) return true;
        at += room;
    }
    return false;
}

/// The program unmaps these bytes, or changes what may be done with them.
pub fn forget(address: usize, length: usize) void {
    const first = address >> page_shift;
    const count = (length +| (page_bytes - 1)) >> page_shift;
    if (count >= table_count) return forgetAll();
    for (first..first +| count) |page| {
        const entry = entryOf(page);
        if (@atomicLoad(usize, entry, .monotonic) >> 1 == page) @atomicStore(usize, entry, 0, .monotonic);
    }
}

pub fn forgetAll() void {
    for (&table) |*entry| {
        if (@atomicLoad(usize, entry, .monotonic) != 0) @atomicStore(usize, entry, 0, .monotonic);
    }
}

// Functions that take memory away. It is forgotten before, so that no other thread finds it known and gone, and after, when another
// thread has looked meanwhile.

fn Forgetting(comptime name: [:0]const u8) type {
    return struct {
        fn call(address: usize, length: usize, c: usize, d: usize, e: usize) callconv(.c) usize {
            forget(address, length);
            defer forget(address, length);
            return next.call(name, *const fn (usize, usize, usize, usize, usize) callconv(.c) usize)(address, length, c, d, e);
        }
    };
}

/// The range is not named, or not all of it.
fn ForgettingAll(comptime name: [:0]const u8) type {
    return struct {
        fn call(a: usize, b: usize, c: usize, d: usize, e: usize) callconv(.c) usize {
            forgetAll();
            defer forgetAll();
            return next.call(name, *const fn (usize, usize, usize, usize, usize) callconv(.c) usize)(a, b, c, d, e);
        }
    };
}

fn sbrk(increment: isize) callconv(.c) usize {
    if (increment < 0) forgetAll();
    defer if (increment < 0) forgetAll();
    return next.call("sbrk", *const fn (isize) callconv(.c) usize)(increment);
}

const guard_install = 102;

fn madvise(address: usize, length: usize, advice: c_int) callconv(.c) c_int {
    // All others leave memory that can be read and written as before.
    if (advice >= guard_install) forget(address, length);
    defer if (advice >= guard_install) forget(address, length);
    return next.call("madvise", *const fn (usize, usize, c_int) callconv(.c) c_int)(address, length, advice);
}

comptime {
    for (.{ "munmap", "mprotect", "pkey_mprotect" }) |name| @export(&Forgetting(name).call, .{ .name = name });
    for (.{ "mremap", "brk", "shmdt", "shmat", "remap_file_pages" }) |name| @export(&ForgettingAll(name).call, .{ .name = name });
    @export(&sbrk, .{ .name = "sbrk" });
    @export(&madvise, .{ .name = "madvise" });
}
