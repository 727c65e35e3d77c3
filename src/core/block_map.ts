/**
 * Block maps: which block holds which 4 KiB of a file. The first `DIRECT_COUNT` blocks are named in the inode; all
 * others hang in a radix tree of map blocks (1024 numbers each), which grows in height as the file grows.
 * Files are sparse: 0 = hole. An entry with ENTRY_UNWRITTEN is a block reserved by fallocate(2) that
 * still reads as zeros.
 *
 * INVARIANTS: a map of height h covers the indexes below 1024^h (0: none); `block_count` of the inode
 * counts the data blocks; every block is named once in the whole file system; no map block is empty.
 */
import type { Region } from "../region/region.ts";
import {
  DIRECT_COUNT,
  ENTRY_UNWRITTEN,
  INODE_BLOCK_COUNT,
  INODE_DIRECT,
  INODE_MAP_HEIGHT,
  INODE_MAP_ROOT,
  INODE_WORDS,
  MAP_FANOUT,
  SUPER_SENDING_INO,
} from "../region/layout.gen.ts";
import type { ClientGuard } from "./client_guard.ts";
import { assert } from "./assert.ts";
import { damaged } from "./damage.ts";
import type { Pool } from "./pool.ts";
import type { Sequences } from "./sequences.ts";

/** 1024^h entries hang below a map of height h. */
const COVER = [1, 2 ** 10, 2 ** 20, 2 ** 30, 2 ** 40];

/** Some hundred milliseconds: what waits longer has died. */
const SENDING_SPINS_MAX = 1e7;

export const blockOf = (entry: number): number => entry & ~ENTRY_UNWRITTEN;
export const isUnwritten = (entry: number): boolean => (entry & ENTRY_UNWRITTEN) !== 0;

/** Map blocks of a file with so many blocks from its start on. */
export function mapBlockCount(dataBlocks: number): number {
  if (dataBlocks <= DIRECT_COUNT) return 0;
  let count = 0;
  for (let level = dataBlocks; level > 1 || count === 0;) {
    level = Math.ceil(level / MAP_FANOUT);
    count += level;
  }
  return count;
}

export class BlockMap {
  // Where `locate` found the entry: `words[at]`; `room` entries lie there side by side.
  words: Uint32Array;
  at = 0;
  room = 0;
  // Blocks being freed are gathered into runs.
  #releasingIno = 0;
  #runStart = 0;
  #runLength = 0;
  /** How many map blocks the release under way may still look at. */
  #visitsLeft = 0;

  constructor(
    private readonly region: Region,
    private readonly pool: Pool,
    private readonly sequences: Sequences,
    private readonly guard: ClientGuard,
  ) {
    this.words = region.inodes;
  }

  /**
   * Points `words`, `at` and `room` at the entry for block `index` of the file. Without `create`, false means that
   * `room` entries from here on do not exist (a hole); with it, false means that no block was left for the map.
   */
  locate(ino: number, index: number, create: boolean): boolean {
    assert(index >= 0, "blocks of a file are numbered from 0 on");
    const { inodes } = this.region;
    const base = ino * INODE_WORDS;
    if (index < DIRECT_COUNT) {
      this.words = inodes;
      this.at = base + INODE_DIRECT + index;
      this.room = DIRECT_COUNT - index;
      return true;
    }
    let height = this.#height(base);
    if (height === 0 || index >= COVER[height]) {
      if (!create) {
        this.room = Infinity;
        return false;
      }
      const began = this.sequences.beginBlocks(ino);
      const grown = this.#grow(base, index);
      if (began) this.sequences.endBlocks();
      if (!grown) return false;
      height = inodes[base + INODE_MAP_HEIGHT];
    }
    let node = this.#mapBlock(inodes[base + INODE_MAP_ROOT]);
    for (let level = height - 1; level > 0; level--) {
      const at = this.region.wordIndex(node) + Math.floor(index / COVER[level]) % MAP_FANOUT;
      const words = this.region.words(node);
      if (words[at] === 0) {
        if (!create) {
          this.room = COVER[level] - index % COVER[level];
          return false;
        }
        const child = this.#newMapBlock();
        if (child === 0) return false;
        words[at] = child;
      }
      if (words[at] === node) damaged(`map block ${node} lies below itself`);
      node = this.#mapBlock(words[at]);
    }
    this.words = this.region.words(node);
    this.at = this.region.wordIndex(node) + index % MAP_FANOUT;
    this.room = MAP_FANOUT - index % MAP_FANOUT;
    return true;
  }

