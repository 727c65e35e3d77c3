/**
 * The daemon's side of `Inode.extend_lock` (see shim/layout.zig). Clients store into files without asking the daemon, and hold
 * the lock meanwhile; so the daemon takes it for whatever changes a file's blocks or size.
 *
 * A client is never waited for without a limit: the lock of one that has died is taken at once, that of one that has been stopped
 * after a moment. It may then go on storing into blocks that the file has lost: these are used for nothing else until it is
 * done (limbo).
 *
 * Called with the core lock held.
 */
import { native } from "../../ffi/native.ts";
import type { Region } from "../region/region.ts";
import {
  CLIENT_LIVE,
  CLIENT_PAGES,
  CLIENT_READING,
  CLIENT_STATE,
  CLIENT_STORING_INO,
  CLIENT_THREAD_MAX,
  EXTEND_DAEMON,
  INODE_EXTEND_LOCK,
  INODE_WORDS,
  LIMBO_MAX,
  PAGE_BYTES,
  SUPER_CLIENT_HIGH,
  SUPER_LIMBO,
  SUPER_STOLEN_COUNT,
} from "../region/layout.gen.ts";
import type { Pool } from "./pool.ts";

const CLIENT_AREA_WORDS = CLIENT_PAGES * PAGE_BYTES / 4;
const LIMBO_WORDS = 3;
/** A client has the lock for the time of one copy. */
const LOCK_SPINS = 2000;
/** One that has it for longer waits for a processor, was stopped, or has died. */
const LOCK_WAITS_MAX = 300;
const LOCK_WAIT_MS = 1;
/** How often it is asked whether the holder lives, in waits. */
const LIFE_WAITS = 5;

export class ClientGuard {
  readonly #superblock: Uint32Array;
  readonly #inodes: Uint32Array;
  readonly #clients: Uint32Array;
  #lockedIno = 0;
  #lockDepth = 0;

  /** @param hasDied whether the process of a client is gone; only the daemon can tell */
  constructor(
    private readonly region: Region,
    private readonly blocks: Pool,
    public hasDied: (client: number) => boolean = () => false,
  ) {
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

  /** A client has died: it has no lock of this inode any more. */
  releaseLockOf(client: number, ino: number): void {
    const at = ino * INODE_WORDS + INODE_EXTEND_LOCK;
    if (Atomics.load(this.#inodes, at) !== client) return;
    // Clients take and give back both words as one: this one first, so that they never see a lock of nobody's thread.
    Atomics.store(this.#inodes, at + 1, 0);
    Atomics.compareExchange(this.#inodes, at, client, 0);
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
      if (i % LIFE_WAITS === LIFE_WAITS - 1 && this.hasDied(holder)) {
        this.releaseLockOf(holder, this.#lockedIno);
      } else native().bt_futex_wait(address, holder, LOCK_WAIT_MS);
    }
    Atomics.add(this.#superblock, SUPER_STOLEN_COUNT, 1);
    Atomics.store(this.#inodes, at, EXTEND_DAEMON);
    Atomics.store(this.#inodes, at + 1, 0);
  }

  /** Whether a client whose lock was taken from it may be storing into blocks that this inode had until then. */
  #isStoring(ino: number): boolean {
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
    if (this.#superblock[SUPER_STOLEN_COUNT] > 0 && this.#isStoring(ino)) {
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

  /** Whether a client is registered. */
  get hasClients(): boolean {
    const high = Math.min(
      Atomics.load(this.#superblock, SUPER_CLIENT_HIGH),
      this.#clients.length / CLIENT_AREA_WORDS,
    );
    for (let client = 1; client < high; client++) {
      if (this.#clients[client * CLIENT_AREA_WORDS + CLIENT_STATE] === CLIENT_LIVE) return true;
    }
    return false;
  }

  /**
   * Whether a client may be reading blocks right now, perhaps such as were freed since it found them. It is to find memory there,
   * because where /dev/shm has none left, touching a page without any is a signal that ends the program (SIGBUS).
   */
  get isReading(): boolean {
    const high = Math.min(
      Atomics.load(this.#superblock, SUPER_CLIENT_HIGH),
      this.#clients.length / CLIENT_AREA_WORDS,
    );
    for (let client = 1; client < high; client++) {
      const base = client * CLIENT_AREA_WORDS;
      if (this.#clients[base + CLIENT_STATE] !== CLIENT_LIVE) continue;
      const from = base + CLIENT_READING;
      for (let at = from; at < from + CLIENT_THREAD_MAX; at++) {
        if (this.#clients[at] !== 0) return true;
      }
    }
    return false;
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
