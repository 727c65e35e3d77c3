import { assertEquals } from "@std/assert";
import { IntegerSet } from "../../src/region/integer_set.ts";
import { Random } from "./support.ts";

/** Smallest member ≥ from by looking at each. */
function naiveFirst(model: Set<number>, from: number, count: number): number {
  for (let i = from; i < count; i++) if (model.has(i)) return i;
  return -1;
}

for (const fullWhenZero of [false, true]) {
  for (const count of [1, 31, 32, 33, 1000, 1024, 1025, 40_000]) {
    Deno.test(`integer set of ${count}, ${fullWhenZero ? "full" : "empty"} when zero, equals a naive set`, () => {
      const random = new Random();
      const words = new Uint32Array(IntegerSet.wordCount(count));
      const set = new IntegerSet(words, count, { fullWhenZero });
      set.format();
      const model = new Set<number>();
      if (fullWhenZero) { for (let i = 0; i < count; i++) model.add(i); }
      for (let step = 0; step < 3000; step++) {
        const i = random.below(count);
        const length = 1 + random.below(Math.min(100, count - i));
        switch (random.below(6)) {
          case 0:
            set.insert(i);
            model.add(i);
            break;
          case 1:
            set.delete(i);
            model.delete(i);
            break;
          case 2:
            set.insertRange(i, length);
            for (let n = 0; n < length; n++) model.add(i + n);
            break;
          case 3:
            set.deleteRange(i, length);
            for (let n = 0; n < length; n++) model.delete(i + n);
            break;
          case 4:
            assertEquals(set.first(i), naiveFirst(model, i, count));
            break;
          default: {
            let run = 0;
            while (run < length && model.has(i + run)) run++;
            assertEquals(set.run(i, length), run);
          }
        }
        assertEquals(set.has(i), model.has(i));
      }
      for (let i = 0; i < count; i++) assertEquals(set.has(i), model.has(i));
    });
  }
}

Deno.test("integer set: check finds a summary that lies", () => {
  const words = new Uint32Array(IntegerSet.wordCount(1000));
  const set = new IntegerSet(words, 1000, { fullWhenZero: false });
  set.insert(500);
  words[3] |= 1;
  assertEquals(set.check("set").length, 1);
});

Deno.test("integer set: a bit that promises members where there are none is taken back", () => {
  for (const fullWhenZero of [false, true]) {
    const count = 5000;
    const words = new Uint32Array(IntegerSet.wordCount(count));
    const set = new IntegerSet(words, count, { fullWhenZero });
    set.format();
    set.deleteRange(0, count);
    for (const member of [40, 2000, 3000]) set.insert(member);
    // The lowest two go without a word to the levels above.
    for (const member of [40, 2000]) words[member >>> 5] = fullWhenZero ? 0xffff_ffff : 0;
    assertEquals(set.first(0), 3000);
    set.delete(3000);
    assertEquals(set.first(0), -1);
    // Behind the last integer there is nothing, whatever the last word says.
    words[(count - 1) >>> 5] = fullWhenZero ? 0x7fff_ffff : 0x8000_0000;
    set.insert(41);
    assertEquals([set.first(0), set.first(42)], [41, -1]);
  }
});
