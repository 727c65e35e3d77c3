/** LOOKUP, also by a file's hidden name, and the giving back of references: FORGET, BATCH_FORGET. */
import { ENAMETOOLONG, ENOENT, ENOTDIR, ESTALE } from "../core/errno.ts";
import {
  INODE_GENERATION,
  INODE_NLINK,
  INODE_PARENT_INO,
  INODE_UID,
  KERNEL_HOLDS_ATTRIBUTES,
  NAME_BYTES_MAX,
  ROOT_INO,
  SUPER_GENERATION,
} from "../region/layout.gen.ts";
import type { FileSystem } from "../core/file_system.ts";
import { type Exchange, NO_REPLY } from "./exchange.ts";
import {
  ATTR_MODE,
  BATCH_FORGET_IN_COUNT,
  BATCH_FORGET_IN_WORDS,
  ENTRY_OUT_ATTR,
  ENTRY_OUT_ATTR_VALID,
  ENTRY_OUT_ENTRY_VALID,
  FORGET_IN_NLOOKUP,
  FORGET_ONE_NLOOKUP,
  FORGET_ONE_NODEID,
  FORGET_ONE_WORDS,
} from "./fuse_records.gen.ts";
import { IN_BODY_BYTES, OUT_BODY } from "./protocol.ts";

const DOT = 0x2e;
const HIDDEN_PREFIX = ".btfuse-";
/** How long the kernel keeps another mode of a file at most. */
const HIDDEN_SECONDS = 1;
const OWNER_MAY = 0o600;

export function lookup(x: Exchange): number {
  const { fs, request, nodeid } = x;
  const length = x.nameLength(IN_BODY_BYTES);
  if (length > NAME_BYTES_MAX) return -ENAMETOOLONG;
  // Only NFS asks for these, to find a file by its handle (FUSE_EXPORT_SUPPORT).
  if (request[IN_BODY_BYTES] === DOT) {
    if (length === 1) return x.entryReply(nodeid);
    if (length === 2 && request[IN_BODY_BYTES + 1] === DOT) {
      const parent = fs.inodes.get(nodeid, INODE_PARENT_INO);
      return fs.inodes.exists(parent) ? x.entryReply(parent) : -ESTALE;
    }
  }
  if (!fs.inodes.isDirectory(nodeid)) return -ENOTDIR;
  const slot = fs.names.find(nodeid, request, IN_BODY_BYTES, length);
  if (slot !== 0) {
    x.raced.found(x.thread);
    return x.entryReply(fs.names.ino(slot));
  }
  const hidden = hiddenInode(x, length);
  if (hidden !== 0) return hiddenReply(x, hidden);
  return x.cache === "auto" ? x.negativeEntryReply(length) : -ENOENT;
}

/**
 * In the root directory a living file, or a directory that has been removed, can be found as `.btfuse-INO-GENERATION-KEY`, whatever its names: a client that has
 * it open turns its descriptor into one of the kernel's that way. The key is the region's generation in hexadecimal,
 * which only those know who may read the region. @returns the inode, or 0
 */
function hiddenInode(x: Exchange, length: number): number {
  const { request, nodeid, fs: { inodes } } = x;
  if (nodeid !== ROOT_INO || length <= HIDDEN_PREFIX.length) return 0;
  for (let i = 0; i < HIDDEN_PREFIX.length; i++) {
    if (request[IN_BODY_BYTES + i] !== HIDDEN_PREFIX.charCodeAt(i)) return 0;
  }
  const name = new TextDecoder().decode(request.subarray(IN_BODY_BYTES, IN_BODY_BYTES + length));
  const ino = Number(/^\.btfuse-([1-9]\d{0,9})-/.exec(name)?.[1] ?? 0);
  if (!inodes.exists(ino)) return 0;
  const isRemovedDirectory = inodes.isDirectory(ino) && inodes.get(ino, INODE_NLINK) === 0;
  if (!inodes.isRegular(ino) && !isRemovedDirectory) return 0;
  return name === hiddenName(x.fs, ino) ? ino : 0;
}

export function hiddenName({ inodes, region: { superblock } }: FileSystem, ino: number): string {
  const key = [superblock[SUPER_GENERATION + 1], superblock[SUPER_GENERATION]]
    .map((word) => word.toString(16).padStart(8, "0")).join("");
  return `${HIDDEN_PREFIX}${ino}-${inodes.get(ino, INODE_GENERATION)}-${key}`;
}

/**
 * The kernel must not keep such a name: when the file ends nobody would tell it. Its owner, who has the file open, may open it again
 * whatever its mode says by now; to others it tells another mode for that moment, until the client has opened it (`unhide`).
 */
function hiddenReply(x: Exchange, ino: number): number {
  const { inodes } = x.fs;
  const bytes = x.entryReply(ino);
  x.replyWords[OUT_BODY + ENTRY_OUT_ENTRY_VALID] = 0;
  if (
    x.uid !== 0 && x.uid === inodes.get(ino, INODE_UID) &&
    (inodes.mode(ino) & OWNER_MAY) !== OWNER_MAY
  ) {
    inodes.kernelHolds(ino, KERNEL_HOLDS_ATTRIBUTES);
    x.replyWords[OUT_BODY + ENTRY_OUT_ATTR + ATTR_MODE] |= OWNER_MAY;
    x.replyWords[OUT_BODY + ENTRY_OUT_ATTR_VALID] = HIDDEN_SECONDS;
  }
  return bytes;
}

export function forget(x: Exchange): number {
  x.fs.forget(x.nodeid, x.body64(FORGET_IN_NLOOKUP));
  return NO_REPLY;
}

export function batchForget(x: Exchange): number {
  const count = x.body(BATCH_FORGET_IN_COUNT);
  for (let i = 0; i < count; i++) {
    const at = BATCH_FORGET_IN_WORDS + i * FORGET_ONE_WORDS;
    x.fs.forget(x.body64(at + FORGET_ONE_NODEID), x.body64(at + FORGET_ONE_NLOOKUP));
  }
  return NO_REPLY;
}
