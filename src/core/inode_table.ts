/**
 * The inode table: attributes, reference counts and times.
 *
 * INVARIANTS: `mode` is 0 exactly in free records. An inode lives while it has names (`nlink`), the kernel
 * refers to it (`lookup_count`, FUSE's nlookup) or clients have it open (`open_count`);
 * `FileSystem.releaseIfUnused` ends it.
 * Numbers 64 bits wide are two words, low first; all of them stay below 2^53 (times: signed seconds).
 */
import type { Region } from "../region/region.ts";
import {
  FILE_BYTES_MAX,
  INODE_ATIME,
  INODE_ATIME_NSEC,
  INODE_BTIME,
  INODE_BTIME_NSEC,
  INODE_CLIENT_ATIME,
  INODE_CLIENT_MTIME,
  INODE_CTIME,
  INODE_CTIME_NSEC,
  INODE_FLAG_APPEND_ONLY,
  INODE_FLAG_IMMUTABLE,
  INODE_FLAG_NO_ATIME,
  INODE_FLAGS,
  INODE_GENERATION,
  INODE_GID,
  INODE_KERNEL_HOLDS,
  INODE_KERNEL_USES,
  INODE_LOOKUP_COUNT,
  INODE_MODE,
  INODE_MTIME,
  INODE_MTIME_NSEC,
  INODE_OPEN_COUNT,
  INODE_RDEV,
  INODE_SIZE,
  INODE_UID,
  INODE_WORDS,
  MOUNT_NO_ATIME,
  MOUNT_NO_DIR_ATIME,
  MOUNT_READ_ONLY,
  MOUNT_STRICT_ATIME,
  SUPER_CLOCKS,
  SUPER_INODE_GENERATION,
  SUPER_MOUNT_FLAGS,
} from "../region/layout.gen.ts";
import { assert } from "./assert.ts";
import type { Pool } from "./pool.ts";
import type { Sequences } from "./sequences.ts";

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_IXGRP = 0o0010;

/** Bits for `touch`. */
export const ATIME = 1;
export const MTIME = 2;
export const CTIME = 4;
export const BTIME = 8;

/** Of `useClock`. */
export const CLOCK_KERNEL = 0;
export const CLOCK_RING = 1;
const CLOCK_WORDS = 4;

/** Those that clients change. */
const TIME_FIELDS = [
  [ATIME, INODE_ATIME, INODE_ATIME_NSEC],
  [MTIME, INODE_MTIME, INODE_MTIME_NSEC],
  [CTIME, INODE_CTIME, INODE_CTIME_NSEC],
];
const NANOSECONDS = 1_000_000_000n;
/** Without CLIENT_TIME_SEEN (shim/layout.zig). */
const TIME_MASK = (1n << 63n) - 1n;
const RELATIME_SECONDS = 24 * 60 * 60;

export class InodeTable {
  /**
   * CLOCK_REALTIME of the operation under way: seconds (two words, low first), nanoseconds. Workers have it in the region,
   * where clients see it (`useClock`).
   */
  clock: Uint32Array<ArrayBuffer> = new Uint32Array(3);
  readonly words: Uint32Array;
  readonly #wideWords: BigUint64Array;

  constructor(
    private readonly region: Region,
    readonly pool: Pool,
    readonly sequences: Sequences,
  ) {
    this.words = region.inodes;
    const { buffer, byteOffset, length } = region.inodes;
    this.#wideWords = new BigUint64Array(buffer, byteOffset, length >> 1);
  }

  /** Each worker has a clock of its own, CLOCK_KERNEL or CLOCK_RING. */
  useClock(index: number): void {
    const at = SUPER_CLOCKS + index * CLOCK_WORDS;
    const { buffer, byteOffset } = this.region.superblock;
    this.clock = new Uint32Array(buffer as ArrayBuffer, byteOffset + 4 * at, 3);
  }

  get(ino: number, field: number): number {
    return this.words[ino * INODE_WORDS + field];
  }
  set(ino: number, field: number, value: number): void {
    this.words[ino * INODE_WORDS + field] = value;
  }
  get64(ino: number, field: number): number {
    const at = ino * INODE_WORDS + field;
    return this.words[at] + this.words[at + 1] * 2 ** 32;
  }
  set64(ino: number, field: number, value: number): void {
    assert(
      Number.isInteger(value) && value >= 0,
      "a field of 64 bits holds whole numbers from 0 on",
    );
    const at = ino * INODE_WORDS + field;
    this.words[at] = value % 2 ** 32;
    this.words[at + 1] = Math.floor(value / 2 ** 32);
  }

