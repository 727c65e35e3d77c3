/**
 * Runs cases on a file system and compares what two file systems recorded.
 * @module
 */
import { Agent, ok, type Outcome, show, type Stat } from "../support/agent.ts";
import { type Case, changedTimes, type ChangeOptions, type Environment, OLD_NS } from "./case.ts";
import type { Target } from "./targets.ts";
import { AT } from "../support/posix.ts";

/** One recorded step: what was done, and what came of it. */
export interface Step {
  what: string;
  outcome: string;
}

/** How many differing steps a failure message shows. */
const SHOWN_MAX = 8;

/** Runs cases one after the other on one target. */
export class Runner implements AsyncDisposable {
  readonly #agents = new Map<string, Agent>();
  readonly #unlimited: Agent[] = [];
  #caseCount = 0;
  #outside = "";

  constructor(readonly target: Target) {}

  /** The steps of a case. An error thrown by the case is its last step. */
  async run(item: Case): Promise<Step[]> {
    const steps: Step[] = [];
    await using mounted = item.size === undefined ? undefined : await this.target.mount(item.size);
    const dir = await this.#freshDirectory(mounted?.dir ?? this.target.dir);
    const session = new Session(this, dir, steps);
    try {
      await item.run(await session.environment(this.#outside));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      steps.push({ what: "the case", outcome: `ended by: ${message}` });
    }
    for (const agent of this.#unlimited.splice(0)) await agent[Symbol.asyncDispose]();
    await this.#leave();
    await removeAll(dir);
    return steps;
  }

  /** The process kept under `key`, at home in `dir`. */
  async agent(key: string, dir: string, setUp?: (agent: Agent) => Promise<void>): Promise<Agent> {
    let agent = this.#agents.get(key);
    if (!agent) {
      agent = await this.target.startAgent("/");
      await setUp?.(agent);
      this.#agents.set(key, agent);
    }
    agent.observe = undefined;
    ok(await agent.reset(dir));
    return agent;
  }

  async fresh(dir: string): Promise<Agent> {
    const agent = await this.target.startAgent(dir);
    this.#unlimited.push(agent);
    return agent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents.values()) await agent[Symbol.asyncDispose]();
    if (this.#outside !== "") await removeAll(this.#outside);
  }

  async #freshDirectory(mountPoint: string): Promise<string> {
    if (this.#outside === "") this.#outside = await Deno.makeTempDir({ prefix: "btfuse-other-" });
    await Deno.chmod(this.#outside, 0o777);
    const dir = `${mountPoint}/case${this.#caseCount++}`;
    await Deno.mkdir(dir);
    await Deno.chmod(dir, 0o777);
    return dir;
  }

  /** Nothing is kept open or used as a current directory, so that the case's files can go. */
  async #leave(): Promise<void> {
    for (const [key, agent] of this.#agents) {
      agent.observe = undefined;
      try {
        ok(await agent.reset("/"));
      } catch {
        this.#agents.delete(key); // it died; the case has recorded that
        await agent[Symbol.asyncDispose]();
      }
    }
  }
}

/** One run of one case. */
class Session {
  #muted = 0;

  constructor(readonly runner: Runner, readonly dir: string, readonly steps: Step[]) {}

  async environment(outside: string): Promise<Environment> {
    const root = await this.#observed("root", "root");
    return {
      root,
      outside,
      as: (uid, gid = uid, groups = []) => {
        const name = `user ${[uid, gid, ...groups].join(",")}`;
        return this.#observed(name, name, async (agent) => {
          ok(await agent.become(uid, gid, groups));
        });
      },
      second: () => this.#observed("second", "second"),
      fresh: async () => {
        const agent = await this.runner.fresh(this.dir);
        agent.observe = this.#recorder("fresh");
        return agent;
      },
      note: (label, value) => {
        this.#push(label, typeof value === "string" ? value : show(value));
      },
      quietly: (action) => this.#quietly(action),
      changes: (paths, action, options) => this.#changes(root, paths, action, options),
    };
  }

  async #observed(
    key: string,
    name: string,
    setUp?: (agent: Agent) => Promise<void>,
  ): Promise<Agent> {
    const agent = await this.runner.agent(key, this.dir, setUp);
    agent.observe = this.#recorder(name);
    return agent;
  }

