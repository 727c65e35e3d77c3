"""What is written past the page cache is what everybody reads afterwards, also while others read the same bytes all the time.

    direct_io.py WRITER DIRECTORY SECONDS [NAME=VALUE...]

The writer is a process of its own, with the given variables in its environment (such as LD_PRELOAD). Each round it changes a
whole file in its way (WRITERS) and, when the system call has said that it is done, asks a checker, which compares what
pread(2) and a mapping give. Two more processes read the file meanwhile, so that pages are always on their way into the
cache. A stale page in it would stay: nothing else throws it out. Ends with 1 at the first stale byte, with 0 after SECONDS.
"""

import ctypes
import mmap
import os
import struct
import subprocess
import sys
import time

SIZE = 512 * 1024
LIMIT_SECONDS = 60
# System calls of x86-64 that Python's library does not have; the library for them need not be installed.
IO_SETUP, IO_GETEVENTS, IO_SUBMIT = 206, 208, 209
IOCB_CMD_PWRITE = 1
FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE = 1, 2, 16
libc = ctypes.CDLL(None, use_errno=True)


def must(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class Writer:
    """Opens the file; `change` leaves `value` in all its bytes, or zeros where `zeros` says so."""

    flags = 0

    def __init__(self, path):
        self.path = path
        self.fd = os.open(path, os.O_RDWR | self.flags)
        # Page aligned, as O_DIRECT wants it.
        self.buffer = mmap.mmap(-1, SIZE)

    def value(self, round):
        return round % 250 + 1

    def change(self, value):
        raise NotImplementedError


class Buffered(Writer):
    def change(self, value):
        assert os.pwrite(self.fd, bytes([value]) * SIZE, 0) == SIZE


class Direct(Writer):
    flags = os.O_DIRECT

    def change(self, value):
        self.buffer[:] = bytes([value]) * SIZE
        assert os.pwrite(self.fd, self.buffer, 0) == SIZE


class Asynchronous(Writer):
    """Linux aio: only with O_DIRECT is io_submit(2) asynchronous at all."""

    flags = os.O_DIRECT

    def __init__(self, path):
        super().__init__(path)
        self.context = ctypes.c_ulong(0)
        must(libc.syscall(IO_SETUP, 8, ctypes.byref(self.context)))
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.buffer))

    def change(self, value):
        self.buffer[:] = bytes([value]) * SIZE
        half = SIZE // 2
        requests = [
            ctypes.create_string_buffer(
                struct.pack(
                    "<QIIHhIQQqQII", 0, 0, 0, IOCB_CMD_PWRITE, 0, self.fd, self.address + at, half, at, 0, 0, 0
                ),
                64,
            )
            for at in (0, half)
        ]
        pointers = (ctypes.c_void_p * 2)(*(ctypes.addressof(request) for request in requests))
        assert must(libc.syscall(IO_SUBMIT, self.context, 2, pointers)) == 2
        events = ctypes.create_string_buffer(64)
        assert must(libc.syscall(IO_GETEVENTS, self.context, 2, 2, events, None)) == 2
        for event in (0, 1):
            assert struct.unpack_from("<QQqq", events.raw, 32 * event)[2] == half


class Copied(Writer):
    def __init__(self, path):
        super().__init__(path)
        self.source = os.open(path + ".source", os.O_RDWR | os.O_CREAT, 0o600)

    def change(self, value):
        assert os.pwrite(self.source, bytes([value]) * SIZE, 0) == SIZE
        done = 0
        while done < SIZE:
            done += os.copy_file_range(self.source, self.fd, SIZE - done, done, done)


class Spliced(Writer):
    def change(self, value):
        receive, send = os.pipe()
        done = 0
        while done < SIZE:
            os.write(send, bytes([value]) * 65536)
            left = 65536
            while left > 0:
                moved = os.splice(receive, self.fd, left, offset_dst=done)
                left -= moved
                done += moved
        os.close(receive)
        os.close(send)


class Mapped(Writer):
    def __init__(self, path):
        super().__init__(path)
        self.map = mmap.mmap(self.fd, SIZE)

    def change(self, value):
        self.map[:] = bytes([value]) * SIZE


