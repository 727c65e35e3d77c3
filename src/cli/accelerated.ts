/**
 * What a program needs to reach a mount directly: which mount, the library, and the environment that names both.
 * Shared by `btfuse run`, `env` and `doctor`.
 */
import { removedDirectory, variableName } from "../../ffi/build_kind.ts";
import { Failure } from "../daemon/failure.ts";
import {
  btfuseMounts,
  type MountEntry,
  mountHolding,
  mountUid,
  readMounts,
} from "../daemon/mountinfo.ts";
import { objectOfMount } from "../daemon/inspect.ts";
import { currentUid, objectName } from "../daemon/shared_objects.ts";
import { UsageError } from "./arguments.ts";
import { placeLibrary } from "./library_place.ts";
import { findTarget } from "./targets.ts";

export const PRELOAD_VARIABLE = "LD_PRELOAD";
/** What the library reads (shim/preload/region.zig). */
export const MOUNT_VARIABLE = "BTFUSE_MOUNT";
export const OBJECT_VARIABLE = "BTFUSE_OBJECT";

/** Environment variables by name. */
export type Settings = Record<string, string>;

/**
 * The mount that is meant: the one named, else the one that holds the working directory, else the user's only one.
 * @throws {UsageError} it is not clear which
 */
export function chooseMount(named: string | undefined): MountEntry {
  if (named !== undefined) {
    const { mount, object } = findTarget(named);
    if (mount === undefined) throw new Failure(`'${object.name}' is not mounted`);
    return mount;
  }
  const mounts = readMounts();
  const ours = btfuseMounts(mounts);
  const directory = workingDirectory();
  const holding = directory === undefined ? undefined : mountHolding(mounts, directory);
  if (holding !== undefined && ours.includes(holding)) return holding;
  const own = ours.filter((mount) => mountUid(mount) === currentUid());
  if (own.length === 1) return own[0];
  throw new UsageError(
    own.length === 0
      ? "there is no mount of this user: 'btfuse mount DIR' makes one"
      : ["there are several mounts, say which:", ...own.map((m) => m.mountPoint)]
        .join("\n  "),
  );
}

function workingDirectory(): string | undefined {
  if (removedDirectory() !== undefined) return undefined;
  try {
    return Deno.cwd();
  } catch {
    return undefined; // it was removed
  }
}

/**
 * Path of the library, as LD_PRELOAD can name it.
 * @throws {Failure} it cannot
 */
export function preloadLibrary(): string {
  const path = placeLibrary();
  // ld.so(8): the list is separated by blanks and colons, and `$` begins a token.
  if (/[\s:$]/.test(path.replace("/$PLATFORM/", "/"))) {
    throw new Failure(
      `the library's path ${path} has a blank, ':' or '$', which ${PRELOAD_VARIABLE} cannot name: ` +
        "XDG_CACHE_HOME can choose another place",
    );
  }
  return path;
}

/** @param preloaded LD_PRELOAD as it is; what it names stays in front and calls us, as fakeroot and sanitizers must be */
export function settingsFor(
  mount: MountEntry,
  library: string,
  preloaded: string | undefined,
): Settings {
  return {
    [PRELOAD_VARIABLE]: [...othersPreloaded(preloaded), library].join(":"),
    [MOUNT_VARIABLE]: mount.mountPoint,
    [OBJECT_VARIABLE]: objectName(objectOfMount(mount)),
  };
}

/** What LD_PRELOAD names beside our library (also another version's). */
export function othersPreloaded(preloaded = ""): string[] {
  return preloaded.split(/[\s:]+/).filter((path) =>
    path !== "" && !/(^|\/)libbtfuse_preload\.so$/.test(path)
  );
}

/** The environment with these settings in place of those of the same names. */
export function withSettings(environment: Uint8Array[], settings: Settings): Uint8Array[] {
  const encoder = new TextEncoder();
  return [
    ...environment.filter((setting) => !Object.hasOwn(settings, variableName(setting))),
    ...Object.entries(settings).map(([name, value]) => encoder.encode(`${name}=${value}`)),
  ];
}
