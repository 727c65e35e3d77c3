/**
 * The inode table: attributes, reference counts and times.
 *
 * INVARIANTS: `mode` is 0 exactly in free records. An inode lives while it has names (`nlink`) or the kernel
 * refers to it (`lookup_count`, FUSE's nlookup); `FileSystem.releaseIfUnused` ends it.
 * Numbers 64 bits wide are two words, low first; all of them stay below 2^53 (times: signed seconds).
 */
import type { Region } from "../region/region.ts";
import {
  INODE_ATIME,
  INODE_ATIME_NSEC,
  INODE_BTIME,
  INODE_BTIME_NSEC,
  INODE_CTIME,
  INODE_CTIME_NSEC,
  INODE_GENERATION,
  INODE_GID,
  INODE_LOOKUP_COUNT,
  INODE_MODE,
  INODE_MTIME,
  INODE_MTIME_NSEC,
  INODE_RDEV,
  INODE_SIZE,
  INODE_UID,
  INODE_WORDS,
  SUPER_INODE_GENERATION,
} from "../region/layout.gen.ts";
import type { Pool } from "./pool.ts";

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
export const S_ISVTX = 0o1000;
export const S_IXGRP = 0o0010;

/** Bits for `touch`. */
export const ATIME = 1;
export const MTIME = 2;
export const CTIME = 4;
export const BTIME = 8;

const RELATIME_SECONDS = 24 * 60 * 60;

export class InodeTable {
  /** CLOCK_REALTIME of the operation under way: seconds (two words, low first), nanoseconds. */
  readonly clock = new Uint32Array(3);
  readonly words: Uint32Array;
  /** mount(8) "noatime": reading changes nothing. */
  noatime = false;

  constructor(private readonly region: Region, readonly pool: Pool) {
    this.words = region.inodes;
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
    const at = ino * INODE_WORDS + field;
    this.words[at] = value % 2 ** 32;
    this.words[at + 1] = Math.floor(value / 2 ** 32);
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
    this.set64(ino, INODE_SIZE, bytes);
  }

  /** A new inode with all times now and no names; 0 when the table is full. */
  create(mode: number, uid: number, gid: number, rdev: number): number {
    const ino = this.pool.allocate();
    if (ino === 0) return 0;
    const at = ino * INODE_WORDS;
    this.words.fill(0, at, at + INODE_WORDS);
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
    if (which & ATIME) this.#stamp(ino, INODE_ATIME, INODE_ATIME_NSEC);
    if (which & MTIME) this.#stamp(ino, INODE_MTIME, INODE_MTIME_NSEC);
    if (which & CTIME) this.#stamp(ino, INODE_CTIME, INODE_CTIME_NSEC);
    if (which & BTIME) this.#stamp(ino, INODE_BTIME, INODE_BTIME_NSEC);
  }

  #stamp(ino: number, seconds: number, nanoseconds: number): void {
    const { words, clock } = this;
    const at = ino * INODE_WORDS;
    words[at + seconds] = clock[0];
    words[at + seconds + 1] = clock[1];
    words[at + nanoseconds] = clock[2];
  }

  /** atime by the rule of mount(8) "relatime": only when it is not after mtime and ctime, or a day old. */
  touchAtime(ino: number): void {
    if (this.noatime) return;
    const atime = this.#seconds(ino, INODE_ATIME);
    const stale = !this.#after(ino, INODE_ATIME, INODE_ATIME_NSEC, INODE_MTIME, INODE_MTIME_NSEC) ||
      !this.#after(ino, INODE_ATIME, INODE_ATIME_NSEC, INODE_CTIME, INODE_CTIME_NSEC) ||
      this.clock[0] + (this.clock[1] | 0) * 2 ** 32 - atime >= RELATIME_SECONDS;
    if (stale) this.touch(ino, ATIME);
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
}
