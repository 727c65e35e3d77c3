/**
 * The region: one shared-memory object that holds the whole file system, and typed views of its areas.
 * This file and `ffi/` are the only places that know addresses; everything above works on numbers.
 *
 * Who may write: the daemon's workers, under the core lock, and clients what shim/layout.zig says.
 * `btfuse status` and `btfuse check` only read.
 */
import { checked, native, pointerTo } from "../../ffi/native.ts";
import { BLOCK_BYTES, CLIENT_PAGES, PAGE_BYTES, VERDICT_PAGE } from "./layout.gen.ts";
import { openObject, RegionError } from "./object.ts";
import { type RegionSizes, sizesOf, writeSizes } from "./sizes.ts";

/** Blocks are seen through windows of 2 GiB, so that byte indexes stay below 2^31. */
const WINDOW_BLOCKS = 2 ** 31 / BLOCK_BYTES;

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
    ], [sizes.clientPage + VERDICT_PAGE, sizes.clientPage + VERDICT_PAGE + 1]];
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
   * @param owner the user whose object it must be
   * @throws {RegionError} missing, another user's, truncated, not a btfuse region, or of another version
   */
  static open(name: string, owner: number): Region {
    const { fd, words } = openObject(name, owner);
    try {
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

  /** Whether no other process has the object open or mapped; undefined where the system does not tell. */
  isAlone(): boolean | undefined {
    if (this.fd < 0) return true;
    const result = native().bt_region_is_alone(this.fd);
    return result < 0 ? undefined : result === 1;
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

function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text + "\0");
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
