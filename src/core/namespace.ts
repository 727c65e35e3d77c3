/**
 * Names: directories, dentries, and the operations that change them. Names are bytes, given as
 * (buffer, start, length); results are an inode number, 0, or a negative errno.
 *
 * INVARIANTS: `entry_count` of a directory counts its dentries, all of which are in its tree and in the hash; its
 * `nlink` is 2 + the number of its subdirectories; every other inode's `nlink` counts its dentries. A removed
 * directory has nlink 0 and takes no new names.
 * Every operation either does all it says or changes nothing.
 */
import type { Region } from "../region/region.ts";
import {
  DENTRY_COOKIE,
  DENTRY_EXTENSION,
  DENTRY_HASH,
  DENTRY_INO,
  DENTRY_KIND,
  DENTRY_NAME_BYTES,
  DENTRY_NAME_LENGTH,
  DENTRY_NAME_OFFSET_BYTES,
  DENTRY_NEXT,
  DENTRY_PARENT,
  DENTRY_WORDS,
  DIRECTORY_END,
  INODE_DENTRY,
  INODE_ENTRY_COUNT,
  INODE_FLAG_IMMUTABLE,
  INODE_FLAG_LINKABLE,
  INODE_FLAGS,
  INODE_GENERATION,
  INODE_NEXT_COOKIE,
  INODE_NLINK,
  INODE_PARENT_INO,
  NAME_BYTES_MAX,
  ROOT_INO,
  SLOT_KIND_DENTRY,
  SLOT_KIND_FORMER,
  SLOT_KIND_FREE,
} from "../region/layout.gen.ts";
import { damaged } from "./damage.ts";
import type { DentryHash } from "./dentry_hash.ts";
import {
  EEXIST,
  EINVAL,
  EISDIR,
  EMLINK,
  ENAMETOOLONG,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
} from "./errno.ts";
import { CTIME, type InodeTable, MTIME } from "./inode_table.ts";
import type { Pool } from "./pool.ts";
import type { RedBlackTree } from "./red_black_tree.ts";
import type { Sequences } from "./sequences.ts";
import type { SlotChain } from "./slot_chain.ts";

/** readdir offsets: 1 and 2 stand behind "." and "..", all others are a dentry's cookie. */
export const FIRST_COOKIE = 3;
export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;
export const RENAME_WHITEOUT = 4;
const NLINK_MAX = 0xffff_ffff;
const DOT = 0x2e;

export class Namespace {
  readonly #sequences: Sequences;
  /** The dentry that `add` made last. */
  newest = 0;

  constructor(
    private readonly region: Region,
    private readonly inodes: InodeTable,
    private readonly slotPool: Pool,
    private readonly chains: SlotChain,
    private readonly hash: DentryHash,
    readonly tree: RedBlackTree,
    /** Ends an inode that lost its last name, unless the kernel still refers to it. */
    private readonly releaseIfUnused: (ino: number) => void,
  ) {
    this.#sequences = inodes.sequences;
  }

