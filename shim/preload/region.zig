//! The region of the mount in this process: mapped on the first path that lies on the mount, once, and kept for good.
//!
//! Numbers in the region are followed only after a range check, because what is read while the daemon changes it can
//! be anything; the sequence words (see layout.zig) tell afterwards whether it counted. All fields are read through
//! volatile pointers, so that the number that was checked is the one that is followed.

const std = @import("std");
const linux = std.os.linux;
const layout = @import("layout");
const counters = @import("counters.zig");
const early = @import("early.zig");
const gate = @import("gate.zig");
const machine_code = @import("machine_code.zig");
const own_stack = @import("own_stack.zig");
const system = @import("system.zig");

pub const View = struct {
    base: [*]u8,
    length: usize,
    super: *volatile layout.Superblock,
    buckets: [*]volatile u32,
    bucket_mask: u32,
    hash_seed: u32,
    inodes: [*]volatile layout.Inode,
    inode_count: u32,
    dentries: [*]volatile layout.Dentry,
    slot_count: u32,
    blocks: [*]u8,
    block_count: u32,
    ring: [*]layout.messages.RingSlot,
    clients: [*]u8,
    /// st_dev of everything on the mount.
    device: u64,
    /// Who mounted: the owner of the object.
    owner_uid: u32,
    owner_gid: u32,

    pub fn block(v: *const View, number: u32) [*]u8 {
        return v.blocks + @as(usize, number) * layout.block_bytes;
    }

    /// `number` < client_count_max.
    pub fn client(v: *const View, number: u32) *layout.Client {
        return @ptrCast(@alignCast(v.clients + clientBytes(number)));
    }

    /// `index` < client_description_max.
    pub fn description(v: *const View, number: u32, index: u32) *layout.Description {
        const first: [*]layout.Description = @ptrCast(@alignCast(v.clients + clientBytes(number) + layout.page_bytes));
        return &first[index];
    }
};

fn clientBytes(number: u32) usize {
    return @as(usize, number) * layout.client_pages * layout.page_bytes;
}

/// null: no such inode can be.
pub inline fn inode(v: *const View, ino: u32) ?*volatile layout.Inode {
    return if (ino != 0 and ino < v.inode_count) &v.inodes[ino] else null;
}

/// null: no such slot can be. Whether it is a dentry, `kind` says.
pub inline fn dentry(v: *const View, slot: u32) ?*volatile layout.Dentry {
    return if (slot != 0 and slot < v.slot_count) &v.dentries[slot] else null;
}

/// Rounds of reading what keeps changing before the kernel is asked instead.
pub const rounds_max = 20;
const spins_max = 200;

/// A sequence word once it is even; null when it stays odd.
pub inline fn begin(seq: *const volatile u32) ?u32 {
    const value = @atomicLoad(u32, seq, .acquire);
    return if (value & 1 == 0) value else beginLater(seq);
}

noinline fn beginLater(seq: *const volatile u32) ?u32 {
    for (0..spins_max) |_| {
        std.atomic.spinLoopHint();
        const value = @atomicLoad(u32, seq, .acquire);
        if (value & 1 == 0) return value;
    }
    return null;
}

/// Whether all that was read since `begin` returned `value` was true at one time.
pub inline fn unchanged(seq: *const volatile u32, value: u32) bool {
    // x86-64 loads in program order; only the compiler has to be kept from loading the word too early.
    asm volatile ("" ::: .{ .memory = true });
    return @atomicLoad(u32, seq, .acquire) == value;
}

const State = enum(u8) { unattached, attaching, attached, failed };
var state: State linksection(early.section) = .unattached;
var the_view: View = undefined;
var mount_bytes: [4096]u8 = undefined;
var object_bytes: [256]u8 linksection(early.section) = undefined;

const Configuration = struct {
    /// The mount's directory, absolute and canonical.
    mount: [:0]const u8,
    object: [:0]const u8,
};
const ConfigurationState = enum(u8) { unread, reading, present, absent };
var configuration_state: ConfigurationState linksection(early.section) = .unread;
var the_configuration: Configuration linksection(early.section) = undefined;

pub fn view() ?*const View {
    return if (@atomicLoad(State, &state, .acquire) == .attached) &the_view else null;
}

/// Attaches on first use. null: not attached, and the kernel serves everything.
pub inline fn attach() ?*const View {
    return view() orelse attachNow();
}

/// The inode of what the kernel has found somewhere, if that is on the mount, to which we then attach.
pub fn inodeFound(file: system.Stat) ?*volatile layout.Inode {
    const mount = system.stat((configuration() orelse return null).mount) orelse return null;
    if (file.dev != mount.dev) return null;
    const v = attach() orelse return null;
    return inode(v, std.math.cast(u32, file.ino) orelse return null);
}

/// What a call costs through the kernel more than here, in microseconds: roughly, and more for what opens a descriptor, which is
/// the kernel's as long as it is open.
pub const Cost = enum(u32) {
    look = 2,
    open = 20,
    change = 60,
    /// Whatever comes after it is worth more.
    lasting = attach_cost,
};
/// The same of attaching and becoming a client. Many programs make a few calls and end: they are not to pay for it. Others have
/// then paid as much again as they had to (the ski-rental problem).
const attach_cost = 160;

