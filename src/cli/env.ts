/** `btfuse env` */
import {
  chooseMount,
  MOUNT_VARIABLE,
  OBJECT_VARIABLE,
  othersPreloaded,
  PRELOAD_VARIABLE,
  preloadLibrary,
  settingsFor,
} from "./accelerated.ts";
import { parseCommandLine, UsageError } from "./arguments.ts";

export const help = `usage: btfuse env [--unset] [DIR]

Prints shell commands that give programs started afterwards direct access to a mount, as 'btfuse run' does.

  --unset   commands that take it back

DIR is the mount (default: the one that holds the working directory, else your only one).

Example: btfuse env /mnt/scratch
  eval "$(btfuse env /mnt/scratch)"; make; eval "$(btfuse env --unset)"`;

export function run(args: string[]): number {
  const { flags, positional } = parseCommandLine(args, { flags: ["unset"] });
  if (positional.length > 1) {
    throw new UsageError(`env takes one directory at most, not ${positional.length}`);
  }
  const preloaded = Deno.env.get(PRELOAD_VARIABLE);
  const lines = flags.has("unset")
    ? unsetting(preloaded)
    : Object.entries(settingsFor(chooseMount(positional[0]), preloadLibrary(), preloaded))
      .map(([name, value]) => `export ${name}=${quoted(value)}`);
  console.log(lines.join("\n"));
  return 0;
}

function unsetting(preloaded: string | undefined): string[] {
  const others = othersPreloaded(preloaded);
  return [
    others.length === 0
      ? `unset ${PRELOAD_VARIABLE}`
      : `export ${PRELOAD_VARIABLE}=${quoted(others.join(":"))}`,
    `unset ${MOUNT_VARIABLE} ${OBJECT_VARIABLE}`,
  ];
}

/** As one word for a POSIX shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
