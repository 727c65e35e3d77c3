/**
 * Attributes, permissions and link targets through the preloaded library: every call must return what the kernel
 * returns, to the last byte, and be served without the kernel where it is said to be.
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { type BtfuseMount, mountBtfuse, runOk, type RunOptions } from "../support/mounts.ts";
import { canPreload, type Counts, preloaded, report } from "./support.ts";

const here = new URL(".", import.meta.url).pathname;
const python = "/usr/bin/python3";
const isRoot = canPreload && Deno.uid() === 0;

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EACCESS = 0x200;
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
const STATX_BTIME = 0x800;
const [F_OK, X_OK, W_OK, R_OK] = [0, 1, 2, 4];

type Call = [name: string, ...args: (string | number)[]];
type Result = [returned: number, errno: number, bytes: string];

/**
 * Makes the calls without the library, twice (the first reading of a link changes its access time), and with it.
 * @returns the results, and what the library says it did
 */
async function compare(
  m: BtfuseMount,
  calls: Call[],
  options: RunOptions & { prefix?: string[] } = {},
): Promise<{ results: Result[]; counts: Record<string, Counts> }> {
  const { prefix = [], ...rest } = options;
  const command = [...prefix, python, `${here}probe.py`];
  const stdin = JSON.stringify(calls);
  await runOk(command, { ...rest, stdin });
  const expected = JSON.parse((await runOk(command, { ...rest, stdin })).stdout) as Result[];
  const { stdout, stderr } = await runOk(command, {
    ...rest,
    stdin,
    env: { ...rest.env, ...preloaded(m) },
  });
  const results = JSON.parse(stdout) as Result[];
  calls.forEach((call, i) => assertEquals(results[i], expected[i], JSON.stringify(call)));
  return { results, counts: report(stderr) };
}

/** Every call that takes a path, on one path. */
function everyCall(path: string): Call[] {
  return [
    ["stat", path],
    ["lstat", path],
    ["stat64", path],
    ["lstat64", path],
    ["__xstat", path],
    ["__lxstat64", path],
    ["fstatat", path, 0],
    ["fstatat64", path, AT_SYMLINK_NOFOLLOW],
    ["__fxstatat", path, AT_SYMLINK_NOFOLLOW],
    ["statx", path, 0, STATX_BASIC_STATS | STATX_BTIME],
    ["statx", path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME],
    ["access", path, F_OK],
    ["access", path, R_OK],
    ["access", path, R_OK | X_OK],
    ["access", path, W_OK],
    ["eaccess", path, R_OK],
    ["faccessat", path, R_OK, 0],
    ["faccessat", path, F_OK, AT_SYMLINK_NOFOLLOW],
    ["readlink", path, 4096],
    ["readlink", path, 5],
    ["readlinkat", path, 300],
    ["__readlink_chk", path, 4096],
    ["__readlinkat_chk", path, 100],
  ];
}

/** Counts that leave nothing to the kernel but what always is. */
function assertFast(counts: Record<string, Counts>, reasons: string[] = []): void {
  for (const operation of ["stat", "statx", "access", "readlink"]) {
    const { fast, reasons: found } = counts[operation] ?? { fast: 0, reasons: {} };
    assertGreater(fast, 0, `${operation} was never served by the library`);
    // Before the first path on the mount, the interpreter looks for its modules.
    const other = Object.keys(found).filter((reason) =>
      reason !== "other_path" && !(operation === "access" && reason === "mount_flags") &&
      !reasons.includes(reason)
    );
    assertEquals(other, [], `${operation} was left to the kernel`);
  }
}

function shimTest(
  name: string,
  fn: (m: BtfuseMount) => Promise<void>,
  { ignore = false, inodeCountMax = 6000 } = {},
): void {
  Deno.test({
    name: `shim: ${name}`,
    ignore: !canPreload || ignore,
    async fn() {
      await using m = await mountBtfuse({ size: "64M", inodeCountMax });
      await fn(m);
    },
  });
}

