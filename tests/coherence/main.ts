/** Many turns of each kind; see USAGE. */
import { UsageError } from "../../src/cli/arguments.ts";
import { longForm } from "../support/long_form.ts";
import { KINDS, takeTurns, USERS, withMount } from "./coherence.ts";

const USAGE = `usage: deno run -A tests/coherence/main.ts [options]
  --count N   turns of each kind (default 100000)
  --seed N    repeat a run; printed by each (default: random)
  --kind K    only this kind, one of ${KINDS.join(", ")}; may be repeated
  --cache C   auto or none (default auto)`;

await longForm({ usage: USAGE, count: 100_000, values: ["kind", "cache"] }, async (options) => {
  const { count, seed, values } = options;
  const unknown = values.kind?.find((kind) => !KINDS.some((known) => known === kind));
  if (unknown !== undefined) throw new UsageError(`'${unknown}' is no kind`);
  const cache = values.cache?.at(-1) ?? "auto";
  if (cache !== "auto" && cache !== "none") throw new UsageError("--cache takes auto or none");
  let wrongCount = 0;
  for (const user of USERS) {
    const kinds = user.kinds.filter((kind) =>
      (values.kind ?? []).length === 0 || values.kind?.includes(kind)
    );
    if (kinds.length === 0) continue;
    const uid = user.uid === undefined ? {} : { uid: user.uid };
    await withMount({ ...uid, cache }, async (m) => {
      for (const kind of kinds) {
        const { isRight, text } = await takeTurns(m, { kind, count, seed, ...uid });
        console.log(`${user.name}: ${text}`);
        if (!isRight) wrongCount++;
      }
    });
  }
  if (wrongCount > 0) throw new Error(`${wrongCount} kinds of turns went wrong`);
});
