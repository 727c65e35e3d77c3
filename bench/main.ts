/**
 * `deno task bench`: btfuse against the kernel's tmpfs and another FUSE file system, in one run. See README.md.
 * @module
 */
import { parseArgs } from "@std/cli";
import { clientPath } from "./client.ts";
import { machine } from "./machine.ts";
import { measure, type Plan } from "./measure.ts";
import { report, targets } from "./report.ts";
import { type Side, sides, sidesBefore } from "./sides.ts";
import { workloads } from "./workloads.ts";

const help = `Usage: deno task bench [options]

Times file operations on tmpfs, bindfs and btfuse, in turns, and prints a table.

  --only NAME,…    these workloads: ${names(workloads)}
  --sides NAME,…   these sides: ${names(sides)}
  --rounds N       samples for each workload and side (default 20)
  --before BTFUSE  also another btfuse executable, built before a change, in the same turns
  --busy           with a program that never rests on each processor
  --fresh          each operation in a process of its own
  --smoke          a tiny run, to see that the bench works
  --json           every sample, and the machine, as JSON
  --help           this text

Example: deno task bench --only stat,open-read --sides tmpfs,btfuse
`;

/** What the command line asks for. */
export interface Request {
  plan: Plan;
  json: boolean;
  help: boolean;
}

/** A command line that makes no sense; its message is for the user. */
export class UsageError extends Error {}

/** Reads the command line. Throws a UsageError. */
export function parseRequest(args: string[]): Request {
  const options = parseArgs(args, {
    string: ["only", "sides", "rounds", "before"],
    boolean: ["json", "smoke", "fresh", "busy", "help"],
    alias: { help: "h" },
    unknown: (argument: string) => {
      throw new UsageError(`${argument} is not an option of the bench`);
    },
  });
  const rounds = options.rounds === undefined ? undefined : Number(options.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
    throw new UsageError(`--rounds is a whole number above 0, not '${options.rounds}'`);
  }
  const size = options.smoke
    ? { rounds: rounds ?? 2, sampleMs: 1, nameCount: 200, countMax: 16 }
    : { rounds: rounds ?? 20, sampleMs: 30, nameCount: 10_000 };
  return {
    plan: {
      ...size,
      fresh: options.fresh,
      busy: options.busy,
      workloads: choose("--only", workloads, options.only),
      sides: choose("--sides", sides, options.sides).concat(before(options.before)),
      oneProcessor: ["btfuse-none", "bindfs-uncached"],
    },
    json: options.json,
    help: options.help,
  };
}

/** The columns of the executable that `--before` names, if it does. */
function before(executable: string | undefined): readonly Side[] {
  if (executable === undefined) return [];
  let path: string;
  try {
    path = Deno.realPathSync(executable);
  } catch {
    throw new UsageError(`--before: there is no executable '${executable}'`);
  }
  return sidesBefore(path);
}

function choose<T extends { name: string }>(
  option: string,
  all: readonly T[],
  list: string | undefined,
): readonly T[] {
  if (list === undefined) return all;
  const wanted = list.split(",");
  for (const name of wanted) {
    if (!all.some((item) => item.name === name)) {
      throw new UsageError(`${option}: there is no '${name}'; there are ${names(all)}`);
    }
  }
  return all.filter((item) => wanted.includes(item.name));
}

function names(items: readonly { name: string }[]): string {
  return items.map(({ name }) => name).join(",");
}

/** Runs the bench and returns its exit code. */
export async function main(args: string[]): Promise<number> {
  let request: Request;
  try {
    request = parseRequest(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`bench: ${error.message}\nTry --help.`);
    return 2;
  }
  if (request.help) {
    console.log(help.trimEnd());
    return 0;
  }
  const interrupted = new AbortController();
  const stop = () => interrupted.abort(new Error("interrupted"));
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const name of signals) Deno.addSignalListener(name, stop);
  try {
    console.log(await run(request, interrupted.signal));
    return 0;
  } catch (error) {
    showProgress("");
    console.error(`bench: ${(error as Error).message}`);
    return 1;
  } finally {
    for (const name of signals) Deno.removeSignalListener(name, stop);
  }
}

async function run({ plan, json }: Request, signal: AbortSignal): Promise<string> {
  try {
    Deno.statSync(clientPath);
  } catch {
    throw new Error(`${clientPath} is not there: build it with ./dev build`);
  }
  const before = machine();
  const cells = await measure({ ...plan, signal, progress: showProgress });
  showProgress("");
  if (json) {
    const { rounds, sampleMs, nameCount, fresh, busy } = plan;
    return JSON.stringify(
      {
        machine: before,
        loadAveragesAfter: Deno.loadavg(),
        plan: { rounds, sampleMs, nameCount, fresh, busy },
        sides: plan.sides.map(({ name, label }) => ({ name, label })),
        workloads: plan.workloads.map(({ name, label }) => ({ name, label })),
        cells,
        targets: targets(cells, plan.workloads, plan.busy),
      },
      null,
      1,
    );
  }
  const load = [before.loadAverages[0], Deno.loadavg()[0]].map((value) => value?.toFixed(2)).join(
    " to ",
  );
  const heading = [
    `${before.cpu}, ${before.coreCount} cores, Linux ${before.kernel}, load ${load}`,
    `${plan.rounds} samples of ${plan.sampleMs} ms each, large directories of ${plan.nameCount} files` +
    (plan.fresh ? ", each operation in a process of its own" : "") +
    (plan.busy ? ", each processor busy with another program" : ""),
  ];
  return `${heading.join("\n")}\n\n${report(cells, plan.workloads, plan.sides, plan.busy)}`;
}

/** One line that keeps being written over; only for someone who watches. */
function showProgress(text: string): void {
  if (!Deno.stderr.isTerminal()) return;
  Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
}

if (import.meta.main) Deno.exitCode = await main(Deno.args);
