/** Command lines: @std/cli's parseArgs, made strict. */
import { parseArgs } from "@std/cli";

/** A command line that cannot be understood: exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

export interface ArgumentRules {
  /** Options without a value. */
  flags?: string[];
  /** Options with a value. */
  values?: string[];
  /** Short names. */
  alias?: Record<string, string>;
}

export interface Arguments {
  flags: Set<string>;
  /** Every value given for the option, in order. */
  values: Record<string, string[]>;
  positional: string[];
}

/** @throws {UsageError} unknown option, or one without its value */
export function parseCommandLine(args: string[], rules: ArgumentRules): Arguments {
  const { flags = [], values = [], alias = {} } = rules;
  const parsed = parseArgs(args.flatMap(splitShortValue), {
    boolean: flags,
    string: [...values, "_"],
    collect: values,
    alias,
    unknown(argument: string, key?: string) {
      if (key === undefined) return true;
      const option = key.length === 1 ? `-${key}` : argument.split("=")[0];
      throw new UsageError(`unknown option ${option}${suggestion(option, [...flags, ...values])}`);
    },
  }) as unknown as Record<string, string[]> & Record<string, boolean>;
  const given: Record<string, string[]> = {};
  for (const option of values) {
    given[option] = parsed[option] ?? [];
    if (given[option].includes("")) {
      throw new UsageError(`option ${option.length === 1 ? "-" : "--"}${option} needs a value`);
    }
  }
  return {
    flags: new Set(flags.filter((flag) => parsed[flag])),
    values: given,
    positional: parsed._,
  };
}

/**
 * Parts a command line that ends in another one, `[OPTIONS] [--] COMMAND…`: the first word that is no option of ours
 * starts it, and nothing behind is looked at.
 * @param valueOptions options of ours that take the next word, such as "--mount"
 */
export function splitCommand(
  args: string[],
  valueOptions: string[],
): { own: string[]; command: string[] } {
  let at = 0;
  while (at < args.length && /^-./.test(args[at])) {
    if (args[at] === "--") return { own: args.slice(0, at), command: args.slice(at + 1) };
    at += valueOptions.includes(args[at]) ? 2 : 1;
  }
  return { own: args.slice(0, at), command: args.slice(at) };
}

/** `-oro` means `-o ro`, as mount(8) has it; parseArgs reads it as three flags. */
function splitShortValue(argument: string): string[] {
  return /^-o./.test(argument) ? ["-o", argument.slice(2)] : [argument];
}

function suggestion(option: string, known: string[]): string {
  const likely = closest(option.replace(/^-+/, ""), known.filter((name) => name.length > 1));
  return likely === undefined ? "" : `, did you mean --${likely}?`;
}

/** @returns the word that differs least, when it differs in at most two letters */
export function closest(word: string, known: string[]): string | undefined {
  const distanceMax = Math.min(2, word.length - 1);
  return known.map((name) => ({ name, distance: editDistance(word, name) }))
    .filter(({ distance }) => distance <= distanceMax)
    .sort((a, b) => a.distance - b.distance)[0]?.name;
}

/** Letters to insert, remove or replace (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
