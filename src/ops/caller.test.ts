import { assertEquals } from "@std/assert";
import { parseStatus } from "./caller.ts";

const STATUS = `Name:\tsh
Uid:\t1000\t1001\t1002\t1003
Gid:\t5\t6\t7\t8
Groups:\t4 24 1000 
CapInh:\t0000000000000000
CapEff:\t000001ffffffffff
`;

Deno.test("caller: the ids for files, all groups and the effective capabilities", () => {
  const caller = parseStatus(STATUS);
  assertEquals(caller, { uid: 1003, gid: 8, groups: [4, 24, 1000], capabilities: 0x1ffffffffffn });
});

Deno.test("caller: of what has no status, nobody who may nothing", () => {
  const nobody = { uid: 2 ** 32 - 1, gid: 2 ** 32 - 1, groups: [], capabilities: 0n };
  assertEquals(parseStatus(""), nobody);
  assertEquals(parseStatus("Groups:\t\n").groups, []);
});
