/**
 * What the agent's operations give back, decoded, and how each is written down for comparison.
 * @module
 */
import { DT, errnoName, S } from "./posix.ts";

/** The outcome of one operation. */
export interface Outcome<T = number> {
  /** "" when it succeeded, else the name of the error: "ENOENT". */
  readonly error: string;
  /** What the operation gave; throws when it failed. */
  readonly value: T;
  /** The operation as text: `mkdir("d", 0755)`. */
  readonly call: string;
  /** The outcome as text, without what differs between file systems (device, inode number, times). */
  readonly text: string;
}

/** The value of an operation that must succeed. */
export function ok<T>(outcome: Outcome<T>): T {
  if (outcome.error !== "") throw new Error(`${outcome.call}: ${outcome.error}, should succeed`);
  return outcome.value;
}

/** Demands that an operation fails with one of the given errors. */
export function fails(errors: string | string[], outcome: Outcome<unknown>): void {
  const wanted = Array.isArray(errors) ? errors : [errors];
  if (!wanted.includes(outcome.error)) {
    throw new Error(
      `${outcome.call}: ${outcome.error || "succeeded"}, should fail: ${wanted.join(" or ")}`,
    );
  }
}

/** Demands equality, of texts, numbers or lists of them. */
export function same<T>(actual: T, expected: T, what: string): void {
  const [a, b] = [show(actual), show(expected)];
  if (a !== b) throw new Error(`${what}: ${a}, should be ${b}`);
}

/** A value as one line of text. */
export function show(value: unknown): string {
  if (typeof value === "bigint") return `${value}`;
  return JSON.stringify(value, (_, part) => typeof part === "bigint" ? `${part}` : part) ??
    String(value);
}

/** stat(2). Times in nanoseconds since 1970. */
export interface Stat {
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  size: number;
  blocks: number;
  blksize: number;
  dev: number;
  ino: number;
  atimeNs: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
}

/** statx(2); a mask bit says whether its field is filled. */
export interface Statx extends Stat {
  mask: number;
  attributes: number;
  attributesMask: number;
  btimeNs: bigint;
}

/** statfs(2). */
export interface Statfs {
  bsize: number;
  frsize: number;
  blocks: number;
  bfree: number;
  bavail: number;
  files: number;
  ffree: number;
  namelen: number;
  flags: number;
  type: number;
}

/** Bytes read; `bytes` holds the first of them, as many as were asked to be shown. */
export interface Read {
  length: number;
  checksum: bigint;
  bytes: Uint8Array;
  /** `bytes` as text. */
  text: string;
}

/** A directory entry; `inodeAgrees` is undefined where the numbers were not compared. */
export interface Entry {
  name: string;
  type: number;
  inodeAgrees: boolean | undefined;
}

/** fcntl(2) record lock. `held` says whether a process is named. */
export interface RecordLock {
  type: number;
  whence: number;
  start: number;
  length: number;
  held: boolean;
}

