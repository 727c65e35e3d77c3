/** An ordinary user: mounts go through fusermount3, and its reasons reach the user. Needs the built executable. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  btfuseCommand,
  isRunning,
  leftovers,
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
  daemonPid,
  inOwnNamespace,
  isRoot,
  type MountPoint,
  mountPoint,
  statusOf,
} from "./support.ts";

// fusermount3 wants its caller to be in /etc/passwd; these, nobody and daemon, always are.
const uid = 65534;
const otherUid = 1;

// Deno running the sources would need a cache of its dependencies that this user can read.
const ignore = !isRoot || btfuseCommand().length > 1;

function userTest(
  name: string,
  fn: (m: MountPoint) => Promise<void>,
  device?: () => Disposable,
): void {
  Deno.test({
    name: `ordinary user: ${name}`,
    ignore,
    async fn() {
      using _device = device?.();
      await using m = mountPoint(uid);
      await fn(m);
    },
  });
}

/** With /dev/fuse open to all meanwhile, as udev has it on an installed system. */
function deviceTest(name: string, fn: (m: MountPoint) => Promise<void>): void {
  userTest(name, fn, openFuseDevice);
}

function environmentIn(directory: string): Record<string, string> {
  return {
    HOME: directory,
    XDG_CACHE_HOME: `${directory}/.cache`,
    XDG_STATE_HOME: `${directory}/.state`,
  };
}

function asUser(m: MountPoint, args: string[]): Promise<RunResult> {
  return btfuse(args, { uid, env: environmentIn(m.base) });
}

async function asUserOk(m: MountPoint, args: string[]): Promise<string> {
  return await btfuseOk(args, { uid, env: environmentIn(m.base) });
}

/** btfuse as the user, in a mount namespace that root has changed with `setUp`. */
function asUserWhere(setUp: string, m: MountPoint, args: string[]): Promise<RunResult> {
  const identity = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
  return run(inOwnNamespace(setUp, [...identity, ...btfuseCommand(), ...args]), {
    env: environmentIn(m.base),
  });
}

deviceTest("mounts, works, sees the status, unmounts", async (m) => {
  await asUserOk(m, ["mount", "--name", m.name, m.dir]);
  await runOk(["sh", "-c", "echo text > file && ln file hard && cat hard"], { cwd: m.dir, uid });
  const root = await run(["ls", m.dir]);
  assertMatch(root.stderr, /Permission denied/, "without allow_other not even root may look");
  const row = await statusOf(m.name);
  assertEquals({ uid: row?.uid, state: row?.state }, { uid, state: "mounted" });
  assertMatch(await asUserOk(m, ["status"]), new RegExp(`^${m.name} .*mounted`, "m"));
  assertEquals(await asUserOk(m, ["check", m.dir]), `${m.name}: clean\n`);
  const pid = row?.statistics?.ownerPid ?? 0;
  await asUserOk(m, ["umount", m.dir]);
  assertEquals(leftovers({ ...m, pid }), []);
});

deviceTest("a busy mount is left alone, and --force ends it", async (m) => {
  await asUserOk(m, ["mount", "--name", m.name, m.dir]);
  const pid = await daemonPid(m.name);
  using program = holdingProgram(m);
  assert(await waitUntil(() => isHeld(m, program.pid), 2000));
  assertRefused(await asUser(m, ["umount", m.dir]), {
    code: 1,
    message: new RegExp(`in use; nothing was changed[^]*pid ${program.pid}\\): open file`),
  });
  await asUserOk(m, ["umount", "--force", m.dir]);
  assertEquals(leftovers({ ...m, pid }), []);
});

deviceTest("a signal to the daemon of a busy mount detaches it", async (m) => {
  await asUserOk(m, ["mount", "--name", m.name, m.dir]);
  const pid = await daemonPid(m.name);
  using program = holdingProgram(m);
  assert(await waitUntil(() => isHeld(m, program.pid), 2000));
  Deno.kill(pid, "SIGTERM");
  await waitUntil(() => !isRunning(pid), 5000);
  assertEquals(leftovers({ ...m, pid }), []);
});

