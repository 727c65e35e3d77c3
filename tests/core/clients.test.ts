import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { blockOf } from "../../src/core/block_map.ts";
import { ENOENT } from "../../src/core/errno.ts";
import type { FileSystem } from "../../src/core/file_system.ts";
import { MTIME, S_IFDIR, S_IFREG } from "../../src/core/inode_table.ts";
import {
  CLIENT_LIVE,
  CLIENT_PAGES,
  CLIENT_STATE,
  CLIENT_STORING_INO,
  INODE_CLIENT_MTIME,
  INODE_CTIME,
  INODE_DENTRY,
  INODE_EXTEND_LOCK,
  INODE_MAP_SEQ,
  INODE_MTIME,
  INODE_MTIME_NSEC,
  INODE_OPEN_COUNT,
  INODE_SEQ,
  INODE_TAIL_DIRTY,
  LIMBO_MAX,
  PAGE_BYTES,
  ROOT_INO,
  SUPER_CLIENT_HIGH,
  SUPER_NAMESPACE_SEQ,
  SUPER_ORPHAN_COUNT,
  SUPER_STOLEN_COUNT,
} from "../../src/region/layout.gen.ts";
import { bytes, newFileSystem } from "./support.ts";

const BLOCK = 4096;
const OWNER = { umask: 0, uid: 0, gid: 0, rdev: 0 };

/** A file system with one client, number 1, and what its thread 5 says it is storing into. */
function withClient(): { fs: FileSystem; storeInto: (ino: number) => void } {
  const fs = newFileSystem({ clientCount: 2 });
  const { region } = fs;
  const client = CLIENT_PAGES * PAGE_BYTES / 4;
  region.clients[client + CLIENT_STATE] = CLIENT_LIVE;
  region.superblock[SUPER_CLIENT_HIGH] = 2;
  return { fs, storeInto: (ino) => region.clients[client + CLIENT_STORING_INO + 5] = ino };
}

function make(fs: FileSystem, name: string, mode = S_IFREG | 0o644, parent = ROOT_INO): number {
  const text = bytes(name);
  const ino = fs.makeNode(parent, text, 0, text.length, { ...OWNER, mode });
  assert(ino > 0, `${name}: ${ino}`);
  return ino;
}

function write(fs: FileSystem, ino: number, offset: number, data: Uint8Array): void {
  assertEquals(fs.data.write(ino, offset, data, 0, data.length), data.length);
}

function read(fs: FileSystem, ino: number, length: number): Uint8Array {
  const target = new Uint8Array(length);
  return target.subarray(0, fs.data.readInto(ino, 0, target, 0, length));
}

const namesSeq = (fs: FileSystem) => fs.region.superblock[SUPER_NAMESPACE_SEQ];

Deno.test("every change of names moves their sequence by an even number, and nothing else does", () => {
  const { fs } = withClient();
  const [a, b, c] = ["a", "b", "c"].map(bytes);
  const directory = make(fs, "d", S_IFDIR | 0o755);
  const ino = make(fs, "a");
  const both = new Uint8Array([...a, ...b]);
  const changes: Record<string, () => number> = {
    make: () => (make(fs, "x"), 0),
    link: () => fs.names.link(ino, ROOT_INO, c, 0, 1),
    rename: () => fs.names.rename(ROOT_INO, both, 0, 1, ROOT_INO, 1, 1, 0),
    move: () => fs.names.rename(ROOT_INO, both, 1, 1, directory, 0, 1, 0),
    exchange: () =>
      fs.names.rename(ROOT_INO, new Uint8Array([...c, ...a]), 0, 1, directory, 1, 1, 2),
    unlink: () => fs.names.unlink(ROOT_INO, c, 0, 1),
  };
  for (const [what, change] of Object.entries(changes)) {
    const before = namesSeq(fs);
    assertEquals(change(), 0, what);
    assertNotEquals(namesSeq(fs), before, what);
    assertEquals(namesSeq(fs) % 2, 0, what);
  }
  const before = namesSeq(fs);
  write(fs, ino, 0, bytes("text"));
  fs.inodes.touch(ino, MTIME);
  assertEquals(fs.names.unlink(ROOT_INO, bytes("missing"), 0, 7) < 0, true);
  assertEquals(namesSeq(fs), before);
  assertEquals(fs.check(), []);
});

