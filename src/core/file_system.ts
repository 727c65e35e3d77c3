/**
 * The file system: the core's parts over one region, and the operations that touch several of them.
 *
 * Lock order: the core lock is the only one. Workers hold it around each operation; `giveBackMemory` takes
 * it itself, and `check` makes everybody wait.
 * Results: inode numbers, counts or 0; negative errno on failure; no exceptions on these paths.
 */
import type { Region } from "../region/region.ts";
import {
  INODE_FLAG_ACL_DEFAULT,
  INODE_FLAG_IMMUTABLE,
  INODE_FLAG_LINKABLE,
  INODE_FLAG_NO_ATIME,
  INODE_FLAG_NO_DUMP,
  INODE_FLAG_ORPHAN,
  INODE_FLAGS,
  INODE_GID,
  INODE_KERNEL_HOLDS,
  INODE_KERNEL_USES,
  INODE_MAP_HEIGHT,
  INODE_NEGATIVE_NAMES,
  INODE_NEXT_COOKIE,
  INODE_NLINK,
  INODE_OPEN_COUNT,
  INODE_PARENT_INO,
  INODE_TARGET_SLOT,
  INODE_WORDS,
  LAYOUT_HASH_HI,
  LAYOUT_HASH_LO,
  MAGIC_HI,
  MAGIC_LO,
  NEGATIVE_NAMES_WORDS,
  ROOT_INO,
  SUPER_CACHE_MODE,
  SUPER_DEVICE,
  SUPER_FORMATTED,
  SUPER_GENERATION,
  SUPER_HASH_SEED,
  SUPER_LAYOUT_HASH,
  SUPER_MAGIC,
  SUPER_ORPHAN_COUNT,
  SUPER_OWNER_PID,
  SUPER_OWNER_START_TICKS,
  SUPER_PID_NAMESPACE,
  SUPER_REQUEST_COUNT,
  TARGET_INLINE_BYTES,
} from "../region/layout.gen.ts";
import { Attributes } from "./attributes.ts";
import { BlockMap, mapBlockCount } from "./block_map.ts";
import { checkRegion } from "./check.ts";
import { ClientGuard } from "./client_guard.ts";
import { CoreLock, whileStill } from "./core_lock.ts";
import { damaged, DamageError } from "./damage.ts";
import { DentryHash } from "./dentry_hash.ts";
import { EINVAL, ENAMETOOLONG, ENOENT, ENOSPC, EPERM } from "./errno.ts";
import { FileData } from "./file_data.ts";
import { InodeTable, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID } from "./inode_table.ts";
import { Misplaced } from "./misplaced.ts";
import { FIRST_COOKIE, Namespace, RENAME_EXCHANGE, RENAME_WHITEOUT } from "./namespace.ts";
import { Pool } from "./pool.ts";
import { inherit } from "./posix_acl.ts";
import { RedBlackTree } from "./red_black_tree.ts";
import { Sequences } from "./sequences.ts";
import { SlotChain } from "./slot_chain.ts";
import { ACL_ACCESS, ACL_DEFAULT, Xattrs } from "./xattrs.ts";

export type CacheMode = "auto" | "none";

/** What a new inode is to be; its group and mode then follow the directory it is made in. */
export interface NewInode {
  /** With the type (S_IFMT). */
  mode: number;
  umask: number;
  uid: number;
  gid: number;
  rdev: number;
}

const SYMLINK_BYTES_MAX = 4095;
/** Memory punched out in one step; bounds how long requests wait for it (some 50 µs). */
const PUNCH_BYTES = 256 << 10;
/** A reader is done in microseconds; with one that was stopped, memory is given back another time. */
const READER_LOOKS_MAX = 50;
/** Freed memory that a file system in use keeps at hand. */
const KEEP_BUSY_BYTES = 64 << 20;

/** Of chattr(1), what new inodes have of their directory: as on tmpfs. */
const INHERITED_FLAGS = INODE_FLAG_NO_DUMP | INODE_FLAG_NO_ATIME;

