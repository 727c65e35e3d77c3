//! How long instructions of x86-64 are, and what they do with rax: as much of the processor's manual as it takes to tell a `syscall`
//! instruction from the same two bytes inside another one, and to find the number that is called.

const std = @import("std");

pub const Effect = union(enum) {
    /// rax is what it was.
    none,
    /// rax is this number now.
    set: u32,
    /// rax is something that the program has computed.
    unknown,
};

pub const Instruction = struct {
    length: usize,
    rax: Effect = .none,
};

const Encoding = packed struct {
    modrm: bool = false,
    /// Bytes behind it; `z`: 4, or 2 with an operand-size prefix.
    immediate: enum(u3) { none, one, two, three, z, wide, address } = .none,
    invalid: bool = false,
};

const one_byte = table("one", oneByte);
const two_byte = table("two", twoByte);

fn table(comptime _: []const u8, comptime encode: fn (u8) Encoding) [256]Encoding {
    @setEvalBranchQuota(100_000);
    var result: [256]Encoding = undefined;
    for (&result, 0..) |*entry, opcode| entry.* = encode(opcode);
    return result;
}

fn oneByte(opcode: u8) Encoding {
    if (opcode < 0x40) return switch (opcode & 7) {
        0...3 => .{ .modrm = true },
        4 => .{ .immediate = .one },
        5 => .{ .immediate = .z },
        else => .{ .invalid = true },
    };
    return switch (opcode) {
        0x60, 0x61, 0x82, 0x9a, 0xce, 0xd4...0xd6, 0xea => .{ .invalid = true },
        0x63, 0x84...0x8f, 0xd0...0xd3, 0xd8...0xdf, 0xf6, 0xf7, 0xfe, 0xff => .{ .modrm = true },
        0x68, 0xa9, 0xe8, 0xe9 => .{ .immediate = .z },
        0x69, 0x81, 0xc7 => .{ .modrm = true, .immediate = .z },
        0x6a, 0x70...0x7f, 0xa8, 0xb0...0xb7, 0xcd, 0xe0...0xe7, 0xeb => .{ .immediate = .one },
        0x6b, 0x80, 0x83, 0xc0, 0xc1, 0xc6 => .{ .modrm = true, .immediate = .one },
        0xa0...0xa3 => .{ .immediate = .address },
        0xb8...0xbf => .{ .immediate = .wide },
        0xc2, 0xca => .{ .immediate = .two },
        0xc8 => .{ .immediate = .three },
        else => .{},
    };
}

fn twoByte(opcode: u8) Encoding {
    return switch (opcode) {
        0x04, 0x0a, 0x0c, 0x24...0x27, 0x39, 0x3b...0x3f => .{ .invalid = true },
        0x05...0x09, 0x0b, 0x0e, 0x30...0x37, 0x77, 0xa0...0xa2, 0xa8...0xaa, 0xc8...0xcf => .{},
        0x80...0x8f => .{ .immediate = .z },
        0x0f, 0x3a, 0x70...0x73, 0xa4, 0xac, 0xba, 0xc2, 0xc4...0xc6 => .{ .modrm = true, .immediate = .one },
        else => .{ .modrm = true },
    };
}

const Prefixes = struct {
    operand_16: bool = false,
    address_32: bool = false,
    rex: u8 = 0,
};

/// Null: no instruction starts with these bytes, or they end too early.
pub fn decode(bytes: []const u8) ?Instruction {
    var at: usize = 0;
    var prefixes: Prefixes = .{};
    while (at < bytes.len and at < 14) : (at += 1) switch (bytes[at]) {
        0x66 => prefixes.operand_16 = true,
        0x67 => prefixes.address_32 = true,
        0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0xf0, 0xf2, 0xf3 => {},
        else => break,
    };
    if (at < bytes.len and bytes[at] & 0xf0 == 0x40) {
        prefixes.rex = bytes[at];
        at += 1;
    }
    if (at >= bytes.len) return null;
    const opcode = bytes[at];
    at += 1;
    switch (opcode) {
        0x0f => return decodeTwo(bytes, at, prefixes),
        0xc4, 0xc5, 0x62 => return decodeVector(bytes, at, opcode),
        else => {},
    }
    var encoding = one_byte[opcode];
    if (encoding.invalid) return null;
    // Of these only two forms have a number behind them.
    if (opcode & 0xfe == 0xf6 and at < bytes.len and bytes[at] & 0x30 == 0) encoding.immediate = if (opcode == 0xf6) .one else .z;
    const length = end(bytes, at, encoding, prefixes) orelse return null;
    return .{ .length = length, .rax = effect(bytes[0..length], at, opcode, encoding, prefixes) };
}

fn decodeTwo(bytes: []const u8, start: usize, prefixes: Prefixes) ?Instruction {
    if (start >= bytes.len) return null;
    const opcode = bytes[start];
    var at = start + 1;
    const encoding = two_byte[opcode];
    if (encoding.invalid) return null;
    // Two further tables: every entry of both has a ModRM byte.
    if (opcode == 0x38 or opcode == 0x3a) at += 1;
    const length = end(bytes, at, encoding, prefixes) orelse return null;
    const writes_register = switch (opcode) {
        // Moves by condition and from smaller operands, products, bits that are found
        0x40...0x4f, 0xaf, 0xb6, 0xb7, 0xbc...0xbf => isRegisterRax(bytes[at], prefixes),
        0x90...0x9f, 0xc0, 0xc1, 0xb0, 0xb1 => isOperandRax(bytes[at], prefixes),
        0x05, 0xa2, 0x31 => true,
        else => false,
    };
    return .{ .length = length, .rax = if (writes_register) .unknown else .none };
}

