//! What programs have open through the library, of which the kernel keeps no record: for calls whose answer depends on who else has a file open.

const linux = @import("std").os.linux;
const layout = @import("layout");
const clients = @import("clients.zig");
const descriptors = @import("descriptors.zig");
const region = @import("region.zig");
const system = @import("system.zig");

pub const Openers = struct { readers: u32 = 0, writers: u32 = 0 };

/// How many open file descriptions of the inode all living clients have, by whether they may write.
pub fn of(v: *const region.View, inode: *volatile layout.Inode) Openers {
    var found: Openers = .{};
    if (@atomicLoad(u32, &inode.open_count, .seq_cst) == 0) return found;
    const ino: u32 = @intCast((@intFromPtr(inode) - @intFromPtr(v.inodes)) / @sizeOf(layout.Inode));
    for (1..@min(v.super.client_high, layout.client_count_max)) |number| {
        const record = v.client(@intCast(number));
        if (clients.hasDied(record)) continue;
        const held = @min(@atomicLoad(u32, &record.description_held, .acquire), layout.client_description_max);
        for (0..held) |index| {
            const description = v.description(@intCast(number), @intCast(index));
            if (@atomicLoad(u32, &description.ino, .acquire) != ino) continue;
            if (@atomicLoad(u32, &description.state, .acquire) == layout.description_free) continue;
            const writes = description.flags & descriptors.access_mask != 0;
            if (writes) found.writers += 1 else found.readers += 1;
        }
    }
    return found;
}
