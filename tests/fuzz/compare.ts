/**
 * Decides whether two answers to one operation agree, and says how they do not.
 * @module
 */
import { decodeEntries, decodeStrings, type Entry, errnoName, S, SEEK } from "../support/agent.ts";
import type { Answer } from "../support/agent_process.ts";
import { blocksMayDiffer, timesMayDiffer } from "./allowed.ts";
import { SLOT_FIRST, SOURCE_SLOT } from "./layout.ts";
import type { Kind } from "./model.ts";
import type { Op } from "./operation.ts";
import { StreamWatch } from "./streams.ts";
import { decodeSurvey, type SurveyEntry } from "./survey.ts";
import { TimeComparer, type TimeRules, type Times, type TimeState } from "./times.ts";

const FIELDS = ["mode", "nlink", "uid", "gid", "rdev", "size", "blocks", "blksize"];
const STAT = { mask: -1, ino: 9, atime: 10, mtime: 12, ctime: 14 };
const STATX = { mask: 8, ino: 12, atime: 13, mtime: 15, ctime: 17 };

export interface Rules extends TimeRules {
  /** The target's directory streams show what stays exactly once, whatever else changes. */
  streamsAreExact: boolean;
}

/**
 * Operations that read, with the argument that says from where. A read that gives nothing does not reach the
 * target, and a copy reaches it without the flags of the descriptor, among them O_NOATIME: whether they count as an
 * access is left open.
 */
const READERS: Record<string, number> = {
  read: 0,
  pread: 0,
  readv: 0,
  preadv2: 0,
  copyFileRange: 0,
  sendfile: 1,
};

interface InodeState extends TimeState {
  /** The target's number for what the oracle knows by its own. */
  target_ino: number;
  /** By copy_file_range. */
  copiedInto: boolean;
  /** By fallocate. */
  reserved: boolean;
}

interface SlotState {
  ino: number;
  isDirectory: boolean;
}

interface Sides<T> {
  oracle: T;
  target: T;
}

/** Compares the answers of one run, in order. */
export class Comparer {
  readonly #times: TimeComparer;
  readonly #inodes = new Map<number, InodeState>();
  readonly #slots = new Map<string, SlotState>();
  readonly #streams = new Map<string, Sides<StreamWatch>>();
  #listing: { path: string; oracle: string[]; target: string[] } | undefined;
  /** What the oracle's last survey found. */
  survey: SurveyEntry[] = [];

  constructor(readonly rules: Rules) {
    this.#times = new TimeComparer(rules);
  }

  /** What does not agree, or undefined. */
  check(op: Op, oracle: Answer, target: Answer): string | undefined {
    this.#note(op);
    if (op.compare === "stream") return this.#stream(op, oracle, target);
    if (op.compare === "offset" && this.#isOwnMatter(op)) return;
    if (oracle.errno !== target.errno) return `${outcome(oracle)} against ${outcome(target)}`;
    this.#remember(op, oracle, target);
    if (oracle.errno !== 0) return;
    switch (op.compare) {
      case "errno":
        return;
      case "stat":
      case "statx":
        return this.#stat(op, oracle, target);
      case "names":
        return lists(decodeStrings(oracle.payload), decodeStrings(target.payload), oracle, target);
      case "entries":
        return lists(described(oracle.payload), described(target.payload), oracle, target);
      case "survey":
        return this.#survey(oracle, target);
      default:
        return exact(op, oracle, target);
    }
  }

  /**
   * Offsets of a directory mean nothing elsewhere. Nor do holes in a copy, or in space that was only reserved: tmpfs
   * calls such space a hole at first, and data when it is reserved again.
   */
  #isOwnMatter(op: Op): boolean {
    const slot = this.#slots.get(slotKey(op, 0));
    const seeksHoles = Number(op.args[2]) === SEEK.DATA || Number(op.args[2]) === SEEK.HOLE;
    const inode = this.#inodeBehind(op, 0);
    return slot?.isDirectory === true ||
      (seeksHoles && (inode?.copiedInto === true || inode?.reserved === true));
  }

