/** Which function serves which opcode. What is not here is answered ENOSYS, and the kernel does not ask again. */
import { EIO, ENOENT, ENOSYS, ESTALE } from "../core/errno.ts";
import { getattr, setattr, statfs, statx } from "./attributes.ts";
import { opendir, readdir, readdirplus } from "./directories.ts";
import { type Exchange, NO_REPLY, type Operation } from "./exchange.ts";
import {
  copyFileRange,
  fallocate,
  lseek,
  nothing,
  nothingEver,
  open,
  read,
  write,
} from "./files.ts";
import { ioctl } from "./inode_flags.ts";
import { batchForget, forget, lookup } from "./lookup.ts";
import {
  create,
  link,
  mkdir,
  mknod,
  readlink,
  rename,
  rename2,
  rmdir,
  symlink,
  tmpfile,
  unlink,
} from "./names.ts";
import { IN_OPCODE, IN_UNIQUE, OUT_ERROR, OUT_LEN, OUT_UNIQUE } from "./fuse_records.gen.ts";
import { Opcode, OUT_BODY_BYTES } from "./protocol.ts";
import { init } from "./session.ts";
import { getxattr, listxattr, removexattr, setxattr } from "./xattrs.ts";

const interrupt: Operation = () => NO_REPLY;

/** Operations on one living inode, named by the request's nodeid. */
const onInode: [number, Operation][] = [
  [Opcode.LOOKUP, lookup],
  [Opcode.GETATTR, getattr],
  [Opcode.SETATTR, setattr],
  [Opcode.STATX, statx],
  [Opcode.READLINK, readlink],
  [Opcode.SYMLINK, symlink],
  [Opcode.MKNOD, mknod],
  [Opcode.MKDIR, mkdir],
  [Opcode.CREATE, create],
  [Opcode.TMPFILE, tmpfile],
  [Opcode.LINK, link],
  [Opcode.UNLINK, unlink],
  [Opcode.RMDIR, rmdir],
  [Opcode.RENAME, rename],
  [Opcode.RENAME2, rename2],
  [Opcode.OPEN, open],
  [Opcode.READ, read],
  [Opcode.WRITE, write],
  [Opcode.FALLOCATE, fallocate],
  [Opcode.LSEEK, lseek],
  [Opcode.IOCTL, ioctl],
  [Opcode.COPY_FILE_RANGE, copyFileRange],
  [Opcode.OPENDIR, opendir],
  [Opcode.READDIR, readdir],
  [Opcode.READDIRPLUS, readdirplus],
  [Opcode.SETXATTR, setxattr],
  [Opcode.GETXATTR, getxattr],
  [Opcode.LISTXATTR, listxattr],
  [Opcode.REMOVEXATTR, removexattr],
];

const others: [number, Operation][] = [
  [Opcode.INIT, init],
  [Opcode.DESTROY, nothing],
  [Opcode.INTERRUPT, interrupt],
  [Opcode.FORGET, forget],
  [Opcode.BATCH_FORGET, batchForget],
  [Opcode.STATFS, statfs],
  [Opcode.SYNCFS, nothing],
  [Opcode.RELEASE, nothing],
  [Opcode.RELEASEDIR, nothing],
  [Opcode.FLUSH, nothingEver],
  [Opcode.FSYNC, nothingEver],
  [Opcode.FSYNCDIR, nothingEver],
];

const OPCODE_COUNT = 64;
const operations: Operation[] = Array.from({ length: OPCODE_COUNT }, () => () => -ENOSYS);
const wantsInode = new Uint8Array(OPCODE_COUNT);
for (const [opcode, operation] of onInode) {
  operations[opcode] = operation;
  wantsInode[opcode] = 1;
}
for (const [opcode, operation] of others) operations[opcode] = operation;

/**
 * Serves the request in `x` and writes the reply's header.
 * @returns bytes of the reply that stand in `x.reply` (behind them come the segments, if any), 0 for no reply
 */
export function serve(x: Exchange): number {
  const opcode = x.requestWords[IN_OPCODE];
  x.hasSegments = false;
  x.forgetAttributes = false;
  let result: number;
  if (opcode >= OPCODE_COUNT) result = -ENOSYS;
  else if (wantsInode[opcode] === 1 && !x.fs.inodes.exists(x.nodeid)) {
    result = opcode === Opcode.LOOKUP ? -ESTALE : -ENOENT;
  } else {
    result = operations[opcode](x);
  }
  return result === NO_REPLY ? 0 : finish(x, result);
}

/** What a request gets whose operation threw: a defect, already reported by the caller. */
export function serveFailure(x: Exchange): number {
  x.hasSegments = false;
  return finish(x, -EIO);
}

function finish(x: Exchange, result: number): number {
  const out = x.replyWords;
  const bytes = OUT_BODY_BYTES + Math.max(0, result);
  out[OUT_LEN] = bytes;
  out[OUT_ERROR] = Math.min(0, result);
  out[OUT_UNIQUE] = x.requestWords[IN_UNIQUE];
  out[OUT_UNIQUE + 1] = x.requestWords[IN_UNIQUE + 1];
  return x.hasSegments ? OUT_BODY_BYTES : bytes;
}
