/**
 * Verifies every invariant of a region: what `btfuse check` prints. Reads everything once, trusts nothing and writes nothing:
 * chains, trees and block maps are walked with limits, numbers are range-checked before they are followed. So it ends on
 * whatever it is given.
 */
import {
  BLOCK_BYTES,
  DENTRY_EXTENSION,
  DENTRY_HASH,
  DENTRY_INO,
  DENTRY_KIND,
  DENTRY_NAME_BYTES,
  DENTRY_NAME_LENGTH,
  DENTRY_NEXT,
  DENTRY_PARENT,
  DENTRY_WORDS,
  EXTENSION_NEXT,
  INODE_BLOCK_COUNT,
  INODE_DENTRY,
  INODE_ENTRY_COUNT,
  INODE_FLAG_ORPHAN,
  INODE_FLAGS,
  INODE_MAP_HEIGHT,
  INODE_MAP_SEQ,
  INODE_NLINK,
  INODE_PARENT_INO,
  INODE_TAIL_DIRTY,
  INODE_TARGET_SLOT,
  INODE_XATTR_SLOT,
  LIMBO_MAX,
  NAME_BYTES_MAX,
  ROOT_INO,
  SLOT_KIND_DENTRY,
  SLOT_KIND_EXTENSION,
  SLOT_KIND_FORMER,
  SLOT_KIND_FREE,
  SUPER_LIMBO,
  SUPER_NAMESPACE_SEQ,
  SUPER_ORPHAN_COUNT,
} from "../region/layout.gen.ts";
import { DamageError } from "./damage.ts";
import type { FileSystem } from "./file_system.ts";
import { S_IFLNK, S_IFMT } from "./inode_table.ts";
import type { Pool } from "./pool.ts";
import { SlotChain } from "./slot_chain.ts";

/** Enough to see what is wrong; a damaged region could give millions. */
const PROBLEMS_MAX = 1000;
/** Steps between two signs of life. */
const STEPS = 1024;
const LIMBO_WORDS = 3;
/** Where a directory hangs. */
const NOT_SEEN = 0;
const ON_THE_WAY = 1;
const BELOW_ROOT = 2;
const ASTRAY = 3;
const MAP_HEIGHT_MAX = 4;

class Check {
  readonly problems: string[] = [];
  readonly #slotReached: Uint8Array;
  readonly #blockReached: Uint8Array;
  readonly #links: Uint32Array;
  readonly #entries: Uint32Array;
  readonly #directories: Uint32Array;
  /** By inode: NOT_SEEN and so on. */
  readonly #ancestry: Uint8Array;
  #orphans = 0;
  #steps = 0;

  constructor(private readonly fs: FileSystem, private readonly showProgress: () => void) {
    this.#slotReached = new Uint8Array(fs.slotPool.held);
    this.#blockReached = new Uint8Array(fs.blockPool.held);
    this.#links = new Uint32Array(fs.inodePool.held);
    this.#entries = new Uint32Array(fs.inodePool.held);
    this.#directories = new Uint32Array(fs.inodePool.held);
    this.#ancestry = new Uint8Array(fs.inodePool.held);
  }

  say(text: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(text);
  }

  /** Called for every record, so that those who wait for the end see that it comes nearer. */
  #step(): void {
    if (++this.#steps % STEPS === 0) this.showProgress();
  }

