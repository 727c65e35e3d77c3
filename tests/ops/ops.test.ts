/**
 * Random requests through the dispatch of both doors, in plain memory, against the model: results in the order of errno that tmpfs has,
 * attributes, times to the nanosecond, contents, what lives on, and every invariant.
 */
import { Random } from "../core/support.ts";
import { Requests } from "./requests.ts";

const STEPS = 20_000;
const CHECK_STEPS = 400;

/** The same steps again, up to the one that failed. */
function stateBefore(seed: number, step: number): string {
  const requests = new Requests(new Random(seed, false));
  for (let i = 1; i < step; i++) requests.step();
  return requests.trial.model.show();
}

Deno.test("requests at both doors do what the model says", () => {
  const random = new Random();
  const requests = new Requests(random);
  for (let step = 1; step <= STEPS; step++) {
    try {
      requests.step();
      if (step % CHECK_STEPS === 0) requests.check();
    } catch (error) {
      const { message, cause } = error as Error;
      const text = `BTFUSE_SEED=${random.seed}, step ${step}: ${message}\n` +
        `${cause instanceof Error ? cause.message : ""}\n` +
        `the state before:\n${stateBefore(random.seed, step)}`;
      throw new Error(text, { cause: cause ?? error });
    }
  }
});
