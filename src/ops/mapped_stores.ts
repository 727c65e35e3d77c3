/**
 * Stores through a shared mapping into holes, when there is hardly any room. The kernel asks nobody before it lets a program store into a page: it
 * reads the page when the program first touches it, and writes it back some time later, when there may be no block for it. Its error then
 * goes to the next msync(2) or fsync(2), and the bytes are lost. So the page gets its block at that reading already, as on tmpfs, or
 * the reading fails, and with it the touch (SIGBUS).
 *
 * What reads for a page that is touched is not told from what reads for read(2) by anything in the request, but by what the calling
 * thread is doing. That costs a look into /proc, and reserving costs blocks that may never be stored into: hence only of files
 * that are open for writing, in holes, and when room is short.
 */
import { BLOCK_BYTES } from "../region/layout.gen.ts";
import type { Exchange } from "./exchange.ts";
import { READ_IN_FLAGS, READ_IN_READ_FLAGS } from "./fuse_records.gen.ts";

/**
 * The kernel holds pages of one mount that were stored into and not written back up to about a hundredth of memory (its limit for FUSE).
 * They need blocks that nobody has counted.
 */
const SCARCE_BLOCKS = (64 << 20) / BLOCK_BYTES;
/** Of small file systems, such a part. */
const SCARCE_SHARE = 8;
/** FUSE_READ_LOCKOWNER: set exactly when the page cache is passed by. */
const READ_PAST_CACHE = 2;
const O_ACCMODE = 3;
const O_RDWR = 2;
/** System calls that touch pages: mmap, madvise, mlock, mlockall, mlock2. */
const TOUCHING_CALLS = ["9", "28", "149", "151", "325"];

/** Before the answer to a READ of `length` bytes that are there. @returns 0, or -ENOSPC */
export function reserveForStores(x: Exchange, offset: number, length: number): number {
  const { fs: { blockPool, data }, nodeid } = x;
  const { available, count } = blockPool;
  if (available > Math.min(SCARCE_BLOCKS, count / SCARCE_SHARE)) return 0;
  const mayBeStored = (x.body(READ_IN_FLAGS) & O_ACCMODE) === O_RDWR &&
    (x.body(READ_IN_READ_FLAGS) & READ_PAST_CACHE) === 0;
  if (!mayBeStored || !data.hasHoles(nodeid, offset, length) || !isTouching(x.thread)) return 0;
  return data.reserve(nodeid, offset, length);
}

/** Whether the thread waits for a page that it has touched, not for a system call that reads. */
function isTouching(thread: number): boolean {
  try {
    // The number of a system call and its arguments, -1 when it is in none.
    const [call] = Deno.readTextFileSync(`/proc/${thread}/syscall`).split(" ");
    return call === "-1" || TOUCHING_CALLS.includes(call);
  } catch {
    return false; // it has ended, or is not ours to look at
  }
}
