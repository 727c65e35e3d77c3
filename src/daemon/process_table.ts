/** Processes as /proc shows them. A pid alone may be reused; pid and start time together name one process for ever. */
import { isUnder, type MountEntry } from "./mountinfo.ts";

export interface ProcessIdentity {
  pid: number;
  /** In clock ticks since boot. */
  startTime: number;
}

interface ProcessStat {
  /** One letter, "Z" for a process that has ended and was not reaped yet. */
  state: string;
  threadCount: number;
  /** In clock ticks since boot. */
  startTime: number;
}

function readStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return undefined;
  }
}

/** See proc_pid_stat(5). */
function parseStat(text: string): ProcessStat {
  // The second field, the program's name, may hold blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0], threadCount: Number(fields[17]), startTime: Number(fields[19]) };
}

/** @returns in clock ticks since boot, 0 when there is no such process */
export function startTimeOf(pid: number): number {
  return readStat(pid)?.startTime ?? 0;
}

export function isRunning({ pid, startTime }: ProcessIdentity): boolean {
  const stat = readStat(pid);
  return stat !== undefined && stat.startTime === startTime && stat.state !== "Z";
}

/**
 * Whether the process that had this pid at some time has ended since. What cannot be read counts as running.
 * @param sinceTicks that time, in clock ticks since boot
 */
export function hasEnded(pid: number, sinceTicks: number): boolean {
  let stat: ProcessStat;
  try {
    stat = parseStat(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch (error) {
    // ESRCH: it went while the file was read.
    return error instanceof Deno.errors.NotFound || (error as { code?: string }).code === "ESRCH";
  }
  // A process whose first thread has ended and others live is shown as a zombie too.
  const isZombie = /[ZX]/.test(stat.state) && stat.threadCount <= 1;
  return isZombie || stat.startTime > sinceTicks;
}

/** Whether the process runs with this user's rights. */
export function belongsTo(pid: number, uid: number): boolean {
  try {
    const [, effective] = /^Uid:\t\d+\t(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`)) ??
      [];
    return Number(effective) === uid;
  } catch {
    return false; // gone meanwhile
  }
}

/** Sends a signal; a process that is gone already is no error. */
export function sendSignal(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Who keeps a mount busy, one line each ("bash (pid 12): working directory /mnt/x"), as far as this user may
 * look; without those `known` already. Only names of links are read, so a file system that does not answer cannot hang the search.
 */
export function usersOf(
  mount: MountEntry,
  mounts: MountEntry[],
  known: ReadonlySet<number> = new Set(),
): string[] {
  const lines = mounts.filter((entry) => entry.parentId === mount.mountId)
    .map((entry) => `a ${entry.type} mount on ${entry.mountPoint}`);
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name) || name === String(Deno.pid) || known.has(Number(name))) continue;
    const use = useBy(name, mount.mountPoint);
    if (use !== undefined) lines.push(`${describeProcess(Number(name))}: ${use}`);
  }
  return lines;
}

/** A process of this user that has this file open, also when its name is gone by now; as far as we may look. */
export function processHolding(path: string, uid: number): ProcessIdentity | undefined {
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    for (const fd of descriptors(name)) {
      const target = linkTarget(`/proc/${name}/fd/${fd}`);
      if (target !== path && target !== `${path} (deleted)`) continue;
      if (!belongsTo(Number(name), uid)) break;
      return { pid: Number(name), startTime: startTimeOf(Number(name)) };
    }
  }
  return undefined;
}

/** Whether the process belongs to this user and has the file open: what an object says of its daemon may be a lie. */
export function holds(pid: number, uid: number, path: string): boolean {
  try {
    if (Deno.statSync(`/proc/${pid}`).uid !== uid) return false;
  } catch {
    return false;
  }
  const targets = descriptors(String(pid)).map((fd) => linkTarget(`/proc/${pid}/fd/${fd}`));
  return targets.some((target) => target === path || target === `${path} (deleted)`);
}

/** Whether the process has mapped a shared-memory object, called "/name"; also where we may not look. */
export function hasMapped(pid: number, name: string): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/maps`).includes(` /dev/shm${name}`);
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

function useBy(pid: string, mountPoint: string): string | undefined {
  const links = [["cwd", "working directory"], ["root", "root directory"], ["exe", "program"]];
  for (const [link, meaning] of links) {
    const target = linkTarget(`/proc/${pid}/${link}`);
    if (target !== undefined && isUnder(target, mountPoint)) return `${meaning} ${target}`;
  }
  for (const fd of descriptors(pid)) {
    const target = linkTarget(`/proc/${pid}/fd/${fd}`);
    if (target !== undefined && isUnder(target, mountPoint)) return `open file ${target}`;
  }
  const mapped = mappedFiles(pid).find((path) => isUnder(path, mountPoint));
  return mapped === undefined ? undefined : `mapped file ${mapped}`;
}

function linkTarget(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}

function descriptors(pid: string): string[] {
  try {
    return [...Deno.readDirSync(`/proc/${pid}/fd`)].map((entry) => entry.name);
  } catch {
    return [];
  }
}

function mappedFiles(pid: string): string[] {
  try {
    const lines = Deno.readTextFileSync(`/proc/${pid}/maps`).split("\n");
    return lines.map((line) => line.slice(line.indexOf("/"))).filter((path) =>
      path.startsWith("/")
    );
  } catch {
    return [];
  }
}

/** Its program and pid. */
export function describeProcess(pid: number): string {
  let name = "?";
  try {
    name = Deno.readTextFileSync(`/proc/${pid}/comm`).trim();
  } catch {
    // Gone meanwhile.
  }
  return `${name} (pid ${pid})`;
}
