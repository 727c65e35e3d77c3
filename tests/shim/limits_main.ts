/** Programs at the limits, at length; see USAGE. */
import { UsageError } from "../../src/cli/arguments.ts";
import { longForm } from "../support/long_form.ts";
import { CASES, compareAtLimits } from "./limits.ts";

const NAMES = CASES.map(({ name }) => name);
const LIMIT_MS = 900_000;
const USAGE = `usage: deno run -A tests/shim/limits_main.ts [options]
  --count N   how much of each case (default: ${
  CASES.map(({ name, long }) => `${name} ${long}`).join(", ")
})
  --case C    only this one; may be repeated`;

await longForm({ usage: USAGE, count: 0, values: ["case"] }, async ({ count, values }) => {
  const unknown = values.case?.find((each) => !NAMES.some((name) => name === each));
  if (unknown !== undefined) throw new UsageError(`'${unknown}' is no case`);
  const wrong: string[] = [];
  for (const { name, long } of CASES) {
    if ((values.case ?? []).length > 0 && !values.case?.includes(name)) continue;
    try {
      console.log(await compareAtLimits(name, count || long, LIMIT_MS));
    } catch (error) {
      wrong.push(`${name}: ${error instanceof Error ? error.message : error}`);
      console.log(wrong.at(-1));
    }
  }
  if (wrong.length > 0) throw new Error(`${wrong.length} cases went wrong`);
});
