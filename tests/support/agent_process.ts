/**
 * The process behind an `Agent`: tests/agent.zig, driven over its standard input and output. Commands issued in
 * the same turn of the event loop go out as one piece. The format is described in tests/agent/wire.zig.
 * @module
 */
import { repositoryRoot } from "./mounts.ts";

/** Bytes for a command that writes: literal, or described, so that the command stays small. */
export type Data = Uint8Array | string | { pattern: number; length: number } | {
  fill: number;
  length: number;
};

/** An open file, stream or mapping in the agent; a slot number that is valid from the moment the command is issued. */
export interface Handle {
  readonly slot: number;
}

export type Argument = number | bigint | Data | Handle;

/** One reply. `result` is -1 with an errno; values above 2^53 are rounded. */
export interface Answer {
  readonly errno: number;
  readonly result: number;
  readonly payload: Uint8Array;
}

export interface Operation {
  readonly code: number;
  /** One letter for each argument; see tests/agent/wire.zig. */
  readonly signature: string;
}

export interface AgentOptions {
  cwd: string;
  /** Command the agent is started by, such as ["btfuse", "run", "--"]. */
  prefix?: string[];
  env?: Record<string, string>;
  /** How long the agent may go without answering before it is killed. Default 30,000. */
  timeoutMs?: number;
}

/** The agent ended, by itself or because it did not answer in time. */
export class AgentDied extends Error {
  override name = "AgentDied";
  constructor(message: string, readonly signal: Deno.Signal | null) {
    super(message);
  }
}

/** Largest count of bytes one command may read or write (scratch_bytes in tests/agent/wire.zig). */
export const TRANSFER_MAX = 16 << 20;
const SLOT_COUNT = 4096;
const textEncoder = new TextEncoder();

/** Collects commands in the agent's format. */
export class Encoder {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  count = 0;

  /** Appends one command. */
  command(operation: Operation, args: readonly Argument[]): void {
    const { code, signature } = operation;
    if (args.length !== signature.length) {
      throw new TypeError(`agent: ${args.length} arguments for an operation of '${signature}'`);
    }
    const start = this.#length;
    this.#reserve(6);
    this.#view.setUint16(start + 4, code, true);
    this.#length += 6;
    args.forEach((arg, index) => this.#argument(signature.charAt(index), arg));
    this.#view.setUint32(start, this.#length - start - 4, true);
    this.count++;
  }

  /** What was collected; the encoder is empty afterwards. */
  take(): { bytes: Uint8Array<ArrayBuffer>; count: number } {
    const taken = { bytes: this.#bytes.slice(0, this.#length), count: this.count };
    this.#length = 0;
    this.count = 0;
    return taken;
  }

  #argument(letter: string, arg: Argument): void {
    if (letter === "i" || letter === "f") return this.#integer(arg);
    if (letter === "d") return this.#data(arg as Data);
    const bytes = typeof arg === "string" ? textEncoder.encode(arg) : arg as Uint8Array;
    this.#reserve(5 + bytes.length);
    this.#view.setUint32(this.#length, bytes.length, true);
    this.#bytes.set(bytes, this.#length + 4);
    this.#length += 4 + bytes.length;
    if (letter === "s") this.#bytes[this.#length++] = 0;
  }

  #integer(arg: Argument): void {
    this.#reserve(8);
    const value = typeof arg === "object" && "slot" in arg ? arg.slot : arg;
    if (typeof value === "number") {
      this.#view.setInt32(this.#length, value | 0, true);
      this.#view.setInt32(this.#length + 4, Math.floor(value / 2 ** 32), true);
    } else if (typeof value === "bigint") {
      this.#view.setBigInt64(this.#length, value, true);
    } else {
      throw new TypeError(`agent: a number was expected, not ${typeof value}`);
    }
    this.#length += 8;
  }

