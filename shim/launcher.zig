//! Start of the one-file executable where `deno compile` cannot be used: the build appends to this
//! program what it needs to run (payload.zig). At its first start it unpacks that into the user's
//! cache and from then on only looks whether it is still as it left it. Then it becomes Deno: same
//! process, arguments, environment, signals and exit code.
//!
//! An entry is kept under a directory named by its content, so versions stay apart and a new
//! build of the scripts does not unpack Deno again.
//!
//! INVARIANT: an unpacked file appears under its name only by rename, complete, checked against
//! its hash, and with `complete_sec` as modification time. So a file with another time or size
//! was changed or damaged since, and no start has to read 100 MB to find out.

const std = @import("std");
const linux = std.os.linux;

const limits = @import("launcher_limits.zig");
const payload = @import("payload.zig");
const Entry = payload.Entry;

/// Even, because some file systems store times in steps of two seconds.
const complete_sec = 1_000_000_000;
const lock_wait_max_ms = 60_000;

const deno_arguments = [_][*:0]const u8{
    "run",         "--no-config",   "--no-lock", "--no-remote", "--no-npm",
    "--no-prompt", "--cached-only", "--quiet",   "--allow-all",
};

/// ffi/build_kind.ts knows it too.
const saved_prefix = "BTFUSE_SAVED_";

const Path = [linux.PATH_MAX:0]u8;

/// Why the directories tried so far could not be used, for the one message at the end.
var reasons_buffer: [2048]u8 = undefined;
var reasons: []const u8 = "";

var copy_buffer: [1 << 20]u8 = undefined;

pub fn main(init: std.process.Init.Minimal) u8 {
    var executable_buffer: Path = undefined;
    const executable = readLink("/proc/self/exe", &executable_buffer) orelse
        return fail("cannot find its own executable: is /proc mounted?", .{});
    const file = linux.open("/proc/self/exe", .{ .CLOEXEC = true }, 0);
    if (failed(file)) return fail("cannot read {s}: {s}", .{ executable, describe(linux.errno(file)) });

    var storage: [payload.entry_count_max]Entry = undefined;
    const entries = readEntries(@intCast(file), &storage) orelse
        return fail("{s} is damaged or incomplete: build or copy it again", .{executable});

    const nofile = nofileLimit();
    if (limits.missing()) |what| return fail("it needs {s}", .{what});
    const file_size = limits.liftFileSize();
    const environ = init.environ.block.slice;
    const uid = linux.geteuid();
    for (0..3) |choice| {
        var cache_buffer: Path = undefined;
        const cache = cacheDirectory(choice, environ, uid, &cache_buffer) orelse continue;
        for (entries) |*entry| {
            unpack(@intCast(file), entry, cache, uid) catch |problem| switch (problem) {
                error.Unusable => break,
                error.Damaged => return fail("{s} is damaged: build or copy it again", .{executable}),
            };
        } else {
            limits.restoreFileSize(file_size);
            start(entries, cache, .{ .executable = executable, .nofile = nofile }, init.args.vector, environ);
        }
    }
    return fail("no directory to unpack into: {s}. XDG_CACHE_HOME can name another", .{reasons});
}

/// Reads and checks the list at the end of the executable. Null: not as the build wrote it.
fn readEntries(file: i32, storage: *[payload.entry_count_max]Entry) ?[]Entry {
    const status = statFile(file, "", linux.AT.EMPTY_PATH) orelse return null;
    if (status.size < @sizeOf(payload.Trailer)) return null;
    var trailer: payload.Trailer = undefined;
    if (!readExactly(file, std.mem.asBytes(&trailer), status.size - @sizeOf(payload.Trailer))) return null;
    if (!std.mem.eql(u8, &trailer.magic, &payload.magic)) return null;
    if (trailer.file_size_bytes != status.size) return null;
    if (trailer.entry_count < 2 or trailer.entry_count > payload.entry_count_max) return null;
    const entries = storage[0..trailer.entry_count];
    if (!readExactly(file, std.mem.sliceAsBytes(entries), trailer.entries_offset_bytes)) return null;
    const hash = payload.hashOf(std.mem.sliceAsBytes(entries));
    return if (std.mem.eql(u8, &hash, &trailer.entries_hash)) entries else null;
}