  get(slot: number, field: number): number {
    return this.region.slots[slot * DENTRY_WORDS + field];
  }
  #set(slot: number, field: number, value: number): void {
    this.region.slots[slot * DENTRY_WORDS + field] = value;
  }

  /** The dentry's slot, or 0. */
  find(parent: number, name: Uint8Array, start: number, length: number): number {
    return this.hash.find(this.hash.hash(parent, name, start, length), parent, name, start, length);
  }

  /** The inode that has this name, or 0. */
  inodeNamed(parent: number, name: Uint8Array, start: number, length: number): number {
    const slot = this.find(parent, name, start, length);
    return slot === 0 ? 0 : this.ino(slot);
  }

  /** Why a name cannot be made in `parent`: 0, -ENOTDIR, -ENOENT (removed), -ENAMETOOLONG, -EINVAL, -EEXIST, -EPERM. */
  mayCreate(parent: number, name: Uint8Array, start: number, length: number): number {
    if (!this.inodes.isDirectory(parent)) return -ENOTDIR;
    if (this.inodes.get(parent, INODE_NLINK) === 0) return -ENOENT;
    const problem = nameProblem(name, start, length);
    if (problem !== 0) return problem;
    if (this.find(parent, name, start, length) !== 0) return -EEXIST;
    return this.#mayEnter(parent);
  }

  /** Whether chattr(1) lets a name of the inode go: 0, -EPERM. */
  #mayRemove(parent: number, ino: number): number {
    return this.inodes.isProtected(parent) || this.inodes.isProtected(ino) ? -EPERM : 0;
  }

  /** Gives `ino` a name that `mayCreate` allowed. A directory's parent and both link counts follow. @returns 0, -ENOSPC */
  add(parent: number, name: Uint8Array, start: number, length: number, ino: number): number {
    const slot = this.#newDentry(name, start, length);
    if (slot === 0) return -ENOSPC;
    this.#sequences.beginNames();
    this.#set(slot, DENTRY_INO, ino);
    this.#enter(slot, parent, this.hash.hash(parent, name, start, length));
    if (this.inodes.isDirectory(ino)) this.#adopt(parent, ino, slot);
    this.inodes.touch(parent, MTIME | CTIME);
    this.#sequences.endNames();
    this.newest = slot;
    return 0;
  }

  /** A dentry with its name only, in no structure yet; 0 when there is no room. */
  #newDentry(name: Uint8Array, start: number, length: number): number {
    const extension = this.#storeRest(name, start, length);
    if (extension < 0) return 0;
    const slot = this.slotPool.allocate();
    if (slot === 0) {
      this.chains.release(extension);
      return 0;
    }
    const at = slot * DENTRY_WORDS;
    this.region.slots.fill(0, at, at + DENTRY_WORDS);
    this.#set(slot, DENTRY_KIND, SLOT_KIND_DENTRY);
    this.#writeName(slot, name, start, length, extension);
    return slot;
  }

  /** Stores what does not fit into a dentry; 0 when all does, -1 when there is no room. */
  #storeRest(name: Uint8Array, start: number, length: number): number {
    if (length <= DENTRY_NAME_BYTES) return 0;
    return this.chains.store(name, start + DENTRY_NAME_BYTES, length - DENTRY_NAME_BYTES) || -1;
  }

  #writeName(
    slot: number,
    name: Uint8Array,
    start: number,
    length: number,
    extension: number,
  ): void {
    const { slotBytes } = this.region;
    const at = slot * DENTRY_WORDS * 4 + DENTRY_NAME_OFFSET_BYTES;
    const inline = Math.min(length, DENTRY_NAME_BYTES);
    for (let i = 0; i < inline; i++) slotBytes[at + i] = name[start + i];
    this.#set(slot, DENTRY_NAME_LENGTH, length);
    this.#set(slot, DENTRY_EXTENSION, extension);
  }

  /** The inode that a dentry names. */
  ino(slot: number): number {
    const ino = this.get(slot, DENTRY_INO);
    return this.inodes.exists(ino) ? ino : damaged(`dentry ${slot} names inode ${ino}`);
  }

  /**
   * Of a dentry met in a directory's tree, before it is shown.
   * @param above the cookie of the one shown before: they fall, or a reader would never come to an end
   */
  requireListed(slot: number, directory: number, above: number): void {
    const length = this.get(slot, DENTRY_NAME_LENGTH);
    const cookie = this.tree.cookie(slot);
    const isRight = this.get(slot, DENTRY_KIND) === SLOT_KIND_DENTRY &&
      this.get(slot, DENTRY_PARENT) === directory && length > 0 && length <= NAME_BYTES_MAX &&
      cookie >= FIRST_COOKIE && cookie < above;
    if (!isRight) damaged(`the tree of directory ${directory} has slot ${slot}`);
  }

  #requireDirectory(ino: number): void {
    if (!this.inodes.exists(ino) || !this.inodes.isDirectory(ino)) {
      damaged(`a dentry lies in inode ${ino}, which is no directory`);
    }
  }

  #enter(slot: number, parent: number, hash: number): void {
    this.#set(slot, DENTRY_PARENT, parent);
    this.#set(slot, DENTRY_HASH, hash);
    const cookie = this.inodes.get64(parent, INODE_NEXT_COOKIE);
    if (cookie < FIRST_COOKIE || cookie > Number.MAX_SAFE_INTEGER) {
      damaged(`directory ${parent} is to give its next entry the number ${cookie}`);
    }
    const isLastBeforeEnd = cookie + 1 === DIRECTORY_END;
    this.inodes.set64(parent, INODE_NEXT_COOKIE, cookie + (isLastBeforeEnd ? 2 : 1));
    this.#set(slot, DENTRY_COOKIE, cookie % 2 ** 32);
    this.#set(slot, DENTRY_COOKIE + 1, Math.floor(cookie / 2 ** 32));
    this.hash.insert(slot);
    this.tree.insert(parent, slot);
    this.inodes.set(parent, INODE_ENTRY_COUNT, this.inodes.get(parent, INODE_ENTRY_COUNT) + 1);
  }

  #leave(slot: number): void {
    const parent = this.get(slot, DENTRY_PARENT);
    this.#requireDirectory(parent);
    this.hash.remove(slot);
    this.tree.remove(parent, slot);
    this.inodes.set(parent, INODE_ENTRY_COUNT, this.inodes.get(parent, INODE_ENTRY_COUNT) - 1);
  }

  #adopt(parent: number, directory: number, slot: number): void {
    this.inodes.set(directory, INODE_PARENT_INO, parent);
    this.inodes.set(directory, INODE_DENTRY, slot);
    this.inodes.set(parent, INODE_NLINK, this.inodes.get(parent, INODE_NLINK) + 1);
  }
  #disown(parent: number): void {
    this.inodes.set(parent, INODE_NLINK, this.inodes.get(parent, INODE_NLINK) - 1);
  }

  /** What a dentry becomes that is in no directory any more: the former name of an inode that programs have open. */
  #keepFormer(slot: number, ino: number): void {
    this.releaseFormer(ino);
    const parent = this.get(slot, DENTRY_PARENT);
    this.#set(slot, DENTRY_KIND, SLOT_KIND_FORMER);
    this.#set(slot, DENTRY_NEXT, this.inodes.get(parent, INODE_GENERATION));
    this.inodes.set(ino, INODE_DENTRY, slot);
  }

  /** The slot with the name that the inode had last, or 0. */
  former(ino: number): number {
    const slot = this.inodes.get(ino, INODE_DENTRY);
    const isFormer = slot !== 0 && this.get(slot, DENTRY_KIND) === SLOT_KIND_FORMER &&
      this.get(slot, DENTRY_INO) === ino;
    return isFormer ? slot : 0;
  }

  /** The inode ends, or has another former name from now on. */
  releaseFormer(ino: number): void {
    const slot = this.former(ino);
    if (slot === 0) return;
    this.inodes.set(ino, INODE_DENTRY, 0);
    this.#freeDentry(slot);
  }

  #freeDentry(slot: number): void {
    const extension = this.get(slot, DENTRY_EXTENSION);
    if (extension !== 0) this.chains.release(extension);
    this.#set(slot, DENTRY_KIND, SLOT_KIND_FREE);
    this.slotPool.release(slot);
  }

  /** Takes the dentry away and with it a link of its inode, which may end. */
  #drop(slot: number): void {
    const parent = this.get(slot, DENTRY_PARENT);
    const ino = this.ino(slot);
    this.#sequences.beginNames();
    this.#leave(slot);
    if (this.inodes.isDirectory(ino)) {
      this.inodes.set(ino, INODE_NLINK, 0);
      this.inodes.set(ino, INODE_DENTRY, 0);
      this.#disown(parent);
    } else this.inodes.set(ino, INODE_NLINK, this.inodes.get(ino, INODE_NLINK) - 1);
    if (this.inodes.openCount(ino) > 0) this.#keepFormer(slot, ino);
    else this.#freeDentry(slot);
    this.inodes.touch(ino, CTIME);
    this.inodes.touch(parent, MTIME | CTIME);
    this.releaseIfUnused(ino);
    this.#sequences.endNames();
  }

  /** link(2). @returns 0, -ENOENT (it has lost its last name), or another -errno */
  link(ino: number, parent: number, name: Uint8Array, start: number, length: number): number {
    if (this.inodes.isDirectory(ino)) return -EPERM;
    const problem = this.mayCreate(parent, name, start, length);
    if (problem !== 0) return problem;
    if (this.inodes.isProtected(ino)) return -EPERM;
    const nlink = this.inodes.get(ino, INODE_NLINK);
    if (nlink === NLINK_MAX) return -EMLINK;
    const flags = this.inodes.get(ino, INODE_FLAGS);
    if (nlink === 0 && (flags & INODE_FLAG_LINKABLE) === 0) return -ENOENT;
    const added = this.add(parent, name, start, length, ino);
    if (added !== 0) return added;
    this.inodes.set(ino, INODE_NLINK, nlink + 1);
    this.inodes.set(ino, INODE_FLAGS, flags & ~INODE_FLAG_LINKABLE);
    this.inodes.touch(ino, CTIME);
    this.releaseIfUnused(ino); // no orphan any more, if it was one
    return 0;
  }

  /** unlink(2). @returns 0, -ENOENT, -EPERM, -EISDIR */
  unlink(parent: number, name: Uint8Array, start: number, length: number): number {
    const slot = this.find(parent, name, start, length);
    if (slot === 0) return -ENOENT;
    const ino = this.ino(slot);
    if (this.#mayRemove(parent, ino) !== 0) return -EPERM;
    if (this.inodes.isDirectory(ino)) return -EISDIR;
    this.#drop(slot);
    return 0;
  }

  /** rmdir(2). @returns 0, -ENOENT, -EPERM, -ENOTDIR, -ENOTEMPTY */
  rmdir(parent: number, name: Uint8Array, start: number, length: number): number {
    const slot = this.find(parent, name, start, length);
    if (slot === 0) return -ENOENT;
    const ino = this.ino(slot);
    if (this.#mayRemove(parent, ino) !== 0) return -EPERM;
    if (!this.inodes.isDirectory(ino)) return -ENOTDIR;
    if (this.inodes.get(ino, INODE_ENTRY_COUNT) > 0) return -ENOTEMPTY;
    this.#drop(slot);
    return 0;
  }

  /**
   * renameat2(2): O(1) whatever hangs below. Both names lie in `name`.
   * @param whiteout an inode without a name that gets the old one (see FileSystem.rename); 0: none
   * @returns 0 or -errno
   */
  rename(
    parent: number,
    name: Uint8Array,
    start: number,
    length: number,
    newParent: number,
    newStart: number,
    newLength: number,
    flags: number,
    whiteout = 0,
  ): number {
    if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE) || flags === 3) return -EINVAL;
    const slot = this.find(parent, name, start, length);
    if (slot === 0) return -ENOENT;
    if (!this.inodes.isDirectory(newParent)) return -ENOTDIR;
    if (this.inodes.get(newParent, INODE_NLINK) === 0) return -ENOENT;
    const badName = nameProblem(name, newStart, newLength);
    if (badName !== 0) return badName;
    const target = this.find(newParent, name, newStart, newLength);
    const ino = this.ino(slot);
    if (this.#isWithin(newParent, ino)) return -EINVAL;
    if (flags & RENAME_EXCHANGE) {
      if (target === 0) return -ENOENT;
      if (this.#isWithin(parent, this.ino(target))) return -EINVAL;
      const problem = this.#mayRemove(parent, ino) || this.#mayRemove(newParent, this.ino(target));
      if (problem === 0) this.#exchange(slot, target);
      return problem;
    }
    if (target !== 0 && flags & RENAME_NOREPLACE) return -EEXIST;
    // Two names of one file: POSIX wants nothing done.
    if (target !== 0 && this.ino(target) === ino) return 0;
    const problem = this.#mayRemove(parent, ino) ||
      (target === 0 ? this.#mayEnter(newParent) : this.#mayReplace(newParent, ino, target));
    if (problem !== 0) return problem;
    const trace = whiteout === 0 ? 0 : this.#newDentry(name, start, length);
    if (whiteout !== 0 && trace === 0) return -ENOSPC;
    if (trace !== 0) this.#set(trace, DENTRY_INO, whiteout);
    const moved = this.#move(slot, target, name, newParent, newStart, newLength, trace);
    if (moved !== 0 && trace !== 0) this.#freeDentry(trace);
    return moved;
  }

  /** Whether chattr(1) lets a name be made in the directory: 0, -EPERM. */
  #mayEnter(parent: number): number {
    return this.inodes.has(parent, INODE_FLAG_IMMUTABLE) ? -EPERM : 0;
  }

  #mayReplace(parent: number, ino: number, targetSlot: number): number {
    const target = this.ino(targetSlot);
    if (this.#mayRemove(parent, target) !== 0) return -EPERM;
    if (!this.inodes.isDirectory(target)) return this.inodes.isDirectory(ino) ? -ENOTDIR : 0;
    if (!this.inodes.isDirectory(ino)) return -EISDIR;
    return this.inodes.get(target, INODE_ENTRY_COUNT) > 0 ? -ENOTEMPTY : 0;
  }

  /** Whether directory `inner` is `outer` or lies below it. */
  #isWithin(inner: number, outer: number): boolean {
    if (!this.inodes.isDirectory(outer)) return false;
    let at = inner;
    for (let steps = this.inodes.pool.held; steps > 0; steps--) {
      if (at === outer) return true;
      if (at === ROOT_INO) return false;
      at = this.inodes.get(at, INODE_PARENT_INO);
      if (!this.inodes.exists(at)) break;
    }
    return damaged(`directory ${inner} is not below the root`);
  }

  #move(
    slot: number,
    target: number,
    name: Uint8Array,
    newParent: number,
    newStart: number,
    newLength: number,
    trace: number,
  ): number {
    const parent = this.get(slot, DENTRY_PARENT);
    const oldHash = this.get(slot, DENTRY_HASH);
    const ino = this.get(slot, DENTRY_INO);
    const extension = this.#storeRest(name, newStart, newLength);
    if (extension < 0) return -ENOSPC;
    this.#sequences.beginNames();
    if (target !== 0) this.#drop(target);
    const hash = this.hash.hash(newParent, name, newStart, newLength);
    const oldExtension = this.get(slot, DENTRY_EXTENSION);
    if (parent === newParent) {
      // The cookie stays: a reader of the directory meets the file once, and renaming while reading ends.
      this.hash.remove(slot);
      this.#writeName(slot, name, newStart, newLength, extension);
      this.#set(slot, DENTRY_HASH, hash);
      this.hash.insert(slot);
    } else {
      this.#leave(slot);
      this.#writeName(slot, name, newStart, newLength, extension);
      this.#enter(slot, newParent, hash);
      if (this.inodes.isDirectory(ino)) {
        this.#disown(parent);
        this.#adopt(newParent, ino, slot);
      }
    }
    if (oldExtension !== 0) this.chains.release(oldExtension);
    if (trace !== 0) {
      this.#enter(trace, parent, oldHash);
      this.inodes.set(this.get(trace, DENTRY_INO), INODE_NLINK, 1);
    }
    this.inodes.touch(ino, CTIME);
    this.inodes.touch(parent, MTIME | CTIME);
    this.inodes.touch(newParent, MTIME | CTIME);
    this.#sequences.endNames();
    return 0;
  }

  #exchange(a: number, b: number): void {
    const [inoA, inoB] = [this.get(a, DENTRY_INO), this.get(b, DENTRY_INO)];
    const [parentA, parentB] = [this.get(a, DENTRY_PARENT), this.get(b, DENTRY_PARENT)];
    this.#sequences.beginNames();
    this.#set(a, DENTRY_INO, inoB);
    this.#set(b, DENTRY_INO, inoA);
    for (
      const [ino, from, to, slot] of [[inoA, parentA, parentB, b], [inoB, parentB, parentA, a]]
    ) {
      if (!this.inodes.isDirectory(ino)) continue;
      this.#disown(from);
      this.#adopt(to, ino, slot);
    }
    for (const ino of [inoA, inoB]) this.inodes.touch(ino, CTIME);
    for (const parent of [parentA, parentB]) this.inodes.touch(parent, MTIME | CTIME);
    this.#sequences.endNames();
  }

  /** Copies the dentry's name out; returns its length in bytes. */
  copyName(slot: number, target: Uint8Array, start: number): number {
    const length = this.get(slot, DENTRY_NAME_LENGTH);
    if (length > NAME_BYTES_MAX) damaged(`dentry ${slot} has a name of ${length} bytes`);
    const inline = Math.min(length, DENTRY_NAME_BYTES);
    const { slotBytes } = this.region;
    const at = slot * DENTRY_WORDS * 4 + DENTRY_NAME_OFFSET_BYTES;
    for (let i = 0; i < inline; i++) target[start + i] = slotBytes[at + i];
    if (length > inline) {
      this.chains.load(this.get(slot, DENTRY_EXTENSION), target, start + inline, length - inline);
    }
    return length;
  }
}

function nameProblem(name: Uint8Array, start: number, length: number): number {
  if (length > NAME_BYTES_MAX) return -ENAMETOOLONG;
  if (length === 0) return -ENOENT;
  const dots = name[start] === DOT && (length === 1 || (length === 2 && name[start + 1] === DOT));
  if (dots) return -EEXIST;
  for (let i = start; i < start + length; i++) {
    if (name[i] === 0 || name[i] === 0x2f) return -EINVAL;
  }
  return 0;
}
