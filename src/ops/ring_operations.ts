/**
 * The operations of the request ring. For each, shim/ring_messages.zig has a record with its number and the fields of its message
 * (`RingMake`: RING_MAKE, RING_MAKE_MODE …). They call the same functions of the core as those of the kernel's door, and note
 * what the kernel has to forget.
 *
 * Whether the caller may is decided by the library in the caller's process: it could as well write the region itself.
 * Results are 0 or more, or a negative errno. Called with the core lock held.
 */
import {
  BLOCK_BYTES,
  COPY_BYTES_MAX,
  FILE_BYTES_MAX,
  INODE_ATIME,
  INODE_ATIME_NSEC,
  INODE_NLINK,
  INODE_OPEN_COUNT,
  INODE_WORDS,
  PREPARE_BYTES_MAX,
  RING_ACCESSED,
  RING_ACCESSED_INODE,
  RING_CALLER_UID,
  RING_CONCEAL,
  RING_CONCEAL_INODE,
  RING_COPY,
  RING_COPY_INODE,
  RING_COPY_LENGTH,
  RING_COPY_OFFSET,
  RING_COPY_TARGET,
  RING_COPY_TARGET_OFFSET,
  RING_FALLOCATE,
  RING_FALLOCATE_INODE,
  RING_FALLOCATE_LENGTH,
  RING_FALLOCATE_MODE,
  RING_FALLOCATE_OFFSET,
  RING_INVALIDATE,
  RING_INVALIDATE_GREW,
  RING_INVALIDATE_INODE,
  RING_LINK,
  RING_LINK_INODE,
  RING_LINK_PARENT,
  RING_MAKE,
  RING_MAKE_GID,
  RING_MAKE_MODE,
  RING_MAKE_PARENT,
  RING_MAKE_RDEV,
  RING_MAKE_UID,
  RING_MAKE_UMASK,
  RING_PING,
  RING_PREPARE,
  RING_PREPARE_CALLER,
  RING_PREPARE_INODE,
  RING_PREPARE_LENGTH,
  RING_PREPARE_OFFSET,
  RING_RELEASE,
  RING_RELEASE_INODE,
  RING_REMOVE,
  RING_REMOVE_AS_DIRECTORY,
  RING_REMOVE_PARENT,
  RING_REMOVEXATTR,
  RING_REMOVEXATTR_INODE,
  RING_RENAME,
  RING_RENAME_FLAGS,
  RING_RENAME_NEW_PARENT,
  RING_RENAME_PARENT,
  RING_REVEAL,
  RING_REVEAL_INODE,
  RING_SETATTR,
  RING_SETATTR_ATIME,
  RING_SETATTR_CALLER,
  RING_SETATTR_GID,
  RING_SETATTR_INODE,
  RING_SETATTR_MODE,
  RING_SETATTR_MTIME,
  RING_SETATTR_SIZE,
  RING_SETATTR_UID,
  RING_SETATTR_VALID,
  RING_SETXATTR,
  RING_SETXATTR_FLAGS,
  RING_SETXATTR_INODE,
  RING_SYMLINK,
  RING_SYMLINK_GID,
  RING_SYMLINK_PARENT,
  RING_SYMLINK_UID,
  RING_TMPFILE,
  RING_TMPFILE_GID,
  RING_TMPFILE_MODE,
  RING_TMPFILE_PARENT,
  RING_TMPFILE_UID,
  RING_TMPFILE_UMASK,
} from "../region/layout.gen.ts";
import {
  EFBIG,
  EINVAL,
  EIO,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
  ESTALE,
} from "../core/errno.ts";
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
import { conceal, reveal } from "./hidden_names.ts";
import type { RingRequest } from "./ring_request.ts";
import { FATTR_GID, FATTR_SIZE, FATTR_UID } from "./fuse_records.gen.ts";

type Operation = (r: RingRequest) => number;

const PERMISSIONS = 0o7777;
const MAKEABLE = [S_IFREG, S_IFDIR, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK];
const NANOSECONDS = 1e9;
/** The id that is none, which no file can have. */
const NOBODY = 0xffff_ffff;

