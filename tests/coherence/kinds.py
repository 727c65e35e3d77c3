"""Kinds of turns for turns.py. Each knows what must be seen (its model), plans a step, carries it out, and checks.

`plan` moves the model on and is called by both processes; `act` by one of them, whose result, a number, the other one
gets; `check` by both, with everything a process can ask about what was changed.
"""

import ctypes
import errno
import mmap
import os

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2


class Stale(Exception):
    """An answer that is not the current one."""


def expect(what, seen, expected):
    if seen == expected:
        return
    if isinstance(seen, bytes) and len(seen) == len(expected):
        at = next(i for i in range(len(seen)) if seen[i] != expected[i])
        raise Stale(f"{what}: byte {at} of {len(seen)} is {seen[at]} instead of {expected[at]}")
    if isinstance(seen, bytes):
        raise Stale(f"{what}: {len(seen)} bytes instead of {len(expected)}")
    raise Stale(f"{what}: {seen} instead of {expected}")


def outcome(call, *arguments):
    """The result, or the errno's name."""
    try:
        return call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]


def write_new(path, content, flags=os.O_CREAT | os.O_EXCL):
    fd = os.open(path, os.O_WRONLY | flags, 0o644)
    if content:
        os.write(fd, content)
    os.close(fd)


def read_whole(path, size=1 << 20):
    fd = os.open(path, os.O_RDONLY)
    content = os.read(fd, size)
    os.close(fd)
    return content


def read_mapped(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        with mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ) as view:
            return view[:]
    finally:
        os.close(fd)


def try_open(path, flags):
    os.close(os.open(path, flags, 0o644))
    return "opened"


class Kind:
    # Whether checking also takes part in the turn, so that both must.
    checks_always = False

    def __init__(self, rng):
        self.rng = rng

    def prepare(self):
        """By the first process, before anything else."""

    def begin(self):
        """By both, in turn, before the first step."""

    def names(self, count):
        """Random small names, some of them too long for a directory entry without an extension."""
        return [f"{'n' * (1 + i * 13 % 90)}{i}" for i in range(count)]


class Pwrite(Kind):
    """Stores at any place of a file of fixed size."""

    path, size = "data", 12_000

    def prepare(self):
        write_new(self.path, bytes(self.size))

    def begin(self):
        self.model = bytearray(self.size)
        self.kept = os.open(self.path, os.O_RDWR)

    def plan(self):
        rng = self.rng
        offset = rng.randrange(self.size)
        length = min(self.size - offset, rng.choice((1, 7, 100, 4096, rng.randrange(1, 9000))))
        how, byte = rng.choice(("kept", "kept", "fresh", "write", "vector")), rng.randrange(256)
        self.model[offset : offset + length] = bytes([byte]) * length
        return how, offset, length, byte

    def act(self, step):
        how, offset, length, byte = step
        content = bytes([byte]) * length
        fd = os.open(self.path, os.O_WRONLY) if how == "fresh" else self.kept
        if how == "write":
            os.lseek(fd, offset, os.SEEK_SET)
            written = os.write(fd, content)
        elif how == "vector":
            written = os.pwritev(fd, [content[:10], content[10:]], offset)
        else:
            written = os.pwrite(fd, content, offset)
        expect("bytes written", written, length)
        if how == "fresh":
            os.close(fd)

    def check(self, step, note):
        start, end = max(0, step[1] - 5), step[1] + step[2] + 5
        expect("pread of a kept descriptor", os.pread(self.kept, end - start, start), self.model[start:end])
        expect("read of a fresh one", read_whole(self.path), self.model)
        if step[3] % 4 == 0:
            expect("a mapping", read_mapped(self.path), self.model)


class Append(Kind):
    """Records at the end, now and then everything away."""

    path = "log"

    def prepare(self):
        write_new(self.path, b"")

    def begin(self):
        self.model = bytearray()
        self.kept = os.open(self.path, os.O_RDWR | os.O_APPEND)

    def plan(self):
        if len(self.model) > 30_000:
            del self.model[:]
            return "ftruncate", 0, 0
        length, byte = self.rng.choice((1, 50, 700, 4096)), self.rng.randrange(256)
        self.model += bytes([byte]) * length
        return self.rng.choice(("kept", "kept", "fresh")), length, byte

    def act(self, step):
        how, length, byte = step
        if how == "ftruncate":
            return os.ftruncate(self.kept, 0)
        fd = self.kept if how == "kept" else os.open(self.path, os.O_WRONLY | os.O_APPEND)
        expect("bytes written", os.write(fd, bytes([byte]) * length), length)
        if how == "fresh":
            os.close(fd)

    def check(self, step, note):
        size = len(self.model)
        expect("fstat's size", os.fstat(self.kept).st_size, size)
        expect("stat's size", os.stat(self.path).st_size, size)
        start = max(0, size - 5000)
        expect("pread of a kept descriptor", os.pread(self.kept, 6000, start), self.model[start:])
        expect("read of a fresh one", read_whole(self.path), self.model)
        if size > 0 and step[2] % 4 == 0:
            expect("a mapping", read_mapped(self.path), self.model)


