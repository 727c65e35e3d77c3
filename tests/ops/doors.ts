/**
 * Both doors of a file system in plain memory: requests as the kernel and the library make them, given to the functions that serve them.
 * Nothing is mounted, so thousands a second can be made, and a clock that stands still until it is moved.
 * @module
 */
import { DamageError } from "../../src/core/damage.ts";
import type { FileSystem } from "../../src/core/file_system.ts";
import { Exchange } from "../../src/ops/exchange.ts";
import {
  IN_LEN,
  IN_NODEID,
  IN_OPCODE,
  IN_PID,
  IN_UID,
  OUT_ERROR,
  OUT_LEN,
} from "../../src/ops/fuse_records.gen.ts";
import { IN_BODY, IN_BODY_BYTES, OUT_BODY, OUT_BODY_BYTES } from "../../src/ops/protocol.ts";
import { serveRing, serveRingFailure } from "../../src/ops/ring_operations.ts";
import { RingRequest } from "../../src/ops/ring_request.ts";
import { serve, serveFailure } from "../../src/ops/table.ts";
import {
  BLOCK_BYTES,
  INODE_GENERATION,
  RING_ARGUMENTS,
  RING_ARGUMENTS_WORDS,
  RING_BYTES_LENGTH,
  RING_BYTES_OFFSET_BYTES,
  RING_OPERATION,
  RING_RESULTS,
  RING_WORDS,
} from "../../src/region/layout.gen.ts";

/** Fields of a message by their words; a value above 2^32 takes two. */
export type Fields = [word: number, value: number][];

/** Who asks. */
export interface Caller {
  uid: number;
  gid: number;
}

export const ROOT: Caller = { uid: 0, gid: 0 };
const RING_SLOT = 3;

const encoder = new TextEncoder();

/** Names and the like, each with a NUL behind it. */
export function texts(...parts: (string | Uint8Array)[]): Uint8Array {
  const pieces = parts.map((part) => typeof part === "string" ? encoder.encode(part) : part);
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length + 1, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length + 1;
  }
  return out;
}

function setFields(words: Uint32Array, start: number, fields: Fields): void {
  for (const [word, value] of fields) {
    words[start + word] = value % 2 ** 32;
    if (value >= 2 ** 32) words[start + word + 1] = Math.floor(value / 2 ** 32);
  }
}

export class Doors {
  readonly x: Exchange;
  readonly r: RingRequest;
  #thread = 1;

  constructor(readonly fs: FileSystem, cache: "auto" | "none" = "auto") {
    this.x = new Exchange(fs, cache);
    this.r = new RingRequest(fs);
  }

  setClock(seconds: number, nanoseconds: number): void {
    const { clock } = this.fs.inodes;
    clock[0] = seconds % 2 ** 32;
    clock[1] = Math.floor(seconds / 2 ** 32);
    clock[2] = nanoseconds;
  }

  /**
   * A request of the kernel, each by a thread of its own unless `again`.
   * @returns 0 or -errno; the reply's body is in `reply` and `replyWord`
   */
  kernel(
    opcode: number,
    nodeid: number,
    o: { words?: number; fields?: Fields; tail?: Uint8Array; caller?: Caller; again?: boolean } =
      {},
  ): number {
    const { x } = this;
    const bodyBytes = (o.words ?? 0) * 4;
    const tail = o.tail ?? new Uint8Array();
    x.request.fill(0, 0, IN_BODY_BYTES + bodyBytes);
    x.request.set(tail, IN_BODY_BYTES + bodyBytes);
    const words = x.requestWords;
    words[IN_LEN] = IN_BODY_BYTES + bodyBytes + tail.length;
    words[IN_OPCODE] = opcode;
    setFields(words, 0, [[IN_NODEID, nodeid]]);
    const { uid, gid } = o.caller ?? ROOT;
    words[IN_UID] = uid;
    words[IN_UID + 1] = gid;
    // Nobody's: who looks it up finds no process.
    words[IN_PID] = 2 ** 31 + (o.again ? this.#thread : ++this.#thread);
    setFields(words, IN_BODY, o.fields ?? []);
    let bytes: number;
    try {
      bytes = x.copySegments(serve(x));
    } catch (error) {
      if (!(error instanceof DamageError)) throw error;
      this.fs.settle();
      bytes = serveFailure(x);
    }
    if (bytes > 0 && bytes !== x.replyWords[OUT_LEN]) {
      throw new Error(`a reply of ${bytes} bytes says it has ${x.replyWords[OUT_LEN]}`);
    }
    return bytes === 0 ? 0 : x.replyWords[OUT_ERROR] | 0;
  }

  /** The body of the last reply. */
  get reply(): Uint8Array {
    return this.x.reply.subarray(OUT_BODY_BYTES, this.x.replyWords[OUT_LEN]);
  }
  replyWord(word: number): number {
    return this.x.replyWords[OUT_BODY + word];
  }
  reply64(word: number): number {
    return this.replyWord(word) + this.replyWord(word + 1) * 2 ** 32;
  }

  /** An inode as messages of the ring name it. */
  inodeName(word: number, ino: number): Fields {
    return [[word, ino], [word + 1, this.fs.inodes.get(ino, INODE_GENERATION)]];
  }

  /** A request of the library, through a slot of the ring as it is. @returns 0 or more, or -errno */
  ring(operation: number, fields: Fields, bytes: Uint8Array = new Uint8Array()): number {
    const { fs, r } = this;
    const { ring, ringBytes } = fs.region;
    const at = RING_SLOT * RING_WORDS;
    ring[at + RING_OPERATION] = operation;
    ring[at + RING_BYTES_LENGTH] = bytes.length;
    ring.fill(0, at + RING_ARGUMENTS, at + RING_ARGUMENTS + RING_ARGUMENTS_WORDS);
    setFields(ring, at + RING_ARGUMENTS, fields);
    ringBytes.set(bytes, RING_SLOT * BLOCK_BYTES + RING_BYTES_OFFSET_BYTES);
    if (!r.take(RING_SLOT)) throw new Error("the request was not taken");
    let result: number;
    try {
      result = serveRing(r);
    } catch (error) {
      if (!(error instanceof DamageError)) throw error;
      result = serveRingFailure(r);
    }
    r.answer(RING_SLOT, result);
    return result;
  }

  /** A word of the last answer. */
  ringResult(word: number): number {
    const { ring } = this.fs.region;
    return ring[RING_SLOT * RING_WORDS + RING_RESULTS + word];
  }
}
