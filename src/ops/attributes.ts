/** GETATTR, SETATTR, STATX, STATFS. */
import {
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
import { changeAttributes } from "./changes.ts";
import type { Exchange } from "./exchange.ts";
import { ATTR_OUT_WORDS, OUT_BODY } from "./protocol.ts";

function attrReply(x: Exchange, ino: number): number {
  const out = x.replyWords;
  out[OUT_BODY] = x.validSeconds;
  out[OUT_BODY + 1] = 0;
  out[OUT_BODY + 2] = 0;
  out[OUT_BODY + 3] = 0;
  x.writeAttr(OUT_BODY + 4, ino);
  return ATTR_OUT_WORDS * 4;
}

export function getattr(x: Exchange): number {
  return attrReply(x, x.nodeid);
}

/** struct fuse_setattr_in, by word of the body. */
const VALID = 0;
const SIZE = 4;
const ATIME_SECONDS = 8;
const MTIME_SECONDS = 10;
const ATIME_NANOSECONDS = 14;
const MTIME_NANOSECONDS = 15;
const MODE = 17;
const UID = 19;
const GID = 20;

export function setattr(x: Exchange): number {
  const { fs, nodeid } = x;
  const result = changeAttributes(fs, nodeid, {
    valid: x.body(VALID),
    size: x.body64(SIZE),
    mode: x.body(MODE),
    uid: x.body(UID),
    gid: x.body(GID),
    atime: [x.body(ATIME_SECONDS), x.body(ATIME_SECONDS + 1), x.body(ATIME_NANOSECONDS)],
    mtime: [x.body(MTIME_SECONDS), x.body(MTIME_SECONDS + 1), x.body(MTIME_NANOSECONDS)],
    mayKeepSetgid: () => x.mayKeepSetgid(nodeid),
  });
  return result < 0 ? result : attrReply(x, nodeid);
}

const STATX_BASIC_STATS = 0x7ff;
const STATX_BTIME = 0x800;

/** What GETATTR says, and the time of birth. struct fuse_statx_out: 8 words, then struct fuse_statx of 64. */
export function statx(x: Exchange): number {
  const { inodes } = x.fs;
  const { nodeid, replyWords: out } = x;
  const at = OUT_BODY + 8;
  out.fill(0, OUT_BODY, at + 64);
  out[OUT_BODY] = x.validSeconds;
  // struct fuse_attr is the source, so that both calls say the same.
  const scratch = at + 64;
  x.writeAttr(scratch, nodeid);
  const rdev = inodes.get(nodeid, INODE_RDEV);
  out[at] = STATX_BASIC_STATS | STATX_BTIME;
  out[at + 1] = 4096;
  out[at + 4] = inodes.get(nodeid, INODE_NLINK);
  out[at + 5] = inodes.get(nodeid, INODE_UID);
  out[at + 6] = inodes.get(nodeid, INODE_GID);
  out[at + 7] = inodes.mode(nodeid);
  out[at + 8] = nodeid;
  out[at + 10] = out[scratch + 2];
  out[at + 11] = out[scratch + 3];
  out[at + 12] = out[scratch + 4];
  out[at + 13] = out[scratch + 5];
  const times = [
    [INODE_ATIME, INODE_ATIME_NSEC],
    [INODE_BTIME, INODE_BTIME_NSEC],
    [INODE_CTIME, INODE_CTIME_NSEC],
    [INODE_MTIME, INODE_MTIME_NSEC],
  ];
  times.forEach(([seconds, nanoseconds], i) => {
    out[at + 16 + 4 * i] = inodes.get(nodeid, seconds);
    out[at + 17 + 4 * i] = inodes.get(nodeid, seconds + 1);
    out[at + 18 + 4 * i] = inodes.get(nodeid, nanoseconds);
  });
  // rdev has the form of the kernel's new_encode_dev: 8 low bits of minor, 12 of major, the rest of minor.
  out[at + 32] = (rdev >>> 8) & 0xfff;
  out[at + 33] = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return (8 + 64) * 4;
}

export function statfs(x: Exchange): number {
  const { blockPool, inodePool } = x.fs;
  const out = x.replyWords;
  out.fill(0, OUT_BODY, OUT_BODY + 20);
  out[OUT_BODY] = blockPool.count - 1;
  out[OUT_BODY + 2] = blockPool.available;
  out[OUT_BODY + 4] = blockPool.available;
  out[OUT_BODY + 6] = inodePool.count - 1;
  out[OUT_BODY + 8] = inodePool.available;
  out[OUT_BODY + 10] = 4096;
  out[OUT_BODY + 11] = NAME_BYTES_MAX;
  out[OUT_BODY + 12] = 4096;
  return 80;
}
