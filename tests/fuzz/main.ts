/**
 * Command line of the differential fuzzer.
 *
 *     deno run -A tests/fuzz/main.ts --ops 1000000 --cache none
 *
 * Exit code 0: everything agreed; 1: a difference, printed; 2: wrong usage.
 */
import { parseCommandLine, UsageError } from "../../src/cli/arguments.ts";
import { mountBtfuse, type MountedDirectory, mountTmpfs } from "../support/mounts.ts";
import { randomSeed } from "../support/seed.ts";
import { fuzz } from "./fuzz.ts";
import { probeTimes } from "./probe.ts";
import { Side } from "./side.ts";

const USAGE = `usage: deno run -A tests/fuzz/main.ts [options]
  --ops N         operations to compare (default 1000000)
  --seed N        repeat a run; printed by each (default: random)
  --epoch N       begin with this part of it
  --cache C       auto or none (default auto)
  --dir DIR       compare a directory of another file system instead of a btfuse mount
  --door COMMAND  a further process on the target, started by this command, in which {} stands for the
                  target's directory, as in "./btfuse run --mount {} --"; may be repeated
  --no-minimise   print a difference as it was found`;

const SIZE = "1G";

async function main(): Promise<number> {
  const { flags, values, positional } = parseCommandLine(Deno.args, {
    flags: ["help", "no-minimise"],
    values: ["ops", "seed", "epoch", "cache", "dir", "door"],
    alias: { h: "help" },
  });
  if (flags.has("help")) {
    console.log(USAGE);
    return 0;
  }
  const number = (name: string, fallback: number) => {
    const value = Number(values[name]?.at(-1) ?? fallback);
    if (Number.isSafeInteger(value) && value >= 0) return value;
    throw new UsageError(`--${name} takes a whole number`);
  };
  const opCount = number("ops", 1_000_000);
  const seed = number("seed", randomSeed());
  const epoch = number("epoch", 0);
  const dir = values.dir?.at(-1);
  const cache = values.cache?.at(-1) ?? "auto";
  if (cache !== "auto" && cache !== "none") throw new UsageError("--cache takes auto or none");
  if (positional.length > 0) throw new UsageError(`'${positional[0]}' is no option`);
  await using stack = new AsyncDisposableStack();
  const oracleMount = stack.use(await mountTmpfs({ size: SIZE }));
  const targetMount: MountedDirectory | undefined = dir === undefined
    ? stack.use(await mountBtfuse({ size: SIZE, cache, options: ["allow_other"] }))
    : undefined;
  const targetDir = targetMount?.dir ?? dir ?? "";
  const doors = [
    [],
    ...(values.door ?? []).map((command) => {
      const [program = "", ...args] = command.replaceAll("{}", targetDir).split(" ");
      // The agents work elsewhere.
      return [program.includes("/") ? Deno.realPathSync(program) : program, ...args];
    }),
  ];
  const oracle = stack.use(
    await Side.start({ name: "tmpfs", dir: oracleMount.dir, doors: doors.map(() => []) }),
  );
  const target = stack.use(
    await Side.start({
      name: dir ?? `btfuse --cache=${cache}`,
      dir: targetDir,
      doors,
    }),
  );
  console.error(`seed ${seed}, ${opCount} operations, ${target.options.name}`);
  const startedMs = performance.now();
  let shownMs = startedMs;
  const finding = await fuzz({
    oracle,
    target,
    seed,
    opCount,
    epoch,
    rules: await probeTimes(oracle.agents[0], oracleMount.dir, {
      accessMayLag: dir !== undefined || cache === "auto",
      targetIsCoarse: dir !== undefined,
      streamsAreExact: dir === undefined,
    }),
    minimiseMs: flags.has("no-minimise") ? 0 : 60_000,
    progress(done, at) {
      if (performance.now() - shownMs < 5_000) return;
      shownMs = performance.now();
      console.error(
        `${done} operations, epoch ${at}, ${
          Math.round(done / (shownMs - startedMs) * 1000)
        } a second`,
      );
    },
  });
  if (finding) {
    console.log(finding.report);
    return 1;
  }
  const seconds = (performance.now() - startedMs) / 1000;
  console.log(`${opCount} operations agreed (seed ${seed}, ${seconds.toFixed(1)} s)`);
  return 0;
}

if (import.meta.main) {
  try {
    Deno.exitCode = await main();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n${USAGE}`);
    Deno.exitCode = 2;
  }
}
