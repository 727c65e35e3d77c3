/** Killed programs, in short. */
import { assert } from "@std/assert";
import { canPreload } from "../shim/support.ts";
import { shownSeed } from "../support/seed.ts";
import { showingBoth } from "../support/mounts.ts";
import { killPrograms } from "./crash.ts";

const ignore = !canPreload || Deno.uid() !== 0;
const COUNT = 40;

Deno.test({
  name: "crash: programs that are killed leave all they had acknowledged, and nothing else",
  ignore,
  fn: showingBoth(async () => {
    const seed = shownSeed();
    console.log(await killPrograms({ count: COUNT, seed }));
  }),
});

Deno.test({
  name: "crash: canary: a byte that differs is found",
  ignore,
  fn: showingBoth(async () => {
    const message = await killPrograms({ count: 8, seed: 1, canary: true })
      .then(() => "", (error: Error) => error.message);
    assert(/program \d+: .* is \d+ bytes .* instead of/.test(message), message);
  }),
});
