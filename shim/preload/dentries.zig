//! Dentries of a directory in the order of a listing, from the newest to the oldest (src/core/red_black_tree.ts), and their
//! names. What is met may be changing: every number is checked, every loop ends, and null means that it cannot have
//! been a tree.

const layout = @import("layout");
const region = @import("region.zig");

const View = region.View;
const Dentry = layout.Dentry;

/// A red-black tree of 2^32 nodes is not higher.
const height_max = 64;

/// The newest one; here and below: a slot number, 0 = there is none.
pub fn newest(v: *const View, directory: *const volatile layout.Inode) ?u32 {
    const root = directory.tree_root;
    return if (root == 0) 0 else highest(v, root);
}

fn highest(v: *const View, from: u32) ?u32 {
    var slot = from;
    for (0..height_max) |_| {
        const right = (region.dentry(v, slot) orelse return null).right;
        if (right == 0) return slot;
        slot = right;
    }
    return null;
}

/// The newest one whose cookie is below `cookie`.
pub fn below(v: *const View, directory: *const volatile layout.Inode, cookie: u64) ?u32 {
    var slot = directory.tree_root;
    var found: u32 = 0;
    for (0..height_max) |_| {
        if (slot == 0) return found;
        const dentry = region.dentry(v, slot) orelse return null;
        if (dentry.cookie < cookie) {
            found = slot;
            slot = dentry.right;
        } else slot = dentry.left;
    }
    return null;
}

/// The one before it in age.
pub fn older(v: *const View, dentry: *const volatile Dentry, slot: u32) ?u32 {
    const left = dentry.left;
    if (left != 0) return highest(v, left);
    var child = slot;
    var parent = dentry.up;
    for (0..height_max) |_| {
        if (parent == 0) return 0;
        const above = region.dentry(v, parent) orelse return null;
        if (above.left != child) return parent;
        child = parent;
        parent = above.up;
    }
    return null;
}

/// Copies a dentry's name of this length; false when its chain of extensions ends too early.
pub fn copyName(v: *const View, dentry: *const volatile layout.Dentry, out: []u8) bool {
    const inlined = @min(out.len, dentry.name.len);
    copy(out[0..inlined], &dentry.name);
    var at: usize = inlined;
    var slot = dentry.extension;
    while (at < out.len) {
        if (slot == 0 or slot >= v.slot_count) return false;
        const extension: *const volatile layout.Extension = @ptrCast(&v.dentries[slot]);
        const bytes = @min(out.len - at, extension.bytes.len);
        copy(out[at..][0..bytes], &extension.bytes);
        at += bytes;
        slot = extension.next;
    }
    return true;
}

inline fn copy(out: []u8, from: [*]const volatile u8) void {
    const plain: [*]const u8 = @volatileCast(from);
    @memcpy(out, plain[0..out.len]);
}
