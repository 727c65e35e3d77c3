/**
 * The timing client (client.zig) as an object: one process a side that answers one command at a time.
 * @module
 */
import { signal } from "../tests/support/command.ts";
import { repositoryRoot } from "../tests/support/mounts.ts";

/** What a command did: operations, and how long all of them took. */
export interface Timing {
  count: number;
  nanoseconds: number;
}

/** No command takes longer than this; a file system that does not answer is a failure, not a wait. */
const COMMAND_LIMIT_MS = 60_000;
/** How long a killed client may take to go; one that waits for a dead file system goes with its mount. */
const EXIT_LIMIT_MS = 2_000;

/** Where `./dev build` leaves the client. */
export const clientPath = `${repositoryRoot}shim/zig-out/bin/bench_client`;

/** A running timing client. */
export class Client implements AsyncDisposable {
  /** The client's process. */
  get pid(): number {
    return this.#child.pid;
  }

  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  /**
   * Starts a client.
   * @param nameCount how many files the large directories have
   * @param prefix what comes before the client on its command line
   */
  constructor(nameCount: number, prefix: string[] = []) {
    const [program, ...args] = [...prefix, clientPath, String(nameCount)];
    this.#child = new Deno.Command(program as string, {
      args,
      detached: true, // ^C is for the bench, which then ends its clients in order
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.getReader();
  }

  /** Makes the files a workload needs. */
  async prepare(workload: string, dir: string): Promise<void> {
    await this.#ask(`prepare ${workload} ${dir}`);
  }

  /** Times `count` operations, or with `fresh` as many processes that do one each. */
  run(workload: string, dir: string, count: number, fresh = false): Promise<Timing> {
    return this.#ask(`${fresh ? "fresh" : "run"} ${workload} ${dir} ${count}`);
  }

  async #ask(command: string): Promise<Timing> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error(`no answer within ${COMMAND_LIMIT_MS} ms`)),
      COMMAND_LIMIT_MS,
    );
    try {
      return parseAnswer(await Promise.race([this.#exchange(command), late.promise]));
    } catch (error) {
      throw new Error(`the timing client failed at '${command}': ${(error as Error).message}`);
    } finally {
      clearTimeout(timer);
    }
  }

  async #exchange(command: string): Promise<string> {
    await this.#writer.write(new TextEncoder().encode(`${command}\n`));
    let answer = "";
    const decoder = new TextDecoder();
    while (!answer.endsWith("\n")) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`it ended; it had said '${answer}'`);
      answer += decoder.decode(value, { stream: true });
    }
    return answer.trimEnd();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    signal(this.#child.pid, "SIGKILL");
    const limit = Promise.withResolvers<void>();
    const timer = setTimeout(limit.resolve, EXIT_LIMIT_MS);
    await Promise.race([this.#child.status, limit.promise]);
    clearTimeout(timer);
    await Promise.allSettled([this.#writer.abort(), this.#reader.cancel()]);
  }
}

/** `ok COUNT NANOSECONDS` as numbers; `failed MESSAGE`, or anything else, throws. */
export function parseAnswer(answer: string): Timing {
  const numbers = /^ok (\d+) (\d+)$/.exec(answer);
  if (numbers === null) throw new Error(answer.replace(/^failed /, ""));
  return { count: Number(numbers[1]), nanoseconds: Number(numbers[2]) };
}
