/**
 * A program that goes on running while the mount is changed around it (visitor.py).
 * @module
 */
import { assert } from "@std/assert";
import { type Counts, report } from "./support.ts";

const script = new URL("visitor.py", import.meta.url).pathname;
const ANSWER_LIMIT_MS = 20_000;

export class Visitor implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";
  #ended: Promise<string> | undefined;

  /** @param prefix what comes before the program on its command line */
  constructor(env: Record<string, string>, prefix: string[] = []) {
    const line = [...prefix, "/usr/bin/python3", "-B", script];
    this.#child = new Deno.Command(line[0] ?? "", {
      args: line.slice(1),
      env: { ...env, LC_ALL: "C" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** What it says to an operation. */
  async ask(operation: string, path: string): Promise<string> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), ANSWER_LIMIT_MS);
    try {
      await this.#writer.write(new TextEncoder().encode(`${JSON.stringify([operation, path])}\n`));
      while (!this.#text.includes("\n")) {
        const { value, done } = await this.#reader.read();
        assert(!done, `the program ended when it was asked to ${operation} ${path}`);
        this.#text += value;
      }
    } finally {
      clearTimeout(timer);
    }
    const [answer, ...rest] = this.#text.split("\n");
    this.#text = rest.join("\n");
    return answer ?? "";
  }

  /** Ends it. @returns what the library has counted */
  async end(): Promise<Record<string, Counts>> {
    return report(await (this.#ended ??= this.#end()));
  }

  async #end(): Promise<string> {
    await this.#writer.close();
    const stderr = await new Response(this.#child.stderr).text();
    await this.#reader.cancel();
    await this.#child.status;
    return stderr;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}
