"""renameat2(2) with RENAME_WHITEOUT, alone and with other flags, of everything, to everywhere: whiteout.py DIR."""

import ctypes
import errno
import os
import shutil
import stat
import sys

os.chdir(sys.argv[1])
os.chmod(".", 0o755)
libc = ctypes.CDLL(None, use_errno=True)
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4


def rename(old, new, flags):
    if libc.renameat2(-100, old.encode(), -100, new.encode(), flags) == 0:
        return "ok"
    return errno.errorcode[ctypes.get_errno()]


def tree():
    for directory, _, files in sorted(os.walk(".")):
        for path in [directory] + [f"{directory}/{name}" for name in sorted(files)]:
            found = os.lstat(path)
            device = found.st_rdev if stat.S_ISCHR(found.st_mode) else None
            yield path, stat.filemode(found.st_mode), found.st_nlink, found.st_uid, found.st_gid, device


def make():
    os.mkdir("directory")
    os.mkdir("full")
    os.mkdir("group")
    os.chown("group", 0, 7)
    os.chmod("group", 0o2775)
    for name in ("file", "other", "full/inner", "group/inner"):
        open(name, "w").write(name)
    os.symlink("file", "link")
    os.link("file", "hard")


def clear():
    for name in os.listdir("."):
        shutil.rmtree(name) if stat.S_ISDIR(os.lstat(name).st_mode) else os.unlink(name)


for flags in (WHITEOUT, WHITEOUT | NOREPLACE, WHITEOUT | EXCHANGE):
    for old in ("file", "directory", "full", "link", "group/inner", "nothing"):
        for new in ("new", "full/new", "other", "hard", "full", "directory", "file", "directory/below", "n" * 256):
            os.umask(0o027)
            make()
            fd = os.open("file", os.O_RDONLY)
            print(flags, old, new[:20], rename(old, new, flags), os.fstat(fd).st_nlink, *tree(), sep="\n  ")
            os.close(fd)
            clear()

# A whiteout is a name like any other.
make()
print(rename("file", "new", WHITEOUT), rename("other", "file", 0), open("file").read(), open("new").read())
print(rename("file", "new", WHITEOUT), rename("file", "third", NOREPLACE), os.listdir(".").count("third"))
os.unlink("third")
print(sorted(os.listdir(".")))
clear()
