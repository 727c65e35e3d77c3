/** Making the region of a new mount, whatever the limits and whoever wants its name. */
import { raiseLimits } from "../../ffi/process.ts";
import { RegionError } from "../region/object.ts";
import { Region } from "../region/region.ts";
import type { RegionSizes } from "../region/sizes.ts";
import { type ObjectName, objectName, takenBy, withSuffix } from "./shared_objects.ts";

/**
 * Creates the object of a mount and raises the limits of this process that its life as a daemon needs.
 * @throws {RegionError} there is no room, or the user has an object of this name
 */
export function createRegion(object: ObjectName, sizes: RegionSizes): Region {
  raiseLimits();
  try {
    return Region.create({ name: objectName(object), sizes });
  } catch (error) {
    // Another user may have made a file of this name just before us, and could do so again at every attempt.
    if (!(error instanceof RegionError) || takenBy(object) === undefined) throw error;
    return Region.create({ name: objectName(withSuffix(object)), sizes });
  }
}
