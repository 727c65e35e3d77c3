"""What chattr(1)'s flags keep from being done, as errno names: inode_flags.py DIR. Lines with "open:" depend on who opens files."""

import array
import ctypes
import errno
import fcntl
import os
import shutil
import struct
import sys

GETFLAGS, SETFLAGS, FSGETXATTR, FSSETXATTR = 0x80086601, 0x40086602, 0x801C581F, 0x401C5820
IMMUTABLE, APPEND, NODUMP, NOATIME = 0x10, 0x20, 0x40, 0x80
os.chdir(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)


def outcome(call, *arguments, **named):
    try:
        result = call(*arguments, **named)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok" if result is None else result


def get(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        return struct.unpack("I", fcntl.ioctl(fd, GETFLAGS, bytes(8))[:4])[0]
    finally:
        os.close(fd)


def set_flags(path, flags):
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, SETFLAGS, struct.pack("l", flags))
    finally:
        os.close(fd)


def get_fsx(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        return struct.unpack("7I", fcntl.ioctl(fd, FSGETXATTR, bytes(28)))
    finally:
        os.close(fd)


def set_fsx(path, *words):
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, FSSETXATTR, struct.pack("7I", *words))
    finally:
        os.close(fd)


def write(path, flags):
    fd = os.open(path, flags)
    try:
        return os.write(fd, b"more")
    finally:
        os.close(fd)


def rename(old, new, flags):
    if libc.renameat2(-100, old.encode(), -100, new.encode(), flags):
        raise OSError(ctypes.get_errno(), "")


def make_file(path, text="text"):
    with open(path, "w") as file:
        file.write(text)


def tmpfile(directory):
    os.close(os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o600))


FILE_OPERATIONS = {
    "read": lambda p: open(p).read(),
    "truncate": lambda p: os.truncate(p, 2),
    "open O_TRUNC": lambda p: write(p, os.O_WRONLY | os.O_TRUNC),
    "append": lambda p: write(p, os.O_WRONLY | os.O_APPEND),
    "chmod": lambda p: os.chmod(p, 0o640),
    "chown": lambda p: os.chown(p, 1, 1),
    "touch": lambda p: os.utime(p),
    "set times": lambda p: os.utime(p, (1, 1)),
    "set attribute": lambda p: os.setxattr(p, "user.a", b"x"),
    "remove attribute": lambda p: os.removexattr(p, "user.b"),
    "set access list": lambda p: os.setxattr(p, "system.posix_acl_access", struct.pack("<IHHIHHIHHIHHIHHI", 2, 1, 6, 0xFFFFFFFF, 2, 6, 5, 4, 4, 0xFFFFFFFF, 16, 6, 0xFFFFFFFF, 32, 4, 0xFFFFFFFF)),
    "link": lambda p: os.link(p, "linked"),
    "rename": lambda p: os.rename(p, "renamed"),
    "exchange": lambda p: rename(p, "other", 2),
    "rename over": lambda p: os.rename("other", p),
    "whiteout": lambda p: rename(p, "renamed", 4),
    "unlink": lambda p: os.unlink(p),
}
DIRECTORY_OPERATIONS = {
    "list": lambda p: sorted(os.listdir(p)),
    "create": lambda p: make_file(f"{p}/new"),
    "create what is there": lambda p: os.open(f"{p}/inner", os.O_CREAT | os.O_EXCL),
    "mkdir": lambda p: os.mkdir(f"{p}/new"),
    "mkdir what is there": lambda p: os.mkdir(f"{p}/below"),
    "symlink": lambda p: os.symlink("target", f"{p}/new"),
    "mkfifo": lambda p: os.mkfifo(f"{p}/new"),
    "link into": lambda p: os.link("other", f"{p}/new"),
    "rename into": lambda p: os.rename("other", f"{p}/new"),
    "rename out": lambda p: os.rename(f"{p}/inner", "out"),
    "rename inside": lambda p: os.rename(f"{p}/inner", f"{p}/new"),
    "replace": lambda p: os.rename("other", f"{p}/inner"),
    "unlink": lambda p: os.unlink(f"{p}/inner"),
    "rmdir below": lambda p: os.rmdir(f"{p}/below"),
    "unlink what is not there": lambda p: os.unlink(f"{p}/nothing"),
    "unnamed file": tmpfile,
    "write a file in it": lambda p: write(f"{p}/inner", os.O_WRONLY),
    "chmod": lambda p: os.chmod(p, 0o700),
    "rename": lambda p: os.rename(p, "renamed"),
    "rmdir": lambda p: os.rmdir(p),
}
# What the kernel asks nobody about when it opens a file of a FUSE mount.
OPEN_OPERATIONS = {
    "open to write": lambda p: os.close(os.open(p, os.O_WRONLY)),
    "open to read and write": lambda p: os.close(os.open(p, os.O_RDWR)),
    "open to append": lambda p: os.close(os.open(p, os.O_WRONLY | os.O_APPEND)),
    "access": lambda p: os.access(p, os.W_OK),
}


