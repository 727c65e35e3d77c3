/**
 * Random operations on open files.
 * @module
 */
import { AT, F, FALLOC, O, SEEK } from "../support/agent.ts";
import type { Generator } from "./generate.ts";
import { SOURCE_SLOT } from "./layout.ts";

const TIB = 2 ** 40;

function data(g: Generator) {
  const length = Math.max(0, g.random.skewed(g.profile.transferMax));
  // Zeros now and then: they must take space and read as zeros all the same.
  return g.random.chance(0.05) ? { fill: 0, length } : { pattern: g.random.int(1 << 20), length };
}

function offset(g: Generator): number {
  if (g.random.chance(0.02)) {
    return g.random.pick([TIB, 5 * TIB + 77, 2 ** 32 - 3, 2 ** 31 - 2]) + g.random.int(5000);
  }
  if (g.random.chance(0.3)) return g.random.int(64) * 4096 + g.random.pick([0, 0, -1, 1]) + 4096;
  return Math.max(0, g.random.skewed(g.profile.offsetMax));
}

function count(g: Generator): number {
  return Math.max(0, g.random.skewed(g.profile.transferMax * 2));
}

export const dataOperations: readonly (readonly [weight: number, make: (g: Generator) => void])[] =
  [
    [6, (g) => g.emit("write", [g.slot(), data(g)])],
    [8, (g) => g.emit("pwrite", [g.slot(), data(g), offset(g)])],
    [6, (g) => g.emit("read", [g.slot(), count(g), 0])],
    [8, (g) => g.emit("pread", [g.slot(), count(g), offset(g), 0])],
    [
      1,
      (g) =>
        g.emit("writev", [
          g.slot(),
          { pattern: 7, length: g.random.int(5000) },
          g.random.pick([5, 100, 1000]),
        ]),
    ],
    [
      1,
      (g) => g.emit("readv", [g.slot(), g.random.pick([1, 10, 500, 4096]), g.random.int(8) + 1, 0]),
    ],
    [
      1,
      (g) =>
        g.emit("preadv2", [
          g.slot(),
          g.random.pick([10, 4096]),
          g.random.int(8) + 1,
          offset(g),
          0,
          0,
        ]),
    ],
    [
      1,
      (g) =>
        g.emit("pwritev2", [
          g.slot(),
          { pattern: 8, length: g.random.int(5000) },
          1000,
          offset(g),
          0,
        ]),
    ],
    [5, (g) => seek(g)],
    [4, (g) => g.emit("ftruncate", [g.slot(), offset(g)])],
    [2, (g) => truncate(g)],
    [4, (g) => allocate(g)],
    [3, (g) => copy(g)],
    [
      1,
      (g) =>
        g.emit("sendfile", [
          g.slot(),
          SOURCE_SLOT,
          g.random.chance(0.5) ? -1 : offset(g),
          count(g),
        ]),
    ],
    [1, (g) => g.emit(g.random.pick(["fsync", "fdatasync"]), [g.slot()])],
    [2, (g) => g.emit("mapOnce", [g.slot(), offset(g), data(g)])],
    [4, (g) => shut(g)],
    [2, (g) => g.emit("dup", [g.slot(), g.anySlot()])],
    [1, (g) => g.emit("fcntl", [g.slot(), F.GETFL, 0])],
    [
      1,
      (g) =>
        g.emit("fcntl", [g.slot(), F.SETFL, g.random.pick([O.NONBLOCK, O.NONBLOCK | O.APPEND])]),
    ],
    [2, (g) => relative(g)],
  ];

function seek(g: Generator): void {
  const slot = g.slot();
  const whence = g.random.pick([SEEK.SET, SEEK.SET, SEEK.CUR, SEEK.END, SEEK.DATA, SEEK.HOLE]);
  const sign = whence !== SEEK.SET && g.random.chance(0.3) ? -1 : 1;
  g.emit("lseek", [slot, sign * offset(g), whence], "offset");
  // Holes may differ (see compare.ts), what is read later may not.
  if (whence === SEEK.DATA || whence === SEEK.HOLE) {
    g.emit("lseek", [slot, offset(g), SEEK.SET], "offset");
  }
}

/** ZERO_RANGE is left out: tmpfs has none. */
function allocate(g: Generator): void {
  const mode = g.random.pick([
    0,
    FALLOC.KEEP_SIZE,
    FALLOC.KEEP_SIZE | FALLOC.PUNCH_HOLE,
    FALLOC.KEEP_SIZE | FALLOC.PUNCH_HOLE,
  ]);
  g.emit("fallocate", [g.slot(), mode, offset(g), g.random.skewed(300_000)]);
}

/**
 * Two sizes, so that the size does change: whether truncate(2) to the same size changes the times is the file
 * system's choice, and it cannot be told from O_TRUNC, which does change them.
 */
function truncate(g: Generator): void {
  const [path, length] = [g.existing("file"), offset(g)];
  g.emit("truncate", [path, length + 1]);
  g.emit("truncate", [path, length]);
}

function shut(g: Generator): void {
  const slot = g.slot(g.random.chance(0.8) ? "file" : "directory");
  g.emit("close", [slot]);
  g.closed(slot);
}

function copy(g: Generator): void {
  const [from, to] = [g.random.chance(0.3) ? -1 : offset(g), g.random.chance(0.3) ? -1 : offset(g)];
  g.emit("copyFileRange", [g.slot(), from, g.slot(), to, count(g), 0]);
}

/** A path that starts from an open directory, or from whatever the slot holds. */
function relative(g: Generator): void {
  const dir = g.slot("directory");
  const name = g.name();
  if (g.random.chance(0.5)) g.opened(name, O.CREAT | O.RDWR, 0o666, dir);
  else g.emit("fstatat", [dir, name, AT.SYMLINK_NOFOLLOW], "stat");
}