  /** Steps stand in the order in which they were issued: two processes may answer in either order. */
  #recorder(name: string): (call: string) => (outcome: Outcome<unknown>) => void {
    return (call) => {
      const step = this.#push(`${name} ${call}`, "(no answer)");
      return ({ text }) => {
        step.outcome = text;
      };
    };
  }

  #push(what: string, outcome: string): Step {
    const step = { what, outcome };
    if (this.#muted === 0) this.steps.push(step);
    return step;
  }

  async #quietly<T>(action: () => Promise<T>): Promise<T> {
    this.#muted++;
    try {
      return await action();
    } finally {
      this.#muted--;
    }
  }

  async #changes(
    root: Agent,
    paths: string[],
    action: () => Promise<unknown>,
    options: ChangeOptions = {},
  ): Promise<string[]> {
    const stats = () => Promise.all(paths.map(async (path) => ok(await root.lstat(path))));
    const before: Stat[] = await this.#quietly(async () => {
      for (const path of options.untouched ? [] : paths) {
        ok(await root.utimens(path, options.atimeNs ?? OLD_NS, OLD_NS, AT.SYMLINK_NOFOLLOW));
      }
      const found = await stats();
      ok(await root.tick());
      return found;
    });
    await action();
    const after = await this.#quietly(stats);
    const nowNs = BigInt(Date.now()) * 1_000_000n;
    const changes = after.map((st, index) => changedTimes(before[index] ?? st, st, nowNs));
    paths.forEach((path, index) => this.#push(`times changed of ${path}`, changes[index] ?? ""));
    return changes;
  }
}

/** What differs between two records, as text; empty when nothing does. */
export function differences(
  oracle: { name: string; steps: Step[] },
  target: { name: string; steps: Step[] },
): Difference[] {
  const found: Difference[] = [];
  const length = Math.max(oracle.steps.length, target.steps.length);
  for (let index = 0; index < length; index++) {
    const [expected, actual] = [oracle.steps[index], target.steps[index]];
    if (expected?.what === actual?.what && expected?.outcome === actual?.outcome) continue;
    found.push({
      index,
      what: expected?.what ?? actual?.what ?? "",
      expected: expected?.outcome ?? "(not reached)",
      actual: actual === undefined
        ? "(not reached)"
        : expected !== undefined && actual.what !== expected.what
        ? `instead: ${actual.what} = ${actual.outcome}`
        : actual.outcome,
    });
  }
  return found;
}

export interface Difference {
  /** Which step of the case, from 0. */
  index: number;
  what: string;
  expected: string;
  actual: string;
}

/** A failure message: case, steps before the first difference, differing steps with both outcomes. */
export function describe(
  name: string,
  oracle: { name: string; steps: Step[] },
  targetName: string,
  found: Difference[],
): string {
  const first = found[0]?.index ?? 0;
  const lines = [`${name}: ${targetName} differs from ${oracle.name}`];
  for (const step of oracle.steps.slice(Math.max(0, first - 4), first)) {
    lines.push(`    ${step.what} = ${step.outcome}`);
  }
  for (const { what, expected, actual } of found.slice(0, SHOWN_MAX)) {
    lines.push(`  ${what}`, `    ${oracle.name}: ${expected}`, `    ${targetName}: ${actual}`);
  }
  if (found.length > SHOWN_MAX) lines.push(`  … and ${found.length - SHOWN_MAX} more`);
  return lines.join("\n");
}

/** The error that ended a case, which is a demand that was not met. */
export function demandFailed(steps: Step[]): string | undefined {
  const last = steps.at(-1);
  return last?.what === "the case" ? last.outcome : undefined;
}

async function removeAll(dir: string): Promise<void> {
  try {
    await Deno.remove(dir, { recursive: true });
  } catch {
    // Paths longer than PATH_MAX; they go with the mount.
  }
}
