/** Programs without the library watch files (inotify(7)) that programs under it change. */
import { assertEquals } from "@std/assert";
import { mountBtfuse, runOk } from "../support/mounts.ts";
import { canPreload, PYTHON, quietlyPreloaded } from "./support.ts";

/**
 * The watcher starts a program under the library, before or after it sets its watch, and prints which events it gets. `LATE_SECONDS`: by
 * then README promises a new watch to be known.
 */
const WATCHER = `
import ctypes, json, os, subprocess, sys, time
d, when, what, variables = sys.argv[1:]
LATE_SECONDS = 1
libc = ctypes.CDLL(None)
open(d + "/file", "w").close()
CHANGES = '''
import os, sys
d = sys.argv[1]
print("ready", flush=True)
sys.stdin.readline()
f = os.open(d + "/file", os.O_WRONLY)
os.write(f, b"new")
os.close(f)
os.chmod(d + "/file", 0o600)
os.close(os.open(d + "/made", os.O_WRONLY | os.O_CREAT))
os.rename(d + "/made", d + "/moved")
os.unlink(d + "/moved")
'''
def start():
    global program
    env = {**os.environ, **json.loads(variables)}
    program = subprocess.Popen([sys.executable, "-c", CHANGES, d], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
    program.stdout.readline()
def watch():
    global watcher
    watcher = libc.inotify_init1(0o4000)
    path = d if what == "directory" else d + "/file"
    assert libc.inotify_add_watch(watcher, path.encode(), 0x3C6) > 0
if when == "before":
    watch(); start()
else:
    start(); watch(); time.sleep(LATE_SECONDS)
program.communicate(b"go\\n")
time.sleep(0.1)
seen = set()
try:
    data, at = os.read(watcher, 65536), 0
    while at < len(data):
        mask, length = int.from_bytes(data[at + 4:at + 8], "little"), int.from_bytes(data[at + 12:at + 16], "little")
        seen |= {name for bit, name in ((2, "modify"), (4, "attributes"), (0x100, "create"), (0x40, "moved"), (0x200, "delete")) if mask & bit}
        at += 16 + length
except BlockingIOError:
    pass
print(" ".join(sorted(seen)))
`;

const told = {
  directory: "attributes create delete modify moved",
  file: "attributes modify",
};

Deno.test({
  name: "watchers: programs outside are told of what programs under the library change",
  ignore: !canPreload,
  async fn() {
    await using m = await mountBtfuse({ size: "16M" });
    for (const when of ["before", "while it runs"]) {
      for (const [what, events] of Object.entries(told)) {
        const variables = JSON.stringify(quietlyPreloaded(m));
        const { stdout } = await runOk([PYTHON, "-c", WATCHER, m.dir, when, what, variables]);
        assertEquals(stdout, `${events}\n`, `${what} watched ${when}`);
      }
    }
  },
});

/**
 * Decides who may open the files of a directory (fanotify(7)), then starts programs that try: nobody may open "secret". Prints what each
 * could read.
 */
const GUARD = `
import ctypes, json, os, struct, subprocess, sys, threading
d, variables = sys.argv[1:]
FAN_CLASS_CONTENT, FAN_MARK_ADD, FAN_OPEN_PERM, FAN_EVENT_ON_CHILD, AT_FDCWD = 4, 1, 0x10000, 0x8000000, -100
FAN_ALLOW, FAN_DENY = 1, 2
libc = ctypes.CDLL(None, use_errno=True)
for name in ("free", "secret"):
    with open(f"{d}/{name}", "w") as file:
        file.write(name)
guard = libc.fanotify_init(FAN_CLASS_CONTENT, 0)
if guard < 0 or libc.fanotify_mark(guard, FAN_MARK_ADD, ctypes.c_uint64(FAN_OPEN_PERM | FAN_EVENT_ON_CHILD), AT_FDCWD, d.encode()) != 0:
    print("not here")
    sys.exit()
def decide():
    while True:
        event = os.read(guard, 24)
        fd = struct.unpack("=IBBHqii", event)[5]
        secret = os.readlink(f"/proc/self/fd/{fd}").endswith("secret")
        os.write(guard, struct.pack("=iI", fd, FAN_DENY if secret else FAN_ALLOW))
        os.close(fd)
threading.Thread(target=decide, daemon=True).start()
TRY = """
import os, sys
for _ in range(300):
    os.stat(sys.argv[1] + "/free")
for name in ("free", "secret"):
    try:
        print(open(f"{sys.argv[1]}/{name}").read(), end=" ")
    except OSError as error:
        print(error.strerror, end=" ")
print()
"""
import time
time.sleep(1.5)
print(subprocess.run([sys.executable, "-c", TRY, d], env={**os.environ, **json.loads(variables)}, stdout=subprocess.PIPE, text=True, timeout=10).stdout, end="")
`;

Deno.test({
  name: "watchers: who decides outside who may open a file is asked for programs under the library",
  ignore: !canPreload || Deno.uid() !== 0,
  async fn() {
    await using m = await mountBtfuse({ size: "16M" });
    for (const env of [{}, quietlyPreloaded(m)]) {
      const { stdout } = await runOk([PYTHON, "-c", GUARD, m.dir, JSON.stringify(env)]);
      if (stdout === "not here\n") return console.log("no permission events here");
      assertEquals(stdout, "free Operation not permitted \n");
    }
  },
});
