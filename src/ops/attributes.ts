/** GETATTR, SETATTR, STATX, STATFS. */
import {
  BLOCK_BYTES,
  INODE_ATIME,
  INODE_ATIME_NSEC,
  INODE_BTIME,
  INODE_BTIME_NSEC,
  INODE_CTIME,
  INODE_CTIME_NSEC,
  INODE_GID,
  INODE_MTIME,
  INODE_MTIME_NSEC,
  INODE_NLINK,
  INODE_RDEV,
  INODE_UID,
  NAME_BYTES_MAX,
} from "../region/layout.gen.ts";
import { changeAttributes, type TimeWords } from "./changes.ts";
import type { Exchange } from "./exchange.ts";
import {
  ATTR_BLOCKS,
  ATTR_OUT_ATTR,
  ATTR_OUT_ATTR_VALID,
  ATTR_OUT_ATTR_VALID_NSEC,
  ATTR_OUT_WORDS,
  ATTR_SIZE,
  KSTATFS_BAVAIL,
  KSTATFS_BFREE,
  KSTATFS_BLOCKS,
  KSTATFS_BSIZE,
  KSTATFS_FFREE,
  KSTATFS_FILES,
  KSTATFS_FRSIZE,
  KSTATFS_NAMELEN,
  KSTATFS_WORDS,
  SETATTR_IN_ATIME,
  SETATTR_IN_ATIMENSEC,
  SETATTR_IN_GID,
  SETATTR_IN_MODE,
  SETATTR_IN_MTIME,
  SETATTR_IN_MTIMENSEC,
  SETATTR_IN_SIZE,
  SETATTR_IN_UID,
  SETATTR_IN_VALID,
  STATX_ATIME,
  STATX_BLKSIZE,
  STATX_BLOCKS,
  STATX_BTIME,
  STATX_CTIME,
  STATX_GID,
  STATX_INO,
  STATX_MASK,
  STATX_MODE_OFFSET_BYTES,
  STATX_MTIME,
  STATX_NLINK,
  STATX_OUT_ATTR_VALID,
  STATX_OUT_STAT,
  STATX_OUT_WORDS,
  STATX_RDEV_MAJOR,
  STATX_RDEV_MINOR,
  STATX_SIZE,
  STATX_UID,
  SX_TIME_TV_NSEC,
  SX_TIME_TV_SEC,
} from "./fuse_records.gen.ts";
import { OUT_BODY } from "./protocol.ts";

function attrReply(x: Exchange, ino: number): number {
  const out = x.replyWords;
  out[OUT_BODY + ATTR_OUT_ATTR_VALID] = x.validSeconds;
  out[OUT_BODY + ATTR_OUT_ATTR_VALID + 1] = 0;
  out[OUT_BODY + ATTR_OUT_ATTR_VALID_NSEC] = 0;
  out[OUT_BODY + ATTR_OUT_ATTR_VALID_NSEC + 1] = 0;
  x.writeAttr(OUT_BODY + ATTR_OUT_ATTR, ino);
  return ATTR_OUT_WORDS * 4;
}

export function getattr(x: Exchange): number {
  return attrReply(x, x.nodeid);
}

/** Seconds at this word of the body, and nanoseconds at that one. */
function time(x: Exchange, seconds: number, nanoseconds: number): TimeWords {
  return [x.body(seconds), x.body(seconds + 1), x.body(nanoseconds)];
}

export function setattr(x: Exchange): number {
  const { fs, nodeid } = x;
  const result = changeAttributes(fs, nodeid, {
    valid: x.body(SETATTR_IN_VALID),
    size: x.body64(SETATTR_IN_SIZE),
    mode: x.body(SETATTR_IN_MODE),
    uid: x.body(SETATTR_IN_UID),
    gid: x.body(SETATTR_IN_GID),
    atime: time(x, SETATTR_IN_ATIME, SETATTR_IN_ATIMENSEC),
    mtime: time(x, SETATTR_IN_MTIME, SETATTR_IN_MTIMENSEC),
    mayKeepSetgid: () => x.mayKeepSetgid(nodeid),
  });
  return result < 0 ? result : attrReply(x, nodeid);
}