  /** Whether the inode has one of these flags (INODE_FLAG_*). */
  has(ino: number, flags: number): boolean {
    return (this.words[ino * INODE_WORDS + INODE_FLAGS] & flags) !== 0;
  }
  /** Whether it may neither lose a name nor change but by being appended to, see chattr(1). */
  isProtected(ino: number): boolean {
    return this.has(ino, INODE_FLAG_IMMUTABLE | INODE_FLAG_APPEND_ONLY);
  }

  /** Whether the number names a living inode; client input goes through here. */
  exists(ino: number): boolean {
    return ino > 0 && ino < this.region.sizes.inodeCountMax &&
      this.words[ino * INODE_WORDS + INODE_MODE] !== 0;
  }
  mode(ino: number): number {
    return this.words[ino * INODE_WORDS + INODE_MODE];
  }
  isDirectory(ino: number): boolean {
    return (this.mode(ino) & S_IFMT) === S_IFDIR;
  }
  isRegular(ino: number): boolean {
    return (this.mode(ino) & S_IFMT) === S_IFREG;
  }
  size(ino: number): number {
    return this.get64(ino, INODE_SIZE);
  }
  setSize(ino: number, bytes: number): void {
    assert(bytes >= 0 && bytes <= FILE_BYTES_MAX, "a size lies within what a file can have");
    const at = ino * INODE_WORDS + INODE_SIZE;
    this.sequences.beginAttributes(ino);
    // Clients read it as one word, so it changes as one.
    if (this.words[at + 1] === Math.floor(bytes / 2 ** 32)) this.words[at] = bytes % 2 ** 32;
    else Atomics.store(this.#wideWords, at / 2, BigInt(bytes));
    this.sequences.endAttributes();
  }

  /** A new inode with all times now and no names; 0 when the table is full. */
  create(mode: number, uid: number, gid: number, rdev: number): number {
    const ino = this.pool.allocate();
    if (ino === 0) return 0;
    const at = ino * INODE_WORDS;
    // A client that found this number under its last name may be about to take its count back.
    const openCount = this.words[at + INODE_OPEN_COUNT];
    this.words.fill(0, at, at + INODE_WORDS);
    this.words[at + INODE_OPEN_COUNT] = openCount;
    this.words[at + INODE_MODE] = mode;
    this.words[at + INODE_UID] = uid;
    this.words[at + INODE_GID] = gid;
    this.words[at + INODE_RDEV] = rdev;
    // A number is used again: with the generation it still names one inode only (file handles of NFS).
    this.words[at + INODE_GENERATION] = ++this.region.superblock[SUPER_INODE_GENERATION];
    this.touch(ino, ATIME | MTIME | CTIME | BTIME);
    return ino;
  }

  /** Ends the inode; what it referred to is gone already. */
  release(ino: number): void {
    this.words[ino * INODE_WORDS + INODE_MODE] = 0;
    this.pool.release(ino);
  }

  /** Sets the times named by the bits to the operation's. */
  touch(ino: number, which: number): void {
    this.foldClientTimes(ino);
    this.sequences.beginAttributes(ino);
    if (which & ATIME) this.#stamp(ino, INODE_ATIME, INODE_ATIME_NSEC);
    if (which & MTIME) this.#stamp(ino, INODE_MTIME, INODE_MTIME_NSEC);
    if (which & CTIME) this.#stamp(ino, INODE_CTIME, INODE_CTIME_NSEC);
    if (which & BTIME) this.#stamp(ino, INODE_BTIME, INODE_BTIME_NSEC);
    this.sequences.endAttributes();
  }

  /** Sets one time: its words are `field`, `field` + 1 (seconds, low first) and `nsecField`. */
  setTime(
    ino: number,
    field: number,
    nsecField: number,
    secondsLow: number,
    secondsHigh: number,
    nanoseconds: number,
  ): void {
    this.foldClientTimes(ino);
    this.sequences.beginAttributes(ino);
    const at = ino * INODE_WORDS;
    this.words[at + field] = secondsLow;
    this.words[at + field + 1] = secondsHigh;
    this.words[at + nsecField] = nanoseconds;
    this.sequences.endAttributes();
  }

  #stamp(ino: number, seconds: number, nanoseconds: number): void {
    const { words, clock } = this;
    const at = ino * INODE_WORDS;
    words[at + seconds] = clock[0];
    words[at + seconds + 1] = clock[1];
    words[at + nanoseconds] = clock[2];
  }

