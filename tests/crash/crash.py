"""Kills programs in the middle of their work, and checks what they leave: nothing acknowledged may be missing.

    crash.py DIRECTORY COUNT SEED LIMIT [--canary] [NAME=VALUE...]

COUNT programs, four at a time, are started with the given variables in their environment (such as LD_PRELOAD). Two
more live on, one with and one without the variables, and measure how long operations take. This one goes through the
kernel. At the end the directory is empty again. Prints what was found; ends with 1 when something is wrong. With
--canary one byte of each dead program's files is changed before it is looked at.
"""

import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import threading
import time

from operations import Model, records
from program import snapshot

AT_A_TIME = 4
LIFE_SECONDS_MAX = 0.2
START_SECONDS_MAX = 20
BLOCKED_SECONDS_MAX = 1
PENDING_SECONDS_MAX = 2
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "program.py")
SURVIVORS = {1: "through the library", 2: "through the kernel"}


class Wrong(Exception):
    pass


def start(verb, writer, seed, variables):
    return subprocess.Popen(
        [sys.executable, PROGRAM, verb, str(writer), str(seed)],
        env={**os.environ, **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


class Survivor:
    """A program that lives through all of it."""

    def __init__(self, writer, seed, variables):
        self.writer, self.lock = writer, threading.Lock()
        self.process = start("watch", writer, seed, variables)

    def ask(self, request):
        with self.lock:
            self.process.stdin.write(request.encode() + b"\n")
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], START_SECONDS_MAX)[0]:
                self.process.kill()
            answer = self.process.stdout.readline()
        if not answer:
            raise Wrong(f"the program {SURVIVORS[self.writer]} does not answer: {self.process.stderr.read().decode()}")
        return json.loads(answer)


def live_and_die(writer, rng, variables):
    """What a program acknowledged until it was killed: operations, and the one it was in the middle of, or None."""
    process = start("doomed", writer, rng.randrange(1 << 30), variables)
    text, fd = b"", process.stdout.fileno()
    deadline = time.monotonic() + START_SECONDS_MAX
    has_begun = False
    try:
        while time.monotonic() < deadline:
            if select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]:
                part = os.read(fd, 1 << 16)
                if not part:
                    break
                text += part
                if not has_begun:
                    has_begun, deadline = True, time.monotonic() + rng.random() * LIFE_SECONDS_MAX
    finally:
        process.send_signal(signal.SIGKILL)
    text += process.stdout.read()
    problem = process.stderr.read().decode()
    code = process.wait()
    if code != -signal.SIGKILL or problem or not has_begun:
        last = text[-300:].decode(errors="replace")
        raise Wrong(f"program {writer} ended by itself ({code}) or did not begin; after …{last}\n{problem}")
    lines = text.decode().split("\n")[:-1]
    operations = [json.loads(line) for line in lines if line != "done"]
    acknowledged = lines.count("done")
    pending = operations[acknowledged] if len(operations) > acknowledged else None
    return operations[:acknowledged], pending


def patiently(pending, act, *arguments):
    """What a program was asking for when it died may be done a moment later, and in the middle of looking at it."""
    end = time.monotonic() + (PENDING_SECONDS_MAX if pending is not None else 0)
    while True:
        try:
            return act(*arguments)
        except (Wrong, OSError):
            if time.monotonic() > end:
                raise


def contents(top, paths):
    found = {}
    for path in paths:
        with open(f"{top}/{path}", "rb") as file:
            found[path] = file.read()
    return found


def describe(model):
    return {path: file and (bytes(file[0]), *file[1:]) for path, file in model.tree.items()}


def check(writer, operations, pending, survivor):
    """The private directory of a dead program is as it was after the last acknowledged operation, or after the next."""
    top = f"p{writer}"
    seen, other = snapshot(top), survivor.ask(f"snapshot {top}")
    last = [*operations[-3:], pending]
    for path in {**seen, **other}:
        if seen.get(path) != other.get(path):
            found = f"{path} is {seen.get(path)} to the kernel and {other.get(path)} to the library"
            raise Wrong(f"program {writer}: {found}; its last operations, and the pending one: {last}")
    data = contents(top, [path for path, entry in seen.items() if entry[0] == "f"])
    actual = {path: (data[path], *entry[1:3]) if entry[0] == "f" else None for path, entry in seen.items()}
    before = Model()
    for operation in operations:
        before.apply(operation)
    after = before.copy()
    if pending is not None:
        after.apply(pending)
    expected = describe(before), describe(after)
    if actual in expected:
        return
    is_store = pending is not None and pending[0] in ("write", "append", "append_dup")
    wrong = [path for path in {*actual, *expected[0], *expected[1]} if not any(actual.get(path, "") == each.get(path, "") for each in expected)]
    if is_store and all(is_between(*(each.get(path) for each in (actual, *expected))) for path in wrong):
        return
    path = wrong[0] if wrong else "several at once"
    found, wanted = (short(each.get(path)) for each in (actual, expected[0]))
    raise Wrong(f"program {writer}: {path} is {found} instead of {wanted}; its last operations, and the pending one: {last}")


