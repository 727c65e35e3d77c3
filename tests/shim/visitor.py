"""A program that does what it is told, line by line, and says what came of it: to see what one that is running notices of changes.

Each line of standard input is [operation, path], as JSON; each answer is a text.
"""

import json
import os
import sys


def atime(path):
    return str(os.stat(path).st_atime_ns)


def read(path):
    with open(path, "rb", buffering=0) as file:
        return file.read().decode()


operations = {
    "stat": lambda path: "there" if os.stat(path) else "",
    "mkdir": os.mkdir,
    "rmdir": os.rmdir,
    "make": lambda path: os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)),
    "unlink": os.unlink,
    "list": lambda path: " ".join(sorted(os.listdir(path))),
    "read": read,
    "atime": atime,
    "chdir": os.chdir,
    "use": lambda path: [os.stat(path) for _ in range(100)] and os.close(os.open(path, os.O_RDONLY)),
}

for line in sys.stdin:
    operation, path = json.loads(line)
    try:
        answer = operations[operation](path) or "done"
    except OSError as error:
        answer = os.strerror(error.errno)
    print(answer, flush=True)
