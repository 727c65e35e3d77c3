/** `btfuse mount`: background, foreground, fstab, and everything that must keep it from mounting. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { isMounted, isRunning, run, runOk, waitUntil } from "../support/mounts.ts";
import { btfuseCommand } from "../support/mounts.ts";
import {
  btfuse,
  btfuseOk,
  daemonPid,
  inOwnNamespace,
  isRoot,
  mounted,
  mountPoint,
  refuses,
  statusOf,
  type StatusRow,
} from "./support.ts";

function mountTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: !isRoot, fn });
}

mountTest("mount returns when the mount answers, umount when nothing is left", async () => {
  await using m = mountPoint();
  const { stdout, stderr, code, outputHeld } = await btfuse([
    "mount",
    "--size=64M",
    `--name=${m.name}`,
    m.dir,
  ]);
  assertEquals({ stdout, stderr, code, outputHeld }, {
    stdout: "",
    stderr: "",
    code: 0,
    outputHeld: false,
  });
  Deno.writeTextFileSync(`${m.dir}/file`, "text");
  assertEquals(Deno.readTextFileSync(`${m.dir}/file`), "text");
  const row = await statusOf(m.name);
  assertEquals(row?.state, "mounted");
  assertEquals(row?.mountPoint, m.dir);
  assertEquals(row?.statistics?.blockCountMax, 64 * 256);
  await btfuseOk(["umount", m.dir]);
  await m.assertNothingLeft();
});

mountTest("the daemon is a session of its own and keeps nothing of its caller", async () => {
  await using m = mountPoint();
  // Descriptor 9 of the shell is inherited by btfuse; a lock on it would never end if the daemon kept it.
  const shell = `exec 9>${m.dir}.lock; exec "$@"`;
  const args = ["mount", "--size=64M", "--name", m.name, m.dir];
  await runOk(["sh", "-c", shell, "sh", ...btfuseCommand(), ...args], { timeoutMs: 30_000 });
  const pid = await daemonPid(m.name);
  const links = [...Deno.readDirSync(`/proc/${pid}/fd`)].map((fd) =>
    Deno.readLinkSync(`/proc/${pid}/fd/${fd.name}`)
  );
  assertEquals(links.filter((link) => link.endsWith(".lock")), []);
  assertEquals(Deno.readLinkSync(`/proc/${pid}/cwd`), "/");
  assertEquals(Deno.readLinkSync(`/proc/${pid}/fd/0`), "/dev/null");
  const sessionId = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.split(" ")[3];
  assertEquals(sessionId, String(pid));
});

mountTest("mounting takes less than a second", async () => {
  const elapsed: number[] = [];
  for (let i = 0; i < 3; i++) {
    await using m = mountPoint();
    const { code, elapsedMs } = await btfuse(["mount", "--name", m.name, m.dir]);
    assertEquals(code, 0);
    elapsed.push(elapsedMs);
  }
  assert(Math.min(...elapsed) < 1000, `${elapsed} ms`);
});

mountTest(
  "names with blanks, tabs and backslashes, relative paths and symbolic links",
  async () => {
    await using m = mountPoint();
    const odd = `${m.dir}/a b\tc\\d#é`;
    Deno.mkdirSync(odd);
    Deno.symlinkSync(odd, `${m.dir}/link`);
    await btfuseOk(["mount", "--size=64M", "--name", m.name, "./link/"], { cwd: m.dir });
    try {
      assertEquals((await statusOf(m.name))?.mountPoint, odd);
      await refuses(["mount", odd], { code: 1, message: /is a btfuse mount already/ });
    } finally {
      await btfuseOk(["umount", "link"], { cwd: m.dir });
    }
  },
);

mountTest("size, inodes, cache and the root directory can be set, also in -o", async () => {
  await using m = mountPoint();
  const options = "size=1.5G,nr_inodes=2k,cache=none,mode=2750,uid=7,gid=8,noexec,nodev,nosuid,ro";
  await btfuseOk(["mount", "--size=64M", `-o${options}`, "-o", `name=${m.name}`, m.dir]);
  const row = await statusOf(m.name);
  // The option of btfuse itself wins.
  assertEquals(row?.statistics?.blockCountMax, 64 * 256);
  assertEquals(row?.statistics?.cache, "none");
  const { mode, uid, gid } = Deno.statSync(m.dir);
  assertEquals({ mode: (mode ?? 0) & 0o7777, uid, gid }, { mode: 0o2750, uid: 7, gid: 8 });
  const line = Deno.readTextFileSync("/proc/self/mountinfo").split("\n")
    .find((text) => text.split(" ")[4] === m.dir);
  const flags = line?.split(" ")[5]?.split(",") ?? [];
  for (const flag of ["ro", "nosuid", "nodev", "noexec"]) assert(flags.includes(flag), line);
});

mountTest("as root, programs may be setuid and device nodes work, as on tmpfs", async () => {
  await using m = mountPoint();
  await mounted(m);
  await runOk(["mknod", "-m666", `${m.dir}/null`, "c", "1", "3"]);
  Deno.writeTextFileSync(`${m.dir}/null`, "swallowed", { create: false });
});

mountTest("mounted by mount(8) as type fuse.btfuse, with what an fstab line may hold", async () => {
  await using m = mountPoint();
  const bin = `${m.dir}.bin`;
  Deno.mkdirSync(bin);
  const program = `#!/bin/sh\nexec ${btfuseCommand().join(" ")} "$@"\n`;
  Deno.writeTextFileSync(`${bin}/btfuse`, program, { mode: 0o755 });
  const fstab = `${bin}/fstab`;
  const options = "rw,size=64M,allow_other,default_permissions,noatime,nofail,_netdev,noauto," +
    "x-systemd.requires=network.target,users,exec,comment=scratch";
  Deno.writeTextFileSync(fstab, `${m.name} ${m.dir} fuse.btfuse ${options} 0 0\n`);
  // mount(8) looks only in the usual places for programs.
  const setUp = `mount --bind ${bin} /usr/local/bin`;
  const script = `mount -T ${fstab} ${m.dir}; btfuse status --json; umount ${m.dir}`;
  const { stdout } = await runOk(inOwnNamespace(setUp, ["sh", "-ec", script]));
  const row = (JSON.parse(stdout) as StatusRow[]).find(({ name }) => name === m.name);
  assertEquals(row?.mountPoint, m.dir);
  assertEquals(row?.statistics?.blockCountMax, 64 * 256);
  await m.assertNothingLeft();
  const wrong = ["mount", "-t", "fuse.btfuse", m.name, m.dir, "-o", "frobnicate"];
  const refused = await run(inOwnNamespace(setUp, wrong));
  assert(refused.code !== 0);
  assertMatch(refused.stderr, /unknown mount option 'frobnicate'/);
});

mountTest("a directory that cannot be mounted on", async () => {
  await using m = mountPoint();
  const file = `${m.dir}/file`;
  Deno.writeTextFileSync(file, "");
  await refuses(["mount", `${m.dir}/missing`], { code: 1, message: /missing does not exist/ });
  await refuses(["mount", file], { code: 1, message: /file is not a directory/ });
  await refuses(["mount", `${file}/below`], { code: 1, message: /below/ });
});

mountTest("mounted twice on one directory, and a name used twice", async () => {
  await using m = mountPoint();
  await using other = mountPoint();
  const pid = await mounted(m);
  await refuses(["mount", m.dir], { code: 1, message: /is a btfuse mount already .*umount/ });
  await refuses(["mount", "--name", m.name, other.dir], {
    code: 1,
    message: new RegExp(`the name '${m.name}' is in use by a mount \\(pid ${pid}\\)`),
  });
  assertEquals(isMounted(other.dir), false);
  Deno.writeTextFileSync(`${m.dir}/still`, "works");
});

mountTest("no /dev/fuse", async () => {
  await using m = mountPoint();
  const setUp = `mount -t tmpfs dev "$DIR"
    for node in null zero full random urandom; do cp -a /dev/$node "$DIR"; done
    mkdir "$DIR/shm"; mount --bind /dev/shm "$DIR/shm"; mount --rbind "$DIR" /dev`;
  const command = [...btfuseCommand(), "mount", "--name", m.name, `${m.dir}.other`];
  Deno.mkdirSync(`${m.dir}.other`);
  const result = await run(inOwnNamespace(setUp, command), { env: { DIR: m.dir } });
  assertMatch(result.stderr, /\/dev\/fuse does not exist: .*modprobe fuse/);
  assertEquals(result.code, 1);
});

mountTest("no libfuse3", async () => {
  await using m = mountPoint();
  const setUp = `for library in $(ldconfig -p | sed -n 's/.*libfuse3.so.*=> //p'); do
    mount --bind /dev/null "$(readlink -f "$library")"; done`;
  const result = await run(
    inOwnNamespace(setUp, [...btfuseCommand(), "mount", "--name", m.name, m.dir]),
  );
  assertMatch(result.stderr, /libfuse3 cannot be loaded .*apt-get install fuse3 libfuse3-3/);
  assertEquals(result.code, 1);
});

mountTest("no right to mount: the reason is in the message, with the log's name", async () => {
  await using m = mountPoint();
  const env = { XDG_STATE_HOME: `${m.dir}.state` };
  const result = await run([
    ...["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"],
    ...[...btfuseCommand(), "mount", "--name", m.name, m.dir],
  ], { env });
  assertMatch(result.stderr, /cannot mount on .*: the daemon ended with exit code 1/);
  assertMatch(result.stderr, /\n {2}fusermount3: mount failed: Operation not permitted\n/);
  const [, log] = /Log (\S+):/.exec(result.stderr) ?? [];
  assertMatch(Deno.readTextFileSync(log ?? ""), /fusermount3: mount failed/);
  assertEquals(result.code, 1);
});

mountTest("not enough address space", async () => {
  await using m = mountPoint();
  const limit = String(200 * 2 ** 30);
  const result = await run([
    ...["prlimit", `--as=${limit}`],
    ...[...btfuseCommand(), "mount", "--name", m.name, "--size=4T", m.dir],
  ], { env: { XDG_STATE_HOME: m.base } });
  assertMatch(result.stderr, /cannot map \d+ bytes .*: not enough address space \(see ulimit -v\)/);
  assertEquals(result.code, 1);
});

mountTest("a mount larger than memory is possible, because it is sparse", async () => {
  await using m = mountPoint();
  await btfuseOk(["mount", "--size=8T", "--name", m.name, m.dir]);
  Deno.writeTextFileSync(`${m.dir}/file`, "text");
  // Mostly the dentry hash, whose size goes with the machine's memory.
  assert((Deno.statSync(m.object).blocks ?? 0) * 512 < 2 ** 26);
});

mountTest("a daemon that hangs at its start is taken down again", async () => {
  await using m = mountPoint();
  const starting = btfuse(["mount", "--size=64M", "--name", m.name, m.dir]);
  const pid = await stoppedDaemon(m.name);
  const { code, stderr } = await starting;
  assertMatch(stderr, /the mount did not answer within 10 s\n$/);
  assertEquals(code, 1);
  assertEquals(isRunning(pid), false);
  await m.assertNothingLeft();
});

mountTest("an interrupted mount leaves nothing", async () => {
  await using m = mountPoint();
  const [program = "", ...args] = [...btfuseCommand(), "mount", "--name", m.name, m.dir];
  const parent = new Deno.Command(program, { args, stdout: "null", stderr: "piped" }).spawn();
  const pid = await stoppedDaemon(m.name);
  parent.kill("SIGINT");
  const { code, stderr } = await parent.output();
  assertMatch(new TextDecoder().decode(stderr), /interrupted/);
  assertEquals(code, 1);
  assertEquals(isRunning(pid), false);
  await m.assertNothingLeft();
});

/** Stops the daemon of this name as soon as it exists, long before it can mount. */
async function stoppedDaemon(name: string): Promise<number> {
  let daemon = 0;
  await waitUntil(() => (daemon = findDaemon(name)) > 0, 10_000, 2);
  if (daemon === 0) throw new Error(`no daemon for ${name}`); // and 0 would be this process and all around it
  Deno.kill(daemon, "SIGSTOP");
  return daemon;
}

function findDaemon(name: string): number {
  for (const { name: pid } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const args = Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0");
      if (args.includes("--foreground") && args.includes(name)) return Number(pid);
    } catch {
      continue; // gone meanwhile
    }
  }
  return 0;
}
