/**
 * Calls of the Python program that does the file operations of the scale tests, and what the daemon says meanwhile.
 * @module
 */
import { btfuseCommand, type BtfuseMount, runOk } from "../support/mounts.ts";

const CLIENT = new URL("client.py", import.meta.url).pathname;

/** Runs one command of client.py and returns the object it prints. */
export async function client<T>(command: string, ...args: (string | number)[]): Promise<T> {
  const { stdout } = await runOk(["python3", CLIENT, command, ...args.map(String)], {
    timeoutMs: 900_000,
  });
  return JSON.parse(stdout) as T;
}

/** The part of `btfuse status --json` that the scale tests look at. */
export interface Statistics {
  blockCountUsed: number;
  inodeCountUsed: number;
  metadataBytes: number;
  residentBytes: number;
}

/** What `btfuse status --json` says about one mount. */
export async function statistics(mount: BtfuseMount): Promise<Statistics> {
  const { stdout } = await runOk([...btfuseCommand(), "status", "--json"]);
  const mounts = JSON.parse(stdout) as { mountPoint: string; statistics: Statistics }[];
  const found = mounts.find((each) => each.mountPoint === mount.dir);
  if (found === undefined) throw new Error(`'btfuse status' does not list ${mount.dir}: ${stdout}`);
  return found.statistics;
}

/** Memory that the shared memory object really takes. */
export function objectBytes(mount: BtfuseMount): number {
  return (Deno.statSync(mount.object).blocks ?? 0) * 512;
}

/** Resident memory of the daemon beside the region, which counts as shared (source: proc_pid_status(5)). */
export function residentBytes(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const kilobytes = (field: string) =>
    Number(status.match(new RegExp(`^${field}:\\s+(\\d+) kB`, "m"))?.[1] ?? NaN);
  return (kilobytes("RssAnon") + kilobytes("RssFile")) * 1024;
}

/** Processor time of the daemon so far, all threads, in ms (source: proc_pid_stat(5), fields 14 and 15). */
export function cpuMs(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
  const TICK_MS = 10; // sysconf(_SC_CLK_TCK) is 100 on Linux
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** One claim about a measured value. */
export interface Finding {
  what: string;
  value: number;
  unit: string;
  /** The largest value that is allowed; without it the value is only reported. */
  limit?: number;
}

/** A finding in a line of text. */
export function describe(finding: Finding): string {
  const number = (value: number) =>
    value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
  const limit = finding.limit === undefined ? "" : `  (at most ${number(finding.limit)})`;
  const mark = finding.limit === undefined ? " " : isMet(finding) ? "✓" : "✗";
  return `${mark} ${finding.what}: ${number(finding.value)} ${finding.unit}${limit}`;
}

/** Whether a finding is within its limit. */
export function isMet(finding: Finding): boolean {
  return finding.limit === undefined || finding.value <= finding.limit;
}

/** Throws, naming all of them, when findings are beyond their limits. */
export function assertMet(findings: Finding[]): void {
  const missed = findings.filter((finding) => !isMet(finding));
  if (missed.length > 0) throw new Error(`beyond the limits:\n${missed.map(describe).join("\n")}`);
}
