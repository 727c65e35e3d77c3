"""The program that makes, lists and removes many files, and times single operations. Prints one JSON object.

Times are medians in nanoseconds, taken around the system calls of one operation at a time.
"""

import errno
import json
import os
import random
import statistics
import sys
import time

BATCH = 100
"""Operations of one kind on one directory before the same is done on the other one."""

DATA = bytes(range(256)) * 16
"""What every hundredth file holds: one block of 4 KiB."""


def make(path, data=b""):
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    if data:
        os.write(descriptor, data)
    os.close(descriptor)


def name_of(index):
    return f"file-{index:08d}"


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def fill(directory, count):
    """Makes `count` files."""

    def work():
        for index in range(count):
            make(f"{directory}/{name_of(index)}", DATA if index % 100 == 0 else b"")

    return {"seconds": seconds(work)}


def read_back(directory, count):
    """Lists the directory, then looks every file up by name, in random order."""
    names = set()

    def list_all():
        with os.scandir(directory) as entries:
            for entry in entries:
                assert entry.name not in names, f"{entry.name} listed twice"
                names.add(entry.name)

    list_seconds = seconds(list_all)
    assert names == {name_of(index) for index in range(count)}, "the listing is not what was made"
    order = list(range(count))
    random.Random(1).shuffle(order)

    def look_up_all():
        for index in order:
            expected = len(DATA) if index % 100 == 0 else 0
            assert os.stat(f"{directory}/{name_of(index)}").st_size == expected

    look_up_seconds = seconds(look_up_all)
    for index in order[:2000]:
        with open(f"{directory}/{name_of(index)}", "rb") as file:
            assert file.read() == (DATA if index % 100 == 0 else b"")
    return {"listSeconds": list_seconds, "lookUpSeconds": look_up_seconds}


def timed(operation, paths):
    times = []
    for path in paths:
        start = time.perf_counter_ns()
        operation(path)
        times.append(time.perf_counter_ns() - start)
    return times


def absent(path):
    try:
        os.stat(path)
    except FileNotFoundError:
        return
    raise AssertionError(f"{path} exists")


def list_directory(path):
    with os.scandir(path) as entries:
        return sum(1 for _ in entries)


def rename_back_and_forth(path):
    os.rename(path, f"{path}.renamed")
    os.rename(f"{path}.renamed", path)


def measure(small, small_count, big, big_count, rounds):
    """Times operations in a small and in a big directory by turns, so that both meet the same machine."""
    sides = {"small": (small, small_count), "big": (big, big_count)}
    operations = ["create", "lookUpAbsent", "stat", "rename", "unlink", "list", "renameDirectory"]
    os.sched_setaffinity(0, {0})  # where the daemons are kept
    times = {name: {side: [] for side in sides} for name in operations}
    generator = random.Random(2)
    for round_number in range(rounds):
        for side, (directory, count) in sides.items():
            # Names in random order, so that they fall everywhere among the existing ones.
            some = [f"{directory}/file-{generator.randrange(10**8):08d}-new{n}" for n in range(BATCH)]
            present = [f"{directory}/{name_of(generator.randrange(count))}" for _ in range(BATCH)]
            times["create"][side] += timed(make, some)
            times["lookUpAbsent"][side] += timed(absent, [f"{path}-absent" for path in some])
            times["stat"][side] += timed(os.stat, present)
            times["rename"][side] += timed(lambda path: os.rename(path, f"{path}-renamed"), some)
            times["unlink"][side] += timed(os.unlink, [f"{path}-renamed" for path in some])
            times["renameDirectory"][side] += timed(rename_back_and_forth, [directory] * 5)
            if side == "small" or round_number < 3:
                listed = timed(list_directory, [directory])[0]
                times["list"][side].append(listed / count)
    return {name: {side: statistics.median(values) for side, values in both.items()} for name, both in times.items()}


def remove(directory, count):
    """Removes all files, in the order in which they are listed, and the directory."""

    def work():
        for name in os.listdir(directory):
            os.unlink(f"{directory}/{name}")
        os.rmdir(directory)

    return {"seconds": seconds(work)}


def outcome(operation):
    """What an operation ended with: "ok" or the name of its errno."""
    try:
        operation()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"


def pattern(number):
    return bytes((number + offset * 7) % 251 for offset in range(251)) * 261


def write_until_full(directory):
    """Writes files of at most 1 MiB until there is no room; returns the bytes accepted for each."""
    accepted = {}
    while True:
        path = f"{directory}/data{len(accepted)}"
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
        accepted[path] = 0
        try:
            piece = pattern(len(accepted))
            for _ in range(16):
                accepted[path] += os.write(descriptor, piece)
            os.fsync(descriptor)
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
            return accepted
        finally:
            os.close(descriptor)


def check_contents(accepted):
    for number, (path, size) in enumerate(accepted.items(), 1):
        with open(path, "rb") as file:
            content = file.read()
        expected = (pattern(number) * 16)[:size]
        assert content == expected, f"{path}: {len(content)} bytes, {size} were accepted, or others than were written"


