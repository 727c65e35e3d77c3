/**
 * Two processes, one through the preloaded library and one through the kernel, change and check the same files in turns:
 * whatever one has done, the other sees at once.
 * @module
 */
import { assertEquals } from "@std/assert";
import { btfuse } from "../cli/support.ts";
import { quietlyPreloaded } from "../shim/support.ts";
import { type BtfuseMount, canRun, describeFailure, mountBtfuse, run } from "../support/mounts.ts";

const PROGRAM = new URL("turns.py", import.meta.url).pathname;
const PYTHON = "/usr/bin/python3";
const ORDINARY_USER = 65534;

/** What the processes do to each other; turns.py knows the same names. */
export const KINDS = [
  "pwrite",
  "append",
  "grow",
  "truncate",
  "create",
  "unlink",
  "rename",
  "chmod",
  "utimens",
  "stat",
  "link",
  "mkdir",
] as const;
export type Kind = typeof KINDS[number];

export interface Turns {
  kind: Kind;
  /** Turns, every other one by the same process. */
  count: number;
  seed: number;
  /** Some turns do nothing: this must be found. */
  canary?: boolean;
  uid?: number;
}

/** Runs turns in a new directory of the mount. @returns what the program says, and whether all was right */
export async function takeTurns(
  m: BtfuseMount,
  turns: Turns,
): Promise<{ isRight: boolean; text: string }> {
  const { kind, count, seed, uid } = turns;
  const limitSeconds = 30 + count / 200;
  const variables = Object.entries(quietlyPreloaded(m)).map((pair) => pair.join("="));
  const command = [PYTHON, PROGRAM, kind, `${m.dir}/${kind}${turns.canary ? "-canary" : ""}`];
  command.push(String(count), String(seed), String(limitSeconds));
  if (turns.canary) command.push("--canary");
  const result = await run([...command, ...variables], {
    timeoutMs: (limitSeconds + 10) * 1000,
    env: { PYTHONDONTWRITEBYTECODE: "1" },
    ...(uid !== undefined && { uid }),
  });
  const isRight = result.code === 0;
  if (isRight || (result.code === 1 && result.stdout !== "" && result.stderr === "")) {
    return { isRight, text: result.stdout.trimEnd() };
  }
  return { isRight: false, text: describeFailure(command, result) };
}

/**
 * Mounts, calls `fn` for a user, root or an ordinary one, and checks the file system afterwards.
 * @param cache as of `btfuse mount`
 */
export async function withMount(
  o: { uid?: number; cache?: "auto" | "none" },
  fn: (m: BtfuseMount) => Promise<void>,
): Promise<void> {
  await using m = await mountBtfuse({ size: "64M", inodeCountMax: 8000, ...o });
  await fn(m);
  const { stdout, stderr } = await btfuse(["check", m.dir]);
  assertEquals({ stdout, stderr }, { stdout: `${m.name}: clean\n`, stderr: "" });
}

const isRoot = canRun && Deno.uid() === 0;

/** The users that take turns: root, where there is one, is not held to permissions. */
export const USERS: { name: string; uid?: number; kinds: readonly Kind[] }[] = isRoot
  ? [
    { name: "root", kinds: KINDS },
    { name: "an ordinary user", uid: ORDINARY_USER, kinds: ["chmod", "create"] },
  ]
  : [{ name: "an ordinary user", kinds: KINDS }];
