"""Does everything with descriptors of files in a directory and prints what came of it, a line for each thing.

The lines must be the same whether the kernel serves the descriptors or the preloaded library does.
Usage: descriptors.py DIRECTORY [CASE…]
"""

import array
import ctypes
import errno
import fcntl
import mmap
import os
import select
import shutil
import socket
import stat
import subprocess
import sys
import termios
import threading

root = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)
RDONLY = os.O_RDONLY


def at(name):
    return os.path.join(root, name)


def say(*what):
    print(*what, flush=True)


def attempt(function, *arguments):
    """The result, or the name of the errno."""
    try:
        return function(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, error.errno)


def reading():
    fd = os.open(at("text"), RDONLY)
    say(os.read(fd, 5), os.read(fd, 0), os.lseek(fd, 0, os.SEEK_CUR), os.pread(fd, 6, 3), os.read(fd, 7))
    for offset, whence in [(-3, os.SEEK_END), (2, os.SEEK_CUR), (5000, os.SEEK_SET), (1 << 62, os.SEEK_SET)]:
        say(offset, whence, attempt(os.lseek, fd, offset, whence), attempt(os.read, fd, 10))
    for offset, whence in [(-1, 0), (-(1 << 40), 1), (0, 9), (0, -1), (-1, 3), (-1, 4), (1 << 40, 3), ((1 << 63) - 1, 1)]:
        say(offset, whence, attempt(os.lseek, fd, offset, whence))
    buffers = [bytearray(3), bytearray(0), bytearray(9), bytearray(100)]
    os.lseek(fd, 1, 0)
    say(os.readv(fd, buffers), buffers, os.preadv(fd, buffers, 10), buffers, os.lseek(fd, 0, 1))
    # No parts at all, and no address of them.
    say(libc.readv(fd, None, 0), libc.preadv(fd, None, 0, ctypes.c_long(0)), libc.readv(fd, None, -1))
    say(attempt(os.preadv, fd, buffers, 4, os.RWF_NOWAIT) in (112, "EOPNOTSUPP", "EAGAIN"), buffers[0])
    for function, *rest in [(os.pread, 5, -1), (os.preadv, buffers, -5), (os.write, b"x"), (os.pwrite, b"x", 0), (os.ftruncate, 0)]:
        say(function.__name__, attempt(function, fd, *rest))
    say(attempt(os.fsync, fd), attempt(os.fdatasync, fd), attempt(os.posix_fadvise, fd, 0, 0, os.POSIX_FADV_WILLNEED))
    say(attempt(os.posix_fadvise, fd, 0, -1, 0), attempt(os.posix_fadvise, fd, 0, 0, 77))
    os.close(fd)


def large():
    with open(at("large"), "rb", buffering=0) as file:
        whole = file.read()
        say(len(whole), hash(whole) == hash(open(at("large"), "rb").read()), file.read(1))
    fd = os.open(at("large"), RDONLY)
    for offset in (0, 4095, 4096, 49151, 49152, 1 << 20, (1 << 22) - 3, len(whole) - 5, len(whole)):
        for length in (1, 4096, 4097, 70_000, 1 << 21):
            part = os.pread(fd, length, offset)
            say(offset, length, len(part), part == whole[offset:offset + length])
    os.close(fd)


def sparse():
    fd = os.open(at("sparse"), RDONLY)
    size = os.fstat(fd).st_size
    for offset in (0, 5000, 99_999, 1 << 20, (1 << 20) + 5, 1 << 30, size - 1, size):
        say(offset, attempt(os.lseek, fd, offset, os.SEEK_DATA), attempt(os.lseek, fd, offset, os.SEEK_HOLE))
    say(os.pread(fd, 20, (1 << 20) - 10), os.pread(fd, 3, 1 << 30), set(os.pread(fd, 1 << 20, 1 << 29)))
    os.close(fd)


