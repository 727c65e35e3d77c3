"""Four processes make the same files at the same moment, two of them through the kernel: race.py DIR SCRATCH ROUNDS.

Everybody may open what somebody has made; with O_EXCL one of them makes it. Prints how often each process was first.
"""

import mmap
import os
import subprocess
import sys
import time

COUNT = 4
LIMIT_S = 60


def meet(progress, me, round):
    """Returns when all have come as far; does not sleep, so that all go on at once."""
    progress[me * 64 : me * 64 + 4] = round.to_bytes(4, "little")
    limit = time.monotonic() + LIMIT_S
    while any(int.from_bytes(progress[i * 64 : i * 64 + 4], "little") < round for i in range(COUNT)):
        if time.monotonic() > limit:
            sys.exit(f"the others do not come, round {round}")
        os.sched_yield()


def race(me, directory, scratch, rounds):
    with open(f"{scratch}/progress", "r+b") as file:
        progress = mmap.mmap(file.fileno(), 0)
    os.chdir(directory)
    won = 0
    for round in range(rounds):
        meet(progress, me, 2 * round + 1)
        exclusive = round % 2 == 1
        try:
            fd = os.open(f"file{round}", os.O_RDWR | os.O_CREAT | (os.O_EXCL if exclusive else 0))
            os.write(fd, b"x")
            os.close(fd)
            won += exclusive
        except FileExistsError:
            if not exclusive:
                raise
        meet(progress, me, 2 * round + 2)
        if me == round % COUNT:
            os.unlink(f"file{round}")
    print(won)


if len(sys.argv) > 4:
    race(int(sys.argv[4]), *sys.argv[1:3], int(sys.argv[3]))
else:
    with open(f"{sys.argv[2]}/progress", "wb") as file:
        file.truncate(COUNT * 64)
    outside = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    processes = [
        subprocess.Popen([sys.executable, *sys.argv, str(me)], stdout=subprocess.PIPE, env=outside if me % 2 else None)
        for me in range(COUNT)
    ]
    firsts = [int(process.communicate()[0] or 0) for process in processes]
    assert all(process.returncode == 0 for process in processes), firsts
    assert sum(firsts) == int(sys.argv[3]) // 2, firsts
    print(*firsts)
