/**
 * IOCTL, as far as it is about what chattr(1) sets: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR. The kernel asks by
 * these also for file_getattr(2) and file_setattr(2), and has checked who may (inode_owner_or_capable, CAP_LINUX_IMMUTABLE).
 */
import {
  INODE_FLAG_APPEND_ONLY,
  INODE_FLAG_IMMUTABLE,
  INODE_FLAG_NO_ATIME,
  INODE_FLAG_NO_DUMP,
  INODE_FLAGS,
} from "../region/layout.gen.ts";
import { EINVAL, ENOTTY, EOPNOTSUPP } from "../core/errno.ts";
import { CTIME } from "../core/inode_table.ts";
import type { Exchange } from "./exchange.ts";
import {
  IOCTL_IN_CMD,
  IOCTL_IN_IN_SIZE,
  IOCTL_IN_OUT_SIZE,
  IOCTL_IN_WORDS,
  IOCTL_OUT_WORDS,
} from "./fuse_records.gen.ts";
import { IN_BODY, OUT_BODY } from "./protocol.ts";

/** <linux/fs.h>, with the sizes of 64-bit programs: the kernel translates those of others. */
const GETFLAGS = 0x80086601;
const SETFLAGS = 0x40086602;
const FSGETXATTR = 0x801c581f;
const FSSETXATTR = 0x401c5820;
/** struct fsxattr: xflags, extsize, nextents, projid, cowextsize, and what is not used. */
const FSXATTR_WORDS = 7;
const [XFLAGS, EXTSIZE, PROJID, COWEXTSIZE] = [0, 1, 3, 4];

/** A flag in the inode, FS_*_FL and FS_XFLAG_*: the same that tmpfs has. */
const FLAGS: [own: number, flag: number, xflag: number][] = [
  [INODE_FLAG_IMMUTABLE, 0x10, 0x8],
  [INODE_FLAG_APPEND_ONLY, 0x20, 0x10],
  [INODE_FLAG_NO_DUMP, 0x40, 0x80],
  [INODE_FLAG_NO_ATIME, 0x80, 0x40],
];
const ALL = FLAGS.reduce((bits, [own]) => bits | own, 0);

export function ioctl(x: Exchange): number {
  const data = IN_BODY + IOCTL_IN_WORDS;
  switch (x.body(IOCTL_IN_CMD)) {
    case GETFLAGS:
      return reply(x, [flagsOf(x, 1)]);
    case FSGETXATTR:
      return reply(x, [flagsOf(x, 2), ...new Array(FSXATTR_WORDS - 1).fill(0)]);
    case SETFLAGS:
      if (x.body(IOCTL_IN_IN_SIZE) < 4) return -EINVAL;
      return setFlags(x, x.requestWords[data], 1);
    case FSSETXATTR: {
      if (x.body(IOCTL_IN_IN_SIZE) < FSXATTR_WORDS * 4) return -EINVAL;
      // What only other file systems have.
      const hasMore = [EXTSIZE, PROJID, COWEXTSIZE].some((word) =>
        x.requestWords[data + word] !== 0
      );
      return hasMore ? -EOPNOTSUPP : setFlags(x, x.requestWords[data + XFLAGS], 2);
    }
    default:
      return -ENOTTY;
  }
}

/** @param column of FLAGS, in which the caller's bits are */
function flagsOf({ fs, nodeid }: Exchange, column: 1 | 2): number {
  return FLAGS.reduce((bits, row) => fs.inodes.has(nodeid, row[0]) ? bits | row[column] : bits, 0);
}

function setFlags(x: Exchange, wanted: number, column: 1 | 2): number {
  const { inodes } = x.fs;
  const known = FLAGS.reduce((bits, row) => bits | row[column], 0);
  if (wanted & ~known) return -EOPNOTSUPP;
  const own = FLAGS.reduce((bits, row) => wanted & row[column] ? bits | row[0] : bits, 0);
  inodes.set(x.nodeid, INODE_FLAGS, (inodes.get(x.nodeid, INODE_FLAGS) & ~ALL) | own);
  inodes.touch(x.nodeid, CTIME);
  // It does not ask for the time of change again by itself.
  x.forgetAttributes = true;
  return reply(x, []);
}

/** struct fuse_ioctl_out, which says that all went well, and these words. */
function reply(x: Exchange, words: number[]): number {
  const bytes = Math.min(words.length * 4, x.body(IOCTL_IN_OUT_SIZE));
  x.replyWords.fill(0, OUT_BODY, OUT_BODY + IOCTL_OUT_WORDS);
  words.forEach((word, i) => x.replyWords[OUT_BODY + IOCTL_OUT_WORDS + i] = word);
  return IOCTL_OUT_WORDS * 4 + bytes;
}