def directories():
    fd = os.open(root, RDONLY | os.O_DIRECTORY)
    say(attempt(os.read, fd, 10), attempt(os.pread, fd, 10, 0), attempt(os.read, fd, 0))
    say(attempt(mmap.mmap, fd, 10, mmap.MAP_PRIVATE, mmap.PROT_READ))
    names = os.listdir(fd)
    say(names == os.listdir(root), sorted(names), len(names) == len(set(names)))
    say([(entry.name, entry.is_dir(), entry.inode() == os.lstat(entry.path).st_ino) for entry in os.scandir(root)])
    say(os.open("text", RDONLY, dir_fd=fd) > 2)
    say(os.stat("text", dir_fd=fd).st_size)
    os.mkdir("made", dir_fd=fd)
    say("made" in os.listdir(fd), sorted(names) == sorted(os.listdir(fd)))
    os.rmdir("made", dir_fd=fd)
    here = os.getcwd()
    os.fchdir(fd)
    say(os.getcwd() == os.path.realpath(root))
    os.chdir(here)
    os.close(fd)
    for path, flags in [("text", os.O_DIRECTORY), ("link", os.O_NOFOLLOW), ("link", os.O_NOFOLLOW | os.O_DIRECTORY),
                        ("none", 0), ("text/none", 0), ("text/", 0), ("link", 0), ("secret", 0), (".", os.O_WRONLY),
                        ("text", os.O_CREAT | os.O_EXCL), ("n" * 256, 0), ("", 0)]:
        fd = attempt(os.open, at(path) if path else "", flags)
        say(path[:10], flags, fd if isinstance(fd, str) else "open")
        if not isinstance(fd, str):
            os.close(fd)
    say([(os.path.relpath(where, root), sorted(below), sorted(files)) for where, below, files, _ in os.fwalk(root)])


def streams():
    """readdir and its relatives, as C programs call them."""

    class Dirent(ctypes.Structure):
        _fields_ = [("ino", ctypes.c_ulong), ("off", ctypes.c_long), ("reclen", ctypes.c_ushort), ("type", ctypes.c_ubyte), ("name", ctypes.c_char * 256)]

    for name in ("opendir", "fdopendir"):
        getattr(libc, name).restype = ctypes.c_void_p
    libc.readdir.restype = ctypes.POINTER(Dirent)
    libc.telldir.restype = ctypes.c_long
    for name in ("readdir", "telldir", "closedir", "rewinddir", "dirfd"):
        getattr(libc, name).argtypes = [ctypes.c_void_p]
    libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
    libc.readdir_r.argtypes = [ctypes.c_void_p, ctypes.POINTER(Dirent), ctypes.POINTER(ctypes.POINTER(Dirent))]

    def rest(directory):
        names = []
        while entry := libc.readdir(directory):
            names.append((entry.contents.name, entry.contents.type))
        return names

    directory = libc.opendir(root.encode())
    first = libc.readdir(directory).contents.name
    place = libc.telldir(directory)
    behind = rest(directory)
    libc.seekdir(directory, place)
    say(first, rest(directory) == behind, behind[:3], len(behind))
    libc.rewinddir(directory)
    open(at("later"), "w").close()
    say(len(rest(directory)) - len(behind))
    libc.rewinddir(directory)
    say(len(rest(directory)) - len(behind))
    os.unlink(at("later"))
    libc.rewinddir(directory)
    entry, result = Dirent(), ctypes.POINTER(Dirent)()
    say(libc.readdir_r(directory, ctypes.byref(entry), ctypes.byref(result)), entry.name, bool(result))
    rest(directory)
    say(libc.readdir_r(directory, ctypes.byref(entry), ctypes.byref(result)), bool(result))
    say(stat.S_ISDIR(os.fstat(libc.dirfd(directory)).st_mode), fcntl.fcntl(libc.dirfd(directory), fcntl.F_GETFD))
    # The stream goes on in a child, at the same place.
    libc.rewinddir(directory)
    libc.readdir(directory)
    child = os.fork()
    if child == 0:
        say("child", rest(directory) == behind)
        os._exit(0)
    os.waitpid(child, 0)
    say(libc.closedir(directory))
    fd = os.open(root, RDONLY)
    directory = libc.fdopendir(fd)
    say(libc.dirfd(directory) == fd, len(rest(directory)) - len(behind), libc.closedir(directory), attempt(os.fstat, fd))
    ctypes.set_errno(0)
    say(libc.opendir(at("text").encode()), ctypes.get_errno() == errno.ENOTDIR)
    fd = os.open(at("text"), RDONLY)
    say(libc.fdopendir(fd), ctypes.get_errno() == errno.ENOTDIR)
    os.close(fd)
    found = ctypes.POINTER(ctypes.POINTER(Dirent))()
    count = libc.scandir(root.encode(), ctypes.byref(found), None, libc.alphasort)
    say(count, [found[i].contents.name for i in range(count)])
    os.mkdir(at("gone"))
    directory = libc.opendir(at("gone").encode())
    os.rmdir(at("gone"))
    ctypes.set_errno(0)
    say(rest(directory), ctypes.get_errno(), libc.closedir(directory))


