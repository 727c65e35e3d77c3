//! Fills every record of layout.zig, ring_messages.zig and fuse_protocol.zig with values that tell its fields apart, and prints all that TypeScript has to know
//! about them, under the names it has there, for tests/core/layout.test.ts:
//!     file layout|fuse                         what follows is declared in that file
//!     number NAME value
//!     field RECORD NAME place bytes value      the place counts as in TypeScript, in words or bytes; a line for each word of a record in a record
//!     bytes RECORD hexadecimal                 the record with these values

const std = @import("std");
const layout = @import("layout");
const declarations = layout.declarations;

/// A line for each byte of the longest record, and some more.
var out: [1024 * 1024]u8 = undefined;
var out_length: usize = 0;

fn print(comptime format: []const u8, arguments: anytype) void {
    out_length += (std.fmt.bufPrint(out[out_length..], format, arguments) catch unreachable).len;
}

/// Numbers the values of one record.
var index: u64 = 0;

/// Fills a field in, element by element, and prints it as NAME, if it has one.
fn put(comptime T: type, place: *T, record: []const u8, name: []const u8, offset: usize) void {
    switch (@typeInfo(T)) {
        .int => {
            index += 1;
            const Bits = @Int(.unsigned, @bitSizeOf(T));
            const value: Bits = @truncate(0x9e37_79b9_7f4a_7c15 *% index);
            place.* = @bitCast(value);
            print("field {s} {s} {d} {d} {d}\n", .{ record, name, offset, @sizeOf(T), value });
        },
        .array => |array| for (place, 0..) |*element, i| {
            put(array.child, element, record, name, offset + i * @sizeOf(array.child));
        },
        .@"struct" => |info| inline for (info.fields) |field| {
            put(field.type, &@field(place, field.name), record, name, offset + @offsetOf(T, field.name));
        },
        else => comptime unreachable,
    }
}

fn printFile(comptime File: type, name: []const u8) void {
    print("file {s}\n", .{name});
    inline for (comptime declarations.numbers(File)) |number| {
        if (@TypeOf(@field(File, number)) == u64) {
            print("number {s}_LO {d}\nnumber {s}_HI {d}\n", .{
                comptime declarations.upper(number), @as(u32, @truncate(@field(File, number))),
                comptime declarations.upper(number), @field(File, number) >> 32,
            });
        } else print("number {s} {d}\n", .{ comptime declarations.upper(number), @field(File, number) });
    }
    inline for (comptime declarations.records(File)) |entry| {
        const Record = entry.Type;
        const record_name = comptime declarations.upper(entry.name);
        if (@hasDecl(Record, "operation")) print("number {s} {d}\n", .{ record_name, Record.operation });
        var record: Record = std.mem.zeroes(Record);
        index = 0;
        inline for (@typeInfo(Record).@"struct".fields) |field| {
            if (comptime declarations.isReserved(field.name)) continue;
            const field_name = comptime declarations.fieldName(entry.name, field.name, field.type);
            put(field.type, &@field(record, field.name), record_name, field_name, @offsetOf(Record, field.name));
        }
        print("bytes {s} {x}\n", .{ record_name, std.mem.asBytes(&record) });
    }
}

pub fn main() void {
    printFile(layout, "layout");
    printFile(layout.messages, "layout");
    print("number LAYOUT_HASH_LO {d}\nnumber LAYOUT_HASH_HI {d}\n", .{ @as(u32, @truncate(layout.layout_hash)), layout.layout_hash >> 32 });
    printFile(layout.fuse, "fuse");
    var rest: []const u8 = out[0..out_length];
    while (rest.len > 0) {
        const written = std.os.linux.write(1, rest.ptr, rest.len);
        if (std.os.linux.errno(written) != .SUCCESS) std.process.exit(1);
        rest = rest[written..];
    }
}
