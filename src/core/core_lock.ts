/**
 * The core lock: one thread of the daemon at a time works on the metadata. A futex word in the superblock: 0 free, 1
 * held, 2 held and somebody waits. Held for one operation (microseconds). The only system calls under it take
 * memory for records or give it back, which is bounded and what a page fault would do as well.
 *
 * Other processes never take it. `btfuse check` wants the file system to stand still, and may be killed or stopped
 * at any moment: it locks the shared-memory object with flock(2), which ends with it whatever happens, and puts a
 * token into the superblock's pause word. Whoever acquires the core lock looks at that word and waits, as long as the checker gets
 * on: it changes the token every few milliseconds. A token that stays the same for a second is taken away, and the
 * checker, which notices when it is to change it, begins anew.
 */
import { native } from "../../ffi/native.ts";
import { RegionError } from "../region/object.ts";
import { type Region } from "../region/region.ts";
import { SUPER_LOCK, SUPER_PAUSE } from "../region/layout.gen.ts";

const SPINS = 200;
const WAIT_MS = 20;
/**
 * Some 20 seconds of waiting, counted in waits: while the daemon itself is stopped, none of them ends. No operation takes that long,
 * so the word was changed by somebody else's stray store, and nobody would ever give it back.
 */
const WAITS_MAX = 1000;
/** A checker that does not get on for so long (it was stopped, perhaps) is no longer waited for. */
const PAUSE_MS_MAX = 1000;
/** The longest operation there is takes less. */
const STANDSTILL_MS_MAX = 5_000;
/** How often a checker changes its token. */
const PROGRESS_MS = 20;
/** How often it begins anew. */
const LOOKS_MAX = 5;

/** The checker's token was taken away: the file system may have changed while it looked. */
class Overtaken extends Error {
  override name = "Overtaken";
}

/** Unsigned, as the native functions want their numbers: anything may stand in the pause word. */
function lockWords(region: Region): Uint32Array {
  return region.superblock;
}

function wordAddress(region: Region, word: number): bigint {
  return region.address + BigInt(word * 4);
}

export class CoreLock {
  #words: Uint32Array;

  constructor(private readonly region: Region) {
    this.#words = lockWords(region);
  }

  acquire(): void {
    for (;;) {
      if (Atomics.compareExchange(this.#words, SUPER_LOCK, 0, 1) !== 0) this.#contend();
      if (Atomics.load(this.#words, SUPER_PAUSE) === 0) return;
      this.release();
      this.#waitForChecker();
    }
  }

  /** False while somebody else holds it or the file system stands still. */
  tryAcquire(): boolean {
    if (Atomics.load(this.#words, SUPER_PAUSE) !== 0) return false;
    if (Atomics.compareExchange(this.#words, SUPER_LOCK, 0, 1) !== 0) return false;
    if (Atomics.load(this.#words, SUPER_PAUSE) === 0) return true;
    this.release();
    return false;
  }

  release(): void {
    if (Atomics.exchange(this.#words, SUPER_LOCK, 0) === 2) {
      native().bt_futex_wake(wordAddress(this.region, SUPER_LOCK), 1);
    }
  }

  #contend(): void {
    for (let i = 0; i < SPINS; i++) {
      if (Atomics.compareExchange(this.#words, SUPER_LOCK, 0, 1) === 0) return;
    }
    for (let waits = 0; Atomics.exchange(this.#words, SUPER_LOCK, 2) !== 0; waits++) {
      if (waits === WAITS_MAX) return;
      native().bt_futex_wait(wordAddress(this.region, SUPER_LOCK), 2, WAIT_MS);
    }
  }

  #waitForChecker(): void {
    const { fd } = this.region;
    let token = Atomics.load(this.#words, SUPER_PAUSE);
    let end = performance.now() + PAUSE_MS_MAX;
    while (token !== 0) {
      const now = Atomics.load(this.#words, SUPER_PAUSE);
      if (now !== token) {
        token = now;
        end = performance.now() + PAUSE_MS_MAX;
        continue;
      }
      native().bt_futex_wait(wordAddress(this.region, SUPER_PAUSE), token, WAIT_MS);
      const died = native().bt_region_lock(fd) === 0;
      if (died || performance.now() > end) {
        Atomics.compareExchange(this.#words, SUPER_PAUSE, token, 0);
      }
      if (died) native().bt_region_unlock(fd);
    }
  }
}

/**
 * Runs `look` while no thread of the daemon works on the region, for a process of its own; again when it was overtaken by those
 * who waited for it.
 * @param look calls what it is given at least every few milliseconds
 * @throws {RegionError} another checker is at work, or the daemon did not wait
 */
export function whileStill<T>(region: Region, look: (showProgress: () => void) => T): T {
  if (region.fd < 0) return look(() => {});
  if (native().bt_region_lock(region.fd) !== 0) {
    throw new RegionError(
      "another btfuse check is looking at it: try again when that is done",
    );
  }
  try {
    for (let i = 0; i < LOOKS_MAX; i++) {
      try {
        return lookOnce(region, look);
      } catch (error) {
        if (!(error instanceof Overtaken)) throw error;
      }
    }
    throw new RegionError("the check was stopped, or starved, and changes went on: try again");
  } finally {
    native().bt_region_unlock(region.fd);
  }
}

function lookOnce<T>(region: Region, look: (showProgress: () => void) => T): T {
  const words = region.superblock;
  let token = newToken();
  let shownAt = performance.now();
  /** In the token itself, so that taking it away and changing it exclude each other. */
  const showProgress = () => {
    if (performance.now() - shownAt < PROGRESS_MS) return;
    shownAt = performance.now();
    const next = newToken();
    if (Atomics.compareExchange(words, SUPER_PAUSE, token, next) !== token) throw new Overtaken();
    token = next;
  };
  try {
    Atomics.store(words, SUPER_PAUSE, token);
    const end = performance.now() + STANDSTILL_MS_MAX;
    while (Atomics.load(words, SUPER_LOCK) !== 0) {
      if (performance.now() > end) throw new RegionError("an operation on it does not end");
      native().bt_futex_wait(wordAddress(region, SUPER_PAUSE), token, 1);
      showProgress();
    }
    const result = look(showProgress);
    if (Atomics.load(words, SUPER_PAUSE) === token) return result;
    throw new Overtaken();
  } finally {
    Atomics.compareExchange(words, SUPER_PAUSE, token, 0);
    native().bt_futex_wake(wordAddress(region, SUPER_PAUSE), 1000);
  }
}

function newToken(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] | 1) >>> 0;
}