def many_names():
    os.mkdir(at("many"))
    for i in range(3000):
        os.close(os.open(at(f"many/{'x' * (i % 90)}{i}"), os.O_CREAT | os.O_WRONLY))
    say(os.listdir(at("many")) == [entry.name for entry in os.scandir(at("many"))], len(set(os.listdir(at("many")))))
    # What is removed while it is listed is not met twice, and nothing else is left out.
    met = 0
    for entry in os.scandir(at("many")):
        os.unlink(entry.path)
        met += 1
    say(met, os.listdir(at("many")))
    os.rmdir(at("many"))


def numbers():
    a, b, c = (os.open(at("text"), RDONLY) for _ in range(3))
    say(b - a, c - a)
    os.close(b)
    say(attempt(os.close, b), attempt(os.fstat, b), attempt(os.dup, b), attempt(fcntl.fcntl, b, fcntl.F_GETFD), attempt(os.read, b, 1))
    os.close(a)
    os.close(c)
    again = os.open(at("text"), RDONLY)
    say(again - a)
    os.close(again)
    for make in (lambda: os.dup(1), lambda: os.open("/dev/null", RDONLY), lambda: os.open(at("text"), os.O_RDWR),
                 lambda: socket.socket().detach(), lambda: os.open(at("link"), os.O_PATH), lambda: fcntl.fcntl(1, fcntl.F_DUPFD, 0)):
        os.close(os.open(at("text"), RDONLY))
        fd = make()
        say(fd - a)
        os.close(fd)
    read_end, write_end = os.pipe()
    say(read_end - a, write_end - a)
    os.close(read_end)
    os.close(write_end)
    os.close(os.open(at("text"), RDONLY))
    say(attempt(os.read, a, 1), attempt(os.lseek, a, 0, 0), attempt(os.fchdir, a), attempt(os.isatty, a))


def duplicates():
    fd = os.open(at("text"), RDONLY)
    other = os.dup(fd)
    say(os.read(fd, 4), os.read(other, 4), os.lseek(other, 1, 0), os.read(fd, 3))
    os.close(fd)
    say(os.read(other, 3), attempt(os.read, fd, 1))
    third = os.dup2(other, 77)
    os.close(other)
    say(third, os.read(77, 2), os.get_inheritable(77))
    large_one = os.open(at("large"), RDONLY)
    say(os.dup2(77, large_one, False) == large_one, os.read(large_one, 2), os.get_inheritable(large_one))
    say(os.dup2(77, 77), attempt(os.dup2, 78, 77), os.read(77, 1))
    null = os.open("/dev/null", RDONLY)
    os.dup2(null, 77)
    say(os.read(77, 5), os.read(large_one, 2))
    os.dup2(large_one, null)
    say(os.read(null, 2), fcntl.fcntl(null, fcntl.F_DUPFD, 200), os.read(200, 1), fcntl.fcntl(200, fcntl.F_DUPFD_CLOEXEC, 200))
    say(fcntl.fcntl(200, fcntl.F_GETFD), fcntl.fcntl(201, fcntl.F_GETFD), os.lseek(201, 0, 1), attempt(fcntl.fcntl, 201, fcntl.F_DUPFD, 1 << 30))
    for each in (77, large_one, null, 200, 201):
        os.close(each)
    # Onto every number there may be, also the one the library keeps for itself.
    fd = os.open(at("text"), RDONLY)
    for number in range(1000, 1024):
        os.dup2(fd, number)
    say([os.read(number, 1) for number in range(1000, 1024)])
    os.closerange(1000, 1024)
    say(os.read(fd, 3), attempt(os.read, 1023, 1), attempt(os.close, 1023))
    text = os.open(at("text"), RDONLY)
    say(os.read(text, 2))
    os.close(text)
    os.close(fd)


