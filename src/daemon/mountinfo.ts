/** The mount table of this process: /proc/self/mountinfo, see proc_pid_mountinfo(5). */

export interface MountEntry {
  mountId: number;
  parentId: number;
  /** st_dev of its files, as "major:minor". */
  device: string;
  /** Directory of the file system that is mounted, "/" unless it is a bind mount of a part. */
  root: string;
  mountPoint: string;
  options: string[];
  /** Such as "tmpfs" or "fuse.btfuse". */
  type: string;
  source: string;
  superOptions: string[];
}

/** Type of our mounts in the mount table. */
export const BTFUSE_TYPE = "fuse.btfuse";

export function readMounts(): MountEntry[];
/** The mount table of another process; empty when it cannot be read. */
export function readMounts(pid: number): MountEntry[];
export function readMounts(pid?: number): MountEntry[] {
  if (pid === undefined) return parseMounts(Deno.readTextFileSync("/proc/self/mountinfo"));
  try {
    return parseMounts(Deno.readTextFileSync(`/proc/${pid}/mountinfo`));
  } catch {
    return [];
  }
}

export function parseMounts(text: string): MountEntry[] {
  return text.split("\n").filter((line) => line !== "").map(parseLine);
}

// 36 35 98:0 /mnt1 /mnt/parent rw,noatime master:1 - ext3 /dev/root rw,errors=continue
function parseLine(line: string): MountEntry {
  const fields = line.split(" ");
  // Any number of optional fields precedes the "-".
  const dash = fields.indexOf("-", 6);
  return {
    mountId: Number(fields[0]),
    parentId: Number(fields[1]),
    device: fields[2],
    root: decodeOctal(fields[3]),
    mountPoint: decodeOctal(fields[4]),
    options: fields[5].split(","),
    type: fields[dash + 1],
    source: decodeOctal(fields[dash + 2]),
    superOptions: fields[dash + 3].split(","),
  };
}

/** The kernel writes space, tab, newline, backslash and "#" as `\ooo`. */
function decodeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}

/** The mount one sees at this absolute path without symbolic links: of several on one directory, the last. */
export function mountAt(mounts: MountEntry[], path: string): MountEntry | undefined {
  return mounts.findLast((entry) => entry.mountPoint === path);
}

/** Whether both entries, read at different times, are of one mount. The kernel uses numbers of mounts and devices again, names of btfuse's mounts only after their daemon's end. */
export function isSameMount(a: MountEntry, b: MountEntry): boolean {
  return a.mountId === b.mountId && a.device === b.device && a.type === b.type &&
    a.source === b.source;
}

/** The mount that holds this absolute path without symbolic links. */
export function mountHolding(mounts: MountEntry[], path: string): MountEntry | undefined {
  return mounts.filter((entry) => isUnder(path, entry.mountPoint))
    .sort((a, b) => a.mountPoint.length - b.mountPoint.length).at(-1);
}

export function isUnder(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === "/" ? "/" : directory + "/");
}

/** User who mounted it. */
export function mountUid(entry: MountEntry): number {
  const option = entry.superOptions.find((text) => text.startsWith("user_id="));
  return Number(option?.slice("user_id=".length) ?? 0);
}

/** Our mounts, without bind mounts of their parts. */
export function btfuseMounts(mounts: MountEntry[]): MountEntry[] {
  return mounts.filter((entry) => entry.type === BTFUSE_TYPE && entry.root === "/");
}
