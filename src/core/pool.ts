/**
 * Records of one size in one area of the region: the inode table, the slot table and the block pool.
 * A pool is two sets. `free` has every record that can be handed out. `dirty` has every chunk
 * (records that are given back together) that is wholly free but still holds memory.
 *
 * INVARIANTS (checked by check.ts against the tables):
 * - a record is in `free` exactly when nothing refers to it;
 * - a dirty chunk is wholly free; a wholly free chunk that is not dirty reads as zeros;
 * - memory is taken for every record in use and every dirty chunk, so touching them cannot fail;
 * - `used` counts the records not in `free` (record 0, never handed out, aside), `dirtyCount` the dirty chunks.
 */
import { IntegerSet } from "../region/integer_set.ts";
import { RegionError } from "../region/object.ts";
import { type Region } from "../region/region.ts";
import {
  BLOCK_BYTES,
  DENTRY_WORDS,
  INODE_CHUNK_COUNT,
  INODE_WORDS,
  PAGE_BYTES,
  SLOT_CHUNK_COUNT,
  SUPER_BLOCK_USED,
  SUPER_INODE_USED,
  SUPER_SLOT_USED,
} from "../region/layout.gen.ts";
import { assert, assertLocked } from "./assert.ts";
import { damaged } from "./damage.ts";

/** Blocks whose memory is taken together, so that small files do not cost a system call each. */
const RESERVE_AHEAD = 32;
/** Records whose bits are looked at behind the one to be taken, at most; and how many get memory for theirs at once. */
const SETS_MARGIN = 1 << 14;
const SETS_STEP = 1 << 20;
/** Records in use that the set of free ones may have, by damage, before it is called so: two words of it. */
const MARKED_FREE_MAX = 64;

/** The counters of the three pools stand in the same order, this many words apart. */
const DIRTY_AFTER_USED = 3;
const HELD_AFTER_USED = 6;

export class Pool {
  readonly free: IntegerSet;
  readonly dirty: IntegerSet;
  /** How many records the last `allocateRun` took. */
  runLength = 0;
  #superblock: Uint32Array;
  #region: Region;

  constructor(
    region: Region,
    sets: Uint32Array,
    readonly count: number,
    readonly chunkCount: number,
    readonly recordBytes: number,
    readonly firstPage: number,
    readonly usedWord: number,
    /** Of tables whose records begin with a word that is 0 exactly in free ones. */
    private readonly records?: Uint32Array,
  ) {
    this.#region = region;
    this.#superblock = region.superblock;
    const freeWords = IntegerSet.wordCount(count);
    this.free = new IntegerSet(sets.subarray(0, freeWords), count, { fullWhenZero: true });
    this.dirty = new IntegerSet(sets.subarray(freeWords), Math.ceil(count / chunkCount), {
      fullWhenZero: false,
    });
  }

  static ofInodes(region: Region): Pool {
    const { inodeCountMax, inodePage } = region.sizes;
    return new Pool(
      region,
      region.inodeSets,
      inodeCountMax,
      INODE_CHUNK_COUNT,
      INODE_WORDS * 4,
      inodePage,
      SUPER_INODE_USED,
      region.inodes,
    );
  }
  static ofSlots(region: Region): Pool {
    const { slotCountMax, slotPage } = region.sizes;
    return new Pool(
      region,
      region.slotSets,
      slotCountMax,
      SLOT_CHUNK_COUNT,
      DENTRY_WORDS * 4,
      slotPage,
      SUPER_SLOT_USED,
      region.slots,
    );
  }
  static ofBlocks(region: Region): Pool {
    const { blockCountMax, blockPage } = region.sizes;
    return new Pool(
      region,
      region.blockSets,
      blockCountMax,
      1,
      BLOCK_BYTES,
      blockPage,
      SUPER_BLOCK_USED,
    );
  }