  #inodeBehind(op: Op, index: number): InodeState | undefined {
    return this.#inodes.get(this.#slots.get(slotKey(op, index))?.ino ?? -1);
  }

  /** Slots of a process that are open, with what is behind them. */
  openSlots(door: number): Map<number, Kind> {
    const found = new Map<number, Kind>();
    for (const [key, { isDirectory }] of this.#slots) {
      const [at, slot] = key.split(":").map(Number);
      if (at === door && slot !== undefined && slot >= SLOT_FIRST && slot !== SOURCE_SLOT) {
        found.set(slot, isDirectory ? "directory" : "file");
      }
    }
    return found;
  }

  /** Names that an operation may take away from a stream. */
  #note(op: Op): void {
    const paths = op.name === "unlinkat"
      ? [op.args[1]]
      : op.name === "remove"
      ? [op.args[0]]
      : op.name === "renameat2"
      ? [op.args[1], op.args[3]]
      : [];
    if (paths.length > 0) this.#listing = undefined;
    for (const path of paths) {
      const name = String(path).replace(/(\/\.?)+$/, "").split("/").at(-1) ?? "";
      for (const watches of this.#streams.values()) {
        watches.oracle.touch(name);
        watches.target.touch(name);
      }
    }
  }

  /** What later comparisons need to know of this answer. */
  #remember(op: Op, oracle: Answer, target: Answer): void {
    const failed = oracle.errno !== 0;
    if (op.name === "openat") this.#slots.delete(slotKey(op, 4));
    if (op.name === "close") this.#slots.delete(slotKey(op, 0));
    if (op.name === "dup") {
      const known = this.#slots.get(slotKey(op, 0));
      if (known && !failed) this.#slots.set(slotKey(op, 1), known);
      else this.#slots.delete(slotKey(op, 1));
    }
    if (op.name === "mapOnce" && !failed) {
      const inode = this.#inodeBehind(op, 0);
      if (inode) inode.mapped = true;
    }
    const reader = READERS[op.name];
    if (reader !== undefined && (oracle.result === 0 || op.name === "copyFileRange")) {
      const inode = this.#inodeBehind(op, reader);
      if (inode) inode.accessApart = true;
    }
    if (op.name === "fallocate" && !failed) {
      const inode = this.#inodeBehind(op, 0);
      if (inode) inode.reserved = true;
    }
    if (op.name === "copyFileRange" && !failed) {
      const inode = this.#inodeBehind(op, 2);
      if (inode) inode.copiedInto = true;
    }
    if (op.name === "list") {
      const names = (answer: Answer) =>
        failed ? [] : decodeEntries(answer.payload).map((entry) => entry.name);
      this.#listing = failed
        ? undefined
        : { path: String(op.args[0]), oracle: names(oracle), target: names(target) };
    }
  }

  #stat(op: Op, oracle: Answer, target: Answer): string | undefined {
    const at = op.compare === "statx" ? STATX : STAT;
    const [o, t] = [fields(oracle.payload, 0), fields(target.payload, 0)];
    if (op.name === "fstat") {
      this.#slots.set(slotKey(op, 0), { ino: o.number(at.ino), isDirectory: isDirectory(o) });
    }
    if (at.mask >= 0 && ((o.number(at.mask) ^ t.number(at.mask)) & 0x7ff) !== 0) {
      return "statx fills other fields";
    }
    return this.#attributes(o, t, at);
  }

  #attributes(o: Fields, t: Fields, at: typeof STAT): string | undefined {
    const state = this.#inodes.get(o.number(at.ino));
    const context = { mode: o.number(0), copiedInto: state?.copiedInto === true };
    for (const [index, name] of FIELDS.entries()) {
      const [a, b] = [o.number(index), t.number(index)];
      if (
        a === b ||
        (name === "blocks" && blocksMayDiffer(context, a, b))
      ) continue;
      return name === "mode"
        ? `mode: 0${a.toString(8)} against 0${b.toString(8)}`
        : `${name}: ${a} against ${b}`;
    }
    const [oracle, target] = [o.times(at), t.times(at)];
    const [ino, target_ino] = [o.number(at.ino), t.number(at.ino)];
    if (!state) {
      this.#inodes.set(ino, {
        target_ino,
        oracle,
        target,
        accessApart: oracle[0] !== target[0],
        mapped: false,
        copiedInto: false,
        reserved: false,
      });
      return this.#times.first(oracle, target);
    }
    if (state.target_ino !== target_ino) {
      return `inode number: the same file as before (${ino}) against another one (${state.target_ino}, now ${target_ino})`;
    }
    if (timesMayDiffer(context.mode)) state.mapped = true;
    // Buffers of a stream hold more entries on one side, so other reads of it reach the directory.
    if (isDirectory(o) && this.#streams.size > 0) state.accessApart = true;
    return this.#times.compare(state, oracle, target, isDirectory(o));
  }

  #survey(oracle: Answer, target: Answer): string | undefined {
    const [a, b] = [decodeSurvey(oracle.payload), decodeSurvey(target.payload)];
    this.survey = a;
    const problem = lists(
      a.map((entry) => entry.path),
      b.map((entry) => entry.path),
      oracle,
      target,
    );
    if (problem) return problem;
    const oracleOf = new Map<number, number>();
    for (const [index, entry] of a.entries()) {
      const other = b[index] ?? entry;
      const [o, t] = [
        fields(oracle.payload, entry.statOffset),
        fields(target.payload, other.statOffset),
      ];
      const wrong = this.#attributes(o, t, STAT) ??
        (entry.content !== other.content ? "the content differs" : undefined) ??
        (entry.xattrs !== other.xattrs ? "the extended attributes differ" : undefined) ??
        (entry.errno !== other.errno
          ? `reading it: ${errnoName(entry.errno)} against ${errnoName(other.errno)}`
          : undefined);
      if (wrong) return `${JSON.stringify(entry.path)}: ${wrong}`;
      const [ino, target_ino] = [o.number(STAT.ino), t.number(STAT.ino)];
      if ((oracleOf.get(target_ino) ?? ino) !== ino) {
        return `${JSON.stringify(entry.path)}: its inode number is another file's too`;
      }
      oracleOf.set(target_ino, ino);
    }
  }

  #stream(op: Op, oracle: Answer, target: Answer): string | undefined {
    const key = slotKey(op, op.name === "opendir" ? 1 : 0);
    const watches = this.#streams.get(key);
    if (watches?.oracle.valid === false && op.name === "readdir") return;
    if (oracle.errno !== target.errno) return `${outcome(oracle)} against ${outcome(target)}`;
    if (op.name === "opendir") {
      this.#streams.delete(key);
      if (oracle.errno !== 0) return;
      const listed = this.#listing?.path === op.args[0] ? this.#listing : undefined;
      this.#streams.set(key, {
        oracle: new StreamWatch(listed?.oracle),
        target: new StreamWatch(listed?.target),
      });
    }
    if (!watches || oracle.errno !== 0) return;
    if (op.name === "readdir") {
      for (const [side, answer] of [["oracle", oracle], ["target", target]] as const) {
        const problem = watches[side].read(
          decodeEntries(answer.payload),
          answer.result < Number(op.args[1]),
        );
        // The oracle's streams are not in question (and a tmpfs has been seen to lose entries).
        if (problem && side === "target" && this.rules.streamsAreExact) return problem;
      }
    }
    for (const side of ["oracle", "target"] as const) {
      if (op.name === "telldir") watches[side].tell(Number(op.args[1]));
      if (op.name === "seekdir") watches[side].seek(Number(op.args[1]));
      if (op.name === "rewinddir") watches[side] = watches[side].rewound();
    }
    if (op.name === "closedir") this.#streams.delete(key);
  }
}

