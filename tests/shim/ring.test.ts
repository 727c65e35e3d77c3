/** The daemon's end of the request ring: each operation, its errors, what the kernel sees afterwards, and clients that misbehave. */
import { assert, assertEquals } from "@std/assert";
import {
  CLIENT_FREE,
  CLIENT_PID,
  CLIENT_STATE,
  DENTRY_INO,
  DESCRIPTION_CLAIMED,
  DESCRIPTION_OPEN,
  INODE_DIRECT,
  INODE_LOOKUP_COUNT,
  INODE_MODE,
  INODE_OPEN_COUNT,
  INODE_WORDS,
  RING_ACCESSED,
  RING_BYTES_LENGTH,
  RING_BYTES_MAX,
  RING_CLIENT,
  RING_COPY,
  RING_FALLOCATE,
  RING_FREE,
  RING_INVALIDATE,
  RING_LINK,
  RING_MAKE,
  RING_OPERATION,
  RING_PING,
  RING_PREPARE,
  RING_RELEASE,
  RING_REMOVE,
  RING_REMOVEXATTR,
  RING_RENAME,
  RING_SETATTR,
  RING_SETXATTR,
  RING_SLOT_COUNT,
  RING_STATE,
  RING_SYMLINK,
  RING_TMPFILE,
  RING_WORDS,
  ROOT_INO,
  SUPER_ENDED,
  SUPER_GENERATION,
} from "../../src/region/layout.gen.ts";
import { FATTR } from "../../src/ops/protocol.ts";
import {
  EEXIST,
  EFBIG,
  EINVAL,
  EISDIR,
  ENAMETOOLONG,
  ENODATA,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EOPNOTSUPP,
  EPERM,
  ESTALE,
} from "../../src/core/errno.ts";
import { FileSystem } from "../../src/core/file_system.ts";
import { S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from "../../src/core/inode_table.ts";
import { btfuse, btfuseOk } from "../cli/support.ts";
import { bytes, Random } from "../core/support.ts";
import { Agent, ok, type Stat } from "../support/agent.ts";
import { type BtfuseMount, canRun, mountBtfuse, runOk, waitUntil } from "../support/mounts.ts";
import { RingClient } from "./ring_client.ts";

const isRoot = canRun && Deno.uid() === 0;

/**
 * @param fn gets a function for attributes as well, by path in the mount: Deno's own asks for the time of birth too, which
 * the kernel does not keep, so that nothing else it keeps would ever be seen
 */
function ringTest(
  name: string,
  fn: (
    m: BtfuseMount,
    client: RingClient,
    stat: (path: string) => Promise<Stat>,
  ) => Promise<void> | void,
): void {
  Deno.test({
    name: `ring: ${name}`,
    ignore: !isRoot,
    async fn() {
      await using m = await mountBtfuse({ size: "64M", inodeCountMax: 10_000 });
      {
        using client = RingClient.attach(m.object);
        await using agent = await Agent.start({ cwd: m.dir });
        await fn(m, client, async (path) => ok(await agent.stat(path)));
      }
      const { stdout, stderr } = await btfuse(["check", m.dir]);
      assertEquals({ stdout, stderr }, { stdout: `${m.name}: clean\n`, stderr: "" });
    },
  });
}

const FILE = S_IFREG | 0o644;
const DIRECTORY = S_IFDIR | 0o755;

/** Makes a file or directory through the ring and gives its inode number; it counts as open. */
function make(client: RingClient, parent: number, name: string, mode = FILE): number {
  const { result, results } = client.request(
    RING_MAKE,
    [...client.inode(parent), mode, 0, 0, 0, 0],
    name,
  );
  assertEquals(result, 0, name);
  assertEquals(client.inode(results[0]), results, "an inode is its number and generation");
  return results[0];
}

/** Lets go of what `make` has counted as open. */
function close(client: RingClient, ino: number): void {
  Atomics.sub(client.region.inodes, ino * INODE_WORDS + INODE_OPEN_COUNT, 1);
  client.request(RING_RELEASE, client.inode(ino));
}

function names(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map((entry) => entry.name).sort();
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Has the kernel keep everything about these names: entries also when they do not exist, attributes, bytes, listings. */
function warm(directory: string, ...paths: string[]): void {
  // The third listing is the first that comes from the kernel's own pages.
  for (let i = 0; i < 3; i++) names(directory);
  for (const name of paths) {
    const path = `${directory}/${name}`;
    if (exists(path) && Deno.lstatSync(path).isFile) Deno.readFileSync(path);
  }
}

/** Shows which modes some files have. */
const showModes =
  `exec /usr/bin/python3 -c 'import os, sys; print({oct(os.stat(f).st_mode) for f in sys.argv[1:]})' "$@"`;

ringTest(
  "names made, linked, renamed and removed are what the kernel sees at once",
  async (m, client, stat) => {
    const root = client.inode(ROOT_INO);
    for (let round = 0; round < 20; round++) {
      warm(m.dir, "file", "hard", "moved", "soft", "directory");
      const ino = make(client, ROOT_INO, "file");
      assertEquals((await stat("file")).ino, ino);
      assertEquals(names(m.dir), ["file"]);
      const directory = make(client, ROOT_INO, "directory", DIRECTORY);
      assertEquals((await stat(".")).nlink, 3);

      assertEquals(client.request(RING_LINK, [...client.inode(ino), ...root], "hard").result, 0);
      assertEquals((await stat("file")).nlink, 2);
      assertEquals((await stat("hard")).ino, ino);

      const soft = client.request(RING_SYMLINK, [...root, 0, 0], "soft\0directory/inner");
      assertEquals([soft.result, Deno.readLinkSync(`${m.dir}/soft`)], [0, "directory/inner"]);
      assertEquals(exists(`${m.dir}/directory/inner`), false);

      const rename = [...root, ...client.inode(directory), 0];
      assertEquals(client.request(RING_RENAME, rename, "hard\0inner").result, 0);
      assertEquals([exists(`${m.dir}/hard`), (await stat("soft")).ino], [false, ino]);
      assertEquals(names(`${m.dir}/directory`), ["inner"]);
      assertEquals(client.request(RING_RENAME, [...root, ...root, 2], "soft\0file").result, 0);
      assertEquals(Deno.readLinkSync(`${m.dir}/file`), "directory/inner");

      assertEquals(client.request(RING_REMOVE, [...root, 1], "directory").result, -ENOTEMPTY);
      assertEquals(client.request(RING_REMOVE, [...client.inode(directory), 0], "inner").result, 0);
      assertEquals((await stat("soft")).nlink, 1);
      assertEquals(client.request(RING_REMOVE, [...root, 1], "directory").result, 0);
      for (const name of ["file", "soft"]) {
        assertEquals(client.request(RING_REMOVE, [...root, 0], name).result, 0);
        assertEquals(exists(`${m.dir}/${name}`), false);
      }
      assertEquals([names(m.dir), (await stat(".")).nlink], [[], 2]);
      close(client, ino);
    }
  },
);

ringTest(
  "names the kernel never asked for appear in listings that it keeps",
  async (m, client, stat) => {
    const root = client.inode(ROOT_INO);
    for (let round = 0; round < 10; round++) {
      warm(m.dir);
      const directory = make(client, ROOT_INO, `fresh${round}`, DIRECTORY);
      assertEquals([names(m.dir), (await stat(".")).nlink], [[`fresh${round}`], 3]);
      const inner = make(client, directory, "inner", DIRECTORY);
      warm(`${m.dir}/fresh${round}`);
      const into = [...root, ...client.inode(inner), 0];
      assertEquals(client.request(RING_RENAME, into, `fresh${round}\0x`).result, -EINVAL);
      assertEquals(client.request(RING_REMOVE, [...client.inode(directory), 1], "inner").result, 0);
      assertEquals(names(`${m.dir}/fresh${round}`), []);
      assertEquals(client.request(RING_REMOVE, [...root, 1], `fresh${round}`).result, 0);
      assertEquals(names(m.dir), []);
    }
  },
);

ringTest(
  "attributes and bytes changed are what the kernel sees at once",
  async (m, client, stat) => {
    Deno.writeTextFileSync(`${m.dir}/file`, "text".repeat(5000));
    Deno.writeTextFileSync(`${m.dir}/copy`, "old");
    const ino = (await stat("file")).ino;
    const file = client.inode(ino);
    const set = (bits: number, ...values: number[]) =>
      client.request(RING_SETATTR, [...file, bits, ...values]).result;
    for (let round = 1; round <= 20; round++) {
      warm(m.dir, "file", "copy");
      const path = `${m.dir}/file`;
      assertEquals(set(FATTR.MODE, 0, 0o600 + round), 0);
      assertEquals((await stat("file")).mode & 0o7777, 0o600 + round);
      assertEquals(set(FATTR.UID | FATTR.GID, 0, 0, round, round + 1), 0);
      assertEquals([(await stat("file")).uid, (await stat("file")).gid], [round, round + 1]);
      assertEquals(set(FATTR.ATIME | FATTR.MTIME, 0, 0, 0, 0, 1000, 5, 2 ** 33 + round, 6e6), 0);
      assertEquals((await stat("file")).mtimeNs, BigInt(2 ** 33 + round) * 10n ** 9n + 6_000_000n);

      assertEquals(set(FATTR.SIZE, 10 + round), 0);
      assertEquals(Deno.readTextFileSync(path).length, 10 + round);
      assertEquals(client.request(RING_FALLOCATE, [...file, 0, 20_000, 0]).result, 0);
      assertEquals(Deno.readFileSync(path).length, 20_000);
      assertEquals(client.request(RING_FALLOCATE, [...file, 0, 10, 3]).result, 0);
      assertEquals(Deno.readFileSync(path)[0], 0);
      Deno.writeTextFileSync(path, "again");

      const target = client.inode((await stat("copy")).ino);
      const copied = client.request(RING_COPY, [...file, 0, ...target, 1, 100]);
      assertEquals([copied.result, copied.results[0]], [5, 5]);
      assertEquals(Deno.readTextFileSync(`${m.dir}/copy`), "oagain");
      Deno.writeTextFileSync(`${m.dir}/copy`, "old");
    }
  },
);

ringTest(
  "bytes stored into prepared blocks are what the kernel sees after the invalidation",
  (m, client) => {
    Deno.writeTextFileSync(`${m.dir}/file`, "-".repeat(10_000));
    const ino = Deno.statSync(`${m.dir}/file`).ino ?? 0;
    const file = client.inode(ino);
    const prepared = client.request(RING_PREPARE, [...file, 8192, 8192, 0, 1]);
    assertEquals([prepared.result, prepared.results[0]], [8192, 8192]);
    assertEquals(Deno.readTextFileSync(`${m.dir}/file`), "-".repeat(10_000));
    assertEquals(client.request(RING_PREPARE, [...file, 2 ** 40 + 7, 100, 0, 1]).result, 100);
    assertEquals(Deno.statSync(`${m.dir}/file`).blocks, 5 * 8);
    assertEquals(client.request(RING_PREPARE, [...file, 2 ** 52, 1, 0, 1]).result, -EFBIG);
    assertEquals(client.request(RING_PREPARE, [...file, 0, 0, 0, 1]).result, -EINVAL);
    const full = client.request(RING_PREPARE, [...file, 2 ** 30, 2 ** 30, 0, 1]).result;
    assertEquals(full, 1 << 20, "one request prepares at most this much");

    // The first block's number is the file's first direct entry.
    const block = client.inodeWord(ino, INODE_DIRECT);
    for (let round = 0; round < 20; round++) {
      Deno.readFileSync(`${m.dir}/file`);
      client.region.blockBytes(block)[client.region.byteIndex(block)] = 65 + round;
      assertEquals(client.request(RING_INVALIDATE, [...file, 0, 1]).result, 0);
      assertEquals(Deno.readFileSync(`${m.dir}/file`)[0], 65 + round);
    }
    client.request(RING_SETATTR, [...file, FATTR.SIZE, 0]);
  },
);

ringTest("extended attributes", async (m, client) => {
  Deno.writeTextFileSync(`${m.dir}/file`, "");
  const file = client.inode(Deno.statSync(`${m.dir}/file`).ino ?? 0);
  const get = () => runOk(["getfattr", "--only-values", "-n", "user.key", `${m.dir}/file`]);
  assertEquals(client.request(RING_SETXATTR, [...file, 0], "user.key\0value").result, 0);
  assertEquals((await get()).stdout, "value");
  assertEquals(client.request(RING_SETXATTR, [...file, 1], "user.key\0other").result, -EEXIST);
  assertEquals(client.request(RING_SETXATTR, [...file, 0], "user.key").result, -EINVAL);
  assertEquals(client.request(RING_SETXATTR, [...file, 0], "user.\0x").result, -EINVAL);
  for (const name of ["system.posix_acl_access", "security.capability", "other.x"]) {
    assertEquals(client.request(RING_SETXATTR, [...file, 0], `${name}\0x`).result, -EOPNOTSUPP);
  }
  assertEquals(client.request(RING_REMOVEXATTR, [...file], "user.key").result, 0);
  assertEquals(client.request(RING_REMOVEXATTR, [...file], "user.key").result, -ENODATA);
});

ringTest("access times follow relatime", async (m, client, stat) => {
  Deno.writeTextFileSync(`${m.dir}/file`, "text");
  Deno.utimeSync(`${m.dir}/file`, 1000, 2000);
  const file = client.inode((await stat("file")).ino);
  assertEquals(client.request(RING_ACCESSED, [...file]).result, 0);
  const atime = (await stat("file")).atimeNs;
  assert(Math.abs(Number(atime / 1_000_000n) - Date.now()) < 5000, `${atime}`);
  assertEquals(client.request(RING_ACCESSED, [...file]).result, 0);
  assertEquals((await stat("file")).atimeNs, atime);
});

ringTest("a file without names lives while a client has it open", (m, client) => {
  const root = client.inode(ROOT_INO);
  const ino = make(client, ROOT_INO, "file");
  const file = client.inode(ino);
  assertEquals(client.request(RING_REMOVE, [...root, 0], "file").result, 0);
  assert(client.inodeWord(ino, INODE_MODE) !== 0, "it is open");
  close(client, ino);
  assertEquals(client.inodeWord(ino, INODE_MODE), 0);
  assertEquals(client.request(RING_RELEASE, file).result, -ESTALE);
  const made = client.request(RING_TMPFILE, [...root, 0o600, 0o077, 0, 0]);
  assertEquals(made.result, 0);
  assertEquals(client.inodeWord(made.results[0], INODE_MODE), S_IFREG | 0o600);
  assertEquals(
    client.request(RING_LINK, [...client.inode(made.results[0]), ...root], "named").result,
    0,
  );
  assertEquals(Deno.statSync(`${m.dir}/named`).ino, made.results[0]);
  close(client, made.results[0]);
  const unnamed = client.request(RING_TMPFILE, [...root, 0o600, 0, 0, 0]).results[0];
  close(client, unnamed);
  assertEquals(client.inodeWord(unnamed, INODE_MODE), 0);
});

ringTest("what makes no sense is refused and changes nothing", (m, client) => {
  const root = client.inode(ROOT_INO);
  Deno.writeTextFileSync(`${m.dir}/file`, "text");
  Deno.mkdirSync(`${m.dir}/directory`);
  const file = client.inode(Deno.statSync(`${m.dir}/file`).ino ?? 0);
  const directory = client.inode(Deno.statSync(`${m.dir}/directory`).ino ?? 0);
  const node = [FILE, 0, 0, 0, 0];
  const refused: [errno: number, operation: number, args: number[], bytes?: string][] = [
    [EINVAL, 0, []],
    [EINVAL, 99, []],
    [EINVAL, 2 ** 32 - 1, []],
    [ESTALE, RING_ACCESSED, [0, 0]],
    [ESTALE, RING_ACCESSED, [file[0], file[1] + 1]],
    [ESTALE, RING_ACCESSED, [file[0], file[1] + 2 ** 32]],
    [ESTALE, RING_ACCESSED, [file[0] + 2 ** 32, file[1]]],
    [ESTALE, RING_ACCESSED, [2 ** 31, 1]],
    [ENOENT, RING_MAKE, [...root, ...node], ""],
    [EEXIST, RING_MAKE, [...root, ...node], "file"],
    [EEXIST, RING_MAKE, [...root, ...node], ".."],
    [EINVAL, RING_MAKE, [...root, ...node], "a/b"],
    [EINVAL, RING_MAKE, [...root, ...node], "a\0b"],
    [ENAMETOOLONG, RING_MAKE, [...root, ...node], "x".repeat(256)],
    [ENOTDIR, RING_MAKE, [...file, ...node], "x"],
    [EINVAL, RING_MAKE, [...root, S_IFLNK | 0o777, 0, 0, 0, 0], "x"],
    [EINVAL, RING_MAKE, [...root, 0o644, 0, 0, 0, 0], "x"],
    [EINVAL, RING_SYMLINK, [...root, 0, 0], "no target"],
    [ENOENT, RING_SYMLINK, [...root, 0, 0], "empty\0"],
    [EINVAL, RING_SYMLINK, [...root, 0, 0], "a\0b\0c"],
    [EPERM, RING_LINK, [...directory, ...root], "x"],
    [ENOTDIR, RING_LINK, [...file, ...file], "x"],
    [ESTALE, RING_LINK, [...file, 5000, 1], "x"],
    [ENOENT, RING_REMOVE, [...root, 0], "nothing"],
    [EISDIR, RING_REMOVE, [...root, 0], "directory"],
    [ENOTDIR, RING_REMOVE, [...root, 1], "file"],
    [EINVAL, RING_RENAME, [...root, ...root, 0], "file"],
    [EINVAL, RING_RENAME, [...root, ...directory, 0], "directory\0inner"],
    [ENOTDIR, RING_RENAME, [...root, ...file, 0], "directory\0inner"],
    [EEXIST, RING_RENAME, [...root, ...root, 1], "file\0directory"],
    [EINVAL, RING_RENAME, [...root, ...root, 8], "file\0x"],
    [EISDIR, RING_SETATTR, [...directory, FATTR.SIZE, 5]],
    [EFBIG, RING_SETATTR, [...file, FATTR.SIZE, 2 ** 52 + 4096]],
    [EINVAL, RING_SETATTR, [...file, FATTR.ATIME, 0, 0, 0, 0, 0, 1e9, 0, 0]],
    [EINVAL, RING_FALLOCATE, [...directory, 0, 1, 0]],
    [EINVAL, RING_FALLOCATE, [...file, 0, 0, 0]],
    [EFBIG, RING_FALLOCATE, [...file, 2 ** 52, 1, 0]],
    [EOPNOTSUPP, RING_FALLOCATE, [...file, 0, 1, 2]],
    [EOPNOTSUPP, RING_FALLOCATE, [...file, 0, 1, 64]],
    [EINVAL, RING_COPY, [...file, 0, ...file, 1, 3]],
    [EINVAL, RING_COPY, [...file, 0, ...directory, 0, 3]],
  ];
  for (const [errno, operation, args, bytes] of refused) {
    const { result } = client.request(operation, args, bytes);
    assertEquals(result, -errno, `operation ${operation} of ${args} with '${bytes ?? ""}'`);
  }
  assertEquals(names(m.dir), ["directory", "file"]);
  assertEquals(Deno.readTextFileSync(`${m.dir}/file`), "text");
});

ringTest("only a living client is served", (_, client) => {
  assertEquals(client.request(RING_PING).result, 0);
  for (const number of [0, client.number + 1, 1023, 1024, 2 ** 32 - 1]) {
    const slot = client.claim();
    client.fill(slot, RING_PING, []);
    client.region.ring[slot * RING_WORDS + RING_CLIENT] = number;
    client.submit(slot);
    assertEquals(client.answer(slot).result, -EINVAL, `client ${number}`);
  }
  const slot = client.claim();
  client.fill(slot, RING_PING, []);
  client.region.ring[slot * RING_WORDS + RING_BYTES_LENGTH] = RING_BYTES_MAX + 1;
  client.submit(slot);
  assertEquals(client.answer(slot).result, -EINVAL);
});

ringTest("64 requests at once are all served", (m, client) => {
  const slots: number[] = [];
  for (let slot = client.claim(); slot >= 0; slot = client.claim()) slots.push(slot);
  assertEquals(slots.length, RING_SLOT_COUNT);
  const root = client.inode(ROOT_INO);
  for (const slot of slots) {
    client.fill(slot, RING_MAKE, [...root, DIRECTORY, 0, 0, 0, 0], `directory${slot}`);
  }
  for (const slot of slots) client.submit(slot);
  assertEquals(slots.map((slot) => client.answer(slot).result), slots.map(() => 0));
  assertEquals(names(m.dir).length, RING_SLOT_COUNT);
});

ringTest(
  "what changes while the kernel learns of a file is not stale afterwards",
  async (m, client) => {
    const all = Array.from({ length: 500 }, (_, i) => `f${i}`);
    const files = all.map((name) => make(client, ROOT_INO, name));
    const looking = runOk(["sh", "-c", `sleep 0.3; ${showModes}`, "sh", ...all], {
      cwd: m.dir,
    });
    // It is started before this thread does nothing else than look.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const end = performance.now() + 10_000;
    let inTime = 0;
    for (const ino of files) {
      // The kernel's question is answered, but the answer is hardly there yet.
      const isUnknown = () => client.inodeWord(ino, INODE_LOOKUP_COUNT) === 0;
      if (isUnknown()) inTime++;
      while (isUnknown() && performance.now() < end) client.request(RING_PING);
      client.request(RING_SETATTR, [...client.inode(ino), FATTR.MODE, 0, 0o123]);
    }
    await looking;
    assert(inTime > 0, "the program was always faster");
    const { stdout } = await runOk(["sh", "-c", showModes, "sh", ...all], { cwd: m.dir });
    assertEquals(stdout, "{'0o100123'}\n", `${inTime} in time`);
    for (const ino of files) close(client, ino);
  },
);

ringTest("programs at both doors in one directory end up seeing the same", async (m, client) => {
  const random = new Random();
  const script = `cd "$0" && while [ $(date +%s) -lt "$1" ]; do
      for i in 0 1 2 3 4 5 6 7; do
        mkdir n$i; touch m$i; mv m$i n$i; mv n$i m$i; ls -l; rm -rf n$i; rmdir m$i; rm m$i
      done
    done >/dev/null 2>&1; true`;
  const until = Math.floor(Date.now() / 1000) + 3;
  const programs = [1, 2].map(() => runOk(["sh", "-c", script, m.dir, String(until)]));
  const root = client.inode(ROOT_INO);
  const name = () => random.pick(["n", "m"]) + random.below(8);
  let requests = 0;
  while (Date.now() < until * 1000) {
    for (let i = 0; i < 100; i++, requests++) {
      const mode = random.below(2) === 0 ? S_IFIFO | 0o644 : DIRECTORY;
      switch (random.below(3)) {
        case 0:
          client.request(RING_MAKE, [...root, mode, 0, 0, 0, 0], name());
          break;
        case 1:
          client.request(RING_REMOVE, [...root, random.below(2)], name());
          break;
        default:
          client.request(
            RING_RENAME,
            [...root, ...root, 2 * random.below(2)],
            `${name()}\0${name()}`,
          );
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(programs);
  assert(requests > 1000, `${requests} requests`);
  const fs = FileSystem.open(client.region);
  const all = Array.from({ length: 8 }, (_, i) => [`n${i}`, `m${i}`]).flat();
  const there = all.filter((text) => fs.names.find(ROOT_INO, bytes(text), 0, text.length) !== 0);
  assertEquals(all.filter((text) => exists(`${m.dir}/${text}`)), there);
  assertEquals(names(m.dir), there.sort());
  for (const text of there) {
    const slot = fs.names.find(ROOT_INO, bytes(text), 0, text.length);
    assertEquals(Deno.lstatSync(`${m.dir}/${text}`).ino, fs.names.get(slot, DENTRY_INO));
  }
});

ringTest("slots full of garbage harm nobody", (m, client) => {
  const random = new Random();
  const { ring } = client.region;
  const interesting = [0, 1, 2, 3, 4095, 4096, 2 ** 31, 2 ** 32 - 1, S_IFREG, S_IFDIR];
  const word = () => random.below(2) === 0 ? random.pick(interesting) : random.below(2 ** 32);
  for (let i = 0; i < 5000; i++) {
    const slot = client.claim();
    const at = slot * RING_WORDS;
    for (let field = 1; field < RING_WORDS; field++) ring[at + field] = word();
    // Most of them pass for requests at first sight.
    if (random.below(10) > 0) ring[at + RING_CLIENT] = client.number;
    if (random.below(10) > 0) ring[at + RING_OPERATION] = random.below(18);
    if (random.below(10) > 0) ring[at + RING_BYTES_LENGTH] = random.below(RING_BYTES_MAX + 2);
    if (random.below(2) > 0) {
      const bytes = `n${random.below(20)}\0n${random.below(20)}`.repeat(1 + random.below(2));
      const ino = random.below(60);
      const args = [...client.inode(ino), ...client.inode(random.below(60))];
      client.fill(slot, ring[at + RING_OPERATION], args, bytes.slice(0, 1 + random.below(8)));
    }
    client.submit(slot);
    client.answer(slot);
  }
  Deno.writeTextFileSync(`${m.dir}/after`, "text");
  assertEquals(Deno.readTextFileSync(`${m.dir}/after`), "text");
  assertEquals(client.request(RING_PING).result, 0);
});

ringTest("what a killed client held is free again", async (m, client) => {
  const process = new Deno.Command("sleep", { args: ["60"] }).spawn();
  using victim = RingClient.attach(m.object, process.pid);
  const root = client.inode(ROOT_INO);
  const [open, claimed, named] = ["open", "claimed", "named"].map((name) =>
    make(victim, ROOT_INO, name)
  );
  victim.describe(0, DESCRIPTION_OPEN, open);
  victim.describe(1, DESCRIPTION_OPEN, named);
  victim.describe(70, DESCRIPTION_CLAIMED, claimed);
  for (const name of ["open", "claimed"]) {
    assertEquals(client.request(RING_REMOVE, [...root, 0], name).result, 0);
  }
  // Requests in every state, one of them ready without its bit.
  const slots = [victim.claim(), victim.claim(), victim.claim()];
  for (const slot of slots) victim.fill(slot, RING_PING, []);
  victim.submit(slots[0]);
  victim.region.ring[slots[1] * RING_WORDS + RING_STATE] = 2;
  process.kill("SIGKILL");
  await process.status;
  const isFree = () => victim.get(CLIENT_STATE) === CLIENT_FREE;
  assert(await waitUntil(isFree, 5000), "its record is not free");
  assertEquals(victim.get(CLIENT_PID), 0);
  // What it was about to open is looked for among all clients, afterwards.
  const areGone = () => [open, claimed].every((ino) => client.inodeWord(ino, INODE_MODE) === 0);
  assert(await waitUntil(areGone, 5000), "what only it had open was not ended");
  assertEquals(client.inodeWord(named, INODE_OPEN_COUNT), 0);
  assertEquals(Deno.statSync(`${m.dir}/named`).ino, named);
  const stateOf = (slot: number) => client.region.ring[slot * RING_WORDS + RING_STATE];
  assertEquals(slots.slice(0, 2).map(stateOf), [RING_FREE, RING_FREE]);
  // A slot that is only claimed may be another's, who has not said so yet.
  assert(await waitUntil(() => stateOf(slots[2]) === RING_FREE, 15_000), "a claimed slot is lost");
  assertEquals(client.request(RING_PING).result, 0);
});

ringTest("a file is found by its hidden name, also without any other", async (m, client) => {
  const { superblock } = client.region;
  const key = [superblock[SUPER_GENERATION + 1], superblock[SUPER_GENERATION]]
    .map((word) => word.toString(16).padStart(8, "0")).join("");
  const hidden = (ino: number) => `${m.dir}/.btfuse-${client.inode(ino).join("-")}-${key}`;
  using file = Deno.openSync(`${m.dir}/file`, { create: true, read: true, write: true });
  file.writeSync(new TextEncoder().encode("text"));
  const { ino } = file.statSync();
  assertEquals(Deno.readTextFileSync(hidden(ino ?? 0)), "text");
  Deno.removeSync(`${m.dir}/file`);
  assertEquals(names(m.dir), []);
  const path = hidden(ino ?? 0);
  {
    using again = Deno.openSync(path, { read: true, write: true });
    assertEquals(again.statSync().nlink, 0);
    again.writeSync(new TextEncoder().encode("TE"));
  }
  assertEquals(Deno.readTextFileSync(path), "TExt");
  assertEquals(names(m.dir), []);
  for (
    const wrong of [path.replace(/.$/, (c) => c === "0" ? "1" : "0"), hidden(ROOT_INO), `${path}0`]
  ) {
    assertEquals(exists(wrong), false, wrong);
  }
  Deno.mkdirSync(`${m.dir}/directory`);
  assertEquals(exists(path.replace(m.dir, `${m.dir}/directory`)), false, "only in the root");
  await runOk(["sh", "-c", `exec 3>"$0"; ls -l /proc/self/fd/3`, path]);
});

ringTest("round trips: the worker awake and asleep", async (_, client) => {
  const awake: number[] = [];
  for (let i = 0; i < 5000; i++) {
    const start = performance.now();
    client.request(RING_PING);
    awake.push(performance.now() - start);
  }
  const asleep: number[] = [];
  for (let i = 0; i < 100; i++) {
    await new Promise((resolve) => setTimeout(resolve, 3));
    const start = performance.now();
    client.request(RING_PING);
    asleep.push(performance.now() - start);
  }
  const median = (times: number[]) => times.sort((a, b) => a - b)[times.length >> 1] * 1000;
  console.log(
    `ring round trip: ${median(awake).toFixed(1)} µs awake, ${median(asleep).toFixed(1)} µs asleep`,
  );
  assert(median(awake) < 1000 && median(asleep) < 10_000);
});

Deno.test({
  name: "ring: clients of a mount that ends are told",
  ignore: !isRoot,
  async fn() {
    await using m = await mountBtfuse({ size: "16M" });
    using client = RingClient.attach(m.object);
    assertEquals(client.region.superblock[SUPER_ENDED], 0);
    await btfuseOk(["umount", m.dir]);
    assertEquals(client.region.superblock[SUPER_ENDED], 1);
  },
});
