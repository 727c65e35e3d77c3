/**
 * Command lines of the long forms of tests: `--count`, `--seed`, and what each adds.
 * @module
 */
import { randomSeed } from "./seed.ts";
import { parseCommandLine, UsageError } from "../../src/cli/arguments.ts";

/** What was said on a command line. */
export interface LongFormOptions {
  count: number;
  seed: number;
  /** Values of the other options that were given. */
  values: Record<string, string[]>;
}

/** A whole number given as an option. @throws {UsageError} */
export function wholeNumber(name: string, value: string | undefined, fallback: number): number {
  const number = Number(value ?? fallback);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new UsageError(`--${name} takes a whole number`);
}

/** Runs a long form as a program: exit code 0: all was right; 1: something was not, printed; 2: wrong usage. */
export async function longForm(
  o: { usage: string; count: number; values?: string[] },
  run: (options: LongFormOptions) => Promise<void>,
): Promise<void> {
  try {
    const { flags, values, positional } = parseCommandLine(Deno.args, {
      flags: ["help"],
      values: ["count", "seed", ...(o.values ?? [])],
      alias: { h: "help" },
    });
    if (flags.has("help")) return console.log(o.usage);
    if (positional.length > 0) throw new UsageError(`'${positional[0]}' is no option`);
    const count = wholeNumber("count", values.count?.at(-1), o.count);
    const seed = wholeNumber("seed", values.seed?.at(-1), randomSeed());
    console.log(`seed ${seed}, count ${count}`);
    const startedMs = performance.now();
    await run({ count, seed, values });
    console.log(`all right, ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}\n${o.usage}`);
      Deno.exitCode = 2;
    } else {
      console.log(error instanceof Error ? error.message : error);
      Deno.exitCode = 1;
    }
  }
}
