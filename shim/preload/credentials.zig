//! Who this process is, as the kernel would see it: ids, groups and the capabilities that matter for access.
//! Asked for once and again after every call that changes them.
//!
//! Only the user who mounted is served, with real, effective and saved ids all theirs: whether others may come in
//! (mount option allow_other) the kernel decides.

const std = @import("std");
const linux = std.os.linux;
const descriptors = @import("descriptors.zig");
const next = @import("next.zig");
const region = @import("region.zig");

const groups_max = 64;

pub const Credentials = struct {
    uid: u32,
    gid: u32,
    groups: [groups_max]u32,
    group_count: u32,
    /// What capabilities allow beyond the permission bits.
    effective: Capabilities,
    /// As `effective`, for access(2), which asks as the real user.
    real: Capabilities,

    pub fn isMember(own: *const Credentials, gid: u32) bool {
        return own.gid == gid or std.mem.indexOfScalar(u32, own.groups[0..own.group_count], gid) != null;
    }
};

pub const Capabilities = struct {
    /// CAP_DAC_OVERRIDE: everything but executing what nobody may execute.
    override: bool = false,
    /// CAP_DAC_READ_SEARCH: reading files, reading and searching directories.
    read_search: bool = false,
    /// CAP_FOWNER: what else only a file's owner may.
    owner: bool = false,
    /// CAP_CHOWN
    give_away: bool = false,
    /// CAP_FSETID: set-group-ID for groups of others.
    set_id: bool = false,
};

const State = enum(u8) { unread, reading, ready, foreign };
var state: State = .unread;
var cached: Credentials = undefined;
/// Threads may differ from here on, and the kernel alone knows which is which.
var per_thread: bool = false;

/// null: not for the library to decide.
pub inline fn get(v: *const region.View) ?*const Credentials {
    return if (@atomicLoad(State, &state, .acquire) == .ready) &cached else read(v);
}

/// What a call is about to change, or has just changed.
fn reset() void {
    @atomicStore(State, &state, .unread, .release);
}

noinline fn read(v: *const region.View) ?*const Credentials {
    if (@atomicLoad(bool, &per_thread, .monotonic)) return null;
    if (@cmpxchgStrong(State, &state, .unread, .reading, .acquire, .monotonic) != null) return null;
    const found = fill(v, &cached);
    // Not ready when somebody changed them meanwhile.
    const after: State = if (found) .ready else .foreign;
    if (@cmpxchgStrong(State, &state, .reading, after, .release, .monotonic) != null) return null;
    return if (found) &cached else null;
}

fn fill(v: *const region.View, out: *Credentials) bool {
    var uids: [3]u32 = undefined;
    var gids: [3]u32 = undefined;
    _ = linux.getresuid(&uids[0], &uids[1], &uids[2]);
    _ = linux.syscall3(.getresgid, @intFromPtr(&gids[0]), @intFromPtr(&gids[1]), @intFromPtr(&gids[2]));
    for (uids) |uid| if (uid != v.owner_uid) return false;
    for (gids) |gid| if (gid != v.owner_gid) return false;
    const group_count = linux.getgroups(groups_max, &out.groups);
    if (linux.errno(group_count) != .SUCCESS) return false;
    out.uid = uids[0];
    out.gid = gids[0];
    out.group_count = @intCast(group_count);
    const sets = capabilities() orelse return false;
    out.effective = relevant(sets.effective);
    // capabilities(7): access(2) by root goes by the permitted set, by others without capabilities.
    out.real = relevant(if (out.uid == 0) sets.permitted else 0);
    return true;
}

const cap_chown = 0;
const cap_dac_override = 1;
const cap_dac_read_search = 2;
const cap_fowner = 3;
const cap_fsetid = 4;

fn relevant(set: u32) Capabilities {
    return .{
        .override = set & (1 << cap_dac_override) != 0,
        .read_search = set & (1 << cap_dac_read_search) != 0,
        .owner = set & (1 << cap_fowner) != 0,
        .give_away = set & (1 << cap_chown) != 0,
        .set_id = set & (1 << cap_fsetid) != 0,
    };
}

const CapabilitySets = extern struct { effective: u32, permitted: u32, inheritable: u32 };

fn capabilities() ?CapabilitySets {
    const Header = extern struct { version: u32, pid: i32 };
    const version_3 = 0x20080522;
    var header: Header = .{ .version = version_3, .pid = 0 };
    var sets: [2]CapabilitySets = undefined;
    return if (linux.syscall2(.capget, @intFromPtr(&header), @intFromPtr(&sets)) == 0) sets[0] else null;
}

// The calls that change them. What is open stays open for whoever the process becomes, and the real files can be opened
// only as who it still is.

/// These change the whole process.
fn Changing(comptime name: [:0]const u8) type {
    return struct {
        fn call(a: usize, b: usize, c: usize) callconv(.c) c_int {
            descriptors.materializeAll(.all);
            reset();
            defer reset();
            return next.call(name, *const fn (usize, usize, usize) callconv(.c) c_int)(a, b, c);
        }
    };
}

/// These change the calling thread only.
fn ChangingThread(comptime name: [:0]const u8) type {
    return struct {
        fn call(a: usize, b: usize) callconv(.c) c_int {
            @atomicStore(bool, &per_thread, true, .seq_cst);
            reset();
            descriptors.materializeAll(.all);
            return next.call(name, *const fn (usize, usize) callconv(.c) c_int)(a, b);
        }
    };
}

const changing = .{
    "setuid", "seteuid", "setreuid", "setresuid", "setgid", "setegid", "setregid", "setresgid", "setgroups", "initgroups",
};

comptime {
    for (changing) |name| @export(&Changing(name).call, .{ .name = name });
    for (.{ "setfsuid", "setfsgid", "capset" }) |name| @export(&ChangingThread(name).call, .{ .name = name });
}
