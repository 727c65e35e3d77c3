/**
 * Differences from tmpfs that are known and right (or cannot be otherwise). Each is as narrow as its reason.
 * @module
 */
import { S } from "../support/agent.ts";

/** What may differ in the attributes of one file. */
export interface AttributeContext {
  /** st_mode. */
  mode: number;
  /** Something was copied into the file. */
  copiedInto: boolean;
}

/**
 * A copy keeps the holes of what is copied, where tmpfs fills them; the target of a symbolic link takes no block of
 * its own, where tmpfs takes a page for 128 bytes and more.
 */
export function blocksMayDiffer(
  context: AttributeContext,
  oracle: number,
  target: number,
): boolean {
  if (target >= oracle) return false;
  return context.copiedInto || ((context.mode & S.IFMT) === S.IFLNK && target === 0);
}

/** The kernel stamps a fifo that is read or written only on file systems of its own, not on FUSE. */
export function timesMayDiffer(mode: number): boolean {
  return (mode & S.IFMT) === S.IFIFO;
}
