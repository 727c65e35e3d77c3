/** What a shell can do to the commands it starts: limits, closed descriptors, a removed directory; and several at once. */
import { assertEquals, assertMatch } from "@std/assert";
import { btfuseCommand, canRun, isMounted, openFuseDevice, run, runOk } from "../support/mounts.ts";
import {
  assertRefused,
  btfuse,
  btfuseOk,
  isRoot,
  type MountPoint,
  mountPoint,
  refuses,
} from "./support.ts";

const uid = 65534;
/** Only the launcher can look before Deno starts. */
const isOneFile = canRun && btfuseCommand().length === 1;

function surroundingsTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !isRoot, fn });
}

/** `btfuse mount` in a shell that has done this first; `mount` stands for the command. */
function mountIn(m: MountPoint, script: string, options: { uid?: number } = {}) {
  const mount = [
    ...btfuseCommand(),
    "mount",
    "--size=16M",
    "--inodes=1000",
    "--name",
    m.name,
    m.dir,
  ];
  const functionText = `mount() { "$@" </dev/null; }`;
  const env = { HOME: m.base, XDG_CACHE_HOME: `${m.base}/.cache`, XDG_STATE_HOME: m.base };
  const shell = `dir=$1; shift; command="$*"; ${functionText}; ${script}`;
  return run(["bash", "-c", shell, "bash", m.base, ...mount], {
    ...options,
    ...(options.uid !== undefined && { env }),
  });
}

const harmless: [what: string, script: string][] = [
  ["a limit on file sizes", 'ulimit -S -f 100; ulimit -c 0; mount "$@"'],
  ["a limit of nothing on file sizes", 'ulimit -S -f 0; mount "$@"'],
  ["closed standard streams", '"$@" <&- >&- 2>&-'],
  ["umask 077", 'umask 077; mount "$@"'],
  ["few open files, more allowed", 'ulimit -S -n 16; mount "$@"'],
  ["no locked memory, no core dumps", 'ulimit -l 0; ulimit -c 0; mount "$@"'],
];

for (const [what, script] of harmless) {
  surroundingsTest(`mount with ${what} works as ever`, async () => {
    await using m = mountPoint();
    const { code, stderr } = await mountIn(m, script);
    assertEquals([code, stderr], [0, ""]);
    const text = new Uint8Array(300_000).fill(7);
    Deno.writeFileSync(`${m.dir}/file`, text);
    assertEquals(Deno.readFileSync(`${m.dir}/file`), text);
    assertEquals((Deno.statSync(m.dir).mode ?? 0) & 0o7777, 0o1777);
    await btfuseOk(["umount", m.dir]);
  });
}

const impossible: [what: string, script: string, message: RegExp][] = [
  ["too few open files", 'ulimit -n 20; "$@"', /needs at least 64 open files \(ulimit -n\)/],
  ["little address space", 'ulimit -v 4000000; "$@"', /needs at least 40 GiB .*\(ulimit -v\)/],
  ["a small data segment", 'ulimit -d 100000; "$@"', /needs a data segment .*\(ulimit -d\)/],
  ["a small stack", 'ulimit -s 256; "$@"', /needs a stack of at least 1 MiB \(ulimit -s\)/],
];

for (const [what, script, message] of impossible) {
  surroundingsTest(`mount with ${what} says so and leaves nothing`, async () => {
    if (!isOneFile) return;
    await using m = mountPoint();
    assertRefused(await mountIn(m, script), { code: 1, message });
    await m.assertNothingLeft();
  });
}

surroundingsTest("a user with a limit on file sizes is told, and nothing is left", async () => {
  if (!isOneFile) return;
  using _device = openFuseDevice();
  await using m = mountPoint(uid);
  // Unpacked without the limit.
  const env = { HOME: m.base, XDG_CACHE_HOME: `${m.base}/.cache` };
  await btfuseOk(["version"], { uid, env });
  assertRefused(await mountIn(m, 'ulimit -f 100; "$@"', { uid }), {
    code: 1,
    message: /a file of \d+ bytes in memory, and the limit on files \(ulimit -f\) is 102400 bytes/,
  });
  await m.assertNothingLeft();
});

surroundingsTest("from a directory that was removed", async () => {
  if (!isOneFile) return;
  await using m = mountPoint();
  const { code, stderr } = await mountIn(
    m,
    'mkdir "$dir/gone"; cd "$dir/gone"; rmdir "$dir/gone"; "$@"',
  );
  assertEquals([code, stderr], [0, ""]);
  const inside = ["bash", "-c", 'mkdir "$0/gone"; cd "$0/gone"; rmdir "$0/gone"; "$@"', m.base];
  const start = [...btfuseCommand(), "run", "--mount", m.dir];
  const { stdout } = await run([...inside, ...start, "readlink", "/proc/self/cwd"]);
  assertEquals(stdout, `${m.base}/gone (deleted)\n`);
  const relative = await run([...inside, ...btfuseCommand(), "mount", "mnt"]);
  assertRefused(relative, { code: 1, message: /the working directory has been removed/ });
  await btfuseOk(["umount", m.dir]);
});

