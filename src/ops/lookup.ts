/** LOOKUP and the giving back of references: FORGET, BATCH_FORGET. */
import { ENAMETOOLONG, ENOENT, ENOTDIR } from "../core/errno.ts";
import { DENTRY_INO, INODE_PARENT_INO, NAME_BYTES_MAX } from "../region/layout.gen.ts";
import { type Exchange, NO_REPLY } from "./exchange.ts";
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
      return x.entryReply(fs.inodes.get(nodeid, INODE_PARENT_INO));
    }
  }
  if (!fs.inodes.isDirectory(nodeid)) return -ENOTDIR;
  const slot = fs.names.find(nodeid, request, IN_BODY_BYTES, length);
  if (slot !== 0) return x.entryReply(fs.names.get(slot, DENTRY_INO));
  return x.cache === "auto" ? x.negativeEntryReply() : -ENOENT;
}

export function forget(x: Exchange): number {
  x.fs.forget(x.nodeid, x.body64(0));
  return NO_REPLY;
}

export function batchForget(x: Exchange): number {
  const count = x.body(0);
  for (let i = 0; i < count; i++) x.fs.forget(x.body64(2 + 4 * i), x.body64(4 + 4 * i));
  return NO_REPLY;
}