  /** What a function of the core throws when it meets damage is one more problem. */
  #noting(owner: string, look: () => void): void {
    try {
      look();
    } catch (error) {
      if (!(error instanceof DamageError)) throw error;
      this.say(`${owner}: ${error.message}`);
    }
  }

  run(): string[] {
    const { fs } = this;
    this.#pool("inode pool", fs.inodePool);
    this.#pool("slot pool", fs.slotPool);
    this.#pool("block pool", fs.blockPool);
    this.#hashChains();
    for (const slot of allocated(fs.slotPool)) {
      this.#step();
      this.#noting(`slot ${slot}`, () => this.#slot(slot));
    }
    for (const ino of allocated(fs.inodePool)) {
      this.#step();
      this.#noting(`inode ${ino}`, () => this.#inode(ino));
    }
    for (const ino of allocated(fs.inodePool)) {
      this.#step();
      this.#counts(ino);
    }
    const orphans = fs.region.superblock[SUPER_ORPHAN_COUNT];
    if (orphans !== this.#orphans) {
      this.say(`${this.#orphans} inodes are orphans, the counter says ${orphans}`);
    }
    if (fs.region.superblock[SUPER_NAMESPACE_SEQ] % 2 !== 0) {
      this.say("the sequence of names is odd: a change was never finished");
    }
    for (const slot of allocated(fs.slotPool)) {
      if (this.#slotReached[slot] === 0) {
        this.say(`slot ${slot} is in use but nothing refers to it`);
      }
    }
    this.#limbo();
    for (const block of allocated(fs.blockPool)) {
      this.#step();
      if (this.#blockReached[block] === 0) {
        this.say(`block ${block} is in use but no file refers to it`);
      }
    }
    return this.problems;
  }

  /** Runs of blocks that wait for clients. */
  #limbo(): void {
    const { fs } = this;
    const { superblock } = fs.region;
    for (let at = SUPER_LIMBO; at < SUPER_LIMBO + LIMBO_MAX * LIMBO_WORDS; at += LIMBO_WORDS) {
      const [first, count] = [superblock[at + 1], superblock[at + 2]];
      if (count > 0 && (first === 0 || first + count > fs.blockPool.held)) {
        this.say(`${count} blocks from ${first} on wait for clients but are impossible`);
        continue;
      }
      for (let block = first; block < first + count; block++) {
        if (fs.blockPool.free.has(block)) this.say(`block ${block} waits for clients but is free`);
        else if (this.#blockReached[block]++) {
          this.say(`block ${block} waits for clients but belongs to a file`);
        }
      }
    }
  }

  /** The sets' own trees, the counters, and dirty chunks being free. */
  #pool(name: string, pool: Pool): void {
    const dirtyEnd = Math.ceil(pool.held / pool.chunkCount);
    for (const problem of pool.free.check(`${name}, free set`, pool.held)) this.say(problem);
    for (const problem of pool.dirty.check(`${name}, dirty set`, dirtyEnd)) this.say(problem);
    let used = 0;
    for (const _ of allocated(pool)) {
      this.#step();
      used++;
    }
    if (pool.free.has(0)) this.say(`${name}: record 0 is free`);
    if (used !== pool.used) {
      this.say(`${name}: ${used} records in use, the counter says ${pool.used}`);
    }
    let dirty = 0;
    for (let i = 0; i < dirtyEnd; i++) {
      this.#step();
      if (!pool.dirty.has(i)) continue;
      dirty++;
      const first = i * pool.chunkCount;
      const length = Math.min(pool.chunkCount, pool.count - first);
      if (pool.free.run(first, length) !== length) this.say(`${name}: dirty chunk ${i} is in use`);
    }
    if (dirty !== pool.dirtyCount) {
      this.say(`${name}: ${dirty} dirty chunks, the counter says ${pool.dirtyCount}`);
    }
  }

  /** Walks every bucket: each dentry once, in the bucket of its hash. */
  #hashChains(): void {
    const { fs } = this;
    const { buckets, slots } = fs.region;
    const seen = new Uint8Array(fs.slotPool.held);
    for (let bucket = 0; bucket < buckets.length; bucket++) {
      this.#step();
      for (
        let slot = buckets[bucket];
        slot !== 0;
        slot = slots[slot * DENTRY_WORDS + DENTRY_NEXT]
      ) {
        if (slot >= fs.slotPool.held) {
          this.say(`bucket ${bucket} names the impossible dentry ${slot}`);
          break;
        }
        if (seen[slot] !== 0) {
          this.say(`dentry ${slot} is in hash chains twice, one of them may be a circle`);
          break;
        }
        seen[slot] = 1;
        if (fs.names.get(slot, DENTRY_KIND) !== SLOT_KIND_DENTRY) {
          this.say(`bucket ${bucket} names slot ${slot}, which is no dentry`);
          break;
        }
        if (fs.hash.bucketOf(slot) !== bucket) this.say(`dentry ${slot} is in the wrong bucket`);
      }
    }
    for (const slot of allocated(fs.slotPool)) {
      if (fs.names.get(slot, DENTRY_KIND) === SLOT_KIND_DENTRY && !seen[slot]) {
        this.say(`dentry ${slot} is in no hash chain`);
      }
    }
  }

  #slot(slot: number): void {
    const { fs } = this;
    const kind = fs.names.get(slot, DENTRY_KIND);
    // Reached from the inodes they belong to.
    if (kind === SLOT_KIND_EXTENSION || kind === SLOT_KIND_FORMER) return;
    if (kind !== SLOT_KIND_DENTRY) {
      this.say(
        `slot ${slot} is in use with kind ${kind}${kind === SLOT_KIND_FREE ? " (free)" : ""}`,
      );
      return;
    }
    this.#reach(slot, `dentry ${slot}`);
    const parent = fs.names.get(slot, DENTRY_PARENT);
    const ino = fs.names.get(slot, DENTRY_INO);
    const length = fs.names.get(slot, DENTRY_NAME_LENGTH);
    if (length === 0 || length > NAME_BYTES_MAX) {
      this.say(`dentry ${slot} has a name of ${length} bytes`);
      return;
    }
    this.#chain(fs.names.get(slot, DENTRY_EXTENSION), length - DENTRY_NAME_BYTES, `dentry ${slot}`);
    if (!fs.inodes.exists(parent) || !fs.inodes.isDirectory(parent)) {
      this.say(`dentry ${slot} lies in inode ${parent}, which is no directory`);
      return;
    }
    this.#entries[parent]++;
    if (!fs.inodes.exists(ino)) {
      this.say(`dentry ${slot} names inode ${ino}, which is free`);
      return;
    }
    this.#links[ino]++;
    if (fs.inodes.isDirectory(ino)) {
      this.#directories[parent]++;
      if (fs.inodes.get(ino, INODE_PARENT_INO) !== parent) {
        this.say(`directory ${ino} lies in ${parent} but names another parent`);
      }
      if (fs.inodes.get(ino, INODE_DENTRY) !== slot) {
        this.say(`directory ${ino} has dentry ${slot} but names another`);
      }
    }
    const name = new Uint8Array(NAME_BYTES_MAX);
    fs.names.copyName(slot, name, 0);
    if (fs.hash.hash(parent, name, 0, length) !== fs.names.get(slot, DENTRY_HASH)) {
      this.say(`dentry ${slot} has the wrong hash`);
    } else if (fs.names.find(parent, name, 0, length) !== slot) {
      this.say(`dentry ${slot} is not what its name finds: a duplicate or lost`);
    }
  }

  #reach(slot: number, owner: string): boolean {
    if (slot >= this.fs.slotPool.held || this.fs.slotPool.free.has(slot)) {
      this.say(`${owner} refers to slot ${slot}, which is free or impossible`);
      return false;
    }
    if (this.#slotReached[slot] !== 0) {
      this.say(`${owner} refers to slot ${slot}, which belongs to another, too`);
      return false;
    }
    this.#slotReached[slot] = 1;
    return true;
  }

  /** Every directory with a name hangs below the root. Each is looked at once, however they hang together. */
  #ancestors(ino: number): void {
    const { fs } = this;
    const chain: number[] = [];
    let at = ino;
    let state = this.#ancestry[at];
    while (state === NOT_SEEN && at !== ROOT_INO) {
      this.#step();
      this.#ancestry[at] = ON_THE_WAY;
      chain.push(at);
      at = fs.inodes.get(at, INODE_PARENT_INO);
      state = at < this.#ancestry.length && fs.inodes.exists(at) ? this.#ancestry[at] : ASTRAY;
    }
    const isBelow = at === ROOT_INO || state === BELOW_ROOT;
    if (!isBelow) {
      this.say(`directory ${ino} does not lie below the root: its parents are a circle, or end`);
    }
    for (const each of chain) this.#ancestry[each] = isBelow ? BELOW_ROOT : ASTRAY;
  }

  /** A chain that holds `bytes` bytes. */
  #chain(first: number, bytes: number, owner: string): void {
    const { slots } = this.fs.region;
    let count = 0;
    for (let slot = first; slot !== 0; slot = slots[slot * DENTRY_WORDS + EXTENSION_NEXT]) {
      if (!this.#reach(slot, owner)) return;
      if (slots[slot * DENTRY_WORDS] !== SLOT_KIND_EXTENSION) {
        this.say(`${owner}: slot ${slot} of its chain is no extension`);
        return;
      }
      count++;
    }
    if (count !== SlotChain.slotCount(Math.max(0, bytes))) {
      this.say(`${owner}: ${count} slots for ${bytes} bytes`);
    }
  }

  #inode(ino: number): void {
    const { fs } = this;
    const owner = `inode ${ino}`;
    const mode = fs.inodes.mode(ino);
    if (fs.inodes.get(ino, INODE_MAP_SEQ) % 2 !== 0) {
      this.say(`${owner}: the sequence of its blocks is odd: a change was never finished`);
    }
    if (mode === 0) return this.say(`${owner} is in use but empty`);
    const xattrSlot = fs.inodes.get(ino, INODE_XATTR_SLOT);
    if (xattrSlot !== 0) {
      this.#noting(owner, () => this.#chain(xattrSlot, fs.xattrs.totalBytes(ino), owner));
    }
    if ((mode & S_IFMT) === S_IFLNK) {
      const slot = fs.inodes.get(ino, INODE_TARGET_SLOT);
      if (slot !== 0) this.#chain(slot, fs.inodes.size(ino), owner);
    }
    this.#former(ino, owner);
    if (fs.inodes.isDirectory(ino)) {
      const entryCount = fs.inodes.get(ino, INODE_ENTRY_COUNT);
      for (const problem of fs.names.tree.check(ino, entryCount)) this.say(problem);
      let count = 0;
      for (let slot = fs.names.tree.newest(ino); slot !== 0 && count <= entryCount; count++) {
        this.#step();
        if (count > fs.slotPool.held) break;
        if (fs.names.get(slot, DENTRY_PARENT) !== ino) {
          this.say(`${owner}: dentry ${slot} of its tree lies elsewhere`);
        }
        slot = fs.names.tree.older(slot);
      }
      if (count !== entryCount) {
        this.say(`${owner}: tree of ${count} dentries, the counter says ${entryCount}`);
      }
    }
    if (fs.inodes.isRegular(ino)) this.#blocks(ino, owner);
  }

  /** The name that an inode has lost; a directory that lives has its own in this place. */
  #former(ino: number, owner: string): void {
    const { fs } = this;
    const slot = fs.inodes.get(ino, INODE_DENTRY);
    const isOwnName = fs.inodes.isDirectory(ino) && fs.inodes.get(ino, INODE_NLINK) > 0;
    if (slot === 0 || isOwnName || !this.#reach(slot, owner)) return;
    if (
      fs.names.get(slot, DENTRY_KIND) !== SLOT_KIND_FORMER ||
      fs.names.get(slot, DENTRY_INO) !== ino
    ) return this.say(`${owner} has slot ${slot} for its former name, which is another`);
    const length = fs.names.get(slot, DENTRY_NAME_LENGTH);
    this.#chain(fs.names.get(slot, DENTRY_EXTENSION), length - DENTRY_NAME_BYTES, `dentry ${slot}`);
  }

  #blocks(ino: number, owner: string): void {
    const { fs } = this;
    let dataBlocks = 0;
    const size = fs.inodes.size(ino);
    const height = fs.inodes.get(ino, INODE_MAP_HEIGHT);
    if (height > MAP_HEIGHT_MAX) return this.say(`${owner} has a block map of height ${height}`);
    fs.map.visit(ino, (block, data, index) => {
      this.#step();
      if (block === 0 || block >= fs.blockPool.held || fs.blockPool.free.has(block)) {
        this.say(`${owner} refers to block ${block}, which is free or impossible`);
        return false;
      }
      if (this.#blockReached[block] !== 0) {
        this.say(`${owner}: block ${block} belongs to two places`);
        // What hangs below it was looked at, or lies above.
        if (!data) return false;
      }
      this.#blockReached[block] = 1;
      if (data) dataBlocks++;
      if (data && index === Math.floor(size / BLOCK_BYTES) && size % BLOCK_BYTES !== 0) {
        this.#tail(ino, index, owner);
      }
      return true;
    });
    if (dataBlocks !== fs.inodes.get(ino, INODE_BLOCK_COUNT)) {
      this.say(
        `${owner} has ${dataBlocks} blocks, its counter says ${
          fs.inodes.get(ino, INODE_BLOCK_COUNT)
        }`,
      );
    }
  }

  /** Bytes behind the end of the file are zero. */
  #tail(ino: number, index: number, owner: string): void {
    const { region, map, inodes } = this.fs;
    const entry = map.entry(ino, index);
    if (entry >= 2 ** 31 || entry === 0 || inodes.get(ino, INODE_TAIL_DIRTY) !== 0) return;
    const start = region.byteIndex(entry);
    const tail = region.blockBytes(entry).subarray(
      start + inodes.size(ino) % BLOCK_BYTES,
      start + BLOCK_BYTES,
    );
    if (tail.some((byte) => byte !== 0)) this.say(`${owner}: bytes behind its end are not zero`);
  }

  #counts(ino: number): void {
    const { fs } = this;
    const nlink = fs.inodes.get(ino, INODE_NLINK);
    if (fs.inodes.isDirectory(ino) && nlink > 0) this.#ancestors(ino);
    const directory = fs.inodes.isDirectory(ino);
    const names = this.#links[ino] + (ino === ROOT_INO ? 1 : 0);
    if (directory && names > 1) this.say(`directory ${ino} has ${names} names`);
    const expected = directory ? (names === 0 ? 0 : 2 + this.#directories[ino]) : names;
    if (nlink !== expected) this.say(`inode ${ino}: nlink ${nlink} instead of ${expected}`);
    if (directory && fs.inodes.get(ino, INODE_ENTRY_COUNT) !== this.#entries[ino]) {
      this.say(`directory ${ino}: ${this.#entries[ino]} dentries, its counter says otherwise`);
    }
    const orphan = (fs.inodes.get(ino, INODE_FLAGS) & INODE_FLAG_ORPHAN) !== 0;
    if (orphan) this.#orphans++;
    if (orphan && nlink > 0) this.say(`inode ${ino} has names but is counted as an orphan`);
    if (nlink === 0 && fs.inodes.lookupCount(ino) === 0 && !orphan) {
      this.say(`inode ${ino} has no name and no reference but was not freed`);
    }
  }
}

/** The records in use, without record 0. Looks at no word of the set behind those that have memory. */
function* allocated(pool: Pool): Generator<number> {
  for (let i = 1; i < pool.held; i++) {
    const free = pool.free.run(i, pool.held - i);
    i += free;
    if (i < pool.held) yield i;
  }
}

/**
 * @param showProgress called often, at least each time some thousand records were looked at
 * @returns every violation, as text
 */
export function checkRegion(fs: FileSystem, showProgress: () => void = () => {}): string[] {
  const check = new Check(fs, showProgress);
  try {
    return check.run();
  } catch (error) {
    if (!(error instanceof DamageError)) throw error;
    return [...check.problems, error.message];
  }
}
