/**
 * The bytes of regular files: read, write, truncate, fallocate, seek, copy.
 *
 * INVARIANT: bytes of a file's last block behind its end are zero, and so are all bytes of blocks that were
 * never written; extending a file therefore never shows old data.
 * Offsets and sizes are bytes; results are bytes or a negative errno.
 */
import type { Region } from "../region/region.ts";
import {
  BLOCK_BYTES,
  ENTRY_UNWRITTEN,
  FILE_BYTES_MAX,
  INODE_BLOCK_COUNT,
  INODE_TAIL_DIRTY,
  MAP_FANOUT,
} from "../region/layout.gen.ts";
import { assert } from "./assert.ts";
import { type BlockMap, isUnwritten } from "./block_map.ts";
import type { ClientGuard } from "./client_guard.ts";
import { damaged } from "./damage.ts";
import { EFBIG, EINVAL, ENOSPC, ENXIO } from "./errno.ts";
import type { InodeTable } from "./inode_table.ts";
import type { Pool } from "./pool.ts";
import type { Sequences } from "./sequences.ts";

/** Pieces of a file, in order: each is `bytes` long, at byte `skip` of block `block`; block 0 = zeros. */
export class Segments {
  count = 0;
  readonly block: number[] = [];
  readonly skip: number[] = [];
  readonly bytes: number[] = [];

  /** Appends, growing the last piece when the new one follows it in memory. */
  add(region: Region, block: number, skip: number, bytes: number): void {
    const last = this.count - 1;
    if (last >= 0 && (block === 0) === (this.block[last] === 0)) {
      const end = this.skip[last] + this.bytes[last];
      const follows = block === 0
        ? end + bytes <= SEGMENT_ZEROS_MAX
        : skip === 0 && end % BLOCK_BYTES === 0 && block === this.block[last] + end / BLOCK_BYTES &&
          region.windowRun(this.block[last], Infinity) > end / BLOCK_BYTES;
      if (follows) {
        this.bytes[last] += bytes;
        return;
      }
    }
    this.block[this.count] = block;
    this.skip[this.count] = skip;
    this.bytes[this.count++] = bytes;
  }
}

/** Zeros come from one buffer of this size (shim/fuse_device.zig). */
const SEGMENT_ZEROS_MAX = 1 << 20;

export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

/** An offset for `write`: the end of the file. */
export const AT_END = -1;

/** Going over a file's map, of which the end is in no doubt unless it is damaged. */
class Sweep {
  #left: number;

  constructor(
    private readonly map: BlockMap,
    private readonly ino: number,
    newBlocksMax = 0,
  ) {
    this.#left = map.entriesMax(ino) + newBlocksMax * MAP_FANOUT;
  }

  /** After each step. */
  pass(found: boolean): void {
    this.#left -= found ? this.map.room : 1;
    if (this.#left < 0) damaged(`the block map of inode ${this.ino} has no end`);
  }
}

export class FileData {
  /** What the last `read` found. */
  readonly segments = new Segments();
  /** Where the last `write` began. */
  writtenAt = 0;
  readonly #sequences: Sequences;

  constructor(
    private readonly region: Region,
    private readonly pool: Pool,
    private readonly map: BlockMap,
    private readonly inodes: InodeTable,
    private readonly guard: ClientGuard,
  ) {
    this.#sequences = inodes.sequences;
  }

  /** Fills `segments` with at most `length` bytes from `offset` on; returns how many there are. */
  read(ino: number, offset: number, length: number): number {
    const { segments, map, region } = this;
    segments.count = 0;
    const end = Math.min(offset + length, this.inodes.size(ino));
    if (offset >= end) return 0;
    let index = Math.floor(offset / BLOCK_BYTES);
    for (let at = offset; at < end;) {
      const found = map.locate(ino, index, false);
      const blocks = Math.min(map.room, Math.ceil((end - index * BLOCK_BYTES) / BLOCK_BYTES));
      for (let i = 0; i < blocks; i++, index++) {
        const entry = found ? map.words[map.at + i] : 0;
        const skip = at % BLOCK_BYTES;
        const bytes = Math.min(BLOCK_BYTES - skip, end - at);
        segments.add(
          region,
          entry === 0 || isUnwritten(entry) ? 0 : map.blockOf(entry),
          skip,
          bytes,
        );
        at += bytes;
      }
    }
    return end - offset;
  }

  /** `read` into a buffer, for callers that want the bytes themselves. */
  readInto(ino: number, offset: number, target: Uint8Array, start: number, length: number): number {
    const bytes = this.read(ino, offset, length);
    this.copyOut(target, start);
    return bytes;
  }