Deno.test("sizes, times and blocks have sequences of their own inode", () => {
  const { fs } = withClient();
  const ino = make(fs, "file");
  const other = make(fs, "other");
  const seqs = () => [
    fs.inodes.get(ino, INODE_SEQ),
    fs.inodes.get(ino, INODE_MAP_SEQ),
    fs.inodes.get(other, INODE_SEQ),
  ];
  const moved = (change: () => void) => {
    const before = seqs();
    change();
    const after = seqs();
    assert(after.every((seq) => seq % 2 === 0), `odd: ${after}`);
    return after.map((seq, i) => seq !== before[i]);
  };
  assertEquals(moved(() => fs.inodes.touch(ino, MTIME)), [true, false, false]);
  assertEquals(moved(() => write(fs, ino, 0, bytes("new block"))), [true, true, false]);
  assertEquals(moved(() => write(fs, ino, 0, bytes("old block"))), [false, false, false]);
  assertEquals(moved(() => write(fs, ino, 100 * BLOCK, bytes("a map grows"))), [true, true, false]);
  assertEquals(moved(() => fs.data.truncate(ino, 0)), [true, true, false]);
  assertEquals(moved(() => assertEquals(fs.data.reserve(ino, 0, 20 * BLOCK), 0))[2], false);
  assertEquals(moved(() => fs.data.punchHole(ino, 0, 2 * BLOCK)), [false, true, false]);
});

Deno.test("directories know their dentry wherever they go", () => {
  const { fs } = withClient();
  const one = make(fs, "one", S_IFDIR | 0o755);
  const two = make(fs, "two", S_IFDIR | 0o755);
  const dentry = (ino: number) => fs.inodes.get(ino, INODE_DENTRY);
  const found = (parent: number, name: string) =>
    fs.names.find(parent, bytes(name), 0, name.length);
  assertEquals(dentry(one), found(ROOT_INO, "one"));
  fs.names.rename(ROOT_INO, bytes("onetwo"), 0, 3, ROOT_INO, 3, 3, 2);
  assertEquals([dentry(one), dentry(two)], [found(ROOT_INO, "two"), found(ROOT_INO, "one")]);
  fs.names.rename(ROOT_INO, bytes("onex"), 0, 3, one, 3, 1, 0);
  assertEquals(dentry(two), found(one, "x"));
  assertEquals(fs.check(), []);
});

Deno.test("an open file without names lives until the last client has closed it", () => {
  const { fs } = withClient();
  const ino = make(fs, "file");
  write(fs, ino, 0, bytes("text"));
  fs.inodes.set(ino, INODE_OPEN_COUNT, 2);
  assertEquals(fs.names.unlink(ROOT_INO, bytes("file"), 0, 4), 0);
  assertEquals(fs.region.superblock[SUPER_ORPHAN_COUNT], 1);
  assertEquals(fs.xattrs.set(ino, "user.name", bytes("value"), 0), 0);
  assertEquals(fs.xattrs.remove(ino, "user.name"), 0);
  assertEquals(new TextDecoder().decode(read(fs, ino, 10)), "text");
  assertEquals(fs.check(), []);
  fs.inodes.set(ino, INODE_OPEN_COUNT, 0);
  fs.releaseIfUnused(ino);
  assertEquals(fs.inodes.exists(ino), false);
  assertEquals(fs.region.superblock[SUPER_ORPHAN_COUNT], 0);
  assertEquals(fs.check(), []);
});

Deno.test("orphans of clients that died are found; one that gets a name is none", () => {
  const { fs } = withClient();
  const unnamed = fs.makeUnnamed(ROOT_INO, { ...OWNER, mode: S_IFREG | 0o600 });
  const inos = [make(fs, "a"), make(fs, "b"), unnamed];
  for (const ino of inos) fs.inodes.set(ino, INODE_OPEN_COUNT, 1);
  for (const name of ["a", "b"]) fs.names.unlink(ROOT_INO, bytes(name), 0, 1);
  fs.releaseIfUnused(unnamed);
  assertEquals(fs.region.superblock[SUPER_ORPHAN_COUNT], 3);
  assertEquals(fs.names.link(inos[0], ROOT_INO, bytes("again"), 0, 5), -ENOENT, "lost its name");
  assertEquals(fs.names.link(unnamed, ROOT_INO, bytes("again"), 0, 5), 0);
  assertEquals(fs.region.superblock[SUPER_ORPHAN_COUNT], 2);
  fs.releaseOrphans((ino) => ino === inos[1]);
  assertEquals(inos.map((ino) => fs.inodes.exists(ino)), [false, true, true]);
  assertEquals(fs.check(), []);
});

