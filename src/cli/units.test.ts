import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "./arguments.ts";
import { formatBytes, parseCount, parseSize } from "./units.ts";

const memoryBytes = 8 * 2 ** 30;

Deno.test("sizes as people write them", () => {
  const sizes: Record<string, number> = {
    "4096": 4096,
    "4k": 4096,
    "512M": 512 * 2 ** 20,
    "1.5G": 1.5 * 2 ** 30,
    "2T": 2 ** 41,
    "3GiB": 3 * 2 ** 30,
    "3gb": 3 * 2 ** 30,
    "50%": memoryBytes / 2,
    "12.5%": memoryBytes / 8,
  };
  for (const [text, bytes] of Object.entries(sizes)) {
    assertEquals(parseSize(text, memoryBytes), bytes, text);
  }
  for (const text of ["", "G", "-1", "1e9", "1,5G", "1.G", ".5G", "5 G", "5%%", "0x10", "1GG"]) {
    assertThrows(() => parseSize(text, memoryBytes), UsageError, `size '${text}'`);
  }
});

Deno.test("counts as people write them", () => {
  assertEquals([parseCount("7", "uid"), parseCount("2k", "uid"), parseCount("1M", "uid")], [
    7,
    2048,
    2 ** 20,
  ]);
  for (const text of ["", "-1", "1.5", "1G", "k"]) {
    assertThrows(() => parseCount(text, "uid"), UsageError, `uid '${text}'`);
  }
});

Deno.test("bytes as people read them", () => {
  const texts = [0, 1023, 1024, 1536, 64 * 2 ** 20, 1023.6 * 1024, 2 ** 43].map(formatBytes);
  assertEquals(texts, ["0B", "1023B", "1.00K", "1.50K", "64.0M", "1024K", "8.00T"]);
});
