//! A descriptor kept for the next open: programs that open, read and close one file after the other pay no system call.
//!
//! Closing a descriptor of ours leaves its placeholder where it is, and the next open takes it over. So that nobody notices:
//! it is the lowest one free; every call on the number closes it first (`descriptors.find`), and so does every call that makes
//! a descriptor, a process or a program.
//!
//! INVARIANT: all numbers below `memory.lowest` are in use, as far as calls can be seen here.

const linux = @import("std").os.linux;
const private = @import("private.zig");

const memory = private.memory;

/// In the table: the descriptor that is kept.
pub const entry: u32 = 0xffff_ffff;

/// The number, + 1, whether it is closed on exec, and whether it is an anchor (anchor.zig); 0 = none is kept.
const on_exec: u32 = 1 << 31;
const anchored: u32 = 1 << 30;
const number_mask: u32 = anchored - 1;

pub const Kept = struct { fd: c_int, is_anchor: bool };

/// `fd` was the lowest number that was free.
pub inline fn opened(fd: c_int) void {
    @atomicStore(u32, &memory.lowest, @intCast(fd + 1), .monotonic);
}

/// The kernel has closed it.
pub inline fn closed(fd: c_int) void {
    const number: u32 = @bitCast(fd);
    if (number >= @atomicLoad(u32, &memory.lowest, .monotonic)) return;
    @atomicStore(u32, &memory.lowest, number, .monotonic);
    drop();
}

/// Descriptors were closed, nobody knows which.
pub fn forgetAll() void {
    @atomicStore(u32, &memory.lowest, 0, .monotonic);
    drop();
}

/// Whether it would be the lowest free one.
pub inline fn mayKeep(fd: c_int) bool {
    return @as(u32, @intCast(fd)) <= @atomicLoad(u32, &memory.lowest, .monotonic);
}

/// Keeps a descriptor that was just taken out of the table, or closes it.
pub fn keep(fd: c_int, close_on_exec: bool, is_anchor: bool) void {
    const number: u32 = @intCast(fd);
    const now = (number + 1) | (if (close_on_exec) on_exec else 0) | (if (is_anchor) anchored else 0);
    if (number > @atomicLoad(u32, &memory.lowest, .monotonic)) return really(number);
    @atomicStore(u32, &memory.lowest, number, .monotonic);
    @atomicStore(u32, &memory.table[number], entry, .release);
    const replaced = @atomicRmw(u32, &memory.kept, .Xchg, now, .acq_rel);
    if (replaced != 0) forget(replaced);
}

/// The kept descriptor for a new use; null: there is none, or not of the kind that is needed.
pub fn take(close_on_exec: bool, needs_anchor: bool) ?Kept {
    if (@atomicLoad(u32, &memory.kept, .monotonic) == 0) return null;
    const found = @atomicRmw(u32, &memory.kept, .Xchg, 0, .acq_rel);
    if (found == 0) return null;
    const is_anchor = found & anchored != 0;
    if (needs_anchor and !is_anchor) {
        forget(found);
        return null;
    }
    const fd: c_int = @intCast((found & number_mask) - 1);
    if ((found & on_exec != 0) != close_on_exec) _ = linux.fcntl(fd, linux.F.SETFD, @intFromBool(close_on_exec));
    return .{ .fd = fd, .is_anchor = is_anchor };
}

/// The program may be about to wait for long: a mount of which it has nothing open is not to be in use meanwhile.
pub inline fn letMountGo() void {
    if (@atomicLoad(u32, &memory.kept, .monotonic) & anchored != 0) dropNow();
}

/// Closes what is kept: the kernel is to give the lowest number.
pub inline fn drop() void {
    if (@atomicLoad(u32, &memory.kept, .monotonic) != 0) dropNow();
}

pub noinline fn dropNow() void {
    const found = @atomicRmw(u32, &memory.kept, .Xchg, 0, .acq_rel);
    if (found != 0) forget(found);
}

/// Whether the descriptor is neither open for the program nor kept: keeping it was left halfway.
pub fn isStray(fd: u32) bool {
    const is_kept = (@atomicLoad(u32, &memory.kept, .acquire) & number_mask) == fd + 1;
    return !is_kept and @atomicLoad(u32, &memory.table[fd], .acquire) == entry;
}

fn forget(found: u32) void {
    const number = (found & number_mask) - 1;
    @atomicStore(u32, &memory.table[number], 0, .release);
    really(number);
}

fn really(number: u32) void {
    _ = linux.syscall1(.close, number);
}