var spent: u32 linksection(early.section) = 0;

/// Why a call is left to the kernel before it is looked at; null: we are attached, or it is time to.
pub inline fn whyNot(cost: Cost) ?counters.Reason {
    return if (view() != null) null else whyNotYet(cost);
}

noinline fn whyNotYet(cost: Cost) ?counters.Reason {
    if (!isWorthIt(cost)) return .first_calls;
    return if (gate.mayAct()) null else gate.reason();
}

/// A call that is left to the kernel is counted. With BTFUSE_EAGER=1 it always is worth it.
fn isWorthIt(cost: Cost) bool {
    const before = @atomicLoad(u32, &spent, .monotonic);
    if (before >= attach_cost) return true;
    const eager = if (before == 0) isEager() else false;
    const now = before + if (eager) attach_cost else @intFromEnum(cost);
    @atomicStore(u32, &spent, now, .monotonic);
    return now >= attach_cost;
}

fn isEager() bool {
    const value = getenv("BTFUSE_EAGER") orelse return false;
    return value[0] == '1' and value[1] == 0;
}

/// Where the mount is, from the environment as it was when first asked: programs change their environment's memory.
pub inline fn configuration() ?*const Configuration {
    return switch (@atomicLoad(ConfigurationState, &configuration_state, .acquire)) {
        .present => &the_configuration,
        .unread => readConfiguration(),
        .reading, .absent => null,
    };
}

extern "c" fn getenv(name: [*:0]const u8) ?[*:0]const u8;

noinline fn readConfiguration() ?*const Configuration {
    // A library's constructor may call before libc has its environment.
    if (@as(*volatile ?*const anyopaque, @ptrCast(&environ)).* == null) return null;
    if (@cmpxchgStrong(ConfigurationState, &configuration_state, .unread, .reading, .acquire, .monotonic) != null) return null;
    the_configuration = environment() orelse {
        @atomicStore(ConfigurationState, &configuration_state, .absent, .release);
        return null;
    };
    @atomicStore(ConfigurationState, &configuration_state, .present, .release);
    return &the_configuration;
}

extern "c" var environ: ?[*:null]?[*:0]u8;

fn environment() ?Configuration {
    const mount = std.mem.span(getenv("BTFUSE_MOUNT") orelse return null);
    const object = std.mem.span(getenv("BTFUSE_OBJECT") orelse return null);
    if (mount.len < 2 or mount[0] != '/' or mount.len >= mount_bytes.len) return null;
    if (object.len < 2 or object[0] != '/' or std.mem.indexOfScalar(u8, object[1..], '/') != null) return null;
    return .{
        .mount = std.fmt.bufPrintSentinel(&mount_bytes, "{s}", .{mount}, 0) catch return null,
        .object = std.fmt.bufPrintSentinel(&object_bytes, "/dev/shm{s}", .{object}, 0) catch return null,
    };
}

noinline fn attachNow() ?*const View {
    if (@atomicLoad(State, &state, .acquire) != .unattached) return view();
    if (!gate.mayAct()) return null;
    own_stack.call({}, attachOnce);
    return if (gate.isClosed()) null else view();
}

fn attachOnce(_: void) void {
    // Whoever comes while another thread is at it (or in a signal handler above it) goes through the kernel.
    if (@cmpxchgStrong(State, &state, .unattached, .attaching, .acquire, .monotonic) != null) return;
    const mapped = map();
    if (mapped) |found| the_view = found;
    @atomicStore(State, &state, if (mapped == null) .failed else .attached, .release);
    if (mapped != null) machine_code.look(&the_view);
}

/// Opens the object of the region, for its memory to be mapped or reserved; negative: it cannot be, or is not the one it should be.
pub fn openObject() c_int {
    const found = configuration() orelse return -1;
    const flags: linux.O = .{ .ACCMODE = .RDWR, .CLOEXEC = true, .NOFOLLOW = true, .NONBLOCK = true };
    const result = linux.syscall3(.open, @intFromPtr(found.object.ptr), @as(u32, @bitCast(flags)), 0);
    if (linux.errno(result) != .SUCCESS) return -1;
    const fd: c_int = @intCast(result);
    if (isTrusted(fd)) return fd;
    _ = linux.syscall1(.close, system.word(fd));
    return -1;
}

/// Any user may make a file of that name in /dev/shm, and could end this process by cutting it off while it is mapped. So the
/// object must be this user's own, also root's, and nobody else's to open; and later the same as the one that is mapped.
fn isTrusted(fd: c_int) bool {
    const object = system.fstat(fd) orelse return false;
    const is_private = object.mode == linux.S.IFREG | 0o600 and object.nlink == 1;
    if (!is_private or object.uid != linux.geteuid()) return false;
    return view() == null or (object.dev == mapped_object.dev and object.ino == mapped_object.ino);
}

