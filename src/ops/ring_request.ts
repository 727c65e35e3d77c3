/**
 * A request of the ring as the operations see it: a private copy of its slot, taken once, so that whatever its client
 * writes there meanwhile changes nothing. Everything in it is input of a stranger.
 */
import {
  BLOCK_BYTES,
  INODE_GENERATION,
  NAME_BYTES_MAX,
  RING_ARGUMENTS,
  RING_BYTES_LENGTH,
  RING_BYTES_MAX,
  RING_BYTES_OFFSET_BYTES,
  RING_CLIENT,
  RING_OPERATION,
  RING_RESULT,
  RING_RESULTS,
  RING_WORDS,
} from "../region/layout.gen.ts";
import type { FileSystem } from "../core/file_system.ts";
import { EINVAL, ENAMETOOLONG, ENOENT, ESTALE } from "../core/errno.ts";
import { KernelNotices } from "./kernel_notices.ts";

const SLASH = 0x2f;
const ARGUMENTS_MAX = 13;
/** An inode is given by its number and its generation. */
export const INODE_ARGUMENTS = 2;

export class RingRequest {
  client = 0;
  operation = 0;
  /** Names and the like. */
  readonly bytes = new Uint8Array(RING_BYTES_MAX);
  length = 0;
  readonly notices: KernelNotices;
  readonly #arguments = new Uint32Array(2 * ARGUMENTS_MAX);
  readonly #results = new Uint32Array(RING_ARGUMENTS - RING_RESULTS);
  #resultCount = 0;

  constructor(readonly fs: FileSystem) {
    this.notices = new KernelNotices(fs);
  }

  /** @returns whether it makes sense so far */
  take(slot: number): boolean {
    const { ring, ringBytes } = this.fs.region;
    const at = slot * RING_WORDS;
    this.client = ring[at + RING_CLIENT];
    this.operation = ring[at + RING_OPERATION];
    this.length = ring[at + RING_BYTES_LENGTH];
    this.#resultCount = 0;
    this.notices.count = 0;
    for (let i = 0; i < this.#arguments.length; i++) {
      this.#arguments[i] = ring[at + RING_ARGUMENTS + i];
    }
    if (this.length > RING_BYTES_MAX) return false;
    const start = slot * BLOCK_BYTES + RING_BYTES_OFFSET_BYTES;
    for (let i = 0; i < this.length; i++) this.bytes[i] = ringBytes[start + i];
    return true;
  }

  /** Writes the answer into the slot; the caller then sets its state. */
  answer(slot: number, result: number): void {
    const { ring } = this.fs.region;
    const at = slot * RING_WORDS;
    for (let i = 0; i < 2 * this.#resultCount; i++) ring[at + RING_RESULTS + i] = this.#results[i];
    ring[at + RING_RESULT] = result;
  }

  /** The low half of an argument: numbers, modes, ids. */
  word(index: number): number {
    return this.#arguments[2 * index];
  }
  /** The high half of one. */
  highWord(index: number): number {
    return this.#arguments[2 * index + 1];
  }
  /** An offset or a length; above 2^53 it is not exact, and too large for everything. */
  number(index: number): number {
    return this.word(index) + this.highWord(index) * 2 ** 32;
  }

  /** The living inode that two arguments name, or -ESTALE. */
  inode(index: number): number {
    const ino = this.number(index);
    const { inodes } = this.fs;
    const lives = inodes.exists(ino) &&
      inodes.get(ino, INODE_GENERATION) === this.number(index + 1);
    return lives ? ino : -ESTALE;
  }

  /** The bytes from `start` to `end` must be a name: 0, -ENOENT (empty), -ENAMETOOLONG, -EINVAL. */
  nameProblem(start: number, end: number): number {
    if (start >= end) return -ENOENT;
    if (end - start > NAME_BYTES_MAX) return -ENAMETOOLONG;
    for (let i = start; i < end; i++) {
      if (this.bytes[i] === 0 || this.bytes[i] === SLASH) return -EINVAL;
    }
    return 0;
  }

  /** Where the NUL is that ends the first of two texts; -1 without one. */
  firstEnd(): number {
    const end = this.bytes.indexOf(0);
    return end < this.length ? end : -1;
  }

  setResult(index: number, value: number): void {
    this.#results[2 * index] = value % 2 ** 32;
    this.#results[2 * index + 1] = Math.floor(value / 2 ** 32);
    this.#resultCount = Math.max(this.#resultCount, index + 1);
  }

  /** Answers with an inode, its number and generation, or passes an errno on. */
  inodeResult(ino: number): number {
    if (ino < 0) return ino;
    this.setResult(0, ino);
    this.setResult(1, this.fs.inodes.get(ino, INODE_GENERATION));
    return 0;
  }

  /** Answers with a count of bytes, or passes an errno on. */
  bytesResult(count: number): number {
    if (count >= 0) this.setResult(0, count);
    return count;
  }
}