  /** Copies what the last `read` found; returns where it ends in the target. */
  copyOut(target: Uint8Array, start: number): number {
    const { segments, region } = this;
    let at = start;
    for (let i = 0; i < segments.count; i++) {
      const bytes = segments.bytes[i];
      const block = segments.block[i];
      if (block === 0) target.fill(0, at, at + bytes);
      else {
        const from = region.byteIndex(block) + segments.skip[i];
        target.set(region.blockBytes(block).subarray(from, from + bytes), at);
      }
      at += bytes;
    }
    return at;
  }

  /**
   * Writes `length` bytes at `offset`, or AT_END, wherever clients have moved that; fewer when the blocks run out part way, as
   * tmpfs does. `writtenAt` says where.
   * @returns bytes written, -ENOSPC when none could be, -EFBIG behind the largest offset
   */
  write(ino: number, offset: number, source: Uint8Array, start: number, length: number): number {
    this.#lock(ino);
    this.writtenAt = offset === AT_END ? this.inodes.size(ino) : offset;
    const written = this.#writeFrom(ino, this.writtenAt, source, start, length);
    this.guard.unlock();
    return written;
  }

  #writeFrom(
    ino: number,
    offset: number,
    source: Uint8Array,
    start: number,
    length: number,
  ): number {
    assert(start + length <= source.length, "as many bytes are written as there are");
    if (offset + length > FILE_BYTES_MAX) return -EFBIG;
    let done = 0;
    while (done < length) {
      const bytes = this.#writeRun(ino, offset + done, source, start + done, length - done);
      if (bytes === 0) break;
      done += bytes;
    }
    if (offset + done > this.inodes.size(ino) && done > 0) this.inodes.setSize(ino, offset + done);
    return done > 0 || length === 0 ? done : -ENOSPC;
  }

