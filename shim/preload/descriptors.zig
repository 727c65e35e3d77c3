//! Descriptors that the library serves itself.
//!
//! Each is a real descriptor of the kernel's, the lowest free one as open(2) wants it, but of a placeholder
//! (placeholder.zig); what it stands for is an open file description in the region, in this process's client area, so that the
//! file lives until the last close and dup(2) shares the offset. For whatever the library does not serve, the
//! description is *materialized* first: the real file of the mount takes its place at all its descriptors (kernel_files.zig).
//!
//! INVARIANTS
//! - `table[fd]` names a description; entries and the description's `references` change under Description.lock only.
//! - Before fork everything is materialized, so that the kernel shares the offsets (calls_process.zig).
//! - 0, 1 and 2 are always real, because stdio reads and writes them inside libc.
//!
//! Locks: Description.lock only; two of them in the order of their numbers. A signal handler that comes to a lock of its
//! own thread goes on without it.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const anchor = @import("anchor.zig");
const clients = @import("clients.zig");
const description_pool = @import("description_pool.zig");
const gate = @import("gate.zig");
const holds = @import("holds.zig");
const kept = @import("kept.zig");
const kernel_files = @import("kernel_files.zig");
const machine_code = @import("machine_code.zig");
const placeholder = @import("placeholder.zig");
const private = @import("private.zig");
const region = @import("region.zig");
const reopen = @import("reopen.zig");
const ring = @import("ring.zig");
const system = @import("system.zig");

const View = region.View;
const Description = layout.Description;
const memory = private.memory;

/// Of open(2)'s flags: 0 for reading, 1 for writing, 2 for both.
pub const access_mask: u32 = 3;

/// Descriptors that stdio uses on its own.
const standard_count = 3;

/// A descriptor of ours. Which inode it is, and how it was opened, was read while it was: another thread may have it materialized
/// meanwhile (the inode then lives on with the real file), and its description may be another file's.
pub const Open = struct {
    v: *const View,
    fd: c_int,
    entry: u32,
    description: *Description,
    ino: u32,
    generation: u32,
    flags: u32,

    pub inline fn inode(o: Open) *volatile layout.Inode {
        return &o.v.inodes[o.ino];
    }

    /// Else it is a regular file: nothing else is opened here.
    pub inline fn isDirectory(o: Open) bool {
        return o.inode().mode & linux.S.IFMT == linux.S.IFDIR;
    }

    inline fn isCurrent(o: Open) bool {
        return entryOf(o.fd) == o.entry;
    }

    /// Who moves the offset or the descriptor holds the lock. Null: it was closed meanwhile.
    pub inline fn lock(o: Open) ?Hold {
        const hold = lockDescription(o.description);
        if (o.isCurrent()) return hold;
        hold.release();
        return null;
    }
};

/// What the descriptor is here; null: the kernel's.
pub inline fn find(fd: c_int) ?Open {
    while (true) {
        const entry = entryOf(fd);
        if (entry == 0) return null;
        const o = at(fd, entry) orelse return null;
        // It is cleared before its description is.
        if (o.isCurrent()) return o;
    }
}

inline fn entryOf(fd: c_int) u32 {
    const number: u32 = @bitCast(fd);
    return if (number < private.table_count) @atomicLoad(u32, &memory.table[number], .acquire) else 0;
}

inline fn at(fd: c_int, entry: u32) ?Open {
    const v = region.view() orelse return null;
    if (entry == kept.entry) {
        // For the program it is closed.
        kept.dropNow();
        return null;
    }
    const d = v.description(memory.client, entry - 1);
    const ino = @atomicLoad(u32, &d.ino, .acquire);
    // Others can write there, too.
    if (region.inode(v, ino) == null) return null;
    return .{
        .v = v,
        .fd = fd,
        .entry = entry,
        .description = d,
        .ino = ino,
        .generation = @atomicLoad(u32, &d.generation, .acquire),
        .flags = @atomicLoad(u32, &d.flags, .acquire),
    };
}