/** Of statx(2), `stx_mask`. */
const STATX_BASIC_STATS_BITS = 0x7ff;
const STATX_BTIME_BIT = 0x800;

/** The times of struct fuse_statx and where an inode has them. */
const STATX_TIMES = [
  [STATX_ATIME, INODE_ATIME, INODE_ATIME_NSEC],
  [STATX_BTIME, INODE_BTIME, INODE_BTIME_NSEC],
  [STATX_CTIME, INODE_CTIME, INODE_CTIME_NSEC],
  [STATX_MTIME, INODE_MTIME, INODE_MTIME_NSEC],
];

/** What GETATTR says, and the time of birth. */
export function statx(x: Exchange): number {
  const { inodes } = x.fs;
  const { nodeid, replyWords: out } = x;
  const at = OUT_BODY + STATX_OUT_STAT;
  out.fill(0, OUT_BODY, OUT_BODY + STATX_OUT_WORDS);
  out[OUT_BODY + STATX_OUT_ATTR_VALID] = x.validSeconds;
  // struct fuse_attr is the source, so that both calls say the same.
  const scratch = OUT_BODY + STATX_OUT_WORDS;
  x.writeAttr(scratch, nodeid);
  out[at + STATX_MASK] = STATX_BASIC_STATS_BITS | STATX_BTIME_BIT;
  out[at + STATX_BLKSIZE] = BLOCK_BYTES;
  out[at + STATX_NLINK] = inodes.get(nodeid, INODE_NLINK);
  out[at + STATX_UID] = inodes.get(nodeid, INODE_UID);
  out[at + STATX_GID] = inodes.get(nodeid, INODE_GID);
  // 16 bits, and 16 that are reserved.
  out[at + STATX_MODE_OFFSET_BYTES / 4] = inodes.mode(nodeid);
  out[at + STATX_INO] = nodeid;
  for (const [to, from] of [[STATX_SIZE, ATTR_SIZE], [STATX_BLOCKS, ATTR_BLOCKS]]) {
    out[at + to] = out[scratch + from];
    out[at + to + 1] = out[scratch + from + 1];
  }
  for (const [to, seconds, nanoseconds] of STATX_TIMES) {
    out[at + to + SX_TIME_TV_SEC] = inodes.get(nodeid, seconds);
    out[at + to + SX_TIME_TV_SEC + 1] = inodes.get(nodeid, seconds + 1);
    out[at + to + SX_TIME_TV_NSEC] = inodes.get(nodeid, nanoseconds);
  }
  // rdev has the form of the kernel's new_encode_dev: 8 low bits of minor, 12 of major, the rest of minor.
  const rdev = inodes.get(nodeid, INODE_RDEV);
  out[at + STATX_RDEV_MAJOR] = (rdev >>> 8) & 0xfff;
  out[at + STATX_RDEV_MINOR] = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return STATX_OUT_WORDS * 4;
}

export function statfs(x: Exchange): number {
  const { blockPool, inodePool } = x.fs;
  const out = x.replyWords;
  out.fill(0, OUT_BODY, OUT_BODY + KSTATFS_WORDS);
  out[OUT_BODY + KSTATFS_BLOCKS] = blockPool.count - 1;
  out[OUT_BODY + KSTATFS_BFREE] = blockPool.available;
  // What is said to be available to programs can be written, by one large file as well. df(1) takes
  // "used" from the line above, so that nothing is used in an empty file system.
  out[OUT_BODY + KSTATFS_BAVAIL] = x.fs.writableBlockCount;
  out[OUT_BODY + KSTATFS_FILES] = inodePool.count - 1;
  out[OUT_BODY + KSTATFS_FFREE] = inodePool.available;
  out[OUT_BODY + KSTATFS_BSIZE] = BLOCK_BYTES;
  out[OUT_BODY + KSTATFS_NAMELEN] = NAME_BYTES_MAX;
  out[OUT_BODY + KSTATFS_FRSIZE] = BLOCK_BYTES;
  return KSTATFS_WORDS * 4;
}
