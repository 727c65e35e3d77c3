/**
 * In which of its three shapes this program runs, and what follows from it:
 *
 * - `source`: `deno run main.ts` in a checkout,
 * - `launcher`: one file made of a native launcher, the Deno binary and bundled scripts; the
 *   scripts run unpacked, all in one directory, and the launcher names itself in the environment,
 * - `deno compile`: one file made by `deno compile`; sources and libraries are embedded in it.
 */

import config from "../deno.json" with { type: "json" };

/** Version of btfuse, as `btfuse version` prints it. */
export const VERSION: string = config.version;

export type BuildKind = "source" | "launcher" | "deno compile";

/** Set by shim/launcher.zig: absolute path of the one-file executable. */
const EXECUTABLE_VARIABLE = "BTFUSE_EXECUTABLE";

// Bundled scripts are JavaScript, everything else runs as TypeScript. The environment alone would
// not do: a checkout may be used by a program that was started by a btfuse launcher.
const isBundled = import.meta.url.endsWith(".js");

export function buildKind(): BuildKind {
  if (Deno.build.standalone) return "deno compile";
  return isBundled ? "launcher" : "source";
}

/**
 * Program and first arguments that start btfuse again as it was started now.
 *
 * @example `new Deno.Command(self[0], { args: [...self.slice(1), "status"] })`
 */
export function selfCommand(): string[] {
  switch (buildKind()) {
    case "deno compile":
      return [Deno.execPath()];
    case "launcher": {
      const executable = Deno.env.get(EXECUTABLE_VARIABLE);
      if (executable === undefined) {
        throw new Error(`${EXECUTABLE_VARIABLE} is not set: start btfuse by its executable`);
      }
      return [executable];
    }
    case "source":
      return [Deno.execPath(), "run", "-A", new URL("../main.ts", import.meta.url).pathname];
  }
}

/**
 * URL for `new Worker`. `path` is the worker's source file from the repository's root and ends in
 * `_worker.ts`: the build finds workers by that name.
 */
export function workerUrl(path: `src/${string}_worker.ts`): URL {
  if (!isBundled) return new URL(`../${path}`, import.meta.url);
  const name = path.slice(path.lastIndexOf("/") + 1).replace(/\.ts$/, ".js");
  return new URL(`./${name}`, import.meta.url);
}
