/**
 * Who makes a request, as far as requests do not say: they carry one group only, and, since the mount may be idmapped (FUSE_ALLOW_IDMAP), user and
 * group only where an inode is made. Asked for in the rarest of cases, because it costs a look into /proc.
 */

/** In a request: not said. */
export const NO_ID = 0xffff_ffff;
export const CAP_SYS_ADMIN = 21;

export interface Caller {
  uid: number;
  gid: number;
  groups: number[];
  /** Effective capabilities, see capabilities(7). */
  capabilities: bigint;
}

const NOBODY: Caller = { uid: NO_ID, gid: NO_ID, groups: [], capabilities: 0n };

/** @param thread its number here; 0, or one that has ended: nobody, who may nothing */
export function callerOf(thread: number): Caller {
  try {
    return parseStatus(Deno.readTextFileSync(`/proc/${thread}/status`));
  } catch {
    return NOBODY;
  }
}

/** Of the four ids in /proc/PID/status, the last is the one that counts for files. */
export function parseStatus(status: string): Caller {
  const numbers = (field: string) =>
    (new RegExp(`^${field}:(.*)$`, "m").exec(status)?.[1].match(/\d+/g) ?? []).map(Number);
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  return {
    uid: numbers("Uid")[3] ?? NO_ID,
    gid: numbers("Gid")[3] ?? NO_ID,
    groups: numbers("Groups"),
    capabilities: BigInt(`0x${capabilities}`),
  };
}
