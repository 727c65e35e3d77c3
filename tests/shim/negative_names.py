"""Names that do not exist are remembered by the kernel: one process asks for them through it, the other makes and removes them.

negative_names.py DIR SEED COUNT; prints how often a name was there.
"""

import os
import random
import subprocess
import sys

directory, seed, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
# More than the filter of a directory has bits, so that some share one.
NAMES = [f"name{i}" for i in range(300)]

if len(sys.argv) > 4:
    os.chdir(directory)
    for line in sys.stdin:
        print(int(os.path.lexists(line.strip())), flush=True)
    sys.exit()

outside = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
other = subprocess.Popen([sys.executable, *sys.argv, "other"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=outside, text=True, bufsize=1)


def there(path):
    other.stdin.write(path + "\n")
    return other.stdout.readline().strip() == "1"


rng = random.Random(seed)
os.chdir(directory)
for place in ("one", "two"):
    os.mkdir(place)
known, seen = set(), 0
for turn in range(count):
    place = rng.choice(("one", "two"))
    path = f"{place}/{rng.choice(NAMES)}"
    if path in known:
        other_path = f"{rng.choice(('one', 'two'))}/{rng.choice(NAMES)}"
        if rng.random() < 0.5 or other_path in known:
            os.unlink(path)
        else:
            os.rename(path, other_path)
            known.add(other_path)
        known.discard(path)
    else:
        way = rng.randrange(4)
        if way == 0:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        elif way == 1:
            os.symlink("nowhere", path)
        elif way == 2 and known:
            os.link(rng.choice(sorted(known)), path, follow_symlinks=False)
        else:
            os.mknod(path)
        known.add(path)
    for asked in (path, f"{place}/{rng.choice(NAMES)}"):
        assert there(asked) == (asked in known), f"turn {turn}: {asked} is {'' if asked in known else 'not '}there"
        seen += asked in known
    if turn % 1000 == 500:
        # The kernel forgets all it knows, and the filters are empty again.
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("2")
other.stdin.close()
assert other.wait() == 0
print(seen)
