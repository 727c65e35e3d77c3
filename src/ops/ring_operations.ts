/**
 * The operations of the request ring; shim/layout.zig lists them with their arguments. They call the same functions of the
 * core as those of the kernel's door, and note what the kernel has to forget.
 *
 * Whether the caller may is decided by the library in the caller's process: it could as well write the region itself.
 * Results are 0 or more, or a negative errno. Called with the core lock held.
 */
import {
  BLOCK_BYTES,
  DENTRY_INO,
  FILE_BYTES_MAX,
  INODE_ATIME,
  INODE_ATIME_NSEC,
  INODE_NLINK,
  INODE_OPEN_COUNT,
  INODE_WORDS,
  RING_ACCESSED,
  RING_COPY,
  RING_FALLOCATE,
  RING_INVALIDATE,
  RING_LINK,
  RING_MAKE,
  RING_PING,
  RING_PREPARE,
  RING_RELEASE,
  RING_REMOVE,
  RING_REMOVEXATTR,
  RING_RENAME,
  RING_SETATTR,
  RING_SETXATTR,
  RING_SYMLINK,
  RING_TMPFILE,
  RING_UNHIDE,
  ROOT_INO,
} from "../region/layout.gen.ts";
import { EFBIG, EINVAL, EIO, ENOENT, ENOSPC, ENOTDIR, EOPNOTSUPP, ESTALE } from "../core/errno.ts";
import {
  CTIME,
  MTIME,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from "../core/inode_table.ts";
import { allocate, changeAttributes } from "./changes.ts";
import { hiddenName } from "./lookup.ts";
import { FATTR } from "./protocol.ts";
import { INODE_ARGUMENTS, type RingRequest } from "./ring_request.ts";

type Operation = (r: RingRequest) => number;

const PERMISSIONS = 0o7777;
const MAKEABLE = [S_IFREG, S_IFDIR, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK];
/** What one request copies or prepares at most, so that others are served in between. */
const COPY_BYTES_MAX = 32 << 20;
const PREPARE_BYTES_MAX = 1 << 20;
const NANOSECONDS = 1e9;
/** The id that is none, which no file can have. */
const NOBODY = 0xffff_ffff;

const operations = new Map<number, Operation>([
  [RING_PING, () => 0],
  [RING_RELEASE, onInode(release)],
  [RING_ACCESSED, onInode(accessed)],
  [RING_INVALIDATE, onInode(invalidate)],
  [RING_MAKE, onDirectory(make)],
  [RING_SYMLINK, onDirectory(symlink)],
  [RING_LINK, onInode(link)],
  [RING_REMOVE, onDirectory(remove)],
  [RING_RENAME, onDirectory(rename)],
  [RING_SETATTR, onInode(setattr)],
  [RING_PREPARE, onFile(prepare)],
  [RING_FALLOCATE, onFile(fallocate)],
  [RING_COPY, onFile(copy)],
  [RING_SETXATTR, onInode(setxattr)],
  [RING_REMOVEXATTR, onInode(removexattr)],
  [RING_TMPFILE, onDirectory(tmpfile)],
  [RING_UNHIDE, onFile(unhide)],
]);

/** Serves what `r` has taken from a slot. */
export function serveRing(r: RingRequest): number {
  const operation = operations.get(r.operation);
  return operation === undefined ? -EINVAL : operation(r);
}

/** What a request gets whose operation threw: a defect, already reported by the caller. */
export function serveRingFailure(r: RingRequest): number {
  r.fs.settle();
  return -EIO;
}

/** An operation whose first two arguments name a living inode. */
function onInode(operation: (r: RingRequest, ino: number) => number): Operation {
  return (r) => {
    const ino = r.inode(0);
    return ino < 0 ? ino : operation(r, ino);
  };
}

function onDirectory(operation: (r: RingRequest, ino: number) => number): Operation {
  return onInode((r, ino) => r.fs.inodes.isDirectory(ino) ? operation(r, ino) : -ENOTDIR);
}

function onFile(operation: (r: RingRequest, ino: number) => number): Operation {
  return onInode((r, ino) => r.fs.inodes.isRegular(ino) ? operation(r, ino) : -EINVAL);
}

// Open file descriptions.

function release(r: RingRequest, ino: number): number {
  r.fs.releaseIfUnused(ino);
  return 0;
}

function unhide(r: RingRequest, ino: number): number {
  const name = new TextEncoder().encode(hiddenName(r.fs, ino));
  r.notices.nameForgotten(ROOT_INO, name, 0, name.length);
  // Of which it may have been told another mode, see hiddenReply.
  r.notices.attributesChanged(ino);
  return 0;
}

function accessed(r: RingRequest, ino: number): number {
  const { inodes } = r.fs;
  const before = [inodes.get64(ino, INODE_ATIME), inodes.get(ino, INODE_ATIME_NSEC)];
  inodes.touchAtime(ino);
  const isSame = inodes.get64(ino, INODE_ATIME) === before[0] &&
    inodes.get(ino, INODE_ATIME_NSEC) === before[1];
  if (!isSame) r.notices.attributesChanged(ino);
  return 0;
}

/** All of the file's pages go, not only the range: the next stores then find nothing to invalidate. */
function invalidate(r: RingRequest, ino: number): number {
  r.notices.dataChanged(ino, r.word(2) !== 0);
  return 0;
}

// Names.

function make(r: RingRequest, parent: number): number {
  const mode = r.word(2);
  if (!MAKEABLE.includes(mode & S_IFMT)) return -EINVAL;
  const problem = r.nameProblem(0, r.length);
  if (problem !== 0) return problem;
  if (r.word(4) === NOBODY || r.word(5) === NOBODY) return -EINVAL;
  const ino = r.fs.makeNode(parent, r.bytes, 0, r.length, {
    mode: mode & (S_IFMT | PERMISSIONS),
    umask: r.word(3) & PERMISSIONS,
    uid: r.word(4),
    gid: r.word(5),
    rdev: r.word(6),
  });
  if (ino < 0) return ino;
  if (r.fs.inodes.isRegular(ino)) countOpen(r, ino);
  r.notices.nameChanged(parent, r.bytes, 0, r.length, false);
  r.setResult(2, r.fs.names.newest);
  return r.inodeResult(ino);
}

function tmpfile(r: RingRequest, parent: number): number {
  if (r.fs.inodes.get(parent, INODE_NLINK) === 0) return -ENOENT;
  if (r.word(4) === NOBODY || r.word(5) === NOBODY) return -EINVAL;
  const ino = r.fs.makeUnnamed(parent, {
    mode: S_IFREG | (r.word(2) & PERMISSIONS),
    umask: r.word(3) & PERMISSIONS,
    uid: r.word(4),
    gid: r.word(5),
    rdev: 0,
  });
  if (ino < 0) return ino;
  countOpen(r, ino);
  // It notes that only clients keep the inode alive.
  r.fs.releaseIfUnused(ino);
  return r.inodeResult(ino);
}

/** The file is open for the client from the start: nobody may end it before the client has a description of it. */
function countOpen(r: RingRequest, ino: number): void {
  Atomics.add(r.fs.inodes.words, ino * INODE_WORDS + INODE_OPEN_COUNT, 1);
}

function symlink(r: RingRequest, parent: number): number {
  const end = r.firstEnd();
  if (end < 0) return -EINVAL;
  const problem = r.nameProblem(0, end);
  if (problem !== 0) return problem;
  const target = end + 1;
  if (r.bytes.subarray(target, r.length).includes(0)) return -EINVAL;
  const owner = { uid: r.word(2), gid: r.word(3) };
  if (owner.uid === NOBODY || owner.gid === NOBODY) return -EINVAL;
  const ino = r.fs.symlink(parent, r.bytes, 0, end, target, r.length - target, owner);
  if (ino >= 0) r.notices.nameChanged(parent, r.bytes, 0, end, false);
  return r.inodeResult(ino);
}

function link(r: RingRequest, ino: number): number {
  const parent = r.inode(INODE_ARGUMENTS);
  if (parent < 0) return parent;
  const problem = r.nameProblem(0, r.length);
  if (problem !== 0) return problem;
  const linked = r.fs.names.link(ino, parent, r.bytes, 0, r.length);
  if (linked !== 0) return linked;
  r.notices.attributesChanged(ino);
  r.notices.nameChanged(parent, r.bytes, 0, r.length, false);
  return 0;
}

function remove(r: RingRequest, parent: number): number {
  const problem = r.nameProblem(0, r.length);
  if (problem !== 0) return problem;
  const { names } = r.fs;
  const ino = inodeNamed(r, parent, 0, r.length);
  const wasKnown = isKnown(r, ino);
  const removed = r.word(2) === 1
    ? names.rmdir(parent, r.bytes, 0, r.length)
    : names.unlink(parent, r.bytes, 0, r.length);
  if (removed !== 0) return removed;
  r.notices.attributesChanged(ino);
  r.notices.nameChanged(parent, r.bytes, 0, r.length, wasKnown);
  return 0;
}

function rename(r: RingRequest, parent: number): number {
  const newParent = r.inode(INODE_ARGUMENTS);
  if (newParent < 0) return newParent;
  const end = r.firstEnd();
  if (end < 0) return -EINVAL;
  const problem = r.nameProblem(0, end) || r.nameProblem(end + 1, r.length);
  if (problem !== 0) return problem;
  const [start, length] = [end + 1, r.length - end - 1];
  const [moved, replaced] = [
    inodeNamed(r, parent, 0, end),
    inodeNamed(r, newParent, start, length),
  ];
  const [movedKnown, replacedKnown] = [isKnown(r, moved), isKnown(r, replaced)];
  const flags = r.word(4);
  const renamed = r.fs.names.rename(parent, r.bytes, 0, end, newParent, start, length, flags);
  if (renamed !== 0) return renamed;
  for (const ino of [moved, replaced]) {
    // A directory that moves lists another "..".
    if (ino !== 0) r.notices.listingChanged(ino);
  }
  r.notices.nameChanged(parent, r.bytes, 0, end, movedKnown);
  r.notices.nameChanged(newParent, r.bytes, start, length, replacedKnown);
  return 0;
}

/** Whether the kernel refers to the inode; asked before a change, which may end it. */
function isKnown(r: RingRequest, ino: number): boolean {
  return ino !== 0 && r.fs.inodes.lookupCount(ino) > 0;
}

/** The inode that has this name, or 0. */
function inodeNamed(r: RingRequest, parent: number, start: number, length: number): number {
  const { names } = r.fs;
  const slot = names.find(parent, r.bytes, start, length);
  return slot === 0 ? 0 : names.get(slot, DENTRY_INO);
}

// Attributes.

function setattr(r: RingRequest, ino: number): number {
  const valid = r.word(2);
  if (Math.max(r.word(8), r.word(10)) >= NANOSECONDS) return -EINVAL;
  const toNobody = (valid & FATTR.UID && r.word(5) === NOBODY) ||
    (valid & FATTR.GID && r.word(6) === NOBODY);
  if (toNobody) return -EINVAL;
  const result = changeAttributes(r.fs, ino, {
    valid,
    size: r.number(3),
    mode: r.word(4) & PERMISSIONS,
    uid: r.word(5),
    gid: r.word(6),
    atime: [r.word(7), r.highWord(7), r.word(8)],
    mtime: [r.word(9), r.highWord(9), r.word(10)],
    mayKeepSetgid: () => mayKeepSetgid(r, 11),
  });
  if (valid & FATTR.SIZE) r.notices.dataChanged(ino);
  r.notices.attributesChanged(ino);
  return result;
}

/** Of the caller, whose user id and membership in the file's group stand at this argument. */
function mayKeepSetgid(r: RingRequest, index: number): boolean {
  return r.word(index) === 0 || r.word(index + 1) !== 0;
}

/** Only what has no meaning for the file system itself: access lists and capabilities are the kernel's door's. */
function attributeNameProblem(r: RingRequest, end: number): number {
  const name = new TextDecoder("latin1").decode(r.bytes.subarray(0, end));
  if (name.includes("\0")) return -EINVAL;
  const prefix = ["user.", "trusted."].find((prefix) => name.startsWith(prefix));
  if (prefix === undefined) return -EOPNOTSUPP;
  return name.length === prefix.length ? -EINVAL : 0;
}

function setxattr(r: RingRequest, ino: number): number {
  const end = r.firstEnd();
  if (end < 0) return -EINVAL;
  const problem = attributeNameProblem(r, end);
  if (problem !== 0) return problem;
  const [name, value] = [r.bytes.slice(0, end), r.bytes.slice(end + 1, r.length)];
  const stored = r.fs.attributes.setXattr(ino, name, value, r.word(2));
  if (stored === 0) r.notices.attributesChanged(ino);
  return stored;
}

function removexattr(r: RingRequest, ino: number): number {
  const problem = attributeNameProblem(r, r.length);
  if (problem !== 0) return problem;
  const removed = r.fs.attributes.removeXattr(ino, r.bytes.slice(0, r.length));
  if (removed === 0) r.notices.attributesChanged(ino);
  return removed;
}

// Bytes.

/** Offset and length of a range within a file; -EINVAL without a length, -EFBIG behind the largest offset. */
function rangeProblem(offset: number, length: number): number {
  if (length === 0) return -EINVAL;
  return offset + length > FILE_BYTES_MAX ? -EFBIG : 0;
}

function prepare(r: RingRequest, ino: number): number {
  const { fs } = r;
  const offset = r.number(2);
  const length = Math.min(r.number(3), PREPARE_BYTES_MAX);
  const problem = rangeProblem(offset, length);
  if (problem !== 0) return problem;
  // Whoever writes a file loses its privileges, see write(2) and capabilities(7).
  if (r.word(4) === 0) fs.attributes.dropCapabilities(ino);
  else fs.attributes.dropPrivileges(ino, mayKeepSetgid(r, 4));
  r.notices.attributesChanged(ino);
  const reserved = fs.data.reserve(ino, offset, length) === 0
    ? length
    : reserveBlockwise(r, ino, offset, length);
  return reserved === 0 ? -ENOSPC : r.bytesResult(reserved);
}

/** As many bytes as there is room for. */
function reserveBlockwise(r: RingRequest, ino: number, offset: number, length: number): number {
  const end = offset + length;
  let at = offset;
  while (at < end && r.fs.data.reserve(ino, at, 1) === 0) {
    at = Math.min(end, (Math.floor(at / BLOCK_BYTES) + 1) * BLOCK_BYTES);
  }
  return at - offset;
}

function fallocate(r: RingRequest, ino: number): number {
  const [offset, length, mode] = [r.number(2), r.number(3), r.word(4)];
  const problem = rangeProblem(offset, length);
  if (problem !== 0) return problem;
  const result = allocate(r.fs, ino, offset, length, mode);
  if (result === 0) r.notices.dataChanged(ino);
  return result;
}

function copy(r: RingRequest, ino: number): number {
  const { data, inodes } = r.fs;
  const target = r.inode(3);
  if (target < 0) return -ESTALE;
  if (!inodes.isRegular(target)) return -EINVAL;
  const [from, to] = [r.number(2), r.number(5)];
  const length = Math.min(r.number(6), Math.max(0, inodes.size(ino) - from));
  if (ino === target && Math.abs(from - to) < length) return -EINVAL;
  const copied = data.copy(ino, from, target, to, Math.min(length, COPY_BYTES_MAX));
  if (copied > 0) {
    inodes.touchAtime(ino);
    inodes.touch(target, MTIME | CTIME);
    r.notices.attributesChanged(ino);
    r.notices.dataChanged(target);
  }
  return r.bytesResult(copied);
}
