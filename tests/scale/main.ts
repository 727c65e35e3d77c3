/**
 * The scale tests in full: `deno run -A tests/scale/main.ts [--files 1000000] [--cache auto|none] [--idle SECONDS]`.
 * Prints every finding as it comes; the exit code is 1 when one of them is beyond its limit.
 * @module
 */
import { parseArgs } from "@std/cli";
import { describe, type Finding, isMet } from "./client.ts";
import { fullFileSystem, idleMount, mountTime, usedUpInodes } from "./limits.ts";
import { manyFiles } from "./many_files.ts";
import { showingBoth } from "../support/mounts.ts";

const USAGE =
  "usage: deno run -A tests/scale/main.ts [--files N] [--cache auto|none] [--idle SECONDS]";

function usage(problem: string): never {
  console.error(`${problem}\n${USAGE}`);
  Deno.exit(2);
}

const options = parseArgs(Deno.args, {
  string: ["files", "cache", "idle"],
  default: { files: "1000000", idle: "30" },
  unknown: (argument: string) => usage(`unknown argument ${argument}`),
});
const [fileCount, idleSeconds] = [Number(options.files), Number(options.idle)];
if (!Number.isInteger(fileCount) || fileCount < 1000) {
  usage(`--files ${options.files}: not a number of 1000 or more`);
}
if (!(idleSeconds >= 1)) usage(`--idle ${options.idle}: not a number of seconds`);
const caches = (["auto", "none"] as const).filter((cache) =>
  !options.cache || options.cache === cache
);
if (caches.length === 0) usage(`--cache ${options.cache}: neither auto nor none`);

let missedCount = 0;

async function section(
  title: string,
  work: (tell: (finding: Finding) => void) => Promise<void>,
): Promise<void> {
  console.log(`\n${title}`);
  try {
    await showingBoth(() =>
      work((finding) => {
        if (!isMet(finding)) missedCount++;
        console.log(`  ${describe(finding)}`);
      })
    )();
    console.log("  done");
  } catch (error) {
    missedCount++;
    console.log(`  ✗ ${error instanceof Error ? error.message : error}`);
  }
}

for (const cache of caches) {
  await section(
    `${fileCount} files in one directory, --cache=${cache}`,
    (tell) => manyFiles(fileCount, cache, tell),
  );
  await section(`A full file system, --cache=${cache}`, () => fullFileSystem(cache));
  await section(`Used-up inodes, --cache=${cache}`, () => usedUpInodes(cache));
}
await section("Mounting", mountTime);
await section(`An idle mount, ${idleSeconds} seconds`, (tell) => idleMount(idleSeconds, tell));
console.log(
  missedCount === 0 ? "\nEverything within its limits." : `\n${missedCount} beyond the limits.`,
);
Deno.exit(missedCount === 0 ? 0 : 1);
