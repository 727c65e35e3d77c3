/** The mount as the kernel has it: its rule for access times, and the watch that tells programs when it changes (shim/mount_watch.zig). */
import { checked, native } from "../../ffi/native.ts";
import { cString } from "../../ffi/process.ts";
import { MOUNT_NO_ATIME, MOUNT_NO_DIR_ATIME, MOUNT_STRICT_ATIME } from "../region/layout.gen.ts";
import type { Region } from "../region/region.ts";
import { changedFlags, flagsOf, setFlags } from "./mount_flags.ts";
import type { MountEntry } from "./mountinfo.ts";
import { say } from "./log.ts";

/** Options of mount(8) about access times that libfuse does not know. */
const ownOptions = new Set(["nodiratime", "strictatime"]);
/** And those that mount_flags.ts sets. */
const flagOptions = new Set(["nosymfollow"]);

/** @returns the options that libfuse knows */
export function optionsForLibfuse(options: string[]): string[] {
  return options.filter((option) => !ownOptions.has(option) && !flagOptions.has(option));
}

/** Gives the mount what libfuse could not give it, beside the rule for access times. */
export function applyFlagOptions(mount: MountEntry, options: string[]): void {
  if (!options.some((option) => flagOptions.has(option))) return;
  const result = setFlags(mount.mountPoint, changedFlags(flagsOf(mount), options), true);
  checked(result, `set the options of ${mount.mountPoint}`);
}

/** Gives the mount the rule for access times that libfuse could not give it. */
export function applyAccessTimeOptions(mountPoint: string, options: string[]): void {
  if (!options.some((option) => ownOptions.has(option))) return;
  let flags = 0;
  for (const option of options) {
    if (option === "nodiratime") flags |= MOUNT_NO_DIR_ATIME;
    if (option === "noatime") flags = (flags & ~MOUNT_STRICT_ATIME) | MOUNT_NO_ATIME;
    if (option === "strictatime") flags = (flags & ~MOUNT_NO_ATIME) | MOUNT_STRICT_ATIME;
  }
  checked(
    native().bt_mount_set_atime(cString(mountPoint), flags),
    `set the access time options of ${mountPoint}`,
  );
}

/** From now on the superblock says what the mount is like. Without, every program is served by the kernel. */
export function watchMount(region: Region, mountPoint: string): void {
  const result = native().bt_mount_watch(region.address, cString(mountPoint));
  if (result === 0) return;
  say(
    `programs under 'btfuse run' go through the kernel: cannot watch the mount: errno ${-result}`,
  );
}
