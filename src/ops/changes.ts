/** Changes that both doors ask for in forms of their own: attributes (SETATTR) and reserved blocks (FALLOCATE). */
import {
  INODE_ATIME,
  INODE_ATIME_NSEC,
  INODE_FLAG_APPEND_ONLY,
  INODE_FLAG_IMMUTABLE,
  INODE_MTIME,
  INODE_MTIME_NSEC,
} from "../region/layout.gen.ts";
import { EINVAL, EISDIR, EOPNOTSUPP, EPERM } from "../core/errno.ts";
import type { FileSystem } from "../core/file_system.ts";
import { ATIME, CTIME, type InodeTable, MTIME } from "../core/inode_table.ts";
import {
  FATTR_ATIME,
  FATTR_ATIME_NOW,
  FATTR_GID,
  FATTR_KILL_SUIDGID,
  FATTR_MODE,
  FATTR_MTIME,
  FATTR_MTIME_NOW,
  FATTR_SIZE,
  FATTR_UID,
} from "./fuse_records.gen.ts";
import { FALLOC } from "./protocol.ts";

/** Seconds in two words, low first, and nanoseconds. */
export type TimeWords = readonly [low: number, high: number, nanoseconds: number];

/** What is to change; fields count where their bit (FATTR_*) is in `valid`. */
export interface AttributeChange {
  valid: number;
  size: number;
  mode: number;
  uid: number;
  gid: number;
  atime: TimeWords;
  mtime: TimeWords;
  /** Whether the caller may leave set-group-ID on a file whose group may not execute it; asked in rare cases. */
  mayKeepSetgid: () => boolean;
}

/** chmod(2), chown(2), truncate(2), utimensat(2), and what a write takes from a file. @returns 0, -errno */
export function changeAttributes(fs: FileSystem, ino: number, change: AttributeChange): number {
  const { attributes, inodes } = fs;
  const { valid } = change;
  if (inodes.isProtected(ino) && !isAllowed(inodes, ino, valid)) return -EPERM;
  if (valid & FATTR_SIZE) {
    const result = setSize(fs, ino, change.size);
    if (result < 0) return result;
  }
  if (valid & (FATTR_UID | FATTR_GID)) {
    const uid = valid & FATTR_UID ? change.uid : undefined;
    const gid = valid & FATTR_GID ? change.gid : undefined;
    attributes.chown(ino, uid, gid);
  }
  // With nothing to set, set-ID bits and capabilities are what it is about: write(2) or fallocate(2) by somebody who
  // opened the file for it, or chown(2) to nobody.
  if (valid & FATTR_KILL_SUIDGID || valid === 0) {
    attributes.dropPrivileges(ino, change.mayKeepSetgid());
  }
  if (valid & (FATTR_SIZE | FATTR_UID | FATTR_GID)) attributes.dropCapabilities(ino);
  if (valid & FATTR_MODE) {
    const result = attributes.chmod(ino, change.mode);
    if (result < 0) return result;
  }
  setTimes(fs, ino, change);
  if (valid === 0) inodes.touch(ino, CTIME);
  return 0;
}

const BOTH_NOW = FATTR_ATIME_NOW | FATTR_MTIME_NOW;

/** What chattr(1) leaves: both times become now where bytes may be appended, and what a write takes from a file. */
function isAllowed(inodes: InodeTable, ino: number, valid: number): boolean {
  if (valid & (FATTR_SIZE | FATTR_MODE | FATTR_UID | FATTR_GID)) return false;
  const setsTimes = (valid & (FATTR_ATIME | FATTR_MTIME | BOTH_NOW)) !== 0;
  const isTouch = (valid & BOTH_NOW) === BOTH_NOW;
  return !setsTimes || (isTouch && !inodes.has(ino, INODE_FLAG_IMMUTABLE));
}

/** Times change even when the size does not, as on tmpfs. */
function setSize({ inodes, data }: FileSystem, ino: number, bytes: number): number {
  if (inodes.isDirectory(ino)) return -EISDIR;
  if (!inodes.isRegular(ino)) return -EINVAL;
  const result = data.truncate(ino, bytes);
  if (result === 0) inodes.touch(ino, MTIME | CTIME);
  return result;
}

function setTimes({ inodes }: FileSystem, ino: number, change: AttributeChange): void {
  const { valid, atime, mtime } = change;
  if (valid & FATTR_ATIME_NOW) inodes.touch(ino, ATIME);
  else if (valid & FATTR_ATIME) inodes.setTime(ino, INODE_ATIME, INODE_ATIME_NSEC, ...atime);
  if (valid & FATTR_MTIME_NOW) inodes.touch(ino, MTIME);
  else if (valid & FATTR_MTIME) inodes.setTime(ino, INODE_MTIME, INODE_MTIME_NSEC, ...mtime);
  if (valid & (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW)) {
    inodes.touch(ino, CTIME);
  }
}

/** fallocate(2) on a regular file. @returns 0, -EPERM, -EOPNOTSUPP, -ENOSPC, -EFBIG */
export function allocate(
  { data, inodes }: FileSystem,
  ino: number,
  offset: number,
  length: number,
  mode: number,
): number {
  const keepSize = (mode & FALLOC.KEEP_SIZE) !== 0;
  const isPure = (mode & ~FALLOC.KEEP_SIZE) === 0;
  if (inodes.has(ino, INODE_FLAG_IMMUTABLE)) return -EPERM;
  if (inodes.has(ino, INODE_FLAG_APPEND_ONLY) && !isPure) return -EPERM;
  let result = 0;
  switch (mode & ~FALLOC.KEEP_SIZE) {
    case 0:
      result = data.reserve(ino, offset, length);
      break;
    case FALLOC.PUNCH_HOLE:
      if (!keepSize) return -EOPNOTSUPP;
      data.punchHole(ino, offset, length);
      break;
    case FALLOC.ZERO_RANGE:
      result = data.zeroRange(ino, offset, length);
      break;
    default:
      return -EOPNOTSUPP;
  }
  if (result < 0) return result;
  if (!keepSize && offset + length > inodes.size(ino)) inodes.setSize(ino, offset + length);
  inodes.touch(ino, MTIME | CTIME);
  return 0;
}
