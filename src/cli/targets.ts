/** DIR and NAME arguments: from what the user wrote to the mount that is meant. */
import { removedDirectory } from "../../ffi/build_kind.ts";
import { Failure } from "../daemon/failure.ts";
import {
  BTFUSE_TYPE,
  btfuseMounts,
  mountAt,
  type MountEntry,
  mountHolding,
  mountUid,
  readMounts,
} from "../daemon/mountinfo.ts";
import { objectOfMount } from "../daemon/inspect.ts";
import { currentUid, isMountName, listObjects, type ObjectName } from "../daemon/shared_objects.ts";

/** At least one of the two: a dead daemon can leave a mount, an object, or both. */
export interface Target {
  mount?: MountEntry;
  object: ObjectName;
}

/**
 * Absolute path without symbolic links. The directory itself is not touched, because a dead mount answers
 * every access with an error.
 * @throws {Failure} no such directory
 */
export function resolveMountPoint(path: string): string {
  const trimmed = path.replace(/\/+$/, "") || "/";
  if (!trimmed.startsWith("/") && removedDirectory() !== undefined) {
    throw new Failure(`${path} does not exist: the working directory has been removed`);
  }
  const absolute = trimmed.startsWith("/") ? trimmed : `${Deno.cwd()}/${trimmed}`;
  try {
    return Deno.realPathSync(absolute);
  } catch (error) {
    if (absolute.includes("\ufffd")) throw new Failure(notText(absolute));
    if (error instanceof Deno.errors.NotFound) throw new Failure(`${path} does not exist`);
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new Failure(`no permission to reach ${path}`);
    }
    const slash = absolute.lastIndexOf("/");
    const parent = Deno.realPathSync(absolute.slice(0, slash) || "/");
    return `${parent === "/" ? "" : parent}/${absolute.slice(slash + 1)}`;
  }
}

export function notText(path: string): string {
  return `cannot use ${path}: a name on its way is not UTF-8`;
}

/**
 * A directory wins over a name; `./x` is always a directory.
 * @throws {Failure} nothing of btfuse is there
 */
export function findTarget(text: string): Target {
  const byName = isMountName(text) ? findByName(text) : undefined;
  let path;
  try {
    path = resolveMountPoint(text);
  } catch (error) {
    if (byName !== undefined) return byName;
    throw error;
  }
  const mounts = readMounts();
  const mount = mountAt(mounts, path);
  if (mount?.type === BTFUSE_TYPE) {
    return { mount, object: objectOfMount(mount) };
  }
  if (byName !== undefined) return byName;
  if (mount !== undefined) {
    throw new Failure(`${path} is not a btfuse mount but one of type ${mount.type}`);
  }
  const holding = mountHolding(mounts, path);
  const hint = holding?.type === BTFUSE_TYPE ? `; the mount is on ${holding.mountPoint}` : "";
  throw new Failure(`nothing is mounted on ${path}${hint}`);
}

/** Root may name what others have mounted, when only one has that name. */
function findByName(name: string): Target | undefined {
  const own = currentUid();
  const objects = listObjects().filter((object) =>
    object.name === name && (own === 0 || object.uid === own)
  );
  const mounts = btfuseMounts(readMounts()).filter((entry) => entry.source === name);
  for (const uid of new Set([own, ...objects.map((object) => object.uid)])) {
    const mount = mounts.find((entry) => mountUid(entry) === uid);
    if (mount !== undefined) return { mount, object: objectOfMount(mount) };
    const object = objects.find((candidate) => candidate.uid === uid);
    if (object !== undefined) return { object };
  }
  return undefined;
}
