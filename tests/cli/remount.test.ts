/** Options of a mount that is there: `btfuse mount -o remount,…` and mount(8), with tmpfs as the oracle. */
import { assertEquals, assertMatch } from "@std/assert";
import { canPreload } from "../shim/support.ts";
import {
  btfuseCommand,
  type MountedDirectory,
  mountTmpfs,
  openFuseDevice,
  run,
  runOk,
} from "../support/mounts.ts";
import { parseMounts } from "../../src/daemon/mountinfo.ts";
import { btfuseOk, inOwnNamespace, isRoot, mounted, mountPoint, refuses } from "./support.ts";

function remountTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !isRoot, fn });
}

/** What the mount table says of a directory, without what only tmpfs or FUSE has. */
function optionsOf({ dir }: { dir: string }): string {
  const entries = parseMounts(Deno.readTextFileSync("/proc/self/mountinfo"));
  const entry = entries.findLast(({ mountPoint }) => mountPoint === dir);
  if (entry === undefined) throw new Error(`nothing is mounted on ${dir}`);
  const own = /^(size|nr_inodes|mode|inode64|huge|user_id|group_id|default_permissions|max_read)/;
  return [entry.options, entry.superOptions.filter((option) => !own.test(option))]
    .map((options) => options.toSorted().join()).join(" - ");
}

const changes: [option: string, back: string][] = [
  ["ro", "rw"],
  ["noatime", "relatime"],
  ["strictatime", "relatime"],
  ["nodiratime", "diratime"],
  ["noexec", "exec"],
  ["nosuid", "suid"],
  ["nodev", "dev"],
  ["nosymfollow", "symfollow"],
  ["sync", "async"],
  ["dirsync", "nodirsync"],
  ["lazytime", "nolazytime"],
  ["ro,noatime,nodiratime,nosuid", "rw,atime,diratime,suid"],
];

remountTest("a mount takes every option that tmpfs takes, and gives it back", async () => {
  await using m = mountPoint();
  await mounted(m);
  const before = optionsOf(m);
  for (const [option, back] of changes) {
    await using tmpfs: MountedDirectory = await mountTmpfs({ size: "1M" });
    assertEquals(optionsOf(tmpfs), before);
    await runOk(["mount", "-o", `remount,${option}`, tmpfs.dir]);
    await btfuseOk(["mount", "-o", `remount,${option}`, m.dir]);
    assertEquals(optionsOf(m), optionsOf(tmpfs), option);
    await btfuseOk(["mount", "-o", `remount,${back}`, m.dir]);
    assertEquals(optionsOf(m), before, back);
  }
});

remountTest("read-only holds for programs of both kinds, and ends again", async () => {
  await using m = mountPoint();
  await mounted(m);
  await btfuseOk(["mount", "-o", "remount,ro", m.dir]);
  const prefixes = canPreload ? [[], [...btfuseCommand(), "run", "--mount", m.dir]] : [[]];
  const touch = (prefix: string[]) =>
    run([...prefix, "sh", "-c", 'echo x >"$0/file"', m.dir], { env: { BTFUSE_EAGER: "1" } });
  for (const prefix of prefixes) {
    assertMatch((await touch(prefix)).stderr, /Read-only file system/);
  }
  await btfuseOk(["mount", "-o", "remount,rw", m.dir]);
  for (const prefix of prefixes) assertEquals((await touch(prefix)).code, 0);
  {
    using _file = Deno.openSync(`${m.dir}/file`, { write: true });
    await refuses(["mount", "-o", "remount,ro", m.dir], {
      code: 1,
      message: new RegExp(`is in use; nothing was changed.*\\(pid ${Deno.pid}\\): open file`, "s"),
    });
  }
});

remountTest("what cannot be changed is said", async () => {
  await using m = mountPoint();
  await mounted(m);
  const refused: [options: string, message: RegExp][] = [
    ["size=128M", /the size of a mount cannot be changed, it is 64\.0M: .*mount it anew/],
    ["nr_inodes=5", /the number of inodes of a mount cannot be changed/],
    ["cache=none", /the cache mode of a mount cannot be changed, it is auto/],
    ["name=other", /the name of a mount cannot be changed/],
    ["allow_other", /allow_other cannot be given to a mount that is there/],
  ];
  for (const [options, message] of refused) {
    await refuses(["mount", "-o", `remount,${options}`, m.dir], { code: 1, message });
  }
  await refuses(["mount", "-o", "remount,frobnicate", m.dir], {
    code: 2,
    message: /unknown mount option 'frobnicate'/,
  });
  await refuses(["mount", "-o", "remount,ro", m.base], {
    code: 1,
    message: /nothing is mounted on/,
  });
  await refuses(["mount", "-o", "remount,ro", "/proc"], { code: 1, message: /one of type proc/ });
  // What it has already may be said again, as lines of fstab do.
  await btfuseOk([
    "mount",
    "-o",
    "remount,size=64M,cache=auto,mode=700,x-systemd.requires=a",
    m.dir,
  ]);
});

