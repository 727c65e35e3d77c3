/** Many programs are killed; see USAGE. */
import { longForm } from "../support/long_form.ts";
import { killPrograms } from "./crash.ts";

const USAGE = `usage: deno run -A tests/crash/main.ts [options]
  --count N   programs that are killed (default 1000)
  --seed N    repeat a run, as far as its moments can be; printed by each (default: random)`;

await longForm({ usage: USAGE, count: 1000 }, async (options) => {
  console.log(await killPrograms(options));
});