class Grow(Kind):
    """Grows a file. Looks at it in ways in which the kernel asks nobody for the size before."""

    path, size_max = "growing", 200_000

    def prepare(self):
        write_new(self.path, b"")

    def begin(self):
        self.model = bytearray()
        self.kept = os.open(self.path, os.O_RDONLY)
        libc.mmap.restype = ctypes.c_void_p
        # Longer than the file, which Python's own does not allow.
        self.view = libc.mmap(None, ctypes.c_size_t(2 * self.size_max), mmap.PROT_READ, mmap.MAP_SHARED, self.kept, 0)

    def plan(self):
        if len(self.model) > self.size_max:
            self.model = bytearray()
            return "", 0, 0
        length, byte = self.rng.choice((1, 30, 4096, self.rng.randrange(1, 9000))), self.rng.randrange(256)
        self.model += bytes([byte]) * length
        return self.rng.choice(("copy_file_range", "sendfile", "splice", "mapping")), length, byte

    def act(self, step):
        how, length, byte = step
        fd = os.open(self.path, os.O_WRONLY)
        if length == 0:
            os.ftruncate(fd, 0)
        else:
            expect("bytes written", os.pwrite(fd, bytes([byte]) * length, len(self.model) - length), length)
        os.close(fd)

    def check(self, step, note):
        how, length, _ = step
        start = max(0, len(self.model) - length - 10)
        expected = bytes(self.model[start:])
        if not expected:
            return
        if how == "mapping":
            expect(how, ctypes.string_at(self.view + start, len(expected)), expected)
        elif how == "splice":
            reader, writer = os.pipe()
            moved = os.splice(self.kept, writer, len(expected) + 10, offset_src=start)
            os.close(writer)
            expect(f"{how}, bytes moved", moved, len(expected))
            expect(how, os.read(reader, 1 << 16), expected)
            os.close(reader)
        else:
            with open(f"copied-{os.getpid()}", "w+b", buffering=0) as copy:
                if how == "sendfile":
                    moved = os.sendfile(copy.fileno(), self.kept, start, len(expected) + 10)
                else:
                    moved = os.copy_file_range(self.kept, copy.fileno(), len(expected) + 10, offset_src=start)
                copy.seek(0)
                expect(f"{how}, bytes moved", moved, len(expected))
                expect(how, copy.read(), expected)


class Truncate(Kind):
    """Sizes: longer, shorter, none (O_TRUNC); what is added reads as zeros."""

    path = "data"

    def prepare(self):
        write_new(self.path, b"")

    def begin(self):
        self.model = bytearray()
        self.kept = os.open(self.path, os.O_RDWR)

    def plan(self):
        rng = self.rng
        how, length = rng.choice(("truncate", "ftruncate", "O_TRUNC", "write", "write")), rng.randrange(20_000)
        if rng.random() < 0.3:
            length -= length % 4096
        if how == "O_TRUNC":
            length = 0
        self.model[length:] = bytes(max(0, length - len(self.model)))
        if how == "write":
            self.model[length:] = b"w" * 500
        return how, length

    def act(self, step):
        how, length = step
        if how == "truncate":
            os.truncate(self.path, length)
        elif how == "O_TRUNC":
            os.close(os.open(self.path, os.O_WRONLY | os.O_TRUNC))
        else:
            os.ftruncate(self.kept, length)
        if how == "write":
            os.pwrite(self.kept, b"w" * 500, length)

    def check(self, step, note):
        size = len(self.model)
        expect("stat's size", os.stat(self.path).st_size, size)
        expect("fstat's size", os.fstat(self.kept).st_size, size)
        expect("where lseek finds the end", os.lseek(self.kept, 0, os.SEEK_END), size)
        expect("pread of a kept descriptor", os.pread(self.kept, 1 << 20, 0), self.model)
        expect("read of a fresh one", read_whole(self.path), self.model)


