/** Both languages see one layout: what Zig wrote TypeScript reads, and writes again to the same bytes. */
import { assert, assertEquals } from "@std/assert";
import * as layout from "../../src/region/layout.gen.ts";

const canRun = Deno.permissions.querySync({ name: "run" }).state === "granted";
const program = new URL("../../shim/zig-out/bin/golden_layout", import.meta.url).pathname;
const constants = layout as Record<string, number>;

const RECORDS = ["CLIENT", "DESCRIPTION", "RING", "SUPER", "INODE", "DENTRY", "EXTENSION"];
/** Constants that start like a record's fields: values and kinds. */
const NO_FIELDS = new RegExp(
  "^(INODE_FLAG_|CLIENT_(FREE|REGISTERING|LIVE|SLEEPS)|DESCRIPTION_(FREE|CLAIMED|OPEN)|" +
    "RING_(FREE|CLAIMED|READY|DONE|PING|RELEASE|ACCESSED|INVALIDATE|MAKE|SYMLINK|LINK|REMOVE|RENAME|" +
    "SETATTR|PREPARE|FALLOCATE|COPY|SETXATTR|REMOVEXATTR|TMPFILE|UNHIDE))",
);

Deno.test({
  name: "layout: what Zig wrote TypeScript reads, and the other way round",
  ignore: !canRun,
  fn() {
    const output = new Deno.Command(program, { stdin: "null" }).outputSync();
    assert(output.success);
    const lines = new TextDecoder().decode(output.stdout).trim().split("\n");
    const written = new Map<string, DataView>();
    const seen = new Map<string, number>();
    for (const line of lines) {
      const [kind, record, name, offset, size, value] = line.split(" ");
      if (kind === "bytes") {
        const zig = Uint8Array.from(name.match(/../g)!, (hex) => parseInt(hex, 16));
        assertEquals(zig.length, constants[`${record}_WORDS`] * 4, record);
        const mine = new Uint8Array(zig.length);
        mine.set(new Uint8Array(written.get(record)!.buffer).subarray(0, zig.length));
        assertEquals(mine, zig, record);
        continue;
      }
      const key = `${record}_${name.toUpperCase()}`;
      const bytes = Number(size);
      const first = bytes === 1 ? constants[`${key}_OFFSET_BYTES`] : constants[key] * 4;
      const at = first + bytes * (seen.get(key) ?? 0);
      assertEquals(at, Number(offset), key);
      seen.set(key, (seen.get(key) ?? 0) + 1);
      const view = written.get(record) ?? new DataView(new ArrayBuffer(4096));
      written.set(record, view);
      if (bytes === 1) view.setUint8(at, Number(value));
      else if (bytes === 4) view.setUint32(at, Number(value), true);
      else view.setBigUint64(at, BigInt(value), true);
    }
    assertEquals([...written.keys()], RECORDS);
    // Every constant that TypeScript uses was met.
    const fields = Object.keys(constants).filter((key) =>
      RECORDS.some((record) => key.startsWith(`${record}_`)) &&
      !/_(WORDS|BYTES|COUNT|MAX|PAGES)$/.test(key) && !NO_FIELDS.test(key)
    );
    for (const key of fields) assert(seen.has(key), `${key} is in no record`);
  },
});
