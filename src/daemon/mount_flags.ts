/** Options of a mount that the kernel can change while it is there (mount(2), MS_REMOUNT), as flags. */
import { mountFlags } from "../../ffi/process.ts";
import type { MountEntry } from "./mountinfo.ts";

const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MS_SYNCHRONOUS = 16;
const MS_REMOUNT = 32;
const MS_DIRSYNC = 128;
const MS_NOSYMFOLLOW = 256;
const MS_NOATIME = 1024;
const MS_NODIRATIME = 2048;
const MS_BIND = 4096;
const MS_RELATIME = 1 << 21;
const MS_STRICTATIME = 1 << 24;
const MS_LAZYTIME = 1 << 25;

/** Rules for the time of reading, of which a mount has one. */
const ATIME_RULES = MS_NOATIME | MS_RELATIME | MS_STRICTATIME;

/** Option → flags that it sets, flags that it clears. */
const changes = new Map<string, [set: number, clear: number]>([
  ...onOff("ro", "rw", MS_RDONLY),
  ...onOff("nosuid", "suid", MS_NOSUID),
  ...onOff("nodev", "dev", MS_NODEV),
  ...onOff("noexec", "exec", MS_NOEXEC),
  ...onOff("sync", "async", MS_SYNCHRONOUS),
  ...onOff("dirsync", "nodirsync", MS_DIRSYNC),
  ...onOff("nosymfollow", "symfollow", MS_NOSYMFOLLOW),
  ...onOff("nodiratime", "diratime", MS_NODIRATIME),
  ...onOff("lazytime", "nolazytime", MS_LAZYTIME),
  ["noatime", [MS_NOATIME, ATIME_RULES]],
  ["atime", [0, MS_NOATIME]],
  ["relatime", [MS_RELATIME, ATIME_RULES]],
  ["norelatime", [0, MS_RELATIME]],
  ["strictatime", [MS_STRICTATIME, ATIME_RULES]],
  ["nostrictatime", [0, MS_STRICTATIME]],
]);

function onOff(on: string, off: string, flag: number): [string, [number, number]][] {
  return [[on, [flag, 0]], [off, [0, flag]]];
}

/** Whether the kernel can change this option of a mount. */
export function isFlag(option: string): boolean {
  return changes.has(option);
}

/** The flags that a mount has now. */
export function flagsOf(mount: MountEntry): number {
  const options = [...mount.options, ...mount.superOptions];
  // The mount table says nothing of strictatime, which is what is neither of the others.
  const rule = options.includes("noatime") || options.includes("relatime") ? 0 : MS_STRICTATIME;
  return changedFlags(rule, options.filter((option) => option !== "rw"));
}

/** The flags with these options applied, of which a later one wins; options that are no flags are passed over. */
export function changedFlags(flags: number, options: string[]): number {
  for (const option of options) {
    const [set, clear] = changes.get(option) ?? [0, 0];
    flags = flags & ~clear | set;
  }
  return flags;
}

/**
 * Gives a mount these flags.
 * @param isOnlyHere of this place, not of the whole file system ("bind")
 * @returns 0 or a negative errno
 */
export function setFlags(mountPoint: string, flags: number, isOnlyHere: boolean): number {
  // Without any rule the kernel would leave the old one.
  const rule = (flags & ATIME_RULES) === 0 ? MS_RELATIME : 0;
  return mountFlags(mountPoint, flags | rule | MS_REMOUNT | (isOnlyHere ? MS_BIND : 0));
}
