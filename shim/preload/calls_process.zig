//! Calls that copy the process, or make it another program.
//!
//! Before a copy everything is materialized, so that both share the real files and their offsets; the child starts
//! without descriptors of ours. vfork is fork: its child would work in its parent's tables. A program that is started
//! gets real files for what it inherits.

const std = @import("std");
const busy_programs = @import("busy_programs.zig");
const calls_restrict = @import("calls_restrict.zig");
const clients = @import("clients.zig");
const counters = @import("counters.zig");
const descriptor_paths = @import("descriptor_paths.zig");
const exec_environment = @import("exec_environment.zig");
const kernel_files = @import("kernel_files.zig");
const next = @import("next.zig");
const paths = @import("paths.zig");
const private = @import("private.zig");
const scratch = @import("scratch.zig");
const system = @import("system.zig");

/// fork, and the functions that are like it.
pub fn fork() callconv(.c) c_int {
    return Copying("fork").call(0, 0, 0, 0, 0);
}

fn Copying(comptime name: [:0]const u8) type {
    return struct {
        const F = fn (usize, usize, usize, usize, usize) callconv(.c) c_int;
        fn call(a: usize, b: usize, c: usize, d: usize, e: usize) callconv(.c) c_int {
            counters.kernel(.process, .materialized);
            kernel_files.closeGate();
            const result = next.call(name, *const F)(a, b, c, d, e);
            if (result == 0) startChild() else kernel_files.openGate();
            return result;
        }
    };
}

/// daemon(3) and forkpty(3) fork inside libc. What returns from daemon is the child.
fn daemon(keep_directory: c_int, keep_standard: c_int) callconv(.c) c_int {
    kernel_files.closeGate();
    const result = next.call("daemon", *const fn (c_int, c_int) callconv(.c) c_int)(keep_directory, keep_standard);
    if (result == 0) startChild() else kernel_files.openGate();
    if (keep_directory == 0) paths.workingDirectoryChanges();
    return result;
}

pub fn startChild() void {
    private.reset();
    kernel_files.forgetGate();
    scratch.keepOwn();
    counters.reset();
}

const clone_thread = 0x10000;

/// clone(2) of libc: a copy unless it is a thread.
fn clone(function: usize, stack: usize, flags: c_int, argument: usize, parent: usize, tls: usize, child: usize) callconv(.c) c_int {
    const F = fn (usize, usize, c_int, usize, usize, usize, usize) callconv(.c) c_int;
    calls_restrict.prepareClone(@as(c_uint, @bitCast(flags)));
    const is_copy = flags & clone_thread == 0;
    if (is_copy) kernel_files.closeGate();
    defer if (is_copy) kernel_files.openGate();
    return next.call("clone", *const F)(function, stack, flags, argument, parent, tls, child);
}

// Becoming another program.

/// Everything is materialized, also what will be closed, for the exec may fail; and no client record is left behind.
pub fn prepareExec() void {
    counters.kernel(.process, .materialized);
    kernel_files.closeGate();
    if (clients.isEmpty()) clients.unregister();
    kernel_files.openGate();
}

/// Calls `prepare` with a function's arguments, which gives the next function of that name, and jumps there with the same.
pub const jump_to_next =
    \\ pushq %%rdi
    \\ pushq %%rsi
    \\ pushq %%rdx
    \\ pushq %%rcx
    \\ pushq %%r8
    \\ pushq %%r9
    \\ pushq %%rax
    \\ subq $128, %%rsp
    \\ movups %%xmm0, 0(%%rsp)
    \\ movups %%xmm1, 16(%%rsp)
    \\ movups %%xmm2, 32(%%rsp)
    \\ movups %%xmm3, 48(%%rsp)
    \\ movups %%xmm4, 64(%%rsp)
    \\ movups %%xmm5, 80(%%rsp)
    \\ movups %%xmm6, 96(%%rsp)
    \\ movups %%xmm7, 112(%%rsp)
    \\ callq %[prepare:P]
    \\ movq %%rax, %%r11
    \\ movups 0(%%rsp), %%xmm0
    \\ movups 16(%%rsp), %%xmm1
    \\ movups 32(%%rsp), %%xmm2
    \\ movups 48(%%rsp), %%xmm3
    \\ movups 64(%%rsp), %%xmm4
    \\ movups 80(%%rsp), %%xmm5
    \\ movups 96(%%rsp), %%xmm6
    \\ movups 112(%%rsp), %%xmm7
    \\ addq $128, %%rsp
    \\ popq %%rax
    \\ popq %%r9
    \\ popq %%r8
    \\ popq %%rcx
    \\ popq %%rdx
    \\ popq %%rsi
    \\ popq %%rdi
    \\ jmpq *%%r11
