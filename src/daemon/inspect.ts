/** What a mount's shared-memory object tells, without asking its daemon, and without mapping what may be a trap. */
import { statisticsOf } from "../core/statistics.ts";
import { SUPER_DEVICE } from "../region/layout.gen.ts";
import { glimpse, RegionError } from "../region/object.ts";
import { type MountEntry, mountUid } from "./mountinfo.ts";
import { belongsTo, isRunning, processHolding, type ProcessIdentity } from "./process_table.ts";
import { type ObjectName, objectName, objectPath, objectsNamed } from "./shared_objects.ts";

import type { Statistics } from "../core/statistics.ts";

export interface Inspection {
  statistics?: Statistics;
  /** st_dev of the mount, "major:minor"; "0:0" before it is mounted. Absent: the object could not be read. */
  device?: string;
  /** Its daemon; undefined when the object cannot be read and no process is known to have it open. */
  owner?: ProcessIdentity;
  /** Whether that daemon still runs. */
  daemonRuns: boolean;
  /** Why the object could not be read, "" when it could. */
  problem: string;
}

export function inspect(object: ObjectName): Inspection {
  try {
    const seen = glimpse(objectName(object), object.uid);
    const statistics = statisticsOf(seen);
    const owner = { pid: statistics.ownerPid, startTime: statistics.ownerStartTime };
    const device = deviceText(seen.superblock[SUPER_DEVICE], seen.superblock[SUPER_DEVICE + 1]);
    // Whoever owns the object can write any pid into it.
    const isTheirs = !isRunning(owner) || belongsTo(owner.pid, object.uid);
    const daemonRuns = isTheirs && isRunning(owner);
    return { statistics, device, ...(isTheirs && { owner }), daemonRuns, problem: "" };
  } catch (error) {
    if (!(error instanceof RegionError)) throw error;
    const owner = processHolding(objectPath(object), object.uid);
    return { ...(owner && { owner }), daemonRuns: owner !== undefined, problem: error.message };
  }
}

/** The object of a mount: of several with its name, the one that says so. */
export function objectOfMount(mount: MountEntry): ObjectName {
  const plain = { uid: mountUid(mount), name: mount.source };
  const candidates = objectsNamed(plain.uid, plain.name);
  if (candidates.length <= 1) return candidates[0] ?? plain;
  return candidates.find((object) => inspect(object).device === mount.device) ?? plain;
}

/** As /proc/self/mountinfo writes a dev_t of x86-64, which comes in two words. */
function deviceText(low: number, high: number): string {
  const major = ((low >>> 8) & 0xfff) | (high & 0xfffff000);
  const minor = (low & 0xff) | ((low >>> 12) & 0xffffff00) | ((high & 0xfff) << 20);
  return `${major >>> 0}:${minor >>> 0}`;
}
