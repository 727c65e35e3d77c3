"""The daemon is killed while programs use the mount; what each call on it then says, and how long it takes.

dead_daemon.py DIRECTORY NAME REAPED(0|1) VARIABLES BTFUSE...
Prints one line a call: its name, the error, and "late" when it took longer than it may.
"""
import json, os, signal, subprocess, sys, time

directory, name, reaped, variables, *btfuse = sys.argv[1:]
# The limit is a second; machines that run tests are busy.
LATE_SECONDS = 3

daemon = subprocess.Popen([*btfuse, "mount", "-f", "--name", name, "--size", "64M", directory],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
for _ in range(1000):
    if os.path.ismount(directory):
        break
    time.sleep(0.02)

program = '''
import errno, mmap, os, signal, sys, threading, time
directory = sys.argv[1]
signal.signal(signal.SIGALRM, lambda *_: None)
def new(name):
    f = os.open(f"{directory}/{name}", os.O_RDWR | os.O_CREAT, 0o644)
    os.write(f, b"x")
    return f
os.mkdir(f"{directory}/d")
calls = {
    "write": lambda f: os.pwrite(f, b"y" * 5_000_000, 0),
    "write under signals": lambda f: os.pwrite(f, b"y" * 5_000_000, 0),
    "ftruncate": lambda f: os.ftruncate(f, 100_000),
    "fallocate": lambda f: os.posix_fallocate(f, 0, 1 << 20),
    "sendfile": lambda f: os.sendfile(f, f, 0, 1),
    "mmap": lambda f: mmap.mmap(f, 1),
    "fchmod": lambda f: os.fchmod(f, 0o600),
    "append": lambda f: os.write(f, b"z" * 5_000_000),
    "make": lambda f: os.mkdir(f"{directory}/new"),
    "make at": lambda f: os.mkdir("new", dir_fd=held),
    "open at": lambda f: os.open("new", os.O_RDONLY, dir_fd=held),
    "remove": lambda f: os.unlink(f"{directory}/write"),
}
files = {name: new(name) for name in calls}
held = os.open(f"{directory}/d", os.O_RDONLY)
print("ready", flush=True)
sys.stdin.readline()
for name, call in calls.items():
    if "signals" in name:
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    start = time.monotonic()
    try:
        call(files[name])
        said = "no error"
    except OSError as error:
        said = errno.errorcode[error.errno]
    signal.setitimer(signal.ITIMER_REAL, 0)
    late = " late" if time.monotonic() - start > LATE_SECONDS else ""
    print(f"{name}: {said}{late}", flush=True)
'''.replace("LATE_SECONDS", str(LATE_SECONDS))

client = subprocess.Popen([sys.executable, "-c", program, directory], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True, cwd="/",
                          env={**os.environ, **json.loads(variables)})
try:
    client.stdout.readline()
    os.kill(daemon.pid, signal.SIGKILL)
    if reaped == "1":
        daemon.wait()
    else:
        os.waitid(os.P_PID, daemon.pid, os.WEXITED | os.WNOWAIT)
    print(client.communicate("go\n", timeout=60)[0], end="")
finally:
    client.kill()
    client.wait()
    daemon.wait()
