//! A program at the limits of what programs do with files: many threads, very many open files, everything closed at once,
//! signal handlers, and every way to start a process. Prints what came of it, which must be the same on every file system.
//!
//!     test_limits CASE DIRECTORY COUNT

const std = @import("std");
const common = @import("limits/common.zig");
const c = common.c;

const cases = .{
    .{ "threads", @import("limits/threads.zig").run },
    .{ "files", @import("limits/files.zig").run },
    .{ "closing", @import("limits/closing.zig").run },
    .{ "signals", @import("limits/signals.zig").run },
    .{ "processes", @import("limits/processes.zig").run },
};

pub fn main(init: std.process.Init.Minimal) u8 {
    const arguments = init.args.vector;
    if (arguments.len != 4) return 2;
    const name = std.mem.span(arguments[1]);
    const count = std.fmt.parseInt(u32, std.mem.span(arguments[3]), 10) catch return 2;
    // What a program started by another one does with what it was given.
    if (std.mem.eql(u8, name, "continue")) return @import("limits/processes.zig").goOn(arguments[2], count);
    if (c.chdir(arguments[2]) != 0) return 2;
    // Whatever else was inherited would take numbers away.
    for (3..256) |fd| _ = c.close(@intCast(fd));
    inline for (cases) |case| {
        if (std.mem.eql(u8, name, case[0])) {
            case[1](count);
            return 0;
        }
    }
    return 2;
}
