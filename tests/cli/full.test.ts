/** Where room ends: what statvfs(3) calls available can be written, and a mapping tells at once what it cannot keep. */
import { assertEquals } from "@std/assert";
import { canPreload, quietlyPreloaded } from "../shim/support.ts";
import { btfuse } from "./support.ts";
import { canRun, mountBtfuse, run, showingBoth } from "../support/mounts.ts";

const PYTHON = "/usr/bin/python3";
const SIGBUS_CODE = 128 + 7;

/** All that is free but a little, reserved and written as one file, and as several. */
const FREE_SPACE = `
import os, sys
def free():
    s = os.statvfs(sys.argv[1])
    return s.f_bavail * s.f_frsize
for round in range(3):
    f = os.open(sys.argv[1] + "/big", os.O_CREAT | os.O_RDWR)
    os.posix_fallocate(f, 0, free() - 64 * 1024)
    os.close(f)
    os.unlink(sys.argv[1] + "/big")
    f = os.open(sys.argv[1] + "/big", os.O_CREAT | os.O_RDWR)
    left = free() - 64 * 1024
    while left > 0:
        left -= os.write(f, bytes(min(left, 1 << 20)))
    os.close(f)
    os.unlink(sys.argv[1] + "/big")
    for i in range(8):
        with open(f"{sys.argv[1]}/part{i}", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, (free() - 512 * 1024) // (8 - i))
    for i in range(8):
        os.unlink(f"{sys.argv[1]}/part{i}")
print("done")
`;

/** Fills the file system, then stores into the hole of another file through a mapping, having read from it as well. */
const FULL_MAPPING = `
import mmap, os, sys
f = os.open(sys.argv[1] + "/mapped", os.O_RDWR | os.O_CREAT)
os.ftruncate(f, 4 << 20)
hog = os.open(sys.argv[1] + "/hog", os.O_WRONLY | os.O_CREAT)
for size in (65536, 4096):
    try:
        while True:
            os.write(hog, b"h" * size)
    except OSError:
        pass
# Who only reads gets the zeros that are there.
print(os.pread(f, 1 << 20, 0).count(0), flush=True)
m = mmap.mmap(f, 4 << 20)
# Behind what is in the page cache by now.
for at in range(3 << 20, 4 << 20, 4096):
    m[at] = 65
print("all stored", flush=True)
`;

/** As long as there is room, what is stored stays: also in the last blocks. */
const ALMOST_FULL_MAPPING = `
import mmap, os, sys
f = os.open(sys.argv[1] + "/mapped", os.O_RDWR | os.O_CREAT)
os.ftruncate(f, 1 << 20)
hog = os.open(sys.argv[1] + "/hog", os.O_WRONLY | os.O_CREAT)
os.posix_fallocate(hog, 0, os.statvfs(sys.argv[1]).f_bavail * 4096 - (3 << 19))
m = mmap.mmap(f, 1 << 20)
for at in range(0, 1 << 20, 4096):
    m[at] = 65
m.flush()
os.fsync(f)
print(os.pread(os.open(sys.argv[1] + "/mapped", os.O_RDONLY), 1 << 20, 0).count(b"A"))
`;

for (const isPreloaded of [false, true]) {
  const door = isPreloaded ? "library" : "kernel";
  const ignore = isPreloaded ? !canPreload : !canRun;
  const cases: [name: string, size: string, script: string, code: number, stdout: string][] = [
    ["free space can be written", "256M", FREE_SPACE, 0, "done\n"],
    [
      "a store into a hole that cannot be kept is a SIGBUS",
      "16M",
      FULL_MAPPING,
      SIGBUS_CODE,
      "1048576\n",
    ],
    ["stores are kept while there is room", "16M", ALMOST_FULL_MAPPING, 0, "256\n"],
  ];
  for (const [name, size, script, code, stdout] of cases) {
    Deno.test({
      name: `full, by the ${door}: ${name}`,
      ignore,
      fn: showingBoth(async () => {
        await using m = await mountBtfuse({ size, inodeCountMax: 100 });
        const env = isPreloaded ? quietlyPreloaded(m) : {};
        const result = await run([PYTHON, "-c", script, m.dir], { env, timeoutMs: 60_000 });
        assertEquals([result.code, result.stdout, result.stderr], [code, stdout, ""]);
        assertEquals((await btfuse(["check", m.dir])).stdout, `${m.name}: clean\n`);
      }),
    });
  }
}
