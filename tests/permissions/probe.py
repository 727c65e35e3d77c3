"""Objects of many owners and modes, and what a process may do with each of them.

    probe.py make STEP DIR…            makes every STEPth of the objects below each DIR; not as root: those that the user can make
    probe.py try STEP DIR [WAY]        does everything to them, after a first use and, if there is one, the WAY (restrict.py); prints the results
    probe.py show STEP DIR…            prints what they are like
"""

import json
import os
import stat
import struct
import sys

import restrict
from restrict import GROUP, OTHER_USER, USER

OWNERS = [(0, 0), (0, GROUP), (USER, USER), (USER, GROUP), (OTHER_USER, GROUP)]
MODES = [0o000, 0o400, 0o200, 0o640, 0o604, 0o066, 0o711, 0o777]
KINDS = ["file", "directory", "fifo"]
# Access lists: (tag, permissions, id), as in acl(5).
OWNER, A_USER, ITS_GROUP, A_GROUP, MASK, OTHERS = 1, 2, 4, 8, 16, 32
NOBODY = 0xFFFFFFFF
LISTS = [
    [(OWNER, 6, NOBODY), (A_USER, 7, USER), (ITS_GROUP, 0, NOBODY), (MASK, 7, NOBODY), (OTHERS, 0, NOBODY)],
    [(OWNER, 7, NOBODY), (A_USER, 0, 0), (ITS_GROUP, 4, NOBODY), (A_GROUP, 7, GROUP), (MASK, 5, NOBODY), (OTHERS, 4, NOBODY)],
]


def objects(step):
    """(path, owner, group, mode, kind, list) of each; in a directory for all, and in a sticky one."""
    found = []
    for number, (owner, mode, kind) in enumerate((o, m, k) for o in OWNERS for m in MODES for k in KINDS):
        found.append((f"{'sticky' if number % 2 else 'open'}/{number}-{kind}", *owner, mode, kind, None))
    for number, (owner, entries, kind) in enumerate((o, e, k) for o in OWNERS for e in LISTS for k in KINDS[:2]):
        found.append((f"{'sticky' if number % 2 else 'open'}/acl{number}-{kind}", *owner, 0o640, kind, entries))
    for number, (owner, mode) in enumerate((o, m) for o in OWNERS for m in (0o6755, 0o2775)):
        found.append((f"sticky/id{number}-{KINDS[number % 2]}", *owner, mode, KINDS[number % 2], None))
    if os.environ.get("OBJECTS") == "own":
        found = [each for each in found if each[1] == USER]
    return found[::step]


def make(tree, step):
    os.umask(0)
    os.makedirs(tree + "/open", 0o777)
    os.mkdir(tree + "/sticky", 0o1777)
    with open(tree + "/open/before", "w") as file:
        file.write("what is opened before")
    os.chmod(tree + "/open/before", 0o666)
    for path, uid, gid, mode, kind, entries in objects(step):
        path = f"{tree}/{path}"
        if kind == "directory":
            os.mkdir(path)
            with open(path + "/in", "w") as file:
                file.write("within")
        elif kind == "fifo":
            os.mkfifo(path)
        else:
            with open(path, "w") as file:
                file.write("content of the file")
        os.symlink(path.rsplit("/", 1)[1], path + ".link")
        os.chown(path, uid, gid)
        os.chmod(path, mode)
        if entries:
            value = struct.pack("I", 2) + b"".join(struct.pack("HHI", *entry) for entry in entries)
            os.setxattr(path, "system.posix_acl_access", value)


def describe(path, follow=True):
    s = os.stat(path, follow_symlinks=follow)
    return f"{stat.filemode(s.st_mode)} {s.st_uid} {s.st_gid} {0 if stat.S_ISDIR(s.st_mode) else s.st_size} {s.st_nlink}"


def opened(path, flags, work=None, mode=0o640):
    fd = os.open(path, flags | os.O_NONBLOCK, mode)
    try:
        return work(fd) if work else "opened"
    finally:
        os.close(fd)


def entries(path):
    return " ".join(sorted(os.listdir(path)))