shimTest("files and directories of every kind, with names of every length", async (m) => {
  const { dir } = m;
  const paths = [dir, `${dir}/`, `${dir}//.//`];
  for (const length of [1, 63, 64, 65, 120, 184, 185, 254, 255]) {
    const name = `${dir}/${"n".repeat(length - 1)}${length % 10}`;
    Deno.writeTextFileSync(name, "x".repeat(length));
    paths.push(name, `${name.slice(0, -1)}!`);
  }
  paths.push(`${dir}/${"n".repeat(256)}`, `${dir}/none/${"n".repeat(256)}`, `${dir}/Grüße-ß`);
  Deno.mkdirSync(`${dir}/Grüße-ß`, { mode: 0o1777 });
  const deep = "/d".repeat(60);
  Deno.mkdirSync(dir + deep, { recursive: true });
  paths.push(dir + deep, `${dir}${deep}/none`, `${dir}${deep}/none/none`);
  Deno.writeTextFileSync(`${dir}/empty`, "");
  Deno.writeFileSync(`${dir}/blocks`, new Uint8Array(50_000));
  Deno.truncateSync(`${dir}/empty`, 2 ** 40);
  Deno.linkSync(`${dir}/blocks`, `${dir}/second`);
  Deno.utimeSync(`${dir}/second`, -1e9, 5e9);
  paths.push(`${dir}/empty`, `${dir}/blocks`, `${dir}/second`);
  await runOk(["mkfifo", `${dir}/fifo`]);
  if (isRoot) {
    await runOk(["mknod", `${dir}/character`, "c", "1", "3"]);
    await runOk(["mknod", `${dir}/block`, "b", "4095", "1048575"]);
    paths.push(`${dir}/character`, `${dir}/block`);
  }
  const socket = Deno.listen({ transport: "unix", path: `${dir}/socket` });
  socket.close();
  paths.push(`${dir}/fifo`, `${dir}/socket`, `${dir}/blocks/none`, `${dir}/socket/`);
  const { results, counts } = await compare(m, paths.flatMap(everyCall));
  assertFast(counts);
  // The comparison is worth something only if there are different things to see.
  assertGreater(new Set(results.map(([, , bytes]) => bytes)).size, 30);
  for (
    const errno of [0, 2, /* ENOENT */ 20, /* ENOTDIR */ 22, /* EINVAL */ 36 /* ENAMETOOLONG */]
  ) {
    assert(results.some((result) => result[1] === errno), `no call ended with errno ${errno}`);
  }
});

