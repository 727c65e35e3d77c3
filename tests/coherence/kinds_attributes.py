"""The kinds of turns that concern attributes; see kinds.py."""

import os
import time

from kinds import Kind, Stale, expect, outcome, read_whole, try_open, write_new

CLOCK_REALTIME_COARSE = 5  # source: <linux/time.h>; Python has no name for it


class Chmod(Kind):
    """Permissions: by the owner, who is held to them, or by root, who is not."""

    def prepare(self):
        write_new("file", b"text")
        os.mkdir("directory")
        write_new("directory/inner", b"inner")

    def begin(self):
        self.modes = {"file": 0o644, "directory": 0o755}
        self.is_root = os.geteuid() == 0
        self.kept = os.open("file", os.O_RDONLY)

    def plan(self):
        path = self.rng.choice(("file", "file by descriptor", "directory"))
        # fchmod wants the kernel's own descriptor, for which the library opens the file again.
        if path == "file by descriptor" and not self.may("file", os.R_OK):
            path = "file"
        mode = self.rng.randrange(0o1000)
        self.modes[path.split()[0]] = mode
        return path, mode

    def act(self, step):
        path, mode = step
        os.chmod(self.kept if path == "file by descriptor" else path, mode)

    def may(self, path, bit):
        mode = self.modes[path]
        if not self.is_root:
            return mode & bit << 6 != 0
        return bit != os.X_OK or path == "directory" or mode & 0o111 != 0

    def check(self, step, note):
        for path, mode in self.modes.items():
            expect(f"{path}'s mode", oct(os.stat(path).st_mode & 0o7777), oct(mode))
            for bit in (os.R_OK, os.W_OK, os.X_OK):
                expect(f"access of {path}, {bit}", os.access(path, bit), self.may(path, bit))
        expect("fstat's mode", oct(os.fstat(self.kept).st_mode & 0o7777), oct(self.modes["file"]))
        for flags, bit in ((os.O_RDONLY, os.R_OK), (os.O_WRONLY, os.W_OK)):
            opened = "opened" if self.may("file", bit) else "EACCES"
            expect(f"opening the file with flags {flags}", outcome(try_open, "file", flags), opened)
        listed = ["inner"] if self.may("directory", os.R_OK) else "EACCES"
        expect("the listing", outcome(os.listdir, "directory"), listed)
        content = b"inner" if self.may("directory", os.X_OK) else "EACCES"
        expect("reading behind the directory", outcome(read_whole, "directory/inner"), content)


class Utimens(Kind):
    """Times that are set, to a value or to now."""

    def prepare(self):
        write_new("file", b"text")

    def begin(self):
        self.kept = os.open("file", os.O_RDWR)

    def plan(self):
        how = self.rng.choice(("utimensat", "futimens", "now"))
        return how, self.rng.randrange(1 << 61), self.rng.randrange(1 << 61)

    def act(self, step):
        how, atime, mtime = step
        if how == "now":
            os.utime("file")
        else:
            os.utime("file" if how == "utimensat" else self.kept, ns=(atime, mtime))
        return os.stat("file").st_mtime_ns

    def check(self, step, note):
        seen, kept = os.stat("file"), os.fstat(self.kept)
        expected = (note, note) if step[0] == "now" else step[1:]
        expect("stat's atime and mtime", (seen.st_atime_ns, seen.st_mtime_ns), expected)
        expect("fstat's", (kept.st_atime_ns, kept.st_mtime_ns), expected)


class Stat(Kind):
    """Every store shows in size, mtime and ctime."""

    def prepare(self):
        write_new("file", b"")

    def begin(self):
        self.size, self.seen = 0, 0
        self.kept = os.open("file", os.O_RDWR | os.O_APPEND)

    def plan(self):
        how = self.rng.choice(("append", "append", "pwrite"))
        length = self.rng.randrange(1, 3000)
        if self.size > 50_000:
            self.size = 0
            return "O_TRUNC", 0
        self.size = self.size + length if how == "append" else max(self.size, length)
        return how, length

    def act(self, step):
        # What the kernel stamps files with is never behind this clock.
        before = time.clock_gettime_ns(CLOCK_REALTIME_COARSE)
        how, length = step
        if how == "append":
            os.write(self.kept, b"x" * length)
        else:
            fd = os.open("file", os.O_WRONLY | (os.O_TRUNC if how == "O_TRUNC" else 0))
            if length:
                os.pwrite(fd, b"y" * length, 0)
            os.close(fd)
        mtime = os.stat("file").st_mtime_ns
        if mtime < before:
            raise Stale(f"mtime {mtime} after a store at {before} or later")
        return mtime

    def check(self, step, note):
        for what, seen in (("stat", os.stat("file")), ("fstat", os.fstat(self.kept))):
            expect(f"{what}'s size", seen.st_size, self.size)
            expect(f"{what}'s mtime", seen.st_mtime_ns, note)
            expect(f"{what}'s ctime", seen.st_ctime_ns, note)
        if note < self.seen:
            raise Stale(f"mtime {note} after {self.seen}")
        self.seen = note


class Link(Kind):
    """Names of one file."""

    def prepare(self):
        write_new("first", b"text")

    def begin(self):
        self.kept, self.pool, self.there = os.open("first", os.O_RDONLY), self.names(6), {"first"}

    def plan(self):
        name = self.rng.choice(self.pool)
        how = "unlink" if name in self.there else "link"
        self.there ^= {name}
        return how, name, self.rng.choice(sorted(self.there - {name}))

    def act(self, step):
        how, name, other = step
        os.unlink(name) if how == "unlink" else os.link(other, name)

    def check(self, step, note):
        expect("fstat's nlink", os.fstat(self.kept).st_nlink, len(self.there))
        for name in ["first", *self.pool]:
            nlink = len(self.there) if name in self.there else "ENOENT"
            expect(f"{name}'s nlink", outcome(lambda: os.stat(name).st_nlink), nlink)
        expect("the listing", set(os.listdir(".")), self.there)


class Mkdir(Kind):
    """Directories that come and go, empty or not."""

    def prepare(self):
        os.mkdir("top")

    def begin(self):
        self.pool, self.there = self.names(6), {}
        self.kept = os.open("top", os.O_RDONLY | os.O_DIRECTORY)

    def plan(self):
        name = self.rng.choice(self.pool)
        if name not in self.there:
            self.there[name] = False
            return "mkdir", name, ""
        if self.there[name]:
            how = self.rng.choice(("empty", "rmdir"))
            self.there[name] = how == "rmdir"
            return how, name, "ENOTEMPTY"
        if self.rng.random() < 0.5:
            self.there[name] = True
            return "fill", name, ""
        del self.there[name]
        return "rmdir", name, None

    def act(self, step):
        how, name, result = step
        path = f"top/{name}"
        if how == "mkdir":
            os.mkdir(path)
        elif how == "rmdir":
            expect("rmdir", outcome(os.rmdir, path), result)
        elif how == "fill":
            write_new(f"{path}/inner", b"")
        else:
            os.unlink(f"{path}/inner")

    def check(self, step, note):
        expect("the listing", sorted(os.listdir("top")), sorted(self.there))
        expect("top's nlink", os.stat("top").st_nlink, 2 + len(self.there))
        expect("top's nlink by descriptor", os.fstat(self.kept).st_nlink, 2 + len(self.there))
        for name in self.pool:
            listed = "ENOENT"
            if name in self.there:
                listed = ["inner"] if self.there[name] else []
            expect(f"the listing of {name}", outcome(os.listdir, f"top/{name}"), listed)
            expect(f"whether {name} is there", os.path.isdir(f"top/{name}"), name in self.there)
