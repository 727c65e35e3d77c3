/**
 * What the command-line tests share: running btfuse, and directories that prove nothing is left on them.
 * @module
 */
import { assertEquals, assertMatch } from "@std/assert";
import {
  btfuseCommand,
  canRun,
  isMounted,
  leftovers,
  run,
  type RunOptions,
  type RunResult,
  waitUntil,
} from "../support/mounts.ts";

/** Mounting as root and becoming other users is possible. `ignore: !isRoot` */
export const isRoot: boolean = canRun && Deno.uid() === 0;

export function btfuse(args: string[], options: RunOptions = {}): Promise<RunResult> {
  return run([...btfuseCommand(), ...args], { timeoutMs: 30_000, ...options });
}

/** As `btfuse`; fails unless it exits with 0. @returns what it printed on stdout */
export async function btfuseOk(args: string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await btfuse(args, options);
  assertEquals({ code, stderr }, { code: 0, stderr: "" }, `btfuse ${args.join(" ")}`);
  return stdout;
}

/** Runs btfuse, which must exit with this code and a message like this on stderr, and print nothing on stdout. */
export async function refuses(
  args: string[],
  expected: { code: 1 | 2; message: RegExp },
  options: RunOptions = {},
): Promise<void> {
  assertRefused(await btfuse(args, options), expected);
}

export function assertRefused(
  result: RunResult,
  expected: { code: 1 | 2; message: RegExp },
): void {
  assertMatch(result.stderr, expected.message);
  // A stack trace would mean a defect, not a refusal.
  assertEquals(/\n {4}at /.test(result.stderr), false, result.stderr);
  assertEquals({ code: result.code, stdout: result.stdout }, { code: expected.code, stdout: "" });
}

/** A directory to mount on, and a mount name that no other test uses. */
export interface MountPoint extends AsyncDisposable {
  readonly dir: string;
  /** The directory that holds `dir`, removed at the end. */
  readonly base: string;
  readonly name: string;
  /** Path of the shared-memory object a mount of that name has. */
  readonly object: string;
  /** Fails when there is a mount, a process or an object. */
  assertNothingLeft(): Promise<void>;
}

/** Disposing takes down what is still there, and fails when that cannot be done. */
export function mountPoint(uid = Deno.uid() ?? 0): MountPoint {
  const base = Deno.makeTempDirSync({ dir: "/tmp", prefix: "btfuse-cli-" });
  const dir = `${base}/mnt`;
  const name = `cli-${base.slice(base.lastIndexOf("-") + 1)}`;
  const object = `/dev/shm/btfuse.${uid}.${name}`;
  Deno.chmodSync(base, 0o755);
  Deno.mkdirSync(dir);
  for (const path of [base, dir]) Deno.chownSync(path, uid, uid);
  const assertNothingLeft = async () => {
    await waitUntil(() => leftovers({ dir, object }).length === 0, 2000);
    assertEquals(leftovers({ dir, object }), []);
  };
  return {
    dir,
    base,
    name,
    object,
    assertNothingLeft,
    async [Symbol.asyncDispose]() {
      if (isMounted(dir) || leftovers({ dir, object }).length > 0) {
        await btfuse(["umount", "--force", isMounted(dir) ? dir : name]);
      }
      await assertNothingLeft();
      Deno.removeSync(base, { recursive: true });
    },
  };
}

/** What the tests read of `btfuse status --json`. */
export interface StatusRow {
  name: string;
  uid: number;
  mountPoint?: string;
  state: string;
  problem?: string;
  statistics?: { ownerPid: number; blockCountMax: number; cache: string; requestCount: number };
}

export async function statusOf(name: string): Promise<StatusRow | undefined> {
  const rows = JSON.parse(await btfuseOk(["status", "--json"])) as StatusRow[];
  return rows.find((row) => row.name === name);
}

/** The daemon that serves a mount, 0 when `btfuse status` knows none. */
export async function daemonPid(name: string): Promise<number> {
  return (await statusOf(name))?.statistics?.ownerPid ?? 0;
}

/** Mounts and returns the daemon's pid. */
export async function mounted(m: MountPoint, args: string[] = []): Promise<number> {
  // The log of a daemon that a test kills stays; so it goes with the test's directory.
  const env = { XDG_STATE_HOME: m.base };
  await btfuseOk(["mount", "--size", "64M", "--name", m.name, ...args, m.dir], { env });
  const pid = await daemonPid(m.name);
  assertEquals(pid > 0, true, "btfuse status does not know the new mount");
  return pid;
}

/** Keeps a file of the mount open. */
export function holdOpen(dir: string): Deno.FsFile {
  return Deno.openSync(`${dir}/held`, { create: true, read: true, write: true });
}

/** A command run in a mount namespace of its own, after `setUp` (shell) has changed what it sees there. */
export function inOwnNamespace(setUp: string, command: string[]): string[] {
  return ["unshare", "-m", "sh", "-ec", `${setUp}\nexec "$@"`, "sh", ...command];
}
