/**
 * Comparing time stamps of two file systems on which the same things happened at different moments.
 *
 * A time is either one that `utimensat` set, which must be equal on both sides, or a moment of this run, which
 * must have changed on both sides or on neither since both were last looked at.
 * @module
 */

export const TIME_NAMES = ["atime", "mtime", "ctime"] as const;
/** Nanoseconds: access, modification, change. */
export type Times = readonly [bigint, bigint, bigint];

/** What is known of one file's times. */
export interface TimeState {
  oracle: Times;
  target: Times;
  /** The access times have gone apart for an allowed reason; they count again when they meet. */
  accessApart: boolean;
  /** Written through a mapping since the last look: tmpfs leaves its times alone then, others need not. */
  mapped: boolean;
}

export interface TimeRules {
  /** Reads served from the kernel's page cache are unknown to the target: its access times may lag behind. */
  accessMayLag: boolean;
  /**
   * Two changes of a file may get one time on the oracle, whose clock is coarse (Linux before 6.13). Directories of
   * a tmpfs are always so: unlink and link stamp them with the coarse time of the file.
   */
  oracleIsCoarse: boolean;
  /** The same of the target, directories included. */
  targetIsCoarse: boolean;
}

const HOUR_NS = 3_600_000_000_000n;
const TICK_NS = 20_000_000n;

export class TimeComparer {
  readonly #from = BigInt(Date.now()) * 1_000_000n - HOUR_NS;
  readonly #to = this.#from + 48n * HOUR_NS;

  constructor(readonly rules: TimeRules) {}

  /** What is wrong, or undefined. Updates the state. */
  compare(
    state: TimeState,
    oracle: Times,
    target: Times,
    isDirectory: boolean,
  ): string | undefined {
    const problem = this.#access(state, oracle, target) ??
      this.#change(state, oracle, target, 1, isDirectory) ??
      this.#change(state, oracle, target, 2, isDirectory);
    state.oracle = oracle;
    state.target = target;
    state.mapped = false;
    return problem;
  }

  /** What is wrong with the times of a file seen for the first time. */
  first(oracle: Times, target: Times): string | undefined {
    for (const [index, name] of TIME_NAMES.entries()) {
      const [o, t] = [oracle[index] ?? 0n, target[index] ?? 0n];
      if (o !== t && !this.#bothPresent(o, t) && !(index === 0 && this.rules.accessMayLag)) {
        return describe(name, o, t);
      }
    }
  }

  #access(state: TimeState, oracle: Times, target: Times): string | undefined {
    const [o, t] = [oracle[0], target[0]];
    const [oracleChanged, targetChanged] = [o !== state.oracle[0], t !== state.target[0]];
    if (o === t || (oracleChanged && targetChanged && this.#bothPresent(o, t))) {
      state.accessApart = false;
      return;
    }
    if (state.accessApart) return;
    if (this.#bothPresent(o, t)) {
      if (oracleChanged === targetChanged) return;
      // relatime compares with times of the same clock tick: either way is right then.
      const allowed = this.rules.accessMayLag || near(state.oracle) || near(oracle);
      if (!allowed) return describe("atime", o, t, oracleChanged, targetChanged);
    } else if (!(this.rules.accessMayLag && !this.#isPresent(t)) && !state.mapped) {
      return describe("atime", o, t, oracleChanged, targetChanged);
    }
    state.accessApart = true;
  }

  #change(
    state: TimeState,
    oracle: Times,
    target: Times,
    index: 1 | 2,
    isDirectory: boolean,
  ): string | undefined {
    const [o, t] = [oracle[index], target[index]];
    if (o === t || state.mapped) return;
    const [oracleChanged, targetChanged] = [o !== state.oracle[index], t !== state.target[index]];
    if (this.#bothPresent(o, t)) {
      if (oracleChanged === targetChanged) return;
      if (!oracleChanged && (this.rules.oracleIsCoarse || isDirectory)) return;
      if (!targetChanged && this.rules.targetIsCoarse) return;
    }
    return describe(TIME_NAMES[index], o, t, oracleChanged, targetChanged);
  }

  #bothPresent(o: bigint, t: bigint): boolean {
    return this.#isPresent(o) && this.#isPresent(t);
  }

  #isPresent(time: bigint): boolean {
    return time > this.#from && time < this.#to;
  }
}

/** Whether the access time is of the same clock tick as a change, or one before. */
function near([atime, mtime, ctime]: Times): boolean {
  const change = mtime > ctime ? mtime : ctime;
  return atime < change + TICK_NS;
}

function describe(
  name: string,
  oracle: bigint,
  target: bigint,
  oracleChanged?: boolean,
  targetChanged?: boolean,
): string {
  const side = (time: bigint, changed?: boolean) =>
    changed === undefined ? `${time}` : `${time} (${changed ? "changed" : "unchanged"})`;
  return `${name}: ${side(oracle, oracleChanged)} against ${side(target, targetChanged)}`;
}
