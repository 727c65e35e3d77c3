/** What makes, moves and removes names: MKNOD MKDIR CREATE TMPFILE SYMLINK LINK UNLINK RMDIR RENAME RENAME2, and READLINK. */
import { EEXIST, EINVAL, ENOSYS } from "../core/errno.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../core/inode_table.ts";
import type { Exchange } from "./exchange.ts";
import { openFlags } from "./files.ts";
import {
  CREATE_IN_MODE,
  CREATE_IN_UMASK,
  CREATE_IN_WORDS,
  ENTRY_OUT_WORDS,
  LINK_IN_OLDNODEID,
  LINK_IN_WORDS,
  MKDIR_IN_MODE,
  MKDIR_IN_UMASK,
  MKDIR_IN_WORDS,
  MKNOD_IN_MODE,
  MKNOD_IN_RDEV,
  MKNOD_IN_UMASK,
  MKNOD_IN_WORDS,
  OPEN_OUT_OPEN_FLAGS,
  OPEN_OUT_WORDS,
  RENAME2_IN_FLAGS,
  RENAME2_IN_NEWDIR,
  RENAME2_IN_WORDS,
  RENAME_IN_NEWDIR,
  RENAME_IN_WORDS,
} from "./fuse_records.gen.ts";
import { IN_BODY_BYTES, OUT_BODY, OUT_BODY_BYTES } from "./protocol.ts";

/** A new inode with a name, which stands behind so many words of the request's body. */
function make(x: Exchange, nameWord: number, mode: number, umask: number, rdev: number): number {
  const start = IN_BODY_BYTES + nameWord * 4;
  const length = x.nameLength(start);
  const owner = { uid: x.uid, gid: x.gid };
  const ino = x.fs.makeNode(x.nodeid, x.request, start, length, { mode, umask, rdev, ...owner });
  if (ino >= 0) x.raced.found(x.thread);
  const isRaced = ino === -EEXIST && (mode & S_IFMT) === S_IFREG;
  return isRaced
    ? x.raced.exists(x.thread, x.nodeid, x.request.subarray(start, start + length))
    : ino;
}

export function mknod(x: Exchange): number {
  return x.entryReply(make(
    x,
    MKNOD_IN_WORDS,
    x.body(MKNOD_IN_MODE),
    x.body(MKNOD_IN_UMASK),
    x.body(MKNOD_IN_RDEV),
  ));
}

export function mkdir(x: Exchange): number {
  const mode = S_IFDIR | (x.body(MKDIR_IN_MODE) & 0o7777);
  return x.entryReply(make(x, MKDIR_IN_WORDS, mode, x.body(MKDIR_IN_UMASK), 0));
}

/** struct fuse_open_out behind the entry. */
function openedReply(x: Exchange, ino: number): number {
  if (ino < 0) return ino;
  x.writeEntry(OUT_BODY, ino);
  const at = OUT_BODY + ENTRY_OUT_WORDS;
  x.replyWords.fill(0, at, at + OPEN_OUT_WORDS);
  x.replyWords[at + OPEN_OUT_OPEN_FLAGS] = openFlags(x);
  return (ENTRY_OUT_WORDS + OPEN_OUT_WORDS) * 4;
}

/** With kernel caching the answer ENOSYS makes the kernel send MKNOD, which needs no RELEASE later. */
export function create(x: Exchange): number {
  if (x.cache === "auto") return -ENOSYS;
  return openedReply(
    x,
    make(x, CREATE_IN_WORDS, x.body(CREATE_IN_MODE), x.body(CREATE_IN_UMASK), 0),
  );
}

/** open(2) with O_TMPFILE: an inode without a name, alive while the kernel refers to it. */
export function tmpfile(x: Exchange): number {
  const ino = x.fs.makeUnnamed(x.nodeid, {
    mode: x.body(CREATE_IN_MODE),
    umask: x.body(CREATE_IN_UMASK),
    rdev: 0,
    uid: x.uid,
    gid: x.gid,
  });
  return openedReply(x, ino);
}

export function symlink(x: Exchange): number {
  const nameLength = x.nameLength(IN_BODY_BYTES);
  const targetStart = IN_BODY_BYTES + nameLength + 1;
  return x.entryReply(x.fs.symlink(
    x.nodeid,
    x.request,
    IN_BODY_BYTES,
    nameLength,
    targetStart,
    x.nameLength(targetStart),
    { uid: x.uid, gid: x.gid },
  ));
}

export function readlink(x: Exchange): number {
  const { fs, nodeid } = x;
  if ((fs.inodes.mode(nodeid) & S_IFMT) !== S_IFLNK) return -EINVAL;
  fs.inodes.touchAtime(nodeid);
  return fs.readlink(nodeid, x.reply, OUT_BODY_BYTES);
}

export function link(x: Exchange): number {
  const { fs } = x;
  const ino = x.body64(LINK_IN_OLDNODEID);
  const start = IN_BODY_BYTES + LINK_IN_WORDS * 4;
  if (!fs.inodes.exists(ino)) return -EINVAL;
  const linked = fs.names.link(ino, x.nodeid, x.request, start, x.nameLength(start));
  return x.entryReply(linked < 0 ? linked : ino);
}

export function unlink(x: Exchange): number {
  return x.fs.names.unlink(x.nodeid, x.request, IN_BODY_BYTES, x.nameLength(IN_BODY_BYTES));
}

export function rmdir(x: Exchange): number {
  return x.fs.names.rmdir(x.nodeid, x.request, IN_BODY_BYTES, x.nameLength(IN_BODY_BYTES));
}

/** The names stand behind so many words of the request's body. */
function renameAt(x: Exchange, newParent: number, namesWord: number, flags: number): number {
  const start = IN_BODY_BYTES + namesWord * 4;
  const length = x.nameLength(start);
  const newStart = start + length + 1;
  if (!x.fs.inodes.exists(newParent)) return -EINVAL;
  const newLength = x.nameLength(newStart);
  return x.fs.rename(
    x.nodeid,
    x.request,
    start,
    length,
    newParent,
    newStart,
    newLength,
    flags,
    () => ({ uid: x.uid, gid: x.gid }),
  );
}

export function rename(x: Exchange): number {
  return renameAt(x, x.body64(RENAME_IN_NEWDIR), RENAME_IN_WORDS, 0);
}

export function rename2(x: Exchange): number {
  return renameAt(x, x.body64(RENAME2_IN_NEWDIR), RENAME2_IN_WORDS, x.body(RENAME2_IN_FLAGS));
}
