/**
 * What of a mount's region is in use, read beside its daemon: to see that nothing is left when everything is gone.
 * @module
 */
import {
  CLIENT_COUNT_MAX,
  CLIENT_DESCRIPTION_HELD,
  CLIENT_DESCRIPTION_MAX,
  CLIENT_FREE,
  CLIENT_PAGES,
  CLIENT_STATE,
  DESCRIPTION_FREE,
  DESCRIPTION_STATE,
  DESCRIPTION_WORDS,
  INODE_EXTEND_LOCK,
  INODE_MODE,
  INODE_OPEN_COUNT,
  INODE_WORDS,
  PAGE_BYTES,
  RING_FREE,
  RING_SLOT_COUNT,
  RING_STATE,
  RING_WORDS,
  SUPER_CLIENT_HIGH,
  SUPER_INODE_HELD,
  SUPER_ORPHAN_COUNT,
} from "../../src/region/layout.gen.ts";
import { FileSystem } from "../../src/core/file_system.ts";
import { Region } from "../../src/region/region.ts";
import { type BtfuseMount, waitUntil } from "../support/mounts.ts";

const PAGE_WORDS = PAGE_BYTES / 4;
/** Dead clients are looked for once a second, a claimed slot is given up after five looks, memory follows later. */
const SETTLE_MS = 20_000;

export interface Usage {
  inodes: number;
  slots: number;
  blocks: number;
  /** Inodes that have lost all names but are still open. */
  orphans: number;
  /** Sum of the inodes' counts of open descriptions. */
  openCount: number;
  /** Inodes whose lock for growing is held. */
  extendLocks: number;
  ringSlots: number;
  clients: number;
  descriptions: number;
  /** Blocks wait for somebody who may still store into them. */
  limbo: boolean;
}

export function usage(m: BtfuseMount): Usage {
  using region = Region.open(m.object.replace("/dev/shm", ""), Deno.uid() ?? 0);
  const fs = FileSystem.open(region);
  const { superblock, inodes, ring, clients } = region;
  const found: Usage = {
    inodes: fs.inodePool.used,
    slots: fs.slotPool.used,
    blocks: fs.blockPool.used,
    orphans: superblock[SUPER_ORPHAN_COUNT],
    openCount: 0,
    extendLocks: 0,
    ringSlots: 0,
    clients: 0,
    descriptions: 0,
    limbo: !fs.guard.limboIsEmpty,
  };
  for (let ino = 1; ino < superblock[SUPER_INODE_HELD]; ino++) {
    const at = ino * INODE_WORDS;
    if (inodes[at + INODE_MODE] === 0) continue;
    found.openCount += inodes[at + INODE_OPEN_COUNT];
    if (inodes[at + INODE_EXTEND_LOCK] !== 0) found.extendLocks++;
  }
  for (let slot = 0; slot < RING_SLOT_COUNT; slot++) {
    if (Atomics.load(ring, slot * RING_WORDS + RING_STATE) !== RING_FREE) found.ringSlots++;
  }
  const clientEnd = Math.min(superblock[SUPER_CLIENT_HIGH], CLIENT_COUNT_MAX);
  for (let client = 1; client < clientEnd; client++) {
    const at = client * CLIENT_PAGES * PAGE_WORDS;
    if (clients[at + CLIENT_STATE] !== CLIENT_FREE) found.clients++;
    const held = Math.min(clients[at + CLIENT_DESCRIPTION_HELD], CLIENT_DESCRIPTION_MAX);
    for (let i = 0; i < held; i++) {
      const state = clients[at + PAGE_WORDS + i * DESCRIPTION_WORDS + DESCRIPTION_STATE];
      if (state !== DESCRIPTION_FREE) found.descriptions++;
    }
  }
  return found;
}

/** Waits until the mount uses what it did before; throws with what it still uses. */
export async function assertUsedAsBefore(m: BtfuseMount, before: Usage): Promise<void> {
  const wanted = JSON.stringify(before);
  if (await waitUntil(() => JSON.stringify(usage(m)) === wanted, SETTLE_MS, 200)) return;
  throw new Error(`in use: ${JSON.stringify(usage(m))}\nand before: ${wanted}`);
}
