"""Changes names and attributes through libc, for names.test.ts.

    names.py results DIRECTORY          what every call returns, on every pair of paths of a small tree, and what is there afterwards
    names.py alternate DIRECTORY COUNT  changes in this process and looks in one without the library, and the other way round
    names.py serve                      that other process: carries out the calls it is told on standard input
"""

import ctypes
import json
import os
import stat
import subprocess
import sys

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, AT_SYMLINK_NOFOLLOW, AT_REMOVEDIR, AT_SYMLINK_FOLLOW = -100, 0x100, 0x200, 0x400
NOREPLACE, EXCHANGE = 1, 2
FOREIGN = 1
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
LONG_NAME, TOO_LONG_NAME = "l" * 255, "l" * 256

PATHS = [
    "file",
    "file/",
    "file/x",
    "other",
    "empty",
    "empty/",
    "empty/.",
    "empty/..",
    ".",
    "..",
    "full",
    "full/",
    "full/in",
    "full/deep",
    "full/deep/new",
    "link",
    "to-empty",
    "to-empty/",
    "to-empty/new",
    "dangling",
    "dangling/",
    "loop/x",
    "new",
    "new/",
    "none/new",
    "closed/new",
    "closed/in",
    "unreadable/in",
    "sticky/theirs",
    "sticky/theirs/new",
    "sticky/mine",
    LONG_NAME,
    TOO_LONG_NAME,
    "none/" + TOO_LONG_NAME,
    "x/" * 2100,
    "",
]


def clear(directory):
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        status = os.lstat(path)
        if stat.S_ISDIR(status.st_mode):
            if status.st_uid != FOREIGN:
                os.chmod(path, 0o700)
            clear(path)
            if status.st_uid != FOREIGN:
                os.rmdir(path)
        elif status.st_uid != FOREIGN:
            os.unlink(path)


def build(root):
    """The tree as it was before; in "sticky" there are files of others, too."""
    os.chmod(root, 0o755)
    clear(root)
    os.chdir(root)
    for name in ("file", "other", "sticky/mine"):
        os.mknod(name, 0o644 | stat.S_IFREG)
    for name in ("empty", "full", "full/deep", "closed", "unreadable"):
        os.mkdir(name)
    for name in ("full/in", "full/deep/file", "closed/in", "unreadable/in"):
        os.mknod(name, 0o600 | stat.S_IFREG)
    os.link("file", "second")
    for name, target in (("link", "file"), ("to-empty", "empty"), ("dangling", "new"), ("loop", "loop")):
        os.symlink(target, name)
    os.chmod("closed", 0o555)
    os.chmod("unreadable", 0o600)


def listing(root):
    found = []
    for directory, names, files in os.walk(root):
        for name in sorted(names + files):
            path = os.path.join(directory, name)
            try:
                status = os.lstat(path)
            except PermissionError:
                continue
            size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
            found.append([path[len(root):], status.st_mode, status.st_nlink, status.st_uid, status.st_gid, size])
    return sorted(found)


def call(function, *arguments):
    entry = getattr(libc, function)
    converted = [each.encode() if isinstance(each, str) else each for each in arguments]
    converted = [ctypes.c_long(each) if isinstance(each, int) else each for each in converted]
    ctypes.set_errno(0)
    result = entry(*converted)
    return [function, [each[:40] if isinstance(each, str) else each if isinstance(each, int) else "" for each in arguments], result, ctypes.get_errno()]


def times(*values):
    return ctypes.create_string_buffer(b"".join(each.to_bytes(8, "little", signed=True) for each in values))


def single(path):
    yield "mkdir", path, 0o7777
    yield "rmdir", path
    yield "unlink", path
    yield "remove", path
    yield "unlinkat", AT_FDCWD, path, AT_REMOVEDIR
    yield "mknod", path, 0o6755 | stat.S_IFREG, 0
    yield "mknod", path, 0o644 | stat.S_IFDIR, 0
    yield "mknodat", AT_FDCWD, path, 0o777 | stat.S_IFSOCK, 0
    yield "mkfifo", path, 0o666
    yield "symlink", "anything", path
    yield "symlink", "", path
    yield "symlinkat", "t" * 3000, AT_FDCWD, path
    # Its mode decides whether the tree can still be reached.
    if path == "..":
        return
    yield "chmod", path, 0o7711
    yield "fchmodat", AT_FDCWD, path, 0o640, AT_SYMLINK_NOFOLLOW
    yield "chown", path, 0, 5
    yield "chown", path, 7, -1
    yield "lchown", path, -1, 0
    yield "lchown", path, -1, -1
    yield "truncate", path, 10000
    yield "truncate", path, -1
    yield "utimensat", AT_FDCWD, path, None, 0
    yield "utimensat", AT_FDCWD, path, times(1, 2, 3, 4), AT_SYMLINK_NOFOLLOW
    yield "utimensat", AT_FDCWD, path, times(1, UTIME_OMIT, 3, UTIME_NOW), 0
    yield "utimensat", AT_FDCWD, path, times(1, 1000000000, 3, 4), 0
    yield "utimes", path, times(1, 2, 3, 1000000)
    yield "setxattr", path, "user.name", "value", 5, 0
    yield "setxattr", path, "user.name", "value", 5, 2
    yield "lremovexattr", path, "user.name"
    yield "lgetxattr", path, "user.name", None, 0
    yield "lgetxattr", path, "system.posix_acl_access", None, 0
    yield "listxattr", path, None, 0


