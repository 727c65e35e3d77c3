"""Cases in which the library once did something else than the kernel: edges.py DIR SCRATCH. What it prints is the same everywhere."""

import ctypes
import os
import random
import resource
import select
import signal
import struct
import subprocess
import sys
import time

directory, scratch = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
os.chdir(directory)


def lowered_limit():
    """No descriptor is above the limit, also when the limit was higher."""
    os.close(os.open("file", os.O_RDWR | os.O_CREAT))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, before[1]))
    fds = []
    try:
        while True:
            fds.append(os.open("file", os.O_RDONLY))
    except OSError as error:
        print("limit", max(fds), error.errno)
    for fd in fds:
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def append_after_a_killed_one(length):
    """What is appended is behind what is there, whoever was killed before."""
    holes = 0
    for _ in range(20):
        os.close(os.open("killed", os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            fd = os.open("killed", os.O_WRONLY | os.O_APPEND)
            os.write(writer, b"x")
            while True:
                if os.write(fd, b"w" * length) and os.fstat(fd).st_size > 100 << 20:
                    os.ftruncate(fd, 0)
        os.read(reader, 1)
        os.close(reader)
        os.close(writer)
        time.sleep(random.random() * 0.02)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        size = os.stat("killed").st_size
        # In a process of its own: one that has forked before does not wait for others to be reaped.
        subprocess.run([sys.executable, "-c", "import os; os.write(os.open('killed', os.O_WRONLY | os.O_APPEND), b'hello')"], check=True)
        holes += os.stat("killed").st_size != size + 5
    print("holes", length, holes)


def watch_by_odd_paths():
    """Where a path to a watch leads, only the kernel may know."""
    os.symlink(f"{directory}/watched", f"{scratch}/outside")
    os.mkdir("watched")
    held = os.open("watched", os.O_RDONLY | os.O_DIRECTORY)
    odd = (f"{scratch}/outside", f"watched/../../{os.path.basename(directory)}/watched", f"/proc/self/fd/{held}", "/proc/self/cwd/watched")
    for number, path in enumerate(odd):
        fd = libc.inotify_init()
        assert libc.inotify_add_watch(fd, path.encode(), 0x100) >= 0, path
        os.close(os.open(f"watched/made{number}", os.O_WRONLY | os.O_CREAT))
        told = select.select([fd], [], [], 5)[0] and struct.unpack_from("iIII", os.read(fd, 4096))[1]
        print("watch", number, told)
        os.close(fd)


def goes_into_directories():
    """nftw(3) may change the working directory without a call of chdir(2) that could be seen."""
    os.makedirs("walk/inner")
    for place in (".", "walk", "walk/inner"):
        with open(f"{place}/here", "w") as file:
            file.write(place)
    seen = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    def visit(path, _stat, kind, _ftw):
        if kind == 0 and path.endswith(b"here"):
            seen.append((path, os.read(os.open("here", os.O_RDONLY), 100)))
        return 0

    assert libc.nftw(b"walk", visit, 8, 4) == 0
    print("walk", sorted(seen))


lowered_limit()
for length in (4096, 1 << 20):
    append_after_a_killed_one(length)
watch_by_odd_paths()
goes_into_directories()
