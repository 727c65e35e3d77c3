/**
 * What was measured, as text: the table, the comparison with bindfs, the targets.
 * @module
 */
import type { Cell } from "./measure.ts";
import type { Side } from "./sides.ts";
import type { Workload } from "./workloads.ts";

/** One thing the project sets out to reach, and whether this run did. */
export interface Target {
  text: string;
  /** Largest ratio of medians that counts as met. */
  limit: number;
  /** The ratio in this run: the worst one when the target covers several workloads. */
  ratio: number;
  met: boolean;
  /** Workloads beyond the limit, when the target covers several. */
  missed: string[];
}

/** A target before it is measured. */
interface Goal {
  text: string;
  limit: number;
  side: string;
  against: string;
  /** Which of the two kinds of cells. */
  oneProcessor: boolean;
  /** It is about a run with all processors busy; the others are not. */
  busy?: boolean;
  of(workload: Workload): boolean;
}

const goals: Goal[] = [
  ...[true, false].map((oneProcessor): Goal => ({
    text: `cache=none against bindfs uncached, each small operation, ${
      oneProcessor ? "on one processor" : "wherever the scheduler puts it"
    }`,
    limit: 1,
    side: "btfuse-none",
    against: "bindfs-uncached",
    oneProcessor,
    of: (workload) => workload.small === true,
  })),
  {
    text:
      "cache=none against bindfs as it comes (which keeps attributes and pages), each small operation",
    limit: 1,
    side: "btfuse-none",
    against: "bindfs",
    oneProcessor: false,
    of: (workload) => workload.small === true,
  },
  {
    text: "open+read 4K+close against tmpfs",
    limit: 2,
    side: "btfuse",
    against: "tmpfs",
    oneProcessor: false,
    of: (workload) => workload.name === "open-read",
  },
  {
    text: "stat against tmpfs",
    limit: 1.3,
    side: "btfuse",
    against: "tmpfs",
    oneProcessor: false,
    of: (workload) => workload.name === "stat",
  },
  {
    text: "sequential read against tmpfs, which reads at page-cache speed",
    limit: 1.1,
    side: "btfuse",
    against: "tmpfs",
    oneProcessor: false,
    of: (workload) => workload.name === "read",
  },
];

/** How many times faster than tmpfs programs under `btfuse run` are meant to be. */
const SPEED_UPS: Record<string, number> = {
  stat: 3,
  fstat: 20,
  open: 3,
  "open-read": 3,
  "pread-4k": 4,
  "pwrite-4k": 5,
  readdir: 2,
  create: 1.5,
};
/** And than traditional FUSE, with these. */
const FIRST_SIX = ["stat", "fstat", "open", "open-read", "pread-4k", "pwrite-4k"];

goals.push(
  ...Object.entries(SPEED_UPS).map(([name, times]): Goal => ({
    text: `under btfuse run against tmpfs, ${name}`,
    limit: 1 / times,
    side: "btfuse-run",
    against: "tmpfs",
    oneProcessor: false,
    of: (workload) => workload.name === name,
  })),
  {
    text: "under btfuse run against cache=none, each of the first six",
    limit: 1 / 30,
    side: "btfuse-run",
    against: "btfuse-none",
    oneProcessor: false,
    of: (workload) => FIRST_SIX.includes(workload.name),
  },
  {
    text: "under btfuse run against cache=none, each operation, all processors busy",
    limit: 1,
    side: "btfuse-run",
    against: "btfuse-none",
    oneProcessor: false,
    busy: true,
    of: (workload) => !workload.spawns,
  },
  {
    text: "under btfuse run against the kernel door, commands in fresh processes",
    limit: 1,
    side: "btfuse-run",
    against: "btfuse",
    oneProcessor: false,
    of: (workload) => workload.name === "cat",
  },
  {
    text:
      "under btfuse run against no library, start of a program that touches no file of the mount",
    limit: 1.15,
    side: "btfuse-run",
    against: "btfuse",
    oneProcessor: false,
    of: (workload) => workload.name === "exec",
  },
);

/** The targets this run can speak about. */
export function targets(
  cells: readonly Cell[],
  workloads: readonly Workload[],
  isBusy = false,
): Target[] {
  const asked = goals.filter(({ busy = false }) => busy === isBusy);
  return asked.flatMap(({ text, limit, side, against, oneProcessor, of }) => {
    const ratios = workloads.filter(of).map(({ name, label }) => ({
      label,
      ratio: ratio(cells, name, side, against, oneProcessor),
    })).filter((row): row is { label: string; ratio: number } => row.ratio !== undefined);
    if (ratios.length === 0) return [];
    const missed = ratios.filter((row) => row.ratio > limit).map(({ label, ratio }) =>
      `${label} ${times(ratio)}`
    );
    const worst = Math.max(...ratios.map((row) => row.ratio));
    return [{
      text,
      limit,
      ratio: worst,
      met: missed.length === 0,
      missed: ratios.length > 1 ? missed : [],
    }];
  });
}

