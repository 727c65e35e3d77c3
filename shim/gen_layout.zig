//! Prints as TypeScript the declarations of layout.zig and ring_messages.zig (argument `layout`) or those of fuse_protocol.zig (`fuse`). A record's fields are
//! 32-bit indexes from its start, so that a field of record N is view[N * RECORD_WORDS + FIELD]; 64-bit fields are two words, low first.
//! Fields smaller than a word are counted in bytes.

const std = @import("std");
const layout = @import("layout.zig");
const declarations = layout.declarations;

const layout_text = "// Generated from shim/layout.zig and shim/ring_messages.zig by `deno task gen`. Do not edit.\n\n" ++
    pair("LAYOUT_HASH", layout.layout_hash) ++ print(layout) ++ "\n" ++ print(layout.messages);
const fuse_text = "// Generated from shim/fuse_protocol.zig by `deno task gen`. Do not edit.\n\n" ++ print(layout.fuse);

/// A number that a double may not hold exactly, as two words.
fn pair(comptime name: []const u8, comptime value: u64) []const u8 {
    return std.fmt.comptimePrint("export const {s}_LO = 0x{x};\nexport const {s}_HI = 0x{x};\n", .{
        name, @as(u32, @truncate(value)), name, @as(u32, value >> 32),
    });
}

fn number(comptime name: []const u8, comptime value: anytype) []const u8 {
    if (@TypeOf(value) == u64) return pair(name, value);
    return std.fmt.comptimePrint("export const {s} = {d};\n", .{ name, value });
}

fn print(comptime File: type) []const u8 {
    @setEvalBranchQuota(10_000_000);
    var out: []const u8 = "";
    for (declarations.numbers(File)) |name| out = out ++ number(declarations.upper(name), @field(File, name));
    for (declarations.records(File)) |record| out = out ++ "\n" ++ printRecord(record);
    return out;
}

fn printRecord(comptime record: declarations.Named) []const u8 {
    const prefix = declarations.upper(record.name);
    var out: []const u8 = "";
    if (@hasDecl(record.Type, "operation")) out = out ++ number(prefix, record.Type.operation);
    out = out ++ number(prefix ++ "_WORDS", @sizeOf(record.Type) / 4);
    for (@typeInfo(record.Type).@"struct".fields) |field| {
        if (declarations.isReserved(field.name)) continue;
        const offset = @offsetOf(record.Type, field.name);
        const in_bytes = declarations.isInBytes(field.type);
        out = out ++ number(declarations.fieldName(record.name, field.name, field.type), if (in_bytes) offset else offset / 4);
        if (in_bytes and @typeInfo(field.type) == .array) {
            out = out ++ number(prefix ++ "_" ++ declarations.upper(field.name) ++ "_BYTES", @sizeOf(field.type));
        }
    }
    return out;
}

pub fn main(init: std.process.Init.Minimal) void {
    const arguments = init.args.vector;
    const is_fuse = arguments.len > 1 and std.mem.eql(u8, std.mem.span(arguments[1]), "fuse");
    var rest: []const u8 = if (is_fuse) fuse_text else layout_text;
    while (rest.len > 0) {
        const written = std.os.linux.write(1, rest.ptr, rest.len);
        if (std.os.linux.errno(written) != .SUCCESS) std.process.exit(1);
        rest = rest[written..];
    }
}
