//! Fills every record of layout.zig with values that tell its fields apart and prints fields and bytes,
//! for tests/core/layout.test.ts:
//!     field RECORD name offset bytes value      (numbers; arrays: one line an element)
//!     bytes RECORD hexadecimal

const std = @import("std");
const layout = @import("layout");

/// A line for each byte of the longest record, and some more.
var out: [512 * 1024]u8 = undefined;
var out_length: usize = 0;

fn print(comptime format: []const u8, arguments: anytype) void {
    out_length += (std.fmt.bufPrint(out[out_length..], format, arguments) catch unreachable).len;
}

fn put(comptime record: []const u8, comptime name: []const u8, offset: usize, comptime T: type, index: usize) T {
    const Bits = @Int(.unsigned, @bitSizeOf(T));
    const value: Bits = @truncate(0x9e37_79b9_7f4a_7c15 *% (index + 1));
    print("field {s} {s} {d} {d} {d}\n", .{ record, name, offset, @sizeOf(T), value });
    return @bitCast(value);
}

pub fn main() void {
    inline for (layout.records) |entry| {
        const Record = entry[1];
        var record: Record = std.mem.zeroes(Record);
        var index: usize = 0;
        inline for (@typeInfo(Record).@"struct".fields) |field| {
            if (comptime std.mem.startsWith(u8, field.name, "reserved")) continue;
            const offset = @offsetOf(Record, field.name);
            if (@typeInfo(field.type) == .array) {
                const Element = @typeInfo(field.type).array.child;
                for (&@field(record, field.name), 0..) |*element, i| {
                    element.* = put(entry[0], field.name, offset + i * @sizeOf(Element), Element, index);
                    index += 1;
                }
            } else {
                @field(record, field.name) = put(entry[0], field.name, offset, field.type, index);
                index += 1;
            }
        }
        print("bytes {s} {x}\n", .{ entry[0], std.mem.asBytes(&record) });
    }
    var rest: []const u8 = out[0..out_length];
    while (rest.len > 0) {
        const written = std.os.linux.write(1, rest.ptr, rest.len);
        if (std.os.linux.errno(written) != .SUCCESS) std.process.exit(1);
        rest = rest[written..];
    }
}
