/** stress-ng: every stressor of its class "filesystem", on tmpfs and on btfuse; none may fail that tmpfs survives. */
import { assert } from "@std/assert";
import { cacheChoice, isLong, type Place, placeIn } from "./scenario.ts";
import {
  btfuseCommand,
  canRun,
  mountBtfuse,
  mountTmpfs,
  runOk,
  showingBoth,
} from "../support/mounts.ts";

const SECONDS = isLong() ? 10 : 1;

/**
 * iomix asks fallocate(2) for zeroes in all of its file, 1 GiB by default: no room on this mount, and no such
 * operation on tmpfs.
 */
const OPTIONS: Record<string, string[]> = { iomix: ["--iomix-bytes", "64m"] };

/** How stress-ng says a stressor ended, by exit code (stress-ng(1), "EXIT STATUS"). */
const ENDINGS: Record<number, string> = {
  0: "passed",
  2: "failed",
  3: "not enough resources",
  4: "not implemented here",
  5: "killed by a signal",
  6: "stopped early",
  7: "verification failed",
};

async function stressors(): Promise<string[]> {
  const listed = await runOk(["stress-ng", "--class", "filesystem?"]);
  return (listed.stdout + listed.stderr).replace(/^[^:]*:/, "").trim().split(/\s+/);
}

/** Runs one stressor; returns how it ended and what it complained about. */
async function stress(
  place: Place,
  stressor: string,
): Promise<{ ending: string; complaints: string }> {
  const directory = `${place.dir}/${stressor}`;
  Deno.mkdirSync(directory);
  const result = await place.run(
    [
      "stress-ng",
      `--${stressor}`,
      "1",
      "--timeout",
      `${SECONDS}s`,
      "--verify",
      "--temp-path",
      directory,
      ...OPTIONS[stressor] ?? [],
    ],
    { timeoutMs: (SECONDS + 60) * 1000 },
  );
  await place.ok(["rm", "-rf", directory]);
  const complaints = (result.stdout + result.stderr).split("\n").filter((line) =>
    /fail|error|skip/.test(line)
  );
  const ending = result.timedOut
    ? "did not end"
    : ENDINGS[result.code] ?? `exited with ${result.code}`;
  // Skipping is an exit code of 0 too.
  const skipped = ending === "passed" &&
    /skipped: [1-9]|skipping stressor/.test(complaints.join("\n"));
  return { ending: skipped ? "skipped" : ending, complaints: complaints.join("\n") };
}

Deno.test({
  name: "stress-ng: every stressor of the class filesystem ends as on tmpfs",
  ignore: !canRun,
  fn: showingBoth(async () => {
    await using tmpfs = await mountTmpfs({ size: "1G" });
    await using btfuse = await mountBtfuse({ size: "1G", ...cacheChoice() });
    const names = await stressors();
    assert(names.length >= 30, `stress-ng lists only ${names.length} stressors`);
    const problems: string[] = [];
    const passed: string[] = [];
    for (const name of names) {
      const [expected, actual] = await Promise.all([
        stress(placeIn(tmpfs, "tmpfs", tmpfs.scratch), name),
        stress(placeIn(btfuse, "btfuse", btfuse.scratch), name),
      ]);
      if (actual.ending === "passed") passed.push(name);
      else if (actual.ending !== expected.ending) {
        problems.push(
          `${name}: ${expected.ending} on tmpfs, ${actual.ending} on btfuse\n${actual.complaints}`,
        );
      }
    }
    await runOk([...btfuseCommand(), "check", btfuse.dir]);
    assert(
      problems.length === 0,
      `stress-ng ended otherwise than on tmpfs\n${problems.join("\n")}`,
    );
    assert(passed.length >= 30, `only ${passed.length} stressors passed: ${passed.join(" ")}`);
  }),
});
