"""Ways for a process to become somebody else, or to restrict itself: by name, in `ways`. Each is a function without arguments.

`inherited` says whether a program that is executed afterwards is still in that state.
"""

import ctypes
import os
import struct
import sys
import threading

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID = range(5)
CAPABILITY_COUNT = 41
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
PR_CAPBSET_DROP, PR_SET_KEEPCAPS, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 24, 8, 22, 38, 47
SYS = {
    "clone": 56, "setuid": 105, "setreuid": 113, "setgroups": 116, "setresuid": 117, "setresgid": 119, "setfsuid": 122, "capset": 126,
    "chroot": 161, "seccomp": 317, "landlock_create_ruleset": 444, "landlock_restrict_self": 446,
}  # fmt: skip

USER, GROUP, OTHER_USER = 1000, 1005, 1001

ways = {}
not_inherited = set()


class Unavailable(Exception):
    """This kernel or this machine does not have it, or this user must not do it."""


def enter(name):
    try:
        ways[name]()
    except OSError as error:
        raise Unavailable(error) from error


def way(name, inherited=True):
    def note(function):
        ways[name] = function
        if not inherited:
            not_inherited.add(name)
        return function

    return note


def checked(result, what):
    if result < 0:
        raise Unavailable(f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def syscall(name, *arguments):
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return checked(libc.syscall(ctypes.c_long(SYS[name]), *words), name)


def prctl(option, *arguments):
    words = [ctypes.c_ulong(each) if isinstance(each, int) else each for each in (*arguments, 0, 0, 0, 0)[:4]]
    return checked(libc.prctl(option, *words), f"prctl {option}")


# Capabilities


def set_capabilities(permitted, inheritable, raw=False):
    header = struct.pack("Ii", 0x20080522, 0)
    low, high = [[part >> shift & 0xFFFFFFFF for part in (permitted, permitted, inheritable)] for shift in (0, 32)]
    sets = struct.pack("6I", *low, *high)
    if raw:
        syscall("capset", header, sets)
    else:
        checked(libc.capset(header, sets), "capset")


def permitted():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1], 16) for line in status if line.startswith("CapPrm:"))


def keep(capabilities):
    """For this process, and as root also for what it executes."""
    wanted = sum(1 << each for each in capabilities) & permitted()
    for each in range(CAPABILITY_COUNT):
        if not wanted >> each & 1:
            libc.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(each), 0, 0, 0)
    set_capabilities(wanted, 0)


def all_but(*capabilities):
    return [each for each in range(CAPABILITY_COUNT) if each not in capabilities]


@way("nobody else")
def nobody_else():
    pass


@way("root without capabilities")
def no_capabilities():
    keep([])


@way("root with CAP_DAC_READ_SEARCH")
def read_search():
    keep([CAP_DAC_READ_SEARCH])


@way("root with CAP_DAC_OVERRIDE")
def dac_override():
    keep([CAP_DAC_OVERRIDE])


@way("root with CAP_FOWNER, CAP_CHOWN")
def fowner():
    keep([CAP_FOWNER, CAP_CHOWN])


@way("root but CAP_FSETID, CAP_CHOWN")
def no_fsetid():
    keep(all_but(CAP_FSETID, CAP_CHOWN))


@way("root without capabilities, in a group")
def grouped():
    os.setgroups([GROUP, 7])
    keep([])


@way("root, capset by syscall(2)", inherited=False)
def raw_capset():
    set_capabilities(0, 0, raw=True)


# Ids


def become(uid, gid, groups=()):
    os.setgroups(list(groups))
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


@way("a user")
def user():
    become(USER, USER)


@way("a user in a group")
def user_in_group():
    become(USER, USER, [GROUP])


@way("a user, other group")
def user_of_group():
    become(USER, GROUP)


@way("another user")
def other_user():
    become(OTHER_USER, OTHER_USER)


@way("root's group changed")
def changed_group():
    os.setgid(USER)


@way("effective user changed")
def effective_user():
    os.seteuid(USER)


@way("effective user changed and back")
def effective_user_and_back():
    os.seteuid(USER)
    os.seteuid(0)


@way("effective group changed")
def effective_group():
    os.setegid(USER)


@way("file system user changed", inherited=False)
def file_system_user():
    libc.setfsuid(USER)


@way("file system user changed by syscall(2)", inherited=False)
def raw_file_system_user():
    libc.syscall(ctypes.c_long(SYS["setfsuid"]), ctypes.c_long(USER))


@way("ids changed by syscall(2)")
def raw_ids():
    syscall("setgroups", 0, None)
    syscall("setresgid", USER, USER, USER)
    syscall("setresuid", USER, USER, USER)


@way("another thread's ids changed by syscall(2)", inherited=False)
def raw_ids_of_thread():
    thread = threading.Thread(target=raw_ids)
    thread.start()
    thread.join()


@way("groups changed by syscall(2)")
def raw_groups():
    groups = struct.pack("2I", GROUP, 7)
    syscall("setgroups", 2, groups)