export class FileSystem {
  readonly inodes: InodeTable;
  readonly names: Namespace;
  readonly data: FileData;
  readonly xattrs: Xattrs;
  readonly attributes: Attributes;
  readonly sequences: Sequences;
  readonly guard: ClientGuard;
  readonly lock: CoreLock;
  readonly misplaced: Misplaced;
  readonly map: BlockMap;
  readonly hash: DentryHash;
  readonly inodePool: Pool;
  readonly slotPool: Pool;
  readonly blockPool: Pool;
  readonly #chains: SlotChain;
  #requestsSeen = 0;

  private constructor(readonly region: Region) {
    this.inodePool = Pool.ofInodes(region);
    this.slotPool = Pool.ofSlots(region);
    this.blockPool = Pool.ofBlocks(region);
    this.lock = new CoreLock(region);
    this.misplaced = new Misplaced(region);
    this.sequences = new Sequences(region);
    this.inodes = new InodeTable(region, this.inodePool, this.sequences);
    this.#chains = new SlotChain(region, this.slotPool);
    this.hash = new DentryHash(region, this.#chains);
    this.guard = new ClientGuard(region, this.blockPool);
    this.map = new BlockMap(region, this.blockPool, this.sequences, this.guard);
    this.data = new FileData(region, this.blockPool, this.map, this.inodes, this.guard);
    this.xattrs = new Xattrs(this.inodes, this.#chains);
    this.attributes = new Attributes(this.inodes, this.xattrs);
    this.names = new Namespace(
      region,
      this.inodes,
      this.slotPool,
      this.#chains,
      this.hash,
      new RedBlackTree(region.slots, region.inodes),
      (ino) => this.releaseIfUnused(ino),
    );
  }

  /** Makes an empty file system with a root directory of these attributes in a region of zeros. */
  static format(
    region: Region,
    o: {
      uid: number;
      gid: number;
      mode: number;
      cache: CacheMode;
      ownerPid: number;
      ownerStartTime: number;
    },
  ): FileSystem {
    const { superblock } = region;
    const random = crypto.getRandomValues(new Uint32Array(3));
    superblock[SUPER_MAGIC] = MAGIC_LO;
    superblock[SUPER_MAGIC + 1] = MAGIC_HI;
    superblock[SUPER_LAYOUT_HASH] = LAYOUT_HASH_LO;
    superblock[SUPER_LAYOUT_HASH + 1] = LAYOUT_HASH_HI;
    superblock[SUPER_GENERATION] = random[0];
    superblock[SUPER_GENERATION + 1] = random[1];
    superblock[SUPER_HASH_SEED] = random[2];
    superblock[SUPER_OWNER_PID] = o.ownerPid;
    superblock[SUPER_OWNER_START_TICKS] = o.ownerStartTime % 2 ** 32;
    superblock[SUPER_OWNER_START_TICKS + 1] = Math.floor(o.ownerStartTime / 2 ** 32);
    superblock[SUPER_CACHE_MODE] = o.cache === "none" ? 1 : 0;
    const fileSystem = new FileSystem(region);
    const { inodes } = fileSystem;
    for (const pool of fileSystem.pools()) pool.format();
    fileSystem.lock.acquire();
    const milliseconds = Date.now();
    inodes.clock[0] = Math.floor(milliseconds / 1000);
    inodes.clock[2] = milliseconds % 1000 * 1_000_000;
    const root = inodes.create(S_IFDIR | (o.mode & 0o7777), o.uid, o.gid, 0);
    if (root !== ROOT_INO) throw new Error(`the root directory became inode ${root}`);
    fileSystem.#initDirectory(root);
    inodes.set(root, INODE_PARENT_INO, root);
    fileSystem.lock.release();
    superblock[SUPER_FORMATTED] = 1;
    return fileSystem;
  }

  /** The file system in a region that was formatted before. */
  static open(region: Region): FileSystem {
    return new FileSystem(region);
  }

  /**
   * Notes what clients must know about the mount.
   * @param device st_dev, as major and minor number
   * @param pidNamespace inode number of the daemon's pid namespace
   */
  setMounted(device: { major: number; minor: number }, pidNamespace: number): void {
    const { superblock } = this.region;
    const { major, minor } = device;
    // makedev(3): 12 bits of major between 8 and 12 of minor, and the rest of major above.
    superblock[SUPER_DEVICE] = (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12);
    superblock[SUPER_DEVICE + 1] = ((minor >>> 20) & 0xfff) | (major & 0xfffff000);
    superblock[SUPER_PID_NAMESPACE] = pidNamespace % 2 ** 32;
    superblock[SUPER_PID_NAMESPACE + 1] = Math.floor(pidNamespace / 2 ** 32);
  }

  /** Free blocks that can be filled with data: the others would be needed to find these, in one large file. */
  get writableBlockCount(): number {
    const { available } = this.blockPool;
    return available - mapBlockCount(available);
  }

  pools(): Pool[] {
    return [this.inodePool, this.slotPool, this.blockPool];
  }

  #initDirectory(ino: number): void {
    this.inodes.set(ino, INODE_NLINK, 2);
    this.inodes.set64(ino, INODE_NEXT_COOKIE, FIRST_COOKIE);
  }

  /** Ends an inode without names to which neither the kernel nor a client refers. */
  releaseIfUnused(ino: number): void {
    const { inodes } = this;
    if (inodes.get(ino, INODE_NLINK) > 0) return this.#setOrphan(ino, false);
    if (inodes.lookupCount(ino) > 0) return;
    // A client counts first and then looks whether names have changed, which they have been said to: one of both sees the other.
    if (inodes.openCount(ino) > 0) return this.#setOrphan(ino, true);
    this.sequences.beginNames();
    this.#setOrphan(ino, false);
    this.#releaseContents(ino);
    inodes.release(ino);
    this.sequences.endNames();
  }

  /** Notes that clients keep an inode alive, or that it is over. */
  #setOrphan(ino: number, orphan: boolean): void {
    const flags = this.inodes.get(ino, INODE_FLAGS);
    if (((flags & INODE_FLAG_ORPHAN) !== 0) === orphan) return;
    this.inodes.set(ino, INODE_FLAGS, flags ^ INODE_FLAG_ORPHAN);
    this.region.superblock[SUPER_ORPHAN_COUNT] += orphan ? 1 : -1;
  }