deviceTest("after kill -9 umount cleans up", async (m) => {
  await asUserOk(m, ["mount", "--name", m.name, m.dir]);
  const pid = await daemonPid(m.name);
  Deno.kill(pid, "SIGKILL");
  await waitUntil(() => !isRunning(pid), 2000);
  await asUserOk(m, ["umount", m.dir]);
  assertEquals(leftovers({ ...m, pid }), []);
});

deviceTest("another user can neither unmount it nor look into it", async (m) => {
  await asUserOk(m, ["mount", "--name", m.name, m.dir]);
  await using other = mountPoint(otherUid);
  const asOther = { uid: otherUid, env: environmentIn(other.base) };
  assertRefused(await btfuse(["umount", m.dir], asOther), {
    code: 1,
    message: new RegExp(`was mounted by user ${uid}: only that user and root can unmount it`),
  });
  assertMatch(
    await btfuseOk(["status"], asOther),
    new RegExp(`^${m.name} +${uid} .*unreadable[^]*no permission`, "m"),
  );
  assertEquals((await statusOf(m.name))?.state, "mounted");
  await btfuseOk(["umount", m.dir]);
});

deviceTest("fusermount3's reasons are passed on", async (m) => {
  assertRefused(await asUser(m, ["mount", "--name", m.name, "/mnt"]), {
    code: 1,
    message: /\n {2}fusermount3: user has no write access to mountpoint \/mnt\n/,
  });
  const noConfiguration = "mount --bind /dev/null /etc/fuse.conf";
  const args = ["mount", "--name", m.name, "-o", "allow_other", m.dir];
  assertRefused(await asUserWhere(noConfiguration, m, args), {
    code: 1,
    message: /\n {2}fusermount3: option allow_other only allowed if 'user_allow_other' is set in/,
  });
});

deviceTest("fusermount3 that is missing or not setuid", async (m) => {
  const copy = `cp /usr/bin/fusermount3 ${m.base}; chmod 755 ${m.base}/fusermount3`;
  const notSetuid = `${copy}; mount --bind ${m.base}/fusermount3 /usr/bin/fusermount3`;
  assertRefused(await asUserWhere(notSetuid, m, ["mount", m.dir]), {
    code: 1,
    message: /\/usr\/bin\/fusermount3 is not setuid root, so only root can mount/,
  });
  const missing = `for dir in /usr/bin /bin /usr/local/bin; do
      mkdir -p ${m.base}/bin; done
    mount -t tmpfs none ${m.base}/bin
    for file in setpriv sh; do cp -L "$(command -v $file)" ${m.base}/bin/; done
    mount --bind ${m.base}/bin /usr/bin`;
  assertRefused(await asUserWhere(missing, m, ["mount", m.dir]), {
    code: 1,
    message: /fusermount3 is not installed.*apt-get install fuse3/,
  });
});

userTest("no permission for /dev/fuse", async (m) => {
  const closed = `cp -a /dev/fuse ${m.base}/fuse; chmod 600 ${m.base}/fuse
    mount --bind ${m.base}/fuse /dev/fuse`;
  assertRefused(await asUserWhere(closed, m, ["mount", "--name", m.name, m.dir]), {
    code: 1,
    message: /no permission to open \/dev\/fuse: users need mode 0666/,
  });
});

userTest("cannot give the root directory to somebody else", async (m) => {
  assertRefused(await asUser(m, ["mount", "-o", "uid=0", m.dir]), {
    code: 2,
    message: /uid= and gid= other than one's own are for root/,
  });
});

/** A program of the user that keeps the mount busy until it is disposed. */
function holdingProgram(m: MountPoint): { pid: number } & Disposable {
  const script = 'exec 9>"$1/held"; exec sleep 60';
  const identity = { uid, gid: uid }; // FUSE lets in only who has both of the mount's owner
  const args = ["-c", script, "sh", m.dir];
  const program = new Deno.Command("sh", { args, ...identity }).spawn();
  return { pid: program.pid, [Symbol.dispose]: () => program.kill("SIGKILL") };
}

function isHeld(m: MountPoint, pid: number): boolean {
  // The program may be closing descriptors while it is looked at.
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].some((fd) => {
    try {
      return Deno.readLinkSync(`/proc/${pid}/fd/${fd.name}`) === `${m.dir}/held`;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  });
}
