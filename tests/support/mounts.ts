/**
 * Mounts for tests: btfuse, and tmpfs as the oracle, on fresh directories; each unmounts itself and proves that
 * nothing is left (mount, process, shared memory object), also after a failed test.
 *
 * ```ts
 * await using m = await mountBtfuse({ size: "64M" });
 * await runOk(["touch", `${m.dir}/file`]);
 * ```
 * @module
 */
import { describeFailure, run, runOk, signal, waitUntil } from "./command.ts";

export {
  describeFailure,
  run,
  runOk,
  type RunOptions,
  type RunResult,
  waitUntil,
} from "./command.ts";

/** Everything `deno test -A` grants and `deno test --allow-ffi` does not. For `ignore: !canRun`. */
export const canRun: boolean = (["run", "read", "write", "env", "sys"] as const)
  .every((name) => Deno.permissions.querySync({ name }).state === "granted");

/** The root of this repository, with a slash at its end. */
export const repositoryRoot: string = new URL("../../", import.meta.url).pathname;

/**
 * A library of ours as it was built. BTFUSE_TEST_LIBRARIES, a directory, chooses other ones: those with safety checks
 * (`deno run -A shim/build.ts safe`), to be used together with BTFUSE_TEST_COMMAND.
 */
export function builtLibrary(name: string): string {
  const directory = canRun && Deno.env.get("BTFUSE_TEST_LIBRARIES") ||
    `${repositoryRoot}shim/zig-out/lib`;
  return `${directory}/${name}`;
}

/** How long a daemon may take to go after its mount has gone. */
const EXIT_LIMIT_MS = 5_000;

/** A directory of a mounted file system, with room beside it for logs, sockets and copies. */
export interface MountedDirectory extends AsyncDisposable {
  /** The root of the mounted file system. */
  readonly dir: string;
  /** An ordinary directory outside of it, removed with the mount. */
  readonly scratch: string;
}

/** A btfuse mount. */
export interface BtfuseMount extends MountedDirectory {
  readonly name: string;
  /** The daemon's process. */
  readonly pid: number;
  /** The shared memory object, a path under /dev/shm. */
  readonly object: string;
  /** How long `btfuse mount` took to return. */
  readonly mountMs: number;
}

/** Keeps all threads of a process on the first processor, so that the scheduler decides nothing about a measurement. */
export async function keepOnOneProcessor(pid: number): Promise<void> {
  await runOk(["taskset", "--all-tasks", "--cpu-list", "--pid", "0", String(pid)]);
}

/** What to mount btfuse with; everything may be left out. */
export interface BtfuseMountOptions {
  /** As `--size`. Default 256M. */
  size?: string;
  /** As `--inodes`. */
  inodeCountMax?: number;
  cache?: "auto" | "none";
  /** Default: a name no other test uses. */
  name?: string;
  /** For `-o`, such as "allow_other". */
  options?: string[];
  /** Mount as this user (root only). */
  uid?: number;
  env?: Record<string, string>;
  /** The start of the command line of another btfuse, to mount and unmount with. */
  command?: string[];
}

/**
 * The start of a btfuse command line: the built executable when there is one, else the sources. Another one, such
 * as an installed btfuse, is chosen by BTFUSE_TEST_COMMAND (words between blanks).
 */
export function btfuseCommand(): string[] {
  const chosen = Deno.env.get("BTFUSE_TEST_COMMAND");
  if (chosen) return chosen.split(" ");
  const built = `${repositoryRoot}btfuse`;
  return exists(built) ? [built] : [Deno.execPath(), "run", "-A", `${repositoryRoot}main.ts`];
}

