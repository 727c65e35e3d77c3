/**
 * What the kernel must forget because of a change that came through the other door: messages for /dev/fuse
 * (FUSE_NOTIFY_INVAL_INODE, FUSE_NOTIFY_INVAL_ENTRY).
 *
 * They are gathered under the core lock, where it is known what the kernel holds (`Inode.kernel_holds`), and sent after it
 * is released: the kernel may first wait for a request that is under way. What is taken from `kernel_holds` here is
 * forgotten by the kernel when the messages are sent; a reply that tells it anew sets the bit again.
 */
import {
  INODE_KERNEL_HOLDS,
  INODE_NEGATIVE_NAMES,
  INODE_WORDS,
  KERNEL_HOLDS_ATTRIBUTES,
  KERNEL_HOLDS_DATA,
  KERNEL_HOLDS_END,
  KERNEL_HOLDS_LISTING,
  NAME_BYTES_MAX,
  NEGATIVE_NAMES_WORDS,
} from "../region/layout.gen.ts";
import type { FileSystem } from "../core/file_system.ts";
import {
  NOTIFY_INVAL_ENTRY_OUT_NAMELEN,
  NOTIFY_INVAL_ENTRY_OUT_PARENT,
  NOTIFY_INVAL_ENTRY_OUT_WORDS,
  NOTIFY_INVAL_INODE_OUT_INO,
  NOTIFY_INVAL_INODE_OUT_OFF,
  NOTIFY_INVAL_INODE_OUT_WORDS,
  NOTIFY_STORE_OUT_NODEID,
  NOTIFY_STORE_OUT_OFFSET,
  NOTIFY_STORE_OUT_SIZE,
  NOTIFY_STORE_OUT_WORDS,
  OUT_ERROR,
  OUT_LEN,
  OUT_UNIQUE,
} from "./fuse_records.gen.ts";
import { OUT_BODY, OUT_BODY_BYTES } from "./protocol.ts";

/** enum fuse_notify_code; a message has it in place of an errno, and no `unique`. */
const INVAL_INODE = 2;
const INVAL_ENTRY = 3;
const STORE = 4;
/** What comes after a message's header; behind the last two, a name or data. */
const INVAL_INODE_BYTES = NOTIFY_INVAL_INODE_OUT_WORDS * 4;
const INVAL_ENTRY_BYTES = NOTIFY_INVAL_ENTRY_OUT_WORDS * 4;
const STORE_BYTES = NOTIFY_STORE_OUT_WORDS * 4;
const MESSAGE_BYTES_MAX = OUT_BODY_BYTES + INVAL_ENTRY_BYTES + NAME_BYTES_MAX + 1;
/** A rename that replaces another file: two names, two directories, two inodes, and the listing of one that moved. */
const MESSAGE_COUNT_MAX = 8;
const MINUS_ONE = 0xffff_ffff;

/** The kernel is about to be told that a directory has no such name. */
export function noteNegativeName(
  fs: FileSystem,
  parent: number,
  name: Uint8Array,
  start: number,
  length: number,
): void {
  const bit = negativeBit(fs, parent, name, start, length);
  fs.region.inodes[parent * INODE_WORDS + INODE_NEGATIVE_NAMES + (bit >>> 5)] |= 1 << (bit & 31);
}

/** Whether the kernel may have been told so. */
function mayBeNegative(
  fs: FileSystem,
  parent: number,
  name: Uint8Array,
  start: number,
  length: number,
): boolean {
  const bit = negativeBit(fs, parent, name, start, length);
  const word = fs.region.inodes[parent * INODE_WORDS + INODE_NEGATIVE_NAMES + (bit >>> 5)];
  return (word >>> (bit & 31) & 1) !== 0;
}

function negativeBit(
  fs: FileSystem,
  parent: number,
  name: Uint8Array,
  start: number,
  length: number,
): number {
  return fs.hash.hash(parent, name, start, length) % (32 * NEGATIVE_NAMES_WORDS);
}

export class KernelNotices {
  /** The first `count` are to be sent, each as long as its first word says. */
  readonly messages: Uint8Array<ArrayBuffer>[] = [];
  /** Which inode each is about; 0: a name. */
  readonly inodes: number[] = [];
  count = 0;
  readonly #words: Uint32Array[] = [];

  constructor(private readonly fs: FileSystem) {
    for (let i = 0; i < MESSAGE_COUNT_MAX; i++) {
      const message = new Uint8Array(Math.ceil(MESSAGE_BYTES_MAX / 4) * 4);
      this.messages.push(message);
      this.#words.push(new Uint32Array(message.buffer));
    }
  }

  /** Owner, mode, times or links of the inode changed. */
  attributesChanged(ino: number): void {
    this.#changed(ino, KERNEL_HOLDS_ATTRIBUTES);
  }