def control():
    for flags in (0, os.O_CLOEXEC, os.O_NOFOLLOW, os.O_NONBLOCK | os.O_APPEND, os.O_DIRECTORY, os.O_SYNC, os.O_NOATIME, os.O_NOCTTY):
        path = root if flags & os.O_DIRECTORY else at("text")
        fd = os.open(path, flags)
        say(oct(flags), oct(fcntl.fcntl(fd, fcntl.F_GETFL)), fcntl.fcntl(fd, fcntl.F_GETFD))
        os.close(fd)
    fd = os.open(at("text"), RDONLY)
    for flags in (os.O_APPEND, os.O_NONBLOCK | os.O_RDWR, 0):
        say(fcntl.fcntl(fd, fcntl.F_SETFL, flags), oct(fcntl.fcntl(fd, fcntl.F_GETFL)))
    os.set_inheritable(fd, True)
    say(fcntl.fcntl(fd, fcntl.F_GETFD), fcntl.ioctl(fd, 0x5451), fcntl.fcntl(fd, fcntl.F_GETFD))
    os.close(fd)
    # The number's next use has the flag it asks for.
    fd = libc.open(at("text").encode(), 0)
    say(fcntl.fcntl(fd, fcntl.F_GETFD))
    os.close(fd)
    fd = libc.open(at("text").encode(), os.O_CLOEXEC)
    say(fcntl.fcntl(fd, fcntl.F_GETFD), os.isatty(fd), attempt(os.ttyname, fd))
    left = array.array("i", [0])
    os.read(fd, 4)
    fcntl.ioctl(fd, termios.FIONREAD, left)
    try:
        termios.tcgetattr(fd)
    except termios.error as error:
        say(left[0], error.args[0] == errno.ENOTTY)
    say(attempt(fcntl.ioctl, fd, termios.TIOCGWINSZ, b"        "), os.read(fd, 3))
    say(attempt(fcntl.flock, fd, fcntl.LOCK_SH | fcntl.LOCK_NB), attempt(fcntl.lockf, fd, fcntl.LOCK_SH | fcntl.LOCK_NB), os.read(fd, 3))
    os.close(fd)
    second = os.open(at("text"), os.O_RDWR)
    third = os.open(at("text"), RDONLY)
    fcntl.flock(second, fcntl.LOCK_EX)
    say(attempt(fcntl.flock, third, fcntl.LOCK_SH | fcntl.LOCK_NB))
    os.close(second)
    os.close(third)


def record_locks():
    """They end with the first descriptor of the file that is closed, whoever serves it."""
    script = "import fcntl, os, sys; fcntl.lockf(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    taken = lambda: subprocess.run([sys.executable, "-c", script, at("text")], stderr=subprocess.DEVNULL).returncode
    before = os.open(at("text"), RDONLY)
    writing = os.open(at("text"), os.O_RDWR)
    for close in (lambda: os.close(before), lambda: os.close(os.open(at("text"), RDONLY))):
        fcntl.lockf(writing, fcntl.LOCK_EX)
        say(taken(), close(), taken())
    os.close(writing)


