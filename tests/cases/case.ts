/**
 * What a case is. A case makes system calls through agents; every call and its outcome is recorded by itself, and
 * the records of two file systems are compared. Cases may also demand what POSIX demands, by `ok`, `fails`, `same`.
 * @module
 */
import type { Agent, Stat } from "../support/agent.ts";

/** What a case works with. Relative paths start from a fresh empty directory of mode 0777. */
export interface Environment {
  /** A process of the superuser. */
  readonly root: Agent;
  /** A process of another user; the same one for the same ids. `groups` are the supplementary ones. */
  as(uid: number, gid?: number, groups?: number[]): Promise<Agent>;
  /** A second process of the superuser. */
  second(): Promise<Agent>;
  /** A process of its own, for a case that ends it. */
  fresh(): Promise<Agent>;
  /** An empty directory of mode 0777 on another file system. */
  readonly outside: string;
  /** Records a value that no call gives by itself. */
  note(label: string, value: unknown): void;
  /** Calls made inside are not recorded: their outcomes may rightly differ between file systems. */
  quietly<T>(action: () => Promise<T>): Promise<T>;
  /**
   * Sets the access and modification times of the paths to 2001, carries out `action`, and records which times
   * of each path it changed. Gives them as text for each path: "atime mtime ctime", "" for none.
   */
  changes(
    paths: string[],
    action: () => Promise<unknown>,
    options?: ChangeOptions,
  ): Promise<string[]>;
}

export interface ChangeOptions {
  /** Access time to start from, instead of 2001. */
  atimeNs?: bigint;
  /** Leave the times as they are. */
  untouched?: boolean;
}

export type CaseFunction = (environment: Environment) => Promise<void>;

/** One case. `name` is unique in the list. */
export interface Case {
  name: string;
  run: CaseFunction;
  /** A file system of its own, of this size, such as "1M". */
  size?: string;
  /** A property of the host's tmpfs without which the oracle cannot answer. */
  needs?: Feature;
}

/** "xattr": user. attributes on tmpfs, since Linux 6.6. */
export type Feature = "xattr";

type Definition = CaseFunction | Omit<Case, "name">;

/** Names the cases of one family. */
export function family(
  name: string,
  definitions: Record<string, Definition>,
  common: Pick<Case, "needs"> = {},
): Case[] {
  return Object.entries(definitions).map(([title, definition]) => ({
    ...common,
    ...(typeof definition === "function" ? { run: definition } : definition),
    name: `${name}: ${title}`,
  }));
}

/** 2001-09-09T01:46:40Z, a time no test runs at, with nanoseconds that must survive. */
export const OLD_NS = 1_000_000_000_123_456_789n;
/** 2040-01-01. */
export const FUTURE_NS = 2_208_988_800_987_654_321n;

/** Which of the three times differ, and whether they became the present. */
export function changedTimes(before: Stat, after: Stat, nowNs: bigint): string {
  const words: string[] = [];
  for (const field of ["atimeNs", "mtimeNs", "ctimeNs"] as const) {
    if (before[field] === after[field]) continue;
    const distance = nowNs - after[field];
    const present = distance > -1_000_000_000n && distance < 10_000_000_000n;
    words.push(field.replace("Ns", present ? "" : " (not to now)"));
  }
  return words.join(" ");
}
