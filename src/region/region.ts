/**
 * The region: one shared-memory object that holds the whole file system, and typed views of its areas.
 * This file and `ffi/` are the only places that know addresses; everything above works on numbers.
 *
 * Who may write: the daemon's workers, under the core lock, and clients what shim/layout.zig says.
 * `btfuse status` and `btfuse check` only read.
 */
import { checked, native, pointerTo } from "../../ffi/native.ts";
import {
  BLOCK_BYTES,
  CLIENT_COUNT_MAX,
  CLIENT_PAGES,
  DENTRY_WORDS,
  INODE_CHUNK_COUNT,
  INODE_WORDS,
  LAYOUT_HASH_HI,
  LAYOUT_HASH_LO,
  MAGIC_HI,
  MAGIC_LO,
  PAGE_BYTES,
  RING_SLOT_COUNT,
  SLOT_CHUNK_COUNT,
  SUPER_BLOCK_COUNT_MAX,
  SUPER_BLOCK_PAGE,
  SUPER_BLOCK_SET_PAGE,
  SUPER_BUCKET_COUNT,
  SUPER_BUCKET_PAGE,
  SUPER_CLIENT_PAGE,
  SUPER_FORMATTED,
  SUPER_INODE_COUNT_MAX,
  SUPER_INODE_PAGE,
  SUPER_INODE_SET_PAGE,
  SUPER_LAYOUT_HASH,
  SUPER_MAGIC,
  SUPER_REGION_BYTES,
  SUPER_RING_PAGE,
  SUPER_SLOT_COUNT_MAX,
  SUPER_SLOT_PAGE,
  SUPER_SLOT_SET_PAGE,
} from "./layout.gen.ts";
import { IntegerSet } from "./integer_set.ts";

/** A region that cannot be made or used; the message says which one and why, for a person to read. */
export class RegionError extends Error {
  override name = "RegionError";
}

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
/** Blocks are seen through windows of 2 GiB, so that byte indexes stay below 2^31. */
const WINDOW_BLOCKS = 2 ** 31 / BLOCK_BYTES;

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

function sizesOf(superblock: Uint32Array): RegionSizes {
  return arrange(
    superblock[SUPER_INODE_COUNT_MAX],
    superblock[SUPER_SLOT_COUNT_MAX],
    superblock[SUPER_BLOCK_COUNT_MAX],
  );
}

/** The memory behind a region: shared memory of this process, or a plain buffer in tests. */
interface Backing {
  buffer: ArrayBuffer;
  address: bigint;
  fd: number;
  name: string;
  release: () => void;
}

export class Region implements Disposable {
  /** `view[N * WORDS + FIELD]`, see layout.gen.ts. */
  readonly superblock: Uint32Array;
  readonly inodeSets: Uint32Array;
  readonly slotSets: Uint32Array;
  readonly blockSets: Uint32Array;
  readonly buckets: Uint32Array;
  readonly inodes: Uint32Array;
  readonly inodeBytes: Uint8Array;
  readonly slots: Uint32Array;
  readonly slotBytes: Uint8Array;
  readonly ring: Uint32Array;
  readonly ringBytes: Uint8Array;
  /** `clients[(N * CLIENT_PAGES * PAGE_BYTES / 4) + FIELD]`; only pages a client says it holds may be touched. */
  readonly clients: Uint32Array;
  readonly address: bigint;
  readonly bytes: number;
  readonly fd: number;
  readonly name: string;
  /** Whether so much more memory may be taken; the daemon knows limits that the system would enforce by ending it. */
  mayTake: (bytes: number) => boolean = () => true;
  #wordWindows: Uint32Array[] = [];
  #byteWindows: Uint8Array[] = [];
  #release: () => void;

