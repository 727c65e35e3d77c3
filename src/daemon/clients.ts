/**
 * The daemon's view of clients: processes with the preloaded library. A client writes its record and its descriptions
 * itself (shim/layout.zig); this frees them when it has died.
 *
 * A client's pages have memory when it says so. It may say anything, so memory is taken for each page before it is
 * looked at: a page without would cost the daemon its life when there is none left (SIGBUS).
 */
import type { FileSystem } from "../core/file_system.ts";
import {
  CLIENT_COUNT_MAX,
  CLIENT_DESCRIPTION_HELD,
  CLIENT_DESCRIPTION_MAX,
  CLIENT_FREE,
  CLIENT_LIVE,
  CLIENT_PAGES,
  CLIENT_PID,
  CLIENT_READING,
  CLIENT_REGISTERED_AT,
  CLIENT_STATE,
  CLIENT_STORING_INO,
  CLIENT_THREAD_MAX,
  DESCRIPTION_DENTRY,
  DESCRIPTION_FREE,
  DESCRIPTION_GENERATION,
  DESCRIPTION_INO,
  DESCRIPTION_OPEN,
  DESCRIPTION_STATE,
  DESCRIPTION_WORDS,
  DESCRIPTIONS_PER_PAGE,
  INODE_GENERATION,
  INODE_NAME_INO,
  INODE_OPEN_COUNT,
  INODE_WORDS,
  PAGE_BYTES,
  RING_CLAIM_CLIENT_MASK,
  RING_CLAIM_SHIFT,
  RING_CLAIMED,
  RING_CLIENT,
  RING_DONE,
  RING_FREE,
  RING_MADE_INODE,
  RING_READY,
  RING_RESULTS,
  RING_SLOT_COUNT,
  RING_STATE,
  RING_STATE_MASK,
  RING_WORDS,
  SUPER_CLIENT_HIGH,
  SUPER_ORPHAN_COUNT,
} from "../region/layout.gen.ts";
import { native } from "../../ffi/native.ts";
import { hasEnded } from "./process_table.ts";

const PAGE_WORDS = PAGE_BYTES / 4;
const TICK_NANOSECONDS = 1e7;
/** Looks after which a record or slot that is claimed, but does not say by which process, belongs to nobody. */
const CLAIMED_LOOKS_MAX = 4;
/** For `closeFilesOfEnded`: when asked how much is free, which may be all the time, and when a request fails. */
export const STATFS_LOOK_MS = 250;
export const NO_ROOM_LOOK_MS = 20;

/** The pid comes before the time (0): a moment later there are both. */
function ticksOf(registeredAt: number): number {
  return registeredAt === 0 ? Infinity : registeredAt / TICK_NANOSECONDS;
}

export class Clients {
  readonly #words: Uint32Array;
  /** By client: whether its record's page has memory. */
  readonly #held = new Uint8Array(CLIENT_COUNT_MAX);
  /** By client: looks since its record was claimed without a process. */
  readonly #registeringLooks = new Uint8Array(CLIENT_COUNT_MAX);
  /** By ring slot: looks since it was claimed by nobody who lives. */
  readonly #claimedLooks = new Uint8Array(RING_SLOT_COUNT);
  /** A client died while it opened a file: an inode's `open_count` may be too high for ever. */
  #mayLeak = false;
  #lastThoroughLook = 0;
  #orphanCountSeen = 0;

  constructor(private readonly fs: FileSystem) {
    this.#words = fs.region.clients;
    fs.guard.hasDied = (client) => this.hasDied(client);
  }

  /** Whether the client is nobody's, or its process is gone. */
  hasDied(client: number): boolean {
    return !this.isLive(client) || this.#isDead(client);
  }

  isLive(client: number): boolean {
    return this.#mayLookAt(client) && this.#get(client, CLIENT_STATE) === CLIENT_LIVE;
  }

