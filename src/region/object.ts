/**
 * Shared-memory objects before they are mapped: whether one may be used, and what can be told of it without that.
 * Any user may make a file in /dev/shm under any name, and cut it off or replace it at any time.
 */
import { identityOfDescriptor } from "../../ffi/files.ts";
import { cString } from "../../ffi/process.ts";
import { checked, native } from "../../ffi/native.ts";
import { type RegionSizes, sizesOf, writeSizes } from "./sizes.ts";
import {
  LAYOUT_HASH_HI,
  LAYOUT_HASH_LO,
  MAGIC_HI,
  MAGIC_LO,
  PAGE_BYTES,
  SUPER_FORMATTED,
  SUPER_LAYOUT_HASH,
  SUPER_MAGIC,
} from "./layout.gen.ts";

/** A region that cannot be made or used; the message says which one and why, for a person to read. */
export class RegionError extends Error {
  override name = "RegionError";
}

/** An object that is open, and its superblock as it was at that moment. */
export interface OpenObject {
  fd: number;
  words: Uint32Array;
}

/**
 * Opens an object and checks that it is what it should be, before anything of it is mapped: any user may make a file of
 * this name, and cut it off or replace it at any time. So all is asked of the one descriptor, and read(2), not seen.
 */
export function openObject(name: string, owner: number): OpenObject {
  const refuse = (why: string): never => {
    throw new RegionError(`cannot use the shared-memory object ${name}: ${why}`);
  };
  const fd = native().bt_region_open(cString(name));
  if (fd < 0) refuse(checked.text(fd));
  try {
    const identity = identityOfDescriptor(fd);
    if (identity === undefined || !identity.isFile) refuse("it is not a file");
    else if (identity.uid !== owner) {
      refuse(`it belongs to user ${identity.uid} instead of ${owner}`);
    } else if (identity.nlink > 1) refuse("it has a second name, so it is not btfuse's");
    const bytes = regionFileBytes(fd);
    const words = new Uint32Array(PAGE_BYTES / 4);
    const count = native().bt_region_read(fd, 0n, new Uint8Array(words.buffer), PAGE_BYTES);
    if (count < PAGE_BYTES) {
      refuse(`it has ${bytes} bytes, less than a superblock: truncated or not of btfuse`);
    }
    const why = superblockProblem(words, bytes);
    if (why) refuse(why);
    if (identity?.mode !== 0o600) refuse("others may read or write it: its mode is not 0600");
    return { fd, words };
  } catch (error) {
    native().bt_close(fd);
    throw error;
  }
}

/** What can be known of an object without mapping it. */
export interface RegionGlimpse {
  superblock: Uint32Array;
  sizes: RegionSizes;
  /** Memory that it takes. */
  residentBytes: number;
  /** Memory that everything before the blocks takes. */
  metadataBytes: number;
}

/**
 * Looks at an object without mapping it, so that nothing its owner does to it can end this process.
 * @param owner the user whose object it must be
 * @throws {RegionError} as `Region.open`
 */
export function glimpse(name: string, owner: number): RegionGlimpse {
  const { fd, words } = openObject(name, owner);
  try {
    const out = new Float64Array(2);
    checked(native().bt_region_stat(fd, out), "stat shared memory");
    const sizes = sizesOf(words);
    const end = BigInt(sizes.blockPage * PAGE_BYTES);
    const metadataBytes = Math.max(0, native().bt_region_data_bytes(fd, 0n, end));
    return { superblock: words, sizes, residentBytes: out[1], metadataBytes };
  } finally {
    native().bt_close(fd);
  }
}

/** Why these bytes are not the superblock of a whole region of this version, or "". */
function superblockProblem(words: Uint32Array, objectBytes: number): string {
  if (words[SUPER_MAGIC] !== MAGIC_LO || words[SUPER_MAGIC + 1] !== MAGIC_HI) {
    return "it is not a btfuse region (wrong magic number)";
  }
  if (
    words[SUPER_LAYOUT_HASH] !== LAYOUT_HASH_LO || words[SUPER_LAYOUT_HASH + 1] !== LAYOUT_HASH_HI
  ) {
    return "it was made by another version of btfuse (layout differs)";
  }
  if (words[SUPER_FORMATTED] !== 1) return "its formatting was never finished";
  const sizes = sizesOf(words);
  const expected = new Uint32Array(PAGE_BYTES / 4);
  writeSizes(expected, sizes);
  for (let word = 0; word < expected.length; word++) {
    if (expected[word] !== 0 && expected[word] !== words[word]) {
      return "its superblock contradicts itself: damaged";
    }
  }
  return objectBytes === sizes.regionBytes
    ? ""
    : `it has ${objectBytes} bytes instead of ${sizes.regionBytes}: truncated or damaged`;
}

function regionFileBytes(fd: number): number {
  const out = new Float64Array(2);
  checked(native().bt_region_stat(fd, out), "stat shared memory");
  return out[0];
}
