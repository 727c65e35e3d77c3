"""
Binds DIR at BOUND with other owners (mount_setattr(2), MOUNT_ATTR_IDMAP: id N is 10000 + N there), and prints what is seen and made at both ends:
idmapped.py DIR BOUND. Ends with 77 where that cannot be done.
"""

import ctypes
import os
import struct
import subprocess
import sys

directory, bound = sys.argv[1:3]
libc = ctypes.CDLL(None, use_errno=True)
MOUNT_SETATTR, OPEN_TREE, MOVE_MOUNT = 442, 428, 429
CLONE_NEWUSER = 0x10000000
AT_EMPTY_PATH, OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC = 0x1000, 1, 0o2000000
MOVE_MOUNT_F_EMPTY_PATH = 4
MOUNT_ATTR_IDMAP = 0x100000
FIRST, COUNT = 10000, 5000


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def user_namespace():
    """A descriptor of one in which ids are mapped."""
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        check(libc.unshare(CLONE_NEWUSER))
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{child}/{name}", "w") as file:
            file.write(f"0 {FIRST} {COUNT}")
    namespace = os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
    os.write(go[1], b"x")
    os.waitpid(child, 0)
    return namespace


def bind():
    tree = check(libc.syscall(OPEN_TREE, -100, directory.encode(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC))
    attributes = struct.pack("QQQQ", MOUNT_ATTR_IDMAP, 0, 0, user_namespace())
    try:
        check(libc.syscall(MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, attributes, len(attributes)))
    except OSError as error:
        print(error)
        sys.exit(77)
    check(libc.syscall(MOVE_MOUNT, tree, b"", -100, bound.encode(), MOVE_MOUNT_F_EMPTY_PATH))


def outcome(call, *arguments, **named):
    try:
        result = call(*arguments, **named)
    except OSError as error:
        return os.strerror(error.errno)
    return "ok" if result is None else result


def owners(where):
    return sorted((name, os.lstat(f"{where}/{name}").st_uid, os.lstat(f"{where}/{name}").st_gid, oct(os.lstat(f"{where}/{name}").st_mode)) for name in os.listdir(where))


def seen():
    print(*owners(directory), *owners(bound), sep="\n  ")


def as_user(uid, call, *arguments, groups=()):
    """In a process of this user."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.setgroups(groups)
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        print("as", uid, outcome(call, *arguments))
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)


def make(path):
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))


os.umask(0o022)
os.chmod(directory, 0o777)
make(f"{directory}/root")
for number, name in ((5, "five"), (FIRST, "unmapped")):
    make(f"{directory}/{name}")
    os.chown(f"{directory}/{name}", number, number)
bind()
try:
    seen()
    # What is made there, and who may.
    as_user(FIRST, make, f"{bound}/file")
    as_user(FIRST + 5, os.mkdir, f"{bound}/directory")
    as_user(FIRST + 6, os.symlink, "target", f"{bound}/link")
    as_user(FIRST + 7, os.mkfifo, f"{bound}/fifo")
    as_user(7, make, f"{bound}/no such id")
    as_user(FIRST + 8, lambda: os.close(os.open(bound, os.O_TMPFILE | os.O_WRONLY)))
    seen()
    # Whose files they are, there.
    for user in (5, FIRST + 5):
        as_user(user, os.chmod, f"{bound}/five", 0o600)
        as_user(user, lambda: open(f"{bound}/five", "a").write("x"))
        as_user(user, os.chmod, f"{directory}/five", 0o640)
    print(outcome(os.chown, f"{bound}/five", FIRST + 9, FIRST + 9), outcome(os.chown, f"{bound}/five", 9, 9))
    seen()
    # Set-group-ID, which writing takes away, and attributes that only some may see.
    for user, groups in ((FIRST + 9, ()), (FIRST + 3, (FIRST + 9,)), (FIRST + 3, ())):
        os.chmod(f"{directory}/five", 0o6777)
        as_user(user, lambda: open(f"{bound}/five", "a").write("x"), groups=groups)
        print(oct(os.stat(f"{directory}/five").st_mode))
    os.chmod(f"{directory}/five", 0o2767)
    as_user(FIRST + 3, os.truncate, f"{bound}/five", 1)
    print(oct(os.stat(f"{bound}/five").st_mode))
    os.setxattr(f"{directory}/five", "trusted.x", b"x")
    os.setxattr(f"{directory}/five", "user.x", b"x")
    print(sorted(os.listxattr(f"{bound}/five")), sorted(os.listxattr(f"{directory}/five")))
    as_user(FIRST + 9, os.listxattr, f"{bound}/five")
    as_user(9, os.listxattr, f"{directory}/five")
    # An access list, with ids that are others there.
    subprocess.run(["setfacl", "-m", f"u:{FIRST + 1}:rw", f"{bound}/root"], check=False)
    for where in (bound, directory):
        print(subprocess.run(["getfacl", "-nc", f"{where}/root"], capture_output=True, text=True, check=False).stdout)
    as_user(FIRST + 9, os.rename, f"{bound}/five", f"{bound}/moved")
    as_user(FIRST + 9, os.unlink, f"{bound}/moved")
    seen()
finally:
    check(libc.umount2(bound.encode(), 2))