/** Mounts btfuse on a fresh directory, or throws with what the command said. */
export async function mountBtfuse(options: BtfuseMountOptions = {}): Promise<BtfuseMount> {
  const { dir, scratch, base } = freshDirectories();
  if (options.uid !== undefined) {
    for (const path of [dir, scratch]) Deno.chownSync(path, options.uid, options.uid);
  }
  const name = options.name ?? `t${Deno.pid}-${crypto.randomUUID().slice(0, 8)}`;
  const object = `/dev/shm/btfuse.${options.uid ?? Deno.uid()}.${name}`;
  const btfuse = options.command ?? btfuseCommand();
  const command = [...btfuse, "mount", "--name", name, "--size", options.size ?? "256M"];
  if (options.inodeCountMax !== undefined) command.push("--inodes", String(options.inodeCountMax));
  if (options.cache !== undefined) command.push("--cache", options.cache);
  if (options.options?.length) command.push("-o", options.options.join(","));
  command.push(dir);
  using _device = options.uid ? openFuseDevice() : undefined;
  const result = await run(command, {
    timeoutMs: 60_000, // the first start of the single file unpacks it
    env: {
      ...(options.uid && { HOME: scratch, XDG_CACHE_HOME: `${scratch}/.cache` }),
      ...options.env,
    },
    ...(options.uid && { uid: options.uid }),
  });
  const pids = processesNaming(dir);
  const problem = result.code !== 0
    ? describeFailure(command, result)
    : result.outputHeld
    ? "'btfuse mount' returned, but its daemon holds the caller's output open"
    : !isMounted(dir)
    ? `'btfuse mount' exited with 0, but ${dir} is not mounted`
    : pids.length !== 1
    ? `one daemon process was expected for ${dir}, found ${pids.length} (${pids.join(", ")})`
    : undefined;
  const pid = pids[0] ?? 0;
  if (problem !== undefined) {
    const left = await cleanUp({ dir, base, object });
    throw new Error([problem, ...left].join("\n"));
  }
  return {
    dir,
    scratch,
    name,
    pid,
    object,
    mountMs: result.elapsedMs,
    async [Symbol.asyncDispose]() {
      const problems = endProcessesIn(dir, pid);
      if (isMounted(dir)) {
        if (!isRunning(pid)) problems.push(`the daemon (pid ${pid}) died while ${dir} was mounted`);
        const unmount = [...btfuse, "umount", dir];
        const ended = await run(unmount, { timeoutMs: 30_000 });
        if (ended.code !== 0) problems.push(describeFailure(unmount, ended));
      }
      problems.push(...await cleanUp({ dir, base, object, pid }));
      if (problems.length > 0) {
        throw new Error(`after the mount on ${dir}:\n${problems.join("\n")}`);
      }
    },
  };
}

/**
 * Mounts a tmpfs on a fresh directory. An ordinary user, who cannot mount one, gets a directory on the
 * tmpfs at /dev/shm instead, without the size limit.
 */
export async function mountTmpfs(
  options: { size?: string; inodeCountMax?: number } = {},
): Promise<MountedDirectory> {
  const asRoot = Deno.uid() === 0;
  const { dir, scratch, base } = freshDirectories(asRoot ? undefined : "/dev/shm");
  if (asRoot) {
    const settings = [`size=${options.size ?? "256M"}`, "mode=755"];
    if (options.inodeCountMax !== undefined) settings.push(`nr_inodes=${options.inodeCountMax}`);
    const command = ["mount", "-t", "tmpfs", "-o", settings.join(","), "tmpfs", dir];
    const result = await run(command, { timeoutMs: 10_000 });
    if (result.code !== 0) {
      Deno.removeSync(base, { recursive: true });
      throw new Error(describeFailure(command, result));
    }
  }
  return {
    dir,
    scratch,
    async [Symbol.asyncDispose]() {
      const problems = endProcessesIn(dir);
      if (asRoot) {
        const result = await run(["umount", dir], { timeoutMs: 10_000 });
        if (result.code !== 0) problems.push(describeFailure(["umount", dir], result));
      } else {
        Deno.removeSync(dir, { recursive: true });
      }
      problems.push(...await cleanUp({ dir, base }));
      if (problems.length > 0) {
        throw new Error(`after the tmpfs on ${dir}:\n${problems.join("\n")}`);
      }
    },
  };
}

/**
 * Wraps a test body so that a failure of the body and one of the clean-up after it are both shown. Deno prints
 * neither of the two that a SuppressedError holds.
 */
export function showingBoth<Arguments extends unknown[]>(
  body: (...args: Arguments) => Promise<void>,
): (...args: Arguments) => Promise<void> {
  return async (...args) => {
    try {
      await body(...args);
    } catch (error) {
      throw error instanceof SuppressedError ? unfold(error) : error;
    }
  };
}

function unfold(error: SuppressedError): Error {
  const [first, second] = [error.suppressed, error.error].map((each) =>
    each instanceof SuppressedError
      ? unfold(each).message
      : each instanceof Error
      ? each.message
      : String(each)
  );
  return new Error(`${first}\n\nand then, while cleaning up:\n${second}`, {
    cause: error.suppressed,
  });
}

/** What may be left of a mount. */
export interface Traces {
  dir: string;
  object?: string;
  pid?: number;
}