/// VEX and EVEX: vectors, which leave rax alone but for a few that nobody uses before a system call.
fn decodeVector(bytes: []const u8, start: usize, first: u8) ?Instruction {
    const prefix_bytes: usize = switch (first) {
        0xc5 => 1,
        0xc4 => 2,
        else => 3,
    };
    const at = start + prefix_bytes;
    if (at + 1 >= bytes.len) return null;
    const map = switch (first) {
        0xc5 => 1,
        0xc4 => bytes[start] & 0x1f,
        else => bytes[start] & 0x07,
    };
    if (map == 0 or map > 6 or map == 4) return null;
    const opcode = bytes[at];
    const encoding: Encoding = switch (map) {
        3 => .{ .modrm = true, .immediate = .one },
        1 => two_byte[opcode],
        else => .{ .modrm = true },
    };
    return .{ .length = end(bytes, at + 1, encoding, .{}) orelse return null };
}

/// Where the instruction ends whose opcode ends at `start`.
fn end(bytes: []const u8, start: usize, encoding: Encoding, prefixes: Prefixes) ?usize {
    var at = start;
    if (encoding.modrm) {
        if (at >= bytes.len) return null;
        const modrm = bytes[at];
        at += 1;
        const mode = modrm >> 6;
        if (mode != 3) {
            var base = modrm & 7;
            if (base == 4) {
                if (at >= bytes.len) return null;
                base = bytes[at] & 7;
                at += 1;
                if (mode == 0 and base == 5) at += 4;
            } else if (mode == 0 and base == 5) at += 4;
            if (mode == 1) at += 1;
            if (mode == 2) at += 4;
        }
    }
    at += switch (encoding.immediate) {
        .none => @as(usize, 0),
        .one => 1,
        .two => 2,
        .three => 3,
        .z => if (prefixes.operand_16) 2 else 4,
        .wide => if (prefixes.rex & 8 != 0) 8 else if (prefixes.operand_16) 2 else 4,
        .address => if (prefixes.address_32) 4 else 8,
    };
    return if (at <= bytes.len) at else null;
}

fn isRegisterRax(modrm: u8, prefixes: Prefixes) bool {
    return modrm & 0x38 == 0 and prefixes.rex & 4 == 0;
}

fn isOperandRax(modrm: u8, prefixes: Prefixes) bool {
    return modrm & 0xc7 == 0xc0 and prefixes.rex & 1 == 0;
}

/// `at` is behind the opcode.
fn effect(bytes: []const u8, at: usize, opcode: u8, encoding: Encoding, prefixes: Prefixes) Effect {
    const modrm: u8 = if (encoding.modrm) bytes[at] else 0;
    const extended = prefixes.rex & 1 != 0;
    switch (opcode) {
        0xb8 => if (!extended) return if (prefixes.operand_16) .unknown else .{ .set = std.mem.readInt(u32, bytes[at..][0..4], .little) },
        0xc7 => if (isOperandRax(modrm, prefixes)) return if (prefixes.operand_16) .unknown else .{ .set = std.mem.readInt(u32, bytes[at + 1 ..][0..4], .little) },
        // xor and sub of a register with itself
        0x31, 0x33, 0x29, 0x2b => if (modrm == 0xc0 and prefixes.rex & 5 == 0) return .{ .set = 0 },
        // push of a small number, then pop: the caller knows only the last one.
        0x58 => if (!extended) return .unknown,
        // What comes back from a function, or from another place
        0xe8, 0x98, 0x90...0x97 => if (opcode != 0x90) return .unknown,
        0xff => if (modrm & 0x30 == 0x10) return .unknown,
        0xb0, 0x04, 0x05, 0x0c, 0x0d, 0x14, 0x15, 0x1c, 0x1d, 0x24, 0x25, 0x2c, 0x2d, 0x34, 0x35, 0xa0, 0xa1, 0xac, 0xad => return .unknown,
        else => {},
    }
    if (!encoding.modrm) return .none;
    const writes = switch (opcode) {
        // The direction is in the opcode: to the operand, or to the register
        0x00, 0x01, 0x08, 0x09, 0x10, 0x11, 0x18, 0x19, 0x20, 0x21, 0x28, 0x29, 0x30, 0x31, 0x88, 0x89 => isOperandRax(modrm, prefixes),
        0x02, 0x03, 0x0a, 0x0b, 0x12, 0x13, 0x1a, 0x1b, 0x22, 0x23, 0x2a, 0x2b, 0x32, 0x33, 0x63, 0x69, 0x6b, 0x8a, 0x8b, 0x8d => isRegisterRax(modrm, prefixes),
        0x80, 0x81, 0x83 => modrm & 0x38 != 0x38 and isOperandRax(modrm, prefixes),
        0x86, 0x87 => isOperandRax(modrm, prefixes) or isRegisterRax(modrm, prefixes),
        0xc0, 0xc1, 0xc6, 0xd0...0xd3, 0x8f, 0xfe, 0xff => isOperandRax(modrm, prefixes),
        // not, neg; products and quotients go to rax
        0xf6, 0xf7 => (modrm & 0x38 >= 0x20) or (modrm & 0x38 >= 0x10 and isOperandRax(modrm, prefixes)),
        else => false,
    };
    return if (writes) .unknown else .none;
}
