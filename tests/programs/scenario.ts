/**
 * Real programs on three mounts: the same scenario runs on tmpfs, the oracle, on btfuse, and on btfuse under the
 * preloaded library, and has to come to the same results. A scenario returns its results as named texts; after it, `btfuse check` has to find nothing.
 * @module
 */
import { canPreload, quietlyPreloaded } from "../shim/support.ts";
import {
  btfuseCommand,
  canRun,
  mountBtfuse,
  type MountedDirectory,
  mountTmpfs,
  run,
  runOk,
  type RunOptions,
  type RunResult,
  showingBoth,
} from "../support/mounts.ts";

/** What a scenario found, by name. Texts are compared to the last byte. */
export type Results = Record<string, string>;

/** Where a scenario works. */
export interface Place {
  readonly kind: "tmpfs" | "btfuse" | "btfuse run";
  /** The root of the mount. */
  readonly dir: string;
  /** A directory beside the mount, for this place alone. */
  readonly scratch: string;
  /** What `prepare` made; the same for both places. */
  readonly fixtures: string;
  /** Runs a command in `dir`; its exit code is the scenario's to judge. */
  run(command: string[], options?: RunOptions): Promise<RunResult>;
  /** Runs a command in `dir` that has to succeed; returns what it printed. */
  ok(command: string[], options?: RunOptions): Promise<string>;
  /** Runs a shell script in `dir`, stopping at the first command that fails. */
  sh(script: string, options?: RunOptions): Promise<string>;
}

/** A program and what is done with it. */
export interface Scenario {
  name: string;
  /** The size of both file systems. Default 512M. */
  size?: string;
  /** For `btfuse mount -o`. */
  options?: string[];
  /** Makes what both places start from, in a directory outside of both. */
  prepare?(fixtures: string): Promise<void>;
  perform(place: Place): Promise<Results>;
}

/** Longer versions of the scenarios are chosen by setting BTFUSE_TEST_LONG=1. */
export function isLong(): boolean {
  return canRun && Deno.env.get("BTFUSE_TEST_LONG") === "1";
}

/** Everything that would make two runs of the same program differ. */
const ENVIRONMENT = {
  LC_ALL: "C",
  TZ: "UTC",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
};

/** Registers a Deno test that performs the scenario on both file systems and compares the results. */
export function testProgram(scenario: Scenario): void {
  Deno.test({
    name: scenario.name,
    ignore: !canRun,
    async fn(t) {
      const fixtures = Deno.makeTempDirSync({ prefix: "btfuse-fixtures-" });
      Deno.chmodSync(fixtures, 0o755);
      try {
        await scenario.prepare?.(fixtures);
        const results = new Map<Place["kind"], Results>();
        for (const kind of ["tmpfs", "btfuse", "btfuse run"] as const) {
          await t.step({
            name: kind,
            ignore: kind === "btfuse run" && !canPreload,
            fn: showingBoth(async () => {
              results.set(kind, await performOn(kind, scenario, fixtures));
            }),
          });
        }
        // A side that failed has said so in its own step.
        const expected = results.get("tmpfs");
        results.delete("tmpfs");
        for (const [kind, actual] of results) {
          if (!expected) break;
          await t.step(`${kind}: equal results`, () => {
            assertSame(actual, expected, [kind, "tmpfs"]);
          });
        }
      } finally {
        await runOk(["rm", "-rf", fixtures]);
      }
    },
  });
}

async function performOn(
  kind: Place["kind"],
  scenario: Scenario,
  fixtures: string,
): Promise<Results> {
  const size = scenario.size ?? "512M";
  if (kind === "tmpfs") {
    await using mount = await mountTmpfs({ size });
    return await performIn(mount, kind, scenario, fixtures);
  }
  await using mount = await mountBtfuse({
    size,
    ...cacheChoice(),
    options: scenario.options ?? [],
  });
  const env = kind === "btfuse run" ? quietlyPreloaded(mount) : {};
  const results = await performIn(mount, kind, scenario, fixtures, env);
  await runOk([...btfuseCommand(), "check", mount.dir]);
  return results;
}

async function performIn(
  mount: MountedDirectory,
  kind: Place["kind"],
  scenario: Scenario,
  fixtures: string,
  env?: Record<string, string>,
): Promise<Results> {
  const results = await scenario.perform(placeIn(mount, kind, fixtures, env));
  return Object.fromEntries(
    Object.entries(results).map(([name, text]) => [name, text.replaceAll(mount.dir, "<dir>")]),
  );
}

/** BTFUSE_TEST_CACHE=none performs everything without kernel caching. */
export function cacheChoice(): { cache?: "none" } {
  return Deno.env.get("BTFUSE_TEST_CACHE") === "none" ? { cache: "none" } : {};
}

/** The place that a mounted directory is to a scenario; `env` is set for all its commands. */
export function placeIn(
  mount: MountedDirectory,
  kind: Place["kind"],
  fixtures: string,
  env: Record<string, string> = {},
): Place {
  const { dir, scratch } = mount;
  const complete = (options: RunOptions): RunOptions => ({
    cwd: dir,
    timeoutMs: 120_000,
    ...options,
    env: { ...ENVIRONMENT, ...env, ...options.env },
  });
  const ok = async (command: string[], options: RunOptions = {}) =>
    (await runOk(command, complete(options))).stdout;
  return {
    kind,
    dir,
    scratch,
    fixtures,
    run: (command, options = {}) => run(command, complete(options)),
    ok,
    sh: (script, options = {}) => ok(["sh", "-euc", `umask 022\n${script}`], options),
  };
}

/**
 * Throws when results differ, naming the result and its first differing lines. `whose` says whose results they are.
 */
export function assertSame(
  actual: Results,
  expected: Results,
  whose: [string, string] = ["btfuse", "tmpfs"],
): void {
  const names = new Set([...Object.keys(expected), ...Object.keys(actual)]);
  const differences = [...names].filter((name) => actual[name] !== expected[name]).map((name) =>
    `${name}:\n${
      firstDifferences(actual[name] ?? "(nothing)", expected[name] ?? "(nothing)", whose)
    }`
  );
  if (differences.length > 0) throw new Error(`results differ\n${differences.join("\n")}`);
}

function firstDifferences(actual: string, expected: string, whose: [string, string]): string {
  const [actualLines, expectedLines] = [actual.split("\n"), expected.split("\n")];
  const [actualSet, expectedSet] = [new Set(actualLines), new Set(expectedLines)];
  const only = (name: string, lines: string[]) =>
    lines.slice(0, 12).map((line) => `  only ${name}: ${line}`);
  const lines = [
    ...only(whose[1], expectedLines.filter((line) => !actualSet.has(line))),
    ...only(whose[0], actualLines.filter((line) => !expectedSet.has(line))),
  ];
  return lines.length > 0 ? lines.join("\n") : "  the same lines in another order or number";
}
