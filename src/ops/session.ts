/** INIT: what kernel and file system agree on. */
import { EPROTO } from "../core/errno.ts";
import type { Exchange } from "./exchange.ts";
import {
  DATA_BYTES_MAX,
  FUSE_VERSION_MAJOR,
  FUSE_VERSION_MINOR,
  INIT,
  INIT2_DIRECT_IO_ALLOW_MMAP,
  OUT_BODY,
} from "./protocol.ts";

const PAGES_MAX = DATA_BYTES_MAX / 4096;
/** Background requests (readahead, write-back of mappings) in flight, and when the kernel holds back. */
const BACKGROUND_MAX = 64;
const CONGESTION_THRESHOLD = 48;

const ALWAYS = INIT.ASYNC_READ | INIT.EXPORT_SUPPORT | INIT.BIG_WRITES | INIT.DONT_MASK |
  INIT.ASYNC_DIO | INIT.PARALLEL_DIROPS | INIT.POSIX_ACL | INIT.ABORT_ERROR | INIT.MAX_PAGES |
  INIT.HANDLE_KILLPRIV_V2 | INIT.SETXATTR_EXT | INIT.INIT_EXT;
/** The kernel keeps what it has until it is told: never by comparing times, which its own writes change. */
const CACHING = INIT.DO_READDIRPLUS | INIT.READDIRPLUS_AUTO | INIT.CACHE_SYMLINKS |
  INIT.NO_OPEN_SUPPORT | INIT.NO_OPENDIR_SUPPORT | INIT.EXPLICIT_INVAL_DATA;

export function init(x: Exchange): number {
  const [major, minor, readahead, flags, flags2] = [0, 1, 2, 3, 4].map((word) => x.body(word));
  if (major !== FUSE_VERSION_MAJOR || minor < 31) return -EPROTO;
  const wanted = ALWAYS | (x.cache === "auto" ? CACHING : INIT.AUTO_INVAL_DATA);
  const out = x.replyWords;
  out.fill(0, OUT_BODY, OUT_BODY + 16);
  out[OUT_BODY] = FUSE_VERSION_MAJOR;
  out[OUT_BODY + 1] = Math.min(minor, FUSE_VERSION_MINOR);
  out[OUT_BODY + 2] = readahead;
  out[OUT_BODY + 3] = flags & wanted;
  out[OUT_BODY + 4] = BACKGROUND_MAX | (CONGESTION_THRESHOLD << 16);
  out[OUT_BODY + 5] = DATA_BYTES_MAX;
  // Times are kept to the nanosecond.
  out[OUT_BODY + 6] = 1;
  out[OUT_BODY + 7] = PAGES_MAX;
  out[OUT_BODY + 8] = flags & INIT.INIT_EXT ? flags2 & INIT2_DIRECT_IO_ALLOW_MMAP : 0;
  return 64;
}
