//! The next definition of a libc function: what a call comes to when this library does not serve it.
//! Looked up on first use, so that loading the library costs nothing.
//!
//! The next definition may be another library's, which implements the function by syscall(2), and that is one of ours: such a
//! function is called with a note (`Guarded`), by which calls_syscall.zig knows that the call has been here already.
//! A function that is called while this thread looks one up (the dynamic linker may allocate memory, and what allocates it may map it
//! by a function of ours) is the system call itself (`Direct`), as is one that cannot be found.

const std = @import("std");
const linux = std.os.linux;
const early = @import("early.zig");
const gate = @import("gate.zig");
const holds = @import("holds.zig");
const system = @import("system.zig");
const thread = @import("thread.zig");

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
    const Cache = CacheOf(name);
    const known = @atomicLoad(?*const anyopaque, &Cache.address, .monotonic);
    return @ptrCast(@alignCast(known orelse resolve(name, &Cache.address, Cache.ways)));
}

/// Whether there is a next function of this name.
pub fn has(comptime name: [:0]const u8) bool {
    const Missing = *const fn () callconv(.c) isize;
    return call(name, Missing) != &missing;
}

/// What a function is, besides the next definition itself.
const Ways = struct {
    /// The system call, for functions that are nothing else.
    direct: *const anyopaque = &missing,
    /// For functions that another library may implement by syscall(2): calls `real` and says so meanwhile.
    guarded: ?*const anyopaque = null,
    real: ?*?*const anyopaque = null,
};

fn CacheOf(comptime name: [:0]const u8) type {
    return struct {
        // The name makes each instance a cache of its own.
        const symbol = name;
        var address: ?*const anyopaque linksection(early.section) = null;
        var real: ?*const anyopaque = null;
        const number = numberOf(name);
        const ways: Ways = if (number) |known| .{
            .direct = if (isPlain(name)) &Direct(known).call else &missing,
            .guarded = &Guarded(known, &real).call,
            .real = &real,
        } else .{};
    };
}

/// The system call of a function that is called like it, or like it with "64" behind or "__" before; null: there is none.
fn numberOf(comptime name: []const u8) ?linux.SYS {
    const bare = if (std.mem.startsWith(u8, name, "__")) name[2..] else name;
    const narrow = if (std.mem.endsWith(u8, bare, "64")) bare[0 .. bare.len - 2] else bare;
    for (.{ bare, narrow, narrow ++ "64" }) |candidate| if (@hasField(linux.SYS, candidate)) return @field(linux.SYS, candidate);
    return null;
}

/// Functions of which the system call does less than they do, or takes other arguments.
const more_than_calls = [_][]const u8{
    "fork",      "__fork",    "vfork",     "__vfork",  "clone",     "setuid",    "setgid", "setreuid", "setregid", "setresuid",
    "setresgid", "setgroups", "faccessat", "fchmodat", "getcwd",    "brk",       "ppoll",  "pselect",  "signalfd", "setfsuid",
    "mknod",     "mknodat",   "prctl",     "chroot",   "sigaction", "sigreturn",
};

fn isPlain(comptime name: []const u8) bool {
    @setEvalBranchQuota(10_000);
    for (more_than_calls) |each| if (std.mem.eql(u8, name, each)) return false;
    return true;
}

fn Direct(comptime number: linux.SYS) type {
    return struct {
        fn call(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) callconv(.c) isize {
            const result = linux.syscall6(number, a, b, c, d, e, f);
            return if (linux.errno(result) == .SUCCESS) @bitCast(result) else fail(linux.errno(result));
        }
    };
}

fn Guarded(comptime number: linux.SYS, comptime real: *const ?*const anyopaque) type {
    return struct {
        const F = fn (usize, usize, usize, usize, usize, usize) callconv(.c) usize;
        fn call(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) callconv(.c) usize {
            const function: *const F = @ptrCast(@alignCast(@atomicLoad(?*const anyopaque, real, .monotonic).?));
            const hold = holds.push(&passed, @intFromEnum(number));
            defer holds.pop(hold);
            return @call(.never_tail, function, .{ a, b, c, d, e, f });
        }
    };
}

/// The function that makes this call was left: there is nothing to do.
fn passed(_: *volatile holds.Hold) callconv(.c) void {}

/// Whether this thread is in the next definition of the function with this system call.
pub fn isPassing(number: usize) bool {
    return holds.find(&passed, number) != null;
}