/// The places to unpack into, best first. Null: this one cannot be used, and `reasons` says why.
/// ffi/library_path.ts has the same list.
fn cacheDirectory(choice: usize, environ: []const ?[*:0]const u8, uid: u32, buffer: *Path) ?[:0]const u8 {
    const base, const below = switch (choice) {
        0 => .{ variable(environ, "XDG_CACHE_HOME") orelse return null, "" },
        1 => .{ variable(environ, "HOME") orelse return null, "/.cache" },
        else => .{ "", "" },
    };
    if (choice < 2) {
        if (base.len == 0 or base[0] != '/') return null;
        _ = linux.mkdir(base.ptr, 0o700);
        // With `sudo` these may be another user's: a directory of ours there would lock them out.
        const status = statFile(linux.AT.FDCWD, base.ptr, 0) orelse {
            note(base, "does not exist", 0);
            return null;
        };
        if (status.uid != uid) {
            note(base, "belongs to another user", 0);
            return null;
        }
    }
    const path = (if (choice < 2)
        std.fmt.bufPrintZ(buffer, "{s}{s}/btfuse", .{ base, below })
    else if (uid == 0)
        std.fmt.bufPrintZ(buffer, "/var/cache/btfuse", .{})
    else
        std.fmt.bufPrintZ(buffer, "/tmp/btfuse-{d}", .{uid})) catch return null;
    if (below.len > 0) {
        // Its owner makes a home's .cache directory with this mode too.
        buffer[base.len + below.len] = 0;
        _ = linux.mkdir(buffer, 0o700);
        buffer[base.len + below.len] = '/';
    }
    return if (ensurePrivateDirectory(path, uid)) path else null;
}

/// Makes the directory; refuses one in which somebody else could have placed a program.
fn ensurePrivateDirectory(path: [:0]const u8, uid: u32) bool {
    const made = linux.mkdir(path.ptr, 0o700);
    if (failed(made) and linux.errno(made) != .EXIST) {
        note(path, "", made);
        return false;
    }
    const status = statFile(linux.AT.FDCWD, path.ptr, linux.AT.SYMLINK_NOFOLLOW);
    if (status == null or status.?.mode & linux.S.IFMT != linux.S.IFDIR or
        status.?.uid != uid or status.?.mode & 0o022 != 0)
    {
        note(path, "is not a directory that only you can write", 0);
        return false;
    }
    return true;
}

/// Sees to it that the entry's file is in the cache, complete.
fn unpack(file: i32, entry: *const Entry, cache: []const u8, uid: u32) error{ Unusable, Damaged }!void {
    var path_buffer: Path = undefined;
    const directory_path = std.fmt.bufPrintZ(&path_buffer, "{s}/{s}", .{ cache, text(&entry.directory) }) catch
        return error.Unusable;
    const name: [*:0]const u8 = @ptrCast(&entry.name);

    var full_buffer: Path = undefined;
    const full_path = std.fmt.bufPrintZ(&full_buffer, "{s}/{s}", .{ directory_path, name }) catch return error.Unusable;
    if (isComplete(linux.AT.FDCWD, full_path.ptr, entry, uid)) return;

    if (!ensurePrivateDirectory(directory_path, uid)) return error.Unusable;
    const opened = linux.open(directory_path.ptr, .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true }, 0);
    if (failed(opened)) return unusable(directory_path, opened);
    const directory: i32 = @intCast(opened);
    defer _ = linux.close(directory);
    // Of several first starts at once, one unpacks and the others wait for it.
    if (!lock(directory)) {
        note(directory_path, "another btfuse has been unpacking there for a minute", 0);
        return error.Unusable;
    }
    if (isComplete(directory, name, entry, uid)) return;
    try write(file, entry, directory, directory_path);
}

