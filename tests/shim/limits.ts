/**
 * A program at the limits (tests/limits.zig), on tmpfs, on the mount, and on the mount under the preloaded library: it
 * must say the same everywhere, and leave nothing behind.
 * @module
 */
import { assertEquals } from "@std/assert";
import { btfuse } from "../cli/support.ts";
import {
  type BtfuseMount,
  describeFailure,
  mountBtfuse,
  mountTmpfs,
  repositoryRoot,
  run,
} from "../support/mounts.ts";
import { quietlyPreloaded } from "./support.ts";
import { assertUsedAsBefore, usage } from "./usage.ts";

const PROGRAM = `${repositoryRoot}shim/zig-out/bin/test_limits`;

/** Each case, how much of it makes a short test, and how much a long one. */
export const CASES = [
  { name: "threads", short: 200, long: 2_000 },
  { name: "files", short: 6_000, long: 10_000 },
  { name: "closing", short: 4, long: 300 },
  { name: "signals", short: 3_000, long: 100_000 },
  { name: "processes", short: 40, long: 2_000 },
] as const;

/** Runs one case everywhere. @throws when the results differ, or something is left. @returns the seconds of each run */
export async function compareAtLimits(
  name: string,
  count: number,
  limitMs: number,
): Promise<string> {
  await using tmpfs = await mountTmpfs({ size: "1G" });
  await using m = await mountBtfuse({ size: "1G", inodeCountMax: 30_000 });
  const before = usage(m);
  const work = async (dir: string, env: Record<string, string> = {}) => {
    Deno.mkdirSync(dir);
    const command = [PROGRAM, name, dir, String(count)];
    const result = await run(command, { env, timeoutMs: limitMs });
    const { code, stdout, stderr, elapsedMs } = result;
    if (result.timedOut || code > 1) throw new Error(describeFailure(command, result));
    return { answer: { code, stdout, stderr }, seconds: (elapsedMs / 1000).toFixed(1) };
  };
  const expected = await work(`${tmpfs.dir}/${name}`);
  assertEquals(expected.answer.code, 0, `on tmpfs: ${expected.answer.stdout}`);
  const kernel = await work(`${m.dir}/kernel`);
  assertEquals(kernel.answer, expected.answer, `${name}, through the kernel`);
  const library = await work(`${m.dir}/library`, quietlyPreloaded(m));
  assertEquals(library.answer, expected.answer, `${name}, through the library`);
  await cleanUp(m);
  await assertUsedAsBefore(m, before);
  return `${name}: tmpfs ${expected.seconds} s, kernel ${kernel.seconds} s, library ${library.seconds} s`;
}

async function cleanUp(m: BtfuseMount): Promise<void> {
  for (const name of ["kernel", "library"]) {
    Deno.removeSync(`${m.dir}/${name}`, { recursive: true });
  }
  const { stdout, stderr } = await btfuse(["check", m.dir]);
  assertEquals({ stdout, stderr }, { stdout: `${m.name}: clean\n`, stderr: "" });
}
