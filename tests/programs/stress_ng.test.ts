/** stress-ng: every stressor of its class "filesystem", on tmpfs and on btfuse; none may fail that tmpfs survives. */
import { assert } from "@std/assert";
import { canPreload, quietlyPreloaded } from "../shim/support.ts";
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
    await using accelerated = await mountBtfuse({ size: "1G", ...cacheChoice() });
    const oracle = placeIn(tmpfs, "tmpfs", tmpfs.scratch);
    const places = [placeIn(btfuse, "btfuse", btfuse.scratch)];
    if (canPreload) {
      const env = quietlyPreloaded(accelerated);
      places.push(placeIn(accelerated, "btfuse run", accelerated.scratch, env));
    }
    const names = await stressors();
    assert(names.length >= 30, `stress-ng lists only ${names.length} stressors`);
    const problems: string[] = [];
    const passed = new Map(places.map(({ kind }) => [kind, 0]));
    for (const name of names) {
      const [expected, ...all] = await Promise.all(
        [oracle, ...places].map((place) => stress(place, name)),
      );
      all.forEach((actual, index) => {
        const { kind } = places[index];
        if (actual.ending === "passed") passed.set(kind, (passed.get(kind) ?? 0) + 1);
        else if (actual.ending !== expected.ending) {
          problems.push(
            `${name}: ${expected.ending} on tmpfs, ${actual.ending} on ${kind}\n${actual.complaints}`,
          );
        }
      });
    }
    for (const { dir } of [btfuse, accelerated]) await runOk([...btfuseCommand(), "check", dir]);
    assert(
      problems.length === 0,
      `stress-ng ended otherwise than on tmpfs\n${problems.join("\n")}`,
    );
    for (const [kind, count] of passed) {
      assert(count >= 30, `only ${count} stressors passed on ${kind}`);
    }
  }),
});
