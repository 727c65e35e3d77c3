/**
 * A client of the ring in TypeScript, for tests of the daemon's end: what the preloaded library does in Zig, and also what it
 * never would do.
 *
 * ```ts
 * using client = RingClient.attach(mount.object);
 * const { result, made } = client.request("MAKE", { parent: client.inode(ROOT_INO), mode: S_IFREG | 0o644 }, "name");
 * ```
 */
import { native } from "../../ffi/native.ts";
import * as layout from "../../src/region/layout.gen.ts";
import {
  BLOCK_BYTES,
  CLIENT_DESCRIPTION_HELD,
  CLIENT_FREE,
  CLIENT_LIVE,
  CLIENT_PAGES,
  CLIENT_PID,
  CLIENT_REGISTERED_AT,
  CLIENT_REGISTERING,
  CLIENT_STATE,
  DESCRIPTION_GENERATION,
  DESCRIPTION_INO,
  DESCRIPTION_STATE,
  DESCRIPTION_WORDS,
  DESCRIPTIONS_PER_PAGE,
  INODE_GENERATION,
  INODE_NAME_GENERATION,
  INODE_NAME_INO,
  INODE_WORDS,
  PAGE_BYTES,
  RING_ARGUMENTS,
  RING_ARGUMENTS_WORDS,
  RING_BYTES_LENGTH,
  RING_BYTES_OFFSET_BYTES,
  RING_CLAIMED,
  RING_CLIENT,
  RING_DONE,
  RING_FREE,
  RING_MADE_INODE,
  RING_OPERATION,
  RING_READY,
  RING_RESULT,
  RING_RESULTS,
  RING_RESULTS_WORDS,
  RING_SLOT_COUNT,
  RING_STATE,
  RING_WAITING,
  RING_WORDS,
  SUPER_CLIENT_HIGH,
  SUPER_RING_READY,
  SUPER_RING_SLEEPING,
  SUPER_WRITE_INDEX,
} from "../../src/region/layout.gen.ts";
import { Region } from "../../src/region/region.ts";

const PAGE_WORDS = PAGE_BYTES / 4;
const SPINS_MAX = 20_000;
const WAIT_MS = 100;
const WAITS_MAX = 50;

export interface Answer {
  result: number;
  /** The inode that was made, by operations that make one. */
  made: InodeName;
  /** The record behind the result. */
  answer: Uint32Array;
}

/** Number and generation. */
export type InodeName = [ino: number, generation: number];

/** Of a message, by the names of ring_messages.zig: several numbers are the words of an inode, a time, a caller. What is not given is 0. */
export type Fields = Record<string, number | readonly number[]>;

/** An operation by its name in ring_messages.zig, "MAKE" for `RingMake`; or any number. */
export type Operation = string | number;

const constants = layout as Record<string, number>;

function constant(name: string): number {
  const value = constants[name];
  if (value === undefined) throw new Error(`ring_messages.zig has no ${name}`);
  return value;
}

/** All operations by their names. */
export const OPERATIONS = Object.keys(constants).flatMap((key) =>
  /^RING_[A-Z]+_WORDS$/.test(key) && key.slice(0, -"_WORDS".length) in constants
    ? [key.slice("RING_".length, -"_WORDS".length)]
    : []
);
/** One more than the largest operation. */
export const OPERATION_COUNT = 1 + Math.max(...OPERATIONS.map((name) => constant(`RING_${name}`)));

/** Words of an operation's message. */
export function messageWords(operation: string): number {
  return constant(`RING_${operation}_WORDS`);
}

/** The words of a message. */
export function message(operation: Operation, fields: Fields): Uint32Array {
  const words = new Uint32Array(RING_ARGUMENTS_WORDS);
  for (const [name, value] of Object.entries(fields)) {
    const field = name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
    const at = constant(`RING_${operation}_${field}`);
    if (typeof value !== "number") words.set(value, at);
    else {
      words[at] = value % 2 ** 32;
      if (value >= 2 ** 32) words[at + 1] = Math.floor(value / 2 ** 32);
    }
  }
  return words;
}

export class RingClient implements Disposable {
  private constructor(readonly region: Region, readonly number: number) {}

  /**
   * @param object path of the shared-memory object
   * @param pid whose client it is
   */
  static attach(object: string, pid = Deno.pid): RingClient {
    const region = Region.open(object.replace("/dev/shm", ""), Deno.uid() ?? 0);
    const client = new RingClient(region, freeNumber(region));
    const uptimeSeconds = Number(Deno.readTextFileSync("/proc/uptime").split(" ")[0]);
    const now = uptimeSeconds * 1e9;
    client.set(CLIENT_PID, pid);
    client.set(CLIENT_REGISTERED_AT, now % 2 ** 32);
    client.set(CLIENT_REGISTERED_AT + 1, Math.floor(now / 2 ** 32));
    client.set(CLIENT_STATE, CLIENT_LIVE);
    return client;
  }

  get(field: number): number {
    return Atomics.load(this.region.clients, this.number * CLIENT_PAGES * PAGE_WORDS + field);
  }
  set(field: number, value: number): void {
    Atomics.store(this.region.clients, this.number * CLIENT_PAGES * PAGE_WORDS + field, value);
  }

  inode(ino: number): InodeName {
    return [ino, this.inodeWord(ino, INODE_GENERATION)];
  }
  inodeWord(ino: number, field: number): number {
    return Atomics.load(this.region.inodes, ino * INODE_WORDS + field);
  }

