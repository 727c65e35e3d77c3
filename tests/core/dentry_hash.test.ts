import { assertEquals } from "@std/assert";
import { DentryHash } from "../../src/core/dentry_hash.ts";
import { Pool } from "../../src/core/pool.ts";
import { SlotChain } from "../../src/core/slot_chain.ts";
import { Region } from "../../src/region/region.ts";
import { regionSizes } from "../../src/region/sizes.ts";
import {
  DENTRY_EXTENSION,
  DENTRY_HASH,
  DENTRY_KIND,
  DENTRY_NAME_BYTES,
  DENTRY_NAME_LENGTH,
  DENTRY_NAME_OFFSET_BYTES,
  DENTRY_PARENT,
  DENTRY_WORDS,
  NAME_HASH_SAMPLE,
  SLOT_KIND_DENTRY,
  SUPER_HASH_SEED,
} from "../../src/region/layout.gen.ts";
import { bytes, MIB, Random } from "./support.ts";

Deno.test("dentry hash: names are hashed as the library hashes them", () => {
  const region = Region.inMemory(regionSizes({ sizeBytes: MIB, inodeCountMax: 1024 }));
  region.superblock[SUPER_HASH_SEED] = 1;
  const hash = new DentryHash(region, new SlotChain(region, Pool.ofSlots(region)));
  assertEquals(hash.hash(2, bytes("a name"), 0, 6), NAME_HASH_SAMPLE);
});

Deno.test("dentry hash equals a naive map through random insertions, removals and searches", () => {
  const random = new Random();
  const region = Region.inMemory(regionSizes({ sizeBytes: MIB, inodeCountMax: 1024 }));
  const pool = Pool.ofSlots(region);
  pool.format();
  const chains = new SlotChain(region, pool);
  const hash = new DentryHash(region, chains);
  const model = new Map<string, number>();
  // Names that are alike at both ends, on both sides of the inline length.
  const names = Array.from({ length: 60 }, (_, i) => {
    const length = random.pick([1, 3, 63, 64, 65, 184, 185, 255]);
    return `${String.fromCharCode(97 + i % 26)}${"m".repeat(Math.max(0, length - 2))}${i}`.slice(
      -length,
    );
  });
  const enter = (parent: number, name: string): number => {
    const text = bytes(name);
    const slot = pool.allocate();
    const at = slot * DENTRY_WORDS;
    const inline = Math.min(text.length, DENTRY_NAME_BYTES);
    region.slots.fill(0, at, at + DENTRY_WORDS);
    region.slotBytes.set(text.subarray(0, inline), at * 4 + DENTRY_NAME_OFFSET_BYTES);
    region.slots[at + DENTRY_KIND] = SLOT_KIND_DENTRY;
    region.slots[at + DENTRY_PARENT] = parent;
    region.slots[at + DENTRY_NAME_LENGTH] = text.length;
    region.slots[at + DENTRY_HASH] = hash.hash(parent, text, 0, text.length);
    if (text.length > inline) {
      region.slots[at + DENTRY_EXTENSION] = chains.store(text, inline, text.length - inline);
    }
    hash.insert(slot);
    return slot;
  };
  for (let step = 0; step < 20_000; step++) {
    const parent = 1 + random.below(5);
    const name = random.pick(names);
    const key = `${parent}/${name}`;
    // The name stands somewhere in a larger buffer, as in a request.
    const buffer = bytes(`..${name}..`);
    const length = buffer.length - 4;
    const found = hash.find(hash.hash(parent, buffer, 2, length), parent, buffer, 2, length);
    assertEquals(found, model.get(key) ?? 0, key);
    if (found === 0) model.set(key, enter(parent, name));
    else if (random.below(2) === 0) {
      hash.remove(found);
      model.delete(key);
      const extension = region.slots[found * DENTRY_WORDS + DENTRY_EXTENSION];
      if (extension !== 0) chains.release(extension);
      region.slots[found * DENTRY_WORDS + DENTRY_KIND] = 0;
      pool.release(found);
    }
  }
});

Deno.test("dentry hash spreads names that differ little", () => {
  const region = Region.inMemory(regionSizes({ sizeBytes: MIB, inodeCountMax: 65_000 }));
  const pool = Pool.ofSlots(region);
  const hash = new DentryHash(region, new SlotChain(region, pool));
  const count = region.sizes.bucketCount;
  const used = new Set<number>();
  for (let i = 0; i < count; i++) {
    const text = bytes(`file${i}`);
    used.add(hash.hash(1, text, 0, text.length) & (count - 1));
  }
  // As many names as buckets, thrown at random, hit 1 - 1/e of them.
  const share = used.size / count;
  assertEquals(Math.abs(share - (1 - 1 / Math.E)) < 0.02, true, `share of buckets hit: ${share}`);
});
