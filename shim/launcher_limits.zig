//! The surroundings that Deno cannot start in: it would end by a signal or with a page about a defect of its own. Here they
//! are mended where that changes nothing for the program that `btfuse run` becomes, and else said.

const std = @import("std");
const linux = std.os.linux;

const unlimited = std.math.maxInt(u64);
const MiB = 1 << 20;

const Need = struct {
    resource: linux.rlimit_resource,
    least: u64,
    what: []const u8,
};

/// Found by trying; V8 reserves far more address space than it uses.
const needs = [_]Need{
    .{ .resource = .NOFILE, .least = 64, .what = "at least 64 open files (ulimit -n)" },
    .{ .resource = .AS, .least = 40 << 30, .what = "at least 40 GiB of address space (ulimit -v), most of which it only reserves" },
    .{ .resource = .DATA, .least = 2 << 30, .what = "a data segment of at least 2 GiB (ulimit -d)" },
    .{ .resource = .STACK, .least = 1 * MiB, .what = "a stack of at least 1 MiB (ulimit -s)" },
};

/// What is limited below what Deno needs, or null. The limit of open files is raised if that is allowed: `btfuse run` knows
/// what it was.
pub fn missing() ?[]const u8 {
    for (needs) |need| {
        var limit: linux.rlimit = undefined;
        if (linux.errno(linux.getrlimit(need.resource, &limit)) != .SUCCESS or limit.cur >= need.least) continue;
        if (need.resource != .NOFILE or limit.max < need.least) return need.what;
        limit.cur = limit.max;
        _ = linux.setrlimit(.NOFILE, &limit);
    }
    return null;
}

/// Where files are limited (ulimit -f), unpacking and what Deno keeps must fail with an error, not with a signal that ends
/// us. bt_exec gives programs the signal back. Unpacking has no limit but what is not ours to raise; `restoreFileSize` with
/// the result ends that.
pub fn liftFileSize() ?linux.rlimit {
    var limit: linux.rlimit = undefined;
    if (linux.errno(linux.getrlimit(.FSIZE, &limit)) != .SUCCESS or limit.cur == unlimited) return null;
    ignoreFileSizeSignal();
    for ([_]u64{ unlimited, limit.max }) |highest| {
        const lifted: linux.rlimit = .{ .cur = highest, .max = highest };
        if (linux.errno(linux.setrlimit(.FSIZE, &lifted)) == .SUCCESS) break;
    }
    return limit;
}

pub fn restoreFileSize(limit: ?linux.rlimit) void {
    if (limit) |former| _ = linux.setrlimit(.FSIZE, &former);
}

fn ignoreFileSizeSignal() void {
    const action: linux.Sigaction = .{
        .handler = .{ .handler = linux.SIG.IGN },
        .mask = std.mem.zeroes(linux.sigset_t),
        .flags = 0,
    };
    _ = linux.sigaction(.XFSZ, &action, null);
}

/// Deno does not start in a directory that has been removed. Then it starts in the root directory, and the descriptor of the
/// other one, returned here, leads `btfuse run` back. Null: the working directory is there.
pub fn leaveRemovedDirectory() ?i32 {
    var path: [linux.PATH_MAX]u8 = undefined;
    if (linux.errno(linux.getcwd(&path, path.len)) != .NOENT) return null;
    const opened = linux.open(".", .{ .PATH = true, .DIRECTORY = true }, 0);
    if (linux.errno(opened) != .SUCCESS or linux.errno(linux.chdir("/")) != .SUCCESS) return null;
    return @intCast(opened);
}
