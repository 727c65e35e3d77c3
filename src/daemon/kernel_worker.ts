/**
 * The kernel worker: reads requests from /dev/fuse, serves them, replies. A Worker of its own, because it
 * spends its life blocked in read(2). It ends when the read says that the mount is gone.
 */
import { FileSystem } from "../core/file_system.ts";
import { EAGAIN, ECONNABORTED, EINTR, ENODEV, ENOENT, ENOSPC } from "../core/errno.ts";
import { CLOCK_KERNEL } from "../core/inode_table.ts";
import { Exchange } from "../ops/exchange.ts";
import { IN_OPCODE, OUT_ERROR } from "../ops/fuse_records.gen.ts";
import { KernelNotices } from "../ops/kernel_notices.ts";
import { Opcode, REQUEST_BYTES_MAX } from "../ops/protocol.ts";
import { serve, serveFailure } from "../ops/table.ts";
import {
  BLOCK_BYTES,
  PAGE_BYTES,
  SUPER_REQUEST_COUNT,
  SUPER_SENDING_INO,
  SUPER_WRITE_INDEX,
} from "../region/layout.gen.ts";
import { Region } from "../region/region.ts";
import { native } from "../../ffi/native.ts";
import { Clients, NO_ROOM_LOOK_MS, STATFS_LOOK_MS } from "./clients.ts";
import { say } from "./log.ts";
import { MemoryRoom } from "./memory_room.ts";
import { beWorker, type WorkerStart, type WorkerStopped } from "./worker.ts";

/** Segments of one reply: 1 MiB of single blocks, and a few more. */
const SEGMENTS_MAX = 1000;

/** Requests that FORGETs may be behind: the kernel lets at most 8 overtake, then takes 16 FORGETs. */
const OVERTAKING_MAX = 64;

class KernelWorker {
  readonly #fs: FileSystem;
  readonly #exchange: Exchange;
  /** It tells the core which clients have died. */
  readonly #clients: Clients;
  readonly #blocksAddress: number;
  /** For requests served while another one waits for room. */
  #waiting: Exchange | undefined;
  readonly #sendingAddress: bigint;
  readonly #notices: KernelNotices;
  readonly #segments = new Float64Array(2 * SEGMENTS_MAX);

  constructor(private readonly start: WorkerStart) {
    const region = Region.at(start.regionAddress, start.regionBytes, start.regionFd);
    const room = new MemoryRoom();
    region.mayTake = (bytes) => room.mayTake(bytes);
    this.#fs = FileSystem.open(region);
    this.#fs.inodes.useClock(CLOCK_KERNEL);
    this.#clients = new Clients(this.#fs);
    this.#exchange = new Exchange(this.#fs, start.cache);
    this.#notices = new KernelNotices(this.#fs);
    this.#sendingAddress = region.address + BigInt(SUPER_SENDING_INO * 4);
    this.#blocksAddress = Number(region.address) + region.sizes.blockPage * PAGE_BYTES;
  }

  run(): WorkerStopped {
    const { fuseFd } = this.start;
    const x = this.#exchange;
    const { request } = x;
    const { clock } = this.#fs.inodes;
    const { bt_fuse_receive, bt_fuse_exchange, bt_fuse_exchange_data } = native();
    let replyBytes = 0;
    for (;;) {
      let received: number;
      if (replyBytes === 0) {
        received = bt_fuse_receive(fuseFd, request, REQUEST_BYTES_MAX, clock);
      } else if (x.hasSegments) {
        const count = this.#gatherSegments();
        received = bt_fuse_exchange_data(
          fuseFd,
          x.reply,
          replyBytes,
          this.#segments,
          count,
          this.#sendingAddress,
          request,
          REQUEST_BYTES_MAX,
          clock,
        );
      } else {
        received = bt_fuse_exchange(
          fuseFd,
          x.reply,
          replyBytes,
          request,
          REQUEST_BYTES_MAX,
          clock,
        );
      }
      if (received > 0) replyBytes = this.#serveWithRoom();
      else {
        const stopped = stoppedBy(-received);
        if (stopped) return stopped;
        replyBytes = 0;
      }
    }
  }

