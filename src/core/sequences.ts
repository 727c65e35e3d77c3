/**
 * Sequence words, for those who read the region without the core lock (clients; see shim/layout.zig): odd while
 * something changes, and another number afterwards. A reader that met an odd word, or another one at its end than
 * at its start, reads again. Three kinds, so that what does not concern a reader does not disturb it:
 *
 * - names (one in the superblock): dentries, hash chains, trees, which inodes live;
 * - attributes (one an inode): those of more than one word, which are size and times;
 * - blocks (one an inode): entries of the block map that were taken away or replaced, or are being filled.
 *
 * Called with the core lock held. Beginnings nest; `settle` ends what an exception left begun.
 */
import type { Region } from "../region/region.ts";
import { assert, assertLocked } from "./assert.ts";
import {
  INODE_MAP_SEQ,
  INODE_SEQ,
  INODE_WORDS,
  SUPER_NAMESPACE_SEQ,
} from "../region/layout.gen.ts";

export class Sequences {
  readonly #superblock: Uint32Array;
  readonly #inodes: Uint32Array;
  #namesDepth = 0;
  #attributesOf = 0;
  #blocksOf = 0;

  constructor(private readonly region: Region) {
    this.#superblock = region.superblock;
    this.#inodes = region.inodes;
  }

  beginNames(): void {
    assertLocked(this.region);
    if (this.#namesDepth++ === 0) Atomics.add(this.#superblock, SUPER_NAMESPACE_SEQ, 1);
  }
  endNames(): void {
    assert(this.#namesDepth > 0, "a change of names ends that has not begun");
    if (--this.#namesDepth === 0) Atomics.add(this.#superblock, SUPER_NAMESPACE_SEQ, 1);
  }

  beginAttributes(ino: number): void {
    assertLocked(this.region);
    assert(this.#attributesOf === 0, "changes of attributes do not nest");
    this.#attributesOf = ino;
    Atomics.add(this.#inodes, ino * INODE_WORDS + INODE_SEQ, 1);
  }
  endAttributes(): void {
    Atomics.add(this.#inodes, this.#attributesOf * INODE_WORDS + INODE_SEQ, 1);
    this.#attributesOf = 0;
  }

  /** Of one inode at a time. @returns whether this call began it, and its caller has to end it */
  beginBlocks(ino: number): boolean {
    if (this.#blocksOf !== 0) return false;
    this.#blocksOf = ino;
    Atomics.add(this.#inodes, ino * INODE_WORDS + INODE_MAP_SEQ, 1);
    return true;
  }
  endBlocks(): void {
    assert(this.#blocksOf !== 0, "a change of blocks ends that has not begun");
    Atomics.add(this.#inodes, this.#blocksOf * INODE_WORDS + INODE_MAP_SEQ, 1);
    this.#blocksOf = 0;
  }

  /** Ends everything: an operation threw, which is a defect, but readers must not wait for ever. */
  settle(): void {
    if (this.#namesDepth > 0) {
      this.#namesDepth = 1;
      this.endNames();
    }
    if (this.#attributesOf !== 0) this.endAttributes();
    if (this.#blocksOf !== 0) this.endBlocks();
  }
}
