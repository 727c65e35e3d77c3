/**
 * The permission matrix in full: `deno run -A tests/permissions/main.ts [--step N] [--way TEXT]`. As root. Prints the table; the exit code is 1
 * when an answer differs between the kernel's door and the library.
 * @module
 */
import { parseArgs } from "@std/cli";
import { type BtfuseMount, mountBtfuse } from "../support/mounts.ts";
import { cases, describe, heading, tryCase, USER } from "./matrix.ts";

const USAGE = "usage: deno run -A tests/permissions/main.ts [--step N] [--way TEXT]";
const options = parseArgs(Deno.args, {
  string: ["step", "way"],
  default: { step: "1", way: "" },
  unknown: (argument: string) => {
    console.error(`unknown argument ${argument}\n${USAGE}`);
    Deno.exit(2);
  },
});
const step = Number(options.step);
if (!(Number.isInteger(step) && step > 0)) {
  console.error(`--step ${options.step}: not a number above 0\n${USAGE}`);
  Deno.exit(2);
}

let differences = 0;

async function table(title: string, m: BtfuseMount, uid: number): Promise<void> {
  console.log(`${title}\n${heading}`);
  for (const one of await cases([false, true])) {
    if (!one.way.includes(options.way)) continue;
    const row = await tryCase(m, one, step, uid);
    console.log(describe(row));
    for (const difference of row.differences.slice(0, 10)) console.log(`    ${difference}`);
    differences += row.differences.length;
  }
}

{
  await using m = await mountBtfuse({ options: ["allow_other", "suid", "dev"] });
  await table("A mount of root's; its programs", m, 0);
}
{
  await using m = await mountBtfuse({ uid: USER });
  await table("\nA mount of a user's; that user's programs", m, USER);
}
console.log(differences === 0 ? "no difference" : `${differences} differences`);
Deno.exitCode = differences === 0 ? 0 : 1;
