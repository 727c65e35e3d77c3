"""What programs do with descriptors and paths beside reading and writing: kernel_face.py DIRECTORY [CASE...]

Prints what each case has seen, without addresses, numbers and times that differ from run to run. On a file system of the kernel,
on the mount, and through the library the lines must be the same (kernel_face.test.ts).
"""
import ctypes
import errno
import fcntl
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

top = os.path.realpath(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def attempt(function, *arguments):
    """The result, or the name of the error."""
    try:
        return function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]


def system_call(number, *arguments):
    result = libc.syscall(number, *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return errno.errorcode[ctypes.get_errno()] if result < 0 else result


def new(name, text=b"hello"):
    """A file that was opened just now, so that nothing has made its descriptor a real one."""
    fd = os.open(f"{top}/{name}", os.O_RDWR | os.O_CREAT, 0o644)
    os.pwrite(fd, text, 0)
    return fd


def show(*values):
    print(*[v.replace(top, "TOP") if isinstance(v, str) else v for v in values])


def links():
    """Paths that lead to a descriptor."""
    forms = ["/proc/self/fd/%d", f"/proc/{os.getpid()}/fd/%d", "/dev/fd/%d", "/proc/thread-self/fd/%d", "//proc/./self//fd/%d", "/dev/../proc/self/fd/%d"]
    calls = {
        "readlink": os.readlink,
        "realpath": lambda p: os.path.realpath(p),
        "libc's realpath": real_path,
        "stat": lambda p: (os.stat(p).st_size, oct(os.stat(p).st_mode)),
        "statx": lambda p: statx_size(p),
        "access": lambda p: os.access(p, os.W_OK),
        "open": lambda p: os.read(os.open(p, os.O_RDONLY), 9),
        "fopen": lambda p: open(p).read(),
        "truncate": lambda p: (os.truncate(p, 3), os.stat(p).st_size),
        "utime": lambda p: (os.utime(p, (5, 6)), os.stat(p).st_mtime),
        "chmod": lambda p: (os.chmod(p, 0o600), oct(os.stat(p).st_mode)),
        "xattr": lambda p: attempt(os.getxattr, p, "user.none"),
        "statvfs": lambda p: os.statvfs(p).f_namemax,
        "link": lambda p: (os.link(p, f"{top}/linked", follow_symlinks=True), os.stat(f"{top}/linked").st_size, os.unlink(f"{top}/linked")),
    }
    for name, call in calls.items():
        for form in forms:
            fd = new("file")
            show(name, form.replace(str(os.getpid()), "PID"), attempt(call, form % fd))
            os.close(fd)
    fd = new("file")
    os.lseek(fd, 4, os.SEEK_SET)
    show("fdinfo", open(f"/proc/self/fdinfo/{fd}").readline().split())
    os.close(fd)
    listed = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
    fd = new("file")
    show("from a directory", os.readlink(str(fd), dir_fd=listed), os.stat(f"./{fd}", dir_fd=listed).st_size)
    os.close(fd)
    fd = new("file")
    os.chdir("/proc/self/fd")
    show("from the working directory", os.readlink(str(fd)), os.stat(str(fd)).st_size)
    os.chdir("/proc/self")
    os.close(fd)
    fd = new("file")
    show("two levels", os.readlink(f"fd/{fd}"))
    os.chdir("/")
    os.mkdir(f"{top}/sub")
    new("sub/inside")
    directory = os.open(f"{top}/sub", os.O_RDONLY | os.O_DIRECTORY)
    show("below", os.stat(f"/proc/self/fd/{directory}/inside").st_size, os.listdir(f"/dev/fd/{directory}"))
    directory = os.open(f"{top}/sub", os.O_RDONLY | os.O_DIRECTORY)
    os.chdir(f"/proc/self/fd/{directory}")
    show("changed to", os.getcwd())
    # A name that is too long for a socket's address.
    directory = os.open(f"{top}/sub", os.O_RDONLY | os.O_DIRECTORY)
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"/proc/self/fd/{directory}/socket")
    show("bound", sorted(os.listdir(f"{top}/sub")))
    os.symlink(f"/proc/self/fd/{fd}", f"{top}/to-descriptor")
    fd = new("other")
    os.unlink(f"{top}/to-descriptor")
    os.symlink(f"/dev/fd/{fd}", f"{top}/to-descriptor")
    show("through a link", os.stat(f"{top}/to-descriptor").st_size)
    removed = new("removed")
    os.unlink(f"{top}/removed")
    show("removed", os.readlink(f"/proc/self/fd/{removed}").endswith(" (deleted)"), os.stat(f"/proc/self/fd/{removed}").st_nlink)


