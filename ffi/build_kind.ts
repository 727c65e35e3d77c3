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
/** Also by the launcher: the limit of open files as it was before Deno raised it. */
const NOFILE_VARIABLE = "BTFUSE_NOFILE";
/** A descriptor of the working directory when that has been removed, else -1; the launcher has then gone to the root directory. */
const REMOVED_DIRECTORY_VARIABLE = "BTFUSE_REMOVED_DIRECTORY";
/** And what it sets for Deno; the user's own value is kept under the name with the prefix before it. */
const DENO_VARIABLES = ["DENO_DIR", "DENO_NO_UPDATE_CHECK"];
const SAVED_PREFIX = "BTFUSE_SAVED_";

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

/**
 * The environment as it was before the launcher added to it.
 * @param settings `NAME=value`, as this process was given them
 */
export function userEnvironment(settings: Uint8Array[]): Uint8Array[] {
  if (buildKind() !== "launcher") return settings;
  const own = [EXECUTABLE_VARIABLE, NOFILE_VARIABLE, REMOVED_DIRECTORY_VARIABLE, ...DENO_VARIABLES];
  return settings.flatMap((setting) => {
    const name = variableName(setting);
    if (!name.startsWith(SAVED_PREFIX)) return own.includes(name) ? [] : [setting];
    return DENO_VARIABLES.includes(name.slice(SAVED_PREFIX.length))
      ? [setting.subarray(SAVED_PREFIX.length)]
      : [];
  });
}

/** The name in `NAME=value`. */
export function variableName(setting: Uint8Array): string {
  const equals = setting.indexOf("=".charCodeAt(0));
  return new TextDecoder().decode(equals < 0 ? setting : setting.subarray(0, equals));
}

/** The soft limit of open files with which btfuse was started; 0 when that is not known. */
export function userNofileLimit(): number {
  return buildKind() === "launcher" ? Number(Deno.env.get(NOFILE_VARIABLE) ?? 0) : 0;
}

/** A descriptor of the directory in which btfuse was started, if that has been removed. */
export function removedDirectory(): number | undefined {
  const fd = buildKind() === "launcher"
    ? Number(Deno.env.get(REMOVED_DIRECTORY_VARIABLE) ?? -1)
    : -1;
  return fd < 0 ? undefined : fd;
}
