import { assert, assertEquals } from "@std/assert";
import { Pool } from "../../src/core/pool.ts";
import { Region } from "../../src/region/region.ts";
import { regionSizes } from "../../src/region/sizes.ts";
import { MIB, Random } from "./support.ts";

function newRegion(): Region {
  return Region.inMemory(regionSizes({ sizeBytes: 4 * MIB, inodeCountMax: 5000 }));
}

Deno.test("inode pool equals a naive model: lowest record first, chunks dirty when wholly free", () => {
  const random = new Random();
  const pool = Pool.ofInodes(newRegion());
  pool.format();
  const used = new Set<number>();
  const dirty = new Set<number>();
  const chunkOf = (record: number) => Math.floor(record / pool.chunkCount);
  for (let step = 0; step < 30_000; step++) {
    // Waves, so that the pool fills and empties again.
    const growing = Math.floor(step / 6000) % 2 === 0 ? random.below(10) < 9 : random.below(10) < 1;
    if (growing) {
      let lowest = 1;
      while (used.has(lowest)) lowest++;
      const record = pool.allocate();
      assertEquals(record, lowest < pool.count ? lowest : 0);
      if (record !== 0) {
        used.add(record);
        dirty.delete(chunkOf(record));
      }
    } else if (used.size > 0) {
      const record = random.pick([...used]);
      pool.release(record);
      used.delete(record);
      const chunk = chunkOf(record);
      if (chunk > 0 && ![...used].some((other) => chunkOf(other) === chunk)) dirty.add(chunk);
    }
    assertEquals(pool.used, used.size);
    assertEquals(pool.dirtyCount, dirty.size);
  }
  assertEquals(pool.free.check("free"), []);
  for (const chunk of dirty) assert(pool.dirty.has(chunk));
});

Deno.test("block pool equals a naive model: runs, dirty blocks, and memory given back", () => {
  const random = new Random();
  const pool = Pool.ofBlocks(newRegion());
  pool.format();
  const used = new Set<number>();
  const dirty = new Set<number>();
  for (let step = 0; step < 20_000; step++) {
    switch (random.below(3)) {
      case 0: {
        const near = random.below(pool.count);
        const max = 1 + random.below(40);
        const first = pool.allocateRun(near, max);
        let expected = near > 0 && !used.has(near) ? near : 1;
        while (used.has(expected)) expected++;
        if (expected >= pool.count) {
          assertEquals(first, 0);
          break;
        }
        assertEquals(first, expected);
        let length = 0;
        while (length < max && first + length < pool.count && !used.has(first + length)) length++;
        assertEquals(pool.runLength, length);
        // Memory for some blocks behind an untouched one is taken along; those become dirty.
        for (let i = 0; i < length; i++) {
          if (dirty.has(first + i)) continue;
          const ahead = first + i + Math.max(length - i, 32);
          for (let n = first + i + 1; n < ahead && n < pool.count; n++) {
            if (used.has(n) || dirty.has(n)) break;
            dirty.add(n);
          }
        }
        for (let i = first; i < first + length; i++) {
          assertEquals(pool.takeDirty(i), dirty.delete(i));
          used.add(i);
        }
        break;
      }
      case 1: {
        if (used.size === 0) break;
        const first = random.pick([...used]);
        let length = 1;
        while (length < 30 && used.has(first + length)) length++;
        pool.releaseRun(first, length);
        for (let i = first; i < first + length; i++) {
          used.delete(i);
          dirty.add(i);
        }
        break;
      }
      default: {
        if (random.below(20) > 0) break;
        const first = Math.min(...dirty);
        pool.punchSome(16);
        for (let n = first; n < first + 16 && dirty.delete(n); n++) assert(pool.free.has(n));
      }
    }
    assertEquals(pool.used, used.size);
    assertEquals(pool.dirtyCount, dirty.size);
  }
  assertEquals([...pool.free.check("free"), ...pool.dirty.check("dirty")], []);
});
