//! Commands of fcntl(2) that look at more than the descriptor's flags, for descriptors of ours and for real ones.

const linux = @import("std").os.linux;
const descriptors = @import("descriptors.zig");
const kernel_files = @import("kernel_files.zig");
const leases = @import("leases.zig");
const mount_files = @import("mount_files.zig");
const next = @import("next.zig");

const f_setlease = 1024;
const f_notify = 1026;
const f_dupfd_query = 1027;
const f_created_query = 1028;
const f_dupfd_cloexec = 1030;
const f_add_seals = 1033;
const f_get_seals = 1034;
const f_setdeleg = 1040;

/// Linux has its own commands in one range.
pub inline fn isSpecial(command: c_int) bool {
    return command >= f_setlease and command <= f_setdeleg and command != f_dupfd_cloexec;
}

/// Null: the kernel's, after what it needs has been done.
pub noinline fn serve(fd: c_int, command: c_int, argument: usize) ?c_int {
    switch (command) {
        f_dupfd_query => return isSameDescription(fd, @bitCast(@as(u32, @truncate(argument)))),
        f_created_query => return isCreated(fd),
        f_setlease, f_setdeleg => {
            kernel_files.materialize(fd);
            if (leases.areRefused(fd, argument)) return next.fail(.AGAIN);
        },
        f_notify => {
            kernel_files.materialize(fd);
            _ = leases.mark(fd);
        },
        f_add_seals, f_get_seals => if (mount_files.isFile(fd)) {
            // As tmpfs says it of a file that has a name: it is sealed against seals.
            return if (command == f_get_seals) seal_seal else addSeals(fd, @truncate(argument));
        },
        else => {},
    }
    return null;
}

/// All our descriptors are the same placeholder for the kernel.
fn isSameDescription(a: c_int, b: c_int) ?c_int {
    if (descriptors.find(a)) |first| if (descriptors.find(b)) |second| return @intFromBool(first.entry == second.entry);
    kernel_files.materialize(a);
    kernel_files.materialize(b);
    return null;
}

/// Whether the open made the file.
fn isCreated(fd: c_int) ?c_int {
    const o = descriptors.find(fd) orelse return null;
    // A kernel that does not know the command is to say so.
    if (linux.errno(linux.fcntl(fd, f_created_query, 0)) != .SUCCESS) return next.fail(.INVAL);
    return @intFromBool(o.flags & descriptors.created != 0);
}

const seal_seal = 1;
const seals_known = 0x3f;

fn addSeals(fd: c_int, seals: u32) c_int {
    const flags: u32 = if (descriptors.find(fd)) |o| o.flags else @truncate(linux.fcntl(fd, linux.F.GETFL, 0));
    if (flags & descriptors.access_mask == 0) return next.fail(.PERM);
    return next.fail(if (seals & ~@as(u32, seals_known) != 0) .INVAL else .PERM);
}
