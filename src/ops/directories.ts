/**
 * READDIR and READDIRPLUS. An offset is where to go on: 0 the start, 1 behind ".", 2 behind "..", else the cookie of the next
 * entry, or DIRECTORY_END; entries come from the newest to the oldest (see red_black_tree.ts).
 */
import { EIO, ENOENT, ENOSYS, ENOTDIR } from "../core/errno.ts";
import {
  DENTRY_NAME_LENGTH,
  DIRECTORY_END,
  INODE_NLINK,
  INODE_PARENT_INO,
  KERNEL_HOLDS_LISTING,
} from "../region/layout.gen.ts";
import type { Exchange } from "./exchange.ts";
import {
  DIRENT_INO,
  DIRENT_NAMELEN,
  DIRENT_OFF,
  DIRENT_TYPE,
  DIRENT_WORDS,
  ENTRY_OUT_WORDS,
  OPEN_OUT_WORDS,
  READ_IN_OFFSET,
  READ_IN_SIZE,
} from "./fuse_records.gen.ts";
import { DATA_BYTES_MAX, OUT_BODY, OUT_BODY_BYTES } from "./protocol.ts";

/** What stands before an entry's name. */
const DIRENT_HEAD_BYTES = DIRENT_WORDS * 4;
const BEHIND_DOT = 1;
const BEHIND_DOT_DOT = 2;
const DOT = 0x2e;

/** With kernel caching a directory needs no open either, and its listing stays in the page cache. */
export function opendir(x: Exchange): number {
  if (x.cache === "auto") return -ENOSYS;
  x.replyWords.fill(0, OUT_BODY, OUT_BODY + OPEN_OUT_WORDS);
  return OPEN_OUT_WORDS * 4;
}

export function readdir(x: Exchange): number {
  return list(x, false);
}

export function readdirplus(x: Exchange): number {
  return list(x, true);
}

function list(x: Exchange, plus: boolean): number {
  const { fs, nodeid } = x;
  if (!fs.inodes.isDirectory(nodeid)) return -ENOTDIR;
  // Which the kernel knows by itself only when it has removed the directory (IS_DEADDIR).
  if (fs.inodes.get(nodeid, INODE_NLINK) === 0) return -ENOENT;
  x.kernelHolds(nodeid, KERNEL_HOLDS_LISTING);
  const offset = x.body64(READ_IN_OFFSET);
  const out = new Listing(x, plus, Math.min(x.body(READ_IN_SIZE), DATA_BYTES_MAX));
  if (x.marksAccess) fs.inodes.touchAtime(nodeid);
  if (offset < BEHIND_DOT && !out.addDots(nodeid, 1, BEHIND_DOT)) return out.bytes;
  const parent = fs.inodes.get(nodeid, INODE_PARENT_INO);
  if (offset < BEHIND_DOT_DOT) {
    if (!fs.inodes.exists(parent)) return -EIO;
    if (!out.addDots(parent, 2, BEHIND_DOT_DOT)) return out.bytes;
  }
  const { tree } = fs.names;
  if (offset === DIRECTORY_END) return out.bytes;
  // At the offset itself, or the next one below it: the entry that was there may have been removed.
  let slot = offset > BEHIND_DOT_DOT ? tree.below(nodeid, offset + 1) : tree.newest(nodeid);
  if (slot !== 0) fs.names.requireListed(slot, nodeid, Infinity);
  while (slot !== 0) {
    const next = tree.older(slot);
    if (next !== 0) fs.names.requireListed(next, nodeid, tree.cookie(slot));
    if (!out.addDentry(slot, next === 0 ? DIRECTORY_END : tree.cookie(next))) break;
    slot = next;
  }
  return out.bytes;
}

/** struct fuse_dirent or fuse_direntplus, one after the other, until the buffer is full. */
class Listing {
  bytes = 0;

  constructor(
    private readonly x: Exchange,
    private readonly plus: boolean,
    private readonly capacity: number,
  ) {}

  /** Room for an entry: the word where its struct fuse_dirent starts, or -1. */
  #place(nameLength: number): number {
    const entryBytes = this.plus ? ENTRY_OUT_WORDS * 4 : 0;
    const total = entryBytes + Math.ceil((DIRENT_HEAD_BYTES + nameLength) / 8) * 8;
    if (this.bytes + total > this.capacity) return -1;
    const word = (OUT_BODY_BYTES + this.bytes + entryBytes) / 4;
    // The last words are padding behind the name.
    const end = (OUT_BODY_BYTES + this.bytes + total) / 4;
    this.x.replyWords[end - 1] = 0;
    this.x.replyWords[end - 2] = 0;
    this.bytes += total;
    return word;
  }

  #head(word: number, ino: number, position: number, nameLength: number): void {
    const { replyWords, fs } = this.x;
    replyWords[word + DIRENT_INO] = ino;
    replyWords[word + DIRENT_INO + 1] = 0;
    this.x.setReply64(word + DIRENT_OFF, position);
    replyWords[word + DIRENT_NAMELEN] = nameLength;
    replyWords[word + DIRENT_TYPE] = fs.inodes.mode(ino) >>> 12;
  }

  /** "." or "..": never looked up by the kernel, so without an entry (nodeid 0). */
  addDots(ino: number, dots: number, position: number): boolean {
    const word = this.#place(dots);
    if (word < 0) return false;
    if (this.plus) this.x.replyWords.fill(0, word - ENTRY_OUT_WORDS, word);
    this.#head(word, ino, position, dots);
    this.x.reply.fill(DOT, word * 4 + DIRENT_HEAD_BYTES, word * 4 + DIRENT_HEAD_BYTES + dots);
    return true;
  }

  /** @param position where a listing goes on behind it */
  addDentry(slot: number, position: number): boolean {
    const { names } = this.x.fs;
    const length = names.get(slot, DENTRY_NAME_LENGTH);
    const word = this.#place(length);
    if (word < 0) return false;
    const ino = names.ino(slot);
    if (this.plus) this.x.writeEntry(word - ENTRY_OUT_WORDS, ino);
    this.#head(word, ino, position, length);
    names.copyName(slot, this.x.reply, word * 4 + DIRENT_HEAD_BYTES);
    return true;
  }
}