def operations(kind):
    """(name, what to do with the path)."""
    yield "stat", describe
    yield "stat of the link", lambda p: describe(p + ".link")
    for name, mask in (("r", os.R_OK), ("w", os.W_OK), ("x", os.X_OK), ("rw", os.R_OK | os.W_OK)):
        yield f"access {name}", lambda p, mask=mask: str(os.access(p, mask))
        yield f"access {name}, effective", lambda p, mask=mask: str(os.access(p, mask, effective_ids=True))
    yield "readlink", lambda p: os.readlink(p + ".link")
    yield "read", lambda p: opened(p, os.O_RDONLY, lambda fd: "" if kind == "fifo" else str(os.pread(fd, 8, 0)))
    yield "read, without atime", lambda p: opened(p, os.O_RDONLY | os.O_NOATIME)
    yield "open for both", lambda p: opened(p, os.O_RDWR)
    yield "open or make", lambda p: opened(p, os.O_RDWR | os.O_CREAT)
    yield "getxattr", lambda p: str(os.getxattr(p, "user.none"))
    yield "setxattr", lambda p: os.setxattr(p, "user.some", b"value")
    if kind == "file":
        yield "write", lambda p: opened(p, os.O_WRONLY | os.O_APPEND, lambda fd: str(os.write(fd, b"more")))
        yield "write through the link", lambda p: opened(p + ".link", os.O_WRONLY, lambda fd: str(os.pwrite(fd, b"C", 0)))
        yield "truncate", lambda p: os.truncate(p, 5)
        yield "open and truncate", lambda p: opened(p, os.O_WRONLY | os.O_TRUNC)
    if kind == "directory":
        yield "list", entries
        yield "stat within", lambda p: describe(p + "/in")
        yield "stat of nothing within", lambda p: describe(p + "/none")
        yield "read within", lambda p: opened(p + "/in", os.O_RDONLY)
        yield "make a file", lambda p: opened(p + "/new", os.O_RDWR | os.O_CREAT | os.O_EXCL)
        yield "what was made", lambda p: describe(p + "/new")
        yield "make a directory", lambda p: os.mkdir(p + "/newer", 0o750)
        yield "what was made, then", lambda p: describe(p + "/newer")
        yield "make a link", lambda p: os.symlink("nowhere", p + "/newest")
        yield "rename within", lambda p: os.rename(p + "/new", p + "/renamed")
        yield "remove the link", lambda p: os.unlink(p + "/newest")
        yield "remove the directory", lambda p: os.rmdir(p + "/newer")
        yield "remove the file", lambda p: os.unlink(p + "/renamed")
    yield "link", lambda p: os.link(p, p + ".hard")
    yield "unlink", lambda p: os.unlink(p + ".hard")
    yield "rename", lambda p: os.rename(p, p + ".moved")
    yield "rename back", lambda p: os.rename(p + ".moved", p)
    yield "times, now", lambda p: os.utime(p)
    yield "times", lambda p: os.utime(p, (1_000_000, 2_000_000))
    yield "chown to nobody new", lambda p: os.chown(p, -1, -1)
    yield "chgrp", lambda p: os.chown(p, -1, GROUP)
    yield "chown", lambda p: os.chown(p, OTHER_USER, -1)
    yield "chmod", lambda p: os.chmod(p, 0o2750)
    yield "what became of it", describe
    yield "remove the link to it", lambda p: os.unlink(p + ".link")


def outcome(work, path):
    try:
        return work(path)
    except OSError as error:
        return os.strerror(error.errno)
    except TypeError:
        # A descriptor that could not be opened.
        return "nothing is open"


def attempt(tree, step, way=None):
    # Enough calls for the library, if there is one, to attach.
    os.chdir(tree)
    for _ in range(100):
        outcome(describe, tree + "/open")
    results = {}
    flags = {"reading": os.O_RDONLY, "writing": os.O_WRONLY | os.O_APPEND, "listing": os.O_RDONLY | os.O_DIRECTORY}
    reading, writing, listing = [outcome(lambda _: os.open("open" if name == "listing" else "open/before", flags[name]), "") for name in flags]
    if way:
        restrict.enter(way)
    results["open before: read"] = outcome(lambda _: str(os.read(reading, 4)), "")
    results["open before: write"] = outcome(lambda _: str(os.write(writing, b"x")), "")
    results["open before: fchmod"] = outcome(lambda _: os.fchmod(reading, 0o600), "")
    results["open before: list"] = outcome(lambda _: str(len(os.listdir(listing))), "")
    results["open before: stat from there"] = outcome(lambda _: str(os.stat("before", dir_fd=listing).st_mode), "")
    for number, (path, _, _, _, kind, _) in enumerate(objects(step)):
        for name, work in operations(kind):
            results[f"{path}: {name}"] = outcome(work, path if number % 4 < 2 else f"{tree}/{path}")
    return results


def show(tree):
    found = {}
    for directory, names, files in os.walk(tree):
        for name in names + files:
            path = f"{directory}/{name}"
            if path.endswith("/before"):
                continue
            try:
                found[path[len(tree) :]] = describe(path, follow=False)
            except OSError as error:
                # A user may list some directories in which nothing may be looked at.
                found[path[len(tree) :]] = error.strerror
    return found


def main(verb, step, tree, *more):
    if verb == "make":
        for each in (tree, *more):
            make(each, int(step))
    elif verb == "show":
        print(json.dumps([show(each) for each in (tree, *more)]))
    else:
        print(json.dumps(attempt(tree, int(step), *more)))


try:
    main(*sys.argv[1:])
except restrict.Unavailable as error:
    print(error, file=sys.stderr)
    sys.exit(77)
