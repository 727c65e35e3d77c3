/** Counts and bytes of a file system, from its superblock alone. */
import {
  SUPER_BLOCK_USED,
  SUPER_CACHE_MODE,
  SUPER_INODE_USED,
  SUPER_OWNER_PID,
  SUPER_OWNER_START_TICKS,
  SUPER_REQUEST_COUNT,
} from "../region/layout.gen.ts";
import type { RegionGlimpse } from "../region/object.ts";
import type { CacheMode } from "./file_system.ts";

/** Counts and bytes, as `btfuse status` shows them. */
export interface Statistics {
  blockCountMax: number;
  blockCountUsed: number;
  inodeCountMax: number;
  inodeCountUsed: number;
  /** Size of the shared-memory object; sparse. */
  regionBytes: number;
  /** Memory that it takes. */
  residentBytes: number;
  /** The part of it that is not blocks: inodes, dentries, hash, sets. */
  metadataBytes: number;
  ownerPid: number;
  ownerStartTime: number;
  cache: CacheMode;
  requestCount: number;
}

export function statisticsOf(
  { superblock, sizes, residentBytes, metadataBytes }: RegionGlimpse,
): Statistics {
  const number64 = (field: number) => superblock[field] + superblock[field + 1] * 2 ** 32;
  return {
    blockCountMax: sizes.blockCountMax - 1,
    blockCountUsed: superblock[SUPER_BLOCK_USED],
    inodeCountMax: sizes.inodeCountMax - 1,
    inodeCountUsed: superblock[SUPER_INODE_USED],
    regionBytes: sizes.regionBytes,
    residentBytes,
    metadataBytes,
    ownerPid: superblock[SUPER_OWNER_PID],
    ownerStartTime: number64(SUPER_OWNER_START_TICKS),
    cache: superblock[SUPER_CACHE_MODE] === 1 ? "none" : "auto",
    requestCount: number64(SUPER_REQUEST_COUNT),
  };
}
