/**
 * Kinds of runs: few names or many, deep or wide, small files or large ones.
 * @module
 */
import type { Random } from "./random.ts";

export interface Profile {
  /** Names that are used. */
  names: readonly string[];
  depthMax: number;
  /** Largest transfer, bytes. */
  transferMax: number;
  /** Largest usual offset, bytes. */
  offsetMax: number;
}

const FEW = [..."abcdef"];
const SOME = Array.from({ length: 40 }, (_, n) => `name-${n}`);
const MANY = Array.from({ length: 3000 }, (_, n) => `a-file-with-a-longer-name-${n}`);
const ODD = [
  "é",
  " ",
  "...",
  "-",
  "\\",
  "line\nbreak",
  "日本語",
  "😀",
  "A",
  "a",
  ".hidden",
  "y".repeat(255),
];

export function pickProfile(random: Random): Profile {
  return {
    names: random.pick([FEW, FEW, SOME, SOME, SOME, MANY, ODD]),
    depthMax: random.pick([1, 3, 3, 6]),
    transferMax: random.pick([300, 5000, 20_000, 20_000, 200_000]),
    offsetMax: random.pick([1000, 20_000, 100_000, 1_000_000]),
  };
}
