/**
 * Assertions: what only a defect of this program can break. Always on, so each is a comparison or two. Never about numbers of the
 * region or of a request: those are damage (damage.ts) and input. The text is a constant, because it would be made each time.
 */
import type { Region } from "../region/region.ts";
import { SUPER_LOCK } from "../region/layout.gen.ts";

/** @throws {Error} when not; a request it happens in gets EIO, and the daemon's log a stack trace */
export function assert(isTrue: boolean, text: string): asserts isTrue {
  if (!isTrue) throw new Error(`defect: ${text}`);
}

/** Somebody has the core lock, and it can only be the caller. A region in plain memory has one user, who needs none. */
export function assertLocked(region: Region): void {
  if (region.superblock[SUPER_LOCK] === 0 && region.fd >= 0) {
    throw new Error("defect: records change without the core lock");
  }
}
