/** The operations of the request ring: what each does, its errors, and what the kernel sees afterwards. */
import { assert, assertEquals } from "@std/assert";
import { INODE_DIRECT, ROOT_INO } from "../../src/region/layout.gen.ts";
import {
  FATTR_ATIME,
  FATTR_GID,
  FATTR_MODE,
  FATTR_MTIME,
  FATTR_SIZE,
  FATTR_UID,
} from "../../src/ops/fuse_records.gen.ts";
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
import type { Fields, Operation } from "./ring_client.ts";
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

      assertEquals(
        client.request("LINK", { inode: client.inode(ino), parent: root }, "hard").result,
        0,
      );
      assertEquals((await stat("file")).nlink, 2);
      assertEquals((await stat("hard")).ino, ino);

      const soft = client.request("SYMLINK", { parent: root }, "soft\0directory/inner");
      assertEquals([soft.result, Deno.readLinkSync(`${m.dir}/soft`)], [0, "directory/inner"]);
      assertEquals(exists(`${m.dir}/directory/inner`), false);

      const rename = { parent: root, newParent: client.inode(directory) };
      assertEquals(client.request("RENAME", rename, "hard\0inner").result, 0);
      assertEquals([exists(`${m.dir}/hard`), (await stat("soft")).ino], [false, ino]);
      assertEquals(names(`${m.dir}/directory`), ["inner"]);
      assertEquals(
        client.request("RENAME", { parent: root, newParent: root, flags: 2 }, "soft\0file").result,
        0,
      );
      assertEquals(Deno.readLinkSync(`${m.dir}/file`), "directory/inner");

      assertEquals(
        client.request("REMOVE", { parent: root, asDirectory: 1 }, "directory").result,
        -ENOTEMPTY,
      );
      assertEquals(
        client.request("REMOVE", { parent: client.inode(directory) }, "inner").result,
        0,
      );
      assertEquals((await stat("soft")).nlink, 1);
      assertEquals(
        client.request("REMOVE", { parent: root, asDirectory: 1 }, "directory").result,
        0,
      );
      for (const name of ["file", "soft"]) {
        assertEquals(client.request("REMOVE", { parent: root }, name).result, 0);
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
      const into = { parent: root, newParent: client.inode(inner) };
      assertEquals(client.request("RENAME", into, `fresh${round}\0x`).result, -EINVAL);
      assertEquals(
        client.request("REMOVE", { parent: client.inode(directory), asDirectory: 1 }, "inner")
          .result,
        0,
      );
      assertEquals(names(`${m.dir}/fresh${round}`), []);
      assertEquals(
        client.request("REMOVE", { parent: root, asDirectory: 1 }, `fresh${round}`).result,
        0,
      );
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
    const set = (valid: number, fields: Fields) =>
      client.request("SETATTR", { inode: file, valid, ...fields }).result;
    for (let round = 1; round <= 20; round++) {
      warm(m.dir, "file", "copy");
      const path = `${m.dir}/file`;
      assertEquals(set(FATTR_MODE, { mode: 0o600 + round }), 0);
      assertEquals((await stat("file")).mode & 0o7777, 0o600 + round);
      assertEquals(set(FATTR_UID | FATTR_GID, { uid: round, gid: round + 1 }), 0);
      assertEquals([(await stat("file")).uid, (await stat("file")).gid], [round, round + 1]);
      const [atime, mtime] = [[1000, 0, 5], [round, 2, 6e6]];
      assertEquals(set(FATTR_ATIME | FATTR_MTIME, { atime, mtime }), 0);
      assertEquals((await stat("file")).mtimeNs, BigInt(2 ** 33 + round) * 10n ** 9n + 6_000_000n);

      assertEquals(set(FATTR_SIZE, { size: 10 + round }), 0);
      assertEquals(Deno.readTextFileSync(path).length, 10 + round);
      assertEquals(client.request("FALLOCATE", { inode: file, length: 20_000 }).result, 0);
      assertEquals(Deno.readFileSync(path).length, 20_000);
      assertEquals(client.request("FALLOCATE", { inode: file, length: 10, mode: 3 }).result, 0);
      assertEquals(Deno.readFileSync(path)[0], 0);
      Deno.writeTextFileSync(path, "again");

      const target = client.inode((await stat("copy")).ino);
      const copy = { inode: file, target, targetOffset: 1, length: 100 };
      assertEquals(client.request("COPY", copy).result, 5);
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
    const prepare = (offset: number, length: number) =>
      client.request("PREPARE", { inode: file, offset, length }).result;
    assertEquals(prepare(8192, 8192), 8192);
    assertEquals(Deno.readTextFileSync(`${m.dir}/file`), "-".repeat(10_000));
    assertEquals(prepare(2 ** 40 + 7, 100), 100);
    assertEquals(Deno.statSync(`${m.dir}/file`).blocks, 5 * 8);
    assertEquals(prepare(2 ** 52, 1), -EFBIG);
    assertEquals(prepare(0, 0), -EINVAL);
    assertEquals(prepare(2 ** 30, 2 ** 30), 1 << 20, "one request prepares at most this much");

    // The first block's number is the file's first direct entry.
    const block = client.inodeWord(ino, INODE_DIRECT);
    for (let round = 0; round < 20; round++) {
      Deno.readFileSync(`${m.dir}/file`);
      client.region.blockBytes(block)[client.region.byteIndex(block)] = 65 + round;
      assertEquals(client.request("INVALIDATE", { inode: file }).result, 0);
      assertEquals(Deno.readFileSync(`${m.dir}/file`)[0], 65 + round);
    }
    client.request("SETATTR", { inode: file, valid: FATTR_SIZE });
  },
);

