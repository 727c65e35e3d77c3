/**
 * One request and its reply, as the operations see them. An operation reads the request's words and
 * bytes, calls the core, writes the reply's body and returns its length in bytes, a negative errno,
 * or NO_REPLY. It runs with the core lock held and makes no system call.
 */
import {
  BLOCK_BYTES,
  INODE_ATIME,
  INODE_ATIME_NSEC,
  INODE_BLOCK_COUNT,
  INODE_CTIME,
  INODE_CTIME_NSEC,
  INODE_ENTRY_COUNT,
  INODE_GENERATION,
  INODE_GID,
  INODE_MODE,
  INODE_MTIME,
  INODE_MTIME_NSEC,
  INODE_NLINK,
  INODE_RDEV,
  INODE_SIZE,
  INODE_UID,
  INODE_WORDS,
  KERNEL_HOLDS_ATTRIBUTES,
  KERNEL_HOLDS_END,
} from "../region/layout.gen.ts";
import type { CacheMode, FileSystem } from "../core/file_system.ts";
import { S_IFDIR, S_IFMT, S_ISGID, S_IXGRP } from "../core/inode_table.ts";
import { callerOf, NO_ID } from "./caller.ts";
import { noteNegativeName } from "./kernel_notices.ts";
import {
  ATTR_ATIME,
  ATTR_ATIMENSEC,
  ATTR_BLKSIZE,
  ATTR_BLOCKS,
  ATTR_CTIME,
  ATTR_CTIMENSEC,
  ATTR_FLAGS,
  ATTR_GID,
  ATTR_INO,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_MTIMENSEC,
  ATTR_NLINK,
  ATTR_RDEV,
  ATTR_SIZE,
  ATTR_UID,
  ENTRY_OUT_ATTR,
  ENTRY_OUT_ATTR_VALID,
  ENTRY_OUT_ATTR_VALID_NSEC,
  ENTRY_OUT_ENTRY_VALID,
  ENTRY_OUT_ENTRY_VALID_NSEC,
  ENTRY_OUT_GENERATION,
  ENTRY_OUT_NODEID,
  ENTRY_OUT_WORDS,
  IN_GID,
  IN_LEN,
  IN_NODEID,
  IN_PID,
  IN_UID,
  READ_IN_FLAGS,
} from "./fuse_records.gen.ts";
import { IN_BODY, IN_BODY_BYTES, OUT_BODY, OUT_BODY_BYTES, REQUEST_BYTES_MAX } from "./protocol.ts";
import { Raced } from "./raced.ts";

export type Operation = (x: Exchange) => number;

/** FORGET and its kind are not answered. */
export const NO_REPLY = -(2 ** 31);

/** As long as the kernel takes: what changes is invalidated, nothing ever times out. */
const FOREVER_SECONDS = 2 ** 30;
const O_NOATIME = 0o1000000;
/** What tmpfs says a directory entry takes (BOGO_DIRENT_SIZE), "." and ".." included. */
const DIRENT_BYTES = 20;
const DOT_ENTRIES = 2;
const SECTORS_PER_BLOCK = 8;

export class Exchange {
  readonly request = new Uint8Array(REQUEST_BYTES_MAX);
  readonly requestWords = new Uint32Array(this.request.buffer);
  readonly reply = new Uint8Array(REQUEST_BYTES_MAX);
  readonly replyWords = new Uint32Array(this.reply.buffer);
  /** Seconds the kernel may keep entries and attributes. */
  readonly validSeconds: number;
  /** Set by READ: the reply's data is what `fs.data.segments` says. */
  hasSegments = false;
  /** The kernel is to forget the attributes that it has of the inode, before it gets the reply. */
  forgetAttributes = false;
  readonly raced = new Raced();

  constructor(readonly fs: FileSystem, readonly cache: CacheMode) {
    this.validSeconds = cache === "auto" ? FOREVER_SECONDS : 0;
  }

  get nodeid(): number {
    return this.u64(IN_NODEID);
  }
  /** The caller's, as the file system has it; a request that makes an inode says it, others may cost a look into /proc. */
  get uid(): number {
    const uid = this.requestWords[IN_UID];
    return uid === NO_ID ? callerOf(this.thread).uid : uid;
  }
  /** The calling thread. */
  get thread(): number {
    return this.requestWords[IN_PID];
  }
  get gid(): number {
    const gid = this.requestWords[IN_GID];
    return gid === NO_ID ? callerOf(this.thread).gid : gid;
  }
  /** Of READ, READDIR and READDIRPLUS: whether the file was opened without O_NOATIME. */
  get marksAccess(): boolean {
    return (this.body(READ_IN_FLAGS) & O_NOATIME) === 0;
  }
  /** Whether the caller may leave set-group-ID on a file whose group may not execute it: its members may. */
  mayKeepSetgid(ino: number): boolean {
    const mode = this.fs.inodes.mode(ino);
    const gid = this.fs.inodes.get(ino, INODE_GID);
    return (mode & (S_ISGID | S_IXGRP)) !== S_ISGID || this.uid === 0 || this.isMember(gid);
  }
  /** Whether the caller belongs to this group. */
  isMember(gid: number): boolean {
    return this.gid === gid || callerOf(this.thread).groups.includes(gid);
  }
  /** Whether the caller has this capability (CAP_*). */
  isCapable(capability: number): boolean {
    return (callerOf(this.thread).capabilities >> BigInt(capability) & 1n) === 1n;
  }
  /** Where the request ends, in bytes. */
  get end(): number {
    return this.requestWords[IN_LEN];
  }
  /** A word of the request's body: MKNOD_IN_MODE and the like. */
  body(word: number): number {
    return this.requestWords[IN_BODY + word];
  }
  body64(word: number): number {
    return this.u64(IN_BODY + word);
  }
  u64(word: number): number {
    return this.requestWords[word] + this.requestWords[word + 1] * 2 ** 32;
  }

