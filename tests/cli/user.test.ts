/** An ordinary user: mounts go through fusermount3, and its reasons reach the user. Needs the built executable. */
import { assertEquals, assertMatch } from "@std/assert";
import {
  btfuseCommand,
  leftovers,
  mountBtfuse,
  openFuseDevice,
  run,
  runOk,
  type RunResult,
  waitUntil,
} from "../support/mounts.ts";
import {
  assertRefused,
  btfuse,
  btfuseOk,
  inOwnNamespace,
  isRoot,
  type MountPoint,
  mountPoint,
  refuses,
  statusOf,
} from "./support.ts";

const uid = 1234;
const otherUid = 1235;
// Deno running the sources would need a cache of its dependencies in the user's home.
const isBuilt = btfuseCommandLength() === 1;

function btfuseCommandLength(): number {
  return isRoot ? btfuseCommand().length : 0;
}

function userTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `ordinary user: ${name}`, ignore: !isRoot || !isBuilt, fn });
}

/** What a user's environment says; the cache keeps the executable's parts between the tests. */
function environment(m: MountPoint): Record<string, string> {
  return {
    HOME: m.dir,
    XDG_CACHE_HOME: `/tmp/btfuse-cli-cache-${uid}`,
    XDG_STATE_HOME: `${m.dir}.state`,
  };
}

function asUser(m: MountPoint, args: string[], as = uid): Promise<RunResult> {
  return btfuse(args, { uid: as, env: environment(m) });
}

userTest("mounts, works, sees its status, unmounts", async () => {
  using _device = openFuseDevice();
  await using m = mountPoint(uid);
  assertEquals((await asUser(m, ["mount", "--name", m.name, m.dir])).stderr, "");
  await runOk(["sh", "-c", "echo text > file && chmod 600 file && ln file hard && cat hard"], {
    cwd: m.dir,
    uid,
  });
  const root = await run(["ls", m.dir]);
  assertEquals(root.code, 2, "without allow_other not even root may look into it");
  const row = await statusOf(m.name);
  assertEquals({ uid: row?.uid, state: row?.state }, { uid, state: "mounted" });
  assertMatch((await asUser(m, ["status"])).stdout, new RegExp(`^${m.name} .*mounted`, "m"));
  assertEquals((await asUser(m, ["check", m.dir])).stdout, `${m.name}: clean\n`);
  const pid = row?.statistics?.ownerPid ?? 0;
  assertEquals((await asUser(m, ["umount", m.dir])).stderr, "");
  assertEquals(leftovers({ ...m, pid }), []);
});

userTest("a busy mount, a signal to a busy mount, --force", async () => {
  using _device = openFuseDevice();
  await using m = mountPoint(uid);
  await asUser(m, ["mount", "--name", m.name, m.dir]);
  const pid = (await statusOf(m.name))?.statistics?.ownerPid ?? 0;
  const sleeping = new Deno.Command("sleep", { args: ["60"], cwd: "/", uid });
  const inside = (await holdingProgram(m)).spawn();
  try {
    await waitUntil(async () => (await asUser(m, ["umount", m.dir])).code === 1, 2000);
    assertRefused(await asUser(m, ["umount", m.dir]), {
      code: 1,
      message: new RegExp(`is in use; nothing was changed.*\\(pid ${inside.pid}\\)`, "s"),
    });
    Deno.kill(pid, "SIGTERM");
    await waitUntil(() => leftovers({ ...m, pid }).length === 0, 5000);
    assertEquals(leftovers({ ...m, pid }), []);
    void sleeping;
  } finally {
    inside.kill("SIGKILL");
    await inside.status;
  }
});

/** A program of the user that keeps the mount busy. */
function holdingProgram(m: MountPoint): Promise<Deno.Command> {
  return Promise.resolve(
    new Deno.Command("sh", { args: ["-c", 'exec 9>"$1/held"; exec sleep 60', "sh", m.dir], uid }),
  );
}

userTest("cannot unmount what another user mounted, and sees that it cannot look", async () => {
  using _device = openFuseDevice();
  await using m = mountPoint(uid);
  await asUser(m, ["mount", "--name", m.name, m.dir]);
  const other = { ...m, dir: `/tmp/btfuse-cli-cache-${otherUid}` };
  assertRefused(await asUser(other, ["umount", m.dir], otherUid), {
    code: 1,
    message: new RegExp(`was mounted by user ${uid}: only that user and root can unmount it`),
  });
  const { code, stdout } = await asUser(other, ["status"], otherUid);
  assertEquals(code, 0);
  assertMatch(stdout, new RegExp(`^${m.name} +${uid} .*unreadable`, "m"));
  assertEquals((await statusOf(m.name))?.state, "mounted");
  // Root can.
  await btfuseOk(["umount", m.dir]);
});