fn write(file: i32, entry: *const Entry, directory: i32, directory_path: []const u8) error{ Unusable, Damaged }!void {
    const unfinished = ".unfinished";
    const created = linux.openat(directory, unfinished, .{
        .ACCMODE = .WRONLY,
        .CREAT = true,
        .TRUNC = true,
        .NOFOLLOW = true,
        .CLOEXEC = true,
    }, 0o600);
    if (failed(created)) return unusable(directory_path, created);
    errdefer _ = linux.unlinkat(directory, unfinished, 0);
    const target: i32 = @intCast(created);
    {
        defer _ = linux.close(target);
        var hash = payload.Hash.init(.{});
        var done_bytes: u64 = 0;
        while (done_bytes < entry.size_bytes) {
            const piece = copy_buffer[0..@min(copy_buffer.len, entry.size_bytes - done_bytes)];
            if (!readExactly(file, piece, entry.offset_bytes + done_bytes)) return error.Damaged;
            hash.update(piece);
            const result = writeAll(target, piece);
            if (failed(result)) return unusable(directory_path, result);
            done_bytes += piece.len;
        }
        var digest: [32]u8 = undefined;
        hash.final(&digest);
        if (!std.mem.eql(u8, &digest, &entry.hash)) return error.Damaged;
        const mode = linux.fchmod(target, 0o500);
        if (failed(mode)) return unusable(directory_path, mode);
        const time: linux.timespec = .{ .sec = complete_sec, .nsec = 0 };
        const times = linux.utimensat(target, null, &.{ time, time }, 0);
        if (failed(times)) return unusable(directory_path, times);
    }
    const renamed = linux.renameat(directory, unfinished, directory, @ptrCast(&entry.name));
    if (failed(renamed)) return unusable(directory_path, renamed);
}

fn isComplete(directory: i32, path: [*:0]const u8, entry: *const Entry, uid: u32) bool {
    const status = statFile(directory, path, linux.AT.SYMLINK_NOFOLLOW) orelse return false;
    return status.mode == linux.S.IFREG | 0o500 and status.uid == uid and
        status.size == entry.size_bytes and
        status.mtime.sec == complete_sec and status.mtime.nsec == 0;
}

/// What the scripts cannot find out themselves.
const Origin = struct {
    executable: []const u8,
    /// The limit of open files, before Deno raises it; 0 = not known.
    nofile: u64,
};

fn nofileLimit() u64 {
    var limit: linux.rlimit = undefined;
    return if (failed(linux.getrlimit(.NOFILE, &limit))) 0 else limit.cur;
}

/// Becomes Deno. Returns only when that is not possible, as on a file system mounted noexec.
fn start(
    entries: []const Entry,
    cache: []const u8,
    origin: Origin,
    arguments: []const [*:0]const u8,
    environ: []const ?[*:0]const u8,
) void {
    var buffers: [6]Path = undefined;
    const directory = text(&entries[1].directory);
    const deno = std.fmt.bufPrintZ(&buffers[0], "{s}/{s}/{s}", .{
        cache, text(&entries[0].directory), text(&entries[0].name),
    }) catch return;
    const script = std.fmt.bufPrintZ(&buffers[1], "{s}/{s}/{s}", .{
        cache, directory, text(&entries[1].name),
    }) catch return;
    const own = std.fmt.bufPrintZ(&buffers[2], "BTFUSE_EXECUTABLE={s}", .{origin.executable}) catch return;
    // What Deno keeps for itself goes with the unpacked files, never into the user's own cache.
    const deno_dir = std.fmt.bufPrintZ(&buffers[3], "DENO_DIR={s}/{s}/deno", .{ cache, directory }) catch return;
    // For `btfuse run`: Deno raises the limit of open files, and a program run should have the user's.
    const limit_setting = std.fmt.bufPrintZ(&buffers[4], "BTFUSE_NOFILE={d}", .{origin.nofile}) catch return;
    const directory_setting = std.fmt.bufPrintZ(&buffers[5], "BTFUSE_REMOVED_DIRECTORY={d}", .{
        limits.leaveRemovedDirectory() orelse -1,
    }) catch return;
    const added = [_][*:0]const u8{ own.ptr, limit_setting.ptr, directory_setting.ptr, deno_dir.ptr, "DENO_NO_UPDATE_CHECK=1" };

    const allocator = std.heap.page_allocator;
    const argv = allocator.allocSentinel(?[*:0]const u8, deno_arguments.len + 1 + @max(arguments.len, 1), null) catch return;
    argv[0] = if (arguments.len > 0) arguments[0] else deno.ptr;
    for (deno_arguments, argv[1..][0..deno_arguments.len]) |argument, *slot| slot.* = argument;
    argv[1 + deno_arguments.len] = script.ptr;
    if (arguments.len > 1) {
        for (arguments[1..], argv[2 + deno_arguments.len ..]) |argument, *slot| slot.* = argument;
    }

    const envp = allocator.allocSentinel(?[*:0]const u8, environ.len + added.len, null) catch return;
    var count: usize = 0;
    for (environ) |setting| {
        envp[count] = setting;
        for (added) |new| {
            if (!sameVariable(setting.?, new)) continue;
            // For `btfuse run` too: it gives the user's own value back.
            const saved = std.mem.concatWithSentinel(allocator, u8, &.{ saved_prefix, std.mem.span(setting.?) }, 0) catch return;
            envp[count] = saved.ptr;
            break;
        }
        count += 1;
    }
    for (added) |new| {
        envp[count] = new;
        count += 1;
    }
    envp[count] = null;

    note(deno, "cannot start: ", linux.execve(deno.ptr, argv.ptr, envp.ptr));
}

