/** Names against a naive model: a tree of Maps. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { FileSystem } from "../../src/core/file_system.ts";
import {
  EEXIST,
  EINVAL,
  EISDIR,
  ENAMETOOLONG,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
} from "../../src/core/errno.ts";
import { S_IFDIR, S_IFREG } from "../../src/core/inode_table.ts";
import { RENAME_EXCHANGE, RENAME_NOREPLACE } from "../../src/core/namespace.ts";
import {
  DENTRY_INO,
  INODE_NLINK,
  INODE_OPEN_COUNT,
  ROOT_INO,
} from "../../src/region/layout.gen.ts";
import { bytes, newFileSystem, Random } from "./support.ts";

const owner = { umask: 0, uid: 0, gid: 0, rdev: 0 };

interface ModelNode {
  ino: number;
  entries: Map<string, ModelNode> | undefined;
}

function make(fs: FileSystem, parent: number, name: string, mode: number): number {
  const text = bytes(name);
  return fs.makeNode(parent, text, 0, text.length, { mode, ...owner });
}

function rename(
  fs: FileSystem,
  parent: number,
  name: string,
  newParent: number,
  newName: string,
  flags: number,
): number {
  const [from, to] = [bytes(name), bytes(newName)];
  const both = new Uint8Array([...from, ...to]);
  return fs.names.rename(parent, both, 0, from.length, newParent, from.length, to.length, flags);
}

function names(fs: FileSystem, directory: number): string[] {
  const list: string[] = [];
  const buffer = new Uint8Array(255);
  const { tree } = fs.names;
  for (let slot = tree.newest(directory); slot !== 0; slot = tree.older(slot)) {
    const length = fs.names.copyName(slot, buffer, 0);
    list.push(new TextDecoder().decode(buffer.subarray(0, length)));
  }
  return list;
}

function contains(outer: ModelNode, inner: ModelNode): boolean {
  return outer === inner ||
    [...outer.entries?.values() ?? []].some((child) => child.entries && contains(child, inner));
}

/** What rename must answer, by the man page; 0 when it may go on. */
function renameErrno(
  source: ModelNode | undefined,
  parent: ModelNode,
  target: ModelNode | undefined,
  newParent: ModelNode,
  flags: number,
): number {
  if (!source) return -ENOENT;
  if (source.entries && contains(source, newParent)) return -EINVAL;
  if (flags === RENAME_EXCHANGE) {
    if (!target) return -ENOENT;
    return target.entries && contains(target, parent) ? -EINVAL : 0;
  }
  if (!target) return 0;
  if (flags === RENAME_NOREPLACE) return -EEXIST;
  if (target === source) return 0;
  if (target.entries && !source.entries) return -EISDIR;
  if (!target.entries && source.entries) return -ENOTDIR;
  return target.entries && target.entries.size > 0 ? -ENOTEMPTY : 0;
}

