//! What it means for the library that a program makes system calls by itself: see inline_calls.zig.

const std = @import("std");
const SYS = std.os.linux.SYS;
const inline_calls = @import("inline_calls.zig");
const system_calls = @import("preload/system_calls.zig");

pub const Verdict = enum(u2) {
    /// Not looked at yet.
    unknown = 0,
    /// It makes none that concern the library.
    none = 1,
    /// Some take descriptors, which must be the kernel's own.
    descriptors = 2,
    /// Some the library must know of, or nobody can say which it makes: the kernel serves the program.
    everything = 3,

    pub fn stricter(a: Verdict, b: Verdict) Verdict {
        return if (@intFromEnum(a) > @intFromEnum(b)) a else b;
    }
};

/// Calls that change what the library has learnt of the process.
const to_be_known = [_]SYS{
    .setuid, .setreuid,               .setresuid, .setgid,  .setregid,   .setresgid,     .setgroups, .setfsuid, .setfsgid, .capset,
    .chroot, .pivot_root,             .mount,     .umount2, .move_mount, .mount_setattr, .fsconfig,  .unshare,  .setns,    .seccomp,
    .prctl,  .landlock_restrict_self, .chdir,     .fchdir,  .umask,      .setrlimit,     .prlimit64, .clone,    .clone3,   .fork,
    .vfork,
};

/// Objects that make system calls of their own on nothing that the program has opened: libc, whose calls the library replaces, and what sanitizers,
/// allocators and thread libraries do behind the program's back.
const trusted = [_][]const u8{
    "libc.so",     "libc-2",       "ld-linux",    "ld-2",        "libpthread", "libdl.so",  "librt.so", "linux-vdso", "libbtfuse_preload", "libasan.so", "libtsan.so", "liblsan.so",
    "libubsan.so", "libhwasan.so", "libtcmalloc", "libprofiler", "libgomp.so", "libitm.so",
};

pub fn isTrusted(path: []const u8) bool {
    const name = path[if (std.mem.lastIndexOfScalar(u8, path, '/')) |slash| slash + 1 else 0..];
    for (trusted) |start| if (std.mem.startsWith(u8, name, start)) return true;
    return false;
}

pub fn of(code: []const u8) Verdict {
    var found: inline_calls.Found = .{};
    inline_calls.scan(code, &found);
    if (found.any) return .everything;
    var verdict: Verdict = .none;
    var numbers = found.numbers.iterator(.{});
    while (numbers.next()) |number| verdict = verdict.stricter(ofNumber(number));
    return verdict;
}

fn ofNumber(number: usize) Verdict {
    for (to_be_known) |known| if (number == @intFromEnum(known)) return .everything;
    const rule = system_calls.ruleOf(number);
    return if (rule.descriptors != 0 or rule.is_about_descriptors) .descriptors else .none;
}
