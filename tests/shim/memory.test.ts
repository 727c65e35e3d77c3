/** The region costs a program nothing: neither locked memory, nor address space where that is limited, nor core dumps. */
import { assertEquals, assertLess } from "@std/assert";
import { mountPoint } from "../cli/support.ts";
import { btfuseCommand, mountBtfuse, runOk } from "../support/mounts.ts";
import { canPreload, PYTHON, python, quietlyPreloaded } from "./support.ts";

const FULL_MEMORY = new URL("full_memory.py", import.meta.url).pathname;

const COMMON = `
import ctypes, os, resource, sys, threading
d = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)

def region():
    """Lines of /proc/self/smaps about the region, and its addresses."""
    lines, range_ = [], None
    for line in open("/proc/self/smaps"):
        first = line.split(" ")[0]
        if "-" in first and not first.endswith(":"):
            inside = "/btfuse." in line
            if inside:
                range_ = [int(x, 16) for x in first.split("-")]
        if inside:
            lines.append(line)
    return lines, range_

def flags():
    return next((line.split()[1:] for line in region()[0] if line.startswith("VmFlags")), [])

def locked_kib():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmLck")).split()[1])
`;

const taken = (object: string) => (Deno.statSync(object).blocks ?? 0) * 512;

Deno.test({
  name: "memory: locking all of a program's memory takes none for the region",
  ignore: !canPreload || Deno.uid() !== 0,
  async fn() {
    await using m = await mountBtfuse({ size: "64M" });
    const attach = `os.close(os.open(d + "/f", os.O_RDWR | os.O_CREAT))\n`;
    // Each is followed by use of the mount, with the region mapped before or after.
    const calls = {
      current: "libc.mlockall(1)",
      "current and future": "libc.mlockall(3)",
      "on fault": "libc.mlockall(1 | 4)",
      "by number": "libc.syscall(151, 1)",
      "the region itself": "libc.mlock(ctypes.c_void_p(region()[1][0]), ctypes.c_size_t(1 << 30))",
      "around it":
        "libc.mlock2(ctypes.c_void_p(region()[1][0] + 4096), ctypes.c_size_t(1 << 20), 1)",
    };
    const before = taken(m.object);
    for (const [name, call] of Object.entries(calls)) {
      const program = `${COMMON}${attach}assert ${call} == 0, ctypes.get_errno()\n` +
        `${attach}print(locked_kib() > 1000, "lo" in flags(), "dd" in flags())`;
      const { stdout } = await python(m, program);
      const locksOthers = !name.includes("it");
      assertEquals(stdout, `${locksOthers ? "True" : "False"} False True\n`, name);
      assertLess(taken(m.object), before + (16 << 20), name);
    }
    const { stdout } = await python(
      m,
      `${COMMON}assert libc.mlockall(2) == 0\n${attach}print(len(region()[0]) > 0, "lo" in flags())`,
    );
    assertEquals(stdout, "True False\n");
    assertLess(taken(m.object), before + (16 << 20), "mapped after MCL_FUTURE");
  },
});

Deno.test({
  name: "memory: a limit of the address space is all the program's, and files go on",
  ignore: !canPreload,
  async fn() {
    await using m = await mountBtfuse({ size: "2G" });
    const program = (before: string, limit: string) =>
      `${COMMON}
f = os.open(d + "/f", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
os.write(f, b"text")
removed = os.open(d + "/gone", os.O_RDWR | os.O_CREAT)
os.write(removed, b"gone")
os.unlink(d + "/gone")
${before}
limit = (1 << 30, resource.getrlimit(resource.RLIMIT_AS)[1])
${limit}
memory = bytearray(200 << 20)
thread = threading.Thread(target=int)
thread.start()
thread.join()
os.write(f, b" more")
print(os.pread(f, 100, 0), os.pread(removed, 9, 0), os.stat(d + "/f").st_size, open(d + "/f").read())`;
    const threads = `
end = threading.Event()
def read():
    while not end.is_set(): os.pread(f, 4, 0)
threads = [threading.Thread(target=read, daemon=True) for _ in range(3)]
for thread in threads: thread.start()`;
    const limits = [
      "resource.setrlimit(resource.RLIMIT_AS, limit)",
      "resource.prlimit(os.getpid(), resource.RLIMIT_AS, limit)",
      "assert libc.syscall(160, 9, (ctypes.c_ulong * 2)(*[x % 2**64 for x in limit])) == 0",
    ];
    for (const limit of limits) {
      for (const before of ["", threads]) {
        const { stdout } = await python(m, program(before, limit));
        assertEquals(stdout, "b'text more' b'gone' 9 text more\n", `${limit} ${before}`);
      }
    }
  },
});

Deno.test({
  name: "memory: a full /dev/shm ends no program, whatever numbers it holds",
  ignore: !canPreload || Deno.uid() !== 0,
  async fn() {
    await using m = mountPoint();
    const variables = JSON.stringify(quietlyPreloaded(m));
    const { stdout } = await runOk(
      ["unshare", "-m", PYTHON, FULL_MEMORY, m.dir, m.name, variables, ...btfuseCommand()],
      { timeoutMs: 120_000 },
    );
    assertEquals(stdout, "stale numbers: 0\nreaders that ended: 0\n");
  },
});