pub fn inodeOf(fd: c_int) ?u32 {
    const open = find(fd) orelse return null;
    return open.ino;
}

/// Whether there may be descriptors of ours at all.
pub inline fn any() bool {
    return end() != 0;
}

/// No descriptor of ours is this high or higher.
pub fn end() u32 {
    return @atomicLoad(u32, &memory.table_end, .monotonic);
}

// Locks.

pub const Hold = struct {
    /// Null: an outer function of this thread has it.
    word: ?*u32,
    step: *volatile holds.Hold,

    pub inline fn release(hold: Hold) void {
        const word = hold.word orelse return;
        @atomicStore(u32, word, 0, .release);
        holds.pop(hold.step);
    }
};

inline fn lockDescription(description: *Description) Hold {
    const word = &description.lock;
    const step = holds.push(&stepLeft, @intFromPtr(word));
    const own = system.threadWord();
    const before = @cmpxchgStrong(u32, word, 0, own, .acquire, .monotonic) orelse {
        step.is_taken = true;
        return .{ .word = word, .step = step };
    };
    if (before != own) return lockLater(word, own, step);
    holds.pop(step);
    return .{ .word = null, .step = step };
}

pub const yields_before_sleep = 200;
/// Ten seconds: who holds a lock for longer has left its function in a way that nobody saw (setcontext(3), or a thread that ended by exit(2)).
const sleeps_max = 200_000;
const sleep_nanoseconds = 50_000;

noinline fn lockLater(word: *u32, own: u32, step: *volatile holds.Hold) Hold {
    for (0..yields_before_sleep + sleeps_max) |i| {
        const before = @cmpxchgStrong(u32, word, 0, own, .acquire, .monotonic);
        if (before == null or before == own) {
            step.is_taken = true;
            return .{ .word = word, .step = step };
        }
        if (i < yields_before_sleep) {
            _ = linux.syscall0(.sched_yield);
        } else {
            system.nap(sleep_nanoseconds);
        }
    }
    @atomicStore(u32, word, own, .monotonic);
    step.is_taken = true;
    return .{ .word = word, .step = step };
}

/// Two locks, in the order in which they were taken.
pub const Both = struct {
    first: Hold,
    second: Hold,

    pub fn release(both: Both) void {
        both.second.release();
        both.first.release();
    }
};

pub fn lockBoth(a: ?Open, b: ?Open) ?Both {
    const none: Hold = .{ .word = null, .step = undefined };
    var both: Both = .{ .first = none, .second = none };
    const in_order = (if (a) |o| o.entry else 0) <= (if (b) |o| o.entry else 0);
    const first, const second = if (in_order) .{ a, b } else .{ b, a };
    if (first) |o| both.first = o.lock() orelse return null;
    if (second) |o| both.second = o.lock() orelse {
        both.first.release();
        return null;
    };
    return both;
}

// Opening.

/// A description counted in its inode, without a descriptor yet.
pub const Claim = struct { v: *const View, index: u32, description: *Description, step: *volatile holds.Hold };

pub const Claimed = union(enum) { claim: Claim, no_room, gate_closed };

