/** Hostile programs at length; see USAGE. */
import { longForm } from "../support/long_form.ts";
import { beHostile } from "./hostile.ts";

const USAGE = `usage: deno run -A tests/shim/hostile_main.ts [options]
  --count N   requests and other actions (default 1000000)
  --seed N    repeat a run, as far as several processes can; printed by each (default: random)`;

await longForm({ usage: USAGE, count: 1_000_000 }, async (options) => {
  console.log(await beHostile(options));
});