def write_all(descriptor, data):
    """A write may be shortened by a full file system; only the next one says ENOSPC."""
    while data:
        data = data[os.write(descriptor, data) :]


def append(path, data):
    with open(path, "ab", buffering=0) as file:
        write_all(file.fileno(), data)


def overwrite(path, offset, data):
    with open(path, "r+b", buffering=0) as file:
        file.seek(offset)
        write_all(file.fileno(), data)


def allocate(path, size):
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, size)
    finally:
        os.close(descriptor)


def fill_up(directory):
    """Fills a file system, tries everything on the full one, makes room and works on."""
    results = {}
    before = os.statvfs(directory)
    append(f"{directory}/partial", b"begun")
    overwrite_me = f"{directory}/data0"
    accepted = write_until_full(directory)
    total = sum(accepted.values())
    check_contents(accepted)
    full = os.statvfs(directory)
    results["room left"] = full.f_bavail
    results["append within the last block"] = outcome(lambda: append(f"{directory}/partial", b" and ended"))
    results["overwrite"] = outcome(lambda: overwrite(overwrite_me, 12345, pattern(1)[12345:12355]))
    results["append a block"] = outcome(lambda: append(f"{directory}/partial", b"x" * 8192))
    results["allocate"] = outcome(lambda: allocate(f"{directory}/allocated", 1 << 20))
    results["size of what could not be allocated"] = os.stat(f"{directory}/allocated").st_size
    results["make an empty file"] = outcome(lambda: make(f"{directory}/empty"))
    results["make a directory"] = outcome(lambda: os.mkdir(f"{directory}/made"))
    results["make a symbolic link"] = outcome(lambda: os.symlink("target", f"{directory}/link"))
    results["link"] = outcome(lambda: os.link(overwrite_me, f"{directory}/made/hard"))
    results["rename"] = outcome(lambda: os.rename(f"{directory}/empty", f"{directory}/made/moved"))
    results["chmod"] = outcome(lambda: os.chmod(overwrite_me, 0o600))
    results["extend a hole"] = outcome(lambda: os.truncate(f"{directory}/allocated", 1 << 30))
    with open(f"{directory}/partial", "rb") as file:
        results["the partial block"] = file.read()[:15].decode()
    check_contents(accepted)
    # Room for one file is made and used, many times: a removed file's room is there at once.
    removed, size = list(accepted.items())[1]
    results["write after a removal"] = "ok"
    for _ in range(50):
        if results["write after a removal"] == "ok":
            os.unlink(removed)
            results["write after a removal"] = outcome(lambda: append(removed, b"x" * (size - 4096)))
    remaining = {path: length for path, length in accepted.items() if path != removed}
    for number, (path, length) in enumerate(accepted.items(), 1):
        if path in remaining:
            with open(path, "rb") as file:
                assert file.read() == (pattern(number) * 16)[:length], path
    os.unlink(f"{directory}/made/hard")
    for path in [*accepted, *(f"{directory}/{name}" for name in ("partial", "allocated", "made/moved", "link"))]:
        os.unlink(path)
    os.rmdir(f"{directory}/made")
    results["left after removal"] = os.listdir(directory)
    again = write_until_full(directory)
    results["room for as much again"] = abs(sum(again.values()) - total) <= total // 50
    check_contents(again)
    for path in again:
        os.unlink(path)
    results["all room is back"] = room_is_back(directory, before)
    return results


def room_is_back(directory, before):
    """Whether df shows what it showed before, at once or very soon."""
    for _ in range(100):
        after = os.statvfs(directory)
        if (after.f_bfree, after.f_ffree) == (before.f_bfree, before.f_ffree):
            return True
        time.sleep(0.02)
    return False


def use_up_inodes(directory):
    """Makes files until the inodes are used up."""
    made = 0
    while (ending := outcome(lambda: make(f"{directory}/file{made}", b"kept"))) == "ok":
        made += 1
    endings = {
        "file": ending,
        "directory": outcome(lambda: os.mkdir(f"{directory}/made")),
        "symbolic link": outcome(lambda: os.symlink("target", f"{directory}/link")),
        "inodes left": os.statvfs(directory).f_ffree,
    }
    again = {}
    for index in range(min(made, 200)):
        os.unlink(f"{directory}/file{index}")
        again[index] = outcome(lambda: make(f"{directory}/file{index}", b"kept"))
        if again[index] != "ok":
            break
    endings["made after a removal"] = sorted(set(again.values()))
    endings["and one more"] = outcome(lambda: make(f"{directory}/more"))
    for index in range(made):
        if again.get(index, "ok") == "ok":
            with open(f"{directory}/file{index}", "rb") as file:
                assert file.read() == b"kept"
    endings["made"] = made
    return endings


COMMANDS = {
    "fill": fill,
    "read_back": read_back,
    "measure": measure,
    "remove": remove,
    "fill_up": fill_up,
    "use_up_inodes": use_up_inodes,
}

if __name__ == "__main__":
    os.umask(0o022)
    arguments = [int(argument) if argument.isdigit() else argument for argument in sys.argv[2:]]
    print(json.dumps(COMMANDS[sys.argv[1]](*arguments)))
