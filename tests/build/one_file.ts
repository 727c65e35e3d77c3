/** Makes and starts one-file executables for the tests of the launcher. */

import { embedded, ZIG_OUT } from "../../shim/build_common.ts";
import { packWithLauncher } from "../../shim/launcher_file.ts";
import { run, type RunOptions, type RunResult } from "../support/command.ts";

/** A directory of its own that goes with the test. */
export interface Scratch extends Disposable {
  readonly path: string;
}

export function scratch(): Scratch {
  const path = Deno.makeTempDirSync({ prefix: "btfuse-test-" });
  Deno.chmodSync(path, 0o755);
  return { path, [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }) };
}

/** The real program made with the launcher, whatever ./btfuse is made with. Returns its path. */
export async function packProgram(directory: string): Promise<string> {
  const executable = `${directory}/btfuse`;
  await packWithLauncher(await embedded(), executable);
  return executable;
}

/**
 * A small executable whose "Deno" is a shell script, so that a first start costs milliseconds.
 * The script gets what Deno would get as its arguments.
 */
export async function packScript(directory: string, deno: string): Promise<string> {
  const executable = `${directory}/btfuse`;
  Deno.writeTextFileSync(`${directory}/deno.sh`, `#!/bin/sh\n${deno}\n`);
  Deno.writeTextFileSync(`${directory}/main.js`, "// stands for the program");
  const result = await run([
    `${ZIG_OUT}/bin/btfuse-pack`,
    executable,
    `${ZIG_OUT}/bin/btfuse-launcher`,
    `btfuse=${directory}/deno.sh`,
    `main.js=${directory}/main.js`,
  ]);
  if (result.code !== 0) throw new Error(result.stderr);
  Deno.removeSync(`${directory}/deno.sh`);
  Deno.removeSync(`${directory}/main.js`);
  return executable;
}

/** Runs a command in an environment that holds `variables` and a plain PATH, nothing else. */
export function runBare(
  command: string[],
  variables: Record<string, string>,
  options: RunOptions = {},
): Promise<RunResult> {
  const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  return run(["/usr/bin/env", "-i", "PATH=/usr/bin:/bin", ...settings, ...command], options);
}

/** Paths of all files below a directory, relative to it, sorted. */
export function filesBelow(directory: string): string[] {
  const found: string[] = [];
  for (const entry of Deno.readDirSync(directory)) {
    if (entry.isDirectory) {
      found.push(
        ...filesBelow(`${directory}/${entry.name}`).map((path) => `${entry.name}/${path}`),
      );
    } else found.push(entry.name);
  }
  return found.sort();
}
