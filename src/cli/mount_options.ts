/** The `-o` list of mount(8): which options are ours, libfuse's, or only of interest to mount(8) and fstab(5). */
import { UsageError } from "./arguments.ts";

/** Values of `size=` and the like as they were written; a command-line option overrides them. */
export interface OwnOptions {
  size?: string;
  inodes?: string;
  name?: string;
  cache?: string;
  mode?: string;
  uid?: string;
  gid?: string;
}

export interface MountOptions {
  own: OwnOptions;
  /** For libfuse and the daemon. */
  passed: string[];
}

const ownNames = new Map<string, keyof OwnOptions>(Object.entries(
  {
    "size=": "size",
    "inodes=": "inodes",
    "nr_inodes=": "inodes",
    "name=": "name",
    "cache=": "cache",
    "mode=": "mode",
    "uid=": "uid",
    "gid=": "gid",
  } as const,
));

const passedNames = new Set(
  ("ro rw suid nosuid dev nodev exec noexec sync async dirsync noatime allow_other auto_unmount " +
    "context= fscontext= defcontext= rootcontext=").split(" "),
);

/** libfuse does not know these, and only root can set them once it is mounted (src/daemon/mount_watch.ts, mount_flags.ts). */
const rootNames = new Set(["nodiratime", "strictatime", "nosymfollow"]);

// Either meant for mount(8), init or fsck, or what btfuse does anyway.
const ignoredNames = new Set(
  ("defaults default_permissions auto noauto user nouser users owner group nofail _netdev loud silent " +
    "atime relatime norelatime nostrictatime diratime symfollow lazytime nolazytime nomand " +
    "user= comment=").split(" "),
);

/** @throws {UsageError} an option that nobody here knows */
export function parseMountOptions(lists: string[], isRoot: boolean): MountOptions {
  const result: MountOptions = { own: {}, passed: [] };
  for (const option of lists.join(",").split(",").filter((text) => text !== "")) {
    const equals = option.indexOf("=");
    const key = equals < 0 ? option : option.slice(0, equals + 1);
    const own = ownNames.get(key);
    if (own !== undefined) result.own[own] = option.slice(equals + 1);
    else if (passedNames.has(key)) result.passed.push(option);
    else if (rootNames.has(key)) {
      if (!isRoot) throw new UsageError(`mount option '${option}' is for root only`);
      result.passed.push(option);
    } else if (!ignoredNames.has(key) && !/^x-/i.test(option)) {
      throw new UsageError(`unknown mount option '${option}' after -o`);
    }
  }
  // libfuse's own defaults for root are nosuid and nodev; those of any other file system are these.
  if (isRoot) result.passed.unshift("suid", "dev");
  return result;
}
