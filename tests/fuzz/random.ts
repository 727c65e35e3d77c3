/**
 * Reproducible random numbers.
 * @module
 */

/** A generator with 128 bits of state (source: PractRand's sfc32). */
export class Random {
  #a: number;
  #b = 0x9e3779b9;
  #c = 0x243f6a88;
  #counter = 1;

  constructor(seed: number) {
    this.#a = seed | 0;
    for (let n = 0; n < 12; n++) this.next();
  }

  /** 32 bits, unsigned. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum | 0;
    return sum >>> 0;
  }

  /** 0 … limit - 1. */
  int(limit: number): number {
    return Math.floor(this.next() / 2 ** 32 * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability * 2 ** 32;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.int(values.length)] as T;
  }

  /** A number from 0 to limit, small ones as likely as large ones. */
  skewed(limit: number): number {
    return Math.floor(limit ** (this.next() / 2 ** 32)) - (this.chance(0.1) ? 1 : 0);
  }
}