  /** Length of the NUL-ended name that starts at this byte of the request. */
  nameLength(start: number): number {
    const { request, end } = this;
    let at = start;
    while (at < end && request[at] !== 0) at++;
    return at - start;
  }

  setReply64(word: number, value: number): void {
    this.replyWords[word] = value % 2 ** 32;
    this.replyWords[word + 1] = Math.floor(value / 2 ** 32);
  }

  /** Notes what the reply lets the kernel keep; KERNEL_HOLDS_*. Before it is read, see InodeTable.kernelHolds. */
  kernelHolds(ino: number, what: number): void {
    if (this.validSeconds > 0) this.fs.inodes.kernelHolds(ino, what);
  }

  /** struct fuse_attr at this word of the reply. */
  writeAttr(word: number, ino: number): void {
    this.kernelHolds(ino, KERNEL_HOLDS_ATTRIBUTES);
    this.fs.inodes.foldClientTimes(ino);
    const out = this.replyWords;
    const inode = this.fs.inodes.words;
    const at = ino * INODE_WORDS;
    const mode = inode[at + INODE_MODE];
    const directory = (mode & S_IFMT) === S_IFDIR;
    out[word + ATTR_INO] = ino;
    out[word + ATTR_INO + 1] = 0;
    out[word + ATTR_SIZE] = directory
      ? (inode[at + INODE_ENTRY_COUNT] + DOT_ENTRIES) * DIRENT_BYTES
      : inode[at + INODE_SIZE];
    out[word + ATTR_SIZE + 1] = inode[at + INODE_SIZE + 1];
    this.setReply64(word + ATTR_BLOCKS, inode[at + INODE_BLOCK_COUNT] * SECTORS_PER_BLOCK);
    out[word + ATTR_ATIME] = inode[at + INODE_ATIME];
    out[word + ATTR_ATIME + 1] = inode[at + INODE_ATIME + 1];
    out[word + ATTR_MTIME] = inode[at + INODE_MTIME];
    out[word + ATTR_MTIME + 1] = inode[at + INODE_MTIME + 1];
    out[word + ATTR_CTIME] = inode[at + INODE_CTIME];
    out[word + ATTR_CTIME + 1] = inode[at + INODE_CTIME + 1];
    out[word + ATTR_ATIMENSEC] = inode[at + INODE_ATIME_NSEC];
    out[word + ATTR_MTIMENSEC] = inode[at + INODE_MTIME_NSEC];
    out[word + ATTR_CTIMENSEC] = inode[at + INODE_CTIME_NSEC];
    out[word + ATTR_MODE] = mode;
    out[word + ATTR_NLINK] = inode[at + INODE_NLINK];
    out[word + ATTR_UID] = inode[at + INODE_UID];
    out[word + ATTR_GID] = inode[at + INODE_GID];
    out[word + ATTR_RDEV] = inode[at + INODE_RDEV];
    out[word + ATTR_BLKSIZE] = BLOCK_BYTES;
    out[word + ATTR_FLAGS] = 0;
  }

  /** struct fuse_entry_out at this word; the kernel then holds one more reference. */
  writeEntry(word: number, ino: number): void {
    const out = this.replyWords;
    this.fs.inodes.addLookup(ino);
    if (this.fs.inodes.isRegular(ino)) this.fs.inodes.kernelHolds(ino, KERNEL_HOLDS_END);
    out[word + ENTRY_OUT_NODEID] = ino;
    out[word + ENTRY_OUT_NODEID + 1] = 0;
    out[word + ENTRY_OUT_GENERATION] = this.fs.inodes.get(ino, INODE_GENERATION);
    out[word + ENTRY_OUT_GENERATION + 1] = 0;
    out[word + ENTRY_OUT_ENTRY_VALID] = this.validSeconds;
    out[word + ENTRY_OUT_ENTRY_VALID + 1] = 0;
    out[word + ENTRY_OUT_ATTR_VALID] = this.validSeconds;
    out[word + ENTRY_OUT_ATTR_VALID + 1] = 0;
    out[word + ENTRY_OUT_ENTRY_VALID_NSEC] = 0;
    out[word + ENTRY_OUT_ATTR_VALID_NSEC] = 0;
    this.writeAttr(word + ENTRY_OUT_ATTR, ino);
  }

  /** The usual answer of operations that make or find a name: an entry for `ino`, or its errno. */
  entryReply(ino: number): number {
    if (ino < 0) return ino;
    this.writeEntry(OUT_BODY, ino);
    return ENTRY_OUT_WORDS * 4;
  }

  /** An answer that the kernel may remember: the name, `length` bytes of the request's body, does not exist. */
  negativeEntryReply(length: number): number {
    noteNegativeName(this.fs, this.nodeid, this.request, IN_BODY_BYTES, length);
    this.replyWords.fill(0, OUT_BODY, OUT_BODY + ENTRY_OUT_WORDS);
    this.replyWords[OUT_BODY + ENTRY_OUT_ENTRY_VALID] = this.validSeconds;
    return ENTRY_OUT_WORDS * 4;
  }

  /** Puts the data of a READ behind the reply's header; returns the whole reply's bytes. */
  copySegments(replyBytes: number): number {
    return this.hasSegments ? this.fs.data.copyOut(this.reply, OUT_BODY_BYTES) : replyBytes;
  }
}
