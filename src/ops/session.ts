/** INIT: what kernel and file system agree on. */
import { EPROTO } from "../core/errno.ts";
import type { Exchange } from "./exchange.ts";
import {
  INIT_IN_FLAGS,
  INIT_IN_FLAGS2,
  INIT_IN_MAJOR,
  INIT_IN_MAX_READAHEAD,
  INIT_IN_MINOR,
  INIT_OUT_CONGESTION_THRESHOLD_OFFSET_BYTES,
  INIT_OUT_FLAGS,
  INIT_OUT_FLAGS2,
  INIT_OUT_MAJOR,
  INIT_OUT_MAX_BACKGROUND_OFFSET_BYTES,
  INIT_OUT_MAX_PAGES_OFFSET_BYTES,
  INIT_OUT_MAX_READAHEAD,
  INIT_OUT_MAX_WRITE,
  INIT_OUT_MINOR,
  INIT_OUT_TIME_GRAN,
  INIT_OUT_WORDS,
} from "./fuse_records.gen.ts";
import {
  DATA_BYTES_MAX,
  FUSE_VERSION_MAJOR,
  FUSE_VERSION_MINOR,
  INIT,
  INIT2_ALLOW_IDMAP,
  INIT2_DIRECT_IO_ALLOW_MMAP,
  OUT_BODY,
  OUT_BODY_BYTES,
} from "./protocol.ts";

const PAGES_MAX = DATA_BYTES_MAX / 4096;
/** Background requests (readahead, write-back of mappings) in flight, and when the kernel holds back. */
const BACKGROUND_MAX = 64;
const CONGESTION_THRESHOLD = 48;

/**
 * Not among them: ASYNC_DIO. With it the kernel returns from an asynchronous O_DIRECT write (io_submit(2), io_uring) while the
 * request is still on its way, and drops the pages of the range only before that (generic_file_direct_write leaves the second
 * time to the completion, where FUSE does not do it). A page that somebody reads in between keeps the old bytes for good.
 * Without it such a write waits for its reply inside the submission and drops the pages afterwards, as a synchronous one does.
 * The price is that asynchronous O_DIRECT requests come one by one: 32 random 4 KiB writes at a time are 20,000 to 77,000 a
 * second instead of 200,000.
 */
const ALWAYS = INIT.ASYNC_READ | INIT.EXPORT_SUPPORT | INIT.BIG_WRITES | INIT.DONT_MASK |
  INIT.PARALLEL_DIROPS | INIT.POSIX_ACL | INIT.ABORT_ERROR | INIT.MAX_PAGES |
  INIT.HANDLE_KILLPRIV_V2 | INIT.SETXATTR_EXT | INIT.INIT_EXT;
/** The kernel keeps what it has until it is told: never by comparing times, which its own writes change. */
const CACHING = INIT.DO_READDIRPLUS | INIT.READDIRPLUS_AUTO | INIT.CACHE_SYMLINKS |
  INIT.NO_OPEN_SUPPORT | INIT.NO_OPENDIR_SUPPORT | INIT.EXPLICIT_INVAL_DATA;

const FLAGS2 = INIT2_DIRECT_IO_ALLOW_MMAP | INIT2_ALLOW_IDMAP;

export function init(x: Exchange): number {
  const [minor, flags] = [x.body(INIT_IN_MINOR), x.body(INIT_IN_FLAGS)];
  if (x.body(INIT_IN_MAJOR) !== FUSE_VERSION_MAJOR || minor < 31) return -EPROTO;
  const wanted = ALWAYS | (x.cache === "auto" ? CACHING : INIT.AUTO_INVAL_DATA);
  const out = x.replyWords;
  out.fill(0, OUT_BODY, OUT_BODY + INIT_OUT_WORDS);
  out[OUT_BODY + INIT_OUT_MAJOR] = FUSE_VERSION_MAJOR;
  out[OUT_BODY + INIT_OUT_MINOR] = Math.min(minor, FUSE_VERSION_MINOR);
  out[OUT_BODY + INIT_OUT_MAX_READAHEAD] = x.body(INIT_IN_MAX_READAHEAD);
  out[OUT_BODY + INIT_OUT_FLAGS] = flags & wanted;
  out[OUT_BODY + INIT_OUT_MAX_WRITE] = DATA_BYTES_MAX;
  // Times are kept to the nanosecond.
  out[OUT_BODY + INIT_OUT_TIME_GRAN] = 1;
  const halves = new Uint16Array(x.reply.buffer);
  const half = (field: number) => (OUT_BODY_BYTES + field) / 2;
  halves[half(INIT_OUT_MAX_BACKGROUND_OFFSET_BYTES)] = BACKGROUND_MAX;
  halves[half(INIT_OUT_CONGESTION_THRESHOLD_OFFSET_BYTES)] = CONGESTION_THRESHOLD;
  halves[half(INIT_OUT_MAX_PAGES_OFFSET_BYTES)] = PAGES_MAX;
  if (flags & INIT.INIT_EXT) {
    out[OUT_BODY + INIT_OUT_FLAGS2] = x.body(INIT_IN_FLAGS2) & FLAGS2;
  }
  return INIT_OUT_WORDS * 4;
}
