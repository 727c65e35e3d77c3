/**
 * The dentry hash: finds a dentry by (parent inode, name) in one step however many files there are.
 * The parent is part of the key, not its path: renaming a directory moves one dentry.
 *
 * INVARIANT: every live dentry is in exactly one chain, that of its stored hash, and no two dentries
 * have the same parent and name.
 */
import type { Region } from "../region/region.ts";
import {
  DENTRY_EXTENSION,
  DENTRY_HASH,
  DENTRY_NAME_BYTES,
  DENTRY_NAME_LENGTH,
  DENTRY_NAME_OFFSET_BYTES,
  DENTRY_NEXT,
  DENTRY_PARENT,
  DENTRY_WORDS,
  SUPER_HASH_SEED,
} from "../region/layout.gen.ts";
import type { SlotChain } from "./slot_chain.ts";

export class DentryHash {
  #mask: number;
  #seed: number;

  constructor(private readonly region: Region, private readonly chains: SlotChain) {
    this.#mask = region.sizes.bucketCount - 1;
    this.#seed = region.superblock[SUPER_HASH_SEED];
  }

  /** A 32-bit hash; the seed, random for each region, keeps chosen names from filling one bucket. */
  hash(parent: number, name: Uint8Array, start: number, length: number): number {
    let h = Math.imul(parent ^ this.#seed, 0x9e3779b1) ^ length;
    for (let i = start; i < start + length; i++) h = Math.imul(h ^ name[i], 0x01000193);
    // The finish of MurmurHash3 spreads the last bytes over all bits.
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return (h ^ (h >>> 16)) >>> 0;
  }

  /** The dentry, or 0. */
  find(hash: number, parent: number, name: Uint8Array, start: number, length: number): number {
    const { buckets, slots } = this.region;
    for (let slot = buckets[hash & this.#mask]; slot !== 0;) {
      const at = slot * DENTRY_WORDS;
      if (
        slots[at + DENTRY_HASH] === hash && slots[at + DENTRY_PARENT] === parent &&
        slots[at + DENTRY_NAME_LENGTH] === length && this.nameEquals(slot, name, start, length)
      ) return slot;
      slot = slots[at + DENTRY_NEXT];
    }
    return 0;
  }

  /** Whether the dentry's name (of this length) is the one given. */
  nameEquals(slot: number, name: Uint8Array, start: number, length: number): boolean {
    const { slotBytes, slots } = this.region;
    const at = slot * DENTRY_WORDS * 4 + DENTRY_NAME_OFFSET_BYTES;
    const inline = Math.min(length, DENTRY_NAME_BYTES);
    for (let i = 0; i < inline; i++) if (slotBytes[at + i] !== name[start + i]) return false;
    return length === inline ||
      this.chains.equals(
        slots[slot * DENTRY_WORDS + DENTRY_EXTENSION],
        name,
        start + inline,
        length - inline,
      );
  }

  insert(slot: number): void {
    const { buckets, slots } = this.region;
    const bucket = slots[slot * DENTRY_WORDS + DENTRY_HASH] & this.#mask;
    slots[slot * DENTRY_WORDS + DENTRY_NEXT] = buckets[bucket];
    buckets[bucket] = slot;
  }

  remove(slot: number): void {
    const { buckets, slots } = this.region;
    const bucket = slots[slot * DENTRY_WORDS + DENTRY_HASH] & this.#mask;
    const next = slots[slot * DENTRY_WORDS + DENTRY_NEXT];
    if (buckets[bucket] === slot) {
      buckets[bucket] = next;
      return;
    }
    let at = buckets[bucket];
    while (slots[at * DENTRY_WORDS + DENTRY_NEXT] !== slot) {
      at = slots[at * DENTRY_WORDS + DENTRY_NEXT];
      if (at === 0) throw new Error(`dentry ${slot} is not in its hash chain`);
    }
    slots[at * DENTRY_WORDS + DENTRY_NEXT] = next;
  }

  bucketOf(slot: number): number {
    return this.region.slots[slot * DENTRY_WORDS + DENTRY_HASH] & this.#mask;
  }
}