  #data(arg: Data): void {
    const literal = typeof arg === "string"
      ? textEncoder.encode(arg)
      : arg instanceof Uint8Array
      ? arg
      : undefined;
    const length = literal?.length ?? (arg as { length: number }).length;
    if (length > TRANSFER_MAX) throw new RangeError(`agent: ${length} bytes in one command`);
    this.#reserve(9 + (literal?.length ?? 0));
    const kind = literal ? 0 : "pattern" in (arg as object) ? 1 : 2;
    this.#view.setUint8(this.#length, kind);
    this.#view.setUint32(this.#length + 1, length, true);
    this.#length += 5;
    if (literal) {
      this.#bytes.set(literal, this.#length);
      this.#length += length;
    } else if (kind === 1) {
      this.#view.setUint32(this.#length, (arg as { pattern: number }).pattern, true);
      this.#length += 4;
    } else {
      this.#bytes[this.#length++] = (arg as { fill: number }).fill;
    }
  }

  #reserve(byteCount: number): void {
    if (this.#length + byteCount <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + byteCount));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

interface Waiting {
  missing: number;
  answers: Answer[];
  resolve: (answers: Answer[]) => void;
  reject: (error: Error) => void;
}

/** One running agent. */
export class AgentProcess implements AsyncDisposable {
  /** Operations by name, from the agent's banner. */
  readonly operations = new Map<string, Operation>();
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #stderr: Promise<string>;
  readonly #timeoutMs: number;
  readonly #waiting: Waiting[] = [];
  readonly #encoder = new Encoder();
  readonly #done: Promise<void>;
  #flushScheduled = false;
  #ended: AgentDied | undefined;
  #rest = new Uint8Array(0);
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #progress = 0;
  #banner: PromiseWithResolvers<void> | undefined = Promise.withResolvers<void>();
  #slots = Array.from({ length: SLOT_COUNT }, (_, slot) => SLOT_COUNT - 1 - slot);

  static async start(options: AgentOptions): Promise<AgentProcess> {
    const process = new AgentProcess(options);
    await process.#banner?.promise;
    return process;
  }

  private constructor(options: AgentOptions) {
    const command = [...options.prefix ?? [], agentPath()];
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#child = new Deno.Command(command[0] ?? "", {
      args: command.slice(1),
      cwd: options.cwd,
      ...(options.env && { env: options.env }),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.getReader();
    this.#stderr = new Response(this.#child.stderr).text();
    this.#watch();
    this.#done = this.#receive();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** A slot number nothing else uses until `freeSlots`. */
  takeSlot(): number {
    const slot = this.#slots.pop();
    if (slot === undefined) throw new Error(`agent: more than ${SLOT_COUNT} slots in use`);
    return slot;
  }

  /** All slots are free again; the agent's own side is emptied by its `reset` operation. */
  freeSlots(): void {
    this.#slots = Array.from({ length: SLOT_COUNT }, (_, slot) => SLOT_COUNT - 1 - slot);
  }

  /** Issues one command; commands of the same turn travel together. */
  async call(name: string, args: readonly Argument[]): Promise<Answer> {
    const operation = this.operations.get(name);
    if (!operation) throw new TypeError(`agent: no operation '${name}'`);
    this.#encoder.command(operation, args);
    const answered = this.#wait(1);
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      queueMicrotask(() => {
        this.#flushScheduled = false;
        this.#send(this.#encoder.take().bytes);
      });
    }
    return (await answered)[0] as Answer;
  }

  /** Sends commands encoded elsewhere with this agent's `operations`; resolves to their replies in order. */
  submit(bytes: Uint8Array<ArrayBuffer>, count: number): Promise<Answer[]> {
    const answered = this.#wait(count);
    this.#send(bytes);
    return answered;
  }

  /** Kills the agent. */
  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    const late = setTimeout(() => this.kill(), 5_000);
    await this.#child.status;
    clearTimeout(late);
    await this.#done;
    await this.#stderr;
  }

  #send(bytes: Uint8Array<ArrayBuffer>): void {
    // A failed write means that the agent has ended; the reading side finds that out and says so.
    this.#writer.write(bytes).catch(() => {});
  }

  #wait(count: number): Promise<Answer[]> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (count === 0) return Promise.resolve([]);
    const { promise, resolve, reject } = Promise.withResolvers<Answer[]>();
    this.#waiting.push({ missing: count, answers: [], resolve, reject });
    if (this.#watchdog === undefined) this.#watch();
    return promise;
  }

  /** Kills the agent when it makes no progress for the time limit while an answer is awaited. */
  #watch(): void {
    const seen = this.#progress;
    this.#watchdog = setTimeout(() => {
      this.#watchdog = undefined;
      if (this.#waiting.length === 0 && !this.#banner) return;
      if (this.#progress === seen) this.kill();
      else this.#watch();
    }, this.#timeoutMs);
  }

  async #receive(): Promise<void> {
    const startedMs = performance.now();
    while (true) {
      const { value, done } = await this.#reader.read();
      if (done) break;
      this.#progress++;
      this.#parse(value);
      if (this.#waiting.length === 0 && !this.#banner) {
        clearTimeout(this.#watchdog);
        this.#watchdog = undefined;
      }
    }
    clearTimeout(this.#watchdog);
    const status = await this.#child.status;
    const stderr = (await this.#stderr).trimEnd();
    const how = status.signal ? `was ended by ${status.signal}` : `exited with ${status.code}`;
    const afterMs = Math.round(performance.now() - startedMs);
    this.#ended = new AgentDied(
      `the agent ${how} after ${afterMs} ms${stderr ? `: ${stderr}` : ""}`,
      status.signal,
    );
    this.#banner?.reject(this.#ended);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
  }

  #parse(chunk: Uint8Array<ArrayBuffer>): void {
    let bytes = chunk;
    if (this.#rest.length > 0) {
      bytes = new Uint8Array(this.#rest.length + chunk.length);
      bytes.set(this.#rest);
      bytes.set(chunk, this.#rest.length);
    }
    let offset = this.#banner ? this.#parseBanner(bytes) : 0;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    while (!this.#banner && bytes.length - offset >= 4) {
      const end = offset + 4 + view.getUint32(offset, true);
      if (end > bytes.length) break;
      this.#answer({
        errno: view.getInt32(offset + 4, true),
        result: view.getUint32(offset + 8, true) + view.getInt32(offset + 12, true) * 2 ** 32,
        payload: bytes.subarray(offset + 16, end),
      });
      offset = end;
    }
    this.#rest = bytes.subarray(offset);
  }

  #parseBanner(bytes: Uint8Array): number {
    const end = bytes.indexOf(10);
    if (end < 0) return 0;
    new TextDecoder().decode(bytes.subarray(0, end)).trim().split(" ").forEach((word, code) => {
      const [name = "", signature = ""] = word.split(":");
      this.operations.set(name, { code, signature });
    });
    this.#banner?.resolve();
    this.#banner = undefined;
    return end + 1;
  }

  #answer(answer: Answer): void {
    const first = this.#waiting[0];
    if (!first) throw new Error("agent: a reply nobody asked for");
    first.answers.push(answer);
    if (--first.missing > 0) return;
    this.#waiting.shift();
    first.resolve(first.answers);
  }
}

/** The agent's executable; `TEST_AGENT` names another one. */
function agentPath(): string {
  const path = Deno.env.get("TEST_AGENT") ?? `${repositoryRoot}shim/zig-out/bin/test_agent`;
  try {
    Deno.statSync(path);
  } catch {
    throw new Error(`the test agent is not built: there is no ${path}; run './dev build'`);
  }
  return path;
}

/** The bytes that `{ pattern: seed, length }` stands for. */
export function pattern(seed: number, length: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let index = 0; index < words.length; index++) {
    let x = Math.imul(seed ^ Math.imul(index, 0x9E3779B9), 0x85EBCA6B);
    x ^= x >>> 13;
    x = Math.imul(x, 0xC2B2AE35);
    words[index] = x ^ (x >>> 16);
  }
  return new Uint8Array(words.buffer, 0, length);
}
