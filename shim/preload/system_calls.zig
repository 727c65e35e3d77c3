//! What each system call of x86-64 Linux is given: which of its arguments are descriptors, and which are paths that the kernel
//! follows. calls_syscall.zig goes by it for calls that it hands on to the kernel.
//!
//! INVARIANT, checked at compile time: every call that Zig's list knows is here exactly once. One that is newer than the list counts as if all
//! its arguments were descriptors: a needlessly materialized descriptor costs time, a placeholder in the kernel's hands an error.

const std = @import("std");
const SYS = std.os.linux.SYS;

pub const Rule = struct {
    /// By argument: it is a descriptor.
    descriptors: u8 = 0,
    /// By argument: it is a path, which starts at the descriptor before it, if there is one.
    paths: u8 = 0,
    /// It makes, closes or waits for descriptors that none of the arguments is, or becomes another program.
    is_about_descriptors: bool = false,
};

const everything: Rule = .{ .descriptors = 0b11_1111 };

pub fn ruleOf(number: usize) Rule {
    return if (number < rules.len) rules[number] else everything;
}

/// A letter an argument: d descriptor, p path, - neither. Arguments at the end that are neither are left out.
const Signature = struct { SYS, []const u8 };

const on_descriptors = [_]Signature{
    // Opening and closing
    .{ .openat, "dp" },           .{ .openat2, "dp" },               .{ .open_by_handle_at, "d" },  .{ .close, "d" },
    .{ .dup, "d" },               .{ .dup2, "d" },                   .{ .dup3, "d" },               .{ .pidfd_getfd, "dd" },
    // Data
    .{ .read, "d" },              .{ .pread64, "d" },                .{ .readv, "d" },              .{ .preadv, "d" },
    .{ .preadv2, "d" },           .{ .write, "d" },                  .{ .pwrite64, "d" },           .{ .writev, "d" },
    .{ .pwritev, "d" },           .{ .pwritev2, "d" },               .{ .lseek, "d" },              .{ .copy_file_range, "d-d" },
    .{ .sendfile, "dd" },         .{ .splice, "d-d" },               .{ .tee, "dd" },               .{ .vmsplice, "d" },
    .{ .readahead, "d" },         .{ .fadvise64, "d" },              .{ .sync_file_range, "d" },    .{ .fsync, "d" },
    .{ .fdatasync, "d" },         .{ .syncfs, "d" },                 .{ .cachestat, "d" },          .{ .mmap, "----d" },
    .{ .ftruncate, "d" },         .{ .fallocate, "d" },
    // Attributes
                 .{ .fstat, "d" },              .{ .fstatat64, "dp" },
    .{ .statx, "dp" },            .{ .fstatfs, "d" },                .{ .fchmod, "d" },             .{ .fchmodat, "dp" },
    .{ .fchmodat2, "dp" },        .{ .fchown, "d" },                 .{ .fchownat, "dp" },          .{ .faccessat, "dp" },
    .{ .faccessat2, "dp" },       .{ .utimensat, "dp" },             .{ .futimesat, "dp" },         .{ .readlinkat, "dp" },
    .{ .fgetxattr, "d" },         .{ .fsetxattr, "d" },              .{ .flistxattr, "d" },         .{ .fremovexattr, "d" },
    .{ .getxattrat, "dp" },       .{ .setxattrat, "dp" },            .{ .listxattrat, "dp" },       .{ .removexattrat, "dp" },
    .{ .file_getattr, "dp" },     .{ .file_setattr, "dp" },          .{ .name_to_handle_at, "dp" },
    // Names and directories
    .{ .getdents, "d" },
    .{ .getdents64, "d" },        .{ .fchdir, "d" },                 .{ .mkdirat, "dp" },           .{ .mknodat, "dp" },
    .{ .unlinkat, "dp" },         .{ .linkat, "dpdp" },              .{ .symlinkat, "-dp" },        .{ .renameat, "dpdp" },
    .{ .renameat2, "dpdp" },      .{ .execveat, "dp" },
    // Locks, control, waiting
                 .{ .flock, "d" },              .{ .fcntl, "d" },
    .{ .ioctl, "d" },             .{ .epoll_ctl, "d-d" },            .{ .epoll_ctl_old, "d-d" },    .{ .epoll_wait, "d" },
    .{ .epoll_wait_old, "d" },    .{ .epoll_pwait, "d" },            .{ .epoll_pwait2, "d" },       .{ .inotify_add_watch, "dp" },
    .{ .inotify_rm_watch, "d" },  .{ .fanotify_mark, "d--dp" },      .{ .timerfd_settime, "d" },    .{ .timerfd_gettime, "d" },
    .{ .signalfd, "d" },          .{ .signalfd4, "d" },              .{ .kcmp, "---dd" },           .{ .perf_event_open, "---d" },
    .{ .prctl, "--d" },
    // Sockets and queues: a file in place of one is an error of its own
              .{ .connect, "d" },                .{ .accept, "d" },             .{ .accept4, "d" },
    .{ .bind, "d" },              .{ .listen, "d" },                 .{ .shutdown, "d" },           .{ .getsockname, "d" },
    .{ .getpeername, "d" },       .{ .setsockopt, "d" },             .{ .getsockopt, "d" },         .{ .sendto, "d" },
    .{ .recvfrom, "d" },          .{ .sendmsg, "d" },                .{ .sendmmsg, "d" },           .{ .recvmsg, "d" },
    .{ .recvmmsg, "d" },          .{ .mq_timedsend, "d" },           .{ .mq_timedreceive, "d" },    .{ .mq_notify, "d" },
    .{ .mq_getsetattr, "d" },
    // Mounts, programs, the system
        .{ .open_tree, "dp" },             .{ .open_tree_attr, "dp" },    .{ .move_mount, "dpdp" },
    .{ .fspick, "dp" },           .{ .fsconfig, "d--pd" },           .{ .fsmount, "d" },            .{ .mount_setattr, "dp" },
    .{ .quotactl_fd, "d" },       .{ .setns, "d" },                  .{ .finit_module, "d" },       .{ .kexec_file_load, "dd" },
    .{ .pidfd_send_signal, "d" }, .{ .process_madvise, "d" },        .{ .process_mrelease, "d" },   .{ .waitid, "-d" },
    .{ .landlock_add_rule, "d" }, .{ .landlock_restrict_self, "d" }, .{ .io_uring_enter, "d" },     .{ .io_uring_register, "d" },
};