/** What is left of a mount, in words; empty when nothing is. */
export function leftovers(traces: Traces): string[] {
  const found: string[] = [];
  if (isMounted(traces.dir)) found.push(`${traces.dir} is still mounted`);
  if (traces.pid !== undefined && isRunning(traces.pid)) {
    found.push(`the daemon (pid ${traces.pid}) is still running`);
  }
  for (const pid of processesNaming(traces.dir)) {
    if (pid !== traces.pid) {
      found.push(`process ${pid} is still running: ${commandLine(pid).join(" ")}`);
    }
  }
  if (traces.object !== undefined && exists(traces.object)) {
    found.push(`${traces.object} still exists`);
  }
  return found;
}

/** Waits for everything to go, then removes by force what has not; returns what was left. */
async function cleanUp(traces: Traces & { base: string }): Promise<string[]> {
  await waitUntil(() => leftovers(traces).length === 0, EXIT_LIMIT_MS);
  const problems = leftovers(traces);
  for (let attempt = 0; isMounted(traces.dir) && attempt < 5; attempt++) {
    // Forcing first aborts the FUSE connection, which frees every process waiting for a dead daemon.
    await run(["umount", "-f", traces.dir], { timeoutMs: 10_000 });
    if (isMounted(traces.dir)) await run(["umount", "-l", traces.dir], { timeoutMs: 10_000 });
  }
  const pids = processesNaming(traces.dir);
  if (problems.length > 0 && traces.pid !== undefined) pids.push(traces.pid);
  for (const pid of pids) signal(pid, "SIGKILL");
  if (traces.object !== undefined && exists(traces.object)) Deno.removeSync(traces.object);
  // Never recursively through something mounted: the mount point itself goes first, and only when empty.
  if (!isMounted(traces.dir)) {
    if (exists(traces.dir)) Deno.removeSync(traces.dir);
    Deno.removeSync(traces.base, { recursive: true });
  }
  return problems;
}

/** Kills processes that a test left in a mounted directory and that would keep it busy; says which. */
function endProcessesIn(dir: string, daemonPid?: number): string[] {
  return processesNaming(dir).filter((pid) => pid !== daemonPid).map((pid) => {
    const text = `process ${pid} was left running in ${dir}: ${commandLine(pid).join(" ")}`;
    signal(pid, "SIGKILL");
    return text;
  });
}

/** A private directory /tmp/btfuse-*, short enough for sockets in it, with a mount point and a scratch directory. */
function freshDirectories(parent = "/tmp"): { base: string; dir: string; scratch: string } {
  // Names of equal length: the size of a link that leads here is one of the things that are compared.
  const base = `${parent}/btfuse-${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
  Deno.mkdirSync(base);
  Deno.chmodSync(base, 0o755);
  const [dir, scratch] = [`${base}/mnt`, `${base}/scratch`];
  for (const path of [dir, scratch]) Deno.mkdirSync(path, { mode: 0o755 });
  return { base, dir, scratch };
}

/** Opens /dev/fuse to every user, as udev does on an installed system; the mode is restored afterwards. */
export function openFuseDevice(): Disposable {
  const mode = (Deno.statSync("/dev/fuse").mode ?? 0) & 0o777;
  if (mode === 0o666) return { [Symbol.dispose]() {} };
  Deno.chmodSync("/dev/fuse", 0o666);
  return { [Symbol.dispose]: () => Deno.chmodSync("/dev/fuse", mode) };
}

/** Whether something is mounted exactly on `dir` (source: /proc/self/mountinfo). */
export function isMounted(dir: string): boolean {
  return Deno.readTextFileSync("/proc/self/mountinfo").split("\n").some((line) =>
    line.split(" ")[4] === dir
  );
}

/** Whether the process exists and is not merely waiting to be reaped by its parent. */
export function isRunning(pid: number): boolean {
  try {
    const state = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /s, "")[0];
    return state !== "Z" && state !== "X";
  } catch {
    return false;
  }
}

/** Running processes, other than this one, that have `dir` or a path in it as an argument or as their working directory. */
export function processesNaming(dir: string): number[] {
  const within = (path: string) =>
    path === dir || path.includes(`${dir}/`) || path.endsWith(`=${dir}`);
  return [...Deno.readDirSync("/proc")].map((entry) => Number(entry.name))
    .filter((pid) => Number.isInteger(pid) && pid !== Deno.pid && isRunning(pid))
    .filter((pid) => within(workingDirectory(pid)) || commandLine(pid).some(within));
}

function commandLine(pid: number): string[] {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`).split("\0").slice(0, -1);
  } catch {
    return []; // gone meanwhile
  }
}

function workingDirectory(pid: number): string {
  try {
    return Deno.readLinkSync(`/proc/${pid}/cwd`);
  } catch {
    return ""; // gone meanwhile
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