def double(old, new):
    yield "rename", old, new
    yield "renameat2", AT_FDCWD, old, AT_FDCWD, new, NOREPLACE
    yield "renameat2", AT_FDCWD, old, AT_FDCWD, new, EXCHANGE
    yield "link", old, new
    yield "linkat", AT_FDCWD, old, AT_FDCWD, new, AT_SYMLINK_FOLLOW


def results(root):
    build(root)
    calls = [each for path in PATHS for each in single(path)]
    calls += [each for old in PATHS for new in PATHS for each in double(old, new)]
    for each in calls:
        result = call(*each)
        # What succeeded is looked at, and undone.
        if result[2] != -1:
            result.append(listing(root))
            build(root)
        print(json.dumps(result))
    print(json.dumps(listing(root)))


# Two processes


def perform(name, *arguments):
    """What a call gives, in words that both processes would use."""
    try:
        if name == "stat":
            status = os.lstat(*arguments)
            return [status.st_ino, status.st_mode, status.st_nlink, status.st_size, int(status.st_mtime)]
        if name == "list":
            return sorted(os.listdir(*arguments))
        if name == "open":
            descriptor = os.open(*arguments)
            os.close(descriptor)
            return True
        if name == "getxattr":
            return os.getxattr(*arguments).decode()
        if name == "setxattr":
            arguments = [*arguments[:2], arguments[2].encode()]
        if name == "utime":
            arguments = [arguments[0], tuple(arguments[1])]
        return getattr(os, name)(*arguments)
    except OSError as error:
        return error.errno


def serve():
    for line in sys.stdin:
        print(json.dumps(perform(*json.loads(line))), flush=True)


class Other:
    """The process without the library."""

    def __init__(self):
        environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
        self.process = subprocess.Popen(
            [sys.executable, __file__, "serve"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def __call__(self, *call):
        self.process.stdin.write(json.dumps(call) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def expect(actual, wanted, what):
    if actual != wanted:
        sys.exit(f"{what}: {actual} instead of {wanted}")


ENOENT = 2


def rounds(directory, change, look, number):
    """`look` must see each change at once, whatever it saw before."""
    a, b, target = f"{directory}/a", f"{directory}/b{number % 7}", f"{directory}/d"
    expect(look("stat", a), ENOENT, "before")
    expect(change("mknod", a, 0o644 | stat.S_IFREG), None, "mknod")
    expect(change("chmod", a, 0o755), None, "chmod")
    expect(change("truncate", a, number), None, "truncate")
    expect(look("open", a, os.O_RDONLY), True, "open of a new file")
    expect(look("access", a, os.X_OK), True, "access")
    ino, mode, _, size, _ = look("stat", a)
    expect([mode & 0o777, size], [0o755, number], "stat of a new file")
    change("chmod", a, 0o644)
    expect(look("access", a, os.X_OK), False, "access after chmod")
    change("truncate", a, number + 1)
    change("utime", a, [number, number])
    expect(look("stat", a)[3:], [number + 1, number], "size and time")
    change("setxattr", a, "user.round", str(number))
    expect(look("getxattr", a, "user.round"), str(number), "getxattr")
    expect(look("list", directory), ["a"], "listing")
    expect(change("rename", a, b), None, "rename")
    expect(look("list", directory), [os.path.basename(b)], "listing after rename")
    expect(look("stat", a), ENOENT, "the old name")
    expect(look("stat", b)[0], ino, "the new name")
    change("link", b, a)
    expect(look("stat", b)[2], 2, "links")
    expect(look("stat", a)[0], ino, "another name")
    change("unlink", b)
    expect(look("stat", a)[2], 1, "links after unlink")
    change("unlink", a)
    expect(look("stat", a), ENOENT, "a removed file")
    for text in (f"target{number}", "t" * (number % 90 + 1)):
        change("symlink", text, a)
        expect(look("readlink", a), text, "readlink")
        change("unlink", a)
    change("mkdir", target, 0o700)
    change("mkdir", f"{target}/in", 0o700)
    expect(look("list", target), ["in"], "a new directory")
    expect(look("stat", directory)[2], 3, "links of a directory")
    change("rename", target, a)
    expect(look("list", target), ENOENT, "a directory's old name")
    expect(look("list", a), ["in"], "a directory's new name")
    expect(change("rmdir", a), 39, "rmdir of what is not empty")
    change("rmdir", f"{a}/in")
    expect(look("list", a), [], "an empty directory")
    expect(change("rmdir", a), None, "rmdir")
    # Nobody has looked at this one.
    change("mkdir", target, 0o700)
    change("rename", target, a)
    expect(change("rmdir", a), None, "rmdir of what nobody knows")
    expect(look("list", directory), [], "nothing left")


def alternate(directory, count):
    other = Other()
    for number in range(count):
        rounds(directory, perform, other, number)
        rounds(directory, other, perform, number)
    print("ok")


if sys.argv[1] == "serve":
    serve()
elif sys.argv[1] == "results":
    os.umask(0o022)
    results(sys.argv[2])
elif sys.argv[1] == "alternate":
    alternate(sys.argv[2], int(sys.argv[3]))
