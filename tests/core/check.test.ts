/** `check` must find damage: each case breaks one invariant of a healthy file system. */
import { assert, assertEquals } from "@std/assert";
import type { FileSystem } from "../../src/core/file_system.ts";
import { S_IFDIR, S_IFREG } from "../../src/core/inode_table.ts";
import {
  DENTRY_COOKIE,
  DENTRY_EXTENSION,
  DENTRY_HASH,
  DENTRY_INO,
  DENTRY_NEXT,
  DENTRY_WORDS,
  INODE_BLOCK_COUNT,
  INODE_DIRECT,
  INODE_ENTRY_COUNT,
  INODE_NLINK,
  INODE_PARENT_INO,
  INODE_SIZE,
  INODE_XATTR_SLOT,
  ROOT_INO,
  SUPER_BLOCK_USED,
  SUPER_INODE_DIRTY,
} from "../../src/region/layout.gen.ts";
import { bytes, newFileSystem } from "./support.ts";

interface Parts {
  fs: FileSystem;
  file: number;
  other: number;
  directory: number;
  /** The file's dentry. */
  slot: number;
  set: (slot: number, field: number, value: number) => void;
}

function healthy(): Parts {
  const fs = newFileSystem();
  const make = (name: string, mode: number, parent = ROOT_INO) => {
    const text = bytes(name);
    return fs.makeNode(parent, text, 0, text.length, { mode, umask: 0, uid: 0, gid: 0, rdev: 0 });
  };
  const directory = make("directory", S_IFDIR | 0o755);
  const file = make("f".repeat(200), S_IFREG | 0o644, directory);
  const other = make("other", S_IFREG | 0o644);
  for (const ino of [file, other]) fs.data.write(ino, 0, new Uint8Array(70_000).fill(1), 0, 70_000);
  fs.xattrs.set(file, "user.test", bytes("value"), 0);
  const name = bytes("f".repeat(200));
  const slot = fs.names.find(directory, name, 0, name.length);
  const set = (at: number, field: number, value: number) => {
    fs.region.slots[at * DENTRY_WORDS + field] = value;
  };
  return { fs, file, other, directory, slot, set };
}

Deno.test("check: a healthy file system is clean", () => {
  assertEquals(healthy().fs.check(), []);
});

const damages: Record<string, (parts: Parts) => void> = {
  "a wrong nlink": ({ fs, file }) => fs.inodes.set(file, INODE_NLINK, 2),
  "a directory with too many subdirectories": ({ fs }) => fs.inodes.set(ROOT_INO, INODE_NLINK, 5),
  "a wrong entry count": ({ fs, directory }) => fs.inodes.set(directory, INODE_ENTRY_COUNT, 2),
  "a wrong parent": ({ fs, directory }) => fs.inodes.set(directory, INODE_PARENT_INO, 2),
  "a wrong block count": ({ fs, file }) => fs.inodes.set(file, INODE_BLOCK_COUNT, 1),
  "a block of two files": ({ fs, file, other }) =>
    fs.inodes.set(file, INODE_DIRECT, fs.inodes.get(other, INODE_DIRECT)),
  "an impossible block": ({ fs, file }) => fs.inodes.set(file, INODE_DIRECT, 0x7fff_ffff),
  "bytes behind the end": ({ fs, file }) => fs.inodes.set(file, INODE_SIZE, 4096 * 17 + 1),
  "a wrong hash": ({ slot, set }) => set(slot, DENTRY_HASH, 12345),
  "a dentry out of its chain": ({ fs, slot }) => fs.hash.remove(slot),
  "a chain in a circle": ({ slot, set }) => set(slot, DENTRY_NEXT, slot),
  "a chain to nowhere": ({ slot, set }) => set(slot, DENTRY_NEXT, 0x7fff_ffff),
  "a dentry of a free inode": ({ slot, set }) => set(slot, DENTRY_INO, 1500),
  "a dentry out of its tree": ({ fs, directory, slot }) => fs.names.tree.remove(directory, slot),
  "a name cut short": ({ slot, set }) => set(slot, DENTRY_EXTENSION, 0),
  "a lost attribute": ({ fs, file }) => fs.inodes.set(file, INODE_XATTR_SLOT, 0),
  "a wrong counter": ({ fs }) => fs.region.superblock[SUPER_BLOCK_USED]--,
  "a wrong dirty counter": ({ fs }) => fs.region.superblock[SUPER_INODE_DIRTY]++,
  "a used block in the free set": ({ fs, file }) =>
    fs.blockPool.free.insert(fs.inodes.get(file, INODE_DIRECT)),
  "an inode that nobody names": ({ fs }) => fs.inodes.create(S_IFREG | 0o600, 0, 0, 0),
  "cookies out of order": ({ fs, set }) => {
    const root = fs.names.tree.root(ROOT_INO);
    set(root, DENTRY_COOKIE, 1_000_000);
    set(root, DENTRY_COOKIE + 1, 7);
    const newest = fs.names.tree.newest(ROOT_INO);
    if (newest === root) set(root, DENTRY_COOKIE + 1, 0), set(root, DENTRY_COOKIE, 0);
  },
};

for (const [name, damage] of Object.entries(damages)) {
  Deno.test(`check finds ${name}`, () => {
    const parts = healthy();
    damage(parts);
    assert(parts.fs.check().length > 0);
  });
}