remountTest("an ordinary user's mount: root changes it, the user is told", async () => {
  if (btfuseCommand().length > 1) return;
  using _device = openFuseDevice();
  const uid = 65534;
  await using m = mountPoint(uid);
  const env = { HOME: m.base, XDG_CACHE_HOME: `${m.base}/.cache` };
  const options = "ro,noatime,noexec,sync,dirsync";
  await btfuseOk(["mount", "--name", m.name, "-o", options, m.dir], { uid, env });
  const line = optionsOf(m);
  for (const option of options.split(",")) assertMatch(line, new RegExp(`\\b${option}\\b`));
  await refuses(["mount", "-o", "remount,rw", m.dir], {
    code: 1,
    message: /only root can change the options of a mount/,
  }, { uid, env });
  await btfuseOk(["mount", "-o", "remount,rw", m.dir]);
  await runOk(["touch", `${m.dir}/file`], { uid });
  for (const option of ["nodiratime", "strictatime", "nosymfollow"]) {
    await refuses(["mount", "-o", option, m.base], {
      code: 2,
      message: new RegExp(`mount option '${option}' is for root only`),
    }, { uid, env });
  }
  await btfuseOk(["umount", m.dir], { uid, env });
});

remountTest("options that libfuse does not know hold from the start", async () => {
  await using m = mountPoint();
  await mounted(m, ["-o", "nosymfollow,nodiratime,noexec,nosuid"]);
  await using tmpfs = await mountTmpfs({ size: "1M" });
  await runOk(["mount", "-o", "remount,nosymfollow,nodiratime,noexec,nosuid", tmpfs.dir]);
  assertEquals(optionsOf(m), optionsOf(tmpfs));
});

/** As an fstab with btfuse in root's PATH: mount(8) passes all options on. */
const byMount = `dir=$1 name=$2 fstab=$3
line() { awk -v d="$dir" '$5 == d { print $6, $NF }' /proc/self/mountinfo; }
mount -t fuse.btfuse -o size=16M,noexec,nosuid "$name" "$dir"
mount -o remount,ro "$dir"; line
touch "$dir/file" 2>/dev/null && echo written
mount -o remount,rw "$dir"; line
touch "$dir/file" && echo written
mount -o remount,noatime,nodiratime "$dir"; line
mount -o remount,size=32M "$dir" 2>&1 | sed 's/:.*cannot be/: cannot be/'
mount -o remount,bind,ro "$dir"; line
mount -T "$fstab" -o remount,exec "$dir"; line
umount "$dir"`;

remountTest("mount(8) remounts through btfuse", async () => {
  await using m = mountPoint();
  const bin = `${m.base}/bin`;
  Deno.mkdirSync(bin);
  const program = `#!/bin/sh\nexec ${btfuseCommand().join(" ")} "$@"\n`;
  Deno.writeTextFileSync(`${bin}/btfuse`, program, { mode: 0o755 });
  const fstab = `${m.base}/fstab`;
  Deno.writeTextFileSync(fstab, `${m.name} ${m.dir} fuse.btfuse size=16M,noauto 0 0\n`);
  const setUp = `mount --make-rprivate /; mount --bind ${bin} /usr/local/bin`;
  const { stdout } = await runOk(
    inOwnNamespace(setUp, ["sh", "-c", byMount, "sh", m.dir, m.name, fstab]),
  );
  const superOptions = "user_id=0,group_id=0,default_permissions";
  assertEquals(stdout.split("\n"), [
    `ro,nosuid,noexec,relatime ro,${superOptions}`,
    `rw,nosuid,noexec,relatime rw,${superOptions}`,
    "written",
    `rw,nosuid,noexec,noatime,nodiratime rw,${superOptions}`,
    "btfuse: cannot be changed, it is 16.0M: 'btfuse umount " + m.dir + "' and mount it anew",
    `ro,nosuid,noexec,noatime,nodiratime rw,${superOptions}`,
    // The line of fstab says nothing of the others.
    `rw,relatime rw,${superOptions}`,
    "",
  ]);
  await m.assertNothingLeft();
});
