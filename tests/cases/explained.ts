/**
 * Differences between btfuse and tmpfs that are known and right (or cannot be otherwise), each with its reason.
 * An entry covers exactly one outcome of one step; one that no longer occurs fails the test.
 * @module
 */
import type { Difference } from "./runner.ts";

export interface Explained {
  /** Name of the case. */
  case: string;
  /** The step, as a failure message shows it. */
  what: string;
  tmpfs: string;
  btfuse: string;
  /** Only with this cache setting; both when left out. */
  cache?: "auto" | "none";
  reason: string;
}

export const explained: Explained[] = [];

/** The entry that covers a difference. */
export function explanation(
  caseName: string,
  cache: "auto" | "none",
  difference: Difference,
): Explained | undefined {
  return explained.find((entry) =>
    entry.case === caseName && entry.what === difference.what &&
    entry.tmpfs === difference.expected && entry.btfuse === difference.actual &&
    (entry.cache ?? cache) === cache
  );
}
