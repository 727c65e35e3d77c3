/** Who uses a mount, for people to read: as /proc shows it, and what programs have open without the kernel (`btfuse run`). */
import type { FileSystem } from "../core/file_system.ts";
import {
  DENTRY_INO,
  DENTRY_KIND,
  DENTRY_PARENT,
  INODE_DENTRY,
  NAME_BYTES_MAX,
  ROOT_INO,
  SLOT_KIND_DENTRY,
} from "../region/layout.gen.ts";
import { Clients } from "./clients.ts";
import type { MountEntry } from "./mountinfo.ts";
import { describeProcess, hasMapped, usersOf } from "./process_table.ts";

const DEPTH_MAX = 256;

/**
 * One line a process ("python3 (pid 12): open file /mnt/x/log"), as far as this user may look.
 * @param open see `openByPrograms`
 */
export function usersOfMount(
  mount: MountEntry,
  mounts: MountEntry[],
  open: Map<number, string>,
): string[] {
  const lines = [...open].map(([pid, path]) =>
    `${describeProcess(pid)}: open file ${mount.mountPoint}${path}`
  );
  return [...lines, ...usersOf(mount, mounts, new Set(open.keys()))];
}

/**
 * By process: one of the files that it has open through the library, as a path in the mount. A process named by a record that somebody
 * else has written does not count: it does not have the region.
 */
export function openByPrograms(fileSystem: FileSystem): Map<number, string> {
  const open = new Map<number, string>();
  const strangers = new Set<number>();
  for (const { pid, ino, dentry } of new Clients(fileSystem).openFiles()) {
    if (open.has(pid) || strangers.has(pid)) continue;
    if (hasMapped(pid, fileSystem.region.name)) open.set(pid, pathOf(fileSystem, ino, dentry));
    else strangers.add(pid);
  }
  return open;
}

/** The path in the mount. What is looked at may be changing: then it is what can be told. */
function pathOf(fileSystem: FileSystem, ino: number, dentry: number): string {
  const { names, inodes, region } = fileSystem;
  const name = new Uint8Array(NAME_BYTES_MAX);
  let path = "";
  try {
    let [at, slot] = [ino, inodes.isDirectory(ino) ? inodes.get(ino, INODE_DENTRY) : dentry];
    for (let depth = 0; at !== ROOT_INO; depth++) {
      const isName = slot < region.sizes.slotCountMax &&
        names.get(slot, DENTRY_KIND) === SLOT_KIND_DENTRY && names.get(slot, DENTRY_INO) === at;
      if (!isName || depth === DEPTH_MAX) throw new RangeError("no path leads there");
      path = `/${new TextDecoder().decode(name.subarray(0, names.copyName(slot, name, 0)))}${path}`;
      at = names.get(slot, DENTRY_PARENT);
      if (!inodes.exists(at)) throw new RangeError("a directory that is gone");
      slot = inodes.get(at, INODE_DENTRY);
    }
    return path;
  } catch {
    return ` (inode ${ino}, removed)`;
  }
}
