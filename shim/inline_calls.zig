//! Finds the system calls that a piece of machine code makes by itself, without the functions of libc which the library replaces.
//!
//! The bytes of the `syscall` instruction also stand inside of other instructions, and in tables among them. So each pair is looked at from several places before it: instructions
//! decoded from a wrong place soon fall into step with the right ones, and most of them then agree on whether one starts here. The number is what was moved to
//! rax last; where that cannot be seen, what follows has to look like the end of a system call.

const std = @import("std");
const instructions = @import("instructions.zig");

pub const Found = struct {
    /// By number: it is called.
    numbers: std.StaticBitSet(number_count) = std.StaticBitSet(number_count).initEmpty(),
    /// A number that the program computes, as functions do that make any call.
    any: bool = false,

    pub fn isEmpty(found: *const Found) bool {
        return !found.any and found.numbers.count() == 0;
    }
};

pub const number_count = 512;
const starts_max = 48;
const starts_min = 6;
/// An instruction takes as many bytes at most.
const instruction_bytes_max = 15;

pub fn scan(code: []const u8, found: *Found) void {
    var at: usize = 0;
    while (nextPair(code, at)) |place| {
        look(code, place, found);
        at = place + 2;
    }
}

const lanes = 32;
const Block = @Vector(lanes, u8);

/// Where the two bytes stand next.
fn nextPair(code: []const u8, from: usize) ?usize {
    var at = from;
    while (at + lanes + 1 <= code.len) : (at += lanes) {
        const first: Block = code[at..][0..lanes].*;
        const second: Block = code[at + 1 ..][0..lanes].*;
        const both = (first ^ @as(Block, @splat(0x0f))) | (second ^ @as(Block, @splat(0x05)));
        const hits: u32 = @bitCast(both == @as(Block, @splat(0)));
        if (hits != 0) return at + @ctz(hits);
    }
    while (at + 2 <= code.len) : (at += 1) if (code[at] == 0x0f and code[at + 1] == 0x05) return at;
    return null;
}

fn look(code: []const u8, place: usize, found: *Found) void {
    var hits: usize = 0;
    var misses: usize = 0;
    var rax: instructions.Effect = .none;
    // The nearest ones are often in the middle of the last instruction. Where little code comes before, its start is a right one.
    const first = place - @min(place, starts_max);
    const end = if (first == 0) first + 1 else place - starts_min;
    for (first..end) |start| {
        switch (walk(code[0..@min(code.len, place + 2)], start, place)) {
            .arrives => |effect| {
                // The farthest start has seen most.
                if (hits == 0) rax = effect;
                hits += 1;
            },
            .passes => misses += 1,
            .invalid => {},
        }
    }
    if (hits <= misses) return;
    switch (rax) {
        .set => |number| if (number < number_count) found.numbers.set(number),
        .none, .unknown => if (endsCall(code[place + 2 ..])) {
            found.any = true;
        },
    }
}

const Way = union(enum) { arrives: instructions.Effect, passes, invalid };

fn walk(code: []const u8, start: usize, place: usize) Way {
    var at = start;
    var rax: instructions.Effect = .none;
    while (at < place) {
        const instruction = instructions.decode(code[at..]) orelse return if (code.len - at < instruction_bytes_max and at + 2 > place) .passes else .invalid;
        if (instruction.rax != .none) rax = instruction.rax;
        at += instruction.length;
    }
    return if (at == place) .{ .arrives = rax } else .passes;
}

/// What follows a system call whose number is not known: its result is compared, tested, kept or returned.
fn endsCall(code: []const u8) bool {
    const endings = [_][]const u8{
        "\x48\x3d", "\x3d",     "\x48\x85\xc0", "\x85\xc0", "\x48\x83\xf8", "\x83\xf8", "\xc3", "\x48\x89", "\x49\x89", "\x89", "\x41\x89", "\x48\x8b", "\x5d\xc3", "\x5b", "\x48\x83\xc4",
        "\x4c\x89", "\xc9\xc3", "\x48\x98",     "\x48\x63", "\x48\xf7\xd8",
    };
    for (endings) |ending| if (std.mem.startsWith(u8, code, ending)) return true;
    return false;
}
