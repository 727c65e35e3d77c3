/**
 * Random operations that list directories.
 * @module
 */
import { SEEK } from "../support/agent.ts";
import type { Generator } from "./generate.ts";

const STREAM_COUNT = 6;
const MARK_COUNT = 4;

const stream = (g: Generator) => g.random.int(STREAM_COUNT);
const mark = (g: Generator, of: number) => of * MARK_COUNT + g.random.int(MARK_COUNT);

export const directoryOperations:
  readonly (readonly [weight: number, make: (g: Generator) => void])[] = [
    [3, (g) => g.emit("list", [g.existing("directory")])],
    [1, (g) => g.emit("scandir", [g.existing("directory")], "names")],
    [0.3, (g) => g.emit("nftw", [g.existing("directory")])],
    [1, (g) => g.emit("glob", [`${g.model.pick(g.random, "directory")}/*`], "names")],
    [1.5, (g) => openStream(g)],
    [4, (g) => g.emit("readdir", [stream(g), g.random.pick([1, 2, 5, 20, 10_000])], "stream")],
    [1, (g) => place(g, "telldir")],
    [1, (g) => place(g, "seekdir")],
    [0.5, (g) => g.emit("rewinddir", [stream(g)], "stream")],
    [0.5, (g) => g.emit("closedir", [stream(g)], "stream")],
    [1, (g) => wholeBySlot(g)],
  ];

/** The listing before is what the stream must show of names that nobody touches. */
function openStream(g: Generator): void {
  const path = g.model.pick(g.random, "directory");
  g.emit("list", [path]);
  g.emit("opendir", [path, stream(g)], "stream");
}

function place(g: Generator, name: "telldir" | "seekdir"): void {
  const of = stream(g);
  g.emit(name, [of, mark(g, of)], "stream");
}

/** The directory behind a slot, if it is one, by one large getdents. */
function wholeBySlot(g: Generator): void {
  const slot = g.slot("directory");
  g.emit("lseek", [slot, 0, SEEK.SET], "offset");
  g.emit("getdents", [slot, 4 << 20], "entries");
}