/// A new description, counted in the inode, which keeps that alive: whether it was there all the time, the caller looks
/// afterwards. One that the daemon has made for us is counted already, as the caller has noted in `noted`, which ends with that.
pub fn claim(v: *const View, what: reopen.What, noted: ?*volatile u32) Claimed {
    if (machine_code.isOutdated()) machine_code.look(v);
    const client = clients.get(v);
    if (client == 0) return .no_room;
    const step = holds.push(&abandonLeft, 0);
    const index = description_pool.claim(v, client, step) orelse {
        holds.pop(step);
        return .no_room;
    };
    const description = v.description(client, index);
    description.generation = what.generation;
    description.flags = what.flags;
    description.offset = 0;
    description.parent = what.parent;
    description.dentry = what.dentry;
    description.references = 1;
    @atomicStore(u32, &description.ino, what.ino, .release);
    if (noted) |word| {
        word.* = 0;
    } else _ = @atomicRmw(u32, &v.inodes[what.ino].open_count, .Add, 1, .seq_cst);
    const c: Claim = .{ .v = v, .index = index, .description = description, .step = step };
    // Who closes the gate looks for claims afterwards: one of both sees the other.
    if (@atomicLoad(u32, &memory.closed_gates, .seq_cst) == 0 and !kernel_files.areStopped()) return .{ .claim = c };
    abandon(c);
    return .gate_closed;
}

/// Undoes `claim`.
pub fn abandon(c: Claim) void {
    uncount(c.v, c.description.ino, c.description.generation);
    description_pool.free(c.description, c.index);
    holds.pop(c.step);
}

/// An open was left between `claim` and `bind`.
fn abandonLeft(step: *volatile holds.Hold) callconv(.c) void {
    defer unreserveLeft(&step.c);
    const v = region.view() orelse return;
    if (step.a == 0) return;
    const index: u32 = @intCast(step.a - 1);
    const description = v.description(memory.client, index);
    // The descriptor was there already: the program has left it open.
    if (!description_pool.isClaimedFor(step, description)) return;
    endLeft(v, description, index);
}

/// What was reserved, as `number` says, when its function has been left. It is the program's when it is bound: as the kernel
/// would have left it, open.
pub fn unreserveLeft(number: *volatile usize) void {
    if (number.* == 0) return;
    const fd: u32 = @intCast(number.* - 1);
    number.* = 0;
    if (@atomicLoad(u32, &memory.table[fd], .acquire) != 0 and !kept.isStray(fd)) return;
    @atomicStore(u32, &memory.table[fd], 0, .release);
    _ = linux.syscall1(.close, fd);
}

/// A descriptor that is not bound to anything yet; `fd` may also be a negative errno, or `must_be_real`.
pub const Reserved = struct {
    fd: c_int,
    close_on_exec: bool,
    is_anchor: bool,
    /// Where a step notes the number, + 1, as long as it is reserved.
    number: *volatile usize,

    /// It is not used after all.
    pub fn giveBack(reserved: Reserved) void {
        done(reserved.fd, reserved.close_on_exec, reserved.is_anchor, reserved.number, 0);
    }
};

/// Reserves the lowest free descriptor for a file that is opened like this.
pub fn reserve(o: linux.O, number: *volatile usize) Reserved {
    const writes = o.ACCMODE != .RDONLY;
    var reserved: Reserved = .{ .fd = undefined, .close_on_exec = o.CLOEXEC, .is_anchor = writes, .number = number };
    if (writes) anchor.note();
    if (kept.take(o.CLOEXEC, writes)) |found| {
        reserved.fd = found.fd;
        reserved.is_anchor = found.is_anchor;
    } else {
        reserved.fd = if (writes) anchor.open(o.CLOEXEC) else placeholder.duplicate(o.CLOEXEC);
    }
    if (reserved.fd >= 0 and mustBeReal(reserved.fd)) {
        _ = linux.syscall1(.close, system.word(reserved.fd));
        reserved.fd = must_be_real;
    } else if (writes and reserved.fd < 0 and reserved.fd != no_number) {
        // The mount is not where it was: the kernel knows where.
        reserved.fd = must_be_real;
    } else if (reserved.fd >= 0) number.* = @intCast(reserved.fd + 1);
    return reserved;
}

/// The descriptor is the description's from now on.
pub fn bind(c: Claim, reserved: Reserved) c_int {
    const on_exec = if (reserved.close_on_exec) close_on_exec_flag else 0;
    c.description.flags |= keepable | on_exec | if (reserved.is_anchor) anchored else 0;
    setEntry(reserved.fd, c.index + 1);
    kept.opened(reserved.fd);
    @atomicStore(u32, &c.description.state, layout.description_open, .release);
    reserved.number.* = 0;
    holds.pop(c.step);
    return reserved.fd;
}

