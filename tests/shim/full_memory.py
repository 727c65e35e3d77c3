"""A full /dev/shm must not end a program under the library (SIGBUS): whatever it may look at has memory.

full_memory.py DIRECTORY NAME VARIABLES BTFUSE...: in a mount namespace of its own, with a small /dev/shm.
"""
import json, os, signal, subprocess, sys, time

directory, name, variables, *btfuse = sys.argv[1:]
subprocess.run("mount --make-rprivate / && mount -t tmpfs -o size=64M none /dev/shm", shell=True, check=True)
daemon = subprocess.Popen([*btfuse, "mount", "-f", "--name", name, "--size", "512M", "--inodes", "200000", directory],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
for _ in range(1000):
    if os.path.ismount(directory):
        break
    time.sleep(0.02)
environment = {**os.environ, **json.loads(variables)}
hog = "/dev/shm/hog"


def fill():
    f = os.open(hog, os.O_WRONLY | os.O_CREAT)
    for size in (1 << 20, 4096):
        try:
            while True:
                os.write(f, b"h" * size)
        except OSError:
            pass
    os.close(f)


# Files and directories are open whose names, and all names and inodes beside them, are gone.
OPEN = '''
import os, sys
d, count = sys.argv[1], 20_000
for i in range(count): os.close(os.open(f"{d}/{i}", os.O_RDWR | os.O_CREAT))
files = [os.open(f"{d}/{i}", os.O_RDWR) for i in range(count - 50, count)]
for i in range(50): os.mkdir(f"{d}/d{i}")
directories = [os.open(f"{d}/d{i}", os.O_RDONLY) for i in range(50)]
for i in range(50): os.rmdir(f"{d}/d{i}")
for i in range(count): os.unlink(f"{d}/{i}")
print("ready", flush=True)
sys.stdin.readline()
for f in files: os.pread(f, 1, 0)
for f in directories: os.fstat(f)
pid = os.fork()
if pid == 0: os._exit(0)
os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
'''
program = subprocess.Popen([sys.executable, "-c", OPEN, directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                           env=environment, cwd="/")
program.stdout.readline()
# The daemon gives memory back four times a second.
time.sleep(1)
fill()
program.communicate(b"go\n")
print("stale numbers:", program.returncode)
os.unlink(hog)

# A reader is stopped in the middle of a copy, and its file loses its blocks.
READ = '''
import os, sys
f = os.open(sys.argv[1] + "/data", os.O_RDONLY)
while True: os.pread(f, 8 << 20, 0)
'''
ended = 0
for i in range(4):
    with open(directory + "/data", "wb") as f:
        f.write(b"D" * (8 << 20))
    reader = subprocess.Popen([sys.executable, "-c", READ, directory], env=environment, cwd="/")
    time.sleep(0.3 + 0.013 * i)
    reader.send_signal(signal.SIGSTOP)
    os.truncate(directory + "/data", 0)
    time.sleep(0.7)
    fill()
    reader.send_signal(signal.SIGCONT)
    time.sleep(0.2)
    ended += reader.poll() is not None
    reader.kill()
    reader.wait()
    os.unlink(hog)
print("readers that ended:", ended)
subprocess.run([*btfuse, "umount", directory], check=True)
daemon.wait()
