/** The list of cases on btfuse, with the host's tmpfs as the oracle. */
import { assertEquals } from "@std/assert";
import { Agent, O, ok } from "../support/agent.ts";
import { canPreload } from "../shim/support.ts";
import { canRun } from "../support/mounts.ts";
import { cases } from "./all.ts";
import type { Feature } from "./case.ts";
import { type Explained, explained, explanation } from "./explained.ts";
import { demandFailed, describe, differences, Runner } from "./runner.ts";
import { btfuseTarget, preloadedTarget, type Target, tmpfsTarget } from "./targets.ts";

const ignore = !canRun || Deno.uid() !== 0;

Deno.test({
  name: "cases: names are unique",
  fn() {
    const names = cases.map((item) => item.name);
    assertEquals(names.filter((name, index) => names.indexOf(name) !== index), []);
  },
});

Deno.test({
  name: "cases: tmpfs agrees with tmpfs",
  ignore,
  fn: (t) => compare(t, () => tmpfsTarget("another tmpfs")),
});

for (const cache of ["auto", "none"] as const) {
  Deno.test({
    name: `cases: btfuse --cache=${cache} agrees with tmpfs`,
    ignore,
    fn: (t) => compare(t, () => btfuseTarget(cache), cache),
  });
}

Deno.test({
  name: "cases: btfuse under the library agrees with tmpfs",
  ignore: ignore || !canPreload,
  // Access times, for one, are more exact than the kernel's door has them: fewer differences occur.
  fn: (t) => compare(t, preloadedTarget, "auto", { allOccur: false }),
});

/** Runs every case on a tmpfs and on the target, one test step for each. */
async function compare(
  t: Deno.TestContext,
  open: () => Promise<Target>,
  cache?: "auto" | "none",
  { allOccur } = { allOccur: true },
): Promise<void> {
  await using oracle = await tmpfsTarget();
  await using target = await open();
  await using oracleRunner = new Runner(oracle);
  await using targetRunner = new Runner(target);
  const present = await features(oracle);
  const seen = new Set<Explained>();
  for (const item of cases) {
    await t.step({
      name: item.name,
      ignore: item.needs !== undefined && !present.has(item.needs),
      async fn() {
        const [expected, actual] = await Promise.all([
          oracleRunner.run(item),
          targetRunner.run(item),
        ]);
        const demand = demandFailed(expected);
        if (demand !== undefined) {
          throw new Error(`${item.name}: the case demands what tmpfs does not do: ${demand}`);
        }
        const sides = [{ name: oracle.name, steps: expected }, {
          name: target.name,
          steps: actual,
        }] as const;
        const found = differences(...sides).filter((difference) => {
          const known = cache && explanation(item.name, cache, difference);
          if (known) seen.add(known);
          return !known;
        });
        if (found.length > 0) throw new Error(describe(item.name, sides[0], target.name, found));
      },
    });
  }
  if (cache === undefined || !allOccur) return;
  await t.step("every explained difference still occurs", () => {
    const expected = explained.filter((entry) => (entry.cache ?? cache) === cache);
    const gone = expected.filter((entry) => !seen.has(entry));
    assertEquals(gone.map((entry) => `${entry.case}: ${entry.what}`), []);
  });
}

/** What the host's tmpfs can do beyond what every Linux of the last years does. */
async function features(oracle: Target): Promise<Set<Feature>> {
  await using agent = await Agent.start({ cwd: oracle.dir });
  const file = ok(await agent.open(".", O.TMPFILE | O.RDWR));
  const present = new Set<Feature>();
  if ((await agent.fsetxattr(file, "user.probe", "x")).error === "") present.add("xattr");
  ok(await agent.reset("/"));
  return present;
}