def mapping():
    fd = os.open(at("large"), RDONLY)
    os.lseek(fd, 100, 0)
    with mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ) as view:
        say(len(view), view[4000:4010] == os.pread(fd, 10, 4000), os.lseek(fd, 0, 1))
    try:
        mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    except PermissionError as error:
        say(error.errno)
    os.close(fd)
    out = os.open(at("copy"), os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    fd = os.open(at("text"), RDONLY)
    say(os.sendfile(out, fd, 3, 5), os.copy_file_range(fd, out, 4, 0), os.read(fd, 4), os.pread(out, 100, 0))
    os.close(out)
    os.close(fd)
    shutil.copy2(at("large"), at("copy"))
    say(open(at("copy"), "rb").read() == open(at("large"), "rb").read(), os.stat(at("copy")).st_mtime_ns == os.stat(at("large")).st_mtime_ns)
    os.unlink(at("copy"))


def waiting():
    fd = os.open(at("text"), RDONLY)
    say(len(select.select([fd], [], [], 1)[0]), os.read(fd, 2))
    os.close(fd)
    fd = os.open(at("text"), RDONLY)
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    say([event for _, event in poll.poll(1000)], os.read(fd, 2))
    os.close(fd)
    fd = os.open(at("text"), RDONLY)
    # The library refuses it, as a file system of the kernel does; FUSE does not.
    say(attempt(select.epoll().register, fd) in (None, "EPERM"), os.read(fd, 2))
    os.close(fd)


def passing():
    here, there = socket.socketpair()
    fd = os.open(at("text"), RDONLY)
    os.read(fd, 3)
    socket.send_fds(here, [b"x"], [fd])
    _, fds, _, _ = socket.recv_fds(there, 1, 4)
    say(os.read(fds[0], 3), os.read(fd, 3))
    os.close(fd)
    fd = os.open(at("text"), RDONLY)
    os.read(fd, 3)
    name = f"/proc/self/fd/{fd}"
    say(open(name).read(5), open(f"/dev/fd/{fd}", "rb").read(5), os.path.samefile(name, at("text")), os.read(fd, 2))
    os.close(fd)


def removed():
    for use in (lambda fd: os.read(fd, 10), lambda fd: os.fstat(fd).st_nlink, lambda fd: mmap.mmap(fd, 4, prot=mmap.PROT_READ)[:],
                lambda fd: subprocess.run(["cat"], stdin=fd, stdout=subprocess.PIPE).stdout):
        with open(at("doomed"), "w") as file:
            file.write("still here")
        fd = os.open(at("doomed"), RDONLY)
        os.unlink(at("doomed"))
        say(use(fd), attempt(os.open, at("doomed"), RDONLY))
        other = os.dup(fd)
        os.close(fd)
        say(os.pread(other, 5, 6))
        os.close(other)
    # The name leads to another file by now; the descriptor does not.
    with open(at("first"), "w") as file:
        file.write("first")
    fd = os.open(at("first"), RDONLY)
    os.rename(at("first"), at("moved"))
    with open(at("first"), "w") as file:
        file.write("second")
    fcntl.flock(fd, fcntl.LOCK_SH)
    say(os.read(fd, 10), open(at("first")).read())
    os.close(fd)
    os.unlink(at("first"))
    os.unlink(at("moved"))


def changing():
    """What one descriptor writes the other reads at once."""
    out = os.open(at("grows"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    fd = os.open(at("grows"), RDONLY)
    say(os.read(fd, 10))
    for i in range(5):
        os.write(out, b"%d" % i * 3000)
        say(len(os.read(fd, 5000)), os.fstat(fd).st_size)
    os.ftruncate(out, 10)
    say(os.read(fd, 10), os.pread(fd, 100, 0))
    os.ftruncate(out, 5000)
    say(os.pread(fd, 100, 0), set(os.pread(fd, 5000, 10)))
    os.close(out)
    os.close(fd)
    os.unlink(at("grows"))


def processes():
    fd = os.open(at("text"), RDONLY)
    say(os.read(fd, 3))
    child = os.fork()
    if child == 0:
        say("child", os.read(fd, 3))
        inner = os.open(at("text"), RDONLY)
        say("child", os.read(inner, 3), os.read(fd, 1))
        os._exit(7)
    say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), os.read(fd, 3))
    os.close(fd)

    def run(*command, **options):
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options).stdout

    fd = os.open(at("text"), RDONLY)
    os.read(fd, 2)
    say(run("head", "-c3", stdin=fd), os.lseek(fd, 0, 1) > 2)
    os.close(fd)
    fd = os.open(at("text"), RDONLY)
    os.read(fd, 2)
    say(run("sh", "-c", f"head -c4 <&{fd}", pass_fds=[fd]), run("sh", "-c", f"cat <&{fd}", close_fds=False))
    os.close(fd)
    fd = os.open(at("text"), RDONLY)
    os.read(fd, 2)
    read_end, write_end = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, fd, 0), (os.POSIX_SPAWN_DUP2, write_end, 1), (os.POSIX_SPAWN_CLOSE, read_end)]
    os.waitpid(os.posix_spawn("/bin/cat", ["cat"], {}, file_actions=actions), 0)
    say(os.read(read_end, 100), os.read(fd, 1))
    os.close(fd)
    fd = os.open(at("text"), RDONLY)
    os.set_inheritable(fd, True)
    os.read(fd, 2)
    say(os.system(f"head -c2 <&{fd} > {at('out')}"), open(at("out")).read(), os.popen(f"cat <&{fd}").read())
    os.unlink(at("out"))
    os.close(fd)
    fd = os.open(at("text"), RDONLY)
    child = os.fork()
    if child == 0:
        kept = os.open(at("text"), RDONLY)
        os.set_inheritable(kept, True)
        os.read(kept, 4)
        try:
            os.execl(at("none"), "none")
        except OSError:
            say("exec failed", os.read(kept, 2))
        # Each argument in its place, those on the stack too.
        os.dup2(write_end, 1)
        os.execl("/bin/sh", "sh", "-c", f'cat <&{kept}; echo "$@"', *"abcdefghij")
    os.waitpid(child, 0)
    say(os.read(read_end, 100))
    libc.execl.restype = ctypes.c_int
    child = os.fork()
    if child == 0:
        os.dup2(write_end, 1)
        libc.execl(b"/bin/echo", b"echo", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9", None)
    os.waitpid(child, 0)
    say(os.read(read_end, 100))
    os.close(fd)


def crowd():
    limit = 1500
    fds = [os.open(at("text"), RDONLY) for _ in range(limit)]
    say(len(set(fds)), len([1 for a, b in zip(fds[40:300], fds[41:300]) if b - a != 1]))
    for i, fd in enumerate(fds):
        os.lseek(fd, i % 20, 0)
    say(all(os.pread(fd, 1, i % 20) == os.read(fd, 1) for i, fd in enumerate(fds)))
    os.closerange(fds[0], fds[limit // 2])
    say(attempt(os.read, fds[0], 1), os.read(fds[limit // 2], 2), os.open(at("text"), RDONLY) == fds[0])
    child = os.fork()
    if child == 0:
        say(all(os.lseek(fd, 0, 1) == i % 20 + 1 for i, fd in enumerate(fds) if i > limit // 2))
        os._exit(0)
    os.waitpid(child, 0)
    os.closerange(3, 1 << 16)
    say(os.read(os.open(at("text"), RDONLY), 4))


def threads():
    size = os.stat(at("large")).st_size
    fd = os.open(at("large"), RDONLY)
    counts, errors = [], []

    def share():
        mine = 0
        while part := os.read(fd, 1000):
            mine += len(part)
        counts.append(mine)

    def again():
        for i in range(300):
            own = os.open(at("text" if i % 2 else "large"), RDONLY)
            if os.read(own, 3) != (b"abc" if i % 2 else os.pread(fd, 3, 0)):
                errors.append(i)
            os.close(own)

    group = [threading.Thread(target=each) for each in [share] * 8 + [again] * 8]
    for thread in group:
        thread.start()
    for thread in group:
        thread.join()
    say(sum(counts) == size, errors, len(counts))
    os.close(fd)


cases = [reading, large, sparse, directories, streams, many_names, numbers, duplicates, control, mapping, waiting, passing, removed, changing, processes, crowd, threads, record_locks]
# The shell's redirections name descriptors by one digit only, so none that this program was started with may take a number.
os.closerange(3, 256)
for case in cases:
    if len(sys.argv) == 2 or case.__name__ in sys.argv[2:]:
        say(f"-- {case.__name__}")
        case()