def fresh():
    """A file, a directory and another file, without flags."""
    make_file("file")
    os.setxattr("file", "user.b", b"x")
    make_file("other", "other")
    os.makedirs("directory/below")
    make_file("directory/inner")


def clear():
    for path in ("file", "directory", "renamed", "other", "linked", "directory/inner", "directory/new", "out"):
        if os.path.lexists(path) and (os.path.isfile(path) or os.path.isdir(path)):
            outcome(set_flags, path, 0)
    for path in os.listdir("."):
        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)


for flag, text in ((IMMUTABLE, "immutable"), (APPEND, "append only"), (NODUMP | NOATIME, "other")):
    for kind, operations in (("file", FILE_OPERATIONS), ("directory", DIRECTORY_OPERATIONS), ("file", OPEN_OPERATIONS)):
        for name, operation in operations.items():
            fresh()
            set_flags(kind, flag)
            result = outcome(operation, kind)
            left = sorted(os.listdir(".")), sorted(os.listdir("directory")) if os.path.isdir("directory") else None
            content = open("file").read() if os.path.isfile("file") else None
            prefix = "open: " if operations is OPEN_OPERATIONS else ""
            print(prefix + text, kind, name, result, left, content)
            clear()

# Writing what is not opened by truncating it.
for flag, text in ((IMMUTABLE, "immutable"), (APPEND, "append only")):
    for flags in (os.O_WRONLY, os.O_RDWR):
        fresh()
        set_flags("file", flag)
        print(text, "write", outcome(write, "file", flags), open("file").read())
        clear()

# O_APPEND cannot be taken away from what may only be appended to.
fresh()
set_flags("file", APPEND)
fd = os.open("file", os.O_WRONLY | os.O_APPEND)
print("open: append only", "F_SETFL", outcome(fcntl.fcntl, fd, fcntl.F_SETFL, 0), outcome(fcntl.fcntl, fd, fcntl.F_SETFL, os.O_APPEND | os.O_NONBLOCK), os.write(fd, b"more"), open("file").read())
print("append only", "ftruncate", outcome(os.ftruncate, fd, 0), outcome(os.posix_fallocate, fd, 0, 4), open("file").read())
os.close(fd)
clear()

# The calls themselves.
fresh()
for flags in (0, IMMUTABLE, APPEND, NODUMP, NOATIME, 0xF0, 0x100, 0x1, 0x8, 0x40000000, 0x80000):
    for path in ("file", "directory"):
        print(hex(flags), path, outcome(set_flags, path, flags), hex(get(path)), get_fsx(path))
        outcome(set_flags, path, 0)
for words in ((8, 0, 0, 0, 0, 0, 0), (0x10, 0, 0, 0, 0, 0, 0), (0x40 | 0x80, 0, 9, 0, 0, 9, 9), (1, 0, 0, 0, 0, 0, 0), (0x20, 0, 0, 0, 0, 0, 0), (0, 1, 0, 0, 0, 0, 0), (0, 0, 0, 7, 0, 0, 0), (0, 0, 0, 0, 5, 0, 0)):
    print(words, outcome(set_fsx, "file", *words), hex(get("file")), get_fsx("file"))
    outcome(set_flags, "file", 0)
os.symlink("file", "link")
os.mkfifo("fifo")
fifo = os.open("fifo", os.O_RDONLY | os.O_NONBLOCK)
print("a fifo", outcome(fcntl.ioctl, fifo, GETFLAGS, bytes(8)))
before = os.stat("file").st_ctime_ns
set_flags("file", NODUMP)
print("time of change", os.stat("file").st_ctime_ns > before)
for syscall in (468, 469):
    # struct file_attr: xflags, extsize, nextents, projid, cowextsize
    attributes = array.array("Q", [0x40, 0, 0])
    address, length = attributes.buffer_info()
    result = libc.syscall(syscall, -100, b"file", ctypes.c_void_p(address), 24, 0)
    print("file_getattr" if syscall == 468 else "file_setattr", result, ctypes.get_errno() if result else 0, list(attributes))
    if ctypes.get_errno() == errno.ENOSYS:
        print("no such call")

# What new inodes have of their directory.
set_flags("directory", NODUMP | NOATIME | APPEND)
make_file("directory/heir")
os.mkdir("directory/heiress")
print("inherited", hex(get("directory/heir")), hex(get("directory/heiress")))
# Reading a file with +A.
make_file("noatime")
set_flags("noatime", NOATIME)
fd = os.open("noatime", os.O_RDONLY)
os.utime("noatime", (1, 1))
os.read(fd, 10)
print("read", os.stat("noatime").st_atime)
clear()
