"""Watches a directory and a file in it while the other process changes them, and prints what it was told: watch.py DIR.

Both processes make their calls through libc, under the preloaded library when this is run with it.
"""

import ctypes
import os
import select
import struct
import subprocess
import sys

libc = ctypes.CDLL(None, use_errno=True)
IN_ALL_EVENTS = 0xFFF
LIMIT_MS = 10_000

CHANGES = """
import os, sys
os.chdir(sys.argv[1])
for i in range(5):  # the first changes of a process may go another way
    open(f"../early{i}", "w").close()
fd = os.open("made", os.O_RDWR | os.O_CREAT, 0o644)
os.write(fd, b"one")
os.pwrite(fd, b"two", 3)
os.ftruncate(fd, 2)
os.read(fd, 2)
os.close(fd)
os.mkdir("directory")
os.symlink("made", "symlink")
os.link("made", "linked")
os.rename("linked", "renamed")
os.rename("renamed", "../out")
os.rename("../out", "in")
os.chmod("made", 0o600)
os.utime("made", (1, 2))
os.setxattr("made", "user.a", b"1")
os.truncate("made", 100)
os.unlink("in")
os.unlink("symlink")
os.rmdir("directory")
os.write(int(sys.argv[2]), b"through what was open before it was watched")
fd = os.open("file", os.O_WRONLY | os.O_APPEND)
os.write(fd, b"x")
os.close(fd)
os.listdir(".")
open("end", "w").close()
"""


def add_watch(fd, path):
    watch = libc.inotify_add_watch(fd, path.encode(), IN_ALL_EVENTS)
    if watch < 0:
        raise OSError(ctypes.get_errno(), path)
    return watch


def events(fd):
    """Until something named "end" was closed: (which watch, mask, whether two names belong together, name)."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while poll.poll(LIMIT_MS):
        data = os.read(fd, 65536)
        at = 0
        while at < len(data):
            watch, mask, cookie, length = struct.unpack_from("iIII", data, at)
            name = data[at + 16 : at + 16 + length].rstrip(b"\0").decode()
            at += 16 + length
            yield watch, mask, cookie != 0, name
            if name == "end" and mask & 0x8:
                return


base = f"{sys.argv[1]}/watched"
os.mkdir(base)
for i in range(5):
    open(f"{base}/file", "a").close()
early = os.open(f"{base}/file", os.O_WRONLY)
os.set_inheritable(early, True)
subprocess.run(["true"], check=True)  # a fork may open it once more
fd = libc.inotify_init()
add_watch(fd, base)
add_watch(fd, f"{base}/file")
child = subprocess.Popen([sys.executable, "-c", CHANGES, base, str(early)], close_fds=False)
last = None
for event in events(fd):
    # The kernel, too, puts equal ones together when they have not been read.
    if event != last:
        print(*event)
    last = event
os.write(early, b"y")
print(*next(events(fd)))
sys.exit(child.wait())