pub const must_be_real = std.math.minInt(c_int);
pub const no_number = -@as(c_int, @intFromEnum(linux.E.MFILE));

/// Of a new descriptor: stdio uses it, or the table ends below it.
pub fn mustBeReal(fd: c_int) bool {
    return fd < standard_count or fd >= private.table_count;
}

pub fn setEntry(fd: c_int, entry: u32) void {
    const number: u32 = @intCast(fd);
    if (number >= end()) _ = @atomicRmw(u32, &memory.table_end, .Max, number + 1, .monotonic);
    @atomicStore(u32, &memory.table[number], entry, .release);
}

/// Takes the descriptor out of the table; the lock is held. The last one ends the description.
pub fn clearEntry(o: Open) void {
    @atomicStore(u32, &memory.table[@intCast(o.fd)], 0, .release);
    o.description.references -= 1;
    if (o.description.references > 0) return;
    uncount(o.v, o.description.ino, o.description.generation);
    description_pool.free(o.description, o.entry - 1);
}

/// A description that nothing refers to, where nobody knows whether it is counted.
fn endLeft(v: *const View, description: *Description, index: u32) void {
    const ino = description.ino;
    const generation = description.generation;
    description_pool.free(description, index);
    recount(v, ino, generation);
}

/// After a function was left of which nobody knows whether it had counted.
pub fn recount(v: *const View, ino: u32, generation: u32) void {
    const inode = region.inode(v, ino) orelse return;
    const is_open = !description_pool.recount(v, ino);
    if (!is_open and @atomicLoad(u32, &inode.nlink, .seq_cst) == 0) releaseInode(v, ino, generation);
}

/// One open file description fewer. The last one of an inode without names ends the inode.
pub fn uncount(v: *const View, ino: u32, generation: u32) void {
    const inode = &v.inodes[ino];
    var count = @atomicLoad(u32, &inode.open_count, .monotonic);
    // Never below zero, whoever else got it wrong.
    while (count > 0) {
        count = @cmpxchgWeak(u32, &inode.open_count, count, count - 1, .seq_cst, .monotonic) orelse break;
    }
    // The daemon takes the last name away and then looks at the count: one of both sees the other.
    if (count == 1 and @atomicLoad(u32, &inode.nlink, .seq_cst) == 0) releaseInode(v, ino, generation);
}

noinline fn releaseInode(v: *const View, ino: u32, generation: u32) void {
    const step = holds.push(&releaseLeft, ino);
    step.b = generation;
    ring.release(v, ino, generation);
    holds.pop(step);
}

/// The daemon looks whether there is anything to do: telling it twice does no harm.
fn releaseLeft(step: *volatile holds.Hold) callconv(.c) void {
    ring.release(region.view() orelse return, @intCast(step.a), @truncate(step.b));
}

/// Closes the descriptor. False: it was not ours any more.
pub fn close(o: Open) bool {
    const hold = o.lock() orelse return false;
    // A signal handler in a function of this thread that has the lock has no step yet.
    const step = if (hold.word != null) hold.step else holds.push(&stepLeft, @intFromPtr(&o.description.lock));
    const flags = o.description.flags;
    step.c = @as(usize, @intCast(o.fd)) << 32 | (o.description.references - 1);
    advance(step, clearing);
    clearNumber(o, step);
    if (hold.word) |word| @atomicStore(u32, word, 0, .release);
    if (flags & keepable != 0) {
        done(o.fd, flags & close_on_exec_flag != 0, flags & anchored != 0, &step.b, closed);
    } else {
        advance(step, closed);
        _ = linux.syscall1(.close, system.word(o.fd));
        kept.closed(o.fd);
    }
    holds.pop(step);
    return true;
}

