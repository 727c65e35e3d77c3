/**
 * The kernel asks for a file to be made when it knows of none by that name. If the preloaded library has made one meanwhile, open(2) with
 * O_CREAT is to open it, and only with O_EXCL to fail; the request does not tell the two apart. ESTALE makes the kernel look the name up
 * once more and decide for itself (do_filp_open and do_mknodat, the second time with LOOKUP_REVAL). A second ESTALE it would hand on.
 * @module
 */
import { EEXIST, ESTALE } from "../core/errno.ts";

/** Threads that never came back, because they were killed, are forgotten by then. */
const THREADS_MAX = 64;

export class Raced {
  /** By thread: the directory and the name it was told to look up again. */
  readonly #told = new Map<number, string>();

  /** The answer to a thread that wants to make what is there: ESTALE, and EEXIST if it comes back. */
  exists(thread: number, directory: number, name: Uint8Array): number {
    const key = keyOf(directory, name);
    if (this.#told.get(thread) === key) {
      this.#told.delete(thread);
      return -EEXIST;
    }
    if (this.#told.size >= THREADS_MAX) this.#told.clear();
    this.#told.set(thread, key);
    return -ESTALE;
  }

  /** A thread was told what has the name, or has made it: it does not come back. */
  found(thread: number): void {
    if (this.#told.size > 0) this.#told.delete(thread);
  }
}

function keyOf(directory: number, name: Uint8Array): string {
  return `${directory}/${new TextDecoder("latin1").decode(name)}`;
}
