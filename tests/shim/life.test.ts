/** The ends of programs and daemons: nobody waits for who has ended, and nothing of theirs stays in use. */
import { assertEquals, assertLess } from "@std/assert";
import { btfuseOk, mounted, mountPoint, statusOf } from "../cli/support.ts";
import { btfuseCommand, mountBtfuse, runOk } from "../support/mounts.ts";
import { canPreload, PYTHON, python, quietlyPreloaded } from "./support.ts";

const KILLED_DAEMON = new URL("killed_daemon.py", import.meta.url).pathname;
const DEAD_DAEMON = new URL("dead_daemon.py", import.meta.url).pathname;

for (const isReaped of [true, false]) {
  Deno.test({
    name: `life: a daemon that was killed and ${isReaped ? "" : "not "}waited for`,
    ignore: !canPreload,
    async fn() {
      await using m = mountPoint();
      const variables = JSON.stringify(quietlyPreloaded(m));
      const { stdout } = await runOk(
        [PYTHON, DEAD_DAEMON, m.dir, m.name, isReaped ? "1" : "0", variables, ...btfuseCommand()],
        { timeoutMs: 120_000 },
      );
      const said = stdout.trimEnd().split("\n").map((line) => line.split(": "));
      assertEquals(said.filter(([, error]) => error !== "ENOTCONN"), []);
      assertEquals(said.length, 12);
      await btfuseOk(["umount", m.dir]);
    },
  });
}

for (const eager of ["0", "1"]) {
  Deno.test({
    name: `life: a daemon that is killed while programs are busy at both doors, eager=${eager}`,
    ignore: !canPreload,
    async fn() {
      await using m = mountPoint();
      const pid = await mounted(m);
      const variables = JSON.stringify({ ...quietlyPreloaded(m), BTFUSE_EAGER: eager });
      const { stdout } = await runOk([PYTHON, KILLED_DAEMON, m.dir, `${pid}`, variables]);
      assertEquals(stdout, "12\n");
      await btfuseOk(["umount", m.dir]);
    },
  });
}

Deno.test({
  name: "life: the space of a program that ends without closing is free at once, at both doors",
  ignore: !canPreload,
  async fn() {
    await using m = await mountBtfuse({ size: "40M" });
    const writer = `
import os, signal, sys
f = os.open(sys.argv[1] + "/f", os.O_RDWR | os.O_CREAT)
written = 0
while written < 30 << 20: written += os.write(f, bytes(1 << 20))
print(written >> 20, flush=True)
if sys.argv[2] == "kill": os.kill(os.getpid(), signal.SIGKILL)
os._exit(0)`;
    const write = async (end: string, env: Record<string, string>) => {
      const { stdout } = await python(m, writer, { args: [end], env, codes: [0, 137] });
      assertEquals(stdout, "30\n", `${end}, ${env.LD_PRELOAD ? "library" : "kernel"}`);
      Deno.removeSync(`${m.dir}/f`);
    };
    for (const end of ["exit", "kill"]) {
      for (const env of [quietlyPreloaded(m), {}]) {
        await write(end, quietlyPreloaded(m));
        await write(end, env);
      }
      await write(end, quietlyPreloaded(m));
      const { stdout: free } = await runOk(["stat", "-f", "-c", "%a %b", m.dir]);
      const [available, all] = free.trim().split(" ").map(Number);
      assertLess(all - available, 100, free);
    }
  },
});

Deno.test({
  name: "life: a writer that was stopped holds another one up for less than a second",
  ignore: !canPreload,
  async fn() {
    await using m = await mountBtfuse({ size: "64M" });
    // Stopped in the middle of a write by itself: the lock is what a thread in a copy holds.
    const program = `
import os, signal, subprocess, sys, time
d = sys.argv[1]
writer = "import os, sys\\nf = os.open(sys.argv[1] + '/w', os.O_RDWR | os.O_CREAT)\\nos.write(1, b'.')\\nwhile True: os.pwrite(f, b'x' * 8_000_000, 0)"
worst = 0
for i in range(6):
    p = subprocess.Popen([sys.executable, "-c", writer, d], stdout=subprocess.PIPE)
    p.stdout.read(1)
    time.sleep(0.1 + 0.0017 * i)
    p.send_signal(signal.SIGSTOP)
    start = time.monotonic()
    f = os.open(d + "/w", os.O_RDWR)
    os.pwrite(f, b"y", 0)
    os.ftruncate(f, 500)
    worst = max(worst, time.monotonic() - start)
    assert len(os.pread(f, 1000, 0)) == 500 and os.pread(f, 1, 0) == b"y"
    # Going on, it finds out, and writes all of it once more.
    p.send_signal(signal.SIGCONT)
    time.sleep(0.05)
    p.kill()
    p.wait()
    os.close(f)
print(round(worst, 2))`;
    const { stdout } = await python(m, program);
    assertLess(Number(stdout), 1);
  },
});

Deno.test({
  name:
    "life: appending to what the kernel once appended to takes no more requests than on the mount",
  ignore: !canPreload,
  async fn() {
    await using m = await mountBtfuse({ size: "64M" });
    await runOk(["sh", "-c", `echo x >> ${m.dir}/log`]);
    const program = `
import os, sys
for i in range(100):
    f = os.open(sys.argv[1] + "/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(f, b"x")
    os.close(f)`;
    const requests: number[] = [];
    for (const env of [{}, quietlyPreloaded(m)]) {
      const before = await requestCount(m.name);
      await python(m, program, { env });
      requests.push(await requestCount(m.name) - before);
    }
    const [kernel, library] = requests;
    assertLess(library, kernel * 1.2, `${requests}`);
    assertEquals(Deno.statSync(`${m.dir}/log`).size, 2 + 2 * 100);
  },
});

async function requestCount(name: string): Promise<number> {
  return (await statusOf(name))?.statistics?.requestCount ?? 0;
}
