/** What a mount's shared-memory object tells, without asking its daemon. */
import { FileSystem } from "../core/file_system.ts";
import { Region, RegionError } from "../region/region.ts";
import { isRunning, processHolding, type ProcessIdentity } from "./process_table.ts";
import { type ObjectName, objectName, objectPath } from "./shared_objects.ts";

export type Statistics = ReturnType<FileSystem["statistics"]>;

export interface Inspection {
  statistics?: Statistics;
  /** Its daemon; undefined when the object cannot be read and no process is known to have it open. */
  owner?: ProcessIdentity;
  /** Whether that daemon still runs. */
  daemonRuns: boolean;
  /** Why the object could not be read, "" when it could. */
  problem: string;
}

export function inspect(object: ObjectName): Inspection {
  try {
    using region = Region.open(objectName(object));
    const statistics = FileSystem.open(region).statistics();
    const owner = { pid: statistics.ownerPid, startTime: statistics.ownerStartTime };
    return { statistics, owner, daemonRuns: isRunning(owner), problem: "" };
  } catch (error) {
    if (!(error instanceof RegionError)) throw error;
    const owner = processHolding(objectPath(object));
    return { ...(owner && { owner }), daemonRuns: owner !== undefined, problem: error.message };
  }
}
