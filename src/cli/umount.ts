/** `btfuse umount` */
import { selfCommand } from "../../ffi/build_kind.ts";
import { Failure } from "../daemon/failure.ts";
import { inspect } from "../daemon/inspect.ts";
import { type MountEntry, readMounts } from "../daemon/mountinfo.ts";
import { holds, isRunning, type ProcessIdentity, sendSignal } from "../daemon/process_table.ts";
import {
  currentUid,
  type ObjectName,
  objectName,
  objectPath,
  removeObject,
} from "../daemon/shared_objects.ts";
import { unmount } from "../daemon/unmount.ts";
import { openByPrograms, usersOfMount } from "../daemon/users.ts";
import { FileSystem } from "../core/file_system.ts";
import { RegionError } from "../region/object.ts";
import { Region } from "../region/region.ts";
import { parseCommandLine, UsageError } from "./arguments.ts";
import { findTarget } from "./targets.ts";

export const help = `usage: btfuse umount [--force] DIR|NAME

Unmounts a btfuse file system and waits until its daemon and its memory are gone. All files in it are
lost. When programs use it, nothing is changed and they are listed. Also cleans up after a daemon that died.

  --force   even when it is in use or does not answer: programs get errors for files they have open

Example: btfuse umount /mnt/scratch`;

/** Giving gigabytes back takes a while on a busy machine. */
const daemonEndTimeoutMs = 20_000;
/** For a daemon that may not answer at all. */
const forcedEndTimeoutMs = 500;
const killTimeoutMs = 5000;

export async function run(args: string[]): Promise<number> {
  // --open: only prints what programs have open through this object.
  const { flags, values, positional } = parseCommandLine(args, {
    flags: ["force"],
    values: ["open"],
  });
  const asked = values.open.at(-1);
  if (asked !== undefined) {
    console.log(JSON.stringify([...openInRegion(JSON.parse(asked), true)]));
    return 0;
  }
  if (positional.length !== 1) {
    throw new UsageError(`umount takes one directory or name, not ${positional.length}`);
  }
  const isForced = flags.has("force");
  const { mount, object } = findTarget(positional[0]);
  if (currentUid() !== 0 && currentUid() !== object.uid) {
    throw new Failure(
      `${positional[0]} was mounted by user ${object.uid}: only that user and root can unmount it`,
    );
  }
  // Our own working directory must not be what keeps it busy.
  Deno.chdir("/");
  const { owner, problem } = inspect(object);
  if (mount !== undefined) await takeDown(mount, isForced, object);
  else if (!isForced) requireLeftOver(object, owner, problem);
  await endDaemon(object, owner, isForced);
  return 0;
}

/** @throws {Failure} without a mount, only what a dead daemon has left is removed unasked */
function requireLeftOver(
  object: ObjectName,
  owner: ProcessIdentity | undefined,
  problem: string,
): void {
  if (owner !== undefined && isRunning(owner)) {
    throw new Failure(
      `'${object.name}' is not mounted here, but its daemon (pid ${owner.pid}) runs: --force ends it`,
    );
  }
  if (problem !== "") throw new Failure(`${problem}; --force removes it`);
}

async function takeDown(mount: MountEntry, isForced: boolean, object: ObjectName): Promise<void> {
  // The kernel does not know what programs under `btfuse run` have open for reading only.
  if (!isForced && openInRegion(object).size > 0) refuse(mount, object);
  const { outcome, message } = await unmount(mount, isForced ? "force" : "plain");
  if (outcome === "failed") throw new Failure(`cannot unmount ${mount.mountPoint}: ${message}`);
  if (outcome === "busy") refuse(mount, object);
}

function refuse(mount: MountEntry, object: ObjectName): never {
  const users = usersOfMount(mount, readMounts(), openInRegion(object));
  throw new Failure([
    `${mount.mountPoint} is in use; nothing was changed (--force unmounts it all the same)`,
    ...(users.length > 0 ? users : ["by a process that this user cannot see"]),
  ].join("\n  "));
}

/**
 * See `openByPrograms`; none where the object cannot be used. Another user could end this process by cutting off his object
 * while it is mapped: a child looks at it.
 */
function openInRegion(
  object: ObjectName,
  isHere = object.uid === currentUid(),
): Map<number, string> {
  try {
    if (!isHere) return openAsChildSees(object);
    using region = Region.open(objectName(object), object.uid);
    return openByPrograms(FileSystem.open(region));
  } catch (error) {
    if (error instanceof RegionError) return new Map();
    throw error;
  }
}

function openAsChildSees(object: ObjectName): Map<number, string> {
  const [program, ...start] = selfCommand();
  const { success, stdout } = new Deno.Command(program, {
    args: [...start, "umount", "--open", JSON.stringify(object)],
    stderr: "null",
  }).outputSync();
  return new Map(success ? JSON.parse(new TextDecoder().decode(stdout)) : []);
}

/** The daemon ends by itself when its mount is gone, and removes the object. */
async function endDaemon(
  object: ObjectName,
  owner: ProcessIdentity | undefined,
  isForced: boolean,
): Promise<void> {
  const isGone = () => owner === undefined || !isRunning(owner);
  let isEnded = await until(isGone, isForced ? forcedEndTimeoutMs : daemonEndTimeoutMs);
  if (!isEnded && isForced && owner !== undefined) {
    if (!holds(owner.pid, object.uid, objectPath(object))) {
      throw new Failure(
        `${objectPath(object)} names process ${owner.pid} as its daemon, which it is not: ` +
          `remove the object by hand if you do not know it`,
      );
    }
    sendSignal(owner.pid, "SIGKILL");
    isEnded = await until(isGone, killTimeoutMs);
  }
  if (isEnded) return removeObject(object);
  throw new Failure(
    `unmounted, but its daemon (pid ${owner?.pid}) still runs: ` +
      `'btfuse umount --force ${object.name}' ends it`,
  );
}

async function until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return true;
}