Deno.test("blocks that a client may still be storing into are used for nothing else until it is done", () => {
  const { fs, storeInto } = withClient();
  // Its lock was taken from it: as long as nobody's was, the lock is enough.
  fs.region.superblock[SUPER_STOLEN_COUNT] = 1;
  const ino = make(fs, "file");
  write(fs, ino, 0, new Uint8Array(8 * BLOCK).fill(1));
  const used = fs.blockPool.used;
  storeInto(ino);
  assertEquals(fs.data.truncate(ino, 2 * BLOCK), 0);
  fs.data.punchHole(ino, 0, BLOCK);
  assertEquals(fs.blockPool.used, used, "blocks were freed under the client");
  assertEquals(fs.check(), []);
  fs.drainLimbo();
  assertEquals(fs.blockPool.used, used);
  storeInto(0);
  fs.drainLimbo();
  assertEquals(fs.blockPool.used, used - 7);
  // Another inode's client is in nobody's way, and the list has an end.
  storeInto(ROOT_INO);
  assertEquals(fs.data.truncate(ino, 0), 0);
  assertEquals(fs.blockPool.used, used - 8);
  storeInto(ino);
  for (let i = 0; i < LIMBO_MAX + 20; i++) {
    write(fs, ino, 0, bytes("x"));
    assertEquals(fs.data.truncate(ino, 0), 0);
  }
  assertEquals(fs.blockPool.used, used - 8 + LIMBO_MAX);
  storeInto(0);
  fs.drainLimbo();
  assertEquals(fs.blockPool.used, used - 8);
  assertEquals(fs.check(), []);
});

Deno.test("what a client left behind the end never shows", () => {
  const { fs } = withClient();
  const ino = make(fs, "file");
  const soil = () => {
    // A block that a client got for its bytes, and filled, before it died.
    assertEquals(fs.data.reserve(ino, BLOCK, BLOCK), 0);
    fs.map.locate(ino, 1, false);
    const behind = blockOf(fs.map.words[fs.map.at]);
    fs.map.words[fs.map.at] = behind;
    fs.region.blockBytes(behind).fill(
      8,
      fs.region.byteIndex(behind),
      fs.region.byteIndex(behind) + BLOCK,
    );
    const entry = fs.map.entry(ino, 0);
    const at = fs.region.byteIndex(entry);
    fs.region.blockBytes(entry).fill(7, at + 4, at + 100);
    fs.inodes.set(ino, INODE_TAIL_DIRTY, 1);
  };
  const ways: Record<string, () => void> = {
    truncate: () => assertEquals(fs.data.truncate(ino, 200), 0),
    write: () => write(fs, ino, 199, bytes("z")),
    fallocate: () => {
      assertEquals(fs.data.reserve(ino, 0, 200), 0);
      fs.inodes.setSize(ino, 200);
    },
  };
  for (const [way, grow] of Object.entries(ways)) {
    fs.data.truncate(ino, 0);
    write(fs, ino, 0, bytes("text"));
    soil();
    assertEquals(fs.check(), [], "said to be dirty, so allowed");
    grow();
    assertEquals(fs.inodes.get(ino, INODE_TAIL_DIRTY), 0, way);
    assertEquals(read(fs, ino, 199).subarray(4).every((byte) => byte === 0), true, way);
    assertEquals(fs.data.truncate(ino, 2 * BLOCK), 0);
    assertEquals(read(fs, ino, 2 * BLOCK).subarray(200).every((byte) => byte === 0), true, way);
    assertEquals(fs.check(), [], way);
  }
});

Deno.test("the time of a client's last write becomes mtime and ctime, once", () => {
  const { fs } = withClient();
  const ino = make(fs, "file");
  const nanoseconds = 1_700_000_000_123_456_789n;
  const say = (time: bigint) => {
    fs.inodes.set(ino, INODE_CLIENT_MTIME, Number(time & 0xffff_ffffn));
    fs.inodes.set(ino, INODE_CLIENT_MTIME + 1, Number(time >> 32n));
  };
  say(nanoseconds);
  fs.inodes.foldClientTimes(ino);
  assertEquals(fs.inodes.get64(ino, INODE_MTIME), 1_700_000_000);
  assertEquals(fs.inodes.get64(ino, INODE_CTIME), 1_700_000_000);
  assertEquals(fs.inodes.get(ino, INODE_MTIME_NSEC), 123_456_789);
  assertEquals(fs.inodes.get64(ino, INODE_CLIENT_MTIME), 0);
  // What is set afterwards stays, and what was written before it does not come back.
  say(nanoseconds + 5_000_000_000n);
  fs.inodes.setTime(ino, INODE_MTIME, INODE_MTIME_NSEC, 42, 0, 7);
  fs.inodes.foldClientTimes(ino);
  assertEquals(fs.inodes.get64(ino, INODE_MTIME), 42);
  assertEquals(fs.inodes.get64(ino, INODE_CTIME), 1_700_000_005);
});

Deno.test("an operation that threw leaves nothing locked or odd", () => {
  const { fs } = withClient();
  const ino = make(fs, "file");
  fs.sequences.beginNames();
  fs.sequences.beginNames();
  fs.sequences.beginBlocks(ino);
  fs.sequences.beginAttributes(ino);
  fs.guard.lock(ino);
  fs.settle();
  assertEquals(namesSeq(fs) % 2, 0);
  for (const field of [INODE_SEQ, INODE_MAP_SEQ]) assertEquals(fs.inodes.get(ino, field) % 2, 0);
  assertEquals(fs.inodes.get(ino, INODE_EXTEND_LOCK), 0);
  assertEquals(fs.check(), []);
});
