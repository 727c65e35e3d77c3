/**
 * Hostile programs of the user who has mounted: whatever they write into the ring, into the records of clients or into the
 * words of their own files, the daemon serves everybody else, and their files stay as they are.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  RING_CLIENT,
  RING_FREE,
  RING_PING,
  RING_SLOT_COUNT,
  RING_STATE,
  RING_WORDS,
  ROOT_INO,
} from "../../src/region/layout.gen.ts";
import { btfuse } from "../cli/support.ts";
import {
  type BtfuseMount,
  isRunning,
  mountBtfuse,
  run,
  runOk,
  waitUntil,
} from "../support/mounts.ts";
import { RingClient } from "./ring_client.ts";
import { exists } from "./ring_support.ts";

const here = new URL(".", import.meta.url).pathname;
const PYTHON = "/usr/bin/python3";
/** Operations through the kernel take longer than without, but never so long. */
const LONGEST_SECONDS = 2;
const ACTIONS_A_SECOND_MIN = 500;
/** So many files are made before the others', so that their numbers are no numbers a fool would guess. */
const FIRST_INODES = 500;

interface Phase {
  name: string;
  /** Of all actions. */
  share: number;
  /** Kinds of hostile_client.ts, each of them a process. */
  processes: string[];
}

const PHASES: Phase[] = [
  { name: "malicious requests", share: 0.5, processes: ["requests", "requests", "requests"] },
  {
    name: "garbage in the ring and in client records",
    share: 0.3,
    processes: ["requests", "ring", "ring", "clients"],
  },
  {
    name: "garbage in the words of files",
    share: 0.2,
    processes: ["requests", "inodes", "clients"],
  },
];

/** @returns what was measured. @throws what went wrong */
export async function beHostile(o: { count: number; seed: number }): Promise<string> {
  await using m = await mountBtfuse({ size: "256M", inodeCountMax: 8000 });
  for (let i = 0; i < FIRST_INODES; i++) Deno.writeTextFileSync(`${m.dir}/${i}`, "");
  const inos = await makeVictims(m);
  const control = new Deno.Command(PYTHON, {
    args: [`${here}control.py`, `${m.dir}/control`, String(o.seed)],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const lines: string[] = [];
  try {
    const isReady = () => exists(`${m.dir}/control-ready`);
    assert(await waitUntil(isReady, 10_000), "control.py does not begin");
    for (const [index, phase] of PHASES.entries()) {
      lines.push(await runPhase(m, phase, { ...o, seed: o.seed + 100 * index }, inos));
      const { stdout } = await btfuse(["check", m.dir]);
      const isOwnFault = (line: string) => {
        const ino = Number(/inode (\d+)/.exec(line)?.[1]);
        return phase.processes.includes("inodes") && inos.includes(ino);
      };
      const violations = stdout.trimEnd().split("\n")
        .filter((line) => line !== `${m.name}: clean` && !isOwnFault(line));
      assertEquals(violations, [], `after ${phase.name}`);
    }
  } finally {
    await control.stdin.close().catch(() => {});
    const timer = setTimeout(() => control.kill("SIGKILL"), 20_000);
    const { code, stdout, stderr } = await control.output();
    clearTimeout(timer);
    const text = new TextDecoder();
    if (code !== 0) lines.push(`control.py ended with ${code}: ${text.decode(stderr)}`);
    else lines.push(text.decode(stdout).trim().split("\n").at(-1) ?? "");
  }
  const last = lines.at(-1) ?? "";
  if (!last.startsWith("{")) throw new Error(`${lines.join("\n")}\n${daemonLog(m)}`);
  const measured = JSON.parse(last) as { longest: number; operation: string; count: number };
  const { longest, operation, count } = measured;
  lines[lines.length - 1] = `longest of ${count} operations beside: ${
    (longest * 1000).toFixed(0)
  } ms (${operation})`;
  assert(longest < LONGEST_SECONDS, lines.at(-1));
  return lines.join("\n");
}

/** Files of all kinds that the requests are about; the root directory is one of them. */
async function makeVictims(m: BtfuseMount): Promise<number[]> {
  const script = `mkdir hostile; cd hostile
    for i in 1 2 3 4 5 6 7 8; do
      head -c $((i * 9000)) /dev/urandom > f$i; mkdir -p d$i/inner; ln -s f$i l$i; mkfifo p$i
    done
    stat -c %i * d*/inner`;
  const { stdout } = await runOk(["bash", "-euc", script], { cwd: m.dir });
  return [ROOT_INO, ...stdout.trim().split("\n").map(Number)];
}

async function runPhase(
  m: BtfuseMount,
  phase: Phase,
  o: { count: number; seed: number },
  inos: number[],
): Promise<string> {
  const count = Math.ceil(o.count * phase.share / phase.processes.length);
  const startMs = performance.now();
  const results = await Promise.all(phase.processes.map((kind, index) =>
    run(
      [
        Deno.execPath(),
        ...["run", "-A", `${here}hostile_client.ts`, kind, m.object],
        ...[String(o.seed + index), String(count), inos.join(",")],
      ],
      { timeoutMs: 20_000 + count / ACTIONS_A_SECOND_MIN * 1000 },
    )
  ));
  for (const { code, stderr, timedOut } of results) {
    assert(code === 0, `${phase.name}: ${timedOut ? "not finished in time" : stderr}`);
  }
  assertEquals(daemonLog(m), "", `${phase.name}: the daemon's log`);
  ping(m);
  const seconds = (performance.now() - startMs) / 1000;
  const done = count * phase.processes.length;
  return `${phase.name}: ${done} actions of ${phase.processes.length} processes, ${
    seconds.toFixed(1)
  } s`;
}

/** A well-behaved client is served, once the slots are whole again. */
function ping(m: BtfuseMount): void {
  using client = RingClient.attach(m.object);
  const { ring } = client.region;
  for (let slot = 0; slot < RING_SLOT_COUNT; slot++) {
    ring[slot * RING_WORDS + RING_CLIENT] = 0;
    Atomics.store(ring, slot * RING_WORDS + RING_STATE, RING_FREE);
  }
  for (let i = 0; i < 1000; i++) assertEquals(client.request(RING_PING).result, 0);
}

/** What the daemon has said so far: nothing, unless an operation threw. */
function daemonLog(m: BtfuseMount): string {
  if (!isRunning(m.pid)) return "the daemon has ended";
  const lines = Deno.readTextFileSync(`/proc/${m.pid}/fd/2`).split("\n");
  return lines.filter((line) => !line.startsWith("btfuse: mounted ")).join("\n");
}
