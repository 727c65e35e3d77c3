/** `btfuse version` */
import { buildKind, VERSION } from "../../ffi/build_kind.ts";
import { libfuseVersion } from "../../ffi/libfuse.ts";
import { messageOf } from "../daemon/failure.ts";
import { LAYOUT_HASH_HI, LAYOUT_HASH_LO } from "../region/layout.gen.ts";
import { parseCommandLine, UsageError } from "./arguments.ts";

export const help = `usage: btfuse version [--json]

Prints the version of btfuse, how it was built, and what it runs on.

Example: btfuse version`;

export function run(args: string[]): number {
  const { flags, positional } = parseCommandLine(args, { flags: ["json"] });
  if (positional.length > 0) throw new UsageError(`version takes no argument '${positional[0]}'`);
  const versions = {
    btfuse: VERSION,
    build: buildKind(),
    layout: hex(LAYOUT_HASH_HI) + hex(LAYOUT_HASH_LO),
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    libfuse: libfuseOrReason(),
    kernel: Deno.osRelease(),
  };
  if (flags.has("json")) console.log(JSON.stringify(versions, null, 2));
  else {
    console.log(
      Object.entries(versions).map(([what, version]) => `${what.padEnd(8)} ${version}`).join("\n"),
    );
  }
  return 0;
}

function hex(word: number): string {
  return word.toString(16).padStart(8, "0");
}

/** To say which version it is must work where btfuse itself cannot. */
function libfuseOrReason(): string {
  try {
    return libfuseVersion();
  } catch (error) {
    return `missing: ${messageOf(error)}`;
  }
}
