/**
 * Makes a failing list of operations shorter (source: Zeller, "Simplifying and isolating failure-inducing input").
 * @module
 */
import type { Op } from "./operation.ts";

export interface Failure {
  problem: string;
  /** How many operations it took to fail. */
  length: number;
}

/** The shortest list found within the time limit; undefined when the list does not fail again. */
export async function minimise(
  all: Op[],
  limitMs: number,
  fails: (ops: Op[]) => Promise<Failure | undefined>,
): Promise<{ ops: Op[]; problem: string } | undefined> {
  const endMs = performance.now() + limitMs;
  const first = await fails(all);
  if (!first) return;
  let ops = all.slice(0, first.length);
  let problem = first.problem;
  for (
    let size = Math.ceil(ops.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    // From the end: what came last matters least for what came before.
    for (let end = ops.length; end > 0 && performance.now() < endMs; end -= size) {
      const candidate = [...ops.slice(0, Math.max(0, end - size)), ...ops.slice(end)];
      if (candidate.length === 0) continue;
      const failure = await fails(candidate);
      if (!failure) continue;
      ops = candidate.slice(0, failure.length);
      problem = failure.problem;
      end = Math.min(end, ops.length + size);
    }
  }
  return { ops, problem };
}