Deno.test("names equal a naive model through random operations", () => {
  const random = new Random();
  const fs = newFileSystem({ inodeCountMax: 3000 });
  const root: ModelNode = { ino: ROOT_INO, entries: new Map() };
  const directories = () => {
    const all: ModelNode[] = [];
    const walk = (node: ModelNode) => {
      all.push(node);
      for (const child of node.entries!.values()) if (child.entries) walk(child);
    };
    walk(root);
    return all;
  };
  const name = () => {
    const stem = String(random.below(12));
    return random.below(4) === 0 ? stem.padEnd(1 + random.below(255), "x") : stem;
  };
  for (let step = 0; step < 15_000; step++) {
    const all = directories();
    const [parent, newParent] = [random.pick(all), random.pick(all)];
    const [from, to] = [name(), name()];
    const source = parent.entries!.get(from);
    const text = bytes(from);
    switch (random.below(8)) {
      case 0:
      case 1: {
        const directory = random.below(2) === 0 && all.length < 40;
        const ino = make(fs, parent.ino, from, (directory ? S_IFDIR : S_IFREG) | 0o700);
        if (source) assertEquals(ino, -EEXIST);
        else {
          assert(ino > 0, `make ${from}: ${ino}`);
          parent.entries!.set(from, { ino, entries: directory ? new Map() : undefined });
        }
        break;
      }
      case 2: {
        const expected = !source ? -ENOENT : source.entries ? -EISDIR : 0;
        assertEquals(fs.names.unlink(parent.ino, text, 0, text.length), expected);
        if (expected === 0) parent.entries!.delete(from);
        break;
      }
      case 3: {
        const expected = !source
          ? -ENOENT
          : !source.entries
          ? -ENOTDIR
          : source.entries.size > 0
          ? -ENOTEMPTY
          : 0;
        assertEquals(fs.names.rmdir(parent.ino, text, 0, text.length), expected);
        if (expected === 0) parent.entries!.delete(from);
        break;
      }
      case 4: {
        if (!source || source.entries) break;
        const target = bytes(to);
        const expected = newParent.entries!.has(to) ? -EEXIST : 0;
        const linked = fs.names.link(source.ino, newParent.ino, target, 0, target.length);
        assertEquals(linked, expected);
        if (expected === 0) newParent.entries!.set(to, source);
        break;
      }
      default: {
        const flags = random.pick([0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE]);
        const target = newParent.entries!.get(to);
        const expected = renameErrno(source, parent, target, newParent, flags);
        const got = rename(fs, parent.ino, from, newParent.ino, to, flags);
        assertEquals(got, expected, `rename ${from} to ${to} with ${flags}`);
        if (expected !== 0 || source === target) break;
        if (flags === RENAME_EXCHANGE) parent.entries!.set(from, target!);
        else parent.entries!.delete(from);
        newParent.entries!.set(to, source!);
      }
    }
    if (step % 100 === 0) {
      for (const directory of directories()) {
        const expected = [...directory.entries!.keys()].sort();
        assertEquals(names(fs, directory.ino).sort(), expected);
        for (const [key, node] of directory.entries!) {
          const slot = fs.names.find(directory.ino, bytes(key), 0, key.length);
          assertEquals(fs.names.get(slot, DENTRY_INO), node.ino);
        }
      }
    }
    if (step % 1000 === 0) assertEquals(fs.check(), []);
  }
  assertEquals(fs.check(), []);
});

Deno.test("a directory cursor survives removals, additions and renames", () => {
  const fs = newFileSystem();
  for (let i = 0; i < 100; i++) make(fs, ROOT_INO, `old${i}`, S_IFREG);
  const { tree } = fs.names;
  const met: string[] = [];
  const buffer = new Uint8Array(255);
  let cookie = Infinity;
  for (let step = 0;; step++) {
    const slot = step === 0 ? tree.newest(ROOT_INO) : tree.below(ROOT_INO, cookie);
    if (slot === 0) break;
    cookie = tree.cookie(slot);
    const text = new TextDecoder().decode(buffer.subarray(0, fs.names.copyName(slot, buffer, 0)));
    met.push(text);
    // The entry just met goes or changes its name, and a new one comes: neither is met again.
    if (step % 2 === 0) fs.names.unlink(ROOT_INO, bytes(text), 0, text.length);
    else assertEquals(rename(fs, ROOT_INO, text, ROOT_INO, `renamed${step}`, 0), 0);
    make(fs, ROOT_INO, `new${step}`, S_IFREG);
  }
  assertEquals(met.sort(), Array.from({ length: 100 }, (_, i) => `old${i}`).sort());
  assertEquals(fs.check(), []);
});

Deno.test("bad names are refused", () => {
  const fs = newFileSystem();
  for (
    const [name, errno] of [
      ["", ENOENT],
      [".", EEXIST],
      ["..", EEXIST],
      ["a/b", EINVAL],
      ["a\0", EINVAL],
      ["x".repeat(256), ENAMETOOLONG],
    ] as const
  ) {
    assertEquals(make(fs, ROOT_INO, name, S_IFREG), -errno, JSON.stringify(name));
  }
  assert(make(fs, ROOT_INO, "x".repeat(255), S_IFREG) > 0);
});

Deno.test("a full inode or slot table: ENOSPC, and everything as before", () => {
  const fs = newFileSystem({ inodeCountMax: 1024 });
  let count = 0;
  while (make(fs, ROOT_INO, `${count}`.padEnd(255, "y"), S_IFREG) > 0) count++;
  assertEquals(count, 1023, "all but the root directory");
  assertEquals(make(fs, ROOT_INO, "one more", S_IFREG), -ENOSPC);
  assertEquals(fs.check(), []);
  const first = bytes("0".padEnd(255, "y"));
  assertEquals(fs.names.unlink(ROOT_INO, first, 0, 255), 0);
  assert(make(fs, ROOT_INO, "one more", S_IFREG) > 0);
  assertEquals(fs.check(), []);
});

