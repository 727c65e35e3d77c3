/**
 * Verifies every invariant of a region: what `btfuse check` prints. Reads everything once, trusts nothing:
 * chains and trees are walked with limits, numbers are range-checked before they are followed.
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
  INODE_MAP_SEQ,
  INODE_NLINK,
  INODE_PARENT_INO,
  INODE_TAIL_DIRTY,
  INODE_TARGET_SLOT,
  INODE_XATTR_SLOT,
  NAME_BYTES_MAX,
  ROOT_INO,
  SLOT_KIND_DENTRY,
  SLOT_KIND_EXTENSION,
  SLOT_KIND_FREE,
  SUPER_NAMESPACE_SEQ,
  SUPER_ORPHAN_COUNT,
} from "../region/layout.gen.ts";
import type { FileSystem } from "./file_system.ts";
import { S_IFLNK, S_IFMT } from "./inode_table.ts";
import type { Pool } from "./pool.ts";
import { SlotChain } from "./slot_chain.ts";

/** Enough to see what is wrong; a damaged region could give millions. */
const PROBLEMS_MAX = 1000;

class Check {
  readonly problems: string[] = [];
  readonly #slotReached: Uint8Array;
  readonly #blockReached: Uint8Array;
  readonly #links: Uint32Array;
  readonly #entries: Uint32Array;
  readonly #directories: Uint32Array;
  #orphans = 0;

  constructor(private readonly fs: FileSystem) {
    this.#slotReached = new Uint8Array(fs.slotPool.held);
    this.#blockReached = new Uint8Array(fs.blockPool.held);
    this.#links = new Uint32Array(fs.inodePool.held);
    this.#entries = new Uint32Array(fs.inodePool.held);
    this.#directories = new Uint32Array(fs.inodePool.held);
  }

  say(text: string): void {
    if (this.problems.length < PROBLEMS_MAX) this.problems.push(text);
  }

  run(): string[] {
    const { fs } = this;
    this.#pool("inode pool", fs.inodePool);
    this.#pool("slot pool", fs.slotPool);
    this.#pool("block pool", fs.blockPool);
    this.#hashChains();
    for (const slot of allocated(fs.slotPool)) this.#slot(slot);
    for (const ino of allocated(fs.inodePool)) this.#inode(ino);
    for (const ino of allocated(fs.inodePool)) this.#counts(ino);
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
    fs.guard.visitLimbo((block) => {
      if (block >= fs.blockPool.held || fs.blockPool.free.has(block)) {
        this.say(`block ${block} waits for clients but is free or impossible`);
      } else if (this.#blockReached[block]++) {
        this.say(`block ${block} waits for clients but belongs to a file`);
      }
    });
    for (const block of allocated(fs.blockPool)) {
      if (this.#blockReached[block] === 0) {
        this.say(`block ${block} is in use but no file refers to it`);
      }
    }
    return this.problems;
  }

  /** The sets' own trees, the counters, and dirty chunks being free. */
  #pool(name: string, pool: Pool): void {
    const dirtyEnd = Math.ceil(pool.held / pool.chunkCount);
    for (const problem of pool.free.check(`${name}, free set`, pool.held)) this.say(problem);
    for (const problem of pool.dirty.check(`${name}, dirty set`, dirtyEnd)) this.say(problem);
    let used = 0;
    for (const _ of allocated(pool)) used++;
    if (pool.free.has(0)) this.say(`${name}: record 0 is free`);
    if (used !== pool.used) {
      this.say(`${name}: ${used} records in use, the counter says ${pool.used}`);
    }
    let dirty = 0;
    for (let i = pool.dirty.first(0); i >= 0 && i < dirtyEnd;) {
      dirty++;
      const first = i * pool.chunkCount;
      const length = Math.min(pool.chunkCount, pool.count - first);
      if (pool.free.run(first, length) !== length) this.say(`${name}: dirty chunk ${i} is in use`);
      i = i + 1 < dirtyEnd ? pool.dirty.first(i + 1) : -1;
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
      for (
        let slot = buckets[bucket];
        slot !== 0;
        slot = slots[slot * DENTRY_WORDS + DENTRY_NEXT]
      ) {
        if (slot >= fs.slotPool.held) {
          this.say(`bucket ${bucket} names the impossible dentry ${slot}`);
          break;
        }
        if (seen[slot]++) {
          this.say(`dentry ${slot} is in hash chains twice`);
          break;
        }
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
    if (kind === SLOT_KIND_EXTENSION) return;
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
    if (this.#slotReached[slot]++) {
      this.say(`${owner} refers to slot ${slot}, which belongs to another, too`);
      return false;
    }
    return true;
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
    if (xattrSlot !== 0 && xattrSlot < fs.slotPool.held) {
      this.#chain(xattrSlot, fs.xattrs.totalBytes(ino), owner);
    } else if (xattrSlot !== 0) {
      this.say(`${owner} has its attributes in the impossible slot ${xattrSlot}`);
    }
    if ((mode & S_IFMT) === S_IFLNK) {
      const slot = fs.inodes.get(ino, INODE_TARGET_SLOT);
      if (slot !== 0) this.#chain(slot, fs.inodes.size(ino), owner);
    }
    if (fs.inodes.isDirectory(ino)) {
      const entryCount = fs.inodes.get(ino, INODE_ENTRY_COUNT);
      for (const problem of fs.names.tree.check(ino, entryCount)) this.say(problem);
      let count = 0;
      for (let slot = fs.names.tree.newest(ino); slot !== 0 && count <= entryCount; count++) {
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

  #blocks(ino: number, owner: string): void {
    const { fs } = this;
    let dataBlocks = 0;
    const size = fs.inodes.size(ino);
    fs.map.visit(ino, (block, data, index) => {
      if (block === 0 || block >= fs.blockPool.held || fs.blockPool.free.has(block)) {
        return this.say(`${owner} refers to block ${block}, which is free or impossible`);
      }
      if (this.#blockReached[block]++) this.say(`${owner}: block ${block} belongs to two places`);
      if (!data) return;
      dataBlocks++;
      if (index === Math.floor(size / BLOCK_BYTES) && size % BLOCK_BYTES !== 0) {
        this.#tail(ino, index, owner);
      }
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

export function checkRegion(fs: FileSystem): string[] {
  return new Check(fs).run();
}
