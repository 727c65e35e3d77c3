/** Bytes of files: OPEN READ WRITE RELEASE FLUSH FSYNC FALLOCATE LSEEK COPY_FILE_RANGE. */
import { EBADF, EINVAL, EISDIR, ENOSYS, EPERM } from "../core/errno.ts";
import { AT_END } from "../core/file_data.ts";
import { CTIME, MTIME } from "../core/inode_table.ts";
import {
  COPY_BYTES_MAX,
  INODE_FLAG_IMMUTABLE,
  KERNEL_HOLDS_DATA,
  KERNEL_USES_APPEND,
  KERNEL_USES_MAP,
} from "../region/layout.gen.ts";
import { allocate } from "./changes.ts";
import type { Exchange } from "./exchange.ts";
import {
  COPY_FILE_RANGE_IN_LEN,
  COPY_FILE_RANGE_IN_NODEID_OUT,
  COPY_FILE_RANGE_IN_OFF_IN,
  COPY_FILE_RANGE_IN_OFF_OUT,
  FALLOCATE_IN_LENGTH,
  FALLOCATE_IN_MODE,
  FALLOCATE_IN_OFFSET,
  LSEEK_IN_OFFSET,
  LSEEK_IN_WHENCE,
  LSEEK_OUT_OFFSET,
  LSEEK_OUT_WORDS,
  OPEN_IN_FLAGS,
  OPEN_OUT_OPEN_FLAGS,
  OPEN_OUT_WORDS,
  READ_IN_OFFSET,
  READ_IN_SIZE,
  WRITE_IN_FLAGS,
  WRITE_IN_OFFSET,
  WRITE_IN_SIZE,
  WRITE_IN_WRITE_FLAGS,
  WRITE_OUT_SIZE,
  WRITE_OUT_WORDS,
} from "./fuse_records.gen.ts";
import { reserveForStores } from "./mapped_stores.ts";
import {
  DATA_BYTES_MAX,
  FOPEN_DIRECT_IO,
  FOPEN_KEEP_CACHE,
  FOPEN_PARALLEL_DIRECT_WRITES,
  OUT_BODY,
  WRITE_CACHE,
  WRITE_DATA_BYTES,
  WRITE_KILL_SUIDGID,
} from "./protocol.ts";

/** Of open(2)'s flags, which come with OPEN and WRITE. */
const O_APPEND = 0o2000;
const O_ACCMODE = 3;

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
  const flags = x.body(OPEN_IN_FLAGS);
  if ((flags & O_ACCMODE) !== 0 && !mayWrite(x, (flags & O_APPEND) !== 0)) return -EPERM;
  x.replyWords.fill(0, OUT_BODY, OUT_BODY + OPEN_OUT_WORDS);
  x.replyWords[OUT_BODY + OPEN_OUT_OPEN_FLAGS] = openFlags(x);
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
  const offset = x.body64(READ_IN_OFFSET);
  const bytes = fs.data.read(nodeid, offset, Math.min(x.body(READ_IN_SIZE), DATA_BYTES_MAX));
  if (bytes > 0) {
    const reserved = reserveForStores(x, offset, bytes);
    if (reserved < 0) return reserved;
  }
  if (x.marksAccess) fs.inodes.touchAtime(nodeid);
  x.hasSegments = bytes > 0;
  return bytes;
}

