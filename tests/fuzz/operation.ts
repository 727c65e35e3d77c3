/**
 * One operation of the fuzzer, as both sides carry it out.
 * @module
 */
import type { Argument, Operation } from "../support/agent_process.ts";
import { Encoder } from "../support/agent_process.ts";

/** How the two answers must agree. */
export type Comparison =
  /** Errno, result and payload. */
  | "all"
  /** Errno only: the rest is the file system's own. */
  | "errno"
  | "stat"
  | "statx"
  /** Payload: names with zero bytes, in any order. */
  | "names"
  /** Payload: directory entries, in any order. */
  | "entries"
  /** An lseek, whose numbers mean nothing for a directory. */
  | "offset"
  | "stream"
  | "survey";

export interface Op {
  name: string;
  args: Argument[];
  compare: Comparison;
  /** Which of a side's processes carries it out. */
  door: number;
}

/** The operation as text, for traces; `survey("w")`. */
export function showOp(op: Op): string {
  const args = op.args.map((arg) => {
    if (arg instanceof Uint8Array) {
      return `[${arg.length > 24 ? `${arg.length} bytes` : arg.join(" ")}]`;
    }
    if (typeof arg === "string" && arg.length > 90) {
      return `${
        JSON.stringify(`${arg.slice(0, 10)}…${arg.slice(-40)}`)
      } (${arg.length} characters)`;
    }
    if (typeof arg === "object" && "pattern" in arg) {
      return `${arg.length} bytes of pattern ${arg.pattern}`;
    }
    if (typeof arg === "bigint") return `${arg}`;
    return JSON.stringify(arg);
  });
  return `${op.door > 0 ? `door ${op.door}: ` : ""}${op.name}(${args.join(", ")})`;
}

/** Encodes operations for one agent. */
export function encode(ops: readonly Op[], table: Map<string, Operation>): Uint8Array<ArrayBuffer> {
  for (const op of ops) {
    const operation = table.get(op.name);
    if (!operation) throw new TypeError(`the agent has no operation '${op.name}'`);
    encoder.command(operation, op.args);
  }
  return encoder.take().bytes;
}

const encoder = new Encoder();