const on_paths = [_]Signature{
    .{ .open, "p" },        .{ .creat, "p" },       .{ .stat, "p" },         .{ .lstat, "p" },     .{ .access, "p" },
    .{ .truncate, "p" },    .{ .chdir, "p" },       .{ .rename, "pp" },      .{ .mkdir, "p" },     .{ .rmdir, "p" },
    .{ .link, "pp" },       .{ .unlink, "p" },      .{ .symlink, "-p" },     .{ .readlink, "p" },  .{ .chmod, "p" },
    .{ .chown, "p" },       .{ .lchown, "p" },      .{ .utime, "p" },        .{ .utimes, "p" },    .{ .mknod, "p" },
    .{ .uselib, "p" },      .{ .statfs, "p" },      .{ .acct, "p" },         .{ .swapon, "p" },    .{ .swapoff, "p" },
    .{ .setxattr, "p" },    .{ .lsetxattr, "p" },   .{ .getxattr, "p" },     .{ .lgetxattr, "p" }, .{ .listxattr, "p" },
    .{ .llistxattr, "p" },  .{ .removexattr, "p" }, .{ .lremovexattr, "p" }, .{ .execve, "p" },    .{ .chroot, "p" },
    .{ .pivot_root, "pp" }, .{ .mount, "pp" },      .{ .umount2, "p" },      .{ .quotactl, "-p" },
};

/// Descriptors that are made, or named by ranges, lists and structures: those calls_syscall.zig looks at itself.
const about_descriptors = [_]SYS{
    .pipe,         .pipe2,        .socket,      .socketpair,   .eventfd,       .eventfd2,  .timerfd_create, .epoll_create,            .epoll_create1, .inotify_init, .inotify_init1, .fanotify_init,
    .memfd_create, .memfd_secret, .userfaultfd, .pidfd_open,   .fsopen,        .mq_open,   .mq_unlink,      .landlock_create_ruleset, .close_range,   .poll,         .ppoll,         .select,
    .pselect6,     .io_setup,     .io_destroy,  .io_getevents, .io_pgetevents, .io_submit, .io_cancel,      .io_uring_setup,          .bpf,           .statmount,    .listmount,     .listns,
};

