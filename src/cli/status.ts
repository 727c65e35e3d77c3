/** `btfuse status` */
import type { Statistics } from "../core/statistics.ts";
import { inspect, objectOfMount } from "../daemon/inspect.ts";
import { btfuseMounts, readMounts } from "../daemon/mountinfo.ts";
import { currentUid, listObjects, type ObjectName, objectName } from "../daemon/shared_objects.ts";
import { BLOCK_BYTES } from "../region/layout.gen.ts";
import { parseCommandLine, UsageError } from "./arguments.ts";
import { formatBytes } from "./units.ts";

export const help = `usage: btfuse status [--json]

Lists btfuse mounts and what daemons that died have left in shared memory.

  --json   as an array of objects; bytes and counts are numbers

Example: btfuse status --json`;

/** What one line of the table, or one object of the JSON array, says. */
interface Row extends ObjectName {
  /** Absent: nothing is mounted, only the shared-memory object is left. */
  mountPoint?: string;
  /** dead: its daemon has ended. unreadable: another user's, or damaged; `problem` says which. */
  state: "mounted" | "dead" | "unreadable";
  problem?: string;
  statistics?: Statistics;
}

export function run(args: string[]): number {
  const { flags, positional } = parseCommandLine(args, { flags: ["json"] });
  if (positional.length > 0) throw new UsageError(`status takes no argument '${positional[0]}'`);
  const rows = collect();
  if (flags.has("json")) console.log(JSON.stringify(rows, null, 2));
  else if (rows.length > 0) console.log(table(rows));
  else console.error("no btfuse mounts");
  return 0;
}

function collect(): Row[] {
  const rows = btfuseMounts(readMounts()).map((mount) =>
    rowOf(objectOfMount(mount), mount.mountPoint)
  );
  const own = currentUid();
  const leftOver = listObjects().filter((object) =>
    (own === 0 || object.uid === own) &&
    !rows.some((row) => objectName(row) === objectName(object))
  );
  return [...rows, ...leftOver.map((object) => rowOf(object))];
}

function rowOf(object: ObjectName, mountPoint?: string): Row {
  const { statistics, daemonRuns, problem } = inspect(object);
  return {
    ...object,
    ...(mountPoint !== undefined && { mountPoint }),
    state: problem !== "" ? "unreadable" : daemonRuns ? "mounted" : "dead",
    ...(problem !== "" && { problem }),
    ...(statistics && { statistics }),
  };
}

function table(rows: Row[]): string {
  const lines = ["NAME,USER,PID,SIZE,USED,MEMORY,FILES,CACHE,STATE,MOUNTED ON".split(",")];
  for (const { name, uid, state, statistics: s, mountPoint = "-" } of rows) {
    const figures = s === undefined ? ["-", "-", "-", "-", "-", "-"] : [
      String(s.ownerPid),
      formatBytes(s.blockCountMax * BLOCK_BYTES),
      formatBytes(s.blockCountUsed * BLOCK_BYTES),
      formatBytes(s.residentBytes),
      String(s.inodeCountUsed),
      s.cache,
    ];
    lines.push([name, String(uid), ...figures, state, mountPoint]);
  }
  const notes = rows.filter((row) => row.state !== "mounted").map(noteOn);
  return [...align(lines), ...notes].join("\n");
}

function noteOn({ name, mountPoint, problem }: Row): string {
  return problem === undefined
    ? `${name}: its daemon died, 'btfuse umount ${mountPoint ?? name}' cleans up`
    : `${name}: ${problem}`;
}

function align(lines: string[][]): string[] {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines.map((line) =>
    line.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd()
  );
}
