/** Programs under the preloaded library, and what it reports of itself (BTFUSE_REPORT=1). */
import { assert } from "@std/assert";
import {
  type BtfuseMount,
  builtLibrary,
  canRun,
  describeFailure,
  run,
  type RunResult,
} from "../support/mounts.ts";

const library = builtLibrary("libbtfuse_preload.so");

/** Whether programs can be run under the library: it is built, and tests may start programs. */
export const canPreload = canRun && (() => {
  try {
    return Deno.statSync(library).isFile;
  } catch {
    return false;
  }
})();

/** The environment under which a program reaches the mount through the library, and says at its end what went which way. */
export function preloaded(m: BtfuseMount): Record<string, string> {
  return { ...quietlyPreloaded(m), BTFUSE_REPORT: "1" };
}

/** The same without a word. */
export function quietlyPreloaded(m: Pick<BtfuseMount, "dir" | "object">): Record<string, string> {
  return {
    LD_PRELOAD: library,
    BTFUSE_EAGER: "1",
    BTFUSE_MOUNT: m.dir,
    BTFUSE_OBJECT: m.object.replace("/dev/shm", ""),
  };
}

/** What became of the calls of one operation; `reasons` are those for leaving them to the kernel. */
export interface Counts {
  fast: number;
  ring: number;
  kernel: number;
  reasons: Record<string, number>;
}

/** The report on standard error, by operation, of all processes together. */
export function report(stderr: string): Record<string, Counts> {
  const all: Record<string, Counts> = {};
  for (const [, operation, counts] of stderr.matchAll(/^btfuse: \d+ (\w+) (.*)$/gm)) {
    assert(operation !== undefined && counts !== undefined);
    const sum = all[operation] ??= { fast: 0, ring: 0, kernel: 0, reasons: {} };
    for (const [, key, value] of counts.matchAll(/(\w+)=(\d+)/g)) {
      assert(key !== undefined);
      if (key === "fast" || key === "ring" || key === "kernel") sum[key] += Number(value);
      else sum.reasons[key] = (sum.reasons[key] ?? 0) + Number(value);
    }
  }
  return all;
}

export const PYTHON = "/usr/bin/python3";

/** Runs a program of Python, which gets the mount's directory as its first argument, under the library unless told otherwise. */
export async function python(
  m: BtfuseMount,
  program: string,
  o: { args?: string[]; env?: Record<string, string>; codes?: number[] } = {},
): Promise<RunResult> {
  const command = [PYTHON, "-c", program, m.dir, ...o.args ?? []];
  const result = await run(command, { env: o.env ?? quietlyPreloaded(m) });
  assert((o.codes ?? [0]).includes(result.code), describeFailure(command, result));
  return result;
}
