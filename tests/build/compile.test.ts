import { assertEquals, assertNotEquals } from "@std/assert";
import { type Embedded, embedded, ROOT } from "../../shim/build_common.ts";
import { compileArguments } from "../../shim/compile.ts";
import { canRun } from "../support/mounts.ts";
import { run } from "../support/command.ts";
import { scratch } from "./one_file.ts";

/** Files the program needs at run time, found by following what its sources say. */
interface Needed {
  /** Paths of modules: everything imported from main.ts and from the workers it starts. */
  modules: Set<string>;
  /** Paths of libraries it opens. */
  libraries: Set<string>;
}

async function moduleGraph(entry: string): Promise<string[]> {
  const result = await run([Deno.execPath(), "info", "--json", entry], { cwd: ROOT });
  const { modules } = JSON.parse(result.stdout) as { modules: { local?: string }[] };
  return modules.flatMap(({ local }) => local ?? []);
}

/** Starts at main.ts and goes on with each worker and library that is named on the way. */
async function needed(): Promise<Needed> {
  const found: Needed = { modules: new Set(), libraries: new Set() };
  const entries = [`${ROOT}/main.ts`];
  for (const entry of entries) {
    for (const path of await moduleGraph(entry)) {
      if (found.modules.has(path)) continue;
      found.modules.add(path);
      if (!path.endsWith(".ts")) continue;
      const source = Deno.readTextFileSync(path);
      for (const [, worker] of source.matchAll(/\bworkerUrl\(\s*"([^"]+)"/g)) {
        entries.push(`${ROOT}/${worker}`);
      }
      for (const [, library] of source.matchAll(/\bfindLibrary\(\s*"([^"]+)"/g)) {
        found.libraries.add(`${ROOT}/shim/zig-out/lib/${library}`);
      }
      // Anything else could not be followed here, nor be found in the executable.
      assertEquals(source.match(/new Worker\((?!\s*workerUrl\()/g), null, path);
      assertEquals(source.match(/\bimport\((?!\s*")/g), null, path);
    }
  }
  return found;
}

/**
 * Compiles with Deno itself in place of its base binary, which gives an executable that cannot run but holds
 * everything it would hold. Returns those of the needed files whose content is not in it.
 */
async function missingFrom(contents: Embedded): Promise<string[]> {
  using directory = scratch();
  const output = `${directory.path}/btfuse`;
  const compile = await run([Deno.execPath(), ...compileArguments(contents, output)], {
    cwd: ROOT,
    env: { DENORT_BIN: Deno.execPath() },
  });
  assertEquals(compile.code, 0, compile.stderr);
  const base = Deno.statSync(Deno.execPath()).size;
  const added = new TextDecoder("latin1").decode(Deno.readFileSync(output).subarray(base - 4096));
  const { modules, libraries } = await needed();
  return [...modules, ...libraries].filter((path) => {
    const content = new TextDecoder("latin1").decode(Deno.readFileSync(path));
    return !added.includes(content);
  });
}

Deno.test({
  name: "deno compile: every module, worker and library that the program needs is embedded",
  ignore: !canRun,
  async fn() {
    const { modules, libraries } = await needed();
    for (const path of ["main.ts", "src/daemon/kernel_worker.ts", "src/core/file_system.ts"]) {
      assertEquals(modules.has(`${ROOT}/${path}`), true, path);
    }
    assertNotEquals(libraries.size, 0);
    assertEquals(await missingFrom(await embedded()), []);
  },
});

Deno.test({
  name: "deno compile: what is left out of the executable is noticed",
  ignore: !canRun,
  async fn() {
    const { scripts, libraries } = await embedded();
    assertEquals(await missingFrom({ scripts, libraries: [] }), libraries);
    const withoutWorkers = await missingFrom({ scripts: scripts.slice(0, 1), libraries });
    for (const worker of scripts.slice(1)) assertEquals(withoutWorkers.includes(worker), true);
  },
});