class Create(Kind):
    """Names that come and go: what is made can be opened, and not be made again."""

    def begin(self):
        self.pool, self.model = self.names(8), {}

    def plan(self):
        rng, name = self.rng, self.rng.choice(self.pool)
        if name in self.model:
            how = rng.choice(("unlink", "exclusive"))
            if how == "unlink":
                del self.model[name]
            return how, name, b""
        self.model[name] = bytes([rng.randrange(256)]) * rng.choice((0, 3, 5000))
        return rng.choice(("exclusive", "plain", "truncating")), name, self.model[name]

    def act(self, step):
        how, name, content = step
        flags = {"exclusive": os.O_CREAT | os.O_EXCL, "plain": os.O_CREAT, "truncating": os.O_CREAT | os.O_TRUNC}
        if how == "unlink":
            os.unlink(name)
        else:
            outcome(write_new, name, content, flags[how])

    def check(self, step, note):
        name = step[1]
        content = self.model.get(name)
        expect(f"reading {name}", outcome(read_whole, name), "ENOENT" if content is None else content)
        if content is not None:
            expect(f"making {name} again", outcome(try_open, name, os.O_CREAT | os.O_EXCL), "EEXIST")
        for each in self.pool:
            size = len(self.model[each]) if each in self.model else "ENOENT"
            expect(f"{each}'s size", outcome(lambda: os.stat(each).st_size), size)
        expect("the listing", sorted(os.listdir(".")), sorted(self.model))


class Unlink(Kind):
    """Files that lose their names while both processes have them open."""

    checks_always = True

    def begin(self):
        self.pool, self.model, self.kept = self.names(8), {}, {}

    def plan(self):
        name = self.rng.choice(self.pool)
        if name in self.model:
            del self.model[name]
            return self.rng.choice(("unlink", "rename away")), name
        self.model[name] = b"%d" % self.rng.randrange(1 << 40)
        return "make", name, self.model[name]

    def act(self, step):
        if step[0] == "make":
            write_new(step[1], step[2])
        elif step[0] == "unlink":
            os.unlink(step[1])
        else:
            os.rename(step[1], "away")
            os.unlink("away")

    def check(self, step, note):
        name = step[1]
        for each in self.pool:
            there = each in self.model
            expect(f"whether {each} is there", os.access(each, os.F_OK), there)
            expect(f"{each}'s size", outcome(lambda: os.lstat(each).st_size), len(self.model[each]) if there else "ENOENT")
        if step[0] == "make":
            self.kept[name] = os.open(name, os.O_RDONLY), step[2]
            return
        fd, content = self.kept.pop(name)
        expect("names of the removed file", os.fstat(fd).st_nlink, 0)
        expect("its content", os.pread(fd, 100, 0), content)
        os.close(fd)
        expect(f"opening {name}", outcome(try_open, name, os.O_RDONLY), "ENOENT")


class Rename(Kind):
    """Names that move between two directories, over others too, or change places."""

    def prepare(self):
        for directory in ("a", "b"):
            os.mkdir(directory)

    def begin(self):
        self.pool = [f"{directory}/{name}" for directory in ("a", "b") for name in self.names(5)]
        self.model, self.inodes, self.serial = {}, {}, 0

    def plan(self):
        rng = self.rng
        source, target = rng.sample(self.pool, 2)
        if source not in self.model:
            self.serial += 1
            self.model[source] = self.serial
            return "make", source, self.serial
        how = "rename"
        if target in self.model:
            how = rng.choice(("rename", "exchange", "noreplace"))
        if how == "exchange":
            self.model[source], self.model[target] = self.model[target], self.model[source]
        elif how == "rename":
            self.model[target] = self.model.pop(source)
        return how, source, target

    def act(self, step):
        how, source, target = step
        if how == "make":
            return write_new(source, b"%d" % target)
        if how == "rename":
            return os.rename(source, target)
        flags = RENAME_EXCHANGE if how == "exchange" else RENAME_NOREPLACE
        result = libc.renameat2(AT_FDCWD, source.encode(), AT_FDCWD, target.encode(), flags)
        expect("renameat2", result, 0 if how == "exchange" else -1)

    def check(self, step, note):
        for directory in ("a", "b"):
            names = sorted(path[2:] for path in self.model if path[0] == directory)
            expect(f"the listing of {directory}", sorted(os.listdir(directory)), names)
        for path in self.pool:
            serial = self.model.get(path)
            inode = outcome(lambda: os.stat(path).st_ino)
            if serial is None:
                expect(path, inode, "ENOENT")
            else:
                expect(f"{path}'s inode", inode, self.inodes.setdefault(serial, inode))
        for path in step[1:] if step[0] != "make" else step[1:2]:
            if path in self.model:
                expect(f"{path}'s content", read_whole(path), b"%d" % self.model[path])