class Fields {
  readonly #view: DataView;
  constructor(payload: Uint8Array) {
    this.#view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  }
  number(index: number): number {
    return Number(this.#view.getBigInt64(index * 8, true));
  }
  timeNs(index: number): bigint {
    return this.#view.getBigInt64(index * 8, true) * 1_000_000_000n +
      this.#view.getBigInt64(index * 8 + 8, true);
  }
}

export function decodeStat(payload: Uint8Array): Stat {
  const f = new Fields(payload);
  return {
    ...decodeCommon(f),
    dev: f.number(8),
    ino: f.number(9),
    atimeNs: f.timeNs(10),
    mtimeNs: f.timeNs(12),
    ctimeNs: f.timeNs(14),
  };
}

function decodeCommon(f: Fields) {
  return {
    mode: f.number(0),
    nlink: f.number(1),
    uid: f.number(2),
    gid: f.number(3),
    rdev: f.number(4),
    size: f.number(5),
    blocks: f.number(6),
    blksize: f.number(7),
  };
}

export function decodeStatx(payload: Uint8Array): Statx {
  const f = new Fields(payload);
  return {
    ...decodeCommon(f),
    mask: f.number(8),
    attributes: f.number(9),
    attributesMask: f.number(10),
    dev: f.number(11),
    ino: f.number(12),
    atimeNs: f.timeNs(13),
    mtimeNs: f.timeNs(15),
    ctimeNs: f.timeNs(17),
    btimeNs: f.timeNs(19),
  };
}

export function decodeStatfs(payload: Uint8Array): Statfs {
  const f = new Fields(payload);
  const names = "bsize frsize blocks bfree bavail files ffree namelen flags type".split(" ");
  return Object.fromEntries(names.map((name, index) => [name, f.number(index)])) as
    & Statfs
    & Record<string, number>;
}

export function decodeRead(payload: Uint8Array, length: number): Read {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const bytes = payload.slice(8);
  return {
    length,
    checksum: view.getBigUint64(0, true),
    bytes,
    text: new TextDecoder().decode(bytes),
  };
}

export function decodeEntries(payload: Uint8Array): Entry[] {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const decoder = new TextDecoder();
  const entries: Entry[] = [];
  for (let offset = 0; offset < payload.length;) {
    const length = view.getUint16(offset + 2, true);
    const agrees = payload[offset + 1];
    entries.push({
      name: decoder.decode(payload.subarray(offset + 4, offset + 4 + length)),
      type: payload[offset] ?? 0,
      inodeAgrees: agrees === 2 ? undefined : agrees === 1,
    });
    offset += 4 + length;
  }
  return entries;
}

export function decodeLock(payload: Uint8Array): RecordLock {
  const f = new Fields(payload);
  return {
    type: f.number(0),
    whence: f.number(1),
    start: f.number(2),
    length: f.number(3),
    held: f.number(4) === 1,
  };
}

/** Strings that end in zero bytes. */
export function decodeStrings(payload: Uint8Array): string[] {
  return new TextDecoder().decode(payload).split("\0").slice(0, -1);
}

const TYPE_NAMES: Record<number, string> = {
  [S.IFSOCK]: "socket",
  [S.IFLNK]: "symlink",
  [S.IFREG]: "file",
  [S.IFBLK]: "block",
  [S.IFDIR]: "directory",
  [S.IFCHR]: "char",
  [S.IFIFO]: "fifo",
};

export function showStat(st: Stat): string {
  const type = TYPE_NAMES[st.mode & S.IFMT] ?? `type ${st.mode & S.IFMT}`;
  const rdev = st.rdev ? ` rdev ${st.rdev}` : "";
  return `${type} ${showMode(st.mode)} nlink ${st.nlink} owner ${st.uid}:${st.gid}${rdev} ` +
    `size ${st.size} blocks ${st.blocks} blksize ${st.blksize}`;
}

/** Permission bits, in octal. */
export function showMode(mode: number): string {
  return "0" + (mode & 0o7777).toString(8);
}

/** Fields that were not asked for may be filled all the same: their mask bits are left out. */
export function showStatx(stx: Statx, asked: number): string {
  const mask = (stx.mask & asked).toString(16);
  return `${showStat(stx)} mask ${mask} attributes ${stx.attributes.toString(16)}`;
}

export function showRead(read: Read): string {
  const shown = read.bytes.length >= read.length && read.length <= 64 ? show(read.text) : "";
  return `${read.length} bytes ${shown || read.checksum.toString(16)}`;
}

/** Entries in the order of their names: file systems list them in different orders. */
export function showEntries(entries: Entry[]): string {
  const names = Object.fromEntries(Object.entries(DT).map(([name, number]) => [number, name]));
  return entries.map((entry) => {
    const wrong = entry.inodeAgrees === false ? " with another inode number" : "";
    return `${entry.name}:${names[entry.type] ?? entry.type}${wrong}`;
  }).sort().join(" ");
}

/** An outcome made of a reply. */
export function outcome<T>(
  call: string,
  errno: number,
  decode: () => T,
  render: (value: T) => string,
): Outcome<T> {
  const error = errnoName(errno);
  if (error === "") {
    const value = decode();
    return { error, value, call, text: render(value) };
  }
  return {
    error,
    call,
    text: error,
    get value(): T {
      throw new Error(`${call}: ${error}`);
    },
  };
}
