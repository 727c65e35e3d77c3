/** What the build scripts share: places, what belongs into the executable, running a tool. */

/** The repository, without a slash at the end. */
export const ROOT = new URL("..", import.meta.url).pathname.replace(/\/$/, "");
export const ZIG_OUT = `${ROOT}/shim/zig-out`;
/** The same libraries with safety checks. */
export const ZIG_OUT_SAFE = `${ROOT}/shim/zig-out-safe`;

/** What the executable must contain besides Deno; absolute paths. */
export interface Embedded {
  /** Scripts that are started, each with all it imports: main.ts first, then the workers. */
  scripts: string[];
  /** Shared libraries of ours. */
  libraries: string[];
}

/** @param prefix where the libraries were built into */
export async function embedded(prefix = ZIG_OUT): Promise<Embedded> {
  const sources = await fileNamesIn(`${ROOT}/src`);
  const libraries = await fileNamesIn(`${prefix}/lib`);
  return {
    scripts: [`${ROOT}/main.ts`, ...sources.filter((path) => path.endsWith("_worker.ts"))],
    libraries: libraries.filter((path) => path.endsWith(".so")),
  };
}

/** Paths of all files below a directory, sorted. */
async function fileNamesIn(directory: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const entry of Deno.readDir(directory)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) paths.push(...await fileNamesIn(path));
    else paths.push(path);
  }
  return paths.sort();
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Return standard output instead of showing it. */
  capture?: boolean;
  timeoutMs?: number;
}

/** Runs a tool; throws when it fails. What it says goes to standard error. */
export async function run(command: string[], options: RunOptions = {}): Promise<string> {
  const { cwd = ROOT, env = {}, capture = false, timeoutMs = 600_000 } = options;
  const child = new Deno.Command(command[0], {
    args: command.slice(1),
    cwd,
    env: { NO_COLOR: "1", ...env },
    signal: AbortSignal.timeout(timeoutMs),
    stdin: "null",
    stdout: "piped",
    stderr: capture ? "piped" : "inherit",
  });
  const result = await child.output();
  const output = new TextDecoder().decode(result.stdout);
  if (!result.success) {
    const said = capture ? new TextDecoder().decode(result.stderr).trim() : output.trim();
    const name = command[0].slice(command[0].lastIndexOf("/") + 1);
    throw new Error(
      `${name} ${command.slice(1, 3).join(" ")} failed (exit code ${result.code}) ${said}`,
    );
  }
  return output;
}