def real_path(path):
    buffer = ctypes.create_string_buffer(4096)
    libc.realpath.restype = ctypes.c_char_p
    return libc.realpath(path.encode(), buffer).decode()


def statx_size(path):
    buffer = ctypes.create_string_buffer(256)
    libc.statx(-100, path.encode(), 0, 0x7FF, buffer)
    return struct.unpack_from("Q", buffer, 40)[0]


def listing():
    """The descriptors of a process as it lists them."""
    before = len(os.listdir("/proc/self/fd"))
    fds = [new(f"listed{i}") for i in range(5)]
    os.close(fds.pop(2))
    names = os.listdir("/proc/self/fd")
    show(len(names) - before, sorted(os.readlink(f"/proc/self/fd/{fd}").replace(top, "TOP") for fd in fds), all(str(fd) in names for fd in fds))
    show(new("afterwards") == fds[0] + 2)


def fill(name):
    files = []
    while True:
        try:
            files.append(os.open(f"{top}/{name}{len(files)}", os.O_RDWR | os.O_CREAT, 0o644))
        except OSError as error:
            return files, errno.errorcode[error.errno]


def limit():
    """No descriptor is free: files are inherited all the same, and as many can be open as the limit says."""
    for soft, hard in ((60, 1000), (40, 40)):
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        files, error = fill("full")
        show("open", len(files) + 3 == soft, error, attempt(os.dup, files[0]), attempt(os.pipe), attempt(socket.socket, socket.AF_UNIX))
        child = os.fork()
        if child == 0:
            os._exit(0 if all(attempt(os.write, fd, b"zz") == 2 for fd in files) else 1)
        show("child", os.waitpid(child, 0)[1], attempt(os.write, files[-1], b"q"))
        show("sizes", {os.fstat(fd).st_size for fd in files}, len({os.readlink(f"/proc/self/fd/{fd}") for fd in files}) == len(files))
        show("limit", resource.getrlimit(resource.RLIMIT_NOFILE))
        for fd in files:
            os.close(fd)
        # The same for mapping, passing on and duplicating, each with descriptors of the library's.
        files, _ = fill("again")
        os.write(files[3], b"x")
        os.set_inheritable(files[5], True)
        show("duplicated", os.dup2(files[3], files[4]) == files[4], os.lseek(files[4], 0, os.SEEK_CUR))
        show("locked", attempt(fcntl.flock, files[6], fcntl.LOCK_EX), os.fstat(files[6]).st_size)
        child = os.fork()
        if child == 0:
            os.execv("/bin/sh", ["sh", "-c", f"echo text >/proc/self/fd/{files[5]}; true"])
        show("program", os.waitpid(child, 0)[1], os.fstat(files[5]).st_size)
        for fd in files:
            os.close(fd)
        for one in ("pipe", "socket", "epoll"):
            files, _ = fill("kind")
            os.close(files.pop())
            if one == "pipe":
                os.close(files.pop())
            made = {"pipe": os.pipe, "socket": lambda: socket.socket().detach(), "epoll": lambda: os.eventfd(0)}[one]
            result = made()
            files += result if isinstance(result, tuple) else [result]
            show(one, len(files) + 3 == soft)
            for fd in files:
                os.close(fd)


