/** What can be told before anything is started: each obstacle with its own message. */
import { identityOf } from "../../ffi/files.ts";
import { libfuseVersion } from "../../ffi/libfuse.ts";
import { Failure } from "../daemon/failure.ts";
import { BTFUSE_TYPE, mountAt, readMounts } from "../daemon/mountinfo.ts";
import {
  currentUid,
  type ObjectName,
  objectPath,
  objectsNamed,
  takenBy,
  withSuffix,
} from "../daemon/shared_objects.ts";
import { notText, resolveMountPoint } from "./targets.ts";

/** @returns the absolute path without symbolic links @throws {Failure} it cannot be mounted on */
export function checkMountPoint(directory: string): string {
  const path = resolveMountPoint(directory);
  const existing = mountAt(readMounts(), path);
  if (existing?.type === BTFUSE_TYPE) {
    throw new Failure(
      `${path} is a btfuse mount already (${existing.source}); 'btfuse umount ${path}' ends it`,
    );
  }
  if (!Deno.statSync(path).isDirectory) throw new Failure(`${path} is not a directory`);
  // What is still a link here could not be followed, because Deno has names as text.
  if (identityOf(path)?.isDirectory !== true) throw new Failure(notText(path));
  return path;
}

/** @throws {Failure} FUSE cannot be used here */
export function checkMachine(): void {
  checkDevice();
  libfuseVersion();
  if (currentUid() !== 0) checkFusermount();
}

function checkDevice(): void {
  const device = "/dev/fuse";
  try {
    Deno.openSync(device, { read: true, write: true }).close();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new Failure(
        `${device} does not exist: load the kernel module with 'modprobe fuse'; ` +
          `a container needs '--device ${device}'`,
      );
    }
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new Failure(
        `no permission to open ${device}: users need mode 0666, as root: 'chmod 666 ${device}'`,
      );
    }
    throw new Failure(`cannot open ${device}: ${(error as Error).message}`);
  }
}

function checkFusermount(): void {
  const directories = ["/usr/bin", ...(Deno.env.get("PATH") ?? "").split(":")];
  for (const directory of directories) {
    try {
      const info = Deno.statSync(`${directory}/fusermount3`);
      if (info.uid === 0 && ((info.mode ?? 0) & 0o4000) !== 0) return;
    } catch {
      continue;
    }
    throw new Failure(
      `${directory}/fusermount3 is not setuid root, so only root can mount: ` +
        `as root 'chmod u+s ${directory}/fusermount3'`,
    );
  }
  throw new Failure(
    "fusermount3 is not installed, and users cannot mount without it: 'apt-get install fuse3'",
  );
}

/** @throws {Failure} files of the region's size are not allowed, and the daemon may not raise the limit */
export function checkFileSizeLimit(regionBytes: number): void {
  const limits = Deno.readTextFileSync("/proc/self/limits");
  const hard = Number(/^Max file size +\S+ +(\d+)/m.exec(limits)?.[1] ?? Infinity);
  if (hard >= regionBytes || hasCapability(CAP_SYS_RESOURCE)) return;
  throw new Failure(
    `the file system would be a file of ${regionBytes} bytes in memory, and the limit on files (ulimit -f) ` +
      `is ${hard} bytes: a smaller --size and fewer --inodes need less`,
  );
}

const CAP_SYS_RESOURCE = 24;

function hasCapability(number: number): boolean {
  const [, set] = /^CapEff:\t([0-9a-f]+)/m.exec(Deno.readTextFileSync("/proc/self/status")) ?? [];
  return set !== undefined && (BigInt(`0x${set}`) >> BigInt(number) & 1n) === 1n;
}

/**
 * The object for a new mount of this name. It has a suffix where the plain name is another user's, or belongs to a mount
 * that is out of the tree and that programs still use.
 * @throws {Failure} another mount of this user has the name, or had it and left something
 */
export async function chooseObject(name: string): Promise<ObjectName> {
  const plain = { uid: currentUid(), name };
  const deadline = performance.now() + endingTimeoutMs;
  while (await isInTheWay(plain, performance.now() >= deadline)) {
    if (performance.now() >= deadline) return withSuffix(plain);
    await new Promise((resolve) => setTimeout(resolve, endingPollMs));
  }
  const user = takenBy(plain);
  if (user === undefined) return plain;
  console.error(
    `btfuse: ${objectPath(plain)} is a file of user ${user}, not of btfuse: left alone`,
  );
  return withSuffix(plain);
}

/** How long a daemon whose mount has gone may keep its name; it gives memory back until then. */
const endingTimeoutMs = 1000;
const endingPollMs = 5;

/**
 * Whether an object has this name whose daemon has no mount any more, or not yet.
 * @param isLate the daemon had time enough to mount or to end
 * @throws {Failure} one has a mount, or no daemon
 */
async function isInTheWay({ uid, name }: ObjectName, isLate: boolean): Promise<boolean> {
  const { inspect } = await import("../daemon/inspect.ts");
  return objectsNamed(uid, name).some((object) => {
    const { owner, device, daemonRuns, problem } = inspect(object);
    const isStarting = device === undefined || device === "0:0";
    if (daemonRuns && owner !== undefined) {
      if (isMountedFor(owner.pid, name, device) || (isStarting && isLate)) {
        throw new Failure(
          `the name '${name}' is in use by a mount (pid ${owner.pid}): choose another with --name`,
        );
      }
      return true;
    }
    // A daemon that ended meanwhile has taken its object along.
    if (!objectsNamed(uid, name).some(({ suffix }) => suffix === object.suffix)) return false;
    throw new Failure(
      problem === ""
        ? `the name '${name}' belongs to what a daemon that died left behind: ` +
          `'btfuse umount ${name}' removes it`
        : `the name '${name}' is not free: ${problem}. 'btfuse umount --force ${name}' removes it`,
    );
  });
}

/** Whether the mount is in the tree, as its daemon or we see it. */
function isMountedFor(pid: number, name: string, device: string | undefined): boolean {
  return [...readMounts(), ...readMounts(pid)].some((entry) =>
    entry.type === BTFUSE_TYPE && entry.source === name && entry.device === device
  );
}

/** How long another `btfuse mount` of the same directory may take. */
const lockTimeoutMs = 12_000;

/**
 * Keeps others that mount on the same directory waiting until it is released or this process ends: a lock (flock(2)) on
 * the directory itself. Where it cannot be had, because the directory cannot be opened or somebody else holds it for ever,
 * mounting goes on without.
 */
export async function lockMountPoint(path: string): Promise<Disposable> {
  let directory: Deno.FsFile;
  try {
    directory = Deno.openSync(path);
  } catch {
    return { [Symbol.dispose]() {} };
  }
  const deadline = performance.now() + lockTimeoutMs;
  try {
    while (!directory.tryLockSync(true) && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, endingPollMs));
    }
  } catch {
    // A file system without locks.
  }
  return directory;
}
