/** `btfuse umount`: only what is ours, only when nothing uses it, and everything when forced. */
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  isMounted,
  isRunning,
  leftovers,
  mountTmpfs,
  run,
  runOk,
  waitUntil,
} from "../support/mounts.ts";
import {
  assertRefused,
  btfuse,
  btfuseOk,
  holdOpen,
  isRoot,
  mounted,
  mountPoint,
  refuses,
  statusOf,
} from "./support.ts";

function umountTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !isRoot, fn });
}

umountTest("umount of something else touches nothing", async () => {
  await using tmpfs = await mountTmpfs({ size: "1M" });
  await using m = mountPoint();
  await mounted(m);
  Deno.mkdirSync(`${m.dir}/below`);
  for (const force of [[], ["--force"]]) {
    const refused = (path: string, message: RegExp) =>
      refuses(["umount", ...force, path], { code: 1, message });
    await refused(tmpfs.dir, /is not a btfuse mount but one of type tmpfs/);
    await refused("/", /is not a btfuse mount/);
    await refused(tmpfs.scratch, /nothing is mounted on/);
    await refused(
      `${m.dir}/below`,
      new RegExp(`nothing is mounted on .*; the mount is on ${m.dir}`),
    );
    await refused(`${m.dir}/missing`, /missing does not exist/);
  }
  assert(isMounted(tmpfs.dir) && isMounted(m.dir));
});

umountTest("umount by name", async () => {
  await using m = mountPoint();
  const pid = await mounted(m);
  await btfuseOk(["umount", m.name]);
  assertEquals(leftovers({ ...m, pid }), []);
});

umountTest("a mount in use: who uses it is said, and nothing is changed", async () => {
  await using m = mountPoint();
  const pid = await mounted(m);
  {
    using _file = holdOpen(m.dir);
    await refuses(["umount", m.dir], {
      code: 1,
      message: new RegExp(
        `${m.dir} is in use; nothing was changed .*\\(pid ${Deno.pid}\\): open file ${m.dir}/held`,
        "s",
      ),
    });
  }
  const inside = new Deno.Command("sleep", { args: ["60"], cwd: m.dir }).spawn();
  await refuses(["umount", m.dir], { code: 1, message: /sleep \(pid \d+\): working directory/ });
  inside.kill();
  await inside.status;
  assertEquals((await statusOf(m.name))?.state, "mounted");
  await btfuseOk(["umount", m.dir]);
  assertEquals(leftovers({ ...m, pid }), []);
});

umountTest("another mount below keeps it busy and is named", async () => {
  await using m = mountPoint();
  await mounted(m);
  const below = `${m.dir}/below`;
  Deno.mkdirSync(below);
  await runOk(["mount", "-t", "tmpfs", "none", below]);
  const result = await btfuse(["umount", m.dir]);
  await runOk(["umount", below]);
  assertRefused(result, { code: 1, message: new RegExp(`a tmpfs mount on ${below}`) });
});

umountTest("--force ends a mount in use, its daemon and its memory", async () => {
  await using m = mountPoint();
  const pid = await mounted(m);
  using file = holdOpen(m.dir);
  await btfuseOk(["umount", "--force", m.dir]);
  assertEquals(leftovers({ ...m, pid }), []);
  assertThrows(() => file.statSync());
});

umountTest("--force ends a daemon that does not answer", async () => {
  await using m = mountPoint();
  const pid = await mounted(m);
  Deno.kill(pid, "SIGSTOP");
  // A program waiting for an answer that never comes.
  const waiting = new Deno.Command("stat", { args: [`${m.dir}/x`], stderr: "null" }).output();
  await btfuseOk(["umount", "--force", m.dir]);
  assertEquals((await waiting).success, false);
  assertEquals(leftovers({ ...m, pid }), []);
});

umountTest("after kill -9 of the daemon umount cleans up, also by name", async () => {
  await using m = mountPoint();
  for (const target of [m.dir, m.name]) {
    const pid = await mounted(m);
    Deno.kill(pid, "SIGKILL");
    await waitUntil(() => !isRunning(pid), 2000);
    assertEquals((await statusOf(m.name))?.state, "dead");
    await refuses(["mount", m.dir], { code: 1, message: /is a btfuse mount already/ });
    await btfuseOk(["umount", target]);
    await m.assertNothingLeft();
  }
});

umountTest("after kill -9 a busy dead mount needs --force", async () => {
  await using m = mountPoint();
  const pid = await mounted(m);
  using _file = holdOpen(m.dir);
  Deno.kill(pid, "SIGKILL");
  await waitUntil(() => !isRunning(pid), 2000);
  await refuses(["umount", m.dir], { code: 1, message: /is in use; nothing was changed/ });
  await btfuseOk(["umount", "--force", m.dir]);
  await m.assertNothingLeft();
});

umountTest("umount(8) and fusermount3 end the daemon too", async () => {
  await using m = mountPoint();
  for (
    const command of [["umount", m.dir], ["umount", "-l", m.dir], ["fusermount3", "-u", m.dir]]
  ) {
    await mounted(m);
    await runOk(command);
    await m.assertNothingLeft();
  }
});

umountTest("an aborted connection ends the daemon and takes its mount along", async () => {
  await using m = mountPoint();
  await mounted(m);
  using _file = holdOpen(m.dir);
  // MNT_FORCE aborts, and cannot unmount because of the open file.
  const { code, stderr } = await run(["umount", "-f", m.dir]);
  assertEquals(code !== 0, true);
  assertMatch(stderr, /busy/);
  await m.assertNothingLeft();
});
