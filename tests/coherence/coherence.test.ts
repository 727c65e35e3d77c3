/** What one process does through the library another one sees through the kernel, and the other way round, in short. */
import { assert } from "@std/assert";
import { canPreload } from "../shim/support.ts";
import { showingBoth } from "../support/mounts.ts";
import { shownSeed } from "../support/seed.ts";
import { KINDS, takeTurns, USERS, withMount } from "./coherence.ts";

const TURNS = 1500;
const CANARY_TURNS = 400;

for (const user of USERS) {
  const uid = user.uid === undefined ? {} : { uid: user.uid };
  Deno.test({
    name: `coherence: each door shows at once what was done through the other, to ${user.name}`,
    ignore: !canPreload,
    fn: showingBoth(async () => {
      const seed = shownSeed();
      await withMount(uid, async (m) => {
        for (const kind of user.kinds) {
          const { isRight, text } = await takeTurns(m, { kind, count: TURNS, seed, ...uid });
          assert(isRight, text);
        }
      });
    }),
  });
}

Deno.test({
  name: "coherence: canary: what was not done is missed",
  ignore: !canPreload,
  fn: showingBoth(async () => {
    await withMount({}, async (m) => {
      for (const kind of KINDS) {
        for (const seed of [1, 2]) {
          const turns = { kind, count: CANARY_TURNS, seed, canary: true };
          const { isRight, text } = await takeTurns(m, turns);
          assert(!isRight && / finds Stale/.test(text), `${kind}, seed ${seed}: ${text}`);
          Deno.removeSync(`${m.dir}/${kind}-canary`, { recursive: true });
        }
      }
    });
  }),
});