@way("a user with CAP_DAC_OVERRIDE")
def ambient():
    wanted = 1 << CAP_DAC_OVERRIDE
    prctl(PR_SET_KEEPCAPS, 1)
    become(USER, USER)
    set_capabilities(wanted, wanted)
    prctl(PR_CAP_AMBIENT, 2, CAP_DAC_OVERRIDE)


@way("no new privileges")
def no_new_privileges():
    prctl(PR_SET_NO_NEW_PRIVS, 1)


# Namespaces and root directory: TREE is the directory that is tried out.


def tree():
    return os.environ["TREE"]


def mount(source, target, kind, flags, data=None):
    arguments = [None if each is None else each.encode() for each in (source, target, kind)]
    checked(libc.mount(*arguments, ctypes.c_ulong(flags), data), f"mount on {target}")


def unshare(flags):
    checked(libc.unshare(flags), "unshare")


def map_ids(count):
    """A new user namespace with the first `count` ids mapped to themselves: written by a child, which stays in the old one."""
    parent = os.getpid()
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        os.read(ready, 1)
        try:
            for name in ("uid_map", "gid_map"):
                with open(f"/proc/{parent}/{name}", "w") as file:
                    file.write(f"0 0 {count}")
        except OSError:
            os._exit(1)
        os._exit(0)
    try:
        unshare(CLONE_NEWUSER)
    finally:
        os.close(told)
        failed = os.waitpid(child, 0)[1] != 0
    if failed:
        raise Unavailable("ids cannot be mapped")


@way("user namespace of one's own")
def user_namespace():
    """As `unshare --map-root-user`, which every user may."""
    uid, gid = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


@way("user namespace by clone(2)", inherited=False)
def user_namespace_by_clone():
    """The child goes on, and its parent ends as it does."""
    signal_child = 17
    child = syscall("clone", CLONE_NEWUSER | signal_child, 0, 0, 0, 0)
    if child > 0:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


@way("user namespace with all ids")
def user_namespace_of_all():
    map_ids(65536)


def private_mounts():
    unshare(CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_PRIVATE)


@way("mount namespace")
def mount_namespace():
    private_mounts()


@way("mount namespace, a directory read-only")
def read_only_directory():
    private_mounts()
    mount(tree() + "/sticky", tree() + "/sticky", None, MS_BIND)
    mount(None, tree() + "/sticky", None, MS_REMOUNT | MS_BIND | MS_RDONLY)


@way("mount namespace, a directory masked")
def masked_directory():
    private_mounts()
    mount("none", tree() + "/sticky", "tmpfs", 0)


@way("user and mount namespace")
def both_namespaces():
    map_ids(65536)
    mount_namespace()


@way("chroot to /")
def same_root():
    os.chroot("/")


@way("chroot elsewhere", inherited=False)
def other_root():
    os.chroot("/proc/self")


@way("chroot elsewhere by syscall(2)", inherited=False)
def raw_other_root():
    syscall("chroot", b"/proc/self")


# Sandboxes


REFUSE, KILL = 0x00050001, 0x80000000


def seccomp_filter(refused, refuse=REFUSE):
    """A filter that answers EPERM to the system calls with these numbers, or ends the process."""
    load, equal, give, allow = 0x20, 0x15, 0x06, 0x7FFF0000
    lines = [(load, 0, 0, 0)]
    lines += [(equal, len(refused) - i, 0, number) for i, number in enumerate(refused)]
    lines += [(give, 0, 0, allow), (give, 0, 0, refuse)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(code)))
    program.code = code
    return program


# chmod, fchmod, fchmodat, fchmodat2, mkdir, mkdirat, rename*, unlink*, symlink*
CHANGING = [90, 91, 268, 452, 83, 258, 82, 264, 316, 87, 263, 88, 266]


@way("seccomp by prctl(2)")
def seccomp_by_prctl():
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_SECCOMP, 2, seccomp_filter(CHANGING))


@way("seccomp by syscall(2)")
def seccomp_by_syscall():
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    syscall("seccomp", 1, 0, seccomp_filter(CHANGING))


# What the library does for itself, and Python never: sched_yield, nanosleep, capget, get_robust_list, fallocate, dup3, statx, statmount, listmount
LIBRARYS_OWN = [24, 35, 125, 274, 285, 292, 332, 457, 458]


@way("seccomp that kills")
def killing_seccomp():
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    syscall("seccomp", 1, 0, seccomp_filter(LIBRARYS_OWN, KILL))


def landlock(handled):
    attributes = struct.pack("Q", handled)
    ruleset = syscall("landlock_create_ruleset", attributes, len(attributes), 0)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    syscall("landlock_restrict_self", ruleset, 0)
    os.close(ruleset)


REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG, MAKE_SYM = (1 << bit for bit in (4, 5, 7, 8, 12))


@way("Landlock without making and removing")
def landlock_changes():
    landlock(REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM)


@way("Landlock without writing")
def landlock_writing():
    landlock(1 << 1)


if __name__ == "__main__":
    # restrict.py WAY PROGRAM…: becomes the program after it.
    try:
        enter(sys.argv[1])
    except Unavailable as error:
        print(error, file=sys.stderr)
        sys.exit(77)
    os.execvp(sys.argv[2], sys.argv[2:])
