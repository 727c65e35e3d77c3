//! Programs that make system calls by themselves, without libc: io_uring by liburing, Rust's rustix, Go runtimes, assembly. The kernel would be
//! given placeholders (placeholder.zig), and the library would not learn what they do. So their machine code is looked at before the first file is opened by the library, and each time something was
//! loaded since; from then on all their descriptors are the kernel's own, or everything is (inline_verdict.zig).
//!
//! Looking takes a tenth of a millisecond for each 200 KiB of code. What was found is kept in the region for all programs, by the code's build id.
//! Code that a program makes while it runs is not seen.

const std = @import("std");
const layout = @import("layout");
const inline_verdict = @import("../inline_verdict.zig");
const calls_process = @import("calls_process.zig");
const descriptors = @import("descriptors.zig");
const early = @import("early.zig");
const gate = @import("gate.zig");
const kernel_files = @import("kernel_files.zig");
const next = @import("next.zig");
const region = @import("region.zig");

const Verdict = inline_verdict.Verdict;
const elf = std.elf;

/// struct link_map of <link.h>
const Object = extern struct { address: usize, name: [*:0]const u8, dynamic: usize, following: ?*const Object, before: ?*const Object };
const Debug = extern struct { version: c_int, first: ?*const Object };

/// The object that was loaded last when the code was looked at; null: it has to be looked at.
var last: ?*const Object linksection(early.section) = null;

/// Whether something was loaded since.
pub inline fn isOutdated() bool {
    const known = @atomicLoad(?*const Object, &last, .monotonic) orelse return true;
    return @atomicLoad(?*const Object, &known.following, .monotonic) != null;
}

/// Looks at all objects of the process, and leaves to the kernel what has to be left.
pub noinline fn look(v: *const region.View) void {
    const newest = newestObject();
    var search: Search = .{ .v = v };
    _ = dl_iterate_phdr(&Search.each, &search);
    @atomicStore(?*const Object, &last, newest, .monotonic);
    switch (search.verdict) {
        .unknown, .none => {},
        .descriptors => if (!kernel_files.areStopped()) kernel_files.stop(),
        .everything => if (!gate.isClosed()) gate.close(.own_calls),
    }
}

fn newestObject() ?*const Object {
    if (!next.has("_r_debug")) return null;
    var object = next.call("_r_debug", *const Debug).first orelse return null;
    while (@atomicLoad(?*const Object, &object.following, .monotonic)) |following| object = following;
    return object;
}

const Information = extern struct {
    address: usize,
    name: ?[*:0]const u8,
    headers: [*]const elf.Elf64_Phdr,
    header_count: u16,
};

extern "c" fn dl_iterate_phdr(callback: *const fn (*const Information, usize, *anyopaque) callconv(.c) c_int, data: *anyopaque) c_int;

const Search = struct {
    v: *const region.View,
    verdict: Verdict = .none,

    fn each(information: *const Information, _: usize, data: *anyopaque) callconv(.c) c_int {
        const search: *Search = @ptrCast(@alignCast(data));
        const name = if (information.name) |text| std.mem.span(text) else "";
        if (!inline_verdict.isTrusted(name)) search.verdict = search.verdict.stricter(ofObject(search.v, information));
        return @intFromBool(search.verdict == .everything);
    }
};

/// Less code is looked at sooner than it is found out which it is.
const small_bytes = 32 << 10;

fn ofObject(v: *const region.View, information: *const Information) Verdict {
    const headers = information.headers[0..information.header_count];
    var bytes: usize = 0;
    for (headers) |*header| if (isCode(header)) {
        // Code that cannot be read cannot be known.
        if (header.p_flags & elf.PF_R == 0) return .everything;
        bytes += header.p_filesz;
    };
    if (bytes <= small_bytes) return scan(information.address, headers);
    const key = keyOf(information.address, headers);
    const known = find(v, key);
    if (known != .unknown) return known;
    const verdict = scan(information.address, headers);
    remember(v, key, verdict);
    return verdict;
}

fn isCode(header: *const elf.Elf64_Phdr) bool {
    return header.p_type == elf.PT_LOAD and header.p_flags & elf.PF_X != 0;
}

fn scan(address: usize, headers: []const elf.Elf64_Phdr) Verdict {
    var verdict: Verdict = .none;
    for (headers) |*header| if (isCode(header)) {
        verdict = verdict.stricter(inline_verdict.of(bytesAt(address + header.p_vaddr, header.p_filesz)));
    };
    return verdict;
}