def short(file):
    return file if file is None else f"{len(file[0])} bytes {file[0][:12].hex()}…, mode {file[1]:o}, {file[2]} names"


def is_between(actual, before, after):
    """A store that was not acknowledged may be there in part."""
    if None in (actual, before, after) or actual[1:] != before[1:]:
        return False
    content, old, new = actual[0], before[0], after[0]
    if not len(old) <= len(content) <= len(new):
        return False
    return all(byte in (new[i], old[i] if i < len(old) else 0) for i, byte in enumerate(content))


def spoil(top):
    for path, entry in snapshot(top).items():
        if entry[0] == "f" and entry[3] > 0:
            with open(f"{top}/{path}", "r+b") as file:
                byte = file.read(1)
                file.seek(0)
                file.write(bytes([byte[0] ^ 1]))
            return


def check_log(acknowledged, pending):
    """By writer how many records were acknowledged; one more may be there of those that were killed, or a part of it."""
    seen = {}
    with open("log", "rb") as file:
        log = file.read()
    for writer, sequence in records(log, pending):
        if sequence != seen.get(writer, 0):
            raise Wrong(f"the log: record {sequence} of program {writer} where {seen.get(writer, 0)} should be")
        seen[writer] = sequence + 1
    for writer, count in acknowledged.items():
        if not count <= seen.get(writer, 0) <= count + (writer not in SURVIVORS):
            raise Wrong(f"the log has {seen.get(writer, 0)} records of program {writer}, who wrote {count}")
    return len(log), sum(seen.values())


def run(count, seed, limit, canary, variables):
    os.close(os.open("log", os.O_WRONLY | os.O_CREAT, 0o666))
    os.mkdir("shared")
    end = time.monotonic() + limit
    survivors = [Survivor(1, seed, variables), Survivor(2, seed + 1, {})]
    acknowledged, torn, problems, totals = {}, [], [], {"operations": 0, "pending": 0}
    writers = iter(range(10, 10 + count))
    taking = threading.Lock()

    def work():
        while not problems and time.monotonic() < end:
            with taking:
                writer = next(writers, None)
            if writer is None:
                return
            rng = random.Random(f"{seed} {writer}")
            operations, pending = [], None
            try:
                operations, pending = live_and_die(writer, rng, variables)
                if canary:
                    spoil(f"p{writer}")
                patiently(pending, check, writer, operations, pending, survivors[0])
                patiently(pending, shutil.rmtree, f"p{writer}")
            except (Wrong, OSError, ValueError) as problem:
                # What it had done before, for whoever has the same seed.
                last = [str(operation)[:200] for operation in operations[-3:]]
                problems.append(f"{problem}\nseed {seed}, program {writer}, {len(operations)} operations acknowledged, the last ones {last}, pending {str(pending)[:200]}")
                return
            acknowledged[writer] = sum(operation[0] == "log" for operation in operations)
            if pending is not None and pending[0] == "log":
                torn.append((writer, acknowledged[writer], pending[1]))
            totals["operations"] += len(operations)
            totals["pending"] += pending is not None

    threads = [threading.Thread(target=work) for _ in range(AT_A_TIME)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        for survivor in survivors:
            summary = survivor.ask("end")
            acknowledged[survivor.writer] = summary["records"]
            milliseconds = summary["longest"] * 1000
            print(f"longest operation {SURVIVORS[survivor.writer]}: {milliseconds:.0f} ms of {summary['count']} ({summary['operation']})")
            if summary["longest"] > BLOCKED_SECONDS_MAX:
                problems.append(f"an operation took longer than {BLOCKED_SECONDS_MAX} s")
            if survivor.process.wait(START_SECONDS_MAX) != 0:
                problems.append(f"the program {SURVIVORS[survivor.writer]} failed")
        size, found = check_log(acknowledged, torn)
        print(f"{len(acknowledged) - 2} programs killed, {totals['pending']} within an operation, {totals['operations']} acknowledged; log of {found} records, {size} bytes")
        if len(acknowledged) - 2 < count and not problems:
            problems.append(f"not finished after {limit} seconds")
    except (Wrong, OSError, ValueError, subprocess.TimeoutExpired) as problem:
        problems.append(str(problem))
    finally:
        for survivor in survivors:
            survivor.process.kill()
            survivor.process.wait()
        for name in os.listdir("."):
            shutil.rmtree(name) if os.path.isdir(name) else os.unlink(name)
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    directory, count, seed, limit = sys.argv[1:5]
    rest = [argument for argument in sys.argv[5:] if argument != "--canary"]
    os.chdir(directory)
    os.umask(0)
    sys.exit(run(int(count), int(seed), float(limit), "--canary" in sys.argv, dict(each.split("=", 1) for each in rest)))
