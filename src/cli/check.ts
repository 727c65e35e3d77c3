/** `btfuse check` */
import { FileSystem } from "../core/file_system.ts";
import { objectName } from "../daemon/shared_objects.ts";
import { Region } from "../region/region.ts";
import { parseCommandLine, UsageError } from "./arguments.ts";
import { findTarget } from "./targets.ts";

export const help = `usage: btfuse check [--json] DIR|NAME

Verifies every structure of a file system: counts, trees, hash chains, block maps. Prints each violation.
Exit code 0: clean; 1: violations, or it could not be read. Changes wait while it looks.

  --json   as an object

Example: btfuse check /mnt/scratch`;

export function run(args: string[]): number {
  const { flags, positional } = parseCommandLine(args, { flags: ["json"] });
  if (positional.length !== 1) {
    throw new UsageError(`check takes one directory or name, not ${positional.length}`);
  }
  const { object } = findTarget(positional[0]);
  using region = Region.open(objectName(object));
  const violations = FileSystem.open(region).check();
  const isClean = violations.length === 0;
  if (flags.has("json")) {
    console.log(JSON.stringify({ ...object, isClean, violations }, null, 2));
  } else if (isClean) {
    console.log(`${object.name}: clean`);
  } else {
    console.log(violations.join("\n"));
    console.error(`${object.name}: ${violations.length} violations`);
  }
  return isClean ? 0 : 1;
}