shimTest("links, '..' and slashes", async (m) => {
  const { dir } = m;
  Deno.mkdirSync(`${dir}/one/two`, { recursive: true });
  Deno.writeTextFileSync(`${dir}/one/two/file`, "");
  const links: Record<string, string> = {
    relative: "one/two/file",
    directory: "one/two",
    "one/up": "../one/two/../../relative",
    absolute: `${dir}/one/two`,
    slashes: `${dir.replaceAll("/", "//./")}//one/`,
    root: dir,
    self: "self",
    dangling: "one/none/file",
    through: "relative/file",
    long: `one/${"./".repeat(500)}two`,
    medium: `one/two/${"../two/".repeat(8)}file`,
    chain0: "one/two",
  };
  for (let i = 1; i <= 41; i++) links[`chain${i}`] = `chain${i - 1}`;
  for (const [name, target] of Object.entries(links)) Deno.symlinkSync(target, `${dir}/${name}`);
  const names = Object.keys(links).filter((name) => !/chain\d?[1-7]$/.test(name));
  const paths = [
    ...names,
    ...names.map((name) => `${name}/`),
    ...names.map((name) => `${name}/file`),
  ]
    .concat([
      "one/../relative",
      "one/two/../../one/two/./file",
      "directory/../two/file",
      "directory/..",
      "absolute/../up",
      "one/two/file/",
      "one/two/file/.",
      "one/two/file/..",
      "one/two/file/none",
      "one/none/..",
      "one//two///file",
      "chain38/../two/file",
      "./".repeat(200) + "one",
    ]).map((path) => `${dir}/${path}`);
  const filled = (length: number) => `${dir}/${"./".repeat(2500)}`.slice(0, length - 3) + "one";
  paths.push(filled(4095), filled(4094) + "/");
  const { results, counts } = await compare(m, paths.flatMap(everyCall));
  assertFast(counts);
  // Whether more than a path may have can be read at all, the kernel says.
  const tooLong = [
    filled(4096),
    `${dir}/none/${"./".repeat(2500)}`,
    `${dir}/chain3${"/".repeat(4096)}`,
  ];
  const { results: refused } = await compare(m, tooLong.flatMap(everyCall));
  assert(refused.every((result) => result[1] === 36), "a path that is too long was not refused");
  for (const errno of [0, 2, 20, 22, 40 /* ELOOP */]) {
    assert(results.some((result) => result[1] === errno), `no call ended with errno ${errno}`);
  }
  // What leads out of the mount is the kernel's.
  Deno.symlinkSync(m.scratch, `${dir}/outside`);
  Deno.symlinkSync("../scratch", `${dir}/above`);
  Deno.writeTextFileSync(`${m.scratch}/file`, "outside");
  Deno.symlinkSync(`${dir}/one`, `${m.scratch}/inside`);
  const leaving = [
    "outside/file",
    "above/file",
    "..",
    "one/../../scratch/file",
    "outside/inside/two",
  ]
    .map((path) => `${dir}/${path}`);
  const left = await compare(m, [...leaving, `${m.scratch}/inside/two`].flatMap(everyCall));
  assertGreater(left.counts.stat?.reasons.leaves_mount ?? 0, 0);
  assertEquals(left.counts.stat?.fast, 0);
});

