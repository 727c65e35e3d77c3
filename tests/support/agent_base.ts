/**
 * What every call of an agent has in common: how it is issued, decoded and written down.
 * @module
 */
import { AgentProcess, type Answer, type Argument, type Handle } from "./agent_process.ts";
import {
  decodeRead,
  decodeStat,
  decodeStrings,
  type Outcome,
  outcome,
  type Read,
  show,
  showRead,
  showStat,
  type Stat,
  type Statfs,
} from "./agent_values.ts";
import { AT, UTIME_NOW } from "./posix.ts";

/** A path: text, or bytes that need not be text. */
export type Path = string | Uint8Array;

/** A time to set: nanoseconds since 1970, or UTIME_NOW or UTIME_OMIT as `{ special }`. */
export type Time = bigint | { special: number };
export const NOW: Time = { special: UTIME_NOW };

/** The directory a relative path starts from: an open one, or the current one. */
export const CWD: Handle = { slot: AT.FDCWD };
/** A descriptor that is never open. */
export const NO_FILE: Handle = { slot: -1 };

/** How many bytes of what is read come back as they are. */
const LITERAL_MAX = 4096;

/** One agent; `do` and its forms are what the calls are made of. */
export abstract class AgentBase implements AsyncDisposable {
  /** Called as each operation is issued; what it gives is called with the outcome. */
  observe: ((call: string) => (outcome: Outcome<unknown>) => void) | undefined;
  readonly process: AgentProcess;

  constructor(process: AgentProcess) {
    this.process = process;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
  }

  protected async do<T = number>(
    name: string,
    args: Argument[],
    call = `${name}(${args.map(showArgument).join(", ")})`,
    decode: (answer: Answer) => T = (answer) => answer.result as T,
    render: (value: T) => string = String,
  ): Promise<Outcome<T>> {
    const observed = this.observe?.(call);
    const answer = await this.process.call(name, args);
    const result = outcome(call, answer.errno, () => decode(answer), render);
    observed?.(result);
    return result;
  }

  protected doStat(name: string, args: Argument[]): Promise<Outcome<Stat>> {
    const call = `${name}(${at(args[0] as Handle)}${show(args[1])})`;
    return this.do("fstatat", args, call, (a) => decodeStat(a.payload), showStat);
  }

  protected doRead(name: string, args: Argument[]): Promise<Outcome<Read>> {
    const call = `${name}(${args.map(showArgument).join(", ")})`;
    return this.do(
      name,
      [...args, LITERAL_MAX],
      call,
      (a) => decodeRead(a.payload, a.result),
      showRead,
    );
  }

  /** The descriptor's number is written down: a program can see it, and counts on the lowest free one. */
  protected doOpen(
    name: string,
    args: Argument[],
    call = `${name}(${args.map(showArgument).join(", ")})`,
  ): Promise<Outcome<Handle>> {
    const slot = this.process.takeSlot();
    let number = -1;
    const decode = (answer: Answer): Handle => {
      number = answer.result;
      return { slot };
    };
    return this.do(name, [...args, slot], call, decode, () => `descriptor ${number}`);
  }
}

export const text = (answer: Answer) => new TextDecoder().decode(answer.payload);
export const bytes = (answer: Answer) => answer.payload.slice();
export const strings = (answer: Answer) => decodeStrings(answer.payload);
export const showSorted = (values: string[]) => show([...values].sort());
export const showStatfs = (sfs: Statfs) =>
  `bsize ${sfs.bsize} frsize ${sfs.frsize} namelen ${sfs.namelen}`;

export function timespec(time: Time): [number | bigint, number | bigint] {
  if (typeof time !== "bigint") return [0, time.special];
  const nanoseconds = ((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return [(time - nanoseconds) / 1_000_000_000n, nanoseconds];
}

export function at(dir: Handle): string {
  return dir.slot === AT.FDCWD ? "" : `${showArgument(dir)}, `;
}

export function showBytes(value: Uint8Array): string {
  return value.length > 64 ? `${value.length} bytes ${hash(value)}` : show([...value]);
}

/** FNV-1a, to tell long values apart. */
export function hash(value: Uint8Array): string {
  let sum = 0x811c9dc5;
  for (const byte of value) sum = Math.imul(sum ^ byte, 0x01000193);
  return (sum >>> 0).toString(16);
}

export function showArgument(arg: Argument): string {
  if (arg instanceof Uint8Array) return showBytes(arg);
  if (typeof arg === "string" && arg.length > 200) {
    return `${show(arg.slice(0, 20))}… ${arg.length}`;
  }
  if (typeof arg === "object" && "slot" in arg) {
    return arg.slot >= 0 ? `#${arg.slot}` : `${arg.slot}`;
  }
  return show(arg);
}