def lowered():
    """The limit is set below what is open already."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 1000))
    files = [new(f"low{i}") for i in range(40)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (20, 1000))
    child = os.fork()
    if child == 0:
        os._exit(0 if all(attempt(os.write, fd, b"zz") == 2 for fd in files) else 1)
    show("child", os.waitpid(child, 0)[1], {os.fstat(fd).st_size for fd in files}, resource.getrlimit(resource.RLIMIT_NOFILE))
    show("no more", attempt(os.open, f"{top}/low0", os.O_RDONLY), attempt(os.dup, files[0]))


def deep():
    """Directories whose paths are longer than PATH_MAX."""
    name = "y" * 100
    at = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(90):
        os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=at))
    file = os.open("file", os.O_RDWR, dir_fd=at)
    os.write(file, b"deep")
    child = os.fork()
    if child == 0:
        os._exit(0 if os.listdir(at) == ["file"] and os.pwrite(file, b"er", 4) == 2 else 1)
    show("child", os.waitpid(child, 0)[1], os.fstat(file).st_size)
    again = os.open("file", os.O_RDWR, dir_fd=at)
    show("locked", attempt(fcntl.flock, again, fcntl.LOCK_EX), os.pread(again, 9, 0))
    at = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
    os.fchdir(at)
    show("there", os.stat("file").st_size, os.listdir("."), attempt(os.rename, "file", "other"), os.listdir("."))
    os.chdir(top)
    removed = subprocess.run(["rm", "-r", name], capture_output=True, text=True)
    errors = [line for line in removed.stderr.splitlines() if not line.startswith("btfuse:")]
    show("removed", removed.returncode, errors[:3], os.listdir("."))
    os.chdir("/")


def controls():
    """Descriptors in the arguments of ioctl."""
    length = 8192
    for name, call in (
        ("FICLONE", lambda a, b: fcntl.ioctl(b, 0x40049409, a)),
        ("FICLONERANGE", lambda a, b: fcntl.ioctl(b, 0x4020940D, struct.pack("qQQQ", a, 0, 0, 0))),
        ("FIDEDUPERANGE", lambda a, b: fcntl.ioctl(a, 0xC0189436, struct.pack("QQHHIqQQiI", 0, length, 1, 0, 0, b, 0, 0, 0, 0))),
        ("MOVE_EXT", lambda a, b: fcntl.ioctl(a, 0xC028660F, struct.pack("IIQQQQ", 0, b, 0, 0, 1, 0))),
        ("FIBMAP", lambda a, _: fcntl.ioctl(a, 1, struct.pack("i", 0))),
        ("FIONREAD", lambda a, _: struct.unpack("i", fcntl.ioctl(a, termios.FIONREAD, struct.pack("i", 0)))),
        ("TCGETS", lambda a, _: termios.tcgetattr(a)),
        ("unknown", lambda a, _: fcntl.ioctl(a, 0x40045A99, struct.pack("i", 0))),
    ):
        a, b = new("a", b"x" * length), new("b", b"x" * length)
        try:
            show(name, attempt(call, a, b))
        except termios.error as error:
            show(name, errno.errorcode[error.args[0]])
        os.close(a)
        os.close(b)


def commands():
    """fcntl, command by command."""
    def duplicate(fd):
        other = os.dup(fd)
        return fcntl.fcntl(fd, 1027, other), fcntl.fcntl(fd, 1027, new("third")), attempt(fcntl.fcntl, fd, 1027, 9999)

    def notified(_):
        got = []
        signal.signal(signal.SIGIO, lambda *_: got.append(1))
        directory = os.open(top, os.O_RDONLY)
        fcntl.fcntl(directory, fcntl.F_NOTIFY, fcntl.DN_CREATE)
        os.close(os.open(f"{top}/notified", os.O_CREAT | os.O_WRONLY))
        return len(got)

    def leased(_):
        fd = new("leased")
        second = os.open(f"{top}/leased", os.O_RDONLY)
        refused = attempt(fcntl.fcntl, fd, fcntl.F_SETLEASE, fcntl.F_WRLCK), attempt(fcntl.fcntl, fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        os.close(second)
        granted = attempt(fcntl.fcntl, fd, fcntl.F_SETLEASE, fcntl.F_WRLCK), fcntl.fcntl(fd, fcntl.F_GETLEASE)
        got = []
        signal.signal(signal.SIGIO, lambda *_: got.append(1))
        other = subprocess.run([sys.executable, "-c", "import os, sys\ntry: print(os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK))\nexcept OSError as e: print(e.errno)", f"{top}/leased"], capture_output=True, text=True)
        deadline = time.monotonic() + 10
        while not got and time.monotonic() < deadline:
            time.sleep(0.01)
        return refused, granted, other.stdout, len(got)

    for name, call in {
        "GET_SEALS": lambda fd: fcntl.fcntl(fd, fcntl.F_GET_SEALS),
        "ADD_SEALS": lambda fd: (attempt(fcntl.fcntl, fd, fcntl.F_ADD_SEALS, 2), attempt(fcntl.fcntl, fd, fcntl.F_ADD_SEALS, 1 << 20)),
        "ADD_SEALS of a reader": lambda _: fcntl.fcntl(os.open(f"{top}/file", os.O_RDONLY), fcntl.F_ADD_SEALS, 2),
        "CREATED_QUERY": lambda fd: (fcntl.fcntl(fd, 1028), fcntl.fcntl(new(f"created{time.monotonic_ns()}"), 1028)),
        "DUPFD_QUERY": duplicate,
        "SETOWN": lambda fd: (fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid()), fcntl.fcntl(fd, fcntl.F_GETOWN) == os.getpid()),
        "SETSIG": lambda fd: (fcntl.fcntl(fd, fcntl.F_SETSIG, 40), fcntl.fcntl(fd, fcntl.F_GETSIG)),
        "PIPE_SZ": lambda fd: fcntl.fcntl(fd, 1032),
        "RW_HINT": lambda fd: struct.unpack("Q", fcntl.fcntl(fd, 1035, bytes(8))),
        "GETLK": lambda fd: struct.unpack("hhqqi", fcntl.fcntl(fd, fcntl.F_GETLK, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)))[0],
        "unknown": lambda fd: fcntl.fcntl(fd, 9999),
        "NOTIFY": notified,
        "SETLEASE": leased,
    }.items():
        fd = new("file")
        show(name, attempt(call, fd))
        os.close(fd)


def kinds():
    """Files in the place of terminals, sockets and descriptors that can be waited for."""
    poller = select.epoll()
    directory = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    show("epoll", attempt(poller.register, new("file")), attempt(poller.modify, new("file"), 1), attempt(poller.unregister, new("file")), attempt(poller.register, directory))
    show("epoll of none", libc.epoll_ctl(9999, 1, new("file"), ctypes.create_string_buffer(16)), errno.errorcode[ctypes.get_errno()])
    show("epoll_wait", libc.epoll_wait(new("file"), ctypes.create_string_buffer(16), 1, 0), errno.errorcode[ctypes.get_errno()])
    poll = select.poll()
    poll.register(new("file"), select.POLLIN | select.POLLOUT)
    show("poll", [events for _, events in poll.poll(1000)], [len(x) for x in select.select([new("file")], [new("file")], [], 1)])
    buffer = ctypes.create_string_buffer(64)
    size = ctypes.byref(ctypes.c_int(64))
    for name, arguments in {
        "getsockname": (buffer, size), "getpeername": (buffer, size), "getsockopt": (1, 3, buffer, size), "setsockopt": (1, 2, buffer, 4),
        "listen": (1,), "accept": (None, None), "connect": (buffer, 64), "bind": (buffer, 64), "shutdown": (2,), "send": (buffer, 1, 0),
        "recv": (buffer, 1, 0), "sendto": (buffer, 1, 0, None, 0), "recvfrom": (buffer, 1, 0, None, None),
        "tcgetpgrp": (), "tcflush": (0,), "tcdrain": (), "tcgetsid": (), "isatty": (), "ptsname": (), "isfdtype": (0o100000,),
        "timerfd_gettime": (buffer,), "inotify_rm_watch": (1,), "tee": (new("t"), 1, 0), "vmsplice": (buffer, 0, 0),
    }.items():
        ctypes.set_errno(0)
        show(name, getattr(libc, name)(new("file"), *arguments), errno.errorcode.get(ctypes.get_errno()))


def calls():
    """By syscall(2)."""
    reading, writing = os.pipe()
    buffer = ctypes.create_string_buffer(256)
    offset = lambda: ctypes.byref(ctypes.c_long(0))
    vector = struct.pack("QQ", ctypes.addressof(buffer), 5)
    handle = lambda: ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
    times = struct.pack("qqqq", 1, 0, 2, 0)
    fd = lambda: new("called")
    directory = lambda: os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for name, call in {
        "cachestat": lambda: system_call(451, fd(), struct.pack("QQ", 0, 4096), buffer, 0),
        "splice": lambda: system_call(275, fd(), offset(), writing, None, 5, 0),
        "sendfile": lambda: system_call(40, writing, fd(), offset(), 5),
        "tee": lambda: system_call(276, fd(), writing, 5, 0),
        "readahead": lambda: system_call(187, fd(), 0, 4096),
        "fadvise64": lambda: system_call(221, fd(), 0, 0, 0),
        "sync_file_range": lambda: system_call(277, fd(), 0, 0, 0),
        "syncfs": lambda: system_call(306, fd()),
        "preadv2": lambda: system_call(327, fd(), vector, 1, 0, 0, 0),
        "pwritev2": lambda: system_call(328, fd(), vector, 1, 0, 0, 0),
        "flock": lambda: system_call(73, fd(), 1),
        "mmap": lambda: system_call(9, 0, 4096, 1, 2, fd(), 0) != "EBADF",
        "fgetxattr": lambda: system_call(193, fd(), b"user.x", buffer, 9),
        "getdents64": lambda: system_call(217, fd(), buffer, 64),
        "fstatfs": lambda: system_call(138, fd(), buffer),
        "statx of nothing": lambda: (system_call(332, fd(), None, 0x1000, 0x7FF, buffer), struct.unpack_from("Q", buffer, 40)[0]),
        "statx of an empty path": lambda: (system_call(332, fd(), b"", 0x1000, 0x7FF, buffer), struct.unpack_from("Q", buffer, 40)[0]),
        "futimesat of nothing": lambda: (system_call(261, fd(), None, times), os.stat(f"{top}/called").st_mtime),
        "utimensat of nothing": lambda: (system_call(280, fd(), None, times, 0), os.stat(f"{top}/called").st_mtime),
        "fchownat of an empty path": lambda: system_call(260, fd(), b"", os.getuid(), os.getgid(), 0x1000),
        "linkat of an empty path": lambda: (system_call(265, fd(), b"", -100, f"{top}/linked2".encode(), 0x1000), attempt(os.unlink, f"{top}/linked2")),
        "kcmp": lambda: system_call(312, os.getpid(), os.getpid(), 0, fd(), fd()) in (1, 2),
        "openat": lambda: system_call(257, directory(), b"called", 0) > 2,
        "openat2": lambda: system_call(437, directory(), b"called", struct.pack("QQQ", 0, 0, 0), 24) > 2,
        "mkdirat": lambda: (system_call(258, directory(), b"made", 0o755), os.rmdir(f"{top}/made")),
        "faccessat2": lambda: system_call(439, directory(), b"called", 4, 0),
        "epoll_ctl": lambda: system_call(233, libc.epoll_create1(0), 1, fd(), buffer),
        "ftruncate": lambda: (system_call(77, fd(), 2), os.stat(f"{top}/called").st_size),
        "pidfd_getfd": lambda: os.fstat(system_call(438, os.pidfd_open(os.getpid()), fd(), 0)).st_size,
        "a call that nobody knows": lambda: system_call(5000, fd()),
    }.items():
        show(name, call())
    libc.futimesat(fd(), None, times)
    show("futimesat", os.stat(f"{top}/called").st_mtime, libc.utimensat(fd(), None, None, 0), errno.errorcode[ctypes.get_errno()])
    os.close(reading)


def positions():
    """Going on in a directory from any position."""
    os.mkdir(f"{top}/positions")
    for i in range(20):
        os.close(os.open(f"{top}/positions/{i}", os.O_CREAT | os.O_WRONLY))
    directory = os.open(f"{top}/positions", os.O_RDONLY | os.O_DIRECTORY)

    def entries(fd, size=300):
        buffer = ctypes.create_string_buffer(size)
        read, at, found = libc.syscall(217, fd, buffer, size), 0, []
        while at < read:
            _, position, length = struct.unpack_from("<QqH", buffer.raw, at)
            found.append((position, buffer.raw[at + 19 : at + length].split(b"\0")[0].decode()))
            at += length
        return found

    known = []
    while part := entries(directory):
        known += part
    largest = max(position for position, _ in known)
    show(len(known), entries(directory), [p for p in range(min(largest, 60)) if os.lseek(directory, p, os.SEEK_SET) == p and not entries(directory)])
    # Each position leads to what came behind it, also when that entry has been removed.
    for i, (position, _) in enumerate(known[:-1]):
        os.lseek(directory, position, os.SEEK_SET)
        assert entries(directory)[0] == known[i + 1], position
    os.unlink(f"{top}/positions/{known[10][1]}")
    os.lseek(directory, known[9][0], os.SEEK_SET)
    # The kernel may still show it out of its cache.
    show(entries(directory)[0] in known[10:12], attempt(os.lseek, directory, -5, os.SEEK_SET))
    fork_after_some = os.open(f"{top}/positions", os.O_RDONLY | os.O_DIRECTORY)
    first = entries(fork_after_some)
    child = os.fork()
    if child == 0:
        rest = entries(fork_after_some, 4096)
        os._exit(len(first) + len(rest))
    show(os.waitpid(child, 0)[1] >> 8)


def busy():
    """A program whose file another process has open for writing."""
    path = f"{top}/program"
    with open("/bin/true", "rb") as source:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o755)
        os.write(fd, source.read())
        os.close(fd)
    reading, writing = os.pipe()
    opened, opening = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.write(opening, b"x")
        os.read(reading, 1)
        os._exit(0)
    os.read(opened, 1)
    show("exec", attempt(os.execv, path, [path]))
    show("spawn", attempt(os.posix_spawn, path, [path], {}))
    show("run", attempt(subprocess.call, [path]))
    os.close(writing)
    os.waitpid(child, 0)
    show("afterwards", attempt(subprocess.call, [path]))


def door():
    """What FUSE does not let a mount answer as tmpfs does; the library can."""
    directory = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    show("SEEK_END", attempt(os.lseek, directory, 0, os.SEEK_END))
    os.fork() or os._exit(0)
    os.wait()
    show("SEEK_END of a real one", attempt(os.lseek, directory, 0, os.SEEK_END), attempt(os.lseek, directory, 0, os.SEEK_DATA))


if __name__ == "__main__":
    for case in sys.argv[2:]:
        print("--", case)
        globals()[case]()
        sys.stdout.flush()
