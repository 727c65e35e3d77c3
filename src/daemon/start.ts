/** Starting the daemon in the background, and seeing to it that the mount answers or that nothing is left of it. */
import { reapChild, spawnDaemon } from "../../ffi/process.ts";
import { Failure } from "./failure.ts";
import { endOfLog, removeLog } from "./log.ts";
import { inspect, objectOfMount } from "./inspect.ts";
import { BTFUSE_TYPE, mountAt, type MountEntry, mountUid, readMounts } from "./mountinfo.ts";
import { sendSignal } from "./process_table.ts";
import { currentUid, objectsNamed, removeObject } from "./shared_objects.ts";
import { unmount } from "./unmount.ts";

export interface DaemonStart {
  /** Program and arguments of the daemon; it must not go into the background itself. */
  command: string[];
  logPath: string;
  mountPoint: string;
  name: string;
}

const answerTimeoutMs = 10_000;
const endTimeoutMs = 3000;
const pollMs = 5;

/**
 * Returns once the mount answers.
 * @throws {Failure} it does not, or SIGINT or SIGTERM came; then the daemon and all its traces but the log are gone
 */
export async function startDaemon(start: DaemonStart): Promise<void> {
  let interrupted = false;
  const interrupt = () => void (interrupted = true);
  Deno.addSignalListener("SIGINT", interrupt);
  Deno.addSignalListener("SIGTERM", interrupt);
  const pid = spawnDaemon(start.command, start.logPath);
  if (pid < 0) throw new Failure(`cannot start the daemon: fork failed with errno ${-pid}`);
  let problem = `the mount did not answer within ${answerTimeoutMs / 1000} s`;
  const deadline = performance.now() + answerTimeoutMs;
  while (performance.now() < deadline) {
    if (await answers(start, pid, deadline)) return;
    const code = reapChild(pid);
    if (code !== undefined) {
      removeObjects(start);
      return fail(start, howItEnded(code));
    }
    if (interrupted) {
      problem = "interrupted";
      break;
    }
    await delay(pollMs);
  }
  await endDaemon(start, pid);
  fail(start, problem);
}

function fail(start: DaemonStart, problem: string): never {
  const text = `cannot mount on ${start.mountPoint}: ${problem}`;
  const lines = endOfLog(start.logPath);
  if (lines !== "") {
    throw new Failure(`${text}. Log ${start.logPath}:\n${lines}`.replaceAll("\n", "\n  "));
  }
  removeLog(start.logPath);
  throw new Failure(text);
}

function howItEnded(code: number): string {
  const signal = code - 128;
  return signal > 0 && signal < 65
    ? `the daemon was ended by signal ${signal}`
    : `the daemon ended with exit code ${code}`;
}

/** Whether the mount on the directory is this daemon's, and another one's is not taken for it. */
async function answers(start: DaemonStart, pid: number, deadline: number): Promise<boolean> {
  const mount = ownMount(start);
  if (mount === undefined) return false;
  const { owner, device } = inspect(objectOfMount(mount));
  if (owner?.pid !== pid || device !== mount.device) return false;
  // When the daemon hangs, so does stat: in another thread, and it ends with the daemon.
  const answered = Deno.stat(start.mountPoint).then(() => true, () => false);
  return await Promise.race([answered, delay(deadline - performance.now())]);
}

function ownMount({ mountPoint, name }: DaemonStart): MountEntry | undefined {
  const entry = mountAt(readMounts(), mountPoint);
  return entry?.type === BTFUSE_TYPE && entry.source === name && mountUid(entry) === currentUid()
    ? entry
    : undefined;
}

function isServed(mount: MountEntry): boolean {
  return inspect(objectOfMount(mount)).daemonRuns;
}

/** What a daemon has left that could not remove it any more. There was nothing of this name before without a daemon. */
function removeObjects({ name }: DaemonStart): void {
  for (const object of objectsNamed(currentUid(), name)) {
    if (!inspect(object).daemonRuns) removeObject(object);
  }
}

async function endDaemon(start: DaemonStart, pid: number): Promise<void> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    sendSignal(pid, signal);
    const deadline = performance.now() + endTimeoutMs;
    while (performance.now() < deadline) {
      if (reapChild(pid) !== undefined) {
        const left = ownMount(start);
        if (left !== undefined && !isServed(left)) await unmount(left, "force");
        removeObjects(start);
        return;
      }
      await delay(pollMs);
    }
  }
}

function delay(ms: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), ms));
}
