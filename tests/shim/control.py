"""Works on its own files while others misbehave, until its standard input ends, and finds out whether they are as it left them.

    control.py DIRECTORY SEED

Prints how long its longest operation took; ends with 1 when something is not as it should be. No room is no fault.
"""

import errno
import json
import os
import random
import select
import sys
import time

FILE_COUNT = 16
SIZE = 40_000


class Control:
    def __init__(self, directory, rng):
        os.mkdir(directory)
        os.chdir(directory)
        self.rng, self.contents = rng, {}
        for i in range(FILE_COUNT):
            self.contents[f"file{i}"] = bytearray(rng.randbytes(SIZE))
            with open(f"file{i}", "wb") as file:
                file.write(self.contents[f"file{i}"])

    def read(self, name):
        fd = os.open(name, os.O_RDONLY)
        if self.rng.random() < 0.5:
            # Not what the kernel remembers, but what is there.
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        content = os.read(fd, SIZE + 1)
        os.close(fd)
        assert content == self.contents[name], f"{name} has changed: {len(content)} bytes"

    def write(self, name):
        offset = self.rng.randrange(SIZE - 5000)
        part = self.rng.randbytes(self.rng.randrange(5000))
        self.contents[name][offset : offset + len(part)] = part
        fd = os.open(name, os.O_WRONLY)
        assert os.pwrite(fd, part, offset) == len(part)
        os.close(fd)

    def rename(self, name):
        new = f"file{self.rng.randrange(100, 10_000)}"
        if new not in self.contents:
            os.rename(name, new)
            self.contents[new] = self.contents.pop(name)

    def look(self, name):
        assert sorted(os.listdir(".")) == sorted(self.contents), os.listdir(".")
        status = os.stat(name)
        assert (status.st_size, status.st_nlink, status.st_mode & 0o777) == (SIZE, 1, 0o644), status

    def come_and_go(self, name):
        try:
            with open("fresh", "wb") as file:
                file.write(b"fresh" * 3000)
            os.link("fresh", "second")
            os.unlink("second")
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
        if os.path.exists("fresh"):
            os.unlink("fresh")


if __name__ == "__main__":
    os.umask(0o022)
    control = Control(sys.argv[1], random.Random(int(sys.argv[2])))
    os.close(os.open(f"{sys.argv[1]}-ready", os.O_CREAT))
    longest, count = (0, ""), 0
    while not select.select([0], [], [], 0.001)[0]:
        act = control.rng.choice((control.read, control.read, control.write, control.rename, control.look, control.come_and_go))
        name = control.rng.choice(sorted(control.contents))
        start = time.monotonic()
        act(name)
        longest = max(longest, (time.monotonic() - start, act.__name__))
        count += 1
    for name in control.contents:
        control.read(name)
    print(json.dumps({"longest": longest[0], "operation": longest[1], "count": count}))
