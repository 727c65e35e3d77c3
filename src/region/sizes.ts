/** How a region is divided: how many records each area has and where it begins. */
import { IntegerSet } from "./integer_set.ts";
import {
  BLOCK_BYTES,
  CLIENT_COUNT_MAX,
  CLIENT_PAGES,
  DENTRY_WORDS,
  INODE_CHUNK_COUNT,
  INODE_WORDS,
  PAGE_BYTES,
  RING_SLOT_COUNT,
  SLOT_CHUNK_COUNT,
  SUPER_BLOCK_COUNT_MAX,
  SUPER_BLOCK_PAGE,
  SUPER_BLOCK_SET_PAGE,
  SUPER_BUCKET_COUNT,
  SUPER_BUCKET_PAGE,
  SUPER_CLIENT_PAGE,
  SUPER_INODE_COUNT_MAX,
  SUPER_INODE_PAGE,
  SUPER_INODE_SET_PAGE,
  SUPER_REGION_BYTES,
  SUPER_RING_PAGE,
  SUPER_SLOT_COUNT_MAX,
  SUPER_SLOT_PAGE,
  SUPER_SLOT_SET_PAGE,
} from "./layout.gen.ts";

/** Counts and first pages of every area; follows from three numbers, so it is the same on each side. */
export interface RegionSizes {
  inodeCountMax: number;
  slotCountMax: number;
  blockCountMax: number;
  bucketCount: number;
  inodeSetPage: number;
  slotSetPage: number;
  blockSetPage: number;
  bucketPage: number;
  inodePage: number;
  slotPage: number;
  blockPage: number;
  ringPage: number;
  clientPage: number;
  regionBytes: number;
}

/** Keeps every record's first word below 2^31, where typed arrays are fast. */
export const INODE_COUNT_LIMIT = 20_000_000;
/** Block numbers have 31 bits (the top one marks unwritten blocks). */
export const SIZE_BYTES_LIMIT = 2 ** 31 * BLOCK_BYTES;
/** Names of up to 64 bytes take one slot, the longest three. */
const SLOTS_PER_INODE = 3;
/**
 * @param o.sizeBytes room for file data (and block maps), rounded up to a block
 * @param o.inodeCountMax files, directories and links that can exist (default: one a block of the size)
 */
export function regionSizes(o: { sizeBytes: number; inodeCountMax?: number }): RegionSizes {
  // Record 0 of every table means "none" and is never handed out.
  const blockCountMax = Math.min(2 ** 31, Math.ceil(o.sizeBytes / BLOCK_BYTES) + 1);
  const inodeCountMax = 1 + Math.min(
    INODE_COUNT_LIMIT,
    Math.max(1, Math.ceil(o.inodeCountMax ?? blockCountMax)),
  );
  return arrange(inodeCountMax, inodeCountMax * SLOTS_PER_INODE, blockCountMax);
}

function arrange(inodeCountMax: number, slotCountMax: number, blockCountMax: number): RegionSizes {
  // Chains of two names on average when the file system is full.
  const bucketCount = 2 ** Math.ceil(Math.log2(inodeCountMax / 2));
  let page = 1;
  const area = (bytes: number) => {
    const first = page;
    page += Math.ceil(bytes / PAGE_BYTES);
    return first;
  };
  const sizes = {
    inodeCountMax,
    slotCountMax,
    blockCountMax,
    bucketCount,
    inodeSetPage: area(poolWords(inodeCountMax, INODE_CHUNK_COUNT) * 4),
    slotSetPage: area(poolWords(slotCountMax, SLOT_CHUNK_COUNT) * 4),
    blockSetPage: area(poolWords(blockCountMax, 1) * 4),
    bucketPage: area(bucketCount * 4),
    inodePage: area(inodeCountMax * INODE_WORDS * 4),
    slotPage: area(slotCountMax * DENTRY_WORDS * 4),
    blockPage: area(blockCountMax * BLOCK_BYTES),
    ringPage: area(RING_SLOT_COUNT * PAGE_BYTES),
    clientPage: area(CLIENT_COUNT_MAX * CLIENT_PAGES * PAGE_BYTES),
  };
  return { ...sizes, regionBytes: page * PAGE_BYTES };
}

/** A pool keeps two sets: its free records, and its free chunks that still hold memory. */
export function poolWords(count: number, chunkCount: number): number {
  return IntegerSet.wordCount(count) + IntegerSet.wordCount(Math.ceil(count / chunkCount));
}

/** As a superblock says them. */
export function sizesOf(superblock: Uint32Array): RegionSizes {
  return arrange(
    superblock[SUPER_INODE_COUNT_MAX],
    superblock[SUPER_SLOT_COUNT_MAX],
    superblock[SUPER_BLOCK_COUNT_MAX],
  );
}

/** Writes them into a superblock. */
export function writeSizes(superblock: Uint32Array, sizes: RegionSizes): void {
  superblock[SUPER_INODE_COUNT_MAX] = sizes.inodeCountMax;
  superblock[SUPER_SLOT_COUNT_MAX] = sizes.slotCountMax;
  superblock[SUPER_BLOCK_COUNT_MAX] = sizes.blockCountMax;
  superblock[SUPER_BUCKET_COUNT] = sizes.bucketCount;
  superblock[SUPER_INODE_SET_PAGE] = sizes.inodeSetPage;
  superblock[SUPER_SLOT_SET_PAGE] = sizes.slotSetPage;
  superblock[SUPER_BLOCK_SET_PAGE] = sizes.blockSetPage;
  superblock[SUPER_BUCKET_PAGE] = sizes.bucketPage;
  superblock[SUPER_INODE_PAGE] = sizes.inodePage;
  superblock[SUPER_SLOT_PAGE] = sizes.slotPage;
  superblock[SUPER_BLOCK_PAGE] = sizes.blockPage;
  superblock[SUPER_RING_PAGE] = sizes.ringPage;
  superblock[SUPER_CLIENT_PAGE] = sizes.clientPage;
  superblock[SUPER_REGION_BYTES] = sizes.regionBytes % 2 ** 32;
  superblock[SUPER_REGION_BYTES + 1] = Math.floor(sizes.regionBytes / 2 ** 32);
}
