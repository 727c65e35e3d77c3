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
  DENTRY_KIND,
  DENTRY_NAME_BYTES,
  DENTRY_NAME_LENGTH,
  DENTRY_NAME_OFFSET_BYTES,
  DENTRY_NEXT,
  DENTRY_PARENT,
  DENTRY_WORDS,
  SLOT_KIND_DENTRY,
  SUPER_HASH_SEED,
} from "../region/layout.gen.ts";
import { damaged, HASH_CHAIN_MAX } from "./damage.ts";
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
    const bucket = hash & this.#mask;
    let slot = buckets[bucket];
    for (let steps = 0; slot !== 0; steps++) {
      const at = slot * DENTRY_WORDS;
      if (at >= slots.length || steps === HASH_CHAIN_MAX) return this.#chainDamaged(bucket, slot);
      if (
        slots[at + DENTRY_HASH] === hash && slots[at + DENTRY_PARENT] === parent &&
        slots[at + DENTRY_NAME_LENGTH] === length && this.nameEquals(slot, name, start, length)
      ) {
        // A free slot still says what it was.
        return slots[at + DENTRY_KIND] === SLOT_KIND_DENTRY
          ? slot
          : this.#chainDamaged(bucket, slot);
      }
      slot = slots[at + DENTRY_NEXT];
    }
    return 0;
  }

  #chainDamaged(bucket: number, slot: number): never {
    return damaged(`the hash chain of bucket ${bucket} does not end, or goes to slot ${slot}`);
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
    for (let steps = 0; slots[at * DENTRY_WORDS + DENTRY_NEXT] !== slot; steps++) {
      at = slots[at * DENTRY_WORDS + DENTRY_NEXT];
      if (at === 0) damaged(`dentry ${slot} is not in its hash chain`);
      if (at * DENTRY_WORDS >= slots.length || steps === HASH_CHAIN_MAX) {
        this.#chainDamaged(bucket, at);
      }
    }
    slots[at * DENTRY_WORDS + DENTRY_NEXT] = next;
  }

  bucketOf(slot: number): number {
    return this.region.slots[slot * DENTRY_WORDS + DENTRY_HASH] & this.#mask;
  }
}