/// Neither takes a descriptor nor follows a path.
const others = [_]SYS{
    // Processes and threads
    .clone,             .clone3,            .fork,              .vfork,           .exit,            .exit_group,              .wait4,          .kill,               .tkill,              .tgkill,                 .ptrace,                 .gettid,
    .getpid,            .getppid,           .getpgrp,           .getpgid,         .setpgid,         .getsid,                  .setsid,         .set_tid_address,    .arch_prctl,         .personality,            .membarrier,             .rseq,
    .seccomp,           .unshare,           .set_robust_list,   .get_robust_list, .futex,           .futex_waitv,             .futex_wake,     .futex_wait,         .futex_requeue,      .restart_syscall,        .set_thread_area,        .get_thread_area,
    .modify_ldt,        .process_vm_readv,  .process_vm_writev, .uretprobe,       .uprobe,          .map_shadow_stack,        .ioprio_set,     .ioprio_get,         .getpriority,        .setpriority,            .getrusage,              .getrlimit,
    .setrlimit,         .prlimit64,         .times,             .getcpu,          .sched_yield,     .sched_setparam,          .sched_getparam, .sched_setscheduler, .sched_getscheduler, .sched_get_priority_max, .sched_get_priority_min, .sched_rr_get_interval,
    .sched_setaffinity, .sched_getaffinity, .sched_setattr,     .sched_getattr,
    // Who one is
      .getuid,          .geteuid,                 .getgid,         .getegid,            .getgroups,          .setuid,                 .setgid,                 .setreuid,
    .setregid,          .setgroups,         .setresuid,         .getresuid,       .setresgid,       .getresgid,               .setfsuid,       .setfsgid,           .capget,             .capset,                 .umask,                  .lsm_get_self_attr,
    .lsm_set_self_attr, .lsm_list_modules,  .add_key,           .request_key,     .keyctl,
    // Signals and time
             .rt_sigaction,            .rt_sigprocmask, .rt_sigreturn,       .rt_sigpending,      .rt_sigtimedwait,        .rt_sigqueueinfo,        .rt_tgsigqueueinfo,
    .rt_sigsuspend,     .sigaltstack,       .pause,             .alarm,           .nanosleep,       .clock_nanosleep,         .getitimer,      .setitimer,          .timer_create,       .timer_settime,          .timer_gettime,          .timer_getoverrun,
    .timer_delete,      .time,              .gettimeofday,      .settimeofday,    .clock_settime,   .clock_gettime,           .clock_getres,   .clock_adjtime,      .adjtimex,
    // Memory
              .brk,                    .mprotect,               .pkey_mprotect,
    .pkey_alloc,        .pkey_free,         .munmap,            .mremap,          .msync,           .mincore,                 .madvise,        .mlock,              .mlock2,             .munlock,                .mlockall,               .munlockall,
    .mseal,             .remap_file_pages,  .mbind,             .set_mempolicy,   .get_mempolicy,   .set_mempolicy_home_node, .migrate_pages,  .move_pages,         .shmget,             .shmat,                  .shmctl,                 .shmdt,
    // The system
    .semget,            .semop,             .semctl,            .semtimedop,      .msgget,          .msgsnd,                  .msgrcv,         .msgctl,             .uname,              .sysinfo,                .syslog,                 .sysctl,
    .sysfs,             .ustat,             .sync,              .getcwd,          .getrandom,       .reboot,                  .sethostname,    .setdomainname,      .iopl,               .ioperm,                 .init_module,            .delete_module,
    .kexec_load,        .vhangup,           .lookup_dcookie,
    // Which no kernel has any more, or ever had
       .create_module,   .get_kernel_syms, .query_module,            .nfsservctl,     .getpmsg,            .putpmsg,            .afs_syscall,            .tuxcall,                .security,
    .vserver,
};

const count = last: {
    @setEvalBranchQuota(100_000);
    var highest: usize = 0;
    for (std.enums.values(SYS)) |number| highest = @max(highest, @intFromEnum(number));
    break :last highest + 1;
};

const rules: [count]Rule = table: {
    @setEvalBranchQuota(1_000_000);
    // Between the numbers of old calls and of new ones is a gap, which only the other ABI of the processor uses.
    var result: [count]Rule = @splat(everything);
    var known: [count]bool = @splat(false);
    for (on_descriptors ++ on_paths) |entry| {
        result[@intFromEnum(entry[0])] = parse(entry[1]);
        enter(&known, entry[0]);
    }
    for ([_]SYS{ .open, .creat, .execve }) |number| result[@intFromEnum(number)].is_about_descriptors = true;
    for (about_descriptors) |number| {
        result[@intFromEnum(number)] = .{ .is_about_descriptors = true };
        enter(&known, number);
    }
    for (others) |number| {
        result[@intFromEnum(number)] = .{};
        enter(&known, number);
    }
    for (std.enums.values(SYS)) |number| {
        if (!known[@intFromEnum(number)]) @compileError("which descriptors does this call take? " ++ @tagName(number));
    }
    break :table result;
};

fn parse(comptime letters: []const u8) Rule {
    var rule: Rule = .{};
    for (letters, 0..) |letter, place| switch (letter) {
        'd' => rule.descriptors |= 1 << place,
        'p' => rule.paths |= 1 << place,
        '-' => {},
        else => unreachable,
    };
    return rule;
}

fn enter(comptime known: *[count]bool, comptime number: SYS) void {
    if (known[@intFromEnum(number)]) @compileError("twice: " ++ @tagName(number));
    known[@intFromEnum(number)] = true;
}
