/**
 * Everything that must pass: `./dev test`. With arguments, as in `./dev test tests/cases --filter=rename`, only
 * the tests they choose.
 *
 * Prints "N passed, N failed" as its last line. A step that is not a test itself (the build, the checks, the run
 * without permissions, nothing left behind) counts as one.
 */

const ROOT = new URL("..", import.meta.url).pathname;
const MINUTE_MS = 60_000;
const PIPE_LIMIT_MS = 5_000;
const GONE_LIMIT_MS = 5_000;

const count = { passed: 0, failed: 0 };
const failures: string[] = [];

/** Runs `deno ...`, shows and returns its standard output; not ok when it failed or took longer than it may. */
async function deno(
  args: string[],
  limitMs: number,
  env: Record<string, string> = {},
): Promise<{ ok: boolean; output: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: ROOT,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const timer = setTimeout(() => {
    console.error(`deno ${args[0]} took longer than ${limitMs / MINUTE_MS} minutes`);
    child.kill();
  }, limitMs);
  let output = "";
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      output += text;
      await Deno.stdout.write(new TextEncoder().encode(text));
    }
  })();
  const { success } = await child.status;
  clearTimeout(timer);
  // A process left behind by a test that was killed may hold the pipe open for ever.
  await Promise.race([reading, new Promise((resolve) => setTimeout(resolve, PIPE_LIMIT_MS))]);
  return { ok: success, output };
}

function record(step: string, passed: boolean): void {
  if (passed) count.passed++;
  else {
    count.failed++;
    failures.push(step);
  }
}

/** Runs `deno test` and adds its own count, in which a test left out is neither passed nor failed. */
async function runTests(
  args: string[],
  limitMs: number,
  env: Record<string, string> = {},
): Promise<void> {
  const { ok, output } = await deno(["test", ...args], limitMs, env);
  const summary = [...output.matchAll(/^(?:ok|FAILED) \| (\d+) passed.*? \| (\d+) failed/gm)].at(
    -1,
  );
  const passed = Number(summary?.[1] ?? 0);
  const failed = Number(summary?.[2] ?? 0);
  count.passed += passed;
  count.failed += failed;
  if (failed > 0) failures.push(`${failed} tests`);
  // No summary, no tests, or killed in the middle.
  else if (!ok || passed === 0) record("deno test", false);
}

/** What a mount leaves when it is not released: mounts, shared memory objects, processes. */
function traces(): Set<string> {
  const found = new Set<string>();
  for (const line of Deno.readTextFileSync("/proc/self/mountinfo").split("\n")) {
    if (line.includes(" - fuse.btfuse ")) found.add(`mount ${line.split(" ")[4]}`);
  }
  for (const { name } of Deno.readDirSync("/dev/shm")) {
    if (name.startsWith("btfuse.")) found.add(`object /dev/shm/${name}`);
  }
  for (const { name } of Deno.readDirSync("/proc")) {
    if (/^\d+$/.test(name) && nameOfProcess(name) === "btfuse") found.add(`process ${name}`);
  }
  return found;
}

/** Those not there before; a daemon may take a moment to go. */
async function tracesLeft(before: Set<string>): Promise<string[]> {
  const deadline = performance.now() + GONE_LIMIT_MS;
  while (true) {
    const left = [...traces().difference(before)];
    if (left.length === 0 || performance.now() > deadline) return left;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function nameOfProcess(pid: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/comm`).trim();
  } catch {
    return "";
  }
}

const start = performance.now();
const before = traces();
record("build", (await deno(["task", "build"], 5 * MINUTE_MS)).ok);
if (Deno.args.length > 0) {
  await runTests(["-A", ...Deno.args], 18 * MINUTE_MS);
} else {
  record("ok", (await deno(["task", "ok"], 3 * MINUTE_MS)).ok);
  record("deno test --allow-ffi", (await deno(["test", "--allow-ffi"], 3 * MINUTE_MS)).ok);
  await runTests(["-A"], 16 * MINUTE_MS);
  // Once more with safety checks in everything that is written in Zig.
  record("build safe", (await deno(["run", "-A", "shim/build.ts", "safe"], 5 * MINUTE_MS)).ok);
  await runTests(["-A", "tests/shim", "tests/crash"], 8 * MINUTE_MS, {
    BTFUSE_TEST_COMMAND: `${ROOT}btfuse-safe`,
    BTFUSE_TEST_LIBRARIES: `${ROOT}shim/zig-out-safe/lib`,
  });
}
const left = await tracesLeft(before);
for (const trace of left) console.error(`left behind: ${trace}`);
record("nothing left behind", left.length === 0);

const minutes = ((performance.now() - start) / MINUTE_MS).toFixed(1);
console.error(`${minutes} minutes${failures.length > 0 ? `; failed: ${failures.join(", ")}` : ""}`);
console.log(`${count.passed} passed, ${count.failed} failed`);
Deno.exit(count.failed > 0 ? 1 : 0);
