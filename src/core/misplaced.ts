/**
 * Inodes of which the kernel has pages in a wrong place, because it appended where it believed the end to be, and clients had
 * moved that meanwhile. The kernel worker notes them, under the core lock; the ring worker has the kernel forget the pages.
 */
import type { Region } from "../region/region.ts";
import { MISPLACED_MAX, SUPER_MISPLACED, SUPER_MISPLACED_COUNT } from "../region/layout.gen.ts";

export class Misplaced {
  readonly #superblock: Uint32Array;

  constructor(region: Region) {
    this.#superblock = region.superblock;
  }

  get any(): boolean {
    return Atomics.load(this.#superblock, SUPER_MISPLACED_COUNT) !== 0;
  }

  /** More at a time than there is room for: the first ones are overwritten, and shown wrong until they are written again. */
  add(ino: number): void {
    const superblock = this.#superblock;
    const places = superblock.subarray(SUPER_MISPLACED, SUPER_MISPLACED + MISPLACED_MAX);
    if (!places.includes(ino)) places[Math.max(0, places.indexOf(0))] = ino;
    Atomics.store(superblock, SUPER_MISPLACED_COUNT, 1);
  }

  /** Those noted so far, which then are not any more. */
  take(): number[] {
    Atomics.store(this.#superblock, SUPER_MISPLACED_COUNT, 0);
    const taken = [];
    for (let i = 0; i < MISPLACED_MAX; i++) {
      const ino = Atomics.exchange(this.#superblock, SUPER_MISPLACED + i, 0);
      if (ino !== 0) taken.push(ino);
    }
    return taken;
  }
}
