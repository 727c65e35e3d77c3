/** SETXATTR GETXATTR LISTXATTR REMOVEXATTR. */
import { EINVAL, ENODATA, EOPNOTSUPP, ERANGE } from "../core/errno.ts";
import { INODE_GID, INODE_MODE } from "../region/layout.gen.ts";
import { CTIME, S_ISGID } from "../core/inode_table.ts";
import { ACL_ACCESS, ACL_DEFAULT } from "../core/xattrs.ts";
import { CAP_SYS_ADMIN } from "./caller.ts";
import type { Exchange } from "./exchange.ts";
import {
  GETXATTR_IN_SIZE,
  GETXATTR_IN_WORDS,
  GETXATTR_OUT_SIZE,
  GETXATTR_OUT_WORDS,
  SETXATTR_IN_FLAGS,
  SETXATTR_IN_SETXATTR_FLAGS,
  SETXATTR_IN_SIZE,
  SETXATTR_IN_WORDS,
} from "./fuse_records.gen.ts";
import { IN_BODY_BYTES, OUT_BODY, OUT_BODY_BYTES, SETXATTR_ACL_KILL_SGID } from "./protocol.ts";

const decoder = new TextDecoder("latin1");
const PREFIXES = ["user.", "trusted.", "security."];

/** Name spaces that tmpfs has too: 0, -EOPNOTSUPP for others, -EINVAL for a bare prefix. */
function nameProblem(name: string): number {
  if (name === ACL_ACCESS || name === ACL_DEFAULT) return 0;
  const prefix = PREFIXES.find((prefix) => name.startsWith(prefix));
  if (prefix === undefined) return -EOPNOTSUPP;
  return name.length === prefix.length ? -EINVAL : 0;
}

/** The NUL-ended name at this byte of the request, as bytes kept by nobody else and as text. */
function nameAt(x: Exchange, start: number): { bytes: Uint8Array; text: string } {
  const bytes = x.request.slice(start, start + x.nameLength(start));
  return { bytes, text: decoder.decode(bytes) };
}

export function setxattr(x: Exchange): number {
  const { fs, nodeid } = x;
  const start = IN_BODY_BYTES + SETXATTR_IN_WORDS * 4;
  const name = nameAt(x, start);
  const problem = nameProblem(name.text);
  if (problem !== 0) return problem;
  const valueStart = start + name.bytes.length + 1;
  const bytes = x.body(SETXATTR_IN_SIZE);
  if (bytes > x.end - valueStart) return -EINVAL;
  const value = x.request.slice(valueStart, valueStart + bytes);
  const stored = fs.attributes.setXattr(nodeid, name.bytes, value, x.body(SETXATTR_IN_FLAGS));
  const killsSetgid = name.text === ACL_ACCESS &&
    x.body(SETXATTR_IN_SETXATTR_FLAGS) & SETXATTR_ACL_KILL_SGID;
  if (stored === 0 && killsSetgid) {
    fs.inodes.set(nodeid, INODE_MODE, fs.inodes.mode(nodeid) & ~S_ISGID);
  }
  return stored;
}

/** A value or a list of names: its size when none is asked for, -ERANGE when it does not fit. */
function valueReply(x: Exchange, value: Uint8Array): number {
  const capacity = x.body(GETXATTR_IN_SIZE);
  if (capacity === 0) {
    x.replyWords.fill(0, OUT_BODY, OUT_BODY + GETXATTR_OUT_WORDS);
    x.replyWords[OUT_BODY + GETXATTR_OUT_SIZE] = value.length;
    return GETXATTR_OUT_WORDS * 4;
  }
  if (value.length > capacity) return -ERANGE;
  x.reply.set(value, OUT_BODY_BYTES);
  return value.length;
}

export function getxattr(x: Exchange): number {
  const name = nameAt(x, IN_BODY_BYTES + GETXATTR_IN_WORDS * 4);
  const problem = nameProblem(name.text);
  if (problem !== 0) return problem;
  const value = x.fs.xattrs.get(x.nodeid, name.bytes);
  return value ? valueReply(x, value) : -ENODATA;
}

export function listxattr(x: Exchange): number {
  return valueReply(x, x.fs.xattrs.list(x.nodeid, () => x.isCapable(CAP_SYS_ADMIN)));
}

export function removexattr(x: Exchange): number {
  const name = nameAt(x, IN_BODY_BYTES);
  const problem = nameProblem(name.text);
  if (problem !== 0) return problem;
  const { inodes } = x.fs;
  const removed = x.fs.attributes.removeXattr(x.nodeid, name.bytes);
  // Removing an access list that is not there succeeds, as on tmpfs.
  const acl = name.text === ACL_ACCESS || name.text === ACL_DEFAULT;
  if (!acl || (removed < 0 && removed !== -ENODATA)) return removed;
  // As with setting one: set-group-ID is for members. The kernel says so only there.
  if (name.text === ACL_ACCESS && x.uid !== 0 && !x.isMember(inodes.get(x.nodeid, INODE_GID))) {
    inodes.set(x.nodeid, INODE_MODE, inodes.mode(x.nodeid) & ~S_ISGID);
  }
  inodes.touch(x.nodeid, CTIME);
  return 0;
}