surroundingsTest(
  "of several mounts at once on a directory one succeeds, the others say so",
  async () => {
    await using m = mountPoint();
    // With one name and with several.
    for (
      const names of [[m.name, m.name, m.name, m.name], [m.name, `${m.name}.2`, `${m.name}.3`]]
    ) {
      const results = await Promise.all(
        names.map((name) =>
          btfuse(["mount", "--size=16M", "--inodes=1000", "--name", name, m.dir])
        ),
      );
      const refused = results.filter(({ code }) => code !== 0);
      assertEquals(refused.length, names.length - 1, JSON.stringify(results));
      for (const result of refused) {
        assertRefused(result, { code: 1, message: /is a btfuse mount already .*umount/ });
      }
      assertEquals(mountsOn(m.dir), 1);
      Deno.writeTextFileSync(`${m.dir}/file`, "text");
      await btfuseOk(["umount", m.dir]);
      assertEquals(isMounted(m.dir), false);
    }
  },
);

surroundingsTest("of several mounts at once with one name one succeeds", async () => {
  await using m = mountPoint();
  await using other = mountPoint();
  const results = await Promise.all(
    [m.dir, other.dir].map((dir) =>
      btfuse(["mount", "--size=16M", "--inodes=1000", "--name", m.name, dir])
    ),
  );
  assertEquals(results.map(({ code }) => code).sort(), [0, 1], JSON.stringify(results));
  assertEquals(mountsOn(m.dir) + mountsOn(other.dir), 1);
  await btfuseOk(["umount", m.name]);
});

/** umount(2) by whom it may be, and a mount of the same name at once. */
const unmountings: [what: string, command: (m: MountPoint) => string[]][] = [
  ["umount", (m) => ["umount", m.dir]],
  ["umount -l", (m) => ["umount", "-l", m.dir]],
  ["fusermount3 -u", (m) => ["fusermount3", "-u", m.dir]],
  ["btfuse umount", (m) => [...btfuseCommand(), "umount", m.dir]],
];

surroundingsTest("a name and a directory can be used again at once", async () => {
  await using m = mountPoint();
  for (let round = 0; round < 3; round++) {
    for (const [what, command] of unmountings) {
      const mounting = await btfuse(["mount", "--size=64M", "--name", m.name, m.dir]);
      assertEquals([mounting.code, mounting.stderr], [0, ""], `before ${what}, round ${round}`);
      Deno.writeFileSync(`${m.dir}/file`, new Uint8Array(1 << 20));
      await runOk(command(m));
    }
  }
  await m.assertNothingLeft();
  await refuses(["umount", m.name], { code: 1, message: /does not exist/ });
});

function mountsOn(dir: string): number {
  return Deno.readTextFileSync("/proc/self/mountinfo").split("\n")
    .filter((line) => line.split(" ")[4] === dir).length;
}

surroundingsTest("directories with a newline, a colon, a comma and other scripts", async () => {
  await using m = mountPoint();
  const odd = `${m.base}/a\nb:c,d=é漢 "'$`;
  Deno.mkdirSync(odd);
  await btfuseOk(["mount", "--size=16M", "--name", m.name, odd]);
  Deno.writeTextFileSync(`${odd}/file`, "text");
  assertMatch(await btfuseOk(["check", odd]), /clean/);
  await btfuseOk(["umount", `${odd}/`]);
  assertEquals(Deno.readDirSync(odd)[Symbol.iterator]().next().done, true);
});

surroundingsTest("a directory whose name is not UTF-8 is refused, by any way to it", async () => {
  await using m = mountPoint();
  const make = `cd "$0"; odd=$(printf 'od\\377d'); mkdir -p "$odd/below"; ln -s "$odd" link`;
  const mount = [...btfuseCommand(), "mount", "--size=16M", "--name", m.name];
  for (const way of ['"$odd"', "link", "link/below", '"$0/$odd/below"', "."]) {
    const enter = way === "." ? '; cd "$odd"' : "";
    const command = ["bash", "-c", `${make} 2>/dev/null${enter}; "$@" ${way}`, m.base, ...mount];
    const result = await run(command);
    assertRefused(result, { code: 1, message: /not (valid )?UTF-8/ });
  }
  assertEquals(parsedMountCount(m.name), 0);
});

function parsedMountCount(name: string): number {
  return Deno.readTextFileSync("/proc/self/mountinfo").split(` - fuse.btfuse ${name} `).length - 1;
}
