//! Prints layout.zig as TypeScript. Words are 32-bit indexes from the record's start, so that a
//! field of record N is view[N * RECORD_WORDS + FIELD]; 64-bit fields are two words, low first.

const std = @import("std");
const layout = @import("layout.zig");

const constants = .{
    "page_bytes",            "block_bytes",           "root_ino",                "name_bytes_max",
    "map_fanout",            "direct_count",          "map_height_max",          "file_bytes_max",
    "entry_unwritten",       "inode_chunk_count",     "slot_chunk_count",        "inode_flag_acl_default",
    "inode_flag_capability", "inode_flag_acl_access", "target_inline_bytes",     "slot_kind_free",
    "slot_kind_dentry",      "slot_kind_extension",   "kernel_holds_attributes", "kernel_holds_data",
    "kernel_holds_listing",  "negative_names_words",  "inode_flag_orphan",       "inode_flag_linkable",
    "extend_daemon",         "limbo_max",             "kernel_holds_end",        "misplaced_max",
    "client_count_max",      "client_pages",          "descriptions_per_page",   "client_description_max",
    "client_thread_max",     "client_free",           "client_registering",      "client_live",
    "description_free",      "description_claimed",   "description_open",        "ring_slot_count",
    "ring_free",             "ring_claimed",          "ring_ready",              "ring_done",
    "ring_bytes_max",        "ring_ping",             "ring_release",            "ring_accessed",
    "ring_invalidate",       "ring_make",             "ring_symlink",            "ring_link",
    "ring_remove",           "ring_rename",           "ring_setattr",            "ring_prepare",
    "ring_fallocate",        "ring_copy",             "ring_setxattr",           "ring_removexattr",
    "ring_tmpfile",          "ring_unhide",           "kernel_uses_map",         "kernel_uses_append",
    "client_sleeps",         "worker_leaves",
};

fn upper(comptime name: []const u8) [name.len]u8 {
    var out: [name.len]u8 = undefined;
    for (name, &out) |from, *to| to.* = std.ascii.toUpper(from);
    return out;
}

const text: []const u8 = blk: {
    @setEvalBranchQuota(1_000_000);
    var out: []const u8 =
        \\// Generated from shim/layout.zig by `deno task gen`. Do not edit.
        \\
        \\
    ;
    for (.{ .{ "MAGIC", layout.magic }, .{ "LAYOUT_HASH", layout.layout_hash } }) |pair| {
        out = out ++ std.fmt.comptimePrint("export const {s}_LO = 0x{x};\nexport const {s}_HI = 0x{x};\n", .{
            pair[0], @as(u32, @truncate(pair[1])), pair[0], @as(u32, pair[1] >> 32),
        });
    }
    for (constants) |name| {
        out = out ++ std.fmt.comptimePrint("export const {s} = {d};\n", .{ &upper(name), @field(layout, name) });
    }
    for (layout.records) |record| {
        out = out ++ std.fmt.comptimePrint("\nexport const {s}_WORDS = {d};\n", .{ record[0], @sizeOf(record[1]) / 4 });
        for (@typeInfo(record[1]).@"struct".fields) |field| {
            if (std.mem.startsWith(u8, field.name, "reserved")) continue;
            const offset = @offsetOf(record[1], field.name);
            const bytes = @typeInfo(field.type) == .array and @typeInfo(field.type).array.child == u8;
            out = out ++ std.fmt.comptimePrint("export const {s}_{s}{s} = {d};\n", .{
                record[0], &upper(field.name), if (bytes) "_OFFSET_BYTES" else "", if (bytes) offset else offset / 4,
            });
            if (bytes) out = out ++ std.fmt.comptimePrint("export const {s}_{s}_BYTES = {d};\n", .{ record[0], &upper(field.name), @sizeOf(field.type) });
        }
    }
    break :blk out;
};

pub fn main() void {
    var rest = text;
    while (rest.len > 0) {
        const written = std.os.linux.write(1, rest.ptr, rest.len);
        if (std.os.linux.errno(written) != .SUCCESS) std.process.exit(1);
        rest = rest[written..];
    }
}
