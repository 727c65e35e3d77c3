/**
 * A request of the ring as the operations see it: a private copy of its slot, taken once, so that whatever its client
 * writes there meanwhile changes nothing. Everything in it is input of a stranger.
 */
import {
  BLOCK_BYTES,
  INODE_GENERATION,
  INODE_NAME_GENERATION,
  INODE_NAME_INO,
  NAME_BYTES_MAX,
  RING_ARGUMENTS,
  RING_ARGUMENTS_WORDS,
  RING_BYTES_LENGTH,
  RING_BYTES_MAX,
  RING_BYTES_OFFSET_BYTES,
  RING_CALLER_MAY_KEEP_SET_GROUP_ID,
  RING_CALLER_UID,
  RING_CLIENT,
  RING_MADE_DENTRY,
  RING_MADE_INODE,
  RING_OPERATION,
  RING_RESULT,
  RING_RESULTS,
  RING_RESULTS_WORDS,
  RING_TIME_NANOSECONDS,
  RING_TIME_SECONDS,
  RING_WORDS,
} from "../region/layout.gen.ts";
import type { FileSystem } from "../core/file_system.ts";
import { EINVAL, ENAMETOOLONG, ENOENT, ESTALE } from "../core/errno.ts";
import type { TimeWords } from "./changes.ts";
import { KernelNotices } from "./kernel_notices.ts";

const SLASH = 0x2f;

export class RingRequest {
  client = 0;
  operation = 0;
  /** Names and the like. */
  readonly bytes = new Uint8Array(RING_BYTES_MAX);
  length = 0;
  readonly notices: KernelNotices;
  readonly #arguments = new Uint32Array(RING_ARGUMENTS_WORDS);
  readonly #answer = new Uint32Array(RING_RESULTS_WORDS);
  #answerWords = 0;

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
    this.#answerWords = 0;
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
    for (let i = 0; i < this.#answerWords; i++) ring[at + RING_RESULTS + i] = this.#answer[i];
    ring[at + RING_RESULT] = result;
  }

  // Fields of the message, by their words: RING_MAKE_MODE and the like.

  /** A number, mode, id or set of flags. */
  word(field: number): number {
    return this.#arguments[field];
  }
  /** An offset or a length; above 2^53 it is not exact, and too large for everything. */
  number(field: number): number {
    return this.#arguments[field] + this.#arguments[field + 1] * 2 ** 32;
  }

  /** The living inode of an InodeName, or -ESTALE. */
  inode(field: number): number {
    const ino = this.#arguments[field + INODE_NAME_INO];
    const generation = this.#arguments[field + INODE_NAME_GENERATION];
    const { inodes } = this.fs;
    const lives = inodes.exists(ino) && inodes.get(ino, INODE_GENERATION) === generation;
    return lives ? ino : -ESTALE;
  }

  time(field: number): TimeWords {
    const words = this.#arguments;
    const seconds = field + RING_TIME_SECONDS;
    return [words[seconds], words[seconds + 1], words[field + RING_TIME_NANOSECONDS]];
  }

  /** Whether the RingCaller may leave set-group-ID on the file. */
  mayKeepSetgid(field: number): boolean {
    return this.#arguments[field + RING_CALLER_UID] === 0 ||
      this.#arguments[field + RING_CALLER_MAY_KEEP_SET_GROUP_ID] !== 0;
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

  /** A word of the answer's record: RING_MADE_DENTRY and the like. */
  setAnswer(field: number, value: number): void {
    this.#answer[field] = value;
    this.#answerWords = Math.max(this.#answerWords, field + 1);
  }

  /** Answers with a new inode and its name, or passes an errno on. */
  madeResult(ino: number, dentry: number): number {
    if (ino < 0) return ino;
    this.setAnswer(RING_MADE_INODE + INODE_NAME_INO, ino);
    this.setAnswer(
      RING_MADE_INODE + INODE_NAME_GENERATION,
      this.fs.inodes.get(ino, INODE_GENERATION),
    );
    this.setAnswer(RING_MADE_DENTRY, dentry);
    return 0;
  }
}
