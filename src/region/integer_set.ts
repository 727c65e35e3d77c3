/**
 * A set of integers 0 … count-1 as a tree of bit words: level 0 has a bit a member, every further
 * level a bit for each word below that is not empty. Finding the smallest member reads one word a
 * level (four for a million). Lives in the region and follows from the records it describes.
 *
 * INVARIANT: a bit of level n+1 is set exactly when the word of level n it stands for has members.
 *
 * `flip` stores every bit inverted: memory of zeros is then the full set, so that a fresh, sparse
 * region has all its records free without a byte written.
 *
 * A wrong word costs no more steps than a right one: a bit that promises members where there are none is taken back when
 * it is met, and members behind the last integer are not seen.
 */
export class IntegerSet {
  #levels: Uint32Array[] = [];
  #flip: number;

  constructor(words: Uint32Array, readonly count: number, o: { fullWhenZero: boolean }) {
    this.#flip = o.fullWhenZero ? -1 : 0;
    let start = 0;
    for (let n = Math.ceil(count / 32);; n = Math.ceil(n / 32)) {
      this.#levels.push(words.subarray(start, start + n));
      start += n;
      if (n <= 1) break;
    }
  }

  /** Words that a set of `count` integers takes. */
  static wordCount(count: number): number {
    let words = 0;
    for (let n = Math.ceil(count / 32);; n = Math.ceil(n / 32)) {
      words += n;
      if (n <= 1) return words;
    }
  }

  /** Makes the bits behind the last integer, which zeroed memory would show as members, absent. */
  format(): void {
    if (this.#flip === 0) return;
    let count = this.count;
    for (const level of this.#levels) {
      if (count % 32 !== 0) level[level.length - 1] = (-1 << (count % 32)) >>> 0;
      count = level.length;
    }
  }

  /** Where the words for the integers below `count`, and each level's last one, lie in the buffer. */
  *spans(count: number): Generator<{ offsetBytes: number; lengthBytes: number }> {
    let words = count;
    for (const level of this.#levels) {
      words = Math.ceil(words / 32);
      yield { offsetBytes: level.byteOffset, lengthBytes: words * 4 };
      yield { offsetBytes: level.byteOffset + level.byteLength - 4, lengthBytes: 4 };
    }
  }

  has(i: number): boolean {
    return i < this.count && (((this.#levels[0][i >>> 5] ^ this.#flip) >>> (i & 31)) & 1) === 1;
  }

  insert(i: number): void {
    for (const level of this.#levels) {
      const word = level[i >>> 5] ^ this.#flip;
      level[i >>> 5] = (word | (1 << (i & 31))) ^ this.#flip;
      if (word !== 0) return;
      i >>>= 5;
    }
  }

  delete(i: number): void {
    for (const level of this.#levels) {
      const word = (level[i >>> 5] ^ this.#flip) & ~(1 << (i & 31));
      level[i >>> 5] = word ^ this.#flip;
      if (word !== 0) return;
      i >>>= 5;
    }
  }

  insertRange(start: number, length: number): void {
    for (const end = start + length; start < end;) {
      if ((start & 31) === 0 && end - start >= 32) {
        const index = start >>> 5;
        if ((this.#levels[0][index] ^ this.#flip) === 0) this.insert(start);
        this.#levels[0][index] = ~this.#flip;
        start += 32;
      } else this.insert(start++);
    }
  }

  deleteRange(start: number, length: number): void {
    for (const end = start + length; start < end;) {
      if ((start & 31) === 0 && end - start >= 32) {
        // One member left, removed the careful way, keeps the levels above right.
        this.#levels[0][start >>> 5] = 1 ^ this.#flip;
        this.delete(start);
        start += 32;
      } else this.delete(start++);
    }
  }

  /** The smallest member that is at least `from`, or -1. */
  first(from: number): number {
    for (;;) {
      const found = this.#search(from);
      // Each time round there is one wrong bit less.
      if (found !== WRONG_BIT) return found < this.count ? found : -1;
    }
  }

  #search(from: number): number {
    const levels = this.#levels;
    let index = from;
    for (let n = 0; n < levels.length; n++) {
      const at = index >>> 5;
      if (at >= levels[n].length) return -1;
      const word = (levels[n][at] ^ this.#flip) & (-1 << (index & 31));
      if (word !== 0) return this.#descend(n, (at << 5) + lowestBit(word));
      index = at + 1;
    }
    return -1;
  }

  /** The lowest member below a bit of level `n`; WRONG_BIT when the bit, or one below, was wrong, which then is right. */
  #descend(n: number, index: number): number {
    while (--n >= 0) {
      const level = this.#levels[n];
      // A set bit behind the last word stands for nothing at all.
      const word = index < level.length ? level[index] ^ this.#flip : 0;
      if (word === 0) {
        const above = this.#levels[n + 1];
        const left = (above[index >>> 5] ^ this.#flip) & ~(1 << (index & 31));
        above[index >>> 5] = left ^ this.#flip;
        return WRONG_BIT;
      }
      index = (index << 5) + lowestBit(word);
    }
    return index;
  }

  /** Whether there is a member among `length` integers from `start` on; looks at their words only. */
  hasAny(start: number, length: number): boolean {
    const words = this.#levels[0];
    for (let at = start, end = start + length; at < end;) {
      const next = Math.min(end, (at | 31) + 1);
      const mask = next - at === 32 ? -1 : ((1 << (next - at)) - 1) << (at & 31);
      if (((words[at >>> 5] ^ this.#flip) & mask) !== 0) return true;
      at = next;
    }
    return false;
  }

  /** How many members follow one another from `i` on, at most `max`. */
  run(i: number, max: number): number {
    const words = this.#levels[0];
    let length = 0;
    while (length < max) {
      const at = i + length;
      if (at >= this.count) break;
      const absent = ~(words[at >>> 5] ^ this.#flip) >>> (at & 31);
      // Zeros were shifted in from the left: a word of members only ends at its own end.
      const members = absent === 0 ? 32 - (at & 31) : lowestBit(absent);
      length += members;
      if (members < 32 - (at & 31)) break;
    }
    return Math.min(length, max);
  }

  /** Every violation of the invariant, as text, looking only at words for integers below `end`. */
  check(name: string, end = this.count): string[] {
    const problems: string[] = [];
    let words = end;
    for (let n = 1; n < this.#levels.length; n++) {
      const below = this.#levels[n - 1];
      words = Math.ceil(words / 32);
      for (let i = 0; i < words; i++) {
        const shown = ((this.#levels[n][i >>> 5] ^ this.#flip) >>> (i & 31)) & 1;
        if ((shown === 1) !== ((below[i] ^ this.#flip) !== 0)) {
          problems.push(`${name}: level ${n} bit ${i} is ${shown}, the word below says otherwise`);
        }
      }
    }
    return problems;
  }
}

const WRONG_BIT = -2;

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