shimTest("relative paths, wherever the working directory is", async (m) => {
  const { dir } = m;
  Deno.mkdirSync(`${dir}/one/two`, { recursive: true });
  Deno.writeTextFileSync(`${dir}/one/two/file`, "");
  const base = dir.replace(/\/mnt$/, "");
  const relative = [
    "",
    ".",
    "..",
    "file",
    "two/file",
    "mnt/one",
    "./mnt//one/",
    "mnt",
    "mntx",
    "../one",
  ];
  const calls = [dir, `${dir}/one`, `${dir}/one/two`, base, m.scratch, "/", `${dir}/one`].flatMap((
    directory,
  ): Call[] => [
    ["chdir", directory],
    // Above it is what others use, too.
    ...relative.filter((path) => path !== ".." || directory !== base).flatMap(everyCall),
    ...everyCall(dir.slice(1)),
    ["fstatat", "", AT_EMPTY_PATH],
    ["statx", "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME],
    ["fstatat_of", ".", "", AT_EMPTY_PATH],
    ["fstatat_of", ".", "two", 0],
    ["fstatat_of", ".", "..", 0],
  ]);
  const { counts } = await compare(m, calls);
  assertFast(counts, ["leaves_mount", "other_descriptor"]);
  assertGreater(counts.stat?.fast ?? 0, 100);
});

/** A tree in which who asks decides; names say owner, group and mode. */
async function ownedTree(dir: string, owners: [number, number][]): Promise<string[]> {
  const paths: string[] = [];
  for (const [uid, gid] of owners) {
    for (const mode of ["000", "100", "010", "001", "444", "550", "705", "311", "750", "1777"]) {
      const at = `${dir}/${uid}-${gid}-${mode}`;
      Deno.mkdirSync(at);
      Deno.writeTextFileSync(`${at}/file`, "");
      await runOk(["chmod", mode, `${at}/file`, at]);
      if (isRoot) await runOk(["chown", "-h", `${uid}:${gid}`, `${at}/file`, at]);
      paths.push(at, `${at}/file`, `${at}/none`, `${at}/../${uid}-${gid}-${mode}/file`);
    }
  }
  return paths;
}

shimTest("permissions: root with capabilities, and without", async (m) => {
  const paths = await ownedTree(m.dir, [[0, 0], [1, 0], [1, 5], [1, 7]]);
  const calls = paths.flatMap(everyCall).concat(
    paths.map((path): Call => ["faccessat", path, R_OK, AT_EACCESS]),
  );
  const all = await compare(m, calls);
  assertFast(all.counts);
  assert(all.results.every((result) => result[1] !== 13 || result[0] === -1));
  const without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--groups=5,6", "--"];
  const none = await compare(m, calls, { prefix: without });
  assertFast(none.counts);
  assertGreater(none.results.filter((result) => result[1] === 13 /* EACCES */).length, 100);
  const search = [
    "setpriv",
    "--bounding-set=-all,+dac_read_search",
    "--inh-caps=-all",
    "--clear-groups",
    "--",
  ];
  assertFast((await compare(m, calls, { prefix: search })).counts);
  // With an access list the kernel decides, but for those whom it does not concern.
  await runOk(["setfacl", "-m", "u:0:---,g:5:rx", `${m.dir}/1-7-705`, `${m.dir}/0-0-750`]);
  const listed = await compare(m, calls, { prefix: without });
  assertGreater(listed.counts.stat?.reasons.access_list ?? 0, 0);
}, { ignore: !isRoot });

Deno.test({
  name: "shim: permissions: an ordinary user, and one who stops being it",
  ignore: !canPreload || !isRoot,
  async fn() {
    const uid = 65534;
    await using m = await mountBtfuse({ size: "64M", uid });
    await runOk([
      "sh",
      "-c",
      `cd ${m.dir} && mkdir -m 0 none && mkdir -p -m 311 some && echo > some/file && chmod 0 some/file`,
    ], {
      uid,
    });
    const paths = ["", "/none", "/none/file", "/some", "/some/file", "/some/none"].map((path) =>
      m.dir + path
    );
    const asOwner = await compare(m, paths.flatMap(everyCall), { uid });
    assertFast(asOwner.counts);
    assertGreater(asOwner.results.filter((result) => result[1] === 13).length, 10);
    // Root may open the object, but the kernel lets only the owner in: attaching shows that.
    const asRoot = await compare(m, paths.flatMap(everyCall));
    assertEquals(asRoot.counts.stat?.fast, 0);
    assertGreater(asRoot.counts.stat?.reasons.not_attached ?? 0, 0);
  },
});

shimTest("a process that changes its user is asked about anew", async (m) => {
  Deno.mkdirSync(`${m.dir}/closed`, { mode: 0o700 });
  const calls: Call[] = [
    ["stat", `${m.dir}/closed/none`],
    ["setuid", 65534],
    ["stat", `${m.dir}/closed/none`],
    ["stat", m.dir],
  ];
  const { results, counts } = await compare(m, calls);
  assertEquals(results.map((result) => result[1]), [2, 0, 13, 13]);
  assertEquals(counts.stat?.reasons.other_user, 2);
}, { ignore: !isRoot });

shimTest("a link's access time changes as when the kernel reads it", async (m) => {
  Deno.writeTextFileSync(`${m.dir}/file`, "");
  const seen = (name: string) => Deno.lstatSync(`${m.dir}/${name}`).atime?.getTime() ?? 0;
  for (const call of ["readlink", "stat"]) {
    for (const isClient of [false, true]) {
      const name = `${call}-${isClient}`;
      Deno.symlinkSync("file", `${m.dir}/${name}`);
      const before = seen(name);
      await new Promise((resolve) => setTimeout(resolve, 20));
      const code = `import os
${isClient ? `os.open("${m.dir}/file", os.O_RDONLY)` : ""}
[os.${call}("${m.dir}/${name}") for _ in range(50)]`;
      const { stderr } = await runOk([python, "-c", code], { env: preloaded(m) });
      const after = seen(name);
      assertGreater(after, before, name);
      // Only the first reading after a change is noted: by the ring, or for one who is no client by the kernel.
      const counts = report(stderr)[call];
      assertGreater(counts?.fast ?? 0, 48);
      assertEquals(counts?.reasons.access_time, isClient ? undefined : 1);
      await runOk([python, "-c", code], { env: preloaded(m) });
      assertEquals(seen(name), after);
    }
  }
});

shimTest("processes that limit themselves are left alone", async (m) => {
  Deno.writeTextFileSync(`${m.dir}/file`, "text");
  const limited = `import os, resource
resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
assert os.stat("${m.dir}/file").st_size == 4`;
  const { stderr } = await runOk([python, "-c", limited], { env: preloaded(m) });
  assertGreater(report(stderr).stat?.reasons.not_attached ?? 0, 0);
  const moved = `import os
assert os.stat("${m.dir}/file").st_size == 4
os.makedirs("${m.dir}${m.dir}")
os.chroot("${m.dir}")
open("${m.dir}/file", "w").write("inside the new root")
assert os.stat("${m.dir}/file").st_size == 19`;
  if (isRoot) await runOk([python, "-c", moved], { env: preloaded(m) });
});

shimTest("a large directory", async (m) => {
  Deno.mkdirSync(`${m.dir}/large`);
  const paths = Array.from({ length: 3000 }, (_, i) => `${m.dir}/large/entry-${i}`);
  for (const path of paths) Deno.writeTextFileSync(path, "");
  for (const path of paths.slice(0, 1000)) Deno.removeSync(path);
  const calls = [...paths, `${m.dir}/large`].map((path): Call => ["lstat", path]);
  const { results, counts } = await compare(m, calls);
  assertEquals(results.filter((result) => result[0] === 0).length, 2001);
  assertGreater(counts.stat?.fast ?? 0, 3000);
});

shimTest("the whole file system by descriptor", async (m) => {
  const names = ["fstat", "fstat64", "fstatfs", "fstatvfs"];
  Deno.writeTextFileSync(`${m.dir}/file`, "content");
  await compare(
    m,
    names.flatMap((name): Call[] => [[name, m.dir], [name, `${m.dir}/file`], [name, "/sys"]]),
  );
});

shimTest("another process changes names through the kernel all the time", async (m) => {
  const stress = (verb: string, limit: number, env?: Record<string, string>) =>
    runOk([python, `${here}stress.py`, verb, m.dir, String(limit)], env ? { env } : {});
  await stress("prepare", 0);
  const [reading] = await Promise.all([stress("read", 3, preloaded(m)), stress("write", 4)]);
  const lookups = Number(reading.stdout);
  assertGreater(lookups, 1000);
  assertGreater(report(reading.stderr).stat?.fast ?? 0, lookups / 2);
  Deno.statSync(`${m.dir}/started`);
  const own = await stress("acknowledge", 300, preloaded(m));
  assertGreater(report(own.stderr).stat?.fast ?? 0, 2000);
  // Few inodes make a small hash table, with long chains: names are in the way of others.
}, { inodeCountMax: 33 });

shimTest("what is not this mount's region is left alone", async (m) => {
  Deno.writeTextFileSync(`${m.dir}/file`, "");
  const path = `${m.dir}/file`;
  for (
    const env of [
      { ...preloaded(m), BTFUSE_OBJECT: "/btfuse.0.none" },
      { ...preloaded(m), BTFUSE_OBJECT: "relative" },
      { ...preloaded(m), BTFUSE_MOUNT: m.scratch },
      { ...preloaded(m), BTFUSE_MOUNT: "" },
    ]
  ) {
    const { stdout, stderr } = await runOk([
      python,
      "-c",
      `import os; print(os.stat("${path}").st_size, os.stat("${m.scratch}").st_nlink)`,
    ], { env });
    assertEquals(stdout, "0 2\n");
    assertEquals(report(stderr).stat?.fast, 0);
  }
});