/// A descriptor that nothing uses any more is kept for the next open, or closed, which `mark` says by `value`: before it happens, because
/// nobody may close it twice.
inline fn done(fd: c_int, close_on_exec: bool, is_anchor: bool, mark: *volatile usize, value: usize) void {
    if (kept.mayKeep(fd) and (!is_anchor or anchor.isWorthKeeping())) {
        kept.keep(fd, close_on_exec, is_anchor);
        mark.* = value;
        return;
    }
    mark.* = value;
    _ = linux.syscall1(.close, system.word(fd));
    kept.closed(fd);
}

// How far `close` has come, in its step. The first stage may be gone through twice. In the step's `c`: the descriptor, and the references
// that remain.
const clearing = 1;
const ending = 2;
const freed = 3;
const closed = 4;

inline fn clearNumber(o: Open, step: *volatile holds.Hold) void {
    @atomicStore(u32, &memory.table[@intCast(o.fd)], 0, .release);
    const references: u32 = @truncate(step.c);
    o.description.references = references;
    if (references == 0) endDescription(o.v, o.description, o.entry - 1, step) else advance(step, freed);
}

inline fn endDescription(v: *const View, description: *Description, index: u32, step: *volatile holds.Hold) void {
    description_pool.takeBack(description);
    advance(step, ending);
    uncount(v, description.ino, description.generation);
    description_pool.free(description, index);
    advance(step, freed);
}

inline fn advance(step: *volatile holds.Hold, stage: usize) void {
    step.b = stage;
}

/// The function that has a description's lock, or was about to take it, has been left: perhaps `close`, which is finished.
fn stepLeft(step: *volatile holds.Hold) callconv(.c) void {
    const word: *u32 = @ptrFromInt(step.a);
    if (step.b != 0) finishClose(step, @alignCast(@fieldParentPtr("lock", word)));
    if (!holds.isNested(step)) _ = @cmpxchgStrong(u32, word, system.threadWord(), 0, .release, .monotonic);
    if (step.b != 0) closeUnowned(step, @intCast(step.c >> 32));
}

fn finishClose(step: *volatile holds.Hold, description: *Description) void {
    const v = region.view() orelse return;
    const index: u32 = @intCast((@intFromPtr(description) - @intFromPtr(v.description(memory.client, 0))) / @sizeOf(Description));
    if (step.b == clearing) {
        @atomicStore(u32, &memory.table[step.c >> 32], 0, .release);
        description.references = @truncate(step.c);
        if (description.references == 0) endDescription(v, description, index, step);
    } else if (step.b == ending) {
        if (description_pool.isClaimedFor(step, description)) endLeft(v, description, index);
        advance(step, freed);
    }
}

/// A descriptor that stands for nothing is closed, unless that has been done.
fn closeUnowned(step: *volatile holds.Hold, fd: u32) void {
    const entry = @atomicLoad(u32, &memory.table[fd], .acquire);
    if (step.b == closed or (entry != 0 and !kept.isStray(fd))) return;
    advance(step, closed);
    @atomicStore(u32, &memory.table[fd], 0, .release);
    _ = linux.syscall1(.close, fd);
}

// In Description.flags, for us alone: the description has one descriptor, whose FD_CLOEXEC is as it was opened.
pub const keepable: u32 = 1 << 31;
/// The same for all its descriptors: opening it made the file.
pub const created: u32 = 1 << 30;
/// For the kernel it is an anchor (anchor.zig).
pub const anchored: u32 = 1 << 29;
const close_on_exec_flag: u32 = @bitCast(linux.O{ .CLOEXEC = true });

/// FD_CLOEXEC of a descriptor is about to be changed.
pub fn notKeepable(o: Open) void {
    const hold = o.lock() orelse return;
    o.description.flags &= ~keepable;
    hold.release();
}
