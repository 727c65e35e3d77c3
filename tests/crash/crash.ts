/**
 * Programs under the preloaded library are killed in the middle of their work: what they had acknowledged is there, nobody
 * else is held up, and in the end nothing of them is left.
 * @module
 */
import { assertEquals } from "@std/assert";
import { btfuse } from "../cli/support.ts";
import { quietlyPreloaded } from "../shim/support.ts";
import { assertUsedAsBefore, usage } from "../shim/usage.ts";
import { describeFailure, mountBtfuse, run } from "../support/mounts.ts";

const PROGRAM = new URL("crash.py", import.meta.url).pathname;
const PYTHON = "/usr/bin/python3";

/** @returns what was measured. @throws when something is wrong, with what */
export async function killPrograms(
  o: { count: number; seed: number; canary?: boolean },
): Promise<string> {
  await using m = await mountBtfuse({ size: "1G", inodeCountMax: 20_000 });
  const before = usage(m);
  const limitSeconds = 30 + o.count;
  const command = [PYTHON, PROGRAM, m.dir, String(o.count), String(o.seed), String(limitSeconds)];
  if (o.canary) command.push("--canary");
  const variables = Object.entries(quietlyPreloaded(m)).map((pair) => pair.join("="));
  const result = await run([...command, ...variables], {
    timeoutMs: (limitSeconds + 60) * 1000,
    env: { PYTHONDONTWRITEBYTECODE: "1" },
  });
  if (result.code !== 0) throw new Error(describeFailure(command, result));
  await assertUsedAsBefore(m, before);
  const { stdout, stderr } = await btfuse(["check", m.dir]);
  assertEquals({ stdout, stderr }, { stdout: `${m.name}: clean\n`, stderr: "" });
  return result.stdout.trimEnd();
}
