/** What can be told before anything is started: each obstacle with its own message. */
import { libfuseVersion } from "../../ffi/libfuse.ts";
import { Failure } from "../daemon/failure.ts";
import { BTFUSE_TYPE, mountAt, readMounts } from "../daemon/mountinfo.ts";
import { currentUid, objectExists } from "../daemon/shared_objects.ts";
import { resolveMountPoint } from "./targets.ts";

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

/** @throws {Failure} another mount of this user has the name, or had it and left something */
export async function checkName(name: string): Promise<void> {
  const object = { uid: currentUid(), name };
  if (!objectExists(object)) return;
  const { inspect } = await import("../daemon/inspect.ts");
  const { owner, daemonRuns, problem } = inspect(object);
  if (daemonRuns) {
    throw new Failure(
      `the name '${name}' is in use by a mount (pid ${owner?.pid}): choose another with --name`,
    );
  }
  if (problem !== "") {
    throw new Failure(
      `the name '${name}' is not free: ${problem}. 'btfuse umount --force ${name}' removes it`,
    );
  }
  throw new Failure(
    `the name '${name}' belongs to what a daemon that died left behind: ` +
      `'btfuse umount ${name}' removes it`,
  );
}
