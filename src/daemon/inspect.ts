/** What a mount's shared-memory object tells, without asking its daemon. */
import { FileSystem } from "../core/file_system.ts";
import { Region } from "../region/region.ts";
import { messageOf } from "./failure.ts";
import { isRunning } from "./process_table.ts";
import { type ObjectName, objectName } from "./shared_objects.ts";

export type Statistics = ReturnType<FileSystem["statistics"]>;

export interface Inspection {
  statistics?: Statistics;
  /** Whether the daemon that made it still runs; false as well when that cannot be told. */
  daemonRuns: boolean;
  /** Why the object could not be read, "" when it could. */
  problem: string;
}

export function inspect(object: ObjectName): Inspection {
  try {
    using region = Region.open(objectName(object));
    const statistics = FileSystem.open(region).statistics();
    const daemonRuns = isRunning(statistics.ownerPid, statistics.ownerStartTime);
    return { statistics, daemonRuns, problem: "" };
  } catch (error) {
    return { daemonRuns: false, problem: messageOf(error) };
  }
}
