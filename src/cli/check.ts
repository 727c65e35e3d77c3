/** `btfuse check` */
import { FileSystem } from "../core/file_system.ts";
import { selfCommand } from "../../ffi/build_kind.ts";
import { Failure } from "../daemon/failure.ts";
import { currentUid, type ObjectName, objectName } from "../daemon/shared_objects.ts";
import { Region } from "../region/region.ts";
import { parseCommandLine, UsageError } from "./arguments.ts";
import { findTarget } from "./targets.ts";

export const help = `usage: btfuse check [--json] DIR|NAME

Verifies every structure of a file system: counts, trees, hash chains, block maps. Prints each violation.
Exit code 0: clean; 1: violations, or it could not be read. Changes wait while it looks.

  --json   as an object

Example: btfuse check /mnt/scratch`;

export async function run(args: string[]): Promise<number> {
  // --here: in this process, whoever owns the object.
  const { flags, positional } = parseCommandLine(args, { flags: ["json", "here"] });
  if (positional.length !== 1) {
    throw new UsageError(`check takes one directory or name, not ${positional.length}`);
  }
  const { object } = findTarget(positional[0]);
  if (object.uid !== currentUid() && !flags.has("here")) return await runInChild(object, args);
  using region = Region.open(objectName(object), object.uid);
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

/** Another user can cut off an object of his while it is mapped, which ends the process that reads it (SIGBUS): a child. */
async function runInChild(object: ObjectName, args: string[]): Promise<number> {
  const [program, ...start] = selfCommand();
  const child = new Deno.Command(program, { args: [...start, "check", "--here", ...args] });
  const { code, signal } = await child.spawn().status;
  if (signal === null) return code;
  throw new Failure(
    `cannot check '${object.name}' of user ${object.uid}: its object was changed while it was read (${signal})`,
  );
}
