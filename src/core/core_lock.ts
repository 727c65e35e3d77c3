/**
 * The core lock: one writer of metadata at a time, across workers and processes. Held for one
 * operation (microseconds), never across a system call, except by `btfuse check`, which stops the file system
 * while it looks. A futex word in the superblock: 0 free, 1 held, 2 held and somebody waits.
 */
import { native } from "../../ffi/native.ts";
import type { Region } from "../region/region.ts";
import { SUPER_LOCK, SUPER_LOCK_PID } from "../region/layout.gen.ts";

const SPINS = 200;
const WAIT_MS = 100;

export class CoreLock {
  #words: Int32Array;
  #address: bigint;

  constructor(region: Region) {
    this.#words = new Int32Array(region.superblock.buffer, 0, 256);
    this.#address = region.address + BigInt(SUPER_LOCK * 4);
  }

  acquire(): void {
    if (Atomics.compareExchange(this.#words, SUPER_LOCK, 0, 1) !== 0) this.#contend();
    this.#words[SUPER_LOCK_PID] = Deno.pid;
  }

  #contend(): void {
    for (let i = 0; i < SPINS; i++) {
      if (Atomics.compareExchange(this.#words, SUPER_LOCK, 0, 1) === 0) return;
    }
    while (Atomics.exchange(this.#words, SUPER_LOCK, 2) !== 0) {
      native().bt_futex_wait(this.#address, 2, WAIT_MS);
      this.#stealFromTheDead();
    }
  }

  /** A checker killed while it held the lock has changed nothing: the lock is simply free. */
  #stealFromTheDead(): void {
    const pid = this.#words[SUPER_LOCK_PID];
    if (pid === 0 || pid === Deno.pid || native().bt_process_exists(pid) === 1) return;
    Atomics.compareExchange(this.#words, SUPER_LOCK_PID, pid, 0) === pid &&
      Atomics.store(this.#words, SUPER_LOCK, 0);
  }

  release(): void {
    this.#words[SUPER_LOCK_PID] = 0;
    if (Atomics.exchange(this.#words, SUPER_LOCK, 0) === 2) {
      native().bt_futex_wake(this.#address, 1);
    }
  }
}