;

/// Which argument is the new program's environment; null: it gets this process's.
fn environmentArgument(comptime name: []const u8) ?usize {
    const Place = struct { []const u8, usize };
    const places = [_]Place{
        .{ "execve", 2 },   .{ "execvpe", 2 },     .{ "fexecve", 2 },
        .{ "execveat", 3 }, .{ "posix_spawn", 5 }, .{ "posix_spawnp", 5 },
    };
    inline for (places) |place| if (std.mem.eql(u8, place[0], name)) return place[1];
    return null;
}

/// Calls the next function of this name with an environment that the new program can use.
fn start(comptime name: [:0]const u8, given: [6]usize) usize {
    const F = fn (usize, usize, usize, usize, usize, usize) callconv(.c) usize;
    const function = next.call(name, *const F);
    var a = given;
    const argument = comptime environmentArgument(name);
    const place = argument orelse {
        exec_environment.correctOwn();
        return function(a[0], a[1], a[2], a[3], a[4], a[5]);
    };
    const environment: exec_environment.Environment = .of(a[place]);
    defer environment.release();
    a[place] = environment.list;
    return function(a[0], a[1], a[2], a[3], a[4], a[5]);
}

fn Exec(comptime name: [:0]const u8) type {
    return struct {
        fn call(a: usize, b: usize, c: usize, d: usize, e: usize) callconv(.c) c_int {
            prepareExec();
            const is_by_path = comptime std.mem.startsWith(u8, name, "execv") and !std.mem.eql(u8, name, "execveat");
            if (is_by_path and busy_programs.isBusy(@as(?[*:0]const u8, @ptrFromInt(a)))) return next.fail(.TXTBSY);
            return @bitCast(@as(u32, @truncate(start(name, .{ a, b, c, d, e, 0 }))));
        }
        fn prepare() callconv(.c) *const anyopaque {
            prepareExec();
            // The environment that execle(3) is given is somewhere on the stack, and stays as it is.
            if (comptime !std.mem.eql(u8, name, "execle")) exec_environment.correctOwn();
            return next.call(name, *const anyopaque);
        }
        /// Any number of arguments, some on the stack: all stay where they are, and the next function is jumped to.
        fn callWithList() callconv(.naked) noreturn {
            asm volatile (jump_to_next
                :
                : [prepare] "X" (&prepare),
            );
        }
    };
}

/// Another program besides this one: it inherits what is not to be closed on exec. Its own path, if the function has one, is the second argument.
fn Starting(comptime name: [:0]const u8, comptime has_path: bool) type {
    return struct {
        fn call(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) callconv(.c) usize {
            kernel_files.materializeAll(.inherited);
            if (has_path) {
                const path = @as(?[*:0]const u8, @ptrFromInt(b));
                descriptor_paths.materialize(system.at_fdcwd, path);
                // The function returns the errno.
                if (busy_programs.isBusy(path)) return @intFromEnum(next.E.TXTBSY);
            }
            return start(name, .{ a, b, c, d, e, f });
        }
    };
}

comptime {
    for (.{ "fork", "__fork", "_Fork" }) |name| @export(&Copying(name).call, .{ .name = name });
    for (.{ "vfork", "__vfork" }) |name| @export(&fork, .{ .name = name });
    @export(&Copying("forkpty").call, .{ .name = "forkpty" });
    @export(&daemon, .{ .name = "daemon" });
    @export(&clone, .{ .name = "clone" });
    for (.{ "execve", "execv", "execvp", "execvpe", "execveat", "fexecve" }) |name| @export(&Exec(name).call, .{ .name = name });
    for (.{ "execl", "execlp", "execle" }) |name| @export(&Exec(name).callWithList, .{ .name = name });
    for (.{ "posix_spawn", "posix_spawnp" }) |name| @export(&Starting(name, true).call, .{ .name = name });
    for (.{ "system", "popen", "wordexp" }) |name| @export(&Starting(name, false).call, .{ .name = name });
}
