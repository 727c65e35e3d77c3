/**
 * The differential fuzzer: the same random operations on two file systems, every answer compared. Runs consist of
 * epochs, each in a fresh directory and reproducible by itself from the seed and its number.
 * @module
 */
import { Comparer, type Rules } from "./compare.ts";
import { Generator } from "./generate.ts";
import { WORK_FROM_BASE } from "./layout.ts";
import { type Op, showOp } from "./operation.ts";
import { minimise } from "./minimise.ts";
import type { Side } from "./side.ts";

export interface FuzzOptions {
  oracle: Side;
  target: Side;
  seed: number;
  opCount: number;
  /** Begin with this epoch. */
  epoch?: number;
  rules: Rules;
  /** How long a difference may be reduced. Default 60,000; 0 leaves it as it is. */
  minimiseMs?: number;
  progress?: (opCount: number, epoch: number) => void;
}

/** A difference, with how to see it again. */
export interface Finding {
  epoch: number;
  /** Operations before it in its epoch, itself included; as few as were found to suffice. */
  ops: Op[];
  problem: string;
  report: string;
}

const EPOCH_OPS = 4000;
const CHUNK_OPS = 400;
/** Operations shown of a trace that could not be reduced. */
const SHOWN_MAX = 60;

/** Runs until a difference is found or all operations agreed. */
export async function fuzz(options: FuzzOptions): Promise<Finding | undefined> {
  let done = 0;
  for (let epoch = options.epoch ?? 0; done < options.opCount; epoch++) {
    const result = await runEpoch(options, epoch, Math.min(EPOCH_OPS, options.opCount - done));
    if (typeof result !== "number") return result;
    done += result;
    options.progress?.(done, epoch);
  }
  await options.oracle.end();
  await options.target.end();
}

async function runEpoch(
  options: FuzzOptions,
  epoch: number,
  opCount: number,
): Promise<Finding | number> {
  const { oracle, target } = options;
  await Promise.all([oracle.begin(), target.begin()]);
  const generator = new Generator(options.seed * 1_000_003 + epoch, oracle.agents.length);
  const comparer = new Comparer(options.rules);
  const history: Op[] = [];
  while (history.length < opCount) {
    const ops = generator.chunk(Math.max(CHUNK_OPS, comparer.survey.length * 2));
    const [expected, actual] = await answers(options, ops, history);
    for (const [index, op] of ops.entries()) {
      history.push(op);
      const [a, b] = [expected[index], actual[index]];
      const problem = a && b ? comparer.check(op, a, b) : "no answer";
      if (problem !== undefined) return await report(options, epoch, history, problem);
    }
    for (const door of oracle.agents.keys()) generator.slots[door] = comparer.openSlots(door);
    const prefix = `${WORK_FROM_BASE}/`;
    generator.model.rebuild(
      comparer.survey.filter((entry) => entry.path.startsWith(prefix))
        .map(({ path, mode }) => ({ path: path.slice(prefix.length), mode })),
    );
  }
  return history.length;
}

async function answers({ oracle, target }: FuzzOptions, ops: Op[], history: Op[]) {
  try {
    return await Promise.all([oracle.execute(ops), target.execute(ops)]);
  } catch (error) {
    const last = [...history, ...ops].slice(-SHOWN_MAX).map(showOp).join("\n  ");
    throw new Error(
      `${error instanceof Error ? error.message : error}\nduring or after:\n  ${last}`,
    );
  }
}

async function report(
  options: FuzzOptions,
  epoch: number,
  history: Op[],
  problem: string,
): Promise<Finding> {
  const limitMs = options.minimiseMs ?? 60_000;
  const wanted = kindOf(history.at(-1), problem);
  const reduced = limitMs > 0
    ? await minimise(history, limitMs, async (ops) => {
      const failure = await replay(options, ops);
      return failure && kindOf(ops[failure.length - 1], failure.problem) === wanted
        ? failure
        : undefined;
    })
    : undefined;
  const ops = reduced?.ops ?? history;
  const lines = [
    `seed ${options.seed}, epoch ${epoch}: ${options.target.options.name} differs from ${options.oracle.options.name}`,
    `  ${showOp(history.at(-1) as Op)}: ${problem}`,
    reduced
      ? `reduced from ${history.length} to ${ops.length} operations:`
      : `not seen again when the ${history.length} operations of the epoch are repeated; the last of them:`,
    ...ops.slice(-SHOWN_MAX).map((op) => `  ${showOp(op)}`),
  ];
  if (reduced) lines.push(`  ${reduced.problem}`);
  lines.push(
    `again: deno run -A tests/fuzz/main.ts --seed ${options.seed} --epoch ${epoch} --ops ${EPOCH_OPS}`,
  );
  return { epoch, ops, problem, report: lines.join("\n") };
}

/** A problem without its names and numbers, so that reducing does not slip to another one. */
function kindOf(op: Op | undefined, problem: string): string {
  return `${op?.name} ${problem.replace(/"[^"]*"/g, "").replace(/-?[0-9]+/g, "")}`;
}

/** Repeats operations in fresh directories; gives the first difference and how many operations it took. */
async function replay(
  { oracle, target, rules }: FuzzOptions,
  ops: Op[],
): Promise<{ problem: string; length: number } | undefined> {
  await Promise.all([oracle.begin(), target.begin()]);
  const comparer = new Comparer(rules);
  const [expected, actual] = await Promise.all([oracle.execute(ops), target.execute(ops)]);
  for (const [index, op] of ops.entries()) {
    const [a, b] = [expected[index], actual[index]];
    const problem = a && b ? comparer.check(op, a, b) : "no answer";
    if (problem !== undefined) return { problem, length: index + 1 };
  }
}
