/** Files of other users in /dev/shm, where anybody may make any name: they are said, never obeyed, and harm nobody. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { canPreload, report } from "../shim/support.ts";
import {
  btfuseCommand,
  isMounted,
  openFuseDevice,
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
  type MountPoint,
  mountPoint,
  refuses,
  statusOf,
} from "./support.ts";

const uid = 65534;
const otherUid = 1;

function foreignTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !isRoot, fn });
}

/** How another user can take a name. */
const takings: [what: string, script: string][] = [
  ["a file", 'echo x >"$1"'],
  ["a link to a file of root", 'ln -s /etc/shadow "$1"'],
  ["a directory", 'mkdir "$1"'],
  ["a pipe", 'mkfifo "$1"'],
];

for (const [what, script] of takings) {
  foreignTest(
    `a name that is taken by ${what} of another user is still root's to mount`,
    async () => {
      await using m = mountPoint();
      await runOk(["sh", "-c", script, "sh", m.object], { uid });
      const before = identity(m.object);
      try {
        assertEquals(await statusOf(m.name), undefined);
        await refuses(["umount", m.name], { code: 1, message: /does not exist/ });
        await worksBesides(m);
        assertEquals(identity(m.object), before);
        assertEquals(objectsOf(m), [m.object]);
      } finally {
        Deno.removeSync(m.object);
      }
    },
  );
}

/** Mounts although the name is taken, and uses all there is. */
async function worksBesides(m: MountPoint): Promise<void> {
  const mounting = await btfuse(["mount", "--size=64M", "--name", m.name, m.dir]);
  assertEquals([mounting.code, mounting.stdout], [0, ""], mounting.stderr);
  assertMatch(mounting.stderr, /is a file of user 65534, not of btfuse: left alone\n$/);
  assertEquals((await statusOf(m.name))?.state, "mounted");
  assertEquals(await btfuseOk(["check", m.dir]), `${m.name}: clean\n`);
  await refuses(["mount", "--name", m.name, m.base], { code: 1, message: /is in use by a mount/ });
  if (canPreload) assert(await servedCalls(m) > 0, "the library did not find the object");
  await btfuseOk(["umount", m.name]);
  assertEquals(isMounted(m.dir), false);
}

/** How many looks at a file the library serves itself. */
async function servedCalls(m: MountPoint, options: { uid?: number } = {}): Promise<number> {
  const look = ["python3", "-c", "import os, sys\nfor _ in range(9): os.stat(sys.argv[1])", m.dir];
  const { stderr } = await runOk([...btfuseCommand(), "run", "--mount", m.dir, ...look], {
    env: { BTFUSE_EAGER: "1", BTFUSE_REPORT: "1" },
    ...options,
  });
  return report(stderr)["stat"]?.fast ?? 0;
}

function objectsOf(m: MountPoint): string[] {
  return [...Deno.readDirSync("/dev/shm")].map(({ name }) => `/dev/shm/${name}`)
    .filter((path) => path.startsWith(m.object));
}

function identity(path: string): string {
  const { ino, uid, mode, size } = Deno.lstatSync(path);
  return [ino, uid, mode, size].join();
}

foreignTest("an ordinary user mounts under a name that somebody else has taken", async () => {
  using _device = openFuseDevice();
  await using m = mountPoint(uid);
  if (btfuseCommand().length > 1) return; // the sources are not this user's to read
  Deno.writeTextFileSync(m.object, "root's");
  try {
    const env = { HOME: m.base, XDG_CACHE_HOME: `${m.base}/.cache` };
    const { code, stderr } = await btfuse(["mount", "--name", m.name, m.dir], { uid, env });
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /is a file of user 0, not of btfuse/);
    assertMatch(await btfuseOk(["check", m.dir], { uid, env }), /clean/);
    await btfuseOk(["umount", m.dir], { uid, env });
    assertEquals(Deno.readTextFileSync(m.object), "root's");
  } finally {
    Deno.removeSync(m.object);
  }
});

/** Cuts a file off and restores it, over and over, until it is killed. */
const flip = `import os, sys
f = os.open(sys.argv[1], os.O_RDWR); size = os.fstat(f).st_size; head = os.pread(f, 4096, 0)
open(sys.argv[2], "w").close()
while True:
    for _ in range(200): os.ftruncate(f, 0); os.ftruncate(f, size); os.pwrite(f, head, 0)`;

foreignTest("an object that its owner keeps cutting off kills nobody who looks at it", async () => {
  await using m = mountPoint();
  await btfuseOk(["mount", "--size=16M", "--inodes=1000", "--name", m.name, m.dir]);
  // A copy of it is another user's, as if he had a mount of that name.
  const theirs = m.object.replace("btfuse.0.", `btfuse.${uid}.`);
  await runOk(["cp", "--sparse=always", m.object, theirs]);
  await runOk(["chown", String(uid), theirs]);
  const ready = `${m.base}/ready`;
  const flipping = new Deno.Command("python3", {
    args: ["-c", flip, theirs, ready],
  }).spawn();
  try {
    const isReady = () => [...Deno.readDirSync(m.base)].some(({ name }) => name === "ready");
    assert(await waitUntil(isReady, 20_000));
    for (let round = 0; round < 8; round++) {
      const status = await btfuse(["status"]);
      assertEquals(status.code, 0, status.stderr);
      const env = { BTFUSE_EAGER: "1", BTFUSE_MOUNT: m.dir, BTFUSE_OBJECT: theirs.slice(8) };
      const program = await run(["stat", m.dir], { env: { ...env, LD_PRELOAD: library } });
      assertEquals([program.code, program.stderr], [0, ""]);
    }
    // Root's own mount of that name goes first; the other one is reached when it is gone.
    await btfuseOk(["umount", m.name]);
    for (let round = 0; round < 4; round++) {
      const { code, stderr } = await btfuse(["check", m.name]);
      assertEquals(code, 1, stderr);
    }
    const { code } = await btfuse(["umount", m.name]);
    assert(code < 2);
  } finally {
    flipping.kill("SIGKILL");
    await flipping.status;
    await run(["rm", "-f", theirs]);
  }
});

