/** Bytes of files: OPEN READ WRITE RELEASE FLUSH FSYNC FALLOCATE LSEEK COPY_FILE_RANGE. */
import { EBADF, EINVAL, EISDIR, ENOSYS } from "../core/errno.ts";
import { AT_END } from "../core/file_data.ts";
import { CTIME, MTIME } from "../core/inode_table.ts";
import { KERNEL_HOLDS_DATA, KERNEL_USES_APPEND, KERNEL_USES_MAP } from "../region/layout.gen.ts";
import { allocate } from "./changes.ts";
import type { Exchange } from "./exchange.ts";
import {
  DATA_BYTES_MAX,
  FOPEN_DIRECT_IO,
  FOPEN_KEEP_CACHE,
  FOPEN_PARALLEL_DIRECT_WRITES,
  OPEN_OUT_WORDS,
  OUT_BODY,
  WRITE_CACHE,
  WRITE_DATA_BYTES,
  WRITE_KILL_SUIDGID,
} from "./protocol.ts";

/** Of open(2)'s flags, which come with WRITE. */
const O_APPEND = 0o2000;
/** One COPY_FILE_RANGE copies at most this much, so that others are served in between. */
const COPY_BYTES_MAX = 32 << 20;

/** How the kernel may treat an opened file: keep its pages, or bring every call here. */
export function openFlags(x: Exchange): number {
  return x.cache === "auto" ? FOPEN_KEEP_CACHE : FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES;
}

/**
 * An open file needs no state here: inodes live while the kernel refers to them. With kernel caching ENOSYS
 * says so once and OPEN and RELEASE are never sent again (FUSE_NO_OPEN_SUPPORT).
 */
export function open(x: Exchange): number {
  if (x.cache === "auto") return -ENOSYS;
  x.replyWords.fill(0, OUT_BODY, OUT_BODY + OPEN_OUT_WORDS);
  x.replyWords[OUT_BODY + 2] = openFlags(x);
  return OPEN_OUT_WORDS * 4;
}

/** RELEASE and everything else that has nothing to do and succeeds. */
export function nothing(): number {
  return 0;
}

/** FLUSH, FSYNC: all data is where it belongs at once. ENOSYS, which the kernel takes as success, ends the asking. */
export function nothingEver(x: Exchange): number {
  return x.cache === "auto" ? -ENOSYS : 0;
}

export function read(x: Exchange): number {
  const { fs, nodeid } = x;
  if (!fs.inodes.isRegular(nodeid)) return fs.inodes.isDirectory(nodeid) ? -EISDIR : -EINVAL;
  x.kernelHolds(nodeid, KERNEL_HOLDS_DATA);
  const bytes = fs.data.read(nodeid, x.body64(2), Math.min(x.body(4), DATA_BYTES_MAX));
  if (x.marksAccess) fs.inodes.touchAtime(nodeid);
  x.hasSegments = bytes > 0;
  return bytes;
}

export function write(x: Exchange): number {
  const { fs, nodeid } = x;
  if (!fs.inodes.isRegular(nodeid)) return fs.inodes.isDirectory(nodeid) ? -EISDIR : -EINVAL;
  const bytes = x.body(4);
  if (bytes > x.end - WRITE_DATA_BYTES) return -EINVAL;
  // Pages that were stored into through a mapping: its bytes are the kernel's from now on.
  if (x.body(5) & WRITE_CACHE) fs.inodes.kernelUses(nodeid, KERNEL_USES_MAP);
  x.kernelHolds(nodeid, KERNEL_HOLDS_DATA);
  const appends = (x.body(8) & O_APPEND) !== 0 && (x.body(5) & WRITE_CACHE) === 0;
  // Said before the lock is taken under which clients append.
  if (appends) fs.inodes.kernelUses(nodeid, KERNEL_USES_APPEND);
  const offset = appends ? AT_END : x.body64(2);
  const written = fs.data.write(nodeid, offset, x.request, WRITE_DATA_BYTES, bytes);
  if (appends && fs.data.writtenAt !== x.body64(2)) misplaced(x);
  if (written < 0) return written;
  if (x.body(5) & WRITE_KILL_SUIDGID) {
    fs.attributes.dropPrivileges(nodeid, x.mayKeepSetgid(nodeid));
  } else fs.attributes.dropCapabilities(nodeid);
  if (written > 0) fs.inodes.touch(nodeid, MTIME | CTIME);
  x.replyWords[OUT_BODY] = written;
  x.replyWords[OUT_BODY + 1] = 0;
  return 8;
}

/**
 * The kernel appends where it believes the end to be. That was wrong, because clients have made the file longer since it last
 * asked; it holds the bytes in the wrong place too, which it is told to forget.
 */
function misplaced({ fs, nodeid, cache }: Exchange): void {
  if (cache !== "auto") return;
  fs.misplaced.add(nodeid);
}

export function fallocate(x: Exchange): number {
  const { fs, nodeid } = x;
  if (!fs.inodes.isRegular(nodeid)) return -EBADF;
  return allocate(fs, nodeid, x.body64(2), x.body64(4), x.body(6));
}

/** SEEK_DATA and SEEK_HOLE; the kernel does the others itself. */
export function lseek(x: Exchange): number {
  if (!x.fs.inodes.isRegular(x.nodeid)) return -EINVAL;
  const offset = x.fs.data.seek(x.nodeid, x.body64(2), x.body(4));
  if (offset < 0) return offset;
  x.setReply64(OUT_BODY, offset);
  return 8;
}

export function copyFileRange(x: Exchange): number {
  const { fs, nodeid } = x;
  const target = x.body64(4);
  if (!fs.inodes.exists(target)) return -EBADF;
  if (!fs.inodes.isRegular(nodeid) || !fs.inodes.isRegular(target)) return -EINVAL;
  const length = Math.min(x.body64(10), COPY_BYTES_MAX);
  const copied = fs.data.copy(nodeid, x.body64(2), target, x.body64(8), length);
  if (copied < 0) return copied;
  if (copied > 0) {
    // A kernel that caches would not learn of it.
    if (x.cache === "none") fs.inodes.touchAtime(nodeid);
    fs.inodes.touch(target, MTIME | CTIME);
  }
  x.replyWords[OUT_BODY] = copied;
  x.replyWords[OUT_BODY + 1] = 0;
  return 8;
}
