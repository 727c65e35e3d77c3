/** The operations of the request ring: what each does, its errors, and what the kernel sees afterwards. */
import { assert, assertEquals } from "@std/assert";
import {
  INODE_DIRECT,
  RING_ACCESSED,
  RING_COPY,
  RING_FALLOCATE,
  RING_INVALIDATE,
  RING_LINK,
  RING_MAKE,
  RING_PREPARE,
  RING_REMOVE,
  RING_REMOVEXATTR,
  RING_RENAME,
  RING_SETATTR,
  RING_SETXATTR,
  RING_SYMLINK,
  ROOT_INO,
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
import { S_IFLNK } from "../../src/core/inode_table.ts";
import { runOk } from "../support/mounts.ts";

import { close, DIRECTORY, exists, FILE, make, names, ringTest, warm } from "./ring_support.ts";

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
