/**
 * The ring worker: serves the requests that programs with the preloaded library put into the ring. A Worker of its own,
 * because it sleeps in futex(2), or looks for the next request for a moment before it does.
 *
 * A slot's bit in `ring_ready` says that it is filled in. `ring_sleeping` is set before the last look at those bits: a
 * client sets its bit and then looks at `ring_sleeping`, whether to ring the bell (`write_index`): one of both sees the other.
 */
import { FileSystem } from "../core/file_system.ts";
import { EINVAL, ENOENT, ENOSPC } from "../core/errno.ts";
import { CLOCK_RING } from "../core/inode_table.ts";
import { expireGrants } from "../ops/hidden_names.ts";
import { RingRequest } from "../ops/ring_request.ts";
import { serveRing, serveRingFailure } from "../ops/ring_operations.ts";
import {
  CLIENT_SLEEPS,
  GRANT_MAX,
  PAGE_BYTES,
  RING_DONE,
  RING_FIND_WATCHES,
  RING_READY,
  RING_SLOT_COUNT,
  RING_STATE,
  RING_WAITING,
  RING_WORDS,
  SUPER_ENDED,
  SUPER_GRANT_COUNT,
  SUPER_READ_INDEX,
  SUPER_RING_PROCESSOR,
  SUPER_RING_READY,
  SUPER_RING_SLEEPING,
  SUPER_WRITE_INDEX,
  WORKER_LEAVES,
} from "../region/layout.gen.ts";
import { Region } from "../region/region.ts";
import { native } from "../../ffi/native.ts";
import { Clients, NO_ROOM_LOOK_MS } from "./clients.ts";
import { say } from "./log.ts";
import { MemoryRoom } from "./memory_room.ts";
import { beWorker, type WorkerStart } from "./worker.ts";

/** How long it looks for a next request: a program that makes several finds the worker awake. Waking it takes as long. */
const SPIN_MS = 0.05;
/** Looks at the ring between two at the clock. */
const LOOKS = 32;
/** How often it looks for clients that have died. */
const LOOK_MS = 1000;
const READY_WORDS = RING_SLOT_COUNT / 32;
/** Some 20 ms: programs that are given no processor for longer are rare. */
const NOTICE_ATTEMPTS_MAX = 200;
const NAP_MS = 0.1;

/** So many requests from the worker's own processor within so short a time: it looks for another one. */
const STREAK_MIN = 8;
const STREAK_MS = 1;
const LEAVE_MS = 5;

class RingWorker {
  readonly #fs: FileSystem;
  readonly #request: RingRequest;
  readonly #clients: Clients;
  readonly #superblock: Uint32Array;
  readonly #ring: Uint32Array;
  readonly #bellAddress: bigint;
  readonly #ringAddress: bigint;
  readonly #nap = new Int32Array(new SharedArrayBuffer(4));
  #nextLook = 0;
  /** The processor it runs on, times 2, as far as it knows. */
  #processor = 0;
  /** Requests from there since `#streakStart`. */
  #streak = 0;
  #streakStart = 0;
  #nextLeave = 0;

  constructor(private readonly start: WorkerStart) {
    const region = Region.at(start.regionAddress, start.regionBytes, start.regionFd);
    const room = new MemoryRoom();
    region.mayTake = (bytes) => room.mayTake(bytes);
    this.#fs = FileSystem.open(region);
    this.#fs.inodes.useClock(CLOCK_RING);
    this.#request = new RingRequest(this.#fs);
    this.#clients = new Clients(this.#fs);
    this.#superblock = region.superblock;
    this.#ring = region.ring;
    this.#bellAddress = region.address + BigInt(SUPER_WRITE_INDEX * 4);
    this.#ringAddress = region.address + BigInt(region.sizes.ringPage * PAGE_BYTES);
  }

