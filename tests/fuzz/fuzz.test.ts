/** The differential fuzzer in short, and proof that it finds what is wrong. */
import { assert, assertEquals } from "@std/assert";
import { canPreload, quietlyPreloaded } from "../shim/support.ts";
import { canRun, mountBtfuse, type MountedDirectory, mountTmpfs } from "../support/mounts.ts";
import { randomSeed } from "../support/seed.ts";
import type { Rules } from "./compare.ts";
import { type Finding, fuzz } from "./fuzz.ts";
import { type Op, showOp } from "./operation.ts";
import { probeTimes } from "./probe.ts";
import { Side } from "./side.ts";

const ignore = !canRun || Deno.uid() !== 0;
const SIZE = "512M";

/** Compares a tmpfs with what `mount` gives. */
async function run<M extends MountedDirectory>(options: {
  mount: () => Promise<M>;
  seed: number;
  opCount: number;
  rules: Omit<Rules, "oracleIsCoarse">;
  spoil?: (op: Op) => Op;
  /** How the target's processes are started, one each; the oracle's are the same without. */
  doors?: (mount: M) => string[][];
}): Promise<Finding | undefined> {
  await using stack = new AsyncDisposableStack();
  const [a, b] = [stack.use(await mountTmpfs({ size: SIZE })), stack.use(await options.mount())];
  const doors = options.doors?.(b) ?? [[]];
  const plainDoors = doors.map(() => []);
  const oracle = stack.use(await Side.start({ name: "tmpfs", dir: a.dir, doors: plainDoors }));
  const target = stack.use(
    await Side.start({
      name: "target",
      dir: b.dir,
      doors,
      ...(options.spoil && { spoil: options.spoil }),
    }),
  );
  return await fuzz({
    oracle,
    target,
    seed: options.seed,
    opCount: options.opCount,
    rules: await probeTimes(oracle.agents[0], a.dir, options.rules),
  });
}

for (const cache of ["auto", "none"] as const) {
  for (const [kind, seed] of [["fixed", 20_240_501], ["random", randomSeed()]] as const) {
    Deno.test({
      name: `fuzz: btfuse --cache=${cache} agrees with tmpfs, ${kind} seed ${seed}`,
      ignore,
      async fn() {
        const finding = await run({
          mount: () => mountBtfuse({ size: SIZE, cache, options: ["allow_other"] }),
          seed,
          opCount: 20_000,
          rules: { accessMayLag: cache === "auto", targetIsCoarse: false, streamsAreExact: true },
        });
        assertEquals(finding?.report, undefined);
      },
    });
  }
}

Deno.test({
  name: "fuzz: two processes in turn on btfuse agree with two on tmpfs",
  ignore,
  async fn() {
    const finding = await run({
      mount: () => mountBtfuse({ size: SIZE, options: ["allow_other"] }),
      seed: 7,
      opCount: 20_000,
      rules: { accessMayLag: true, targetIsCoarse: false, streamsAreExact: true },
      doors: () => [[], []],
    });
    assertEquals(finding?.report, undefined);
  },
});

Deno.test({
  name: "fuzz: the kernel's door and two processes under the library agree with three on tmpfs",
  ignore: ignore || !canPreload,
  async fn() {
    const finding = await run({
      mount: () => mountBtfuse({ size: SIZE, options: ["allow_other"] }),
      seed: randomSeed(),
      opCount: 20_000,
      rules: { accessMayLag: true, targetIsCoarse: false, streamsAreExact: true },
      doors: (m) => {
        const settings = Object.entries(quietlyPreloaded(m)).map((pair) => pair.join("="));
        return [[], ["env", ...settings], ["env", ...settings]];
      },
    });
    assertEquals(finding?.report, undefined);
  },
});

/** Tmpfs as the target: nothing but what was spoilt can be found. */
const TMPFS_RULES = { accessMayLag: true, targetIsCoarse: true, streamsAreExact: false };
const CANARY_SEED = 11;

Deno.test({
  name: "fuzz: tmpfs agrees with tmpfs",
  ignore,
  async fn() {
    const finding = await run({
      mount: () => mountTmpfs({ size: SIZE }),
      seed: CANARY_SEED,
      opCount: 20_000,
      rules: TMPFS_RULES,
    });
    assertEquals(finding?.report, undefined);
  },
});

/**
 * About one in `n` operations of a kind is carried out wrongly on the target; always the same ones, so that what is
 * found can be reduced.
 */
function oneIn(n: number, name: string, change: (op: Op) => Op): (op: Op) => Op {
  return (op) => op.name === name && hash(showOp(op)) % n === 0 ? change(op) : op;
}

function hash(text: string): number {
  let sum = 0;
  for (let index = 0; index < text.length; index++) {
    sum = Math.imul(sum, 31) + text.charCodeAt(index) | 0;
  }
  return sum >>> 0;
}

const canaries: Record<string, (op: Op) => Op> = {
  "a removal that does nothing": oneIn(
    20,
    "unlinkat",
    (op) => ({ ...op, args: [op.args[0] ?? 0, "missing", 0] }),
  ),
  "a write at another offset": oneIn(
    20,
    "pwrite",
    (op) => ({ ...op, args: [...op.args.slice(0, 2), Number(op.args[2]) + 1] }),
  ),
  "a mode with one bit less": oneIn(
    20,
    "fchmodat",
    (op) => ({ ...op, args: [op.args[0] ?? 0, op.args[1] ?? "", Number(op.args[2]) ^ 1, 0] }),
  ),
  "a mask that is not applied": oneIn(
    1,
    "umask",
    (op) => op.args[0] === 0 ? { ...op, args: [0o077] } : op,
  ),
  "a time that is not set": oneIn(
    10,
    "utimensat",
    (op) => ({ ...op, args: op.args.map((arg, index) => index === 4 ? 77 : arg) }),
  ),
  "an attribute with another value": oneIn(
    2,
    "setxattr",
    (op) => op.args[1] === "user.a" ? { ...op, args: op.args.with(2, "other") } : op,
  ),
  "a rename that keeps what it replaces": oneIn(
    10,
    "renameat2",
    (op) => ({ ...op, args: op.args.with(4, 1) }),
  ),
};

for (const [name, spoil] of Object.entries(canaries)) {
  Deno.test({
    name: `fuzz: canary: ${name} is found and reduced`,
    ignore,
    async fn() {
      const finding = await run({
        mount: () => mountTmpfs({ size: SIZE }),
        seed: CANARY_SEED,
        opCount: 20_000,
        rules: TMPFS_RULES,
        spoil,
      });
      if (!finding) throw new Error("the canary lived through the run");
      assert(
        finding.report.includes(`--seed ${CANARY_SEED} --epoch ${finding.epoch}`),
        finding.report,
      );
      assert(finding.ops.length < 60, finding.report);
    },
  });
}
