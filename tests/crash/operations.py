"""Operations of the programs that are killed: what each does, and what it leaves in the model of who watches.

An operation is a list: its name and its arguments. `Actor` carries them out below the current directory; `Model` says
what must be there afterwards. A file's bytes are its operation's number, over and over.
"""

import errno
import os
import struct
import zlib

HEADER = struct.Struct("IIII")
# What others who work in the shared directory may lead to.
SHARED_ERRORS = {
    errno.ENOENT,
    errno.EEXIST,
    errno.ENOTEMPTY,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EINVAL,
}
SIZE_MAX = 300_000


def fill(number, length):
    return (number.to_bytes(4, "little") * (length // 4 + 1))[:length]


def record(writer, sequence, length):
    """For the common log: length, writer, sequence number, checksum, and bytes that follow from them."""
    payload = fill(writer * 7919 + sequence & 0xFFFFFFFF, length)
    head = HEADER.pack(length, writer, sequence, 0)
    return HEADER.pack(length, writer, sequence, zlib.crc32(head + payload)) + payload


def records(log, pending):
    """
    Writer and sequence number of every record; raises ValueError at the first byte that belongs to none.
    `pending`: records (writer, sequence, length) whose writers were killed in the middle: a part may be there.
    """
    at = 0
    while at < len(log):
        length, writer, sequence, _ = HEADER.unpack_from(log, at) if at + HEADER.size <= len(log) else (0, 0, 0, 0)
        end = at + HEADER.size + length
        if length < SIZE_MAX and log[at:end] == record(writer, sequence, length):
            yield writer, sequence
            at = end
            continue
        end = next((end for each in pending for end in part_ends(log, at, record(*each))), None)
        if end is None:
            raise ValueError(f"the log's record at {at} of {len(log)} is damaged: {damage(log, at, record(writer, sequence, min(length, SIZE_MAX)))}")
        at = end


def damage(log, at, whole):
    """What was written there, and what is there from the first byte on that differs."""
    same = next((i for i, byte in enumerate(whole) if log[at + i : at + i + 1] != bytes([byte])), len(whole))
    there = bytes(log[at + same : at + same + 48]).hex()
    return f"{len(whole)} bytes, {whole[:16].hex()}; from byte {same} on {there}"


def part_ends(log, at, whole):
    """Where the first bytes of this record, which are at `at`, may end: where another begins, or the log ends."""
    same = next((i for i, byte in enumerate(whole) if log[at + i : at + i + 1] != bytes([byte])), len(whole))
    for end in range(at + same, at, -1):
        if end == len(log):
            yield end
        elif end + HEADER.size <= len(log):
            length, writer, sequence, _ = HEADER.unpack_from(log, end)
            if length < SIZE_MAX and log[end : end + HEADER.size + length] == record(writer, sequence, length):
                yield end


class Model:
    """What a private directory holds: by path a file [bytes, mode, number of names], or None for a directory."""

    def __init__(self):
        self.tree = {}

    def copy(self):
        other, copies = Model(), {}
        for path, file in self.tree.items():
            other.tree[path] = file and copies.setdefault(id(file), [bytearray(file[0]), *file[1:]])
        return other

    def apply(self, operation):
        getattr(self, operation[0], lambda *_: None)(*operation[1:])

    def create(self, path, mode):
        self.tree[path] = [bytearray(), mode, 1]

    def write(self, number, path, offset, length):
        content = self.tree[path][0]
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + length] = fill(number, length)

    def append(self, number, path, length):
        self.write(number, path, len(self.tree[path][0]), length)

    append_dup = append

    def truncate(self, path, length):
        content = self.tree[path][0]
        content[length:] = bytes(max(0, length - len(content)))

    def rename(self, old, new):
        self.unlink(new)
        self.tree[new] = self.tree.pop(old)

    def link(self, old, new):
        self.tree[new] = self.tree[old]
        self.tree[old][2] += 1

    def unlink(self, path):
        file = self.tree.pop(path, None)
        if file is not None:
            file[2] -= 1

    def chmod(self, path, mode):
        self.tree[path][1] = mode

    def mkdir(self, path):
        self.tree[path] = None

    def rmdir(self, path):
        del self.tree[path]

    def choose(self, rng, number):
        """The next operation in the private directory."""
        files = sorted(path for path, file in self.tree.items() if file is not None)
        directories = sorted(path for path, file in self.tree.items() if file is None)
        parents = ["", *(f"{path}/" for path in directories)]
        name = f"{rng.choice(parents)}n{rng.randrange(6)}"
        if name not in self.tree and (len(files) < 3 or rng.random() < 0.15):
            return ["create", name, rng.choice((0o600, 0o644, 0o400))]
        if not files or rng.random() < 0.08:
            path = f"d{rng.randrange(3)}"
            if path not in self.tree:
                return ["mkdir", path]
            if not any(other.startswith(f"{path}/") for other in self.tree):
                return ["rmdir", path]
        file = rng.choice(files) if files else None
        if file is None:
            return ["list"]
        size = len(self.tree[file][0])
        length = rng.choice((1, 100, 4096, 5000, 60_000))
        kind = rng.choice(("append", "append", "append_dup", "write", "write", "truncate", "rename", "link", "unlink", "chmod", "fsync", "read", "open"))
        if kind.startswith("append"):
            return [kind, number, file, length] if size < SIZE_MAX else ["truncate", file, 10]
        if kind == "write":
            return [kind, number, file, rng.randrange(size + 5000), length]
        if kind == "truncate":
            return [kind, file, rng.choice((0, size // 2, rng.randrange(50_000)))]
        if kind in ("rename", "link"):
            if name == file or (name in self.tree and (kind == "link" or self.tree[name] is self.tree[file])):
                return ["unlink", file]
            return [kind, file, name]
        if kind == "chmod":
            return [kind, file, rng.choice((0o600, 0o640, 0o444, 0o777))]
        return [kind, file]


class Actor:
    """Carries operations out. Files it opens for good stay open until the process ends."""

    def __init__(self, writer, private):
        self.writer, self.private, self.sequence, self.open_files = writer, private, 0, []
        self.log = os.open("log", os.O_WRONLY | os.O_APPEND)

    def act(self, operation):
        name, *arguments = operation
        getattr(self, f"do_{name}")(*arguments)

    def at(self, path):
        return f"{self.private}/{path}"

    def do_create(self, path, mode):
        os.close(os.open(self.at(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode))

    def do_write(self, number, path, offset, length):
        fd = os.open(self.at(path), os.O_WRONLY)
        assert os.pwrite(fd, fill(number, length), offset) == length
        os.close(fd)

    def do_append(self, number, path, length):
        fd = os.open(self.at(path), os.O_WRONLY | os.O_APPEND)
        assert os.write(fd, fill(number, length)) == length
        os.close(fd)

    def do_append_dup(self, number, path, length):
        fd = os.open(self.at(path), os.O_WRONLY)
        os.lseek(fd, 0, os.SEEK_END)
        other = os.dup(fd)
        half = length // 2
        assert os.write(fd, fill(number, length)[:half]) == half
        os.close(fd)
        assert os.write(other, fill(number, length)[half:]) == length - half
        os.close(other)

    def do_truncate(self, path, length):
        os.truncate(self.at(path), length)

    def do_rename(self, old, new):
        os.rename(self.at(old), self.at(new))

    def do_link(self, old, new):
        os.link(self.at(old), self.at(new))

    def do_unlink(self, path):
        os.unlink(self.at(path))

    def do_chmod(self, path, mode):
        os.chmod(self.at(path), mode)

    def do_mkdir(self, path):
        os.mkdir(self.at(path))

    def do_rmdir(self, path):
        os.rmdir(self.at(path))

    def do_fsync(self, path):
        fd = os.open(self.at(path), os.O_RDWR)
        os.fsync(fd)
        os.close(fd)

    def do_read(self, path):
        fd = os.open(self.at(path), os.O_RDONLY)
        while os.read(fd, 50_000):
            pass
        os.close(fd)

    def do_open(self, path):
        if len(self.open_files) < 30:
            self.open_files.append(os.open(self.at(path), os.O_RDWR))

    def do_list(self):
        os.listdir(self.private)

    def do_log(self, length):
        text = record(self.writer, self.sequence, length)
        assert os.write(self.log, text) == len(text)
        self.sequence += 1

    def do_shared(self, kind, first, second):
        """In the directory of all, where anything may be in the way."""
        first, second = f"shared/{first}", f"shared/{second}"
        try:
            if kind == "make":
                fd = os.open(first, os.O_RDWR | os.O_CREAT, 0o600)
                os.write(fd, b"x" * 5000)
                os.close(fd)
            elif kind == "truncate":
                os.truncate(first, 100)
            elif kind == "list":
                os.listdir("shared")
            else:
                call = getattr(os, kind)
                call(first, second) if kind in ("rename", "link") else call(first)
        except OSError as error:
            if error.errno not in SHARED_ERRORS:
                raise


SHARED_KINDS = ("make", "make", "unlink", "unlink", "mkdir", "rmdir", "rename", "rename", "link", "truncate", "stat", "list")


def choose_shared(rng):
    if rng.random() < 0.5:
        return ["log", rng.choice((0, 10, 100, 100, 300, 5000))]
    return ["shared", rng.choice(SHARED_KINDS), f"s{rng.randrange(8)}", f"s{rng.randrange(8)}"]
