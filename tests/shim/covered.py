"""What a program can do with descriptors that it has open while somebody else covers, binds over or detaches their mount. It opens what
it needs, says so by a line, waits for one, and prints what each operation says. Arguments: the directory, and which descriptors."""
import errno
import fcntl
import json
import mmap
import os
import select
import shutil
import sys

directory, kind = sys.argv[1:]
path = directory + "/sub/file"
TEXT = b"0123456789" * 10


def map_shared(fd):
    with mmap.mmap(fd, 50) as mapped:
        mapped[0:1] = b"M"
        return mapped[0:3].decode()


def read_duplicate(fd):
    duplicate = os.dup(fd)
    try:
        return os.pread(duplicate, 3, 3).decode()
    finally:
        os.close(duplicate)


def poll(fd):
    waiting = select.poll()
    waiting.register(fd, select.POLLIN)
    return waiting.poll(0)[0][1]


def append(fd):
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
    return os.write(fd, b"end")


def read_by_stream(fd):
    with os.fdopen(fd, "r+", closefd=False) as stream:
        stream.seek(0)
        return stream.read(3)


def read_and_write(fd):
    return os.pwrite(fd, b"P", 5), os.pread(fd, 4, 4).decode(), os.lseek(fd, 7, os.SEEK_SET), os.fstat(fd).st_nlink


# Each on a description of its own.
writing = {
    "ftruncate": lambda fd: os.ftruncate(fd, 90),
    "fchmod": lambda fd: os.fchmod(fd, 0o640),
    "fchown": lambda fd: os.fchown(fd, -1, 0),
    "futimens": lambda fd: os.utime(fd, (1, 2)),
    "fsync": os.fsync,
    "fallocate": lambda fd: os.posix_fallocate(fd, 0, 80),
    "mmap": map_shared,
    "dup": read_duplicate,
    "flock": lambda fd: fcntl.flock(fd, fcntl.LOCK_SH),
    "fsetxattr": lambda fd: os.setxattr(fd, "user.a", b"1"),
    "fstatvfs": lambda fd: os.fstatvfs(fd).f_flag & os.ST_RDONLY,
    "sendfile": lambda fd: os.sendfile(fd, reader, 0, 3),
    "copy_file_range": lambda fd: os.copy_file_range(reader, fd, 3, 0, 10),
    "poll": poll,
    "F_SETFL": append,
    "fdopen": read_by_stream,
    "pwrite": read_and_write,
    "lockf": lambda fd: fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 500),
}
within = {
    "openat": lambda fd: os.close(os.open("file", os.O_RDWR, dir_fd=fd)),
    "create": lambda fd: os.close(os.open("new", os.O_CREAT | os.O_EXCL, dir_fd=fd)),
    "list": lambda fd: sorted(os.listdir(fd)),
    "fstatat": lambda fd: os.stat("file", dir_fd=fd).st_nlink,
    "mkdirat": lambda fd: os.mkdir("made", dir_fd=fd),
    "unlinkat": lambda fd: os.unlink("new", dir_fd=fd),
    "rmdir": lambda fd: os.rmdir("made", dir_fd=fd),
    "fchdir": lambda fd: (os.fchdir(fd), os.chdir("/"))[0],
}
# In this order: what fails in between leaves the rest as it was.
reading = {
    "pread": lambda fd: os.pread(fd, 3, 0).decode(),
    "fchmod": lambda fd: os.fchmod(fd, 0o640),
    "mmap": lambda fd: mmap.mmap(fd, 50, prot=mmap.PROT_READ).close(),
    "flock": lambda fd: fcntl.flock(fd, fcntl.LOCK_SH),
    "read": lambda fd: os.read(fd, 3).decode(),
    "lseek": lambda fd: os.lseek(fd, 0, os.SEEK_CUR),
    "fstat": lambda fd: os.fstat(fd).st_size,
}


def said(operation, fd):
    try:
        return operation(fd)
    except OSError as error:
        return errno.errorcode[error.errno]


# New ones: a file that was mapped for writing stays the kernel's.
shutil.rmtree(directory + "/sub", ignore_errors=True)
os.makedirs(directory + "/sub")
with open(path, "wb") as file:
    file.write(TEXT)
said_by = 0
reader = os.open(path, os.O_RDONLY)
inside = os.open(directory + "/sub", os.O_RDONLY | os.O_DIRECTORY)
if kind == "writing":
    work = [(name, operation, os.open(path, os.O_RDWR)) for name, operation in writing.items()]
    work += [(name, operation, inside) for name, operation in within.items()]
else:
    if kind == "holding":
        # Stdin is always the kernel's own.
        said_by = os.dup(0)
        os.dup2(os.open(path, os.O_RDWR), 0)
    work = [(name, operation, reader) for name, operation in reading.items()]
print("ready", flush=True)
os.read(said_by, 1)
print(json.dumps({name: said(operation, fd) for name, operation, fd in work}))