  /** Frees what clients held that have died, and their records. For the ring worker, between requests. */
  freeDead(): void {
    let freed = 0;
    for (let client = 1; client < this.#end(); client++) {
      if (!this.#mayLookAt(client) || !this.#isDead(client)) continue;
      this.#free(client);
      freed++;
    }
    this.#freeClaimedSlots();
    const orphanCount = this.fs.region.superblock[SUPER_ORPHAN_COUNT];
    if (freed > 0 || (this.#mayLeak && orphanCount !== this.#orphanCountSeen)) this.#freeOrphans();
    this.#orphanCountSeen = orphanCount;
  }

  /**
   * Closes the files of clients that have ended, without waiting for `freeDead`: a program's space is free once it has ended, and
   * nobody is to be told otherwise. Their records are left to `freeDead`, so that both workers may call this, between requests.
   * @param lookMs how often /proc of every client may be read, at most
   * @returns whether there were any
   */
  closeFilesOfEnded(lookMs: number): boolean {
    const end = this.#end();
    if (end <= 1) return false;
    // Cheap, and enough for what its parent has waited for. The thorough way also finds zombies.
    const now = performance.now();
    const isThorough = now >= this.#lastThoroughLook + lookMs;
    if (isThorough) this.#lastThoroughLook = now;
    let found = false;
    for (let client = 1; client < end; client++) {
      if (!this.#mayLookAt(client) || this.#get(client, CLIENT_STATE) === CLIENT_FREE) continue;
      const [pid, registeredAt] = [this.#get(client, CLIENT_PID), this.#registeredAt(client)];
      if (pid === 0) continue;
      const isGone = native().bt_process_is_gone(pid) === 1 ||
        (isThorough && hasEnded(pid, ticksOf(registeredAt)));
      if (isGone && this.#closeFiles(client, { pid, registeredAt })) found = true;
    }
    if (found && this.#mayLeak) this.#freeOrphans();
    return found;
  }

  /** @param identity whose record it must still be. @returns whether there were files */
  #closeFiles(client: number, identity: { pid: number; registeredAt: number }): boolean {
    const pages = this.#descriptionPages(client);
    let found = false;
    this.fs.lock.acquire();
    try {
      // The other worker may have freed the record meanwhile, and another process may have it.
      const isSame = this.#get(client, CLIENT_PID) === identity.pid &&
        this.#registeredAt(client) === identity.registeredAt;
      if (!isSame) return false;
      for (let i = 0; i < pages * DESCRIPTIONS_PER_PAGE; i++) {
        if (this.#freeDescription(client, i)) found = true;
      }
      this.#freeLocks(client);
    } finally {
      this.fs.lock.release();
    }
    return found;
  }

  /** Whether there are any, at least as far as is known. */
  get any(): boolean {
    for (let client = 1; client < this.#end(); client++) if (this.isLive(client)) return true;
    return false;
  }

  /** What living clients have open, and by which name they have opened it. */
  *openFiles(): Generator<{ pid: number; ino: number; dentry: number }> {
    for (let client = 1; client < this.#end(); client++) {
      if (!this.isLive(client) || this.#isDead(client)) continue;
      const pid = this.#get(client, CLIENT_PID);
      // What stray stores have made of a record is nobody's.
      if (pid === 0) continue;
      for (let i = 0; i < this.#descriptionPages(client) * DESCRIPTIONS_PER_PAGE; i++) {
        const at = this.#descriptionAt(client, i);
        if (this.#words[at + DESCRIPTION_STATE] !== DESCRIPTION_OPEN) continue;
        const ino = this.#words[at + DESCRIPTION_INO];
        if (!this.fs.inodes.exists(ino)) continue;
        yield { pid, ino, dentry: this.#words[at + DESCRIPTION_DENTRY] };
      }
    }
  }

  /** One more than the highest number in use. */
  #end(): number {
    return Math.min(this.fs.region.superblock[SUPER_CLIENT_HIGH], CLIENT_COUNT_MAX);
  }

  #get(client: number, field: number): number {
    return Atomics.load(this.#words, client * CLIENT_PAGES * PAGE_WORDS + field);
  }
  #set(client: number, field: number, value: number): void {
    Atomics.store(this.#words, client * CLIENT_PAGES * PAGE_WORDS + field, value);
  }

  #mayLookAt(client: number): boolean {
    if (client === 0 || client >= this.#end()) return false;
    if (this.#held[client] === 0 && this.#hold(client, 0, 1)) this.#held[client] = 1;
    return this.#held[client] === 1;
  }

  /** Takes memory for pages of a client's area. */
  #hold(client: number, page: number, count: number): boolean {
    const { region } = this.fs;
    const first = region.sizes.clientPage + client * CLIENT_PAGES + page;
    return count === 0 || region.reserve(first * PAGE_BYTES, count * PAGE_BYTES);
  }

  #isDead(client: number): boolean {
    if (this.#get(client, CLIENT_STATE) === CLIENT_FREE) return false;
    const pid = this.#get(client, CLIENT_PID);
    // Freed records have no pid, so it is that of who claimed it.
    if (pid === 0) return ++this.#registeringLooks[client] > CLAIMED_LOOKS_MAX;
    this.#registeringLooks[client] = 0;
    return hasEnded(pid, ticksOf(this.#registeredAt(client)));
  }

  /** CLOCK_BOOTTIME in nanoseconds. */
  #registeredAt(client: number): number {
    return this.#get(client, CLIENT_REGISTERED_AT) +
      this.#get(client, CLIENT_REGISTERED_AT + 1) * 2 ** 32;
  }

  #free(client: number): void {
    const pages = this.#descriptionPages(client);
    this.#freeSlots(client);
    this.#registeringLooks[client] = 0;
    // The lock also keeps the other worker from looking at a record that changes hands.
    this.fs.lock.acquire();
    try {
      for (let i = 0; i < pages * DESCRIPTIONS_PER_PAGE; i++) this.#freeDescription(client, i);
      this.#freeLocks(client);
      for (const field of [CLIENT_PID, CLIENT_REGISTERED_AT, CLIENT_REGISTERED_AT + 1]) {
        this.#set(client, field, 0);
      }
      this.#set(client, CLIENT_STATE, CLIENT_FREE);
    } finally {
      this.fs.lock.release();
    }
  }

  /** It may have died while it wrote. */
  #freeLocks(client: number): void {
    for (let i = 0; i < CLIENT_THREAD_MAX; i++) {
      const ino = this.#get(client, CLIENT_STORING_INO + i);
      if (ino === 0) continue;
      if (this.fs.inodes.exists(ino)) this.fs.guard.releaseLockOf(client, ino);
      this.#set(client, CLIENT_STORING_INO + i, 0);
    }
    for (let i = 0; i < CLIENT_THREAD_MAX; i++) this.#set(client, CLIENT_READING + i, 0);
  }

  /** Pages of descriptions that a client has; none when there is no memory to look. */
  #descriptionPages(client: number): number {
    const held = Math.min(this.#get(client, CLIENT_DESCRIPTION_HELD), CLIENT_DESCRIPTION_MAX);
    const pages = Math.ceil(held / DESCRIPTIONS_PER_PAGE);
    return this.#hold(client, 1, pages) ? pages : 0;
  }

  #descriptionAt(client: number, index: number): number {
    return (client * CLIENT_PAGES + 1) * PAGE_WORDS + index * DESCRIPTION_WORDS;
  }

  /** @returns whether it was in use */
  #freeDescription(client: number, index: number): boolean {
    const at = this.#descriptionAt(client, index);
    const state = this.#words[at + DESCRIPTION_STATE];
    if (state === DESCRIPTION_FREE) return false;
    if (state !== DESCRIPTION_OPEN) this.#mayLeak = true;
    else {
      this.#closeInode(this.#words[at + DESCRIPTION_INO], this.#words[at + DESCRIPTION_GENERATION]);
    }
    this.#words.fill(0, at, at + DESCRIPTION_WORDS);
    return true;
  }

  #closeInode(ino: number, generation: number): void {
    const { inodes } = this.fs;
    if (!inodes.exists(ino) || inodes.get(ino, INODE_GENERATION) !== generation) return;
    const count = ino * INODE_WORDS + INODE_OPEN_COUNT;
    // Never below zero, whatever was written into the description.
    if (inodes.openCount(ino) > 0) Atomics.sub(inodes.words, count, 1);
    this.fs.releaseIfUnused(ino);
  }

  /** Requests nobody waits for. One that is ready and was not served yet, was not acknowledged either. */
  #freeSlots(client: number): void {
    const { ring } = this.fs.region;
    for (let slot = 0; slot < RING_SLOT_COUNT; slot++) {
      const at = slot * RING_WORDS;
      if (ring[at + RING_CLIENT] !== client) continue;
      const state = Atomics.load(ring, at + RING_STATE);
      if (state === RING_READY || state === RING_DONE) this.#freeSlot(slot);
    }
  }

  /**
   * A client that died says in the slot who claimed it, if it was one; a slot of a client that has given up its request, and its
   * record, is known by time only.
   */
  #freeClaimedSlots(): void {
    const { ring } = this.fs.region;
    for (let slot = 0; slot < RING_SLOT_COUNT; slot++) {
      const at = slot * RING_WORDS;
      const state = Atomics.load(ring, at + RING_STATE);
      const isClaimed = (state & RING_STATE_MASK) === RING_CLAIMED;
      const claimer = isClaimed ? (state >>> RING_CLAIM_SHIFT) & RING_CLAIM_CLIENT_MASK : 0;
      const isLost = (isClaimed || state === RING_DONE) &&
        !this.isLive(claimer || ring[at + RING_CLIENT]);
      if (!isLost) this.#claimedLooks[slot] = 0;
      else if (++this.#claimedLooks[slot] > CLAIMED_LOOKS_MAX) this.#freeSlot(slot);
    }
  }

  #freeSlot(slot: number): void {
    const { ring } = this.fs.region;
    ring[slot * RING_WORDS + RING_CLIENT] = 0;
    Atomics.store(ring, slot * RING_WORDS + RING_STATE, RING_FREE);
  }

  /** Inodes in answers that their clients have not taken yet: a client notes a description before it frees the slot. */
  *#justMade(): Generator<number> {
    const { ring } = this.fs.region;
    for (let slot = 0; slot < RING_SLOT_COUNT; slot++) {
      const at = slot * RING_WORDS;
      if (Atomics.load(ring, at + RING_STATE) !== RING_DONE) continue;
      yield ring[at + RING_RESULTS + RING_MADE_INODE + INODE_NAME_INO];
    }
  }

  /** Inodes without names that were open for the dead only. */
  #freeOrphans(): void {
    if (this.fs.region.superblock[SUPER_ORPHAN_COUNT] === 0) return;
    const open = new Set<number>(this.#justMade());
    for (let client = 1; client < this.#end(); client++) {
      if (!this.#mayLookAt(client) || this.#get(client, CLIENT_STATE) === CLIENT_FREE) continue;
      const count = this.#descriptionPages(client) * DESCRIPTIONS_PER_PAGE;
      for (let i = 0; i < count; i++) {
        const at = this.#descriptionAt(client, i);
        if (this.#words[at + DESCRIPTION_STATE] !== DESCRIPTION_FREE) {
          open.add(this.#words[at + DESCRIPTION_INO]);
        }
      }
    }
    this.fs.lock.acquire();
    try {
      this.fs.releaseOrphans((ino) => open.has(ino));
    } finally {
      this.fs.lock.release();
    }
  }
}