class Zeroed(Writer):
    """Every other round the range is taken away, which leaves zeros."""

    def value(self, round):
        return 0 if round % 2 else round % 250 + 1

    def change(self, value):
        if value == 0:
            self.zero()
        else:
            assert os.pwrite(self.fd, bytes([value]) * SIZE, 0) == SIZE


class Punched(Zeroed):
    mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE

    def zero(self):
        call = libc.fallocate
        call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
        must(call(self.fd, self.mode, 0, SIZE))


class ZeroRange(Punched):
    mode = FALLOC_FL_ZERO_RANGE


class Truncated(Zeroed):
    def zero(self):
        os.ftruncate(self.fd, 0)
        os.ftruncate(self.fd, SIZE)


WRITERS = {
    "buffered": Buffered,
    "direct": Direct,
    "asynchronous": Asynchronous,
    "copied": Copied,
    "spliced": Spliced,
    "mapped": Mapped,
    "punched": Punched,
    "zero_range": ZeroRange,
    "truncated": Truncated,
}


def write(kind, path, seconds):
    """The writer: a value and a newline to the checker for each round, and its answer back."""
    writer = WRITERS[kind](path)
    end = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < end:
        value = writer.value(rounds)
        writer.change(value)
        print(value, flush=True)
        if sys.stdin.readline() != "right\n":
            return 1
        rounds += 1
    print(f"rounds {rounds}", flush=True)
    return 0


def read_for_ever(path, mapped):
    """Keeps pages on their way into the cache."""
    fd = os.open(path, os.O_RDONLY)
    while True:
        if mapped:
            with mmap.mmap(fd, SIZE, prot=mmap.PROT_READ) as pages:
                try:
                    for at in range(0, SIZE, 4096):
                        pages[at]
                except ValueError:
                    pass
        else:
            os.pread(fd, SIZE, 0)


def stale_bytes(fd, pages, value):
    """Where the first wrong byte is, by pread(2) and by the mapping; None when all are right."""
    wanted = bytes([value]) * SIZE
    for name, found in (("pread", os.pread(fd, SIZE, 0)), ("the mapping", pages[:])):
        if found != wanted:
            at = next((i for i, (a, b) in enumerate(zip(found, wanted)) if a != b), min(len(found), SIZE))
            given = found[at] if at < len(found) else "the end"
            return f"{name} gives {given} at {at} instead of {value}"
    return None


def main(kind, directory, seconds, variables):
    path = os.path.join(directory, kind)
    with open(path, "wb") as file:
        file.truncate(SIZE)
    me = [sys.executable, __file__, kind, directory]
    # A file that shrinks under a mapping would end its reader by SIGBUS.
    readers = [subprocess.Popen([*me, "--read", mode]) for mode in ("plain", "plain" if kind == "truncated" else "mapped")]
    environment = os.environ | dict(pair.split("=", 1) for pair in variables)
    writer = subprocess.Popen(
        [*me, "--write", seconds], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        fd = os.open(path, os.O_RDONLY)
        pages = mmap.mmap(fd, SIZE, prot=mmap.PROT_READ)
        rounds = 0
        while not (line := writer.stdout.readline()).startswith("rounds"):
            if line == "":
                print(f"{kind}: the writer ended with {writer.wait(LIMIT_SECONDS)} in round {rounds}")
                return 1
            problem = stale_bytes(fd, pages, int(line))
            if problem is not None:
                print(f"{kind}, round {rounds}: {problem}")
                return 1
            writer.stdin.write("right\n")
            writer.stdin.flush()
            rounds += 1
        print(f"{kind}: {rounds} rounds")
        return 0
    finally:
        for process in (*readers, writer):
            process.kill()
            process.wait(LIMIT_SECONDS)


if __name__ == "__main__":
    kind, directory, *rest = sys.argv[1:]
    if rest[0] == "--write":
        sys.exit(write(kind, os.path.join(directory, kind), float(rest[1])))
    if rest[0] == "--read":
        read_for_ever(os.path.join(directory, kind), rest[1] == "mapped")
    sys.exit(main(kind, directory, rest[0], rest[1:]))
