//! Builds every native part of btfuse into one prefix (`zig build --release=fast -p zig-out`):
//!
//!     lib/libbtfuse_native.so   what the daemon calls through FFI; no libc
//!     lib/libbtfuse_preload.so  what programs load to reach a mount without the kernel (LD_PRELOAD); glibc
//!     lib/libbtfuse_preload_32bit.so  the same for 32-bit programs, which it leaves alone; no libc
//!     bin/btfuse-launcher       start of the one-file executable; static, no libc
//!     bin/btfuse-pack           makes the executable of it
//!     bin/gen_layout            prints src/region/layout.gen.ts and src/ops/fuse_records.gen.ts
//!     bin/bench_client          timing client of `deno task bench`; glibc
//!     bin/test_agent            system-call agent of the tests; glibc
//!     bin/test_limits           program of the tests: threads, very many files, signals, processes; glibc
//!     bin/test_jumps            program of the tests: calls that signal handlers leave; C, because it calls setjmp
//!     bin/test_stacks           program of the tests: what calls take of a signal handler's stack; C
//!     bin/test_pointers         program of the tests: calls with pointers to nothing; C
//!     test_lib/libtest_by_syscall.so library of the tests: functions of libc by syscall(2); C
//!     bin/golden_layout         prints records of the layout for the tests

const std = @import("std");

const Part = struct {
    name: []const u8,
    source: []const u8,
    kind: enum { library, library_32bit, libc_library, static_program, libc_program, c_program, c_library },
};

const parts = [_]Part{
    .{ .name = "btfuse_native", .source = "native.zig", .kind = .library },
    .{ .name = "btfuse_preload", .source = "preload.zig", .kind = .libc_library },
    .{ .name = "btfuse_preload_32bit", .source = "preload_32bit.zig", .kind = .library_32bit },
    .{ .name = "btfuse-launcher", .source = "launcher.zig", .kind = .static_program },
    .{ .name = "btfuse-pack", .source = "pack.zig", .kind = .static_program },
    .{ .name = "gen_layout", .source = "gen_layout.zig", .kind = .static_program },
    .{ .name = "bench_client", .source = "../bench/client.zig", .kind = .libc_program },
    .{ .name = "test_agent", .source = "../tests/agent.zig", .kind = .libc_program },
    .{ .name = "test_limits", .source = "../tests/limits.zig", .kind = .libc_program },
    .{ .name = "test_jumps", .source = "../tests/interrupted/jumps.c", .kind = .c_program },
    .{ .name = "test_stacks", .source = "../tests/interrupted/stacks.c", .kind = .c_program },
    .{ .name = "test_pointers", .source = "../tests/interrupted/pointers.c", .kind = .c_program },
    .{ .name = "test_by_syscall", .source = "../tests/interrupted/by_syscall.c", .kind = .c_library },
    .{ .name = "golden_layout", .source = "../tests/golden_layout.zig", .kind = .static_program },
};

fn isC(part: Part) bool {
    return part.kind == .c_program or part.kind == .c_library;
}

pub fn build(b: *std.Build) void {
    // A named target, not the build machine: the processor's baseline and an old glibc, so
    // that the results run on any x86-64 machine with Debian 11 or later.
    const target = b.resolveTargetQuery(.{
        .cpu_arch = .x86_64,
        .os_tag = .linux,
        .abi = .gnu,
        .glibc_version = .{ .major = 2, .minor = 31, .patch = 0 },
    });
    const target_32bit = b.resolveTargetQuery(.{
        .cpu_arch = .x86,
        .cpu_model = .{ .explicit = &std.Target.x86.cpu.i586 },
        .os_tag = .linux,
        .abi = .gnu,
    });
    const optimize = b.standardOptimizeOption(.{});

    const libraries = b.step("libraries", "All libraries");
    const layout = b.createModule(.{ .root_source_file = b.path("layout.zig") });
    for (parts) |part| {
        const module = b.createModule(.{
            .root_source_file = if (isC(part)) null else b.path(part.source),
            .target = if (part.kind == .library_32bit) target_32bit else target,
            .optimize = optimize,
            .strip = optimize != .Debug,
            .link_libc = part.kind == .libc_program or part.kind == .libc_library or isC(part),
            // A thread that is cancelled in a call of ours, or an exception that a handler above it throws, unwinds its frames.
            .unwind_tables = if (part.kind == .libc_library) .async else null,
        });
        if (isC(part)) module.addCSourceFile(.{ .file = b.path(part.source), .flags = &.{ "-std=gnu11", "-fno-sanitize=all" } });
        // Sources outside this directory cannot import it by path.
        if (!isC(part)) module.addImport("layout", layout);
        const artifact = switch (part.kind) {
            .library, .library_32bit, .libc_library, .c_library => b.addLibrary(.{
                .name = part.name,
                .root_module = module,
                .linkage = .dynamic,
            }),
            .static_program => b.addExecutable(.{
                .name = part.name,
                .root_module = module,
                .linkage = .static,
            }),
            .libc_program, .c_program => b.addExecutable(.{
                .name = part.name,
                .root_module = module,
                .linkage = .dynamic,
            }),
        };
        // Zig's start code raises the stack limit to this size, and a program started from here,
        // as Deno by the launcher, would inherit that: ask for less than anybody has.
        if (part.kind == .static_program) artifact.stack_size = 256 * 1024;
        // One step a part, so that `zig build gen_layout` works while others do not compile.
        // Every library in lib becomes part of the executable; those of the tests lie elsewhere.
        const install = b.addInstallArtifact(artifact, if (part.kind == .c_library) .{ .dest_dir = .{ .override = .{ .custom = "test_lib" } } } else .{});
        b.getInstallStep().dependOn(&install.step);
        b.step(part.name, part.source).dependOn(&install.step);
        switch (part.kind) {
            .library, .library_32bit, .libc_library, .c_library => libraries.dependOn(&install.step),
            .static_program, .libc_program, .c_program => {},
        }
    }
}
