/** LOOKUP, and the giving back of references: FORGET, BATCH_FORGET. */
import { ENAMETOOLONG, ENOENT, ENOTDIR, ESTALE } from "../core/errno.ts";
import { INODE_PARENT_INO, NAME_BYTES_MAX } from "../region/layout.gen.ts";
import { type Exchange, NO_REPLY } from "./exchange.ts";
import { hiddenEntry } from "./hidden_names.ts";
import {
  BATCH_FORGET_IN_COUNT,
  BATCH_FORGET_IN_WORDS,
  FORGET_IN_NLOOKUP,
  FORGET_ONE_NLOOKUP,
  FORGET_ONE_NODEID,
  FORGET_ONE_WORDS,
} from "./fuse_records.gen.ts";
import { IN_BODY_BYTES } from "./protocol.ts";

const DOT = 0x2e;

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
  const hidden = hiddenEntry(x, length);
  if (hidden !== 0) return hidden;
  const slot = fs.names.find(nodeid, request, IN_BODY_BYTES, length);
  if (slot !== 0) {
    x.raced.found(x.thread);
    return x.entryReply(fs.names.ino(slot));
  }
  return x.cache === "auto" ? x.negativeEntryReply(length) : -ENOENT;
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