  format(): void {
    const hasRoom = this.#holdSets(0) && (this.chunkCount === 1 || this.#reserve(0, 1));
    if (!hasRoom) throw new RegionError("/dev/shm has no room for the first files");
    this.free.format();
    this.free.delete(0);
  }

  get used(): number {
    return this.#superblock[this.usedWord];
  }
  /** Records below which the sets may be looked at; all behind them are free. */
  get held(): number {
    return Math.min(this.count, this.#superblock[this.usedWord + HELD_AFTER_USED]);
  }
  get available(): number {
    return Math.max(0, this.count - 1 - this.used);
  }
  get dirtyCount(): number {
    return this.#superblock[this.usedWord + DIRTY_AFTER_USED];
  }

  /** The lowest free record, or 0 when there is none. Its bytes are whatever they were. */
  allocate(): number {
    assertLocked(this.#region);
    for (let tries = 0; tries <= MARKED_FREE_MAX; tries++) {
      const record = this.#lowestFree();
      if (record < 0 || !this.#holdSets(record) || !this.#hold(record)) return 0;
      this.free.delete(record);
      // One that is in use although the set has it: not any more.
      if (this.records && this.records[record * this.recordBytes / 4] !== 0) continue;
      this.#superblock[this.usedWord]++;
      return record;
    }
    return damaged(`the set of free records has records in use`);
  }

  #lowestFree(): number {
    const record = this.free.first(0);
    if (record !== 0) return record;
    this.free.delete(0);
    return this.free.first(1);
  }

  /**
   * Takes memory for the sets' words around `record` and well ahead: records are handed out from the lowest on,
   * so nobody looks far behind the highest one ever used.
   */
  #holdSets(record: number): boolean {
    if (this.held >= Math.min(this.count, record + SETS_MARGIN)) return true;
    const end = Math.min(this.count, record + SETS_STEP);
    for (const set of [this.free, this.dirty]) {
      const count = set === this.free ? end : Math.ceil(end / this.chunkCount);
      for (const { offsetBytes, lengthBytes } of set.spans(count)) {
        if (!this.#region.reserve(offsetBytes, lengthBytes)) return false;
      }
    }
    this.#superblock[this.usedWord + HELD_AFTER_USED] = end;
    return true;
  }

  /** Makes sure that the lowest free record's chunk has memory and is not dirty any more. @returns false when there is none */
  #hold(record: number): boolean {
    const chunk = Math.floor(record / this.chunkCount);
    if (this.#clean(chunk)) return true;
    // An untouched chunk's lowest free record is its first one; to ask once too often does no harm.
    return record % this.chunkCount !== 0 ||
      this.#reserve(chunk, this.chunkCount === 1 ? RESERVE_AHEAD : 1);
  }

  /** Takes memory for `chunk` and up to `ahead` - 1 free ones behind it, which become dirty: one system call for many. */
  #reserve(chunk: number, ahead: number): boolean {
    let length = 1;
    while (length < ahead && this.free.has(chunk + length) && !this.dirty.has(chunk + length)) {
      length++;
    }
    for (; length > 0; length = Math.floor(length / 2)) {
      const { offsetBytes, lengthBytes } = this.byteRange(chunk, length);
      if (!this.#region.reserve(offsetBytes, lengthBytes)) continue;
      if (length > 1) this.#soil(chunk + 1, length - 1);
      return true;
    }
    return false;
  }

  /**
   * Up to `max` records that follow one another, from `near` on when that one is free (so that a growing
   * file stays in one piece), else from the lowest free one. Returns the first and leaves the number in `runLength`; 0 when full.
   * For pools with chunks of one record; `wasDirty` must be asked before with `near`, see block_map.
   */
  allocateRun(near: number, max: number): number {
    assertLocked(this.#region);
    assert(max > 0 && this.chunkCount === 1, "a run has records, and chunks of one");
    const start = near > 0 && near < this.count && this.free.has(near) ? near : this.#lowestFree();
    if (start < 0 || !this.#holdSets(start)) return 0;
    // A run lies in one window of the region, so that it can be copied in one go.
    let length = this.#region.windowRun(start, this.free.run(start, max));
    for (let i = 0; i < length; i++) {
      if (
        this.dirty.has(start + i) || this.#reserve(start + i, Math.max(length - i, RESERVE_AHEAD))
      ) continue;
      // No memory for more: what there is so far.
      length = i;
    }
    if (length === 0) return 0;
    this.runLength = length;
    this.free.deleteRange(start, length);
    this.#superblock[this.usedWord] += length;
    return start;
  }

  /** Takes the record out of the dirty set; true when it was there, so that its bytes are old ones. */
  takeDirty(record: number): boolean {
    return this.#clean(record);
  }

  release(record: number): void {
    this.#requireUsed(record, 1);
    this.free.insert(record);
    this.#superblock[this.usedWord] = Math.max(0, this.used - 1);
    const { chunkCount } = this;
    if (chunkCount === 1) return this.#soil(record, 1);
    const chunk = Math.floor(record / chunkCount);
    const first = chunk * chunkCount;
    const length = Math.min(chunkCount, this.count - first);
    // Chunk 0 holds record 0, which is never free: it stays.
    if (this.free.run(first, length) === length) this.#soil(chunk, 1);
  }

  /** For pools with chunks of one record. */
  releaseRun(start: number, length: number): void {
    this.#requireUsed(start, length);
    this.free.insertRange(start, length);
    this.#superblock[this.usedWord] = Math.max(0, this.used - length);
    this.#soil(start, length);
  }

  /** What was never handed out, or was given back before, would be handed out twice. */
  #requireUsed(start: number, length: number): void {
    assertLocked(this.#region);
    assert(length > 0, "records are freed");
    const isUsed = start > 0 && start + length <= this.count && !this.free.hasAny(start, length);
    if (!isUsed) damaged(`${length} records from ${start} on are freed that are not in use`);
  }

  #soil(chunk: number, length: number): void {
    this.dirty.insertRange(chunk, length);
    this.#superblock[this.usedWord + DIRTY_AFTER_USED] += length;
  }

  #clean(chunk: number): boolean {
    if (!this.dirty.has(chunk)) return false;
    this.dirty.delete(chunk);
    this.#superblock[this.usedWord + DIRTY_AFTER_USED]--;
    return true;
  }

  /**
   * Gives the memory of up to `chunksMax` dirty chunks that follow one another back to the system; they read as
   * zeros then. One bounded system call, under the core lock: the records stay free meanwhile.
   */
  punchSome(chunksMax: number): void {
    const chunk = this.dirty.first(0);
    const counter = this.usedWord + DIRTY_AFTER_USED;
    if (chunk < 0) {
      // Whatever the counter says: nobody is to look for ever.
      this.#superblock[counter] = 0;
      return;
    }
    const length = this.dirty.run(chunk, chunksMax);
    const records = this.#records(chunk, length);
    // A chunk in use among them would lose its contents.
    if (this.free.run(chunk * this.chunkCount, records) === records) {
      const { offsetBytes, lengthBytes } = this.byteRange(chunk, length);
      this.#region.punch(offsetBytes, lengthBytes);
    }
    this.dirty.deleteRange(chunk, length);
    this.#superblock[counter] = Math.max(0, this.#superblock[counter] - length);
  }

  #records(chunk: number, length: number): number {
    return Math.min(length * this.chunkCount, this.count - chunk * this.chunkCount);
  }

  /** Where the chunks lie in the region; only whole pages (the last chunk may end inside one). */
  byteRange(chunk: number, length: number): { offsetBytes: number; lengthBytes: number } {
    const offsetBytes = this.firstPage * PAGE_BYTES + chunk * this.chunkCount * this.recordBytes;
    const lengthBytes = this.#records(chunk, length) * this.recordBytes;
    return { offsetBytes, lengthBytes };
  }
}