/// Of the object that is mapped.
var mapped_object: struct { dev: u64, ino: u64 } = undefined;

fn map() ?View {
    if (hasLimitedAddressSpace()) return null;
    const fd = openObject();
    if (fd < 0) return null;
    defer _ = linux.syscall1(.close, system.word(fd));
    const object = system.fstat(fd) orelse return null;
    if (object.size < layout.page_bytes) return null;
    const length: usize = @intCast(object.size);
    const flags: linux.MAP = .{ .TYPE = .SHARED, .NORESERVE = true };
    // After mlockall(MCL_FUTURE) the kernel would take memory for all of it at once: not for what may not be accessed yet.
    const address = linux.mmap(null, length, .{}, flags, fd, 0);
    if (linux.errno(address) != .SUCCESS) return null;
    const base: [*]u8 = @ptrFromInt(address);
    _ = linux.syscall2(.munlock, address, length);
    if (linux.errno(linux.mprotect(base, length, .{ .READ = true, .WRITE = true })) != .SUCCESS) {
        _ = linux.syscall2(.munmap, address, length);
        return null;
    }
    // Not what a core dump is about: gigabytes, with the files of other programs in them.
    _ = linux.madvise(base, length, linux.MADV.DONTDUMP);
    mapped_object = .{ .dev = object.dev, .ino = object.ino };
    return viewOf(base, length, object) orelse {
        _ = linux.syscall2(.munmap, address, length);
        return null;
    };
}

/// Nothing is served any more. What is mapped is the caller's to unmap.
pub fn forget() void {
    @atomicStore(State, &state, .failed, .seq_cst);
}

/// Then the region, however little of it is used, would take away what the program may need (RLIMIT_AS).
pub fn hasLimitedAddressSpace() bool {
    var limit: linux.rlimit = undefined;
    if (linux.errno(linux.getrlimit(.AS, &limit)) != .SUCCESS) return true;
    return limit.cur != std.math.maxInt(u64);
}

fn viewOf(base: [*]u8, length: usize, object: system.Stat) ?View {
    const super: *volatile layout.Superblock = @ptrCast(@alignCast(base));
    if (super.magic != layout.magic or super.layout_hash != layout.layout_hash) return null;
    if (super.formatted == 0 or super.ended != 0 or super.region_bytes != length) return null;
    const bucket_count = super.bucket_count;
    if (bucket_count == 0 or !std.math.isPowerOfTwo(bucket_count)) return null;
    const page_count = length / layout.page_bytes;
    const areas = [_]struct { page: u32, bytes: u64 }{
        .{ .page = super.bucket_page, .bytes = @as(u64, bucket_count) * 4 },
        .{ .page = super.inode_page, .bytes = @as(u64, super.inode_count_max) * @sizeOf(layout.Inode) },
        .{ .page = super.slot_page, .bytes = @as(u64, super.slot_count_max) * @sizeOf(layout.Dentry) },
        .{ .page = super.block_page, .bytes = @as(u64, super.block_count_max) * layout.block_bytes },
        .{ .page = super.ring_page, .bytes = layout.messages.ring_slot_count * @sizeOf(layout.messages.RingSlot) },
        .{ .page = super.client_page, .bytes = layout.client_count_max * layout.client_pages * layout.page_bytes },
    };
    for (areas) |area| {
        if (area.page == 0 or area.page > page_count) return null;
        if (area.bytes > length - @as(u64, area.page) * layout.page_bytes) return null;
    }
    const found: View = .{
        .base = base,
        .length = length,
        .super = super,
        .buckets = @ptrCast(@alignCast(pageAt(base, super.bucket_page))),
        .bucket_mask = bucket_count - 1,
        .hash_seed = super.hash_seed,
        .inodes = @ptrCast(@alignCast(pageAt(base, super.inode_page))),
        .inode_count = super.inode_count_max,
        .dentries = @ptrCast(@alignCast(pageAt(base, super.slot_page))),
        .slot_count = super.slot_count_max,
        .blocks = pageAt(base, super.block_page),
        .block_count = super.block_count_max,
        .ring = @ptrCast(@alignCast(pageAt(base, super.ring_page))),
        .clients = pageAt(base, super.client_page),
        .device = super.device,
        .owner_uid = object.uid,
        .owner_gid = object.gid,
    };
    if (gate.refusal(&found)) |reason| {
        gate.close(reason);
        return null;
    }
    return found;
}

fn pageAt(base: [*]u8, page: u32) [*]u8 {
    return base + @as(usize, page) * layout.page_bytes;
}

/// Says to every client that the mount has gone.
pub fn end(v: *const View) void {
    @atomicStore(u32, @volatileCast(&v.super.ended), 1, .release);
    // By which they notice (gate.zig).
    _ = @atomicRmw(u32, &v.super.mount_changes, .Add, 2, .seq_cst);
}

/// Whether the mount has gone; what is open may still be read.
pub inline fn ended(v: *const View) bool {
    return v.super.ended != 0;
}