  private constructor(backing: Backing, readonly sizes: RegionSizes) {
    const { buffer } = backing;
    this.address = backing.address;
    this.bytes = sizes.regionBytes;
    this.fd = backing.fd;
    this.name = backing.name;
    this.#release = backing.release;
    const words = (page: number, endPage: number) =>
      new Uint32Array(buffer, page * PAGE_BYTES, (endPage - page) * (PAGE_BYTES / 4));
    this.superblock = words(0, 1);
    this.inodeSets = words(sizes.inodeSetPage, sizes.slotSetPage);
    this.slotSets = words(sizes.slotSetPage, sizes.blockSetPage);
    this.blockSets = words(sizes.blockSetPage, sizes.bucketPage);
    this.buckets = words(sizes.bucketPage, sizes.inodePage);
    this.inodes = words(sizes.inodePage, sizes.slotPage);
    this.inodeBytes = new Uint8Array(buffer, sizes.inodePage * PAGE_BYTES, this.inodes.byteLength);
    this.slots = words(sizes.slotPage, sizes.blockPage);
    this.slotBytes = new Uint8Array(buffer, sizes.slotPage * PAGE_BYTES, this.slots.byteLength);
    this.ring = words(sizes.ringPage, sizes.clientPage);
    this.ringBytes = new Uint8Array(buffer, sizes.ringPage * PAGE_BYTES, this.ring.byteLength);
    this.clients = new Uint32Array(buffer, sizes.clientPage * PAGE_BYTES);
    for (let block = 0; block < sizes.blockCountMax; block += WINDOW_BLOCKS) {
      const offset = sizes.blockPage * PAGE_BYTES + block * BLOCK_BYTES;
      const bytes = Math.min(WINDOW_BLOCKS * BLOCK_BYTES, sizes.ringPage * PAGE_BYTES - offset);
      this.#wordWindows.push(new Uint32Array(buffer, offset, bytes / 4));
      this.#byteWindows.push(new Uint8Array(buffer, offset, bytes));
    }
  }

  /**
   * Creates the shared-memory object `name` (as for shm_open(3), "/btfuse.UID.NAME"), sparse, mode 0600.
   * @throws {RegionError} it exists already, or there is no room
   */
  static create(o: { name: string; sizes: RegionSizes }): Region {
    const { name, sizes } = o;
    const fd = native().bt_region_create(cString(name), BigInt(sizes.regionBytes));
    if (fd < 0) {
      throw new RegionError(`cannot create the shared-memory object ${name}: ${checked.text(fd)}`);
    }
    const region = Region.#mapped(name, fd, sizes, "create");
    // Superblock, buckets and ring are touched here and there; all else is reserved by the pools, and by clients.
    const always = [[0, 1], [sizes.bucketPage, sizes.inodePage], [
      sizes.ringPage,
      sizes.clientPage,
    ]];
    if (
      !always.every(([page, end]) => region.reserve(page * PAGE_BYTES, (end - page) * PAGE_BYTES))
    ) {
      region.unlink();
      region[Symbol.dispose]();
      throw new RegionError(
        `cannot create the shared-memory object ${name}: /dev/shm has less than the ` +
          `${
            sizes.inodePage * PAGE_BYTES
          } bytes it needs for a start (see df /dev/shm; fewer --inodes need less)`,
      );
    }
    writeSizes(region.superblock, sizes);
    return region;
  }

  /**
   * Attaches to an existing object.
   * @throws {RegionError} missing, no permission, truncated, not a btfuse region, or of another version
   */
  static open(name: string): Region {
    const refuse = (why: string): never => {
      throw new RegionError(`cannot use the shared-memory object ${name}: ${why}`);
    };
    const fd = native().bt_region_open(cString(name));
    if (fd < 0) refuse(checked.text(fd));
    try {
      const bytes = regionFileBytes(fd);
      if (bytes < PAGE_BYTES) {
        refuse(`it has ${bytes} bytes, less than a superblock: truncated or not of btfuse`);
      }
      const superblock = mapBuffer(name, fd, PAGE_BYTES);
      const words = new Uint32Array(superblock.buffer).slice();
      superblock.release();
      const why = superblockProblem(words, bytes);
      if (why) refuse(why);
      return Region.#mapped(name, fd, sizesOf(words), "map");
    } catch (error) {
      native().bt_close(fd);
      throw error;
    }
  }

  /** A second view of a region that this process has mapped already (another worker's). */
  static at(address: bigint, bytes: number, fd: number): Region {
    const buffer = bufferAt(address, bytes);
    const sizes = sizesOf(new Uint32Array(buffer, 0, PAGE_BYTES / 4));
    return new Region({ buffer, address, fd, name: "", release: () => {} }, sizes);
  }

  /** A region in plain memory, with room for few clients: for tests, nothing native is loaded. */
  static inMemory(sizes: RegionSizes, clientCount = 0): Region {
    const buffer = new ArrayBuffer(
      (sizes.clientPage + clientCount * CLIENT_PAGES) * PAGE_BYTES,
    );
    const region = new Region(
      { buffer, address: 0n, fd: -1, name: "memory", release: () => {} },
      sizes,
    );
    writeSizes(region.superblock, sizes);
    return region;
  }

