/**
 * The measurement: every side is mounted, then for each workload the sides take turns in short samples, in another
 * order each round, so that what disturbs the machine disturbs all of them.
 * @module
 */
import { keepOnOneProcessor } from "../tests/support/mounts.ts";
import { Client } from "./client.ts";
import type { Side } from "./sides.ts";
import { shuffled, summarize, type Summary } from "./statistics.ts";
import type { Workload } from "./workloads.ts";

/** What to measure, and how long. */
export interface Plan {
  sides: readonly Side[];
  workloads: readonly Workload[];
  /** Samples for each workload and side. */
  rounds: number;
  /** How long a sample should take. */
  sampleMs: number;
  /** How many files the large directories have. */
  nameCount: number;
  /** Each operation in a process of its own. */
  fresh?: boolean;
  /** With a program that never rests on each processor. */
  busy?: boolean;
  /** Most operations a sample, whatever else says; for trying the bench itself. */
  countMax?: number;
  /**
   * Two sides whose small operations are measured again, all on one processor. Left alone, the scheduler draws for
   * each sample whether a daemon runs on its client's processor; across processors a request costs more than twice as
   * much, so that of two daemons the luckier one wins.
   */
  oneProcessor?: readonly [string, string];
  /** Told what is measured now. */
  progress?: (text: string) => void;
  /** Ends the measurement early, by an exception. */
  signal?: AbortSignal;
}

/** One cell: a workload on a side. */
export interface Cell extends Summary {
  workload: string;
  side: string;
  /** Client and daemon were kept on one processor; otherwise they ran where the scheduler put them. */
  oneProcessor: boolean;
  /** Operations in each sample. */
  count: number;
  /** Nanoseconds an operation, one number a sample; the summary is of these. */
  samples: number[];
}

/** A mounted side with its client. */
interface Running {
  name: string;
  dir: string;
  /** The daemon's process. */
  pid: number | undefined;
  client: Client;
}

/** Fewer operations than this grow by at most this factor a step: one operation says little about a thousand. */
const GROWTH_MAX = 20;

/** Measures everything in the plan. Unmounts and ends all it has started, also when it fails. */
export async function measure(plan: Plan): Promise<Cell[]> {
  await using stack = new AsyncDisposableStack();
  const running: Running[] = [];
  for (const side of plan.sides) {
    plan.signal?.throwIfAborted();
    plan.progress?.(`mount ${side.name}`);
    const { dir, pid } = stack.use(await side.mount());
    const client = stack.use(new Client(plan.nameCount, side.prefix?.(dir)));
    running.push({ name: side.name, dir, pid, client });
  }
  if (plan.busy) { for (const processor of processors()) stack.use(keepBusy(processor)); }
  const cells: Cell[] = [];
  for (const workload of plan.workloads) {
    cells.push(...await measureWorkload(plan, workload, running));
  }
  const placed = running.filter(({ name }) => plan.oneProcessor?.includes(name));
  const small = plan.workloads.filter((workload) => workload.small);
  if (placed.length < 2 || small.length === 0) return cells;
  for (const { client, pid } of placed) {
    for (const each of [client.pid, pid]) if (each !== undefined) await keepOnOneProcessor(each);
  }
  for (const workload of small) {
    const rows = await measureWorkload(plan, workload, placed);
    cells.push(...rows.map((cell) => ({ ...cell, oneProcessor: true })));
  }
  return cells;
}

/** The numbers of the processors that we may use. */
function processors(): number[] {
  const [, list = "0"] =
    /^Cpus_allowed_list:\s*(\S+)/m.exec(Deno.readTextFileSync("/proc/self/status")) ?? [];
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** A program that never rests, on one processor. */
function keepBusy(processor: number): AsyncDisposable {
  const child = new Deno.Command("taskset", {
    args: ["-c", String(processor), "sh", "-c", "while :; do :; done"],
    stdin: "null",
  }).spawn();
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

async function measureWorkload(
  plan: Plan,
  workload: Workload,
  running: readonly Running[],
): Promise<Cell[]> {
  const rows = [];
  for (const { name, dir, client } of running) {
    plan.signal?.throwIfAborted();
    plan.progress?.(`${workload.label}: prepare ${name}`);
    await client.prepare(workload.name, dir);
    const fresh = plan.fresh && !workload.spawns;
    const sample = (count: number) => client.run(workload.name, dir, count, fresh);
    rows.push({
      name,
      sample,
      count: await calibrate(plan, workload, sample),
      samples: [] as number[],
    });
  }
  for (let round = 0; round < plan.rounds; round++) {
    plan.progress?.(`${workload.label}: round ${round + 1} of ${plan.rounds}`);
    for (const row of shuffled(rows)) {
      plan.signal?.throwIfAborted();
      const { count, nanoseconds } = await row.sample(row.count);
      row.count = count;
      row.samples.push(nanoseconds / count);
    }
  }
  return rows.map(({ name, count, samples }) => ({
    workload: workload.name,
    side: name,
    oneProcessor: false,
    count,
    samples,
    ...summarize(samples),
  }));
}

/** The number of operations that take about as long as a sample should. Warms the side up as it goes. */
async function calibrate(
  plan: Plan,
  workload: Workload,
  sample: (count: number) => Promise<{ count: number; nanoseconds: number }>,
): Promise<number> {
  const countMax = plan.countMax ?? Infinity;
  let count = Math.min(workload.count ?? 1, countMax);
  const targetNanoseconds = plan.sampleMs * 1e6;
  while (true) {
    const done = await sample(count);
    if (workload.count !== undefined || done.nanoseconds >= targetNanoseconds / 2) return count;
    const wanted = Math.ceil(targetNanoseconds / done.nanoseconds * done.count);
    const next = Math.min(wanted, done.count * GROWTH_MAX, countMax);
    if (next <= count) return count;
    count = next;
  }
}
