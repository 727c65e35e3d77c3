"""Goes on with files that may not be opened any more, by every way in which a descriptor becomes the kernel's: reopen.py DIR."""

import fcntl
import mmap
import os
import subprocess
import sys

os.chdir(sys.argv[1])


def outcome(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return error.errno


def forks(fd):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if outcome(os.write, fd, b"child ") == 6 else 1)
    status = os.waitpid(pid, 0)[1]
    return status, os.write(fd, b"parent")


def maps(fd):
    os.ftruncate(fd, 8192)
    with mmap.mmap(fd, 0) as view:
        view[8000:8005] = b"store"
        view.flush()
    return os.pread(fd, 5, 8000)


def locks(fd):
    fcntl.lockf(fd, fcntl.LOCK_EX)
    return os.pwrite(fd, b"locked", 0)


def passes(fd):
    os.lseek(fd, 0, os.SEEK_END)
    return subprocess.run(["sh", "-c", "echo from the shell; echo again"], stdout=fd, stderr=subprocess.DEVNULL).returncode


for use in (forks, maps, locks, passes):
    for mode in (0o600, 0o444, 0o222, 0):
        for ending in ("kept", "unlinked", "renamed"):
            name = f"{use.__name__}-{mode:o}-{ending}"
            fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
            os.write(fd, b"before ")
            if ending == "unlinked":
                os.unlink(name)
            elif ending == "renamed":
                os.rename(name, name + "-to")
                name += "-to"
            result = outcome(use, fd)
            content = outcome(os.pread, fd, 100, 0)
            seen = oct(os.fstat(fd).st_mode), os.fstat(fd).st_nlink, os.fstat(fd).st_size
            os.close(fd)
            again = outcome(os.open, name, os.O_RDWR)
            print(use.__name__, oct(mode), ending, result, content, seen, again if again in (2, 13) else "opened")

# What was opened before its mode was changed, and what was opened for one way only.
for use in (forks, maps, locks, passes):
    for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_APPEND):
        name = f"changed-{use.__name__}-{flags}"
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT, 0o644))
        fd = os.open(name, flags)
        os.chmod(name, 0)
        print(use.__name__, flags, outcome(use, fd), outcome(os.pread, fd, 100, 0), os.stat(name).st_size)

# A directory that is removed by somebody else, whom the kernel may know it by or not.
for known in (False, True):
    os.mkdir("removed")
    if known:
        subprocess.run(["ls", "removed"], check=True, env={"PATH": os.environ["PATH"]})
    fd = os.open("removed", os.O_RDONLY | os.O_DIRECTORY)
    subprocess.run([sys.executable, "-c", "import os; os.rmdir('removed')"], check=True)
    print(outcome(os.fchmod, fd, 0o700), outcome(os.listdir, fd), oct(os.fstat(fd).st_mode), os.fstat(fd).st_nlink)
    print(outcome(os.fchdir, fd), outcome(os.listdir, "."), outcome(os.mkdir, "x"), outcome(os.getcwd))
    pid = os.fork()
    if pid == 0:
        os._exit(outcome(os.fstat, fd).st_nlink + len(outcome(os.listdir, fd)))
    print(os.waitpid(pid, 0)[1])
    os.close(fd)
    os.chdir(sys.argv[1])