  static #mapped(name: string, fd: number, sizes: RegionSizes, verb: string): Region {
    try {
      const { buffer, address, release } = mapBuffer(name, fd, sizes.regionBytes);
      return new Region({
        buffer,
        address,
        fd,
        name,
        release: () => (release(), native().bt_close(fd)),
      }, sizes);
    } catch (error) {
      if (verb === "create") {
        native().bt_close(fd);
        native().bt_region_unlink(cString(name));
      }
      throw error;
    }
  }

  /** The block's window as words; the block's first word is at `wordIndex(block)`. */
  words(block: number): Uint32Array {
    return this.#wordWindows[block >>> 19];
  }
  wordIndex(block: number): number {
    return (block & (WINDOW_BLOCKS - 1)) << 10;
  }
  /** The block's window as bytes; the block's first byte is at `byteIndex(block)`. */
  blockBytes(block: number): Uint8Array {
    return this.#byteWindows[block >>> 19];
  }
  byteIndex(block: number): number {
    return (block & (WINDOW_BLOCKS - 1)) * BLOCK_BYTES;
  }
  /** How many blocks from this one on lie in the same window (at most `count`). */
  windowRun(block: number, count: number): number {
    return Math.min(count, WINDOW_BLOCKS - (block & (WINDOW_BLOCKS - 1)));
  }

  /**
   * Takes memory for a range before it is touched: without it a full /dev/shm would kill the process (SIGBUS)
   * instead of answering. @returns false when there is none
   */
  reserve(offsetBytes: number, lengthBytes: number): boolean {
    return this.fd < 0 || (this.mayTake(lengthBytes) &&
      native().bt_region_reserve(this.fd, BigInt(offsetBytes), BigInt(lengthBytes)) === 0);
  }

  /** Gives the pages back to the system; they read as zeros afterwards. */
  punch(offsetBytes: number, lengthBytes: number): void {
    if (this.fd < 0) {
      new Uint8Array(this.superblock.buffer, offsetBytes, lengthBytes).fill(0);
      return;
    }
    checked(
      native().bt_region_punch(this.fd, BigInt(offsetBytes), BigInt(lengthBytes)),
      "punch shared memory",
    );
  }

  /** Whether no other process has the object open or mapped. */
  isAlone(): boolean {
    return this.fd < 0 || native().bt_region_is_alone(this.fd) === 1;
  }

  /** Bytes of memory that the object really takes (st_blocks). */
  residentBytes(): number {
    if (this.fd < 0) return this.bytes;
    const out = new Float64Array(2);
    checked(native().bt_region_stat(this.fd, out), "stat shared memory");
    return out[1];
  }

  /** Bytes of memory that everything before the blocks takes. */
  metadataBytes(): number {
    const end = this.sizes.blockPage * PAGE_BYTES;
    if (this.fd < 0) return end;
    const bytes = native().bt_region_data_bytes(this.fd, 0n, BigInt(end));
    return checked(bytes, "measure shared memory");
  }

  /** Removes the object's name; the memory goes with the last mapping. */
  unlink(): void {
    native().bt_region_unlink(cString(this.name));
  }

  [Symbol.dispose](): void {
    this.#release();
    this.#release = () => {};
  }
}

function writeSizes(superblock: Uint32Array, sizes: RegionSizes): void {
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

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text + "\0");
}

function regionFileBytes(fd: number): number {
  const out = new Float64Array(2);
  checked(native().bt_region_stat(fd, out), "stat shared memory");
  return out[0];
}

function mapBuffer(name: string, fd: number, bytes: number) {
  const address = native().bt_region_map(fd, BigInt(bytes));
  if (address === 0n) {
    throw new RegionError(
      `cannot map ${bytes} bytes of the shared-memory object ${name}: not enough address space (see ulimit -v)`,
    );
  }
  const release = () => void native().bt_region_unmap(address, BigInt(bytes));
  return { buffer: bufferAt(address, bytes), address, release };
}

function bufferAt(address: bigint, bytes: number): ArrayBuffer {
  return new Deno.UnsafePointerView(pointerTo(address)).getArrayBuffer(bytes);
}
