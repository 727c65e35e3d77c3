/**
 * One of the two file systems a run compares, with the processes that act on it.
 * @module
 */
import { Agent, ok } from "../support/agent.ts";
import type { Answer } from "../support/agent_process.ts";
import { ROOT_SLOT, WORK_FROM_BASE } from "./layout.ts";
import { encode, type Op } from "./operation.ts";

const O_RDONLY_DIRECTORY = 0o200000;

export interface SideOptions {
  name: string;
  /** A directory of the file system. */
  dir: string;
  /** For each process, the command it is started by; empty for a plain one. */
  doors: string[][];
  /** Changes an operation before it is carried out: a file system that is wrong on purpose. */
  spoil?: (op: Op) => Op;
}

export class Side implements AsyncDisposable {
  #runCount = 0;
  #base = "";

  private constructor(readonly options: SideOptions, readonly agents: Agent[]) {}

  static async start(options: SideOptions): Promise<Side> {
    const agents: Agent[] = [];
    for (const prefix of options.doors) {
      agents.push(await Agent.start({ cwd: "/", prefix, timeoutMs: 60_000 }));
    }
    return new Side(options, agents);
  }

  /** Starts over in a new empty directory. */
  async begin(): Promise<void> {
    await this.end();
    this.#base = `${this.options.dir}/run${this.#runCount++}`;
    let path = this.#base;
    for (const name of ["", ...WORK_FROM_BASE.split("/")]) {
      path = name === "" ? path : `${path}/${name}`;
      await Deno.mkdir(path);
      await Deno.chmod(path, 0o777);
    }
    for (const agent of this.agents) {
      ok(await agent.reset(path));
      await agent.process.call("act", [0, 0, new Uint8Array()]);
      await agent.process.call("openat", [-100, ".", O_RDONLY_DIRECTORY, 0, ROOT_SLOT]);
    }
  }

  /** Leaves and removes the directory of the run. */
  async end(): Promise<void> {
    if (this.#base === "") return;
    const base = this.#base;
    this.#base = "";
    for (const agent of this.agents) {
      await agent.process.call("act", [0, 0, new Uint8Array()]);
      ok(await agent.reset("/"));
    }
    await Deno.remove(base, { recursive: true });
  }

  /** Carries out operations in order; each stretch of one process is one exchange. */
  async execute(ops: readonly Op[]): Promise<Answer[]> {
    const actual = this.options.spoil ? ops.map(this.options.spoil) : ops;
    const answers: Answer[] = [];
    for (let start = 0; start < actual.length;) {
      const door = actual[start]?.door ?? 0;
      let end = start;
      while (end < actual.length && actual[end]?.door === door) end++;
      const process = this.agents[door]?.process;
      if (!process) throw new RangeError(`${this.options.name} has no door ${door}`);
      const stretch = actual.slice(start, end);
      for (
        const answer of await process.submit(encode(stretch, process.operations), stretch.length)
      ) answers.push(answer);
      start = end;
    }
    return answers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end().catch(() => {}); // an agent that died is reported where it was used
    for (const agent of this.agents) await agent[Symbol.asyncDispose]();
  }
}
