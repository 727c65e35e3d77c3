/**
 * Runs commands for tests: bounded in time, whole process group killed at the limit, nothing left waiting.
 * @module
 */

/** What to run a command with. */
export interface RunOptions {
  cwd?: string;
  /** Added to the environment of the test process. */
  env?: Record<string, string>;
  /** Limit for the whole command; the process group is killed at its end. Default 60,000. */
  timeoutMs?: number;
  /** Run as this user (root only). `gid` defaults to the same number. */
  uid?: number;
  gid?: number;
  /** Text given on standard input; without it, standard input is empty. */
  stdin?: string;
}

/** How a command ended. */
export interface RunResult {
  /** Exit code; 128 + signal number when killed by a signal. */
  code: number;
  stdout: string;
  stderr: string;
  /** True when the time limit ended the command. */
  timedOut: boolean;
  /** True when something the command left behind kept its output open, which would hang `$(command)`. */
  outputHeld: boolean;
  elapsedMs: number;
}

/** How long output may stay open after the command has ended. */
const OUTPUT_GRACE_MS = 2_000;
/** How long a killed command may take to go. Longer means it is stuck inside the kernel. */
const KILL_GRACE_MS = 5_000;

/** Resolves to "late" after `delayMs`; disposing stops the timer, so that nothing is left for the sanitizers. */
function timer(delayMs: number): { late: Promise<"late"> } & Disposable {
  const { promise: late, resolve } = Promise.withResolvers<"late">();
  const handle = setTimeout(() => resolve("late"), delayMs);
  return { late, [Symbol.dispose]: () => clearTimeout(handle) };
}

/** Reads a stream to its end in the background; `text()` says what has arrived so far. */
class Collector {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = "";
  readonly ended: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
    this.ended = this.#read();
  }

  async #read(): Promise<void> {
    for (let part = await this.#reader.read(); !part.done; part = await this.#reader.read()) {
      this.#text += this.#decoder.decode(part.value, { stream: true });
    }
    this.#text += this.#decoder.decode();
  }

  text(): string {
    return this.#text;
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel();
    await this.ended;
  }
}

/** Sends a signal to a process (or, negative, to a process group) that may be gone already. */
export function signal(pid: number, name: Deno.Signal): void {
  try {
    Deno.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || String(error).includes("ESRCH"))) throw error;
  }
}

/**
 * Runs a command in its own session and collects what it prints. Never waits longer than the limit plus
 * a few seconds; throws when the program cannot be started or cannot be killed.
 */
export async function run(command: string[], options: RunOptions = {}): Promise<RunResult> {
  const [program, ...args] = command;
  if (program === undefined) throw new TypeError("run: the command is empty");
  const timeoutMs = options.timeoutMs ?? 60_000;
  const startedMs = performance.now();
  const child = new Deno.Command(program, {
    args,
    detached: true, // its own session, so that -pid names the whole group
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.env !== undefined && { env: options.env }),
    ...(options.uid !== undefined && { uid: options.uid, gid: options.gid ?? options.uid }),
  }).spawn();
  const outputs = [new Collector(child.stdout), new Collector(child.stderr)];
  const fed = options.stdin === undefined ? undefined : feed(child.stdin, options.stdin);
  using limit = timer(timeoutMs);
  let timedOut = false;
  if (await Promise.race([child.status, limit.late]) === "late") {
    timedOut = true;
    signal(-child.pid, "SIGKILL");
    using grace = timer(KILL_GRACE_MS);
    if (await Promise.race([child.status, grace.late]) === "late") {
      throw new Error(
        `cannot kill '${command.join(" ")}' (pid ${child.pid}) after ${timeoutMs} ms: stuck`,
      );
    }
  }
  const status = await child.status;
  using grace = timer(OUTPUT_GRACE_MS);
  const ended = Promise.all([fed, ...outputs.map((output) => output.ended)]);
  const outputHeld = await Promise.race([ended, grace.late]) === "late";
  if (outputHeld) await Promise.all(outputs.map((output) => output.cancel()));
  const [stdout, stderr] = outputs.map((output) => output.text());
  return {
    code: status.code,
    stdout: stdout ?? "",
    stderr: stderr ?? "",
    timedOut,
    outputHeld,
    elapsedMs: performance.now() - startedMs,
  };
}

async function feed(stdin: WritableStream<Uint8Array>, text: string): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(text));
    await writer.close();
  } catch {
    // A program that does not read all of its input is no error of the test's.
  }
}

/** As `run`, but anything else than exit code 0 throws, with the end of what the command printed. */
export async function runOk(command: string[], options: RunOptions = {}): Promise<RunResult> {
  const result = await run(command, options);
  if (result.code !== 0) throw new Error(describeFailure(command, result));
  return result;
}

/** A failed command in words: what ran, how it ended, the last lines it printed. */
export function describeFailure(command: string[], result: RunResult): string {
  const tail = (text: string) => text.trimEnd().split("\n").slice(-25).join("\n");
  const how = result.timedOut
    ? `was killed at its time limit (${Math.round(result.elapsedMs)} ms)`
    : `exited with ${result.code}`;
  const line = command.join(" ").replaceAll(/\s+/g, " ");
  const shown = line.length > 200 ? `${line.slice(0, 200)} …` : line;
  return [`'${shown}' ${how}`, tail(result.stderr), tail(result.stdout)]
    .filter((part) => part !== "").join("\n");
}

/** Polls until `condition` holds; false when `timeoutMs` passed first. */
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  timeoutMs: number,
  intervalMs = 20,
): Promise<boolean> {
  const endMs = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() >= endMs) return false;
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
  return true;
}