  /** atime by the rules of mount(8): as "relatime" only when it is not after mtime and ctime, or a day old. */
  touchAtime(ino: number): void {
    const flags = this.region.superblock[SUPER_MOUNT_FLAGS];
    if ((flags & (MOUNT_READ_ONLY | MOUNT_NO_ATIME)) !== 0) return;
    if (this.has(ino, INODE_FLAG_NO_ATIME)) return;
    if ((flags & MOUNT_NO_DIR_ATIME) !== 0 && this.isDirectory(ino)) return;
    if ((flags & MOUNT_STRICT_ATIME) !== 0 || this.#isAtimeStale(ino)) this.touch(ino, ATIME);
  }

  #isAtimeStale(ino: number): boolean {
    this.foldClientTimes(ino);
    const atime = this.#seconds(ino, INODE_ATIME);
    return !this.#after(ino, INODE_ATIME, INODE_ATIME_NSEC, INODE_MTIME, INODE_MTIME_NSEC) ||
      !this.#after(ino, INODE_ATIME, INODE_ATIME_NSEC, INODE_CTIME, INODE_CTIME_NSEC) ||
      this.clock[0] + (this.clock[1] | 0) * 2 ** 32 - atime >= RELATIME_SECONDS;
  }

  /** Makes the times say when clients last wrote and read; before they are read or set. */
  foldClientTimes(ino: number): void {
    const at = ino * INODE_WORDS;
    this.#fold(ino, at + INODE_CLIENT_MTIME, MTIME | CTIME);
    this.#fold(ino, at + INODE_CLIENT_ATIME, ATIME);
  }

  #fold(ino: number, word: number, which: number): void {
    if (this.words[word] === 0 && this.words[word + 1] === 0) return;
    this.sequences.beginAttributes(ino);
    const time = Atomics.exchange(this.#wideWords, word / 2, 0n) & TIME_MASK;
    const nanoseconds = Number(time % NANOSECONDS);
    const seconds = Number(time / NANOSECONDS);
    for (const [bit, field, nsecField] of TIME_FIELDS) {
      if ((which & bit) === 0) continue;
      this.set64(ino, field, seconds);
      this.set(ino, nsecField, nanoseconds);
    }
    this.sequences.endAttributes();
  }

  #seconds(ino: number, field: number): number {
    const at = ino * INODE_WORDS + field;
    return this.words[at] + (this.words[at + 1] | 0) * 2 ** 32;
  }
  #after(ino: number, a: number, aNsec: number, b: number, bNsec: number): boolean {
    const difference = this.#seconds(ino, a) - this.#seconds(ino, b);
    return difference > 0 || (difference === 0 && this.get(ino, aNsec) > this.get(ino, bNsec));
  }

  addLookup(ino: number): void {
    const at = ino * INODE_WORDS + INODE_LOOKUP_COUNT;
    this.words[at]++;
    if (this.words[at] === 0) this.words[at + 1]++;
  }
  /** The kernel gave back `count` references; never below zero, whatever it says. */
  forget(ino: number, count: number): void {
    this.set64(ino, INODE_LOOKUP_COUNT, Math.max(0, this.get64(ino, INODE_LOOKUP_COUNT) - count));
  }
  lookupCount(ino: number): number {
    return this.get64(ino, INODE_LOOKUP_COUNT);
  }

  /** Open file descriptions of clients; clients change it without a lock. */
  openCount(ino: number): number {
    return Atomics.load(this.words, ino * INODE_WORDS + INODE_OPEN_COUNT);
  }

  /** The kernel does this with the inode (KERNEL_USES_*), and clients leave it alone. */
  kernelUses(ino: number, what: number): void {
    Atomics.or(this.words, ino * INODE_WORDS + INODE_KERNEL_USES, what);
  }

  /** The kernel is about to be told of this (KERNEL_HOLDS_*): said before the thing itself is read. */
  kernelHolds(ino: number, what: number): void {
    const at = ino * INODE_WORDS + INODE_KERNEL_HOLDS;
    if ((this.words[at] & what) !== what) Atomics.or(this.words, at, what);
  }
}