fn bytesAt(address: usize, length: usize) []const u8 {
    return @as([*]const u8, @ptrFromInt(address))[0..length];
}

// What is known of code

const gnu_build_id = 3;
const sample_count = 64;
const sample_bytes = 64;

/// The build id, or where there is none, the headers and samples of the code.
fn keyOf(address: usize, headers: []const elf.Elf64_Phdr) u64 {
    var hash: std.hash.Wyhash = .init(layout.layout_hash);
    for (headers) |*header| {
        if (header.p_type != elf.PT_NOTE or header.p_flags & elf.PF_R == 0) continue;
        if (buildId(bytesAt(address + header.p_vaddr, header.p_filesz))) |id| {
            hash.update(id);
            return hash.final();
        }
    }
    hash.update(std.mem.sliceAsBytes(headers));
    for (headers) |*header| if (isCode(header)) {
        const code = bytesAt(address + header.p_vaddr, header.p_filesz);
        for (0..sample_count) |i| {
            const at = code.len / sample_count * i;
            hash.update(code[at..@min(at + sample_bytes, code.len)]);
        }
    };
    return hash.final();
}

/// In a chain of notes: sizes of name and contents and the kind, then both, each padded to words.
fn buildId(notes: []const u8) ?[]const u8 {
    var at: usize = 0;
    while (at + 12 <= notes.len) {
        const name_bytes = std.mem.readInt(u32, notes[at..][0..4], .little);
        const content_bytes = std.mem.readInt(u32, notes[at + 4 ..][0..4], .little);
        const kind = std.mem.readInt(u32, notes[at + 8 ..][0..4], .little);
        const content = at + 12 + std.mem.alignForward(usize, name_bytes, 4);
        const end = content + std.mem.alignForward(usize, content_bytes, 4);
        if (end > notes.len) return null;
        if (kind == gnu_build_id and std.mem.startsWith(u8, notes[at + 12 .. content], "GNU\x00")) return notes[content..][0..content_bytes];
        at = end;
    }
    return null;
}

/// A key without its last bits, and the verdict there; 0: none. Each key has some places, of which the newest takes any.
const verdict_bits: u64 = 3;
const way_count = 4;
const set_count = layout.page_bytes / @sizeOf(u64) / way_count;

fn setOf(v: *const region.View, key: u64) *[way_count]u64 {
    const sets: *[set_count][way_count]u64 = @ptrCast(@alignCast(v.clients + layout.verdict_page * layout.page_bytes));
    return &sets[(key >> 32) % set_count];
}

fn find(v: *const region.View, key: u64) Verdict {
    for (setOf(v, key)) |*place| {
        const entry = @atomicLoad(u64, place, .monotonic);
        if (entry & ~verdict_bits == key & ~verdict_bits) return @enumFromInt(@as(u2, @truncate(entry)));
    }
    return .unknown;
}

fn remember(v: *const region.View, key: u64, verdict: Verdict) void {
    const set = setOf(v, key);
    const entry = key & ~verdict_bits | @intFromEnum(verdict);
    for (set) |*place| if (@atomicLoad(u64, place, .monotonic) == 0) return @atomicStore(u64, place, entry, .monotonic);
    @atomicStore(u64, &set[(key >> 3) % way_count], entry, .monotonic);
}

// Loading more

/// What is loaded may make calls of its own on what is open already. Whose code calls dlopen decides where it looks, so it is jumped to.
fn Loading(comptime name: [:0]const u8) type {
    return struct {
        fn prepare() callconv(.c) *const anyopaque {
            // Functions of another name space are not replaced by ours.
            if (comptime std.mem.eql(u8, name, "dlmopen")) kernel_files.stop() else if (descriptors.any()) kernel_files.materializeAll(.all);
            return next.call(name, *const anyopaque);
        }
        fn call() callconv(.naked) noreturn {
            asm volatile (calls_process.jump_to_next
                :
                : [prepare] "X" (&prepare),
            );
        }
    };
}

/// The object that is known as the last one may go.
fn dlclose(handle: ?*anyopaque) callconv(.c) c_int {
    @atomicStore(?*const Object, &last, null, .monotonic);
    const result = next.call("dlclose", *const fn (?*anyopaque) callconv(.c) c_int)(handle);
    @atomicStore(?*const Object, &last, null, .monotonic);
    return result;
}

comptime {
    for (.{ "dlopen", "dlmopen" }) |name| @export(&Loading(name).call, .{ .name = name });
    @export(&dlclose, .{ .name = "dlclose" });
}
