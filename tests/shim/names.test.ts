/**
 * Names and attributes changed through the preloaded library: every call must return what it returns on tmpfs and leave
 * the same behind, and a process that goes through the kernel must see each change at once, and the other way round.
 */
import { assertEquals, assertGreater } from "@std/assert";
import { cases } from "../cases/all.ts";
import { explanation } from "../cases/explained.ts";
import { describe, differences, Runner } from "../cases/runner.ts";
import { type Target, tmpfsTarget } from "../cases/targets.ts";
import { SUPER_READ_INDEX } from "../../src/region/layout.gen.ts";
import { Agent } from "../support/agent.ts";
import { type BtfuseMount, mountBtfuse, mountTmpfs, runOk } from "../support/mounts.ts";
import { canPreload, preloaded, report } from "./support.ts";

const here = new URL(".", import.meta.url).pathname;
const python = "/usr/bin/python3";
const ignore = !canPreload || Deno.uid() !== 0;
const FOREIGN = 1;

function shimTest(name: string, fn: (m: BtfuseMount) => Promise<void>): void {
  Deno.test({
    name: `shim: ${name}`,
    ignore,
    async fn() {
      await using m = await mountBtfuse({ size: "64M", inodeCountMax: 8000 });
      await fn(m);
    },
  });
}

/** A directory in which names.py builds its tree, with files of somebody else. */
async function prepare(dir: string): Promise<string> {
  const base = `${dir}/base`;
  await runOk(["mkdir", "-p", "-m", "755", `${base}/sticky`]);
  await runOk(["touch", `${base}/sticky/theirs`]);
  await runOk(["chown", `${FOREIGN}:${FOREIGN}`, `${base}/sticky`, `${base}/sticky/theirs`]);
  await runOk(["chmod", "1777", `${base}/sticky`]);
  return base;
}

const users: Record<string, string[]> = {
  "root": [],
  "root without capabilities": ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"],
};

for (const [user, prefix] of Object.entries(users)) {
  shimTest(`changes of names and attributes return what tmpfs returns, to ${user}`, async (m) => {
    await using tmpfs = await mountTmpfs();
    const command = [...prefix, python, `${here}names.py`, "results"];
    const [there, base] = [await prepare(tmpfs.dir), await prepare(m.dir)];
    const options = { timeoutMs: 120_000 };
    const expected = (await runOk([...command, there], options)).stdout.split("\n");
    const { stdout, stderr } = await runOk([...command, base], { ...options, env: preloaded(m) });
    stdout.split("\n").forEach((line, i) => assertEquals(line, expected[i]));
    assertEquals(stdout.split("\n").length, expected.length);
    // The comparison is worth something only if all kinds of answers occur, and come from the library.
    const errnos = new Set(expected.map((line) => (JSON.parse(line || "[]") as unknown[])[3]));
    for (const errno of [0, 1, 2, 16, 17, 20, 21, 22, 36, 39, 40, 61, 95]) {
      assertEquals(errnos.has(errno), true, `no call ended with errno ${errno}`);
    }
    const counts = report(stderr);
    for (
      const operation
        of "mkdir mknod symlink link unlink rmdir rename chmod chown truncate utime xattr".split(
          " ",
        )
    ) {
      const { ring, fast } = counts[operation] ?? { ring: 0, fast: 0 };
      assertGreater(ring, 0, `${operation} never went through the ring`);
      assertGreater(fast, 0, `${operation} was never refused by the library`);
    }
  });
}

shimTest(
  "who makes a file while somebody else makes it opens it, or with O_EXCL does not",
  async (m) => {
    const { stdout, stderr } = await runOk(
      [python, `${here}race.py`, m.dir, m.scratch, "1000"],
      { env: preloaded(m), timeoutMs: 90_000 },
    );
    // Which door is faster is not the question: of every file somebody was first.
    assertEquals(stdout.split(" ").map(Number).reduce((sum, firsts) => sum + firsts), 500);
    assertGreater(report(stderr)["open"]?.fast ?? 0, 0, stderr);
  },
);

shimTest(
  "names that the kernel knows not to exist are there as soon as the library makes them",
  async (m) => {
    const { stdout, stderr } = await runOk(
      [python, `${here}negative_names.py`, m.dir, String(Date.now()), "3000"],
      { env: preloaded(m) },
    );
    assertGreater(Number(stdout), 1000);
    assertGreater(report(stderr)["open"]?.fast ?? 0, 100, stderr);
  },
);

shimTest("what is watched is told of all changes, as on tmpfs", async (m) => {
  await using tmpfs = await mountTmpfs();
  const command = [python, `${here}watch.py`];
  const expected = (await runOk([...command, tmpfs.dir])).stdout;
  const { stdout, stderr } = await runOk([...command, m.dir], { env: preloaded(m) });
  assertEquals(stdout.split("\n"), expected.split("\n"));
  assertGreater(expected.split("\n").length, 25, "too few events to be a test");
  assertGreater(report(stderr)["open"]?.reasons["watched"] ?? 0, 0, stderr);
});

