/** The helpers themselves: that a left-over is found and cleaned up, and that commands are bounded in time. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  canRun,
  isMounted,
  isRunning,
  leftovers,
  mountBtfuse,
  mountTmpfs,
  run,
  runOk,
  showingBoth,
  waitUntil,
} from "./mounts.ts";
import { signal } from "./command.ts";

Deno.test({
  name: "a killed daemon is reported, and nothing of it is left",
  ignore: !canRun,
  async fn() {
    const mount = await mountBtfuse({ size: "16M" });
    signal(mount.pid, "SIGKILL");
    assert(await waitUntil(() => !isRunning(mount.pid), 5000));
    assertEquals(leftovers(mount), [
      `${mount.dir} is still mounted`,
      `${mount.object} still exists`,
    ]);
    await assertRejects(() => mount[Symbol.asyncDispose]().then(() => {}), Error, "died while");
    assertEquals(leftovers(mount), []);
    assertEquals(isMounted(mount.dir), false);
  },
});

Deno.test({
  name: "a process left in a mount is reported and ended",
  ignore: !canRun,
  async fn() {
    const mount = await mountTmpfs();
    await runOk(["sh", "-c", "setsid -f sleep 100 > /dev/null 2>&1"], { cwd: mount.dir });
    await assertRejects(
      () => mount[Symbol.asyncDispose]().then(() => {}),
      Error,
      "was left running",
    );
    assertEquals(leftovers(mount), []);
  },
});

Deno.test({
  name: "an ordinary user's mount",
  ignore: !canRun || Deno.uid() !== 0,
  async fn() {
    const nobody = 65534;
    await using mount = await mountBtfuse({ uid: nobody, size: "16M" });
    await runOk(["sh", "-c", "echo text > file; cat file; chmod 600 file"], {
      cwd: mount.dir,
      uid: nobody,
    });
    const { stdout } = await runOk(["stat", "-c", "%u %a %s", "file"], {
      cwd: mount.dir,
      uid: nobody,
    });
    assertEquals(stdout, `${nobody} 600 5\n`);
    assertEquals(Deno.statSync(mount.object).uid, nobody);
  },
});

Deno.test({
  name: "a command is killed at its limit, with what it started",
  ignore: !canRun,
  async fn() {
    const result = await run(["sh", "-c", "sleep 100 & echo $!; sleep 100"], { timeoutMs: 300 });
    assert(result.timedOut);
    assertEquals(result.code, 128 + 9);
    assert(await waitUntil(() => !isRunning(Number(result.stdout)), 2000));
  },
});

Deno.test({
  name: "a failed test and a failed clean-up are both shown",
  async fn() {
    const body = showingBoth(async () => {
      await using _failing = { [Symbol.asyncDispose]: () => Promise.reject(new Error("second")) };
      throw new Error("first");
    });
    const error = await assertRejects(body, Error, "first");
    assert(error.message.includes("second"));
  },
});