  /** Notes an open file description; the inode's count is left to the caller. */
  describe(index: number, state: number, ino: number): void {
    const page = 1 + Math.floor(index / DESCRIPTIONS_PER_PAGE);
    const { region } = this;
    region.reserve(
      (region.sizes.clientPage + this.number * CLIENT_PAGES + page) * PAGE_BYTES,
      PAGE_BYTES,
    );
    this.set(CLIENT_DESCRIPTION_HELD, page * DESCRIPTIONS_PER_PAGE);
    const at = (this.number * CLIENT_PAGES + 1) * PAGE_WORDS + index * DESCRIPTION_WORDS;
    region.clients[at + DESCRIPTION_INO] = ino;
    region.clients[at + DESCRIPTION_GENERATION] = this.inodeWord(ino, INODE_GENERATION);
    Atomics.store(region.clients, at + DESCRIPTION_STATE, state);
  }

  /** A slot that was free, now claimed; -1 when none is. */
  claim(): number {
    const { ring } = this.region;
    for (let slot = 0; slot < RING_SLOT_COUNT; slot++) {
      const state = slot * RING_WORDS + RING_STATE;
      if (Atomics.compareExchange(ring, state, RING_FREE, RING_CLAIMED) === RING_FREE) return slot;
    }
    return -1;
  }

  /** Fills a claimed slot in. */
  fill(
    slot: number,
    operation: Operation,
    fields: Fields | Uint32Array = {},
    bytes: string | Uint8Array = "",
  ): void {
    const { ring, ringBytes } = this.region;
    const at = slot * RING_WORDS;
    const content = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    ring[at + RING_CLIENT] = this.number;
    ring[at + RING_OPERATION] = typeof operation === "number"
      ? operation
      : constant(`RING_${operation}`);
    ring[at + RING_WAITING] = 0;
    ring[at + RING_BYTES_LENGTH] = content.length;
    const words = fields instanceof Uint32Array ? fields : message(operation, fields);
    ring.set(words, at + RING_ARGUMENTS);
    ringBytes.set(content, slot * BLOCK_BYTES + RING_BYTES_OFFSET_BYTES);
  }

  /** Hands a slot to the daemon. */
  submit(slot: number): void {
    const { ring, superblock } = this.region;
    Atomics.store(ring, slot * RING_WORDS + RING_STATE, RING_READY);
    Atomics.or(superblock, SUPER_RING_READY + Math.floor(slot / 32), 1 << slot % 32);
    Atomics.add(superblock, SUPER_WRITE_INDEX, 1);
    if (Atomics.load(superblock, SUPER_RING_SLEEPING) !== 0) this.ringBell();
  }

  ringBell(): void {
    native().bt_futex_wake(this.region.address + BigInt(SUPER_WRITE_INDEX * 4), 1);
  }

  /** Waits for a submitted slot and frees it. */
  answer(slot: number): Answer {
    const { ring } = this.region;
    const at = slot * RING_WORDS;
    // A worker that has to wake up may want this processor.
    const spins = Atomics.load(this.region.superblock, SUPER_RING_SLEEPING) === 0 ? SPINS_MAX : 0;
    for (let i = 0; i < spins && Atomics.load(ring, at + RING_STATE) !== RING_DONE; i++);
    Atomics.store(ring, at + RING_WAITING, 1);
    const address = this.region.address + BigInt(this.region.sizes.ringPage * PAGE_BYTES + at * 4);
    for (let i = 0; i < WAITS_MAX && Atomics.load(ring, at + RING_STATE) !== RING_DONE; i++) {
      native().bt_futex_wait(address, RING_READY, WAIT_MS);
    }
    if (Atomics.load(ring, at + RING_STATE) !== RING_DONE) {
      throw new Error("the daemon does not answer");
    }
    const inode = at + RING_RESULTS + RING_MADE_INODE;
    const answer = ring.slice(at + RING_RESULTS, at + RING_RESULTS + RING_RESULTS_WORDS);
    const made: InodeName = [ring[inode + INODE_NAME_INO], ring[inode + INODE_NAME_GENERATION]];
    const result = ring[at + RING_RESULT] | 0;
    ring[at + RING_CLIENT] = 0;
    Atomics.store(ring, at + RING_STATE, RING_FREE);
    return { result, made, answer };
  }

  request(operation: Operation, fields: Fields = {}, bytes: string | Uint8Array = ""): Answer {
    const slot = this.claim();
    if (slot < 0) throw new Error("the ring is full");
    this.fill(slot, operation, fields, bytes);
    this.submit(slot);
    return this.answer(slot);
  }

  [Symbol.dispose](): void {
    if (this.get(CLIENT_PID) === Deno.pid) {
      this.set(CLIENT_PID, 0);
      this.set(CLIENT_STATE, CLIENT_FREE);
    }
    this.region[Symbol.dispose]();
  }
}

function freeNumber(region: Region): number {
  for (let number = 1;; number++) {
    const page = region.sizes.clientPage + number * CLIENT_PAGES;
    region.reserve(page * PAGE_BYTES, PAGE_BYTES);
    const state = number * CLIENT_PAGES * PAGE_WORDS + CLIENT_STATE;
    const was = Atomics.compareExchange(region.clients, state, CLIENT_FREE, CLIENT_REGISTERING);
    if (was !== CLIENT_FREE) continue;
    const high = region.superblock[SUPER_CLIENT_HIGH];
    region.superblock[SUPER_CLIENT_HIGH] = Math.max(high, number + 1);
    return number;
  }
}