const library = new URL("../../shim/zig-out/lib/libbtfuse_preload.so", import.meta.url).pathname;

/** What makes an object one that cannot be trusted, and how that is taken back. */
const distrusted: [
  what: string,
  spoil: (object: string) => void,
  mend: (object: string) => void,
][] = [
  ["mode 0644", (o) => Deno.chmodSync(o, 0o644), (o) => Deno.chmodSync(o, 0o600)],
  ["a second name", (o) => Deno.linkSync(o, `${o}.link`), (o) => Deno.removeSync(`${o}.link`)],
  ["another owner", (o) => Deno.chownSync(o, uid, uid), (o) => Deno.chownSync(o, 0, 0)],
];

foreignTest("the library maps only an object that nobody else can have a hand in", async () => {
  if (!canPreload) return;
  await using m = mountPoint();
  await btfuseOk(["mount", "--size=16M", "--name", m.name, m.dir]);
  for (const [what, spoil, mend] of distrusted) {
    spoil(m.object);
    const served = await servedCalls(m);
    const row = await statusOf(m.name);
    mend(m.object);
    assertEquals(served, 0, what);
    assertEquals(row?.state, "unreadable", what);
    assert(await servedCalls(m) > 0, `after ${what}`);
  }
});

foreignTest("root does not map another user's object, and checks it all the same", async () => {
  using _device = openFuseDevice();
  await using m = mountPoint(uid);
  if (!canPreload || btfuseCommand().length > 1) return;
  const env = { HOME: m.base, XDG_CACHE_HOME: `${m.base}/.cache` };
  await btfuseOk(["mount", "--name", m.name, m.dir], { uid, env });
  assertEquals(await btfuseOk(["check", m.dir]), `${m.name}: clean\n`);
  const doctor = await btfuse(["doctor", "--mount", m.dir, "ls"]);
  assertMatch(doctor.stdout, new RegExp(`was mounted by user ${uid}: only that user has direct`));
  const maps = await run(
    [...btfuseCommand(), "run", "--mount", m.dir, "grep", "-c", m.name, "/proc/self/maps"],
    { env: { BTFUSE_EAGER: "1" } },
  );
  assertEquals(maps.stdout, "0\n");
  assertRefused(await btfuse(["umount", m.dir], { uid: otherUid, env }), {
    code: 1,
    message: /only that user and root can unmount it/,
  });
  await btfuseOk(["umount", m.dir]);
});

foreignTest(
  "root unmounts what another user has mounted, whatever he does to its object",
  async () => {
    if (btfuseCommand().length > 1) return;
    using _device = openFuseDevice();
    await using m = mountPoint(uid);
    const env = { HOME: m.base, XDG_CACHE_HOME: `${m.base}/.cache` };
    await btfuseOk(["mount", "--size=16M", "--inodes=1000", "--name", m.name, m.dir], { uid, env });
    // Another file in place of the object, so that the daemon lives.
    await runOk([
      "sh",
      "-c",
      'mv "$0" "$0.old"; cp -a --sparse=always "$0.old" "$0"; rm "$0.old"',
      m.object,
    ]);
    const flipping = new Deno.Command("python3", {
      args: ["-c", flip, m.object, `${m.base}/ready`],
    })
      .spawn();
    try {
      assert(
        await waitUntil(
          () => [...Deno.readDirSync(m.base)].some((e) => e.name === "ready"),
          20_000,
        ),
      );
      for (let round = 0; round < 4; round++) {
        for (const args of [["check", m.dir], ["doctor", "--mount", m.dir, "ls"], ["status"]]) {
          const { code, stderr } = await btfuse(args);
          assert(code < 2, `${args}: ${code} ${stderr}`);
        }
      }
      for (let round = 0; round < 9 && isMounted(m.dir); round++) {
        const { code, stderr } = await btfuse(["umount", m.dir]);
        assert(code < 2, stderr);
      }
      assertEquals(isMounted(m.dir), false);
    } finally {
      flipping.kill("SIGKILL");
      await flipping.status;
      await run(["rm", "-f", m.object]);
    }
  },
);

foreignTest("a name is free again at once, also while programs use what was detached", async () => {
  await using m = mountPoint();
  await btfuseOk(["mount", "--size=16M", "--name", m.name, m.dir]);
  const detached = holdOpen(m.dir);
  detached.writeSync(new TextEncoder().encode("old"));
  await runOk(["umount", "-l", m.dir]);
  await btfuseOk(["mount", "--size=16M", "--name", m.name, m.dir]);
  assertEquals(objectsOf(m).length, 2);
  await refuses(["mount", "--name", m.name, m.base], { code: 1, message: /is in use by a mount/ });
  assertEquals((await statusOf(m.name))?.mountPoint, m.dir);
  if (canPreload) assert(await servedCalls(m) > 0, "the library took the old object");
  detached.seekSync(0, Deno.SeekMode.Start);
  const bytes = new Uint8Array(3);
  detached.readSync(bytes);
  assertEquals(new TextDecoder().decode(bytes), "old");
  detached.close();
  assert(await waitUntil(() => objectsOf(m).length === 1, 5000), "the detached one is not gone");
  await btfuseOk(["umount", m.dir]);
  assertEquals(objectsOf(m), []);
});