export function write(x: Exchange): number {
  const { fs, nodeid } = x;
  if (!fs.inodes.isRegular(nodeid)) return fs.inodes.isDirectory(nodeid) ? -EISDIR : -EINVAL;
  const bytes = x.body(WRITE_IN_SIZE);
  const writeFlags = x.body(WRITE_IN_WRITE_FLAGS);
  if (bytes > x.end - WRITE_DATA_BYTES) return -EINVAL;
  // Pages that were stored into through a mapping: its bytes are the kernel's from now on.
  if (writeFlags & WRITE_CACHE) fs.inodes.kernelUses(nodeid, KERNEL_USES_MAP);
  x.kernelHolds(nodeid, KERNEL_HOLDS_DATA);
  const appends = (x.body(WRITE_IN_FLAGS) & O_APPEND) !== 0 && (writeFlags & WRITE_CACHE) === 0;
  if (!mayWrite(x, appends)) {
    // The kernel goes on showing pages that it could not write back, as if the file had changed.
    if (writeFlags & WRITE_CACHE) misplaced(x);
    return -EPERM;
  }
  // Said before the lock is taken under which clients append.
  if (appends) fs.inodes.kernelUses(nodeid, KERNEL_USES_APPEND);
  const offset = appends ? AT_END : x.body64(WRITE_IN_OFFSET);
  const written = fs.data.write(nodeid, offset, x.request, WRITE_DATA_BYTES, bytes);
  if (appends && fs.data.writtenAt !== x.body64(WRITE_IN_OFFSET)) misplaced(x);
  if (written < 0) return written;
  if (writeFlags & WRITE_KILL_SUIDGID) {
    fs.attributes.dropPrivileges(nodeid, x.mayKeepSetgid(nodeid));
  } else fs.attributes.dropCapabilities(nodeid);
  if (written > 0) fs.inodes.touch(nodeid, MTIME | CTIME);
  return writtenReply(x, written);
}

/**
 * What chattr(1) says. It is asked with every WRITE, because a kernel that caches asks nobody when it opens a file; so a file that was open
 * before is protected as well.
 */
function mayWrite({ fs: { inodes }, nodeid }: Exchange, appends: boolean): boolean {
  if (!inodes.isProtected(nodeid)) return true;
  return appends && !inodes.has(nodeid, INODE_FLAG_IMMUTABLE);
}

function writtenReply(x: Exchange, bytes: number): number {
  x.setReply64(OUT_BODY + WRITE_OUT_SIZE, bytes);
  return WRITE_OUT_WORDS * 4;
}

/**
 * The kernel holds bytes that the file does not have, and is told to forget them: what it has appended where it believed the end to be,
 * after clients had made the file longer; or what was stored through a mapping into a file that may not be changed.
 */
function misplaced({ fs, nodeid, cache }: Exchange): void {
  if (cache !== "auto") return;
  fs.misplaced.add(nodeid);
}

export function fallocate(x: Exchange): number {
  const { fs, nodeid } = x;
  if (!fs.inodes.isRegular(nodeid)) return -EBADF;
  return allocate(
    fs,
    nodeid,
    x.body64(FALLOCATE_IN_OFFSET),
    x.body64(FALLOCATE_IN_LENGTH),
    x.body(FALLOCATE_IN_MODE),
  );
}

/** SEEK_DATA and SEEK_HOLE; the kernel does the others itself. */
export function lseek(x: Exchange): number {
  if (!x.fs.inodes.isRegular(x.nodeid)) return -EINVAL;
  const offset = x.fs.data.seek(x.nodeid, x.body64(LSEEK_IN_OFFSET), x.body(LSEEK_IN_WHENCE));
  if (offset < 0) return offset;
  x.setReply64(OUT_BODY + LSEEK_OUT_OFFSET, offset);
  return LSEEK_OUT_WORDS * 4;
}

export function copyFileRange(x: Exchange): number {
  const { fs, nodeid } = x;
  const target = x.body64(COPY_FILE_RANGE_IN_NODEID_OUT);
  if (!fs.inodes.exists(target)) return -EBADF;
  if (!fs.inodes.isRegular(nodeid) || !fs.inodes.isRegular(target)) return -EINVAL;
  if (fs.inodes.isProtected(target)) return -EPERM;
  const length = Math.min(x.body64(COPY_FILE_RANGE_IN_LEN), COPY_BYTES_MAX);
  const copied = fs.data.copy(
    nodeid,
    x.body64(COPY_FILE_RANGE_IN_OFF_IN),
    target,
    x.body64(COPY_FILE_RANGE_IN_OFF_OUT),
    length,
  );
  if (copied < 0) return copied;
  if (copied > 0) {
    // A kernel that caches would not learn of it.
    if (x.cache === "none") fs.inodes.touchAtime(nodeid);
    fs.inodes.touch(target, MTIME | CTIME);
  }
  return writtenReply(x, copied);
}
