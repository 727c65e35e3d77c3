/** `status` and `check`, and shared-memory objects that are truncated, foreign or left over. */
import { assertEquals, assertMatch } from "@std/assert";
import { leftovers, runOk } from "../support/mounts.ts";
import { SUPER_OWNER_PID, SUPER_OWNER_START_TICKS } from "../../src/region/layout.gen.ts";
import { startTimeOf } from "../../src/daemon/process_table.ts";
import { btfuse, btfuseOk, isRoot, mounted, mountPoint, refuses, statusOf } from "./support.ts";

function objectTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !isRoot, fn });
}

objectTest("check finds a used file system clean, by directory and by name", async () => {
  await using m = mountPoint();
  await mounted(m);
  await runOk(["cp", "-a", "/usr/include/linux", m.dir]);
  for (const target of [m.dir, m.name]) {
    assertEquals(await btfuseOk(["check", target]), `${m.name}: clean\n`);
  }
  const report = JSON.parse(await btfuseOk(["check", "--json", m.dir]));
  assertEquals(report, { uid: 0, name: m.name, isClean: true, violations: [] });
});

objectTest("check prints each violation and exits with 1", async () => {
  await using m = mountPoint();
  await mounted(m, ["--size", "4M", "--inodes", "1000"]);
  Deno.writeTextFileSync(`${m.dir}/file`, "text");
  // Everything behind the superblock, in a copy with a name of its own.
  const copy = { ...m, name: `${m.name}.copy`, object: `${m.object}.copy` };
  Deno.copyFileSync(m.object, copy.object);
  using object = Deno.openSync(copy.object, { read: true, write: true });
  try {
    damage(object);
    const { code, stdout } = await btfuse(["check", copy.name]);
    assertEquals(code, 1);
    assertMatch(stdout, /\S/);
    const report = JSON.parse((await btfuse(["check", "--json", copy.name])).stdout);
    assertEquals(report.isClean, false);
    assertEquals(report.violations, stdout.trimEnd().split("\n"));
  } finally {
    Deno.removeSync(copy.object);
  }
});

/** Overwrites the name of the only file, wherever it is. */
function damage(object: Deno.FsFile): void {
  const page = new Uint8Array(4096);
  const name = new TextEncoder().encode("file");
  while (object.readSync(page) !== null) {
    const index = page.findIndex((_, at) => name.every((byte, i) => page[at + i] === byte));
    if (index < 0) continue;
    object.seekSync(index - page.length, Deno.SeekMode.Current);
    object.writeSync(new TextEncoder().encode("elif"));
    return;
  }
  throw new Error("the name is nowhere in the object");
}

const damaged: [what: string, content: Uint8Array<ArrayBuffer>, message: RegExp][] = [
  ["empty", new Uint8Array(0), /it has 0 bytes.*truncated/],
  ["truncated", new Uint8Array(100), /it has 100 bytes.*truncated/],
  ["foreign", new Uint8Array(8192).fill(7), /it is not a btfuse region/],
];

for (const [what, content, message] of damaged) {
  objectTest(`an object that is ${what} is refused and left alone, until --force`, async () => {
    await using m = mountPoint();
    Deno.writeFileSync(m.object, content);
    await refuses(["check", m.name], { code: 1, message });
    await refuses(["mount", "--name", m.name, m.dir], { code: 1, message });
    await refuses(["umount", m.name], { code: 1, message });
    assertEquals(Deno.readFileSync(m.object), content);
    const row = await statusOf(m.name);
    assertEquals(row?.state, "unreadable");
    assertMatch(row?.problem ?? "", message);
    await btfuseOk(["umount", "--force", m.name]);
    await m.assertNothingLeft();
  });
}

objectTest(
  "an object cut off under a live mount costs that mount, and umount cleans up",
  async () => {
    await using m = mountPoint();
    const pid = await mounted(m);
    Deno.truncateSync(m.object, 4096);
    await refuses(["check", m.name], { code: 1, message: /it has 4096 bytes instead of \d+/ });
    assertEquals((await statusOf(m.name))?.state, "unreadable");
    await btfuseOk(["umount", "--force", m.dir]);
    assertEquals(leftovers({ ...m, pid }), []);
  },
);

objectTest("a mount whose object was removed works on and is unmounted as any other", async () => {
  await using m = mountPoint();
  const pid = await mounted(m);
  Deno.removeSync(m.object);
  Deno.writeTextFileSync(`${m.dir}/file`, "text");
  assertMatch((await statusOf(m.name))?.problem ?? "", /it does not exist/);
  await btfuseOk(["umount", m.dir]);
  assertEquals(leftovers({ ...m, pid }), []);
});

objectTest("what a dead daemon left keeps its name until it is removed", async () => {
  await using m = mountPoint();
  const pid = await mounted(m);
  Deno.kill(pid, "SIGKILL");
  await runOk(["umount", "-l", m.dir]);
  assertEquals((await statusOf(m.name))?.state, "dead");
  await refuses(["mount", "--name", m.name, m.dir], {
    code: 1,
    message: new RegExp(`left behind: 'btfuse umount ${m.name}' removes it`),
  });
  assertEquals(await btfuseOk(["check", m.name]), `${m.name}: clean\n`);
  await btfuseOk(["umount", m.name]);
  await m.assertNothingLeft();
});

objectTest("the table of status has a line for each mount", async () => {
  await using m = mountPoint();
  const pid = await mounted(m);
  const lines = (await btfuseOk(["status"])).split("\n");
  assertMatch(
    lines[0] ?? "",
    /^NAME +USER +PID +SIZE +USED +MEMORY +FILES +CACHE +STATE +MOUNTED ON$/,
  );
  const line = lines.find((text) => text.startsWith(`${m.name} `)) ?? "";
  assertMatch(line, new RegExp(` 0 +${pid} +64\\.0M .* auto +mounted +${m.dir}$`));
});

objectTest("umount --force does not kill what a forged object names as its daemon", async () => {
  await using m = mountPoint();
  await mounted(m);
  const forged = { name: `${m.name}.forged`, object: `${m.object}.forged` };
  const innocent = new Deno.Command("sleep", { args: ["60"] }).spawn();
  try {
    Deno.copyFileSync(m.object, forged.object);
    using object = Deno.openSync(forged.object, { read: true, write: true });
    const words = new Uint32Array(3);
    words[0] = innocent.pid;
    words[1] = startTimeOf(innocent.pid);
    object.seekSync(SUPER_OWNER_PID * 4, Deno.SeekMode.Start);
    object.writeSync(new Uint8Array(words.buffer, 0, 4));
    object.seekSync(SUPER_OWNER_START_TICKS * 4, Deno.SeekMode.Start);
    object.writeSync(new Uint8Array(words.buffer, 4, 8));
    const { code, stderr } = await btfuse(["umount", "--force", forged.name]);
    assertEquals(code, 1);
    assertMatch(stderr, /names process \d+ as its daemon, which it is not/);
    assertEquals(startTimeOf(innocent.pid), words[1]);
  } finally {
    innocent.kill();
    await innocent.status;
    Deno.removeSync(forged.object);
  }
});