shimTest(
  "two processes see each other's changes at once, with and without the library",
  async (m) => {
    const rounds = 300;
    const { stdout, stderr } = await runOk(
      [python, `${here}names.py`, "alternate", m.dir, String(rounds)],
      { env: preloaded(m), timeoutMs: 120_000 },
    );
    assertEquals(stdout, "ok\n");
    const counts = report(stderr);
    // Nearly each of them; but what the kernel knows already it has to change itself.
    const perRound = { mknod: 1, symlink: 2, link: 1, unlink: 4, rename: 2, chmod: 1, truncate: 1 };
    for (
      const [operation, count] of Object.entries({ ...perRound, mkdir: 3, rmdir: 1, utime: 1 })
    ) {
      assertGreater(counts[operation]?.ring ?? 0, 0.8 * rounds * count, operation);
    }
    assertGreater(counts.stat?.fast ?? 0, rounds);
  },
);

shimTest("the umask is followed, however it changes", async (m) => {
  const code = `import os, ctypes, sys
os.chdir(sys.argv[1])
libc = ctypes.CDLL(None)
def made():
    made.count += 1
    os.mkdir(f"d{made.count}", 0o777)
    return oct(os.stat(f"d{made.count}").st_mode & 0o777)
made.count = 0
print(made(), made(), made())
os.umask(0o077); print(made())
libc.syscall(95, 0o007); print(made())
if os.fork() == 0:
    print(made(), made(), made(), flush=True); os.umask(0); print(made(), flush=True); os._exit(0)
os.wait()
made.count += 10; print(made())`;
  const run = (dir: string, env?: Record<string, string>) =>
    runOk(["sh", "-c", 'umask 027; exec "$@"', "sh", python, "-c", code, dir], env ? { env } : {});
  await using tmpfs = await mountTmpfs();
  const expected = await run(tmpfs.dir);
  const { stdout, stderr } = await run(m.dir, preloaded(m));
  assertEquals(stdout, expected.stdout);
  assertGreater(report(stderr).mkdir?.ring ?? 0, 3);
});

shimTest("a mount that becomes read-only is so for the library, too", async (m) => {
  const code = `import os, sys, time, subprocess
os.chdir(sys.argv[1])
for i in range(5): os.mkdir(f"d{i}")
def remount(how):
    subprocess.run(["mount", "-i", "-o", "remount," + how, sys.argv[1]], check=True)
    time.sleep(0.05)
remount("ro")
for call in (lambda: os.mkdir("new"), lambda: os.rmdir("d0"), lambda: os.chmod("d1", 0), lambda: os.rename("d2", "x"), lambda: os.mkdir("d3")):
    try: call(); print("done")
    except OSError as error: print(error.errno)
remount("rw")
os.mkdir("new"); os.rmdir("new")`;
  const { stdout, stderr } = await runOk([python, "-c", code, m.dir], { env: preloaded(m) });
  assertEquals(stdout, "30\n30\n30\n30\n17\n");
  const counts = report(stderr);
  assertEquals(counts.mkdir?.reasons.mount_flags, 2);
  assertEquals(counts.mkdir?.ring, 6);
});

Deno.test({
  name: "shim: the list of cases under the library agrees with tmpfs",
  ignore,
  async fn() {
    await using m = await mountBtfuse({ size: "512M", options: ["allow_other"] });
    const environment = Object.entries(preloaded(m)).map(([key, value]) => `${key}=${value}`);
    const target: Target = {
      name: "btfuse under the library",
      dir: m.dir,
      mount: (size) => mountBtfuse({ size, options: ["allow_other"] }),
      startAgent: (cwd) => Agent.start({ cwd, prefix: ["env", ...environment] }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    await using oracle = await tmpfsTarget();
    await using oracleRunner = new Runner(oracle);
    await using targetRunner = new Runner(target);
    const before = ringRequests(m);
    for (const item of cases) {
      const [expected, actual] = await Promise.all([
        oracleRunner.run(item),
        targetRunner.run(item),
      ]);
      const sides = [{ name: oracle.name, steps: expected }, { name: target.name, steps: actual }];
      const found = differences(sides[0]!, sides[1]!).filter((difference) =>
        !explanation(item.name, "auto", difference)
      );
      if (found.length > 0) throw new Error(describe(item.name, sides[0]!, target.name, found));
    }
    assertGreater(ringRequests(m) - before, 1000);
  },
});

/** How many requests the ring has served. */
function ringRequests(m: BtfuseMount): number {
  using object = Deno.openSync(m.object);
  object.seekSync(4 * SUPER_READ_INDEX, Deno.SeekMode.Start);
  const word = new Uint32Array(1);
  object.readSync(new Uint8Array(word.buffer));
  return word[0] ?? 0;
}
