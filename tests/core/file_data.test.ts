/** Files against a naive model: one growing array of bytes a file, and the set of blocks that hold data. */
import { assert, assertEquals } from "@std/assert";
import type { FileSystem } from "../../src/core/file_system.ts";
import { EFBIG, ENOSPC, ENXIO } from "../../src/core/errno.ts";
import { SEEK_DATA, SEEK_HOLE } from "../../src/core/file_data.ts";
import { S_IFREG } from "../../src/core/inode_table.ts";
import {
  BLOCK_BYTES,
  FILE_BYTES_MAX,
  INODE_BLOCK_COUNT,
  ROOT_INO,
} from "../../src/region/layout.gen.ts";
import { bytes, MIB, newFileSystem, Random } from "./support.ts";

function newFile(fs: FileSystem, name: string): number {
  const text = bytes(name);
  const ino = fs.makeNode(ROOT_INO, text, 0, text.length, {
    mode: S_IFREG | 0o644,
    umask: 0,
    uid: 0,
    gid: 0,
    rdev: 0,
  });
  assert(ino > 0);
  return ino;
}

/** Content and, by 4 KiB block, what the file must say about holes. */
class ModelFile {
  data = new Uint8Array(0);
  /** 0 hole, 1 unwritten, 2 data. */
  blocks: number[] = [];

  resize(size: number): void {
    const blocks = Math.ceil(size / BLOCK_BYTES);
    if (size < this.data.length) {
      this.blocks.length = Math.min(this.blocks.length, blocks);
    }
    const next = new Uint8Array(size);
    next.set(this.data.subarray(0, size));
    this.data = next;
  }
  block(index: number): number {
    return this.blocks[index] ?? 0;
  }
  set(from: number, to: number, state: (old: number) => number): void {
    for (let i = from; i < to; i++) {
      while (this.blocks.length <= i) this.blocks.push(0);
      this.blocks[i] = state(this.blocks[i]);
    }
  }
  write(offset: number, source: Uint8Array): void {
    if (offset + source.length > this.data.length) {
      const end = offset + source.length;
      const next = new Uint8Array(end);
      next.set(this.data);
      this.data = next;
    }
    this.data.set(source, offset);
    this.set(
      Math.floor(offset / BLOCK_BYTES),
      Math.ceil((offset + source.length) / BLOCK_BYTES),
      () => 2,
    );
  }
  seek(offset: number, whence: number): number {
    if (offset >= this.data.length) return -ENXIO;
    const wanted = whence === SEEK_DATA;
    const end = Math.ceil(this.data.length / BLOCK_BYTES);
    for (let i = Math.floor(offset / BLOCK_BYTES); i < end; i++) {
      if ((this.block(i) === 2) === wanted) return Math.max(offset, i * BLOCK_BYTES);
    }
    return wanted ? -ENXIO : this.data.length;
  }
}

function compare(fs: FileSystem, ino: number, model: ModelFile): void {
  assertEquals(fs.inodes.size(ino), model.data.length);
  const got = new Uint8Array(model.data.length + 10);
  assertEquals(fs.data.readInto(ino, 0, got, 0, got.length), model.data.length);
  const difference = model.data.findIndex((byte, i) => byte !== got[i]);
  assertEquals(difference, -1, `byte ${difference} differs`);
  assertEquals(
    fs.inodes.get(ino, INODE_BLOCK_COUNT),
    model.blocks.filter((state) => state > 0).length,
  );
}

Deno.test("file data equals a naive model through random operations", () => {
  const random = new Random();
  const fs = newFileSystem({ sizeBytes: 64 * MIB });
  const files = Array.from({ length: 4 }, (_, i) => ({
    ino: newFile(fs, `file${i}`),
    model: new ModelFile(),
  }));
  const reach = 300_000;
  for (let step = 0; step < 6000; step++) {
    const { ino, model } = random.pick(files);
    const offset = random.below(reach);
    const length = 1 + random.below(random.below(4) === 0 ? 40_000 : 5000);
    const end = offset + length;
    const [firstBlock, endBlock] = [
      Math.floor(offset / BLOCK_BYTES),
      Math.ceil(end / BLOCK_BYTES),
    ];
    switch (random.below(9)) {
      case 0:
      case 1:
      case 2: {
        const source = new Uint8Array(length + 7).fill(1 + step % 255);
        assertEquals(fs.data.write(ino, offset, source, 7, length), length);
        model.write(offset, source.subarray(7));
        break;
      }
      case 3: {
        const size = random.below(reach);
        assertEquals(fs.data.truncate(ino, size), 0);
        model.resize(size);
        break;
      }
      case 4: {
        fs.data.punchHole(ino, offset, length);
        model.data.fill(0, offset, end);
        model.set(Math.ceil(offset / BLOCK_BYTES), Math.floor(end / BLOCK_BYTES), () => 0);
        break;
      }
      case 5:
        assertEquals(fs.data.reserve(ino, offset, length), 0);
        model.set(firstBlock, endBlock, (old) => Math.max(old, 1));
        break;
      case 6: {
        assertEquals(fs.data.zeroRange(ino, offset, length), 0);
        model.data.fill(0, offset, end);
        model.set(firstBlock, endBlock, (old) => Math.max(old, 1));
        model.set(Math.ceil(offset / BLOCK_BYTES), Math.floor(end / BLOCK_BYTES), () => 1);
        break;
      }
      case 7:
        for (const whence of [SEEK_DATA, SEEK_HOLE]) {
          assertEquals(fs.data.seek(ino, offset, whence), model.seek(offset, whence));
        }
        break;
      default: {
        const other = random.pick(files);
        if (other.ino === ino) break;
        const toOffset = random.below(reach);
        const count = Math.min(length, Math.max(0, model.data.length - offset));
        assertEquals(fs.data.copy(ino, offset, other.ino, toOffset, length), count);
        for (let done = 0; done < count;) {
          const piece = Math.min(count - done, BLOCK_BYTES - (offset + done) % BLOCK_BYTES);
          const hole = model.block(Math.floor((offset + done) / BLOCK_BYTES)) !== 2;
          if (hole) {
            if (toOffset + done + piece > other.model.data.length) {
              other.model.resize(toOffset + done + piece);
            }
            other.model.data.fill(0, toOffset + done, toOffset + done + piece);
          } else {
            other.model.write(
              toOffset + done,
              model.data.slice(offset + done, offset + done + piece),
            );
          }
          done += piece;
        }
      }
    }
    if (step % 20 === 0) { for (const file of files) compare(fs, file.ino, file.model); }
    if (step % 500 === 0) assertEquals(fs.check(), []);
    if (step % 700 === 0) { while (fs.giveBackMemory(1000)) { /* until all is given back */ } }
  }
  for (const file of files) {
    compare(fs, file.ino, file.model);
    assertEquals(fs.data.truncate(file.ino, 0), 0);
  }
  assertEquals(fs.blockPool.used, 0);
  assertEquals(fs.check(), []);
});

