"""Twelve programs keep a mount busy, through the library and, reading directories, through the kernel, when its daemon is killed.

killed_daemon.py DIRECTORY DAEMON_PID VARIABLES
Prints how many of them end in time, each with an error of the kernel. What waits longer is freed by force, so that this program ends.
"""
import json, os, signal, subprocess, sys, time

directory, daemon, variables = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
# The limit is a second; machines that run tests are busy.
LATE_SECONDS = 4

program = '''
import errno, os, sys, threading
directory, number = sys.argv[1:]
said = set()
def work(own):
    f = os.open(own, os.O_RDWR | os.O_CREAT)
    try:
        while True:
            os.close(os.open(own + "-a", os.O_RDWR | os.O_CREAT))
            os.rename(own + "-a", own + "-b")
            os.mkdir(own + "-d")
            os.rmdir(own + "-d")
            os.listdir(directory)
            os.posix_fallocate(f, 0, 100_000)
            os.ftruncate(f, 500)
            os.fsync(f)
    except OSError as error:
        said.add(errno.errorcode[error.errno])
threads = [threading.Thread(target=work, args=(f"{directory}/{number}-{i}",)) for i in range(2)]
for thread in threads: thread.start()
print("ready", flush=True)
for thread in threads: thread.join()
print("expected" if said <= {"ENOTCONN", "ECONNABORTED"} else said)
'''
# Every third one comes through the kernel alone.
clients = [
    subprocess.Popen([sys.executable, "-c", program, directory, str(i)], stdout=subprocess.PIPE, text=True,
                     env={**os.environ, **({} if i % 3 == 2 else variables)})
    for i in range(12)
]
for client in clients:
    client.stdout.readline()
time.sleep(0.5)
os.kill(daemon, signal.SIGKILL)
end = time.monotonic() + LATE_SECONDS
ended = 0
for client in clients:
    try:
        said, _ = client.communicate(timeout=max(0.1, end - time.monotonic()))
        ended += said == "expected\n"
        if said != "expected\n":
            print(said)
    except subprocess.TimeoutExpired:
        client.kill()
        print("late")
for client in clients:
    client.wait()
print(ended)