  /**
   * Ends inodes that only clients which have died kept alive. Nobody new can come: they have no names.
   * @param isOpen whether a living client has this inode open
   */
  releaseOrphans(isOpen: (ino: number) => boolean): void {
    const { superblock } = this.region;
    const end = this.inodePool.held;
    for (let ino = 1; ino < end && superblock[SUPER_ORPHAN_COUNT] > 0; ino++) {
      const isOrphan = this.inodes.mode(ino) !== 0 &&
        (this.inodes.get(ino, INODE_FLAGS) & INODE_FLAG_ORPHAN) !== 0;
      if (!isOrphan || isOpen(ino)) continue;
      this.inodes.set(ino, INODE_OPEN_COUNT, 0);
      this.releaseIfUnused(ino);
    }
  }

  #releaseContents(ino: number): void {
    const type = this.inodes.mode(ino) & S_IFMT;
    if (type === S_IFREG) this.map.release(ino, 0, Infinity);
    const target = this.inodes.get(ino, INODE_TARGET_SLOT);
    if (target !== 0) this.#chains.release(target);
    this.xattrs.release(ino);
    this.names.releaseFormer(ino);
  }

  /** The kernel gives back references to an inode. */
  forget(ino: number, count: number): void {
    if (!this.inodes.exists(ino)) return;
    this.inodes.forget(ino, count);
    // An inode that the kernel does not know has nothing in its caches.
    if (this.inodes.lookupCount(ino) === 0) {
      this.inodes.set(ino, INODE_KERNEL_HOLDS, 0);
      this.inodes.set(ino, INODE_KERNEL_USES, 0);
      // Also a directory's negative names.
      const at = ino * INODE_WORDS + INODE_NEGATIVE_NAMES;
      this.inodes.words.fill(0, at, at + NEGATIVE_NAMES_WORDS);
    }
    this.releaseIfUnused(ino);
  }

  /**
   * mknod(2), mkdir(2) and the creating part of open(2): a new inode with a name.
   * Group and mode follow the parent (set-group-id, default access list); `umask` counts unless a default list does.
   * @returns the inode number, or -errno
   */
  makeNode(
    parent: number,
    name: Uint8Array,
    start: number,
    length: number,
    o: NewInode,
  ): number {
    const problem = this.names.mayCreate(parent, name, start, length);
    if (problem !== 0) return problem;
    const ino = this.makeInode(parent, o);
    if (ino < 0) return ino;
    return this.#enter(ino, parent, name, start, length);
  }

  /**
   * renameat2(2), also with RENAME_WHITEOUT: a character device 0:0 gets the old name at the same moment, by which overlay file systems
   * know that a name of the layer below is gone. Both names lie in `name`. @returns 0 or -errno
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
    owner: () => { uid: number; gid: number },
  ): number {
    const places = [parent, name, start, length, newParent, newStart, newLength] as const;
    if ((flags & RENAME_WHITEOUT) === 0) return this.names.rename(...places, flags);
    if (flags & RENAME_EXCHANGE) return -EINVAL;
    const whiteout = this.makeInode(parent, { mode: S_IFCHR, umask: 0, rdev: 0, ...owner() });
    if (whiteout < 0) return whiteout;
    const renamed = this.names.rename(...places, flags & ~RENAME_WHITEOUT, whiteout);
    this.releaseIfUnused(whiteout);
    return renamed;
  }

  /** Names a new inode, or ends it when there is no room for the name. */
  #enter(ino: number, parent: number, name: Uint8Array, start: number, length: number): number {
    const directory = this.inodes.isDirectory(ino);
    if (directory) this.#initDirectory(ino);
    else this.inodes.set(ino, INODE_NLINK, 1);
    const added = this.names.add(parent, name, start, length, ino);
    if (added === 0) return ino;
    this.inodes.set(ino, INODE_NLINK, 0);
    this.releaseIfUnused(ino);
    return added;
  }

  /** open(2) with O_TMPFILE: a file without a name, which it may be given later. @returns its number or -errno */
  makeUnnamed(
    parent: number,
    o: NewInode,
  ): number {
    if (this.inodes.has(parent, INODE_FLAG_IMMUTABLE)) return -EPERM;
    const ino = this.makeInode(parent, o);
    if (ino > 0) {
      this.inodes.set(ino, INODE_FLAGS, this.inodes.get(ino, INODE_FLAGS) | INODE_FLAG_LINKABLE);
    }
    return ino;
  }

  /** An inode without a name: the first step of all others. @returns its number or -errno */
  makeInode(
    parent: number,
    o: NewInode,
  ): number {
    let { mode, gid } = o;
    if (this.inodes.mode(parent) & S_ISGID) {
      gid = this.inodes.get(parent, INODE_GID);
      if ((mode & S_IFMT) === S_IFDIR) mode |= S_ISGID;
    }
    const acl = this.xattrs.has(parent, INODE_FLAG_ACL_DEFAULT) && (mode & S_IFMT) !== S_IFLNK
      ? this.xattrs.get(parent, ACL_DEFAULT)
      : undefined;
    const inherited = acl && inherit(acl, mode);
    mode = inherited ? inherited.mode : (mode & S_IFMT) === S_IFLNK ? mode : mode & ~o.umask;
    const ino = this.inodes.create(mode, o.uid, gid, o.rdev);
    if (ino === 0) return -ENOSPC;
    this.inodes.set(ino, INODE_FLAGS, this.inodes.get(parent, INODE_FLAGS) & INHERITED_FLAGS);
    if (inherited) {
      const lists = [[ACL_ACCESS, inherited.access], [ACL_DEFAULT, inherited.default]] as const;
      for (const [key, list] of lists) {
        if (!list || this.xattrs.set(ino, key, list, 0) === 0) continue;
        this.releaseIfUnused(ino);
        return -ENOSPC;
      }
    }
    return ino;
  }

  /** symlink(2); the target is bytes of the same buffer. @returns the inode number or -errno */
  symlink(
    parent: number,
    bytes: Uint8Array,
    nameStart: number,
    nameLength: number,
    targetStart: number,
    targetLength: number,
    owner: { uid: number; gid: number },
  ): number {
    if (targetLength === 0) return -ENOENT;
    if (targetLength > SYMLINK_BYTES_MAX) return -ENAMETOOLONG;
    const problem = this.names.mayCreate(parent, bytes, nameStart, nameLength);
    if (problem !== 0) return problem;
    const mode = S_IFLNK | 0o777;
    const ino = this.makeInode(parent, { mode, umask: 0, rdev: 0, ...owner });
    if (ino < 0) return ino;
    if (targetLength <= TARGET_INLINE_BYTES) {
      const at = this.#inlineTargetAt(ino);
      for (let i = 0; i < targetLength; i++) {
        this.region.inodeBytes[at + i] = bytes[targetStart + i];
      }
    } else {
      const slot = this.#chains.store(bytes, targetStart, targetLength);
      if (slot === 0) {
        this.releaseIfUnused(ino);
        return -ENOSPC;
      }
      this.inodes.set(ino, INODE_TARGET_SLOT, slot);
    }
    this.inodes.setSize(ino, targetLength);
    return this.#enter(ino, parent, bytes, nameStart, nameLength);
  }

  #inlineTargetAt(ino: number): number {
    return (ino * INODE_WORDS + INODE_MAP_HEIGHT) * 4;
  }

  /** Copies a symbolic link's target out; returns its bytes. */
  readlink(ino: number, target: Uint8Array, start: number): number {
    const length = this.inodes.size(ino);
    const slot = this.inodes.get(ino, INODE_TARGET_SLOT);
    if (length > (slot === 0 ? TARGET_INLINE_BYTES : SYMLINK_BYTES_MAX)) {
      damaged(`symbolic link ${ino} has a target of ${length} bytes`);
    }
    if (slot !== 0) this.#chains.load(slot, target, start, length);
    else {
      const at = this.#inlineTargetAt(ino);
      for (let i = 0; i < length; i++) target[start + i] = this.region.inodeBytes[at + i];
    }
    return length;
  }

  /**
   * Every violated invariant, as text; empty = clean. The file system stands still meanwhile.
   * @throws {RegionError} it would not stand still
   */
  check(): string[] {
    return whileStill(this.region, (showProgress) => checkRegion(this, showProgress));
  }

  /** Frees blocks that clients were still storing into when they were taken from their files. */
  drainLimbo(): void {
    if (this.guard.limboIsEmpty || !this.lock.tryAcquire()) return;
    try {
      this.guard.drainLimbo();
    } catch (error) {
      // Blocks that were not in use: whoever put them there, they wait no more.
      if (!(error instanceof DamageError)) throw error;
    } finally {
      this.lock.release();
    }
  }

  /** Ends what an operation that threw has left begun: a defect, but others must go on. */
  settle(): void {
    this.sequences.settle();
    this.map.settle();
    this.guard.settle();
  }

  /**
   * Gives freed memory back to the system for at most `budgetMs`; does nothing while `check` looks. Readers hold no lock, and may be
   * stopped at any instruction: what they may be about to look at keeps its memory (ARCHITECTURE, "Reading without a lock").
   * @returns whether more is left
   */
  giveBackMemory(budgetMs: number): boolean {
    this.drainLimbo();
    const dirtyBytes = this.pools().reduce(
      (sum, pool) => sum + pool.dirtyCount * pool.chunkCount * pool.recordBytes,
      0,
    );
    const requests = this.region.superblock[SUPER_REQUEST_COUNT];
    const busy = requests !== this.#requestsSeen;
    this.#requestsSeen = requests;
    // What is free while files come and go is soon used again, without the cost of fresh memory.
    if (dirtyBytes === 0 || (busy && dirtyBytes <= KEEP_BUSY_BYTES)) return dirtyBytes > 0;
    const end = performance.now() + budgetMs;
    for (const pool of this.pools()) {
      // Inodes and names are read by programs that have not even registered.
      if (pool !== this.blockPool && pool.dirtyCount > 0 && !this.#isAlone()) continue;
      const chunksMax = Math.max(1, Math.floor(PUNCH_BYTES / (pool.chunkCount * pool.recordBytes)));
      while (pool.dirtyCount > 0) {
        if (performance.now() > end || !this.lock.tryAcquire()) return true;
        try {
          if (pool === this.blockPool && !this.#awaitReaders()) return true;
          pool.punchSome(chunksMax);
        } finally {
          this.lock.release();
        }
      }
    }
    return false;
  }

  #isAlone(): boolean {
    return this.region.isAlone() ?? !this.guard.hasClients;
  }

  /** Under the core lock. @returns whether no client is reading blocks */
  #awaitReaders(): boolean {
    for (let look = 0; look < READER_LOOKS_MAX; look++) {
      if (!this.guard.isReading) return true;
    }
    return false;
  }
}
