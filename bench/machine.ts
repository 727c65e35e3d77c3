/**
 * What the bench ran on.
 * @module
 */
import { versions } from "./sides.ts";

/** A machine, as far as it explains a time. */
export interface Machine {
  kernel: string;
  cpu: string;
  coreCount: number;
  memoryBytes: number;
  /** Load averages over 1, 5 and 15 minutes; near 0 on a machine that has nothing else to do. */
  loadAverages: number[];
  /** Of the programs that took part; null for one that is not there. */
  versions: Record<string, string | null>;
}

/** Describes this machine. */
export function machine(): Machine {
  const cpu = /^model name\s*: (.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1];
  return {
    kernel: Deno.osRelease(),
    cpu: cpu ?? "unknown",
    coreCount: navigator.hardwareConcurrency,
    memoryBytes: Deno.systemMemoryInfo().total,
    loadAverages: Deno.loadavg(),
    versions: versions(),
  };
}