class Fields {
  constructor(readonly view: DataView, readonly offset: number) {}
  number(index: number): number {
    const at = this.offset + index * 8;
    return this.view.getUint32(at, true) + this.view.getInt32(at + 4, true) * 2 ** 32;
  }
  times(at: typeof STAT): Times {
    const time = (index: number) =>
      this.view.getBigInt64(this.offset + index * 8, true) * 1_000_000_000n +
      this.view.getBigInt64(this.offset + index * 8 + 8, true);
    return [time(at.atime), time(at.mtime), time(at.ctime)];
  }
}

function fields(payload: Uint8Array, offset: number): Fields {
  return new Fields(new DataView(payload.buffer, payload.byteOffset, payload.byteLength), offset);
}

function isDirectory(stat: Fields): boolean {
  return (stat.number(0) & S.IFMT) === S.IFDIR;
}

function slotKey(op: Op, index: number): string {
  return `${op.door}:${op.args[index]}`;
}

function outcome(answer: Answer): string {
  return errnoName(answer.errno) || `success (${answer.result})`;
}

function exact(op: Op, oracle: Answer, target: Answer): string | undefined {
  if (oracle.result !== target.result) return `result ${oracle.result} against ${target.result}`;
  const [a, b] = [oracle.payload, target.payload];
  if (a.length !== b.length || a.some((byte, index) => byte !== b[index])) {
    if (op.name === "list") return lists(described(a), described(b), oracle, target);
    return `data: ${show(a)} against ${show(b)}`;
  }
}

function described(payload: Uint8Array): string[] {
  return decodeEntries(payload).map((entry: Entry) =>
    `${entry.name} of type ${entry.type}${
      entry.inodeAgrees === false ? " with another inode number than stat's" : ""
    }`
  );
}

/** The first of what only one side has. */
function lists(a: string[], b: string[], oracle: Answer, target: Answer): string | undefined {
  const [inA, inB] = [new Set(a), new Set(b)];
  const missing = a.find((value) => !inB.has(value));
  if (missing !== undefined) return `only the oracle has ${JSON.stringify(missing)}`;
  const extra = b.find((value) => !inA.has(value));
  if (extra !== undefined) return `only the target has ${JSON.stringify(extra)}`;
  if (a.length !== b.length || oracle.result !== target.result) {
    return `${a.length} names, result ${oracle.result} against ${b.length} names, result ${target.result}`;
  }
}

function show(bytes: Uint8Array): string {
  const hex = [...bytes.subarray(0, 24)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return bytes.length > 24 ? `${hex}… (${bytes.length} bytes)` : hex || "nothing";
}
