/** The scale tests in their small version; `deno run -A tests/scale/main.ts` runs the full one. */
import { assertMet, type Finding } from "./client.ts";
import { fullFileSystem, idleMount, mountTime, usedUpInodes } from "./limits.ts";
import { manyFiles } from "./many_files.ts";
import { canRun, showingBoth } from "../support/mounts.ts";

/** Without caching each file costs several times as much. */
const FILE_COUNTS = { auto: 50_000, none: 5_000 };

function testScale(name: string, work: (tell: (finding: Finding) => void) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !canRun,
    fn: showingBoth(async () => {
      const findings: Finding[] = [];
      await work((finding) => findings.push(finding));
      assertMet(findings);
    }),
  });
}

for (const cache of ["auto", "none"] as const) {
  testScale(
    `${FILE_COUNTS[cache]} files in one directory, --cache=${cache}`,
    (tell) => manyFiles(FILE_COUNTS[cache], cache, tell),
  );
  testScale(`full file system as on tmpfs, --cache=${cache}`, () => fullFileSystem(cache));
  testScale(`used-up inodes as on tmpfs, --cache=${cache}`, () => usedUpInodes(cache));
}
testScale("mounting takes less than a second", mountTime);
testScale("an idle mount costs next to nothing", (tell) => idleMount(10, tell));