  /** Before anything that makes a file longer or shorter, or gives it blocks. */
  #lock(ino: number): void {
    if (!this.guard.lock(ino) || this.inodes.get(ino, INODE_TAIL_DIRTY) === 0) return;
    const size = this.inodes.size(ino);
    const end = Math.ceil(size / BLOCK_BYTES);
    this.#zeroWithin(ino, size, end * BLOCK_BYTES);
    this.map.forgetContents(ino, end);
    this.inodes.set(ino, INODE_TAIL_DIRTY, 0);
  }

  /** Writes what lies in one piece: existing blocks that follow one another, or a newly taken run. */
  #writeRun(
    ino: number,
    offset: number,
    source: Uint8Array,
    start: number,
    length: number,
  ): number {
    const { map, region } = this;
    const index = Math.floor(offset / BLOCK_BYTES);
    const skip = offset % BLOCK_BYTES;
    if (!map.locate(ino, index, true)) {
      // A map that grew and then found no leaf must not keep empty map blocks.
      map.release(ino, index, index + 1);
      return 0;
    }
    const { words, at } = map;
    const wanted = Math.min(map.room, Math.ceil((skip + length) / BLOCK_BYTES));
    let run: number;
    let began = false;
    if (words[at] === 0) {
      let holes = 1;
      while (holes < wanted && words[at + holes] === 0) holes++;
      const first = this.pool.allocateRun(this.#near(ino, index), holes);
      if (first === 0) {
        map.release(ino, index, index + 1);
        return 0;
      }
      run = this.pool.runLength;
      began = this.#sequences.beginBlocks(ino);
      for (let i = 0; i < run; i++) words[at + i] = first + i;
      this.inodes.set(ino, INODE_BLOCK_COUNT, this.inodes.get(ino, INODE_BLOCK_COUNT) + run);
      const end = Math.min(run * BLOCK_BYTES, skip + length);
      for (let i = 0; i < run; i++) {
        // Only the first and the last block can have bytes that are not written now.
        const dirty = this.pool.takeDirty(first + i);
        if (dirty && ((i === 0 && skip > 0) || (i === run - 1 && end % BLOCK_BYTES !== 0))) {
          this.#zero(first + i, 0, BLOCK_BYTES);
        }
      }
    } else {
      const first = map.blockOf(words[at]);
      run = 1;
      while (
        run < wanted && words[at + run] !== 0 && map.blockOf(words[at + run]) === first + run
      ) run++;
      run = region.windowRun(first, run);
      for (let i = 0; i < run; i++) {
        if (!isUnwritten(words[at + i])) continue;
        if (this.#sequences.beginBlocks(ino)) began = true;
        words[at + i] = first + i;
        const covered = (i > 0 || skip === 0) && skip + length >= (i + 1) * BLOCK_BYTES;
        if (!covered) this.#zero(first + i, 0, BLOCK_BYTES);
      }
    }
    const block = map.blockOf(words[at]);
    const bytes = Math.min(length, run * BLOCK_BYTES - skip);
    region.blockBytes(block).set(
      source.subarray(start, start + bytes),
      region.byteIndex(block) + skip,
    );
    if (began) this.#sequences.endBlocks();
    return bytes;
  }

  /** The block that would continue the file in one piece. */
  #near(ino: number, index: number): number {
    const entry = index > 0 ? this.map.entry(ino, index - 1) : 0;
    return entry === 0 ? 0 : this.map.blockOf(entry) + 1;
  }

  #zero(block: number, from: number, to: number): void {
    const at = this.region.byteIndex(block);
    this.region.blockBytes(block).fill(0, at + from, at + to);
  }

  /** Sets the size, freeing blocks behind it (also reserved ones behind an unchanged end). */
  truncate(ino: number, size: number): number {
    if (size > FILE_BYTES_MAX) return -EFBIG;
    this.#lock(ino);
    const began = this.#sequences.beginBlocks(ino);
    if (size <= this.inodes.size(ino)) {
      this.map.release(ino, Math.ceil(size / BLOCK_BYTES), Infinity);
      this.#zeroWithin(ino, size, Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES);
    }
    this.inodes.setSize(ino, size);
    if (began) this.#sequences.endBlocks();
    this.guard.unlock();
    return 0;
  }

  /** Zeros bytes that all lie in one block, when it holds data. */
  #zeroWithin(ino: number, from: number, to: number): void {
    if (from >= to) return;
    const entry = this.map.entry(ino, Math.floor(from / BLOCK_BYTES));
    if (entry === 0 || isUnwritten(entry)) return;
    this.#zero(this.map.blockOf(entry), from % BLOCK_BYTES, (to - 1) % BLOCK_BYTES + 1);
  }

  /** FALLOC_FL_PUNCH_HOLE: the range reads as zeros and its whole blocks are free again. */
  punchHole(ino: number, offset: number, length: number): void {
    const end = offset + length;
    const firstWhole = Math.ceil(offset / BLOCK_BYTES);
    const endWhole = Math.floor(end / BLOCK_BYTES);
    this.#lock(ino);
    const began = this.#sequences.beginBlocks(ino);
    if (firstWhole > endWhole) this.#zeroWithin(ino, offset, end);
    else {
      this.#zeroWithin(ino, offset, firstWhole * BLOCK_BYTES);
      this.#zeroWithin(ino, endWhole * BLOCK_BYTES, end);
      if (firstWhole < endWhole) this.map.release(ino, firstWhole, endWhole);
    }
    if (began) this.#sequences.endBlocks();
    this.guard.unlock();
  }

  /**
   * Reserves blocks for the range (fallocate(2) mode 0): holes become unwritten blocks. All or nothing.
   * @returns 0, -ENOSPC, -EFBIG
   */
  reserve(ino: number, offset: number, length: number): number {
    if (offset + length > FILE_BYTES_MAX) return -EFBIG;
    this.#lock(ino);
    const result = this.#reserve(ino, offset, length);
    this.guard.unlock();
    return result;
  }

  #reserve(ino: number, offset: number, length: number): number {
    const from = Math.floor(offset / BLOCK_BYTES);
    const to = Math.ceil((offset + length) / BLOCK_BYTES);
    if (this.#holes(ino, from, to) > this.pool.available) return -ENOSPC;
    const taken: [from: number, to: number][] = [];
    // The blocks that are there already, and those to come.
    const sweep = new Sweep(this.map, ino, this.pool.available);
    for (let index = from; index < to;) {
      const found = this.map.locate(ino, index, true);
      sweep.pass(found);
      const end = found ? Math.min(this.map.room, to - index) : 0;
      const reserved = this.#reserveWithin(ino, index, end, taken);
      if (!found || reserved < end) {
        // Map blocks took more than there was.
        this.map.release(ino, index + reserved, index + reserved + (found ? 0 : 1));
        for (const [first, behind] of taken) this.map.release(ino, first, behind);
        return -ENOSPC;
      }
      index += end;
    }
    return 0;
  }

  /** Reserves the holes among `count` entries where `map` points; how many entries it got through. */
  #reserveWithin(ino: number, index: number, count: number, taken: [number, number][]): number {
    const { words, at } = this.map;
    for (let i = 0; i < count; i++) {
      if (words[at + i] !== 0) continue;
      const block = this.pool.allocateRun(this.#near(ino, index + i), 1);
      if (block === 0) return i;
      this.pool.takeDirty(block);
      words[at + i] = block | ENTRY_UNWRITTEN;
      this.inodes.set(ino, INODE_BLOCK_COUNT, this.inodes.get(ino, INODE_BLOCK_COUNT) + 1);
      const last = taken.at(-1);
      if (last && last[1] === index + i) last[1]++;
      else taken.push([index + i, index + i + 1]);
    }
    return count;
  }

  /** Whether a part of the range has no block. */
  hasHoles(ino: number, offset: number, length: number): boolean {
    const from = Math.floor(offset / BLOCK_BYTES);
    return this.#holes(ino, from, Math.ceil((offset + length) / BLOCK_BYTES)) > 0;
  }

  #holes(ino: number, from: number, to: number): number {
    let holes = 0;
    const sweep = new Sweep(this.map, ino);
    for (let index = from; index < to;) {
      const found = this.map.locate(ino, index, false);
      sweep.pass(found);
      const end = Math.min(this.map.room, to - index);
      if (!found) holes += end;
      else for (let i = 0; i < end; i++) if (this.map.words[this.map.at + i] === 0) holes++;
      index += end;
    }
    return holes;
  }

  /** FALLOC_FL_ZERO_RANGE: the range reads as zeros and has its blocks reserved. */
  zeroRange(ino: number, offset: number, length: number): number {
    const reserved = this.reserve(ino, offset, length);
    if (reserved < 0) return reserved;
    const end = offset + length;
    this.#lock(ino);
    const began = this.#sequences.beginBlocks(ino);
    for (let at = offset; at < end;) {
      const index = Math.floor(at / BLOCK_BYTES);
      const next = Math.min(end, (index + 1) * BLOCK_BYTES);
      if (next - at < BLOCK_BYTES) this.#zeroWithin(ino, at, next);
      else if (this.map.locate(ino, index, false)) this.map.words[this.map.at] |= ENTRY_UNWRITTEN;
      at = next;
    }
    if (began) this.#sequences.endBlocks();
    this.guard.unlock();
    return 0;
  }

  /** lseek(2) SEEK_DATA and SEEK_HOLE, to the block. @returns offset, -ENXIO, -EINVAL */
  seek(ino: number, offset: number, whence: number): number {
    const size = this.inodes.size(ino);
    if (whence !== SEEK_DATA && whence !== SEEK_HOLE) return -EINVAL;
    if (offset < 0 || offset >= size) return -ENXIO;
    const blocks = Math.ceil(size / BLOCK_BYTES);
    const sweep = new Sweep(this.map, ino);
    for (let index = Math.floor(offset / BLOCK_BYTES); index < blocks;) {
      const found = this.map.locate(ino, index, false);
      sweep.pass(found);
      const { words, at } = this.map;
      const end = Math.min(this.map.room, blocks - index);
      if (!found && whence === SEEK_HOLE) return Math.max(offset, index * BLOCK_BYTES);
      for (let i = 0; found && i < end; i++) {
        const data = words[at + i] !== 0 && !isUnwritten(words[at + i]);
        if (data === (whence === SEEK_DATA)) return Math.max(offset, (index + i) * BLOCK_BYTES);
      }
      index += end;
    }
    return whence === SEEK_HOLE ? size : -ENXIO;
  }

  /**
   * copy_file_range(2) between files of this file system; holes stay holes where the target has nothing.
   * @returns bytes copied, or a negative errno when none could be
   */
  copy(from: number, fromOffset: number, to: number, toOffset: number, length: number): number {
    const total = Math.min(length, Math.max(0, this.inodes.size(from) - fromOffset));
    if (toOffset + total > FILE_BYTES_MAX) return -EFBIG;
    this.#lock(to);
    let done = 0;
    while (done < total) {
      const at = fromOffset + done;
      const bytes = Math.min(total - done, BLOCK_BYTES - at % BLOCK_BYTES);
      const entry = this.map.entry(from, Math.floor(at / BLOCK_BYTES));
      const written = entry === 0 || isUnwritten(entry)
        ? this.#copyHole(to, toOffset + done, bytes)
        : this.write(
          to,
          toOffset + done,
          this.region.blockBytes(this.map.blockOf(entry)),
          this.region.byteIndex(entry) + at % BLOCK_BYTES,
          bytes,
        );
      if (written < 0 && done === 0) done = written;
      if (written <= 0) break;
      done += written;
      if (written < bytes) break;
    }
    this.guard.unlock();
    return done;
  }

  #copyHole(ino: number, offset: number, bytes: number): number {
    const end = offset + bytes;
    for (let at = offset; at < end;) {
      const next = Math.min(end, (Math.floor(at / BLOCK_BYTES) + 1) * BLOCK_BYTES);
      this.#zeroWithin(ino, at, next);
      at = next;
    }
    if (end > this.inodes.size(ino)) this.inodes.setSize(ino, end);
    return bytes;
  }
}
