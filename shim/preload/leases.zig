//! Leases, fcntl(2) F_SETLEASE: the kernel grants them by who has the file open, and ends them when somebody opens it. So a leased file is the
//! kernel's for all clients, as a watched one is (watches.zig), and what clients have open already is counted here.

const linux = @import("std").os.linux;
const gate = @import("gate.zig");
const layout = @import("layout");
const kernel_files = @import("kernel_files.zig");
const openers = @import("openers.zig");
const region = @import("region.zig");
const system = @import("system.zig");

const for_reading = linux.F.RDLCK;
const for_writing = linux.F.WRLCK;

/// Before the kernel is asked for a lease of this real descriptor. Whether nobody can have one, because of clients that have the file open.
pub fn areRefused(fd: c_int, kind: usize) bool {
    if (kind != for_reading and kind != for_writing) return false;
    const inode = mark(fd) orelse return false;
    const found = openers.of(region.view() orelse return false, inode);
    return found.writers > 0 or (kind == for_writing and found.readers > 0);
}

/// From now on the kernel serves the file, or the directory and what has its name there. Whoever opens it at this moment sees the mark after having
/// counted itself, or is counted by us: the handshake of ARCHITECTURE.
pub fn mark(fd: c_int) ?*volatile layout.Inode {
    if (!gate.mayAct()) return null;
    const inode = region.inodeFound(system.fstat(fd) orelse return null) orelse return null;
    _ = @atomicRmw(u32, &inode.kernel_uses, .Or, layout.kernel_uses_watch, .seq_cst);
    kernel_files.materializeInode(inode);
    return inode;
}