Deno.test("sparse files reach the largest size", () => {
  const fs = newFileSystem();
  const ino = newFile(fs, "sparse");
  const source = bytes("at the far end");
  const offsets = [0, 11 * 4096, 12 * 4096, 2 ** 22, 2 ** 31, 2 ** 40, FILE_BYTES_MAX - 14];
  for (const offset of offsets) {
    assertEquals(fs.data.write(ino, offset, source, 0, source.length), source.length);
  }
  assertEquals(fs.inodes.size(ino), FILE_BYTES_MAX);
  const got = new Uint8Array(source.length);
  for (const offset of offsets) {
    assertEquals(fs.data.readInto(ino, offset, got, 0, got.length), got.length);
    assertEquals(got, source);
  }
  assertEquals(fs.data.readInto(ino, 2 ** 35, got, 0, got.length), got.length);
  assertEquals(got, new Uint8Array(source.length));
  assertEquals(fs.data.seek(ino, 2 ** 31 + 4096, SEEK_DATA), 2 ** 40);
  assertEquals(fs.data.seek(ino, 2 ** 40, SEEK_HOLE), 2 ** 40 + 4096);
  assertEquals(fs.data.write(ino, FILE_BYTES_MAX - 1, source, 0, 2), -EFBIG);
  assertEquals(fs.data.truncate(ino, FILE_BYTES_MAX + 1), -EFBIG);
  assertEquals(fs.check(), []);
  fs.data.truncate(ino, 1);
  assertEquals(fs.inodes.get(ino, INODE_BLOCK_COUNT), 1);
  fs.data.truncate(ino, 0);
  assertEquals(fs.blockPool.used, 0);
  assertEquals(fs.check(), []);
});

Deno.test("a full block pool: short writes, ENOSPC, nothing lost, and room again after a removal", () => {
  const fs = newFileSystem({ sizeBytes: MIB });
  const kept = newFile(fs, "kept");
  const big = newFile(fs, "big");
  const source = new Uint8Array(64 * 1024).fill(7);
  assertEquals(fs.data.write(kept, 0, source, 0, 5000), 5000);
  let written = 0;
  for (;;) {
    const n = fs.data.write(big, written, source, 0, source.length);
    if (n < 0) {
      assertEquals(n, -ENOSPC);
      break;
    }
    written += n;
  }
  assertEquals(fs.blockPool.available, 0);
  assertEquals(fs.inodes.size(big), written);
  assertEquals(fs.data.write(kept, 4096 * 20, source, 0, 10), -ENOSPC);
  assertEquals(fs.data.write(kept, 5000, source, 0, 3192), 3192, "room in the last block is used");
  assertEquals(fs.data.reserve(kept, MIB, 4096), -ENOSPC);
  const got = new Uint8Array(written);
  assertEquals(fs.data.readInto(big, 0, got, 0, written), written);
  assert(got.every((byte) => byte === 7));
  assertEquals(fs.check(), []);
  fs.data.truncate(big, 0);
  assertEquals(fs.data.write(kept, MIB, source, 0, source.length), source.length);
  assertEquals(fs.check(), []);
});

Deno.test("reserving more than there is changes nothing", () => {
  const fs = newFileSystem({ sizeBytes: MIB });
  const ino = newFile(fs, "file");
  assertEquals(fs.data.reserve(ino, 0, 2 * MIB), -ENOSPC);
  assertEquals(fs.data.reserve(ino, 0, 2 ** 45), -ENOSPC);
  assertEquals(fs.blockPool.used, 0);
  assertEquals(fs.data.reserve(ino, 0, MIB - 8192), 0);
  assertEquals(fs.check(), []);
});