  #height(base: number): number {
    const height = this.region.inodes[base + INODE_MAP_HEIGHT];
    return height < COVER.length
      ? height
      : damaged(`inode ${base / INODE_WORDS} has a block map of height ${height}`);
  }

  #mapBlock(block: number): number {
    return block > 0 && block < this.pool.count
      ? block
      : damaged(`block ${block} is named as part of a block map`);
  }

  /** The block of an entry that is not 0. */
  blockOf(entry: number): number {
    const block = blockOf(entry);
    return block > 0 && block < this.pool.count ? block : damaged(`a file has block ${block}`);
  }

  /**
   * How many entries of map blocks those who go over a file's whole map need to look at, at most: a map block has 1,024,
   * and each block of data has no more of them above it than the map is high. In a map with circles they would never end.
   */
  entriesMax(ino: number): number {
    const dataBlocks = this.region.inodes[ino * INODE_WORDS + INODE_BLOCK_COUNT];
    return MAP_FANOUT * (Math.min(this.pool.used, COVER.length * (dataBlocks + 1)) + COVER.length);
  }

  /** What an operation that threw had begun. The blocks it had gathered are lost until the end of the mount. */
  settle(): void {
    this.#runLength = 0;
  }

  #grow(base: number, index: number): boolean {
    const { inodes } = this.region;
    if (index >= COVER[COVER.length - 1]) damaged(`a file is to have a block ${index}`);
    if (inodes[base + INODE_MAP_ROOT] === 0) {
      const root = this.#newMapBlock();
      if (root === 0) return false;
      inodes[base + INODE_MAP_ROOT] = root;
      inodes[base + INODE_MAP_HEIGHT] = COVER.findIndex((cover) => index < cover);
      return true;
    }
    while (index >= COVER[inodes[base + INODE_MAP_HEIGHT]]) {
      const root = this.#newMapBlock();
      if (root === 0) return false;
      this.region.words(root)[this.region.wordIndex(root)] = inodes[base + INODE_MAP_ROOT];
      inodes[base + INODE_MAP_ROOT] = root;
      inodes[base + INODE_MAP_HEIGHT]++;
    }
    return true;
  }

  #newMapBlock(): number {
    const block = this.pool.allocate();
    if (block !== 0) {
      const at = this.region.wordIndex(block);
      this.region.words(block).fill(0, at, at + MAP_FANOUT);
    }
    return block;
  }

  /** The entry of one block: 0, or a block number, perhaps with ENTRY_UNWRITTEN. */
  entry(ino: number, index: number): number {
    return this.locate(ino, index, false) ? this.words[this.at] : 0;
  }

  /** Frees the blocks of the indexes from `from` (included) to `to` (excluded, may be Infinity). */
  release(ino: number, from: number, to: number): void {
    const { inodes } = this.region;
    const base = ino * INODE_WORDS;
    const began = this.sequences.beginBlocks(ino);
    this.#waitForSending(ino);
    this.#releasingIno = ino;
    for (let index = from; index < Math.min(to, DIRECT_COUNT); index++) {
      this.#releaseEntry(inodes, base + INODE_DIRECT + index, base);
    }
    const height = this.#height(base);
    this.#visitsLeft = this.entriesMax(ino) / MAP_FANOUT;
    if (height > 0 && from < COVER[height] && to > DIRECT_COUNT) {
      const root = inodes[base + INODE_MAP_ROOT];
      if (this.#releaseBelow(root, height, 0, from, to, base)) {
        this.#free(root);
        inodes[base + INODE_MAP_ROOT] = 0;
        inodes[base + INODE_MAP_HEIGHT] = 0;
      } else this.#shrink(base);
    }
    this.#flush();
    if (began) this.sequences.endBlocks();
  }

  /** The kernel worker sends data from where it lies, after it has released the core lock: some microseconds. */
  #waitForSending(ino: number): void {
    const { superblock } = this.region;
    for (let i = 0; i < SENDING_SPINS_MAX; i++) {
      if (Atomics.load(superblock, SUPER_SENDING_INO) !== ino) return;
    }
  }

  /** Takes away roots of which only the first entry is used. */
  #shrink(base: number): void {
    const { inodes } = this.region;
    while (inodes[base + INODE_MAP_HEIGHT] > 1) {
      const root = inodes[base + INODE_MAP_ROOT];
      const words = this.region.words(this.#mapBlock(root));
      const start = this.region.wordIndex(root);
      for (let i = 1; i < MAP_FANOUT; i++) if (words[start + i] !== 0) return;
      inodes[base + INODE_MAP_ROOT] = words[start];
      inodes[base + INODE_MAP_HEIGHT]--;
      this.#free(root);
    }
  }

  #releaseEntry(words: Uint32Array, at: number, base: number): void {
    const entry = words[at];
    if (entry === 0) return;
    words[at] = 0;
    this.#free(this.blockOf(entry));
    this.region.inodes[base + INODE_BLOCK_COUNT]--;
  }

  /** Frees within the map block `node`, whose first entry stands for index `first`; true when it is empty afterwards. */
  #releaseBelow(
    node: number,
    height: number,
    first: number,
    from: number,
    to: number,
    base: number,
  ): boolean {
    if (--this.#visitsLeft < 0) damaged(`the block map of inode ${base / INODE_WORDS} has no end`);
    const words = this.region.words(this.#mapBlock(node));
    const start = this.region.wordIndex(node);
    const cover = COVER[height - 1];
    const low = Math.max(0, Math.floor((from - first) / cover));
    const high = Math.min(MAP_FANOUT, Math.ceil((to - first) / cover));
    for (let i = low; i < high; i++) {
      if (height === 1) this.#releaseEntry(words, start + i, base);
      else if (words[start + i] !== 0) {
        const child = words[start + i];
        if (this.#releaseBelow(child, height - 1, first + i * cover, from, to, base)) {
          this.#free(child);
          words[start + i] = 0;
        }
      }
    }
    for (let i = 0; i < MAP_FANOUT; i++) if (words[start + i] !== 0) return false;
    return true;
  }

  #free(block: number): void {
    if (this.#runLength > 0 && block === this.#runStart + this.#runLength) {
      this.#runLength++;
      return;
    }
    this.#flush();
    this.#runStart = block;
    this.#runLength = 1;
  }

  #flush(): void {
    if (this.#runLength > 0) {
      this.guard.releaseBlocks(this.#releasingIno, this.#runStart, this.#runLength);
    }
    this.#runLength = 0;
  }

  /** Blocks from index `from` on stay reserved, but read as zeros. */
  forgetContents(ino: number, from: number): void {
    const height = this.#height(ino * INODE_WORDS);
    const end = height === 0 ? DIRECT_COUNT : COVER[height];
    let left = this.entriesMax(ino);
    for (let index = from; index < end; index += this.room) {
      const found = this.locate(ino, index, false);
      left -= found ? this.room : 1;
      if (left < 0) damaged(`the block map of inode ${ino} has no end`);
      if (!found) continue;
      for (let i = 0; i < this.room; i++) {
        if (this.words[this.at + i] !== 0) this.words[this.at + i] |= ENTRY_UNWRITTEN;
      }
    }
  }

  /**
   * Calls `visit` for each block of the file, map blocks included (`data` false). For check.ts.
   * @param visit says of a map block whether to go on below it
   */
  visit(ino: number, visit: (block: number, data: boolean, index: number) => boolean): void {
    const { inodes } = this.region;
    const base = ino * INODE_WORDS;
    for (let i = 0; i < DIRECT_COUNT; i++) {
      const entry = inodes[base + INODE_DIRECT + i];
      if (entry !== 0) visit(blockOf(entry), true, i);
    }
    const walk = (node: number, height: number, first: number) => {
      if (!visit(node, false, first)) return;
      const words = this.region.words(node);
      const start = this.region.wordIndex(node);
      for (let i = 0; i < MAP_FANOUT; i++) {
        const entry = words[start + i];
        const index = first + i * COVER[height - 1];
        if (entry === 0) continue;
        if (height === 1) visit(blockOf(entry), true, index);
        else walk(entry, height - 1, index);
      }
    };
    const height = inodes[base + INODE_MAP_HEIGHT];
    if (height > 0 && height < COVER.length) walk(inodes[base + INODE_MAP_ROOT], height, 0);
  }
}
