/** What the tests of the core share: small regions in plain memory, and random numbers that can be had again. */
import { randomSeed } from "../support/seed.ts";
import { FileSystem } from "../../src/core/file_system.ts";
import { Region } from "../../src/region/region.ts";
import { regionSizes } from "../../src/region/sizes.ts";

export const MIB = 1 << 20;

export function newFileSystem(
  o: { sizeBytes?: number; inodeCountMax?: number; clientCount?: number } = {},
): FileSystem {
  const sizes = regionSizes({
    sizeBytes: o.sizeBytes ?? 8 * MIB,
    inodeCountMax: o.inodeCountMax ?? 2000,
  });
  const fs = FileSystem.format(Region.inMemory(sizes, o.clientCount), {
    uid: 0,
    gid: 0,
    mode: 0o755,
    cache: "auto",
    ownerPid: 1,
    ownerStartTime: 1,
  });
  return fs;
}

/** Random integers from a seed (mulberry32); the seed is printed, so that a failure can be had again. */
export class Random {
  #state: number;

  constructor(readonly seed: number = randomSeed(), isShown = true) {
    this.#state = seed;
    if (isShown) console.log(`seed ${seed}: BTFUSE_SEED=${seed} repeats it`);
  }

  /** 0 … bound-1 */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 2 ** 32 * bound);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}

const encoder = new TextEncoder();

/** A name as the core takes it. */
export function bytes(text: string): Uint8Array {
  return encoder.encode(text);
}