ringTest("extended attributes", async (m, client) => {
  Deno.writeTextFileSync(`${m.dir}/file`, "");
  const file = client.inode(Deno.statSync(`${m.dir}/file`).ino ?? 0);
  const get = () => runOk(["getfattr", "--only-values", "-n", "user.key", `${m.dir}/file`]);
  assertEquals(client.request("SETXATTR", { inode: file }, "user.key\0value").result, 0);
  assertEquals((await get()).stdout, "value");
  assertEquals(
    client.request("SETXATTR", { inode: file, flags: 1 }, "user.key\0other").result,
    -EEXIST,
  );
  assertEquals(client.request("SETXATTR", { inode: file }, "user.key").result, -EINVAL);
  assertEquals(client.request("SETXATTR", { inode: file }, "user.\0x").result, -EINVAL);
  for (const name of ["system.posix_acl_access", "security.capability", "other.x"]) {
    assertEquals(client.request("SETXATTR", { inode: file }, `${name}\0x`).result, -EOPNOTSUPP);
  }
  assertEquals(client.request("REMOVEXATTR", { inode: file }, "user.key").result, 0);
  assertEquals(client.request("REMOVEXATTR", { inode: file }, "user.key").result, -ENODATA);
});

ringTest("access times follow relatime", async (m, client, stat) => {
  Deno.writeTextFileSync(`${m.dir}/file`, "text");
  Deno.utimeSync(`${m.dir}/file`, 1000, 2000);
  const file = client.inode((await stat("file")).ino);
  assertEquals(client.request("ACCESSED", { inode: file }).result, 0);
  const atime = (await stat("file")).atimeNs;
  assert(Math.abs(Number(atime / 1_000_000n) - Date.now()) < 5000, `${atime}`);
  assertEquals(client.request("ACCESSED", { inode: file }).result, 0);
  assertEquals((await stat("file")).atimeNs, atime);
});

