"""Two processes take turns at one directory: one changes something, the other checks at once that it sees the change.

    turns.py KIND DIRECTORY COUNT SEED LIMIT [--canary] [NAME=VALUE...]

Starts both processes, the first with the given variables in its environment (such as LD_PRELOAD), and ends with 1 at
the first answer that is not the current one, or when they have not finished after LIMIT seconds. Both draw the same
random numbers, so each knows what the other has done; a turn is one message through a pipe. With --canary now and
then nothing is done although the other is told so, which must be found. kinds.py says what the kinds of turns do.
"""

import os
import random
import struct
import subprocess
import sys
import time

import kinds
import kinds_attributes
from kinds import Stale

KINDS = {
    "pwrite": kinds.Pwrite,
    "append": kinds.Append,
    "grow": kinds.Grow,
    "truncate": kinds.Truncate,
    "create": kinds.Create,
    "unlink": kinds.Unlink,
    "rename": kinds.Rename,
    "chmod": kinds_attributes.Chmod,
    "utimens": kinds_attributes.Utimens,
    "stat": kinds_attributes.Stat,
    "link": kinds_attributes.Link,
    "mkdir": kinds_attributes.Mkdir,
}
NAMES = ("the first process", "the second process")
MESSAGE = struct.Struct("q")
CANARY_TURNS = 40
# Two of so many turns, one of each process, are checked by the one who made the change as well.
OWN_CHECK_TURNS = 6


def play(kind, count, seed, side, receive, send, canary):
    """Takes turns; see the module's text."""
    rng = random.Random(f"{kind} {seed}")
    game = KINDS[kind](rng)
    if side == 0:
        game.prepare()
        game.begin()
        os.write(send, MESSAGE.pack(0))
        receive_message(receive)
    else:
        receive_message(receive)
        game.begin()
        os.write(send, MESSAGE.pack(0))
    for turn in range(count):
        step = game.plan()
        skipped = canary and (turn + seed) % CANARY_TURNS == CANARY_TURNS - 1
        try:
            if turn % 2 == side:
                note = 0
                if not skipped:
                    note = game.act(step) or 0
                    if game.checks_always or turn % OWN_CHECK_TURNS < 2:
                        game.check(step, note)
                os.write(send, MESSAGE.pack(note))
            else:
                game.check(step, receive_message(receive))
        except (Stale, OSError) as problem:
            actor = NAMES[turn % 2]
            print(f"{kind}, seed {seed}, turn {turn}: after {actor} did {step}, {NAMES[side]} finds {problem!r}")
            print(f"as it should be: {str(vars(game))[:2000]}")
            return 1
    # The last turn's check is over before the directory goes.
    os.write(send, MESSAGE.pack(0))
    receive_message(receive)
    return 0


def receive_message(receive):
    message = os.read(receive, MESSAGE.size)
    if len(message) < MESSAGE.size:
        sys.exit(2)  # the other one has ended and says why
    return MESSAGE.unpack(message)[0]


def run(kind, directory, count, seed, limit, canary, variables):
    os.mkdir(directory)
    pipes = os.pipe(), os.pipe()
    sides = []
    start = time.monotonic()
    for side in (0, 1):
        receive, send = pipes[1 - side][0], pipes[side][1]
        arguments = [kind, str(count), str(seed), str(side), str(receive), str(send), str(int(canary))]
        environment = {**os.environ, **(variables if side == 0 else {})}
        command = [sys.executable, __file__, "--side", *arguments]
        sides.append(subprocess.Popen(command, cwd=directory, env=environment, pass_fds=(receive, send)))
    for pipe in pipes:
        for fd in pipe:
            os.close(fd)
    codes = []
    for side in sides:
        try:
            codes.append(side.wait(max(0.1, start + limit - time.monotonic())))
        except subprocess.TimeoutExpired:
            print(f"{kind}, seed {seed}: not finished after {limit} seconds")
            codes.append(1)
    for side in sides:
        side.kill()
        side.wait()
    if any(codes):
        # 2: only the other one knows what happened.
        died = [code for code in codes if code not in (0, 1, 2)]
        if died or 1 not in codes:
            print(f"{kind}, seed {seed}: the processes ended with {codes}")
        return 1
    seconds = time.monotonic() - start
    print(f"{kind}: {count} turns, {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "--side":
        kind, *numbers = sys.argv[2:]
        count, seed, side, receive, send, canary = map(int, numbers)
        sys.exit(play(kind, count, seed, side, receive, send, canary))
    kind, directory, count, seed, limit = sys.argv[1:6]
    rest = [argument for argument in sys.argv[6:] if argument != "--canary"]
    variables = dict(argument.split("=", 1) for argument in rest)
    sys.exit(run(kind, directory, int(count), int(seed), float(limit), "--canary" in sys.argv, variables))
