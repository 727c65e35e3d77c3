/** The daemon's end by a signal, in the foreground and in the background. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { btfuseCommand, isMounted, isRunning, leftovers, waitUntil } from "../support/mounts.ts";
import { holdOpen, isRoot, mounted, type MountPoint, mountPoint } from "./support.ts";

const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

for (const signal of signals) {
  Deno.test({
    name: `${signal} unmounts cleanly in the background, and the log goes`,
    ignore: !isRoot,
    async fn() {
      await using m = mountPoint();
      const pid = await mounted(m);
      const log = Deno.readLinkSync(`/proc/${pid}/fd/2`);
      assertMatch(Deno.readTextFileSync(log), /mounted .* on /);
      Deno.kill(pid, signal);
      await waitUntil(() => !isRunning(pid), 3000);
      assertEquals(leftovers({ ...m, pid }), []);
      assertThrows(() => Deno.statSync(log), Deno.errors.NotFound);
    },
  });

  Deno.test({
    name: `${signal} unmounts cleanly in the foreground, with exit code 0`,
    ignore: !isRoot,
    async fn() {
      await using m = mountPoint();
      const daemon = await foreground(m);
      Deno.writeTextFileSync(`${m.dir}/file`, "text");
      daemon.kill(signal);
      const { code, stdout, stderr } = await daemon.output();
      const messages = new TextDecoder().decode(stderr);
      assertMatch(messages, new RegExp(`mounted ${m.name} on ${m.dir}[^]*${signal}: unmounting`));
      assertEquals({ code, stdoutBytes: stdout.length }, { code: 0, stdoutBytes: 0 });
      assertEquals(leftovers({ ...m, pid: daemon.pid }), []);
    },
  });
}

Deno.test({
  name: "a signal while files are open detaches, tells who used it, and ends within seconds",
  ignore: !isRoot,
  async fn() {
    await using m = mountPoint();
    const daemon = await foreground(m);
    using file = holdOpen(m.dir);
    const startedMs = performance.now();
    daemon.kill("SIGTERM");
    const { code, stderr } = await daemon.output();
    assert(performance.now() - startedMs < 5000);
    const messages = new TextDecoder().decode(stderr);
    assertMatch(messages, new RegExp(`is in use, detaching it\n.*pid ${Deno.pid}\\): open file`));
    assertMatch(messages, /some programs still had files open/);
    assertEquals(code, 1);
    assertEquals(leftovers({ ...m, pid: daemon.pid }), []);
    assertThrows(() => file.statSync());
  },
});

Deno.test({
  name: "a detached file system works until the last file is closed, and then ends well",
  ignore: !isRoot,
  async fn() {
    await using m = mountPoint();
    const daemon = await foreground(m);
    {
      using file = holdOpen(m.dir);
      daemon.kill("SIGTERM");
      await waitUntil(() => !isMounted(m.dir), 2000);
      file.writeSync(new Uint8Array(100));
      assertEquals(file.statSync().size, 100);
    }
    assertEquals((await daemon.output()).code, 0);
    assertEquals(leftovers({ ...m, pid: daemon.pid }), []);
  },
});

Deno.test({
  name: "a daemon in the foreground whose reader has gone unmounts all the same",
  ignore: !isRoot,
  async fn() {
    await using m = mountPoint();
    const daemon = await foreground(m);
    await daemon.stderr.cancel();
    daemon.kill("SIGTERM");
    await daemon.stdout.cancel();
    assertEquals((await daemon.status).code, 0);
    assertEquals(leftovers({ ...m, pid: daemon.pid }), []);
  },
});

async function foreground(m: MountPoint): Promise<Deno.ChildProcess> {
  const [program = "", ...args] = [
    ...btfuseCommand(),
    ...["mount", "-f", "--size=64M", "--name", m.name, m.dir],
  ];
  const daemon = new Deno.Command(program, { args, stdout: "piped", stderr: "piped" }).spawn();
  assert(await waitUntil(() => isMounted(m.dir), 10_000), "not mounted within 10 s");
  return daemon;
}
