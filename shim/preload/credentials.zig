//! Who this process is, as the kernel would see it: ids, groups and the capabilities that matter for access.
//! Read once, and again after every call that changes them (calls_restrict.zig).
//!
//! Only the user who mounted is served, with real, effective and saved ids all theirs: whether others may come in
//! (mount option allow_other) the kernel decides.

const std = @import("std");
const process_status = @import("process_status.zig");
const region = @import("region.zig");
const system = @import("system.zig");

const groups_max = process_status.groups_max;

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

/// What was last read, if it still counts. Several places in turns: whoever still goes by what was before is not to see it change.
var current: ?*const Credentials = null;
var places: [4]Credentials = undefined;

/// Who is at it.
const State = enum(u8) { unread, reading, known, foreign };
var state: State = .unread;
/// Calls that change them, each counted before and after it: what was read before one does not count.
var change_count: u32 = 0;
/// Threads may differ from here on, and the kernel alone knows which is which.
var per_thread: bool = false;

/// null: not for the library to decide.
pub inline fn get(v: *const region.View) ?*const Credentials {
    return @atomicLoad(?*const Credentials, &current, .acquire) orelse read(v);
}

pub fn changes() u32 {
    return @atomicLoad(u32, &change_count, .acquire);
}

/// What a call of the whole process is about to change, or has just changed.
pub fn change() void {
    _ = @atomicRmw(u32, &change_count, .Add, 1, .seq_cst);
    forget();
}

/// The calling thread is about to become another than the others.
pub fn changeThread() void {
    @atomicStore(bool, &per_thread, true, .seq_cst);
    change();
}

fn forget() void {
    @atomicStore(?*const Credentials, &current, null, .seq_cst);
    @atomicStore(State, &state, .unread, .seq_cst);
}

noinline fn read(v: *const region.View) ?*const Credentials {
    if (@atomicLoad(State, &state, .monotonic) == .foreign) return null;
    const mask = system.blockSignals();
    defer system.restoreSignals(mask);
    const before = changes();
    var status: process_status.Status = undefined;
    if (!process_status.ofThread(&status)) return null;
    return prime(v, &status, before);
}

/// Takes what was read when `changes` returned `before`. null: they changed meanwhile, or are not for the library to judge by.
pub fn prime(v: *const region.View, status: *const process_status.Status, before: u32) ?*const Credentials {
    if (@atomicLoad(bool, &per_thread, .seq_cst)) return null;
    if (@cmpxchgStrong(State, &state, .unread, .reading, .acquire, .monotonic) != null) return null;
    const place = &places[before % places.len];
    const found = fill(v, status, place);
    if (found) @atomicStore(?*const Credentials, &current, place, .seq_cst);
    const after: State = if (found) .known else .foreign;
    const was_changed = @cmpxchgStrong(State, &state, .reading, after, .seq_cst, .monotonic) != null;
    // A change before the lines above has to win, also one that was made known before them.
    if (!was_changed and changes() == before and !@atomicLoad(bool, &per_thread, .seq_cst)) return if (found) place else null;
    forget();
    return null;
}

fn fill(v: *const region.View, status: *const process_status.Status, out: *Credentials) bool {
    for (status.uids) |uid| if (uid != v.owner_uid) return false;
    for (status.gids) |gid| if (gid != v.owner_gid) return false;
    if (status.group_count > groups_max) return false;
    out.uid = v.owner_uid;
    out.gid = v.owner_gid;
    out.groups = status.groups;
    out.group_count = @intCast(status.group_count);
    out.effective = relevant(status.effective);
    // capabilities(7): access(2) by root goes by the permitted set, by others without capabilities.
    out.real = relevant(if (out.uid == 0) status.permitted else 0);
    return true;
}

const cap_chown = 0;
const cap_dac_override = 1;
const cap_dac_read_search = 2;
const cap_fowner = 3;
const cap_fsetid = 4;

fn relevant(set: u64) Capabilities {
    return .{
        .override = set & (1 << cap_dac_override) != 0,
        .read_search = set & (1 << cap_dac_read_search) != 0,
        .owner = set & (1 << cap_fowner) != 0,
        .give_away = set & (1 << cap_chown) != 0,
        .set_id = set & (1 << cap_fsetid) != 0,
    };
}
