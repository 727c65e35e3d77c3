/**
 * The permission matrix: what processes of all kinds of ids, capabilities, namespaces and sandboxes may do with objects of all kinds of
 * owners, modes and access lists, asked at the kernel's door and under the preloaded library. Both must answer alike, and leave alike
 * objects behind.
 * @module
 */
import { type BtfuseMount, describeFailure, run, runOk } from "../support/mounts.ts";
import { preloaded, report } from "../shim/support.ts";

const here = new URL(".", import.meta.url).pathname;
const python = "/usr/bin/python3";

/** A state to try, and whether the process gets into it itself, after it has used the mount, or is executed in it. */
export interface Case {
  way: string;
  how: "self" | "inherited";
  /** Whether the library attaches with the first call. */
  eager: boolean;
}

export interface Row extends Case {
  /** Undefined: it cannot be tried on this machine, or by this user. */
  answers?: number;
  /** Answers by which the kernel refuses something. */
  refused: number;
  differences: string[];
  /** Calls that the library has served itself or by the ring, and all. */
  served: number;
  calls: number;
  /** Why the others were left to the kernel, the most frequent reason first. */
  reasons: string[];
}

/** Every case. */
export async function cases(eagerness: boolean[]): Promise<Case[]> {
  const names = await runOk([
    python,
    "-B",
    "-c",
    `import sys; sys.path.insert(0, "${here}"); import restrict
for name in restrict.ways: print(name in restrict.not_inherited, name, sep="\\t")`,
  ]);
  return names.stdout.trim().split("\n").flatMap((line) => {
    const [notInherited, way] = line.split("\t") as [string, string];
    const hows = notInherited === "True" ? ["self"] as const : ["self", "inherited"] as const;
    return hows.flatMap((how) => eagerness.map((eager): Case => ({ way, how, eager })));
  });
}

const UNAVAILABLE = 77;
/** A user who mounts: the number in probe.py. */
export const USER = 1000;
const GROUP = 1005;
let treeCount = 0;

/**
 * Tries one case on every `step`th object.
 * @param m a mount that lets others in, or one of USER, who then tries alone
 */
export async function tryCase(m: BtfuseMount, one: Case, step: number, uid = 0): Promise<Row> {
  placeScripts(m.scratch);
  const probe = [python, "-B", `${m.scratch}/probe.py`];
  const user = uid === 0
    ? []
    : ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, `--groups=${GROUP}`, "--"];
  const env = { LC_ALL: "C", ...(uid !== 0 && { OBJECTS: "own" }) };
  const number = treeCount++;
  const trees = { kernel: `${m.dir}/t${number}-kernel`, library: `${m.dir}/t${number}-library` };
  const both = [String(step), trees.kernel, trees.library];
  await runOk([...user, ...probe, "make", ...both], { env });
  const answers = async (tree: string, library: Record<string, string>) => {
    const started = one.how === "inherited"
      ? [python, "-B", `${m.scratch}/restrict.py`, one.way]
      : [];
    const command = [...user, ...started, ...probe, "try", String(step), tree];
    if (one.how === "self") command.push(one.way);
    const tried = await run(command, {
      env: { ...env, ...library, TREE: tree },
      timeoutMs: 60_000,
    });
    if (tried.code === UNAVAILABLE) return undefined;
    if (tried.code !== 0) {
      throw new Error(`${one.way}, ${one.how}: ${describeFailure(command, tried)}`);
    }
    const results: Answers = JSON.parse(tried.stdout.replaceAll(tree, "TREE"));
    return { results, stderr: tried.stderr };
  };
  const { BTFUSE_EAGER: _, ...lazy } = preloaded(m);
  const kernel = await answers(trees.kernel, {});
  const library = await answers(trees.library, one.eager ? preloaded(m) : lazy);
  const row: Row = { ...one, differences: [], refused: 0, served: 0, calls: 0, reasons: [] };
  if (kernel !== undefined && library !== undefined) {
    const shown = await runOk([...user, ...probe, "show", ...both], { env });
    const [left, leftByLibrary] = JSON.parse(shown.stdout) as [Answers, Answers];
    const given = Object.values(kernel.results);
    row.answers = given.length;
    row.refused = given.filter((answer) => refusals.has(answer ?? "")).length;
    row.differences = differences(kernel.results, library.results).concat(
      differences(left, leftByLibrary),
    );
    countServed(row, library.stderr);
  }
  // A user has to be let into what is to be removed.
  const remove = 'chmod -R u+rwx "$@"; rm -rf "$@"';
  await runOk([...user, "sh", "-c", remove, "sh", trees.kernel, trees.library]);
  return row;
}

const refusals = new Set([
  "Permission denied",
  "Operation not permitted",
  "Read-only file system",
]);

const placed = new Set<string>();

/** Where every user may read them; once, because others may be running them already. */
function placeScripts(directory: string): void {
  if (placed.has(directory)) return;
  placed.add(directory);
  for (const name of ["probe.py", "restrict.py"]) {
    Deno.copyFileSync(`${here}${name}`, `${directory}/${name}`);
  }
  Deno.chmodSync(directory, 0o755);
}

type Answers = Record<string, string | null>;

function differences(kernel: Answers, library: Answers): string[] {
  const keys = new Set([...Object.keys(kernel), ...Object.keys(library)]);
  return [...keys].filter((key) => kernel[key] !== library[key])
    .map((key) => `${key}: kernel ${kernel[key]}, library ${library[key]}`);
}

function countServed(row: Row, stderr: string): void {
  const reasons: Record<string, number> = {};
  for (const counts of Object.values(report(stderr))) {
    row.served += counts.fast + counts.ring;
    row.calls += counts.fast + counts.ring + counts.kernel;
    for (const [reason, count] of Object.entries(counts.reasons)) {
      reasons[reason] = (reasons[reason] ?? 0) + count;
    }
  }
  row.reasons = Object.keys(reasons).sort((a, b) => (reasons[b] ?? 0) - (reasons[a] ?? 0));
}

/** A line of the table. */
export function describe(row: Row): string {
  const name = `${row.way}${row.how === "inherited" ? ", then executed" : ""}`;
  if (row.answers === undefined) return `${name.padEnd(62)} cannot be tried here`;
  const columns = [
    name.padEnd(62),
    row.eager ? "eager" : "lazy ",
    String(row.answers).padStart(6),
    String(row.refused).padStart(7),
    String(row.differences.length).padStart(6),
    `${row.served}/${row.calls}`.padStart(13),
    ` ${row.reasons.slice(0, 3).join(" ")}`,
  ];
  return columns.join(" ");
}

export const heading = `${
  "who".padEnd(62)
} door   asked refused differ        served  left to the kernel`;
