/** Hostile programs, in short; `deno run -A tests/shim/hostile_main.ts` is the long form. */
import { isRoot } from "./ring_support.ts";
import { shownSeed } from "../support/seed.ts";
import { canRun, showingBoth } from "../support/mounts.ts";
import { beHostile } from "./hostile.ts";

Deno.test({
  name: "ring: hostile programs harm nobody but themselves",
  ignore: !canRun || !isRoot,
  fn: showingBoth(async () => {
    const seed = shownSeed();
    console.log(await beHostile({ count: 10_000, seed }));
  }),
});
