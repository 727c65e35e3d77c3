/** Programs at the limits of what programs do; `deno run -A tests/shim/limits_main.ts` is the long form. */
import { canPreload } from "./support.ts";
import { showingBoth } from "../support/mounts.ts";
import { CASES, compareAtLimits } from "./limits.ts";

const LIMIT_MS = 60_000;

for (const { name, short } of CASES) {
  Deno.test({
    name: `shim: at the limits: ${name}`,
    ignore: !canPreload,
    fn: showingBoth(async () => {
      console.log(await compareAtLimits(name, short, LIMIT_MS));
    }),
  });
}
