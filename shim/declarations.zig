//! Walks the public declarations of layout.zig, ring_messages.zig and fuse_protocol.zig at compile time: numbers, and records (`extern struct`).
//! The hash that daemon and clients compare, the generated TypeScript and the byte test all see the same declarations that way, and
//! none can be forgotten in one of them.

const std = @import("std");

/// Names that TypeScript knows shorter than they would be.
const short_prefixes = .{
    .{ "Superblock", "SUPER" },
    .{ "RingSlot", "RING" },
    .{ "InHeader", "IN" },
    .{ "OutHeader", "OUT" },
};

const quota = 4_000_000;

/// A public number of a file.
pub fn isNumber(comptime File: type, comptime name: []const u8) bool {
    if (std.mem.eql(u8, name, "layout_hash")) return false;
    return switch (@typeInfo(@TypeOf(@field(File, name)))) {
        .int, .comptime_int => true,
        else => false,
    };
}

/// The record of this name, or void.
fn Record(comptime File: type, comptime name: []const u8) type {
    if (@TypeOf(@field(File, name)) != type) return void;
    const T = @field(File, name);
    return switch (@typeInfo(T)) {
        .@"struct" => |info| if (info.layout == .@"extern") T else void,
        else => void,
    };
}

pub const Named = struct { name: []const u8, Type: type };

/// All records of a file, in its order.
pub fn records(comptime File: type) []const Named {
    comptime {
        @setEvalBranchQuota(quota);
        var found: []const Named = &.{};
        for (@typeInfo(File).@"struct".decls) |declaration| {
            if (std.mem.eql(u8, declaration.name, "layout_hash")) continue;
            const T = Record(File, declaration.name);
            if (T != void) found = found ++ .{Named{ .name = declaration.name, .Type = T }};
        }
        return found;
    }
}

/// The records that are messages of the ring.
pub fn messages(comptime File: type) []const type {
    comptime {
        var found: []const type = &.{};
        for (records(File)) |record| {
            if (@hasDecl(record.Type, "operation")) found = found ++ .{record.Type};
        }
        return found;
    }
}

pub fn numbers(comptime File: type) []const []const u8 {
    comptime {
        @setEvalBranchQuota(quota);
        var found: []const []const u8 = &.{};
        for (@typeInfo(File).@"struct".decls) |declaration| {
            if (std.mem.eql(u8, declaration.name, "layout_hash")) continue;
            if (isNumber(File, declaration.name)) found = found ++ .{declaration.name};
        }
        return found;
    }
}

/// "RingMake" → "RING_MAKE", "page_bytes" → "PAGE_BYTES".
pub fn upper(comptime name: []const u8) []const u8 {
    comptime {
        @setEvalBranchQuota(quota);
        for (short_prefixes) |pair| if (std.mem.eql(u8, name, pair[0])) return pair[1];
        var out: []const u8 = "";
        for (name, 0..) |byte, i| {
            if (i > 0 and std.ascii.isUpper(byte)) out = out ++ "_";
            out = out ++ .{std.ascii.toUpper(byte)};
        }
        return out;
    }
}

pub fn isReserved(comptime name: []const u8) bool {
    return std.mem.startsWith(u8, name, "reserved");
}

/// Whether TypeScript counts a field in bytes, as its type is smaller than a word.
pub fn isInBytes(comptime Field: type) bool {
    return switch (@typeInfo(Field)) {
        .array => |array| isInBytes(array.child),
        else => @sizeOf(Field) < 4,
    };
}

/// The name TypeScript has for a field's place.
pub fn fieldName(comptime record: []const u8, comptime field: []const u8, comptime Field: type) []const u8 {
    return upper(record) ++ "_" ++ upper(field) ++ if (isInBytes(Field)) "_OFFSET_BYTES" else "";
}

/// A hash of every public number and record of these files: names, values, fields with their types, offsets and sizes.
pub fn hash(comptime files: anytype) u64 {
    comptime {
        @setEvalBranchQuota(quota);
        var state: Hash = .{};
        for (files) |File| {
            for (numbers(File)) |name| {
                state.text(name);
                state.number(@field(File, name));
            }
            for (records(File)) |record| {
                state.text(record.name);
                state.layoutOf(record.Type);
                if (@hasDecl(record.Type, "operation")) state.number(record.Type.operation);
                if (@hasDecl(record.Type, "Answer")) state.layoutOf(record.Type.Answer);
            }
        }
        return state.value;
    }
}

/// Like FNV-1a, but eight bytes at a time: the compiler is slow at this.
const Hash = struct {
    value: u64 = 0xcbf2_9ce4_8422_2325,

    fn number(state: *Hash, value: u64) void {
        state.value = (state.value ^ value) *% 0x0000_0100_0000_01b3;
        state.value ^= state.value >> 29;
    }

    fn text(state: *Hash, bytes: []const u8) void {
        state.number(bytes.len);
        var padded: [64]u8 = @splat(0);
        @memcpy(padded[0..bytes.len], bytes);
        const words: [8]u64 = @bitCast(padded);
        for (words[0 .. (bytes.len + 7) / 8]) |word| state.number(word);
    }

    /// Of a record, all that is in it.
    fn layoutOf(state: *Hash, comptime T: type) void {
        state.number(@sizeOf(T));
        switch (@typeInfo(T)) {
            .int => |int| state.number(if (int.signedness == .signed) 1 else 2),
            .array => |array| {
                state.number(array.len);
                state.layoutOf(array.child);
            },
            .@"struct" => |info| for (info.fields) |field| {
                state.text(field.name);
                state.number(@offsetOf(T, field.name));
                state.layoutOf(field.type);
            },
            else => @compileError(@typeName(T) ++ " cannot be shared"),
        }
    }
};