Deno.test("an unlinked inode lives while the kernel refers to it", () => {
  const fs = newFileSystem();
  const ino = make(fs, ROOT_INO, "file", S_IFREG);
  for (let i = 0; i < 3; i++) fs.inodes.addLookup(ino);
  assertEquals(fs.names.unlink(ROOT_INO, bytes("file"), 0, 4), 0);
  assert(fs.inodes.exists(ino));
  assertEquals(fs.inodes.get(ino, INODE_NLINK), 0);
  fs.forget(ino, 2);
  assert(fs.inodes.exists(ino));
  fs.forget(ino, 1000);
  assert(!fs.inodes.exists(ino));
  assertNotEquals(make(fs, ROOT_INO, "file", S_IFREG), -ENOSPC);
  assertEquals(fs.check(), []);
});

Deno.test("symbolic links of every length come back", () => {
  const fs = newFileSystem();
  const out = new Uint8Array(4096);
  for (const length of [1, 55, 56, 57, 119, 120, 121, 1000, 4095]) {
    const target = "t".repeat(length - 1) + "!";
    const both = bytes(`l${length}${target}`);
    const nameLength = both.length - length;
    const ino = fs.symlink(ROOT_INO, both, 0, nameLength, nameLength, length, { uid: 0, gid: 0 });
    assert(ino > 0);
    assertEquals(fs.readlink(ino, out, 0), length);
    assertEquals(new TextDecoder().decode(out.subarray(0, length)), target);
  }
  assertEquals(fs.check(), []);
  const long = bytes(`l${"t".repeat(4096)}`);
  assertEquals(
    fs.symlink(ROOT_INO, long, 0, 1, 1, 4096, { uid: 0, gid: 0 }),
    -ENAMETOOLONG,
  );
});

Deno.test("an inode that a client has open keeps the name it had last, until it ends", () => {
  const fs = newFileSystem();
  const long = "x".repeat(200);
  const used = fs.slotPool.used;
  const open = (ino: number, count: number) => fs.inodes.set(ino, INODE_OPEN_COUNT, count);
  const formerName = (ino: number) => {
    const buffer = new Uint8Array(255);
    const slot = fs.names.former(ino);
    return slot === 0
      ? undefined
      : new TextDecoder().decode(buffer.subarray(0, fs.names.copyName(slot, buffer, 0)));
  };
  const file = make(fs, ROOT_INO, "file", S_IFREG | 0o644);
  const directory = make(fs, ROOT_INO, "directory", S_IFDIR | 0o755);
  const other = make(fs, ROOT_INO, "other", S_IFREG | 0o644);
  for (const ino of [file, directory, other]) open(ino, 1);
  assertEquals(fs.names.link(file, ROOT_INO, bytes(long), 0, long.length), 0);

  assertEquals(fs.names.unlink(ROOT_INO, bytes("file"), 0, 4), 0);
  assertEquals(formerName(file), "file", "one of two names");
  assertEquals(fs.names.unlink(ROOT_INO, bytes(long), 0, long.length), 0);
  assertEquals(formerName(file), long);
  assertEquals(fs.names.rmdir(ROOT_INO, bytes("directory"), 0, 9), 0);
  assertEquals(formerName(directory), "directory");
  const replacing = make(fs, ROOT_INO, "replacing", S_IFREG | 0o644);
  assertEquals(rename(fs, ROOT_INO, "replacing", ROOT_INO, "other", 0), 0);
  assertEquals([formerName(other), formerName(replacing)], ["other", undefined]);
  assertEquals([names(fs, ROOT_INO), fs.check()], [["other"], []]);

  for (const ino of [file, directory, other]) {
    open(ino, 0);
    fs.releaseIfUnused(ino);
    assertEquals(fs.inodes.exists(ino), false);
  }
  assertEquals(fs.names.unlink(ROOT_INO, bytes("other"), 0, 5), 0);
  assertEquals([fs.slotPool.used, fs.check()], [used, []]);
});
