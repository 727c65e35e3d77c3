/** Access control lists against the examples of acl(5) and what chmod(1) and umask mean for them. */
import { assertEquals } from "@std/assert";
import { S_IFDIR, S_IFREG } from "../../src/core/inode_table.ts";
import { aclAfterChmod, inherit, modeFromAcl, parse } from "../../src/core/posix_acl.ts";

const TAGS = { u: 0x01, user: 0x02, g: 0x04, group: 0x08, m: 0x10, o: 0x20 };
const NO_ID = 0xffff_ffff;

/** "u:7 user5:6 g:4 m:4 o:0": entries with their permissions. */
function list(text: string): Uint8Array {
  const entries = text.split(" ").map((entry) => {
    const [, tag, id, permissions] = /^([a-z]+)(\d*):(\d)$/.exec(entry) ?? [];
    return [TAGS[tag as keyof typeof TAGS], Number(permissions), id === "" ? NO_ID : Number(id)];
  });
  const out = new Uint8Array(4 + 8 * entries.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, 2, true);
  entries.forEach(([tag, permissions, id], i) => {
    view.setUint16(4 + 8 * i, tag, true);
    view.setUint16(6 + 8 * i, permissions, true);
    view.setUint32(8 + 8 * i, id, true);
  });
  return out;
}

Deno.test("a list is a list only in the kernel's form", () => {
  assertEquals(parse(list("u:7 g:5 o:1"))?.length, 3);
  assertEquals(parse(list("u:7"))?.length, 1);
  for (const wrong of [new Uint8Array(), new Uint8Array(4), list("u:7").subarray(0, 11)]) {
    assertEquals(parse(wrong), undefined);
  }
});

Deno.test("the mode's group bits are the mask, or without one the group's", () => {
  const cases: [text: string, mode: number, redundant: boolean][] = [
    ["u:7 g:5 o:1", 0o751, true],
    ["u:6 g:5 m:4 o:0", 0o640, false],
    ["u:7 user5:7 g:5 m:2 o:1", 0o721, false],
    ["u:7 g:5 group9:7 m:7 o:0", 0o770, false],
  ];
  for (const [text, mode, redundant] of cases) {
    const found = modeFromAcl(parse(list(text)) ?? [], S_IFREG | 0o4000);
    assertEquals(found, { mode: S_IFREG | 0o4000 | mode, redundant }, text);
  }
});

Deno.test("chmod changes the owner's, the mask's or group's, and others' entries", () => {
  const cases: [before: string, mode: number, after: string][] = [
    ["u:7 g:5 o:1", 0o624, "u:6 g:2 o:4"],
    ["u:7 user5:7 g:5 m:7 o:1", 0o640, "u:6 user5:7 g:5 m:4 o:0"],
  ];
  for (const [before, mode, after] of cases) {
    assertEquals(aclAfterChmod(list(before), mode), list(after));
  }
});

Deno.test("what is made in a directory gets its default list, cut by what its maker asked for", () => {
  const defaults = list("u:7 user5:7 g:7 m:7 o:7");
  const file = inherit(defaults, S_IFREG | 0o641);
  assertEquals(file.mode, S_IFREG | 0o641);
  assertEquals(file.access, list("u:6 user5:7 g:7 m:4 o:1"));
  assertEquals(file.default, undefined);
  const directory = inherit(defaults, S_IFDIR | 0o750);
  assertEquals(directory.mode, S_IFDIR | 0o750);
  assertEquals(directory.access, list("u:7 user5:7 g:7 m:5 o:0"));
  assertEquals(directory.default, defaults);
  // A list that says no more than the mode is not kept.
  const plain = inherit(list("u:7 g:5 o:5"), S_IFREG | 0o666);
  assertEquals([plain.mode, plain.access], [S_IFREG | 0o644, undefined]);
});
