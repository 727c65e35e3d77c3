/** `btfuse mount -o remount,…`, also as mount(8) calls it: changes options of a mount that is there. */
import { EBUSY, EPERM } from "../../ffi/process.ts";
import { Failure } from "../daemon/failure.ts";
import { inspect, objectOfMount } from "../daemon/inspect.ts";
import { changedFlags, flagsOf, isFlag, setFlags } from "../daemon/mount_flags.ts";
import { BTFUSE_TYPE, mountAt, type MountEntry, readMounts } from "../daemon/mountinfo.ts";
import { usersOf } from "../daemon/process_table.ts";
import { BLOCK_BYTES } from "../region/layout.gen.ts";
import { currentUid } from "../daemon/shared_objects.ts";
import { type OwnOptions, parseMountOptions } from "./mount_options.ts";
import { resolveMountPoint } from "./targets.ts";
import { formatBytes, parseCount, parseSize } from "./units.ts";

/** What mount(8) repeats of what a FUSE mount was made with; the kernel changes none of it. */
const repeatedOptions = /^(user_id|group_id|rootmode|fd|max_read|blksize)=/;

/** The words of `-o`, when they ask to change a mount; undefined: they do not. */
export function remountOptions(lists: string[]): string[] | undefined {
  const options = lists.join(",").split(",").filter((text) => text !== "");
  return options.includes("remount") ? options : undefined;
}

/**
 * Changes a mount.
 * @param isWhole whether the options are all that the mount is to have, as mount(8) gives them; else they are changes
 * @throws {Failure} it cannot be changed like that
 */
export function remount(directory: string, options: string[], isWhole: boolean): void {
  const mount = findMount(directory);
  const rest = options.filter((option) =>
    !["remount", "bind"].includes(option) && !isFlag(option) && !repeatedOptions.test(option)
  );
  const { own, passed } = parseMountOptions([rest.join(",")], false);
  refuseOtherValues(mount, own);
  if (passed.includes("allow_other") && !mount.superOptions.includes("allow_other")) {
    throw new Failure(`allow_other cannot be given to a mount that is there: ${anew(mount)}`);
  }
  if (currentUid() !== 0) throw new Failure("only root can change the options of a mount");
  const flags = changedFlags(isWhole ? 0 : flagsOf(mount), options);
  const errno = -setFlags(mount.mountPoint, flags, options.includes("bind"));
  if (errno === 0) return;
  if (errno === EBUSY) {
    throw new Failure(
      [`${mount.mountPoint} is in use; nothing was changed`, ...usersOf(mount, readMounts())]
        .join("\n  "),
    );
  }
  throw new Failure(
    `cannot remount ${mount.mountPoint}: ` +
      (errno === EPERM ? "no permission (CAP_SYS_ADMIN is missing)" : `errno ${errno}`),
  );
}

function findMount(directory: string): MountEntry {
  const path = resolveMountPoint(directory);
  const mount = mountAt(readMounts(), path);
  if (mount?.type === BTFUSE_TYPE) return mount;
  throw new Failure(
    mount === undefined
      ? `nothing is mounted on ${path}`
      : `${path} is not a btfuse mount but one of type ${mount.type}`,
  );
}

/** A line of fstab repeats what the mount was made with. Of the root directory, as on tmpfs, it means nothing now. */
function refuseOtherValues(mount: MountEntry, own: OwnOptions): void {
  const { statistics, problem } = inspect(objectOfMount(mount));
  const differs = (what: string, has: string): never => {
    throw new Failure(`the ${what} of a mount cannot be changed, it is ${has}: ${anew(mount)}`);
  };
  if (own.name !== undefined && own.name !== mount.source) differs("name", mount.source);
  if (own.size === undefined && own.inodes === undefined && own.cache === undefined) return;
  if (statistics === undefined) throw new Failure(problem);
  const { blockCountMax, inodeCountMax, cache } = statistics;
  if (own.size !== undefined) {
    const wanted = parseSize(own.size, Deno.systemMemoryInfo().total);
    const hasBytes = blockCountMax * BLOCK_BYTES;
    if (Math.ceil(wanted / BLOCK_BYTES) !== blockCountMax) differs("size", formatBytes(hasBytes));
  }
  if (own.inodes !== undefined && parseCount(own.inodes, "inode count") !== inodeCountMax) {
    differs("number of inodes", String(inodeCountMax));
  }
  if (own.cache !== undefined && own.cache !== cache) differs("cache mode", cache);
}

function anew({ mountPoint }: MountEntry): string {
  return `'btfuse umount ${mountPoint}' and mount it anew`;
}
