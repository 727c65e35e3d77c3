"""Programs of the crash tests, in the current directory.

    program.py doomed WRITER SEED   works until it is killed. Prints a line before each operation and one after it
    program.py watch WRITER SEED    works slowly and measures how long each operation takes; answers requests on its
                                    standard input: "snapshot PATH", and "end", which ends it
"""

import hashlib
import json
import os
import random
import select
import sys
import time

from operations import Actor, Model, choose_shared

PAUSE_SECONDS = 0.002


def doomed(writer, rng):
    private = f"p{writer}"
    os.mkdir(private)
    actor, model = Actor(writer, private), Model()
    number = 0
    while True:
        number += 1
        operation = choose_shared(rng) if rng.random() < 0.25 else model.choose(rng, number)
        os.write(1, json.dumps(operation).encode() + b"\n")
        actor.act(operation)
        os.write(1, b"done\n")
        model.apply(operation)


def snapshot(top):
    """By path: "d" and the mode, or "f", mode, number of names, size and a digest."""
    while True:
        try:
            return look_through(top)
        except FileNotFoundError:
            pass  # what a killed program asked for is done only now


def look_through(top):
    found = {}
    for directory, names, files in os.walk(top):
        for name in names:
            path = f"{directory}/{name}"
            found[os.path.relpath(path, top)] = ["d", os.stat(path).st_mode & 0o7777]
        for name in files:
            path = f"{directory}/{name}"
            status = os.stat(path)
            with open(path, "rb") as file:
                digest = hashlib.sha1(file.read()).hexdigest()
            found[os.path.relpath(path, top)] = ["f", status.st_mode & 0o7777, status.st_nlink, status.st_size, digest]
    return found


def watch(writer, rng):
    private = f"p{writer}"
    os.mkdir(private)
    actor, model = Actor(writer, private), Model()
    longest, number = (0, ""), 0

    while True:
        number += 1
        operation = choose_shared(rng) if rng.random() < 0.5 else model.choose(rng, number)
        start = time.monotonic()
        actor.act(operation)
        longest = max(longest, (time.monotonic() - start, " ".join(map(str, operation))))
        model.apply(operation)
        if not select.select([0], [], [], PAUSE_SECONDS)[0]:
            continue
        request, _, path = os.read(0, 4096).decode().strip().partition(" ")
        if request == "snapshot":
            print(json.dumps(snapshot(path)), flush=True)
        else:
            summary = {"longest": longest[0], "operation": longest[1], "count": number, "records": actor.sequence}
            print(json.dumps(summary), flush=True)
            return


if __name__ == "__main__":
    os.umask(0)
    verb, writer, seed = sys.argv[1:]
    {"doomed": doomed, "watch": watch}[verb](int(writer), random.Random(int(seed)))
