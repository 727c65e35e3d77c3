"""Looks at names through libc while another process changes them through the kernel, and ends with 1 at a wrong answer.

    stress.py write DIRECTORY SECONDS     replaces, exchanges, makes and removes names in a loop
    stress.py read DIRECTORY SECONDS      paths that always exist must always be found, with their own contents
    stress.py acknowledge DIRECTORY COUNT what a call has changed, the next call sees
"""

import ctypes
import os
import sys
import time

verb, directory, limit = sys.argv[1], sys.argv[2], float(sys.argv[3])
os.chdir(directory)
RENAME_EXCHANGE = 2
libc = ctypes.CDLL(None, use_errno=True)


def exchange(a, b):
    if libc.renameat2(-100, a.encode(), -100, b.encode(), RENAME_EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def make(path, size):
    with open(path, "w") as file:
        file.truncate(size)


def write():
    end = time.monotonic() + limit
    round = 0
    while time.monotonic() < end:
        round += 1
        for size in range(1000, 1007):
            make("fresh", size)
            os.rename("fresh", "always")
        exchange("left", "right")
        for i in range(12):
            make(f"churn{i}-" + "x" * (7 * i), 0)
        for i in range(12):
            os.unlink(f"churn{i}-" + "x" * (7 * i))
        os.rename("home/moving", "away/moving")
        os.rename("away/moving", "home/moving")
        os.unlink("link")
        os.symlink(("home/" if round % 2 else "./home/./") + "still", "link")
        if round == 1:
            open("started", "w").close()


def read():
    end = time.monotonic() + limit
    lookups = 0
    stat = os.stat
    while time.monotonic() < end:
        # The moment in which a replaced name is not there is short: as many looks as can be.
        sizes = {stat("always").st_size for _ in range(2000)}
        assert all(1000 <= size < 1007 for size in sizes), sizes
        # Each directory's file is as long as its own name says, whichever way round they are.
        sizes = {stat("left/file").st_size for _ in range(1000)}
        assert sizes <= {4, 5}, sizes
        lookups += 3000
        for _ in range(20):
            assert stat("home/still").st_size == 77
            assert not os.path.lexists("never")
            # A moving directory is not always there; what is found in it is its own.
            try:
                assert stat("home/moving/inside").st_size == 123
            except FileNotFoundError:
                pass
            try:
                assert stat("link").st_size == 77
                assert os.readlink("link").endswith("still")
            except FileNotFoundError:
                pass
    print(lookups)


def acknowledge():
    for i in range(int(limit)):
        name = f"acknowledged{i % 5}"
        make(name, i)
        assert os.stat(name).st_size == i
        os.chmod(name, 0o600 + i % 8)
        assert os.stat(name).st_mode & 0o7777 == 0o600 + i % 8
        os.link(name, name + "b")
        assert os.stat(name).st_nlink == 2
        os.rename(name, name + "c")
        assert not os.path.lexists(name)
        os.unlink(name + "c")
        assert not os.path.lexists(name + "c")
        assert os.stat(name + "b").st_nlink == 1
        os.unlink(name + "b")
        assert not os.path.lexists(name + "b")


def prepare():
    for name in ("left", "right", "home", "away", "home/moving"):
        os.mkdir(name)
    for name, size in (("always", 1000), ("left/file", 4), ("right/file", 5), ("home/still", 77), ("home/moving/inside", 123)):
        make(name, size)
    os.symlink("home/still", "link")


{"prepare": prepare, "write": write, "read": read, "acknowledge": acknowledge}[verb]()