ringTest("what makes no sense is refused and changes nothing", (m, client) => {
  const root = client.inode(ROOT_INO);
  Deno.writeTextFileSync(`${m.dir}/file`, "text");
  Deno.mkdirSync(`${m.dir}/directory`);
  const file = client.inode(Deno.statSync(`${m.dir}/file`).ino ?? 0);
  const directory = client.inode(Deno.statSync(`${m.dir}/directory`).ino ?? 0);
  const inRoot = { parent: root, mode: FILE };
  const rename = { parent: root, newParent: root };
  const refused: [errno: number, operation: Operation, fields: Fields, bytes?: string][] = [
    [EINVAL, 0, {}],
    [EINVAL, 99, {}],
    [EINVAL, 2 ** 32 - 1, {}],
    [ESTALE, "ACCESSED", { inode: [0, 0] }],
    [ESTALE, "ACCESSED", { inode: [file[0], file[1] + 1] }],
    [ESTALE, "ACCESSED", { inode: [2 ** 31, 1] }],
    [ESTALE, "ACCESSED", { inode: [2 ** 32 - 1, 1] }],
    [ENOENT, "MAKE", inRoot, ""],
    [EEXIST, "MAKE", inRoot, "file"],
    [EEXIST, "MAKE", inRoot, ".."],
    [EINVAL, "MAKE", inRoot, "a/b"],
    [EINVAL, "MAKE", inRoot, "a\0b"],
    [ENAMETOOLONG, "MAKE", inRoot, "x".repeat(256)],
    [ENOTDIR, "MAKE", { parent: file, mode: FILE }, "x"],
    [EINVAL, "MAKE", { parent: root, mode: S_IFLNK | 0o777 }, "x"],
    [EINVAL, "MAKE", { parent: root, mode: 0o644 }, "x"],
    [EINVAL, "MAKE", { ...inRoot, uid: 2 ** 32 - 1 }, "x"],
    [EINVAL, "TMPFILE", { ...inRoot, gid: 2 ** 32 - 1 }],
    [EINVAL, "SYMLINK", { parent: root }, "no target"],
    [ENOENT, "SYMLINK", { parent: root }, "empty\0"],
    [EINVAL, "SYMLINK", { parent: root }, "a\0b\0c"],
    [EPERM, "LINK", { inode: directory, parent: root }, "x"],
    [ENOTDIR, "LINK", { inode: file, parent: file }, "x"],
    [ESTALE, "LINK", { inode: file, parent: [5000, 1] }, "x"],
    [ENOENT, "REMOVE", { parent: root }, "nothing"],
    [EISDIR, "REMOVE", { parent: root }, "directory"],
    [ENOTDIR, "REMOVE", { parent: root, asDirectory: 1 }, "file"],
    [EINVAL, "RENAME", rename, "file"],
    [EINVAL, "RENAME", { ...rename, newParent: directory }, "directory\0inner"],
    [ENOTDIR, "RENAME", { ...rename, newParent: file }, "directory\0inner"],
    [EEXIST, "RENAME", { ...rename, flags: 1 }, "file\0directory"],
    [EINVAL, "RENAME", { ...rename, flags: 8 }, "file\0x"],
    [EISDIR, "SETATTR", { inode: directory, valid: FATTR_SIZE, size: 5 }],
    [EFBIG, "SETATTR", { inode: file, valid: FATTR_SIZE, size: 2 ** 52 + 4096 }],
    [EINVAL, "SETATTR", { inode: file, valid: FATTR_ATIME, atime: [0, 0, 1e9] }],
    [EINVAL, "SETATTR", { inode: file, valid: FATTR_UID, uid: 2 ** 32 - 1 }],
    [EINVAL, "FALLOCATE", { inode: directory, length: 1 }],
    [EINVAL, "FALLOCATE", { inode: file }],
    [EFBIG, "FALLOCATE", { inode: file, offset: 2 ** 52, length: 1 }],
    [EOPNOTSUPP, "FALLOCATE", { inode: file, length: 1, mode: 2 }],
    [EOPNOTSUPP, "FALLOCATE", { inode: file, length: 1, mode: 64 }],
    [EINVAL, "COPY", { inode: file, target: file, targetOffset: 1, length: 3 }],
    [EINVAL, "COPY", { inode: file, target: directory, length: 3 }],
  ];
  for (const [errno, operation, fields, bytes] of refused) {
    const { result } = client.request(operation, fields, bytes);
    const what = `${operation} ${JSON.stringify(fields)} with '${bytes ?? ""}'`;
    assertEquals(result, -errno, what);
  }
  assertEquals(names(m.dir), ["directory", "file"]);
  assertEquals(Deno.readTextFileSync(`${m.dir}/file`), "text");
});
