/**
 * Chains of extension slots: byte strings that do not fit where they belong. Long names, link
 * targets and extended attributes use them.
 */
import type { Region } from "../region/region.ts";
import {
  EXTENSION_BYTES_BYTES,
  EXTENSION_BYTES_OFFSET_BYTES,
  EXTENSION_KIND,
  EXTENSION_NEXT,
  EXTENSION_WORDS,
  SLOT_KIND_EXTENSION,
  SLOT_KIND_FREE,
} from "../region/layout.gen.ts";
import { damaged } from "./damage.ts";
import type { Pool } from "./pool.ts";

export class SlotChain {
  constructor(private readonly region: Region, private readonly pool: Pool) {}

  static slotCount(bytes: number): number {
    return Math.ceil(bytes / EXTENSION_BYTES_BYTES);
  }

  /** Stores bytes; the first slot, or 0 when there are not enough slots (then nothing was taken). `length` > 0. */
  store(source: Uint8Array, start: number, length: number): number {
    const count = SlotChain.slotCount(length);
    if (this.pool.available < count) return 0;
    const { slots, slotBytes } = this.region;
    let first = 0;
    let previous = 0;
    for (let done = 0; done < length; done += EXTENSION_BYTES_BYTES) {
      const slot = this.pool.allocate();
      if (slot === 0) {
        // There was no memory for it, although the table has room.
        this.release(first);
        return 0;
      }
      slots[slot * EXTENSION_WORDS + EXTENSION_KIND] = SLOT_KIND_EXTENSION;
      slots[slot * EXTENSION_WORDS + EXTENSION_NEXT] = 0;
      if (first === 0) first = slot;
      else slots[previous * EXTENSION_WORDS + EXTENSION_NEXT] = slot;
      const bytes = Math.min(EXTENSION_BYTES_BYTES, length - done);
      slotBytes.set(source.subarray(start + done, start + done + bytes), bytesAt(slot));
      previous = slot;
    }
    return first;
  }

  /** Replaces the bytes of a chain by `length` others that need no more slots; gives the rest back. Cannot fail. */
  rewrite(first: number, source: Uint8Array, length: number): void {
    const { slots, slotBytes } = this.region;
    let last = 0;
    let slot = first;
    for (let done = 0; done < length; done += EXTENSION_BYTES_BYTES) {
      this.#require(slot);
      const bytes = Math.min(EXTENSION_BYTES_BYTES, length - done);
      slotBytes.set(source.subarray(done, done + bytes), bytesAt(slot));
      last = slot;
      slot = slots[slot * EXTENSION_WORDS + EXTENSION_NEXT];
    }
    slots[last * EXTENSION_WORDS + EXTENSION_NEXT] = 0;
    this.release(slot);
  }

  /** Copies `length` bytes of the chain out. */
  load(first: number, target: Uint8Array, start: number, length: number): void {
    let slot = first;
    for (let done = 0; done < length; done += EXTENSION_BYTES_BYTES) {
      this.#require(slot);
      const bytes = Math.min(EXTENSION_BYTES_BYTES, length - done);
      target.set(
        this.region.slotBytes.subarray(bytesAt(slot), bytesAt(slot) + bytes),
        start + done,
      );
      slot = this.region.slots[slot * EXTENSION_WORDS + EXTENSION_NEXT];
    }
  }

  equals(first: number, other: Uint8Array, start: number, length: number): boolean {
    const { slots, slotBytes } = this.region;
    let slot = first;
    for (let done = 0; done < length; done += EXTENSION_BYTES_BYTES) {
      this.#require(slot);
      const at = bytesAt(slot);
      const bytes = Math.min(EXTENSION_BYTES_BYTES, length - done);
      for (let i = 0; i < bytes; i++) {
        if (slotBytes[at + i] !== other[start + done + i]) return false;
      }
      slot = slots[slot * EXTENSION_WORDS + EXTENSION_NEXT];
    }
    return true;
  }

  /** Frees a chain. In a circle the second time round the slots are free, which ends it. */
  release(first: number): void {
    const { slots } = this.region;
    for (let slot = first; slot !== 0;) {
      this.#require(slot);
      const next = slots[slot * EXTENSION_WORDS + EXTENSION_NEXT];
      slots[slot * EXTENSION_WORDS + EXTENSION_KIND] = SLOT_KIND_FREE;
      this.pool.release(slot);
      slot = next;
    }
  }

  /** A chain goes on in this slot, or starts there. */
  #require(slot: number): void {
    if (
      slot === 0 ||
      this.region.slots[slot * EXTENSION_WORDS + EXTENSION_KIND] !== SLOT_KIND_EXTENSION
    ) damaged(`a chain goes on in slot ${slot}, which is no extension`);
  }
}

function bytesAt(slot: number): number {
  return slot * EXTENSION_WORDS * 4 + EXTENSION_BYTES_OFFSET_BYTES;
}