  /**
   * Space of removed files comes back with the kernel's FORGETs, which it lets other requests overtake. A
   * program that removes a file and writes another, or asks how much is free, must not notice. Nor must it notice that a program
   * which has ended without closing its files is found out about only now and then.
   */
  #serveWithRoom(): number {
    const x = this.#exchange;
    const asksForRoom = x.requestWords[IN_OPCODE] === Opcode.STATFS;
    if (asksForRoom) this.#makeRoom(STATFS_LOOK_MS);
    const replyBytes = this.#serve(x);
    const isFull = replyBytes > 0 && x.replyWords[OUT_ERROR] === -ENOSPC >>> 0;
    return isFull && this.#makeRoom(NO_ROOM_LOOK_MS) ? this.#serve(x) : replyBytes;
  }

  /** @returns whether there may be more now */
  #makeRoom(lookMs: number): boolean {
    const hasClosed = this.#clients.closeFilesOfEnded(lookMs);
    const waited = !this.#fs.guard.limboIsEmpty;
    this.#fs.drainLimbo();
    return this.#serveForgets() || waited || hasClosed;
  }

  /** Serves what waits up to and including some FORGETs. @returns whether there was one */
  #serveForgets(): boolean {
    const { fuseFd } = this.start;
    const { bt_fuse_receive, bt_fuse_reply, bt_fuse_waiting } = native();
    const x = this.#waiting ??= new Exchange(this.#fs, this.start.cache);
    let found = false;
    for (let i = 0; i < OVERTAKING_MAX && bt_fuse_waiting(fuseFd) === 1; i++) {
      if (bt_fuse_receive(fuseFd, x.request, REQUEST_BYTES_MAX, this.#fs.inodes.clock) <= 0) break;
      const opcode = x.requestWords[IN_OPCODE];
      found ||= opcode === Opcode.FORGET || opcode === Opcode.BATCH_FORGET;
      // Data is copied here, not sent from where it lies: this is rare.
      const bytes = x.copySegments(this.#serve(x));
      Atomics.store(this.#fs.region.superblock, SUPER_SENDING_INO, 0);
      if (bytes > 0) bt_fuse_reply(fuseFd, x.reply, bytes);
    }
    return found;
  }

  /** Serves one request under the core lock; a defect costs that request an EIO, never the mount. */
  #serve(x: Exchange): number {
    const { lock, region } = this.#fs;
    lock.acquire();
    try {
      region.superblock[SUPER_REQUEST_COUNT]++;
      if (region.superblock[SUPER_REQUEST_COUNT] === 0) {
        region.superblock[SUPER_REQUEST_COUNT + 1]++;
      }
      const bytes = serve(x);
      if (this.#fs.misplaced.any) this.#wakeRingWorker();
      if (x.forgetAttributes) this.#notices.attributesChanged(x.nodeid);
      // Said under the lock: whoever frees blocks of this file afterwards waits until they are sent.
      if (x.hasSegments) Atomics.store(region.superblock, SUPER_SENDING_INO, x.nodeid);
      return bytes;
    } catch (error) {
      say(`request of opcode ${x.requestWords[IN_OPCODE]}: ${(error as Error)?.stack ?? error}`);
      this.#fs.settle();
      return serveFailure(x);
    } finally {
      lock.release();
      if (this.#notices.count > 0) this.#sendNotices();
    }
  }

  /** Of attributes only, for which the kernel waits for nobody. */
  #sendNotices(): void {
    const { messages, count } = this.#notices;
    for (const message of messages.slice(0, count)) {
      native().bt_fuse_reply(this.start.fuseFd, message, message[0]);
    }
    this.#notices.count = 0;
  }

  /** Its bell is rung as by clients. */
  #wakeRingWorker(): void {
    const { superblock, address } = this.#fs.region;
    Atomics.add(superblock, SUPER_WRITE_INDEX, 1);
    native().bt_futex_wake(address + BigInt(SUPER_WRITE_INDEX * 4), 1);
  }

  /** Turns the pieces that READ found into addresses. */
  #gatherSegments(): number {
    const { segments } = this.#fs.data;
    for (let i = 0; i < segments.count; i++) {
      const block = segments.block[i];
      this.#segments[2 * i] = block === 0
        ? 0
        : this.#blocksAddress + block * BLOCK_BYTES + segments.skip[i];
      this.#segments[2 * i + 1] = segments.bytes[i];
    }
    return segments.count;
  }
}

/** What an errno from the device means for the worker: undefined to go on. */
function stoppedBy(errno: number): WorkerStopped | undefined {
  switch (errno) {
    // ENOENT: a request was aborted while it was read; fuse(4) says to read again.
    case EINTR:
    case EAGAIN:
    case ENOENT:
      return undefined;
    case ENODEV:
    case ECONNABORTED:
      return { reason: "ended", message: "" };
    default:
      return { reason: "failed", message: `/dev/fuse: errno ${errno}` };
  }
}

beWorker((start) => new KernelWorker(start).run());
