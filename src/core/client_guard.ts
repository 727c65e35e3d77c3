/**
 * What the daemon owes to clients that store into files without asking it (see shim/layout.zig): blocks are not used
 * for anything else while somebody may still store into them, and nobody lets a file grow in two places.
 * A client is never waited for without a limit: what one does wrong hurts the file it does it to.
 *
 * Called with the core lock held.
 */
import { native } from "../../ffi/native.ts";
import type { Region } from "../region/region.ts";
import {
  CLIENT_LIVE,
  CLIENT_PAGES,
  CLIENT_STATE,
  CLIENT_STORING_INO,
  CLIENT_THREAD_MAX,
  EXTEND_DAEMON,
  INODE_EXTEND_LOCK,
  INODE_SEQ,
  INODE_WORDS,
  LIMBO_MAX,
  PAGE_BYTES,
  SUPER_CLIENT_HIGH,
  SUPER_LIMBO,
} from "../region/layout.gen.ts";
import type { Pool } from "./pool.ts";

const CLIENT_AREA_WORDS = CLIENT_PAGES * PAGE_BYTES / 4;
const LIMBO_WORDS = 3;
/** A client has the lock for the time of one copy. */
const LOCK_SPINS = 2000;
/** A client that has it for longer was stopped or has died. */
const LOCK_WAITS_MAX = 20;
const LOCK_WAIT_MS = 1;

export class ClientGuard {
  readonly #superblock: Uint32Array;
  readonly #inodes: Uint32Array;
  readonly #clients: Uint32Array;
  #lockedIno = 0;
  #lockDepth = 0;

  constructor(private readonly region: Region, private readonly blocks: Pool) {
    this.#superblock = region.superblock;
    this.#inodes = region.inodes;
    this.#clients = region.clients;
  }

  /** Keeps clients from letting this file grow. Of one inode at a time; nests. @returns whether it was not locked yet */
  lock(ino: number): boolean {
    if (this.#lockDepth++ > 0) return false;
    this.#lockedIno = ino;
    const at = ino * INODE_WORDS + INODE_EXTEND_LOCK;
    if (Atomics.compareExchange(this.#inodes, at, 0, EXTEND_DAEMON) !== 0) this.#contend(at);
    return true;
  }

  unlock(): void {
    if (--this.#lockDepth > 0) return;
    const at = this.#lockedIno * INODE_WORDS + INODE_EXTEND_LOCK;
    this.#lockedIno = 0;
    Atomics.store(this.#inodes, at, 0);
  }

  /** Unlocks whatever is locked: an operation threw. */
  settle(): void {
    if (this.#lockDepth === 0) return;
    this.#lockDepth = 1;
    this.unlock();
  }

  #contend(at: number): void {
    for (let i = 0; i < LOCK_SPINS; i++) {
      if (Atomics.compareExchange(this.#inodes, at, 0, EXTEND_DAEMON) === 0) return;
    }
    const address = this.region.address +
      BigInt(this.region.sizes.inodePage * PAGE_BYTES + at * 4);
    for (let i = 0; i < LOCK_WAITS_MAX; i++) {
      const holder = Atomics.compareExchange(this.#inodes, at, 0, EXTEND_DAEMON);
      if (holder === 0) return;
      native().bt_futex_wait(address, holder, LOCK_WAIT_MS);
    }
    Atomics.store(this.#inodes, at, EXTEND_DAEMON);
  }

  /** Whether a client may be storing into blocks that this inode had until now. */
  #isStoring(ino: number): boolean {
    // Clients say what they store into and then look at the map; here the map was changed before. The barrier (any
    // read-modify-write is one) makes sure that one of both sees the other.
    Atomics.add(this.#inodes, ino * INODE_WORDS + INODE_SEQ, 0);
    const high = Math.min(
      Atomics.load(this.#superblock, SUPER_CLIENT_HIGH),
      this.#clients.length / CLIENT_AREA_WORDS,
    );
    for (let client = 1; client < high; client++) {
      const base = client * CLIENT_AREA_WORDS;
      if (this.#clients[base + CLIENT_STATE] !== CLIENT_LIVE) continue;
      const from = base + CLIENT_STORING_INO;
      if (this.#clients.subarray(from, from + CLIENT_THREAD_MAX).includes(ino)) return true;
    }
    return false;
  }

  /** Frees blocks that were taken from the inode's map, now or when nobody stores into them any more. */
  releaseBlocks(ino: number, first: number, count: number): void {
    if (Atomics.load(this.#superblock, SUPER_CLIENT_HIGH) > 0 && this.#isStoring(ino)) {
      for (let at = SUPER_LIMBO; at < SUPER_LIMBO + LIMBO_MAX * LIMBO_WORDS; at += LIMBO_WORDS) {
        if (this.#superblock[at + 2] !== 0) continue;
        this.#superblock[at] = ino;
        this.#superblock[at + 1] = first;
        this.#superblock[at + 2] = count;
        return;
      }
      // More than a hundred stopped clients in the middle of their stores: not waited for.
    }
    this.blocks.releaseRun(first, count);
  }

  /** Whether no block waits; may be asked without the lock. */
  get limboIsEmpty(): boolean {
    for (let at = SUPER_LIMBO; at < SUPER_LIMBO + LIMBO_MAX * LIMBO_WORDS; at += LIMBO_WORDS) {
      if (this.#superblock[at + 2] !== 0) return false;
    }
    return true;
  }

  /** Frees what clients have finished with. */
  drainLimbo(): void {
    for (let at = SUPER_LIMBO; at < SUPER_LIMBO + LIMBO_MAX * LIMBO_WORDS; at += LIMBO_WORDS) {
      const count = this.#superblock[at + 2];
      if (count === 0 || this.#isStoring(this.#superblock[at])) continue;
      this.#superblock[at + 2] = 0;
      this.blocks.releaseRun(this.#superblock[at + 1], count);
    }
  }

  /** Calls `visit` for each block that waits. For check.ts. */
  visitLimbo(visit: (block: number) => void): void {
    for (let at = SUPER_LIMBO; at < SUPER_LIMBO + LIMBO_MAX * LIMBO_WORDS; at += LIMBO_WORDS) {
      for (let i = 0; i < this.#superblock[at + 2]; i++) visit(this.#superblock[at + 1] + i);
    }
  }
}
