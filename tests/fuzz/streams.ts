/**
 * What a directory stream must show while its directory changes: every name that was there when it was opened and
 * that nobody touched, exactly once between the start and the end.
 * @module
 */
import type { Entry } from "../support/agent.ts";

export class StreamWatch {
  readonly #touched = new Set<string>();
  #seen = new Map<string, number>();
  readonly #marks = new Map<number, Map<string, number>>();
  /** False after a seek to a place this stream never told: anything may follow. */
  valid = true;

  /** `initial`: the names at the moment of opening; undefined when they could not be listed. */
  constructor(readonly initial: readonly string[] | undefined) {
    // A removed directory loses its dots.
    for (const dot of [".", ".."]) this.touch(dot);
  }

  touch(name: string): void {
    this.#touched.add(name);
  }

  /** Names that were read; `atEnd` when there are no more. Gives what is wrong. */
  read(entries: readonly Entry[], atEnd: boolean): string | undefined {
    if (!this.valid) return;
    for (const { name } of entries) {
      const times = (this.#seen.get(name) ?? 0) + 1;
      this.#seen.set(name, times);
      if (times > 1 && !this.#touched.has(name)) return `the stream shows "${name}" ${times} times`;
    }
    if (!atEnd) return;
    const missed = this.initial?.find((name) => !this.#touched.has(name) && !this.#seen.has(name));
    if (missed !== undefined) return `the stream never shows "${missed}"`;
  }

  tell(mark: number): void {
    if (this.valid) this.#marks.set(mark, new Map(this.#seen));
    else this.#marks.delete(mark);
  }

  seek(mark: number): void {
    const seen = this.#marks.get(mark);
    this.valid = seen !== undefined;
    if (seen) this.#seen = new Map(seen);
  }

  /** A rewound stream shows the directory as it is then, which nobody has listed. */
  rewound(): StreamWatch {
    return new StreamWatch(undefined);
  }
}