  run(): void {
    while (Atomics.load(this.#superblock, SUPER_ENDED) === 0) {
      if (this.#serveReady()) this.#serveBurst();
      if (this.#fs.misplaced.any) this.#forgetMisplaced();
      if (performance.now() < this.#nextLook) this.#sleep();
      else {
        this.#freeDeadClients();
        this.#expireGrants();
        this.#nextLook = performance.now() + LOOK_MS;
      }
    }
  }

  /** A defect here costs memory, not the ring. */
  #freeDeadClients(): void {
    try {
      this.#clients.freeDead();
    } catch (error) {
      say(`cannot free what dead programs held: ${(error as Error)?.stack ?? error}`);
    }
  }

  /** The kernel forgets names of which a program was killed in the middle of opening them. */
  #expireGrants(): void {
    if (this.#superblock[SUPER_GRANT_COUNT] === 0) return;
    const { notices } = this.#request;
    const { lock, inodes } = this.#fs;
    native().bt_clock(inodes.clock);
    for (let i = 0; i < GRANT_MAX; i++) {
      notices.count = 0;
      lock.acquire();
      try {
        expireGrants(this.#fs, notices, 1);
      } finally {
        lock.release();
      }
      this.#sendNotices();
    }
  }

  /**
   * Goes on until no request has come for a moment, or it is time to look at the clients. Not for a client on this processor, which
   * makes no request before the worker sleeps.
   */
  #serveBurst(): void {
    let now = performance.now();
    let end = now + SPIN_MS;
    while (now < Math.min(end, this.#nextLook)) {
      let isAwaited = false;
      for (let look = 0; look < LOOKS; look++) if (this.#serveReady()) isAwaited = true;
      now = performance.now();
      if (isAwaited) end = now + SPIN_MS;
    }
  }

  #sleep(): void {
    const superblock = this.#superblock;
    Atomics.store(superblock, SUPER_RING_SLEEPING, 1);
    const bell = Atomics.load(superblock, SUPER_WRITE_INDEX);
    const isIdle = !this.#isReady() && Atomics.load(superblock, SUPER_ENDED) === 0 &&
      !this.#fs.misplaced.any;
    if (isIdle) {
      native().bt_futex_wait(this.#bellAddress, bell, LOOK_MS);
      this.#noteProcessor();
    }
    Atomics.store(superblock, SUPER_RING_SLEEPING, 0);
  }

  /** Here, because the kernel worker, which noticed, must not wait for pages that are waiting for it. */
  #forgetMisplaced(): void {
    const { notices } = this.#request;
    for (const ino of this.#fs.misplaced.take()) {
      notices.count = 0;
      this.#fs.lock.acquire();
      if (this.#fs.inodes.exists(ino)) notices.dataChanged(ino);
      this.#fs.lock.release();
      this.#sendNotices();
    }
  }

  #isReady(): boolean {
    for (let word = 0; word < READY_WORDS; word++) {
      if (Atomics.load(this.#superblock, SUPER_RING_READY + word) !== 0) return true;
    }
    return false;
  }

  /** Serves every slot that is ready. @returns whether a client can see its answer while the worker is awake */
  #serveReady(): boolean {
    let served = 0;
    let isAwaited = false;
    for (let word = 0; word < READY_WORDS; word++) {
      if (Atomics.load(this.#superblock, SUPER_RING_READY + word) === 0) continue;
      let bits = Atomics.exchange(this.#superblock, SUPER_RING_READY + word, 0);
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits);
        bits = (bits & ~(1 << bit)) >>> 0;
        if (this.#serveSlot(word * 32 + bit)) isAwaited = true;
        served++;
      }
    }
    if (served > 0) Atomics.add(this.#superblock, SUPER_READ_INDEX, served);
    return isAwaited;
  }

  /** @returns whether its client can see the answer while the worker is awake */
  #serveSlot(slot: number): boolean {
    const state = slot * RING_WORDS + RING_STATE;
    // A bit without a request: somebody's mistake, or what a program left that was killed.
    if (Atomics.load(this.#ring, state) !== RING_READY) return false;
    const result = this.#serveWithRoom(slot);
    this.#sendNotices();
    this.#request.answer(slot, result);
    Atomics.store(this.#ring, state, RING_DONE);
    const waiting = Atomics.load(this.#ring, slot * RING_WORDS + RING_WAITING);
    const isNear = (waiting & ~CLIENT_SLEEPS) === this.#processor;
    const leaves = isNear && this.#isTimeToLeave();
    if (leaves) Atomics.store(this.#superblock, SUPER_RING_PROCESSOR, WORKER_LEAVES);
    if ((waiting & CLIENT_SLEEPS) !== 0) {
      native().bt_futex_wake(this.#ringAddress + BigInt(state * 4), 1);
    }
    if (leaves) {
      native().bt_leave_processor();
      this.#noteProcessor();
    }
    return leaves || !isNear;
  }

  /**
   * A client on this processor can see its answer only when the worker sleeps. When that goes on, the worker is to look for
   * another one.
   */
  #isTimeToLeave(): boolean {
    const now = performance.now();
    if (now - this.#streakStart > STREAK_MS) {
      this.#streakStart = now;
      this.#streak = 0;
    }
    if (++this.#streak < STREAK_MIN || now < this.#nextLeave) return false;
    this.#nextLeave = now + LEAVE_MS;
    return true;
  }

  #noteProcessor(): void {
    this.#processor = native().bt_processor() << 1;
    Atomics.store(this.#superblock, SUPER_RING_PROCESSOR, this.#processor);
  }

  /** As the kernel worker does: out of room, it looks whether some has just become free, and tries once more. */
  #serveWithRoom(slot: number): number {
    const result = this.#serve(slot);
    if (result !== -ENOSPC || !this.#makeRoom()) return result;
    this.#sendNotices();
    return this.#serve(slot);
  }

  /** @returns whether there may be more now */
  #makeRoom(): boolean {
    const hasClosed = this.#clients.closeFilesOfEnded(NO_ROOM_LOOK_MS);
    const waited = !this.#fs.guard.limboIsEmpty;
    this.#fs.drainLimbo();
    // The kernel gives back files that were removed by requests of its own (FORGET), which the kernel worker is to take first.
    const isGivingBack = native().bt_fuse_waiting(this.start.fuseFd) === 1;
    if (isGivingBack) Atomics.wait(this.#nap, 0, 0, 10 * NAP_MS);
    return hasClosed || waited || isGivingBack;
  }

  /** Serves one request under the core lock; a defect costs that request an EIO. */
  #serve(slot: number): number {
    const r = this.#request;
    if (!r.take(slot) || !this.#clients.isLive(r.client)) return -EINVAL;
    if (r.operation === RING_FIND_WATCHES) return this.#findWatches();
    const { lock, inodes } = this.#fs;
    native().bt_clock(inodes.clock);
    lock.acquire();
    try {
      return serveRing(r);
    } catch (error) {
      say(`ring operation ${r.operation}: ${(error as Error)?.stack ?? error}`);
      return serveRingFailure(r);
    } finally {
      lock.release();
    }
  }

  /** Without the lock: it takes milliseconds where there are many processes. */
  #findWatches(): number {
    native().bt_watch_scan(this.#fs.region.address);
    return 0;
  }

  /** Done before the request is: what its client does next must not meet what the kernel held before. */
  #sendNotices(): void {
    const { messages, inodes, count } = this.#request.notices;
    for (let i = 0; i < count; i++) this.#sendNotice(messages[i], inodes[i]);
  }

  /**
   * The kernel answers ENOENT for an inode it does not know; also when a reply that tells it of the inode, as it was before,
   * is still on its way to the program that asked, or a FORGET on its way to us. A moment later it is one or the other.
   */
  #sendNotice(message: Uint8Array<ArrayBuffer>, ino: number): void {
    const bytes = message[0] | (message[1] << 8);
    for (let attempt = 0; attempt < NOTICE_ATTEMPTS_MAX; attempt++) {
      const errno = -native().bt_fuse_reply(this.start.fuseFd, message, bytes);
      if (errno <= 0) return;
      if (errno !== ENOENT) return say(`the kernel refuses an invalidation: errno ${errno}`);
      if (ino === 0 || this.#fs.inodes.lookupCount(ino) === 0) return;
      Atomics.wait(this.#nap, 0, 0, NAP_MS);
    }
  }
}

beWorker((start) => {
  new RingWorker(start).run();
  return { reason: "ended", message: "" };
});