fn variable(environ: []const ?[*:0]const u8, name: []const u8) ?[:0]const u8 {
    for (environ) |setting| {
        const all = std.mem.span(setting.?);
        if (all.len > name.len and all[name.len] == '=' and std.mem.startsWith(u8, all, name)) {
            return all[name.len + 1 ..];
        }
    }
    return null;
}

/// Whether two NAME=value texts set the same variable.
fn sameVariable(a: [*:0]const u8, b: [*:0]const u8) bool {
    var index: usize = 0;
    while (a[index] == b[index]) : (index += 1) {
        if (a[index] == '=' or a[index] == 0) return true;
    }
    return false;
}

fn lock(directory: i32) bool {
    const step_ms = 20;
    for (0..lock_wait_max_ms / step_ms) |_| {
        if (!failed(linux.flock(directory, std.posix.LOCK.EX | std.posix.LOCK.NB))) return true;
        _ = linux.nanosleep(&.{ .sec = 0, .nsec = step_ms * 1_000_000 }, null);
    }
    return false;
}

fn statFile(directory: i32, path: [*:0]const u8, flags: u32) ?linux.Statx {
    var status: linux.Statx = undefined;
    const result = linux.statx(directory, path, flags, linux.STATX.BASIC_STATS, &status);
    return if (failed(result)) null else status;
}

fn readExactly(file: i32, buffer: []u8, offset_bytes: u64) bool {
    var done: usize = 0;
    while (done < buffer.len) {
        const result = linux.pread(file, buffer.ptr + done, buffer.len - done, @intCast(offset_bytes + done));
        if (linux.errno(result) == .INTR) continue;
        if (failed(result) or result == 0) return false;
        done += result;
    }
    return true;
}

/// A negative errno in the kernel's way, or any other value for success.
fn writeAll(file: i32, bytes: []const u8) usize {
    var rest = bytes;
    while (rest.len > 0) {
        const result = linux.write(file, rest.ptr, rest.len);
        if (linux.errno(result) == .INTR) continue;
        if (failed(result)) return result;
        rest = rest[result..];
    }
    return 0;
}

fn readLink(path: [*:0]const u8, buffer: *Path) ?[]const u8 {
    const result = linux.readlink(path, buffer, buffer.len);
    return if (failed(result)) null else buffer[0..result];
}

/// A text in a field of fixed size, which zeros fill up.
fn text(field: []const u8) []const u8 {
    return std.mem.sliceTo(field, 0);
}

fn note(path: []const u8, what: []const u8, result: usize) void {
    const separator = if (reasons.len == 0) "" else "; ";
    const reason = describe(linux.errno(result));
    const added = std.fmt.bufPrint(reasons_buffer[reasons.len..], "{s}{s}: {s}{s}", .{
        separator, path, what, reason,
    }) catch return;
    reasons = reasons_buffer[0 .. reasons.len + added.len];
}

fn unusable(path: []const u8, result: usize) error{Unusable} {
    note(path, "", result);
    return error.Unusable;
}

fn failed(result: usize) bool {
    return linux.errno(result) != .SUCCESS;
}

fn describe(errno: linux.E) []const u8 {
    return switch (errno) {
        .SUCCESS => "",
        .ACCES, .PERM => "permission denied",
        .DQUOT => "disk quota exceeded",
        .FBIG => "larger than the limit on files (ulimit -f)",
        .NOENT => "no such file or directory",
        .NOSPC => "no space left on device",
        .NOTDIR => "not a directory",
        .ROFS => "read-only file system",
        else => @tagName(errno),
    };
}

fn fail(comptime format: []const u8, arguments: anytype) u8 {
    var buffer: [4096 + 2048]u8 = undefined;
    const message = std.fmt.bufPrint(&buffer, "btfuse: " ++ format ++ "\n", arguments) catch "btfuse: cannot start\n";
    _ = writeAll(2, message);
    return 1;
}