  /** Its bytes changed, and with them its attributes; `grew` when it may have become longer. */
  dataChanged(ino: number, grew = true): void {
    const holds = Atomics.load(this.fs.region.inodes, ino * INODE_WORDS + INODE_KERNEL_HOLDS);
    const isTold = grew && (holds & KERNEL_HOLDS_END) !== 0 && this.#tellEnd(ino);
    this.#changed(ino, KERNEL_HOLDS_ATTRIBUTES | KERNEL_HOLDS_DATA, isTold ? KERNEL_HOLDS_DATA : 0);
  }

  /** The directory's entries changed, and with them its attributes. */
  listingChanged(ino: number): void {
    this.#changed(ino, KERNEL_HOLDS_ATTRIBUTES | KERNEL_HOLDS_LISTING);
  }

  /**
   * The name came, went or means something else. Its message comes before that of the directory, because for it the kernel
   * waits until nobody looks a name up or reads the listing: what it learns afterwards is new, and what it has learned
   * before is dropped.
   *
   * Messages cost much more than most changes, so none is sent of a name that the kernel cannot know: it knows a name
   * that exists only with its inode (nlookup), and one that does not exist only when it was told so (negative names, until it
   * forgets the directory); both are noted before its answer leaves. While it reads a listing it is waited for in any case.
   * @param wasKnown whether the kernel referred to the inode that had the name before, if one had
   */
  nameChanged(
    parent: number,
    name: Uint8Array,
    start: number,
    length: number,
    wasKnown: boolean,
  ): void {
    const holds = Atomics.load(this.fs.region.inodes, parent * INODE_WORDS + INODE_KERNEL_HOLDS);
    const mustForget = wasKnown || (holds & KERNEL_HOLDS_LISTING) !== 0 ||
      mayBeNegative(this.fs, parent, name, start, length);
    if (mustForget) this.nameForgotten(parent, name, start, length);
    this.listingChanged(parent);
  }

  /** The kernel is to look the name up again. */
  nameForgotten(parent: number, name: Uint8Array, start: number, length: number): void {
    const words = this.#next(0, INVAL_ENTRY, INVAL_ENTRY_BYTES + length + 1);
    words[OUT_BODY + NOTIFY_INVAL_ENTRY_OUT_PARENT] = parent;
    words[OUT_BODY + NOTIFY_INVAL_ENTRY_OUT_NAMELEN] = length;
    const message = this.messages[this.count - 1];
    const at = OUT_BODY_BYTES + INVAL_ENTRY_BYTES;
    for (let i = 0; i < length; i++) message[at + i] = name[start + i];
    message[at + length] = 0;
  }

  /**
   * The kernel is given the file's last byte, by which it learns where the file ends: INVAL_INODE makes it ask for the size before it
   * reads or tells it, but not before it copies, splices, maps or appends. A file that is now shorter it finds out about itself.
   * @returns whether it was
   */
  #tellEnd(ino: number): boolean {
    const end = this.fs.inodes.size(ino);
    if (end === 0) return false;
    const words = this.#next(ino, STORE, STORE_BYTES + 1);
    words[OUT_BODY + NOTIFY_STORE_OUT_NODEID] = ino;
    words[OUT_BODY + NOTIFY_STORE_OUT_OFFSET] = (end - 1) % 2 ** 32;
    words[OUT_BODY + NOTIFY_STORE_OUT_OFFSET + 1] = Math.floor((end - 1) / 2 ** 32);
    words[OUT_BODY + NOTIFY_STORE_OUT_SIZE] = 1;
    this.fs.data.readInto(
      ino,
      end - 1,
      this.messages[this.count - 1],
      OUT_BODY_BYTES + STORE_BYTES,
      1,
    );
    return true;
  }

  /** @param told what the kernel was told just now */
  #changed(ino: number, what: number, told = 0): void {
    const at = ino * INODE_WORDS + INODE_KERNEL_HOLDS;
    const held = Atomics.and(this.fs.region.inodes, at, ~what) & what | told;
    if (held === 0) return;
    const words = this.#next(ino, INVAL_INODE, INVAL_INODE_BYTES);
    words[OUT_BODY + NOTIFY_INVAL_INODE_OUT_INO] = ino;
    // From 0 to the end (length 0) are all pages, a negative offset is attributes only.
    const offset = held === KERNEL_HOLDS_ATTRIBUTES ? MINUS_ONE : 0;
    words[OUT_BODY + NOTIFY_INVAL_INODE_OUT_OFF] = offset;
    words[OUT_BODY + NOTIFY_INVAL_INODE_OUT_OFF + 1] = offset;
  }

  /** The next message with its header; zeros behind it. */
  #next(ino: number, code: number, bodyBytes: number): Uint32Array {
    if (this.count === MESSAGE_COUNT_MAX) throw new Error("too many notices of one operation");
    this.inodes[this.count] = ino;
    const words = this.#words[this.count++];
    words[OUT_LEN] = OUT_BODY_BYTES + bodyBytes;
    words[OUT_ERROR] = code;
    words.fill(0, OUT_UNIQUE, (OUT_BODY_BYTES + bodyBytes) >> 2);
    return words;
  }
}
