/** Running out of room at the worst moments: an operation then changes nothing, and `check` stays clean. */
import { assert, assertEquals } from "@std/assert";
import type { FileSystem } from "../../src/core/file_system.ts";
import { ENOSPC } from "../../src/core/errno.ts";
import { S_IFREG } from "../../src/core/inode_table.ts";
import { ROOT_INO } from "../../src/region/layout.gen.ts";
import { bytes, MIB, newFileSystem } from "./support.ts";

function make(fs: FileSystem, name: string): number {
  const text = bytes(name);
  return fs.makeNode(ROOT_INO, text, 0, text.length, {
    mode: S_IFREG | 0o644,
    umask: 0,
    uid: 0,
    gid: 0,
    rdev: 0,
  });
}

for (const blockCount of [31, 32, 63, 1023, 1024, 1055, 1056]) {
  Deno.test(`a file system of ${blockCount} blocks can be filled, emptied and given back`, () => {
    const fs = newFileSystem({ sizeBytes: blockCount * 4096 });
    const ino = make(fs, "file");
    const data = new Uint8Array(64 * 1024).fill(1);
    for (let round = 0; round < 3; round++) {
      let at = 0;
      for (let n = 1; n > 0; at += Math.max(0, n)) n = fs.data.write(ino, at, data, 0, data.length);
      assertEquals(fs.check(), []);
      fs.data.truncate(ino, 4096);
      assertEquals(fs.check(), []);
      while (fs.giveBackMemory(1000)) { /* all of it */ }
      assertEquals(fs.check(), []);
    }
  });
}

Deno.test("no memory behind free records: names fail whole", () => {
  const fs = newFileSystem({ inodeCountMax: 5000 });
  const { region } = fs;
  const reserve = region.reserve.bind(region);
  const long = (i: number) => `${i}`.padEnd(250, "n");
  let made = 0;
  region.reserve = () => false;
  while (make(fs, long(made)) > 0) made++;
  assert(made > 0 && made < 1000, `${made} made`);
  assertEquals(make(fs, long(made)), -ENOSPC);
  assertEquals(fs.check(), []);
  // A rename to a longer name over an existing one: the target must survive the failure.
  const short = make(fs, "s");
  if (short > 0) {
    const both = bytes("s" + long(0));
    const renamed = fs.names.rename(ROOT_INO, both, 0, 1, ROOT_INO, 1, 250, 0);
    assert(renamed === 0 || renamed === -ENOSPC);
    assert(fs.names.find(ROOT_INO, bytes(long(0)), 0, 250) !== 0);
  }
  assertEquals(fs.xattrs.set(ROOT_INO, "user.x", new Uint8Array(60_000), 0), -ENOSPC);
  assertEquals(fs.check(), []);
  region.reserve = reserve;
  assert(make(fs, long(made)) > 0);
  assertEquals(fs.check(), []);
});

Deno.test("an attribute can be removed when every slot is taken", () => {
  const fs = newFileSystem({ inodeCountMax: 200 });
  const ino = make(fs, "file");
  assertEquals(fs.xattrs.set(ino, "user.a", new Uint8Array(500).fill(1), 0), 0);
  assertEquals(fs.xattrs.set(ino, "security.capability", new Uint8Array(20).fill(2), 0), 0);
  for (let i = 0; fs.names.link(ino, ROOT_INO, bytes(`${i}`), 0, `${i}`.length) === 0;) i++;
  assertEquals(fs.slotPool.available, 0);
  fs.attributes.dropCapabilities(ino);
  assertEquals(fs.xattrs.get(ino, "security.capability"), undefined);
  assertEquals(fs.xattrs.get(ino, "user.a"), new Uint8Array(500).fill(1));
  assertEquals(fs.xattrs.set(ino, "user.a", new Uint8Array(400).fill(3), 0), 0);
  assertEquals(fs.xattrs.get(ino, "user.a"), new Uint8Array(400).fill(3));
  assertEquals(fs.xattrs.remove(ino, "user.a"), 0);
  assertEquals(fs.check(), []);
});

Deno.test("a write that finds no block for its map leaves no map behind", () => {
  const fs = newFileSystem({ sizeBytes: MIB });
  const [big, far] = [make(fs, "big"), make(fs, "far")];
  const data = new Uint8Array(4096);
  for (let at = 0; fs.blockPool.available > 3; at += 4096) fs.data.write(big, at, data, 0, 4096);
  assertEquals(fs.data.write(far, 2 ** 50, data, 0, 10), -ENOSPC);
  assertEquals(fs.blockPool.available, 3);
  assertEquals(fs.check(), []);
});

Deno.test("a failing reservation keeps earlier ones", () => {
  const fs = newFileSystem({ sizeBytes: MIB });
  const ino = make(fs, "file");
  assertEquals(fs.data.reserve(ino, 0, 10 * 4096), 0);
  const used = fs.blockPool.used;
  // As many blocks as are free, but their map needs some, too.
  assertEquals(fs.data.reserve(ino, 0, (10 + fs.blockPool.available) * 4096), -ENOSPC);
  assertEquals(fs.blockPool.used, used);
  assertEquals(fs.check(), []);
});
