/**
 * How much memory the control groups of this process leave it (cgroups(7), both versions). Shared memory is charged to whoever takes it,
 * which is the daemon; when a group is at its limit, the kernel ends one of its processes. So the daemon stops taking memory
 * before that, and whoever wanted it is answered ENOSPC.
 *
 * Looking costs some 100 µs. It is done once for many blocks: each look allows a budget, a part of what there was room for.
 */
import { isUnder, type MountEntry, readMounts } from "./mountinfo.ts";

/** A directory of a control group, and the names of its files. */
interface Group {
  directory: string;
  files: GroupFiles;
}

interface GroupFiles {
  limits: string[];
  usage: string;
  /** In memory.stat: pages of files, which the kernel can do without. Those of shared memory are not among them. */
  inactive: string;
  active: string;
}

const versions: Record<string, GroupFiles> = {
  cgroup: {
    limits: ["memory.limit_in_bytes"],
    usage: "memory.usage_in_bytes",
    inactive: "total_inactive_file",
    active: "total_active_file",
  },
  cgroup2: {
    limits: ["memory.max", "memory.high"],
    usage: "memory.current",
    inactive: "inactive_file",
    active: "active_file",
  },
};

/** Left to the daemon itself, the programs in its group, and what the kernel notes for them. */
const RESERVE_SHARE = 1 / 16;
const RESERVE_BYTES_MIN = 8 << 20;
const RESERVE_BYTES_MAX = 64 << 20;
/** What may be taken between two looks: a part of the room, because others take memory, too. */
const BUDGET_SHARE = 1 / 4;
const BUDGET_BYTES_MAX = 64 << 20;
const LOOK_MS = 100;
/** After a refusal: how long nobody looks again, whatever is asked. */
const REFUSAL_MS = 10;
/** How often the groups are looked for anew: a process can be moved to others. */
const GROUPS_MS = 2000;

export class MemoryRoom {
  #groups: Group[] = [];
  #nextGroups = 0;
  #budget = 0;
  #nextLook = 0;
  #refusedUntil = 0;

  /** @param root where /proc and the mount points lie, for tests */
  constructor(private readonly root = "") {}

  /** Whether so much more memory may be taken. Counts it as taken. */
  mayTake(bytes: number): boolean {
    const now = performance.now();
    const wants = now >= this.#nextLook || bytes > this.#budget;
    if (wants && now >= this.#refusedUntil) this.#look(now);
    if (bytes > this.#budget) {
      if (now >= this.#refusedUntil) this.#refusedUntil = now + REFUSAL_MS;
      return false;
    }
    this.#budget -= bytes;
    return true;
  }

  #look(now: number): void {
    if (now >= this.#nextGroups) {
      this.#groups = findGroups(this.root);
      this.#nextGroups = now + GROUPS_MS;
    }
    const room = Math.min(...this.#groups.map(roomOf));
    this.#nextLook = now + (room === Infinity ? GROUPS_MS : LOOK_MS);
    // Near the end, budgets are not made ever smaller: what is there is there.
    const isPlenty = room > 4 * RESERVE_BYTES_MIN;
    this.#budget = Math.min(isPlenty ? room * BUDGET_SHARE : room, BUDGET_BYTES_MAX);
    if (room === Infinity) this.#budget = Infinity;
  }
}

/** The lowest limit of this process's control groups in bytes; Infinity where there is none. */
export function memoryLimit(root = ""): number {
  return Math.min(...findGroups(root).map(limitOf));
}

function roomOf(group: Group): number {
  const limit = limitOf(group);
  if (limit === Infinity) return Infinity;
  const { directory, files } = group;
  const statistics = read(`${directory}/memory.stat`);
  const usage = Number(read(`${directory}/${files.usage}`));
  const reclaimable = valueOf(statistics, files.inactive) + valueOf(statistics, files.active) / 2;
  const reserve = Math.min(
    RESERVE_BYTES_MAX,
    Math.max(RESERVE_BYTES_MIN, limit * RESERVE_SHARE),
  );
  return Math.max(0, limit - Math.max(0, usage - reclaimable) - reserve);
}

function limitOf({ directory, files }: Group): number {
  return Math.min(...files.limits.map((name) => {
    const text = read(`${directory}/${name}`).trim();
    // Without a limit: "max", or in version 1 a number near 2^63.
    return text === "" || text === "max" || Number(text) >= 2 ** 60 ? Infinity : Number(text);
  }));
}

function valueOf(statistics: string, key: string): number {
  const line = statistics.split("\n").find((each) => each.startsWith(`${key} `));
  return line === undefined ? 0 : Number(line.slice(key.length + 1));
}

/** The groups that limit this process, from its own one up, as far as they can be seen here. */
function findGroups(root: string): Group[] {
  // A line: number:controllers:path; of version 2 without controllers.
  const lines = read(`${root}/proc/self/cgroup`).split("\n").map((line) => line.split(":"));
  const mounts = root === "" ? readMounts() : undefined;
  return lines.flatMap(([, controllers, ...path]) => {
    const type = controllers === "" ? "cgroup2" : "cgroup";
    if (path.length === 0 || (type === "cgroup" && !controllers.split(",").includes("memory"))) {
      return [];
    }
    const mount = mounts === undefined
      ? { mountPoint: `${root}/${type}`, root: "/" }
      : hierarchyMount(mounts, type);
    return mount === undefined
      ? []
      : upFrom(mount, path.join(":")).map((directory) => ({ directory, files: versions[type] }));
  });
}

function hierarchyMount(mounts: MountEntry[], type: string): MountEntry | undefined {
  return mounts.find((entry) =>
    entry.type === type && (type === "cgroup2" || entry.superOptions.includes("memory"))
  );
}

/** The directory of a group and those above it. */
function upFrom(mount: Pick<MountEntry, "mountPoint" | "root">, path: string): string[] {
  // In a container the mount may begin at the container's own group, of which the path may not tell.
  const inside = isUnder(path, mount.root)
    ? path.slice(mount.root === "/" ? 0 : mount.root.length)
    : "";
  const names = inside.split("/").filter((name) => name !== "");
  return names.map((_, i) => [mount.mountPoint, ...names.slice(0, names.length - i)].join("/"))
    .concat(mount.mountPoint);
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