/** The whole report for a terminal. */
export function report(
  cells: readonly Cell[],
  workloads: readonly Workload[],
  sides: readonly Side[],
  busy = false,
): string {
  const width = Math.max(...sides.map(({ name }) => name.length));
  const parts = [
    sides.map(({ name, label }) => `${name.padEnd(width)}  ${label}`),
    [
      "Microseconds an operation: the median, ± half the distance between the quartiles, × times the first column.",
      ...timesTable(cells, workloads, sides),
    ],
    comparison(cells, workloads),
    oneProcessorTable(cells, workloads),
    targets(cells, workloads, busy).map((target) => {
      const missed = target.missed.length > 0 ? `; beyond: ${target.missed.join(", ")}` : "";
      const verdict = target.met ? "met   " : "missed";
      return `${verdict}  ≤ ${times(target.limit)}  ${target.text}: ${
        times(target.ratio)
      }${missed}`;
    }),
  ];
  return parts.filter((lines) => lines.length > 0).map((lines) => lines.join("\n")).join("\n\n");
}

function timesTable(
  cells: readonly Cell[],
  workloads: readonly Workload[],
  sides: readonly Side[],
): string[] {
  const first = sides[0]?.name ?? "";
  const rows = workloads.map((workload) => [
    workload.label,
    ...sides.flatMap(({ name }) => {
      const cell = find(cells, workload.name, name);
      if (cell === undefined) return ["", "", ""];
      const of = ratio(cells, workload.name, name, first);
      return [
        ...medianAndSpread(cell),
        of === undefined || name === first ? "" : `×${times(of)}`,
      ];
    }),
  ]);
  return layOut([["", ...sides.flatMap(({ name }) => [name, "", ""])], ...rows]);
}

/** Pairs of sides, other than with the first one; below 1 the first of the two is faster. */
function comparison(cells: readonly Cell[], workloads: readonly Workload[]): string[] {
  const pairs = [
    ["btfuse-none", "bindfs-uncached"],
    ["btfuse-none", "bindfs"],
    ["btfuse", "bindfs"],
    ["btfuse-run", "btfuse-none"],
    ["btfuse-run", "btfuse"],
    ["btfuse", "before"],
    ["btfuse-run", "before-run"],
  ] as const;
  const present = pairs.filter(([side, against]) =>
    workloads.some(({ name }) => ratio(cells, name, side, against) !== undefined)
  );
  if (present.length === 0) return [];
  const rows = workloads.map(({ name, label }) => [
    label,
    ...present.map(([side, against]) => {
      const value = ratio(cells, name, side, against);
      return value === undefined ? "" : times(value);
    }),
  ]);
  const heading = ["", ...present.map(([side, against]) => `${side}/${against}`)];
  return ["Ratios of medians; below 1 the first is faster.", ...layOut([heading, ...rows])];
}

/** The two sides that were also measured on one processor. */
function oneProcessorTable(cells: readonly Cell[], workloads: readonly Workload[]): string[] {
  const names = [...new Set(cells.filter((cell) => cell.oneProcessor).map(({ side }) => side))];
  const [against, side] = names;
  if (side === undefined || against === undefined) return [];
  const rows = workloads.filter(({ small }) => small).map(({ name, label }) => [
    label,
    ...names.flatMap((side) => {
      const cell = find(cells, name, side, true);
      return cell === undefined ? ["", ""] : medianAndSpread(cell);
    }),
    `×${times(ratio(cells, name, side, against, true) ?? NaN)}`,
  ]);
  return [
    "Client and daemon on one processor, which is what the daemons themselves do.",
    ...layOut([["", ...names.flatMap((name) => [name, ""]), ""], ...rows]),
  ];
}

/** The first column to the left, the others to the right, each as wide as it must be. */
function layOut(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0))
  );
  return rows.map((row) =>
    row.map((text, column) => {
      const width = widths[column] ?? 0;
      return column === 0 ? text.padEnd(width) : text.padStart(width);
    }).join("  ").trimEnd()
  );
}

function find(
  cells: readonly Cell[],
  workload: string,
  side: string,
  oneProcessor = false,
): Cell | undefined {
  return cells.find((cell) =>
    cell.workload === workload && cell.side === side && cell.oneProcessor === oneProcessor
  );
}

/** The ratio of two sides' medians; undefined when one of them was not measured. */
export function ratio(
  cells: readonly Cell[],
  workload: string,
  side: string,
  against: string,
  oneProcessor = false,
): number | undefined {
  const cell = find(cells, workload, side, oneProcessor);
  const other = find(cells, workload, against, oneProcessor);
  return cell && other && cell.median / other.median;
}

function medianAndSpread({ median, p25, p75 }: Cell): [string, string] {
  return [microseconds(median), `±${microseconds((p75 - p25) / 2)}`];
}

function microseconds(nanoseconds: number): string {
  const value = nanoseconds / 1000;
  return value.toFixed(value >= 1000 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3);
}

function times(value: number): string {
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 ? 2 : 3);
}
