/**
 * Differences between btfuse and tmpfs that are known and right (or cannot be otherwise), each with its reason.
 * An entry covers exactly one outcome of one step; one that no longer occurs fails the test.
 * @module
 */
import type { Difference } from "./runner.ts";

export interface Explained {
  /** Name of the case. */
  case: string;
  /** The step, as a failure message shows it. */
  what: string;
  tmpfs: string;
  btfuse: string;
  /** Only with this cache setting; both when left out. */
  cache?: "auto" | "none";
  reason: string;
}

const CACHED_READ =
  "the kernel does not tell of reads that it answers itself, from its pages or because there is " +
  "nothing to read: atime stays";
const COPY_ATIME =
  "with caching the kernel would not learn of the source's new atime, so there is none";
const LINK_BLOCKS = "link targets lie in slots, not in a block of their own";
const LARGEST = "the largest file has 4 PiB (2^52 bytes)";
const ZERO_RANGE_WORKS = "FALLOC_FL_ZERO_RANGE works; tmpfs does not have it";
const LIST_SIZE = "FUSE's kernel part caps the size of a list at 64 KiB; reading it fails alike";

export const explained: Explained[] = [
  {
    case: "attributes: reading with relatime: once after each write",
    what: "times changed of f",
    tmpfs: "atime",
    btfuse: "",
    cache: "auto",
    reason: CACHED_READ,
  },
  {
    case: "attributes: reading nothing",
    what: "times changed of f",
    tmpfs: "atime",
    btfuse: "",
    reason: CACHED_READ,
  },
  {
    case: "links: symlink: targets of any length and content",
    what: 'root lstat("l9")',
    tmpfs: "symlink 0777 nlink 1 owner 0:0 size 255 blocks 8 blksize 4096",
    btfuse: "symlink 0777 nlink 1 owner 0:0 size 255 blocks 0 blksize 4096",
    reason: LINK_BLOCKS,
  },
  {
    case: "files: copy_file_range changes mtime and ctime of the target",
    what: "times changed of a",
    tmpfs: "atime",
    btfuse: "",
    cache: "auto",
    reason: COPY_ATIME,
  },
  {
    case: "sparse: the largest size",
    what: "root ftruncate(#0, 9223372036854775807)",
    tmpfs: "0",
    btfuse: "EFBIG",
    reason: LARGEST,
  },
  {
    case: "sparse: write at the largest offset",
    what: 'root write(#0, "0123456789")',
    tmpfs: "10",
    btfuse: "EFBIG",
    reason: LARGEST,
  },
  {
    case: "sparse: fallocate: ZERO_RANGE, where there is any",
    what: "root fallocate(#0, 16, 1000, 10000)",
    tmpfs: "EOPNOTSUPP",
    btfuse: "0",
    reason: ZERO_RANGE_WORKS,
  },
  {
    case: "xattrs: more names than a listing can hold",
    what: 'root listxattr("f", 0, 1)',
    tmpfs: "75300",
    btfuse: "65536",
    reason: LIST_SIZE,
  },
];

/** The entry that covers a difference. */
export function explanation(
  caseName: string,
  cache: "auto" | "none",
  difference: Difference,
): Explained | undefined {
  return explained.find((entry) =>
    entry.case === caseName && entry.what === difference.what &&
    entry.tmpfs === difference.expected && entry.btfuse === difference.actual &&
    (entry.cache ?? cache) === cache
  );
}