const operations = new Map<number, Operation>([
  [RING_PING, () => 0],
  [RING_RELEASE, onInode(RING_RELEASE_INODE, release)],
  [RING_ACCESSED, onInode(RING_ACCESSED_INODE, accessed)],
  [RING_INVALIDATE, onInode(RING_INVALIDATE_INODE, invalidate)],
  [RING_MAKE, onDirectory(RING_MAKE_PARENT, make)],
  [RING_SYMLINK, onDirectory(RING_SYMLINK_PARENT, symlink)],
  [RING_LINK, onInode(RING_LINK_INODE, link)],
  [RING_REMOVE, onDirectory(RING_REMOVE_PARENT, remove)],
  [RING_RENAME, onDirectory(RING_RENAME_PARENT, rename)],
  [RING_SETATTR, onInode(RING_SETATTR_INODE, setattr)],
  [RING_PREPARE, onFile(RING_PREPARE_INODE, prepare)],
  [RING_FALLOCATE, onFile(RING_FALLOCATE_INODE, fallocate)],
  [RING_COPY, onFile(RING_COPY_INODE, copy)],
  [RING_SETXATTR, onInode(RING_SETXATTR_INODE, setxattr)],
  [RING_REMOVEXATTR, onInode(RING_REMOVEXATTR_INODE, removexattr)],
  [RING_TMPFILE, onDirectory(RING_TMPFILE_PARENT, tmpfile)],
  [RING_REVEAL, onInode(RING_REVEAL_INODE, reveal)],
  [RING_CONCEAL, onInode(RING_CONCEAL_INODE, conceal)],
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

type InodeOperation = (r: RingRequest, ino: number) => number;

/** An operation on a living inode, which this field of its message names. */
function onInode(field: number, operation: InodeOperation): Operation {
  return (r) => {
    const ino = r.inode(field);
    return ino < 0 ? ino : operation(r, ino);
  };
}

function onDirectory(field: number, operation: InodeOperation): Operation {
  return onInode(field, (r, ino) => r.fs.inodes.isDirectory(ino) ? operation(r, ino) : -ENOTDIR);
}

function onFile(field: number, operation: InodeOperation): Operation {
  return onInode(field, (r, ino) => r.fs.inodes.isRegular(ino) ? operation(r, ino) : -EINVAL);
}

// Open file descriptions.

function release(r: RingRequest, ino: number): number {
  r.fs.releaseIfUnused(ino);
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
  r.notices.dataChanged(ino, r.word(RING_INVALIDATE_GREW) !== 0);
  return 0;
}

// Names.

function make(r: RingRequest, parent: number): number {
  const mode = r.word(RING_MAKE_MODE);
  if (!MAKEABLE.includes(mode & S_IFMT)) return -EINVAL;
  const problem = r.nameProblem(0, r.length);
  if (problem !== 0) return problem;
  const [uid, gid] = [r.word(RING_MAKE_UID), r.word(RING_MAKE_GID)];
  if (uid === NOBODY || gid === NOBODY) return -EINVAL;
  const ino = r.fs.makeNode(parent, r.bytes, 0, r.length, {
    mode: mode & (S_IFMT | PERMISSIONS),
    umask: r.word(RING_MAKE_UMASK) & PERMISSIONS,
    uid,
    gid,
    rdev: r.word(RING_MAKE_RDEV),
  });
  if (ino < 0) return ino;
  if (r.fs.inodes.isRegular(ino)) countOpen(r, ino);
  r.notices.nameChanged(parent, r.bytes, 0, r.length, false);
  return r.madeResult(ino, r.fs.names.newest);
}

function tmpfile(r: RingRequest, parent: number): number {
  if (r.fs.inodes.get(parent, INODE_NLINK) === 0) return -ENOENT;
  const [uid, gid] = [r.word(RING_TMPFILE_UID), r.word(RING_TMPFILE_GID)];
  if (uid === NOBODY || gid === NOBODY) return -EINVAL;
  const ino = r.fs.makeUnnamed(parent, {
    mode: S_IFREG | (r.word(RING_TMPFILE_MODE) & PERMISSIONS),
    umask: r.word(RING_TMPFILE_UMASK) & PERMISSIONS,
    uid,
    gid,
    rdev: 0,
  });
  if (ino < 0) return ino;
  countOpen(r, ino);
  // It notes that only clients keep the inode alive.
  r.fs.releaseIfUnused(ino);
  return r.madeResult(ino, 0);
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
  const owner = { uid: r.word(RING_SYMLINK_UID), gid: r.word(RING_SYMLINK_GID) };
  if (owner.uid === NOBODY || owner.gid === NOBODY) return -EINVAL;
  const ino = r.fs.symlink(parent, r.bytes, 0, end, target, r.length - target, owner);
  if (ino >= 0) r.notices.nameChanged(parent, r.bytes, 0, end, false);
  return r.madeResult(ino, r.fs.names.newest);
}

function link(r: RingRequest, ino: number): number {
  const parent = r.inode(RING_LINK_PARENT);
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
  const ino = names.inodeNamed(parent, r.bytes, 0, r.length);
  const wasKnown = isKnown(r, ino);
  const removed = r.word(RING_REMOVE_AS_DIRECTORY) === 1
    ? names.rmdir(parent, r.bytes, 0, r.length)
    : names.unlink(parent, r.bytes, 0, r.length);
  if (removed !== 0) return removed;
  r.notices.attributesChanged(ino);
  r.notices.nameChanged(parent, r.bytes, 0, r.length, wasKnown);
  return 0;
}

function rename(r: RingRequest, parent: number): number {
  const newParent = r.inode(RING_RENAME_NEW_PARENT);
  if (newParent < 0) return newParent;
  const end = r.firstEnd();
  if (end < 0) return -EINVAL;
  const problem = r.nameProblem(0, end) || r.nameProblem(end + 1, r.length);
  if (problem !== 0) return problem;
  const [start, length] = [end + 1, r.length - end - 1];
  const [moved, replaced] = [
    r.fs.names.inodeNamed(parent, r.bytes, 0, end),
    r.fs.names.inodeNamed(newParent, r.bytes, start, length),
  ];
  const [movedKnown, replacedKnown] = [isKnown(r, moved), isKnown(r, replaced)];
  const flags = r.word(RING_RENAME_FLAGS);
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

// Attributes.

function setattr(r: RingRequest, ino: number): number {
  const valid = r.word(RING_SETATTR_VALID);
  const [uid, gid] = [r.word(RING_SETATTR_UID), r.word(RING_SETATTR_GID)];
  const [atime, mtime] = [r.time(RING_SETATTR_ATIME), r.time(RING_SETATTR_MTIME)];
  if (Math.max(atime[2], mtime[2]) >= NANOSECONDS) return -EINVAL;
  const toNobody = (valid & FATTR_UID && uid === NOBODY) || (valid & FATTR_GID && gid === NOBODY);
  if (toNobody) return -EINVAL;
  const result = changeAttributes(r.fs, ino, {
    valid,
    size: r.number(RING_SETATTR_SIZE),
    mode: r.word(RING_SETATTR_MODE) & PERMISSIONS,
    uid,
    gid,
    atime,
    mtime,
    mayKeepSetgid: () => r.mayKeepSetgid(RING_SETATTR_CALLER),
  });
  if (valid & FATTR_SIZE) r.notices.dataChanged(ino);
  r.notices.attributesChanged(ino);
  return result;
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
  const stored = r.fs.attributes.setXattr(ino, name, value, r.word(RING_SETXATTR_FLAGS));
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
  const offset = r.number(RING_PREPARE_OFFSET);
  const length = Math.min(r.number(RING_PREPARE_LENGTH), PREPARE_BYTES_MAX);
  const problem = rangeProblem(offset, length);
  if (problem !== 0) return problem;
  // Whoever writes a file loses its privileges, see write(2) and capabilities(7).
  const isRoot = r.word(RING_PREPARE_CALLER + RING_CALLER_UID) === 0;
  if (isRoot) fs.attributes.dropCapabilities(ino);
  else fs.attributes.dropPrivileges(ino, r.mayKeepSetgid(RING_PREPARE_CALLER));
  r.notices.attributesChanged(ino);
  const reserved = fs.data.reserve(ino, offset, length) === 0
    ? length
    : reserveBlockwise(r, ino, offset, length);
  return reserved === 0 ? -ENOSPC : reserved;
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
  const [offset, length] = [r.number(RING_FALLOCATE_OFFSET), r.number(RING_FALLOCATE_LENGTH)];
  const problem = rangeProblem(offset, length);
  if (problem !== 0) return problem;
  const result = allocate(r.fs, ino, offset, length, r.word(RING_FALLOCATE_MODE));
  if (result === 0) r.notices.dataChanged(ino);
  return result;
}

function copy(r: RingRequest, ino: number): number {
  const { data, inodes } = r.fs;
  const target = r.inode(RING_COPY_TARGET);
  if (target < 0) return -ESTALE;
  if (!inodes.isRegular(target)) return -EINVAL;
  if (inodes.isProtected(target)) return -EPERM;
  const [from, to] = [r.number(RING_COPY_OFFSET), r.number(RING_COPY_TARGET_OFFSET)];
  const length = Math.min(r.number(RING_COPY_LENGTH), Math.max(0, inodes.size(ino) - from));
  if (ino === target && Math.abs(from - to) < length) return -EINVAL;
  const copied = data.copy(ino, from, target, to, Math.min(length, COPY_BYTES_MAX));
  if (copied > 0) {
    inodes.touchAtime(ino);
    inodes.touch(target, MTIME | CTIME);
    r.notices.attributesChanged(ino);
    r.notices.dataChanged(target);
  }
  return copied;
}