noinline fn resolve(name: [*:0]const u8, cache: *?*const anyopaque, ways: Ways) *const anyopaque {
    const t = thread.current();
    if (t.is_resolving) return ways.direct;
    // A handler that did not return would leave the dynamic linker locked.
    const mask = if (gate.isKnownToAct()) system.blockSignals() else null;
    t.is_resolving = true;
    const found = chosen(name, ways);
    t.is_resolving = false;
    if (mask) |before| system.restoreSignals(before);
    @atomicStore(?*const anyopaque, cache, found, .monotonic);
    return found;
}

fn chosen(name: [*:0]const u8, ways: Ways) *const anyopaque {
    learnRanges();
    const found = look(name) orelse return ways.direct;
    const guarded = ways.guarded orelse return found;
    if (isOfLibc(found)) return found;
    @atomicStore(?*const anyopaque, ways.real.?, found, .monotonic);
    return guarded;
}

fn missing() callconv(.c) isize {
    return fail(.NOSYS);
}

const rtld_next: ?*anyopaque = @ptrFromInt(std.math.maxInt(usize));

const Dlsym = *const fn (?*anyopaque, [*:0]const u8) callconv(.c) ?*const anyopaque;
const Dlvsym = *const fn (?*anyopaque, [*:0]const u8, [*:0]const u8) callconv(.c) ?*const anyopaque;
const DlSym = *const fn (?*anyopaque, [*:0]const u8, *const anyopaque) callconv(.c) ?*const anyopaque;

// Weak: until glibc 2.34, dlsym is in a library of its own, which most programs do not have and which would take
// each of them time to load. There, libc has the function underneath. The variables are what the dynamic linker fills
// in; they are read as volatile, because the compiler takes an address for never null.
var dlsym: ?Dlsym = @extern(?Dlsym, .{ .name = "dlsym", .linkage = .weak });
var dlvsym: ?Dlvsym = @extern(?Dlvsym, .{ .name = "dlvsym", .linkage = .weak });
var dl_sym: ?DlSym = @extern(?DlSym, .{ .name = "_dl_sym", .linkage = .weak });
/// The version of all functions that glibc has had from the start on x86-64.
const first_version = "GLIBC_2.2.5";

/// dlsym finds out by the address it returns to whose "next" is meant: it must be called from here, in this library. Where another
/// library has a dlsym of its own, which asks for the next definition behind itself, that may be ours: then the others are tried.
fn look(name: [*:0]const u8) ?*const anyopaque {
    if (@as(*volatile ?DlSym, &dl_sym).*) |function| {
        if (other(@call(.never_tail, function, .{ rtld_next, name, @as(*const anyopaque, &missing) }))) |found| return found;
    }
    if (@as(*volatile ?Dlsym, &dlsym).*) |function| {
        if (other(@call(.never_tail, function, .{ rtld_next, name }))) |found| return found;
    }
    if (@as(*volatile ?Dlvsym, &dlvsym).*) |function| {
        if (other(@call(.never_tail, function, .{ rtld_next, name, first_version }))) |found| return found;
    }
    return null;
}

fn other(found: ?*const anyopaque) ?*const anyopaque {
    const address = found orelse return null;
    return if (own.contains(address)) null else address;
}

// Where libraries lie.

const Range = struct {
    start: usize = 0,
    end: usize = 0,

    fn contains(range: Range, address: *const anyopaque) bool {
        return @intFromPtr(address) >= range.start and @intFromPtr(address) < range.end;
    }
};

var own: Range = .{};
var libc: Range = .{};
var are_ranges_known = false;

const PhdrInfo = extern struct { address: usize, name: ?[*:0]const u8, headers: [*]const std.elf.Elf64_Phdr, header_count: u16 };
extern "c" fn dl_iterate_phdr(callback: *const fn (*const PhdrInfo, usize, ?*anyopaque) callconv(.c) c_int, data: ?*anyopaque) c_int;

/// libc itself never calls syscall(2).
fn isOfLibc(address: *const anyopaque) bool {
    return libc.contains(address);
}

fn learnRanges() void {
    if (@atomicLoad(bool, &are_ranges_known, .acquire)) return;
    _ = dl_iterate_phdr(&learnObject, null);
    @atomicStore(bool, &are_ranges_known, true, .release);
}

fn learnObject(info: *const PhdrInfo, _: usize, _: ?*anyopaque) callconv(.c) c_int {
    var range: Range = .{ .start = std.math.maxInt(usize) };
    for (info.headers[0..info.header_count]) |header| {
        if (header.p_type != std.elf.PT_LOAD) continue;
        range.start = @min(range.start, info.address +% header.p_vaddr);
        range.end = @max(range.end, info.address +% header.p_vaddr +% header.p_memsz);
    }
    if (range.contains(&missing)) own = range;
    if (range.contains(@ptrCast(&__errno_location))) libc = range;
    return 0;
}
