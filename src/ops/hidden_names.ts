/**
 * Names that do not exist: by them a client opens the kernel's file of an inode that it has open already, when no path leads there any more.
 *
 * The client asks the ring (`reveal`), opens the file, and says that it is done (`conceal`). In between, one LOOKUP of its thread finds the
 * inode: by the name that the inode had last, so that /proc/PID/fd shows what it shows of any unlinked file. Where that name means another
 * file by now, or its directory is gone, it is in a directory that is made for this, with a random name in the root directory, so that who
 * watches the root directory (inotify(7)) is told nothing. Nobody else is told of the inode by these names: it is of no use to see one.
 *
 * A grant is for one thread, one LOOKUP, and a moment. All of this happens with the core lock held.
 */
import {
  DENTRY_NEXT,
  DENTRY_PARENT,
  GRANT_DIRECTORY,
  GRANT_FREE,
  GRANT_GIVEN,
  GRANT_INODE,
  GRANT_KEY,
  GRANT_MAX,
  GRANT_PARENT,
  GRANT_STATE,
  GRANT_THREAD,
  GRANT_UID,
  GRANT_UNTIL,
  GRANT_USED,
  GRANT_WORDS,
  INODE_GENERATION,
  INODE_NAME_GENERATION,
  INODE_NAME_INO,
  INODE_NLINK,
  INODE_UID,
  KERNEL_HOLDS_ATTRIBUTES,
  KEY_WORDS,
  NAME_BYTES_MAX,
  RING_CONCEAL_GRANT,
  RING_REVEAL_BY_FORMER_NAME,
  RING_REVEAL_THREAD,
  RING_REVEAL_UID,
  RING_REVEALED_GRANT,
  RING_REVEALED_KEY,
  ROOT_INO,
  SUPER_GRANT_COUNT,
  SUPER_GRANTS,
} from "../region/layout.gen.ts";
import { EAGAIN, EINVAL, ENOENT } from "../core/errno.ts";
import type { FileSystem } from "../core/file_system.ts";
import { S_IFDIR } from "../core/inode_table.ts";
import type { Exchange } from "./exchange.ts";
import {
  ATTR_MODE,
  ENTRY_OUT_ATTR,
  ENTRY_OUT_ATTR_VALID,
  ENTRY_OUT_ENTRY_VALID,
} from "./fuse_records.gen.ts";
import type { KernelNotices } from "./kernel_notices.ts";
import { IN_BODY_BYTES, OUT_BODY } from "./protocol.ts";
import type { RingRequest } from "./ring_request.ts";

const GRANT_SECONDS = 1;
/** How long the kernel keeps another mode of a file at most. */
const MODE_SECONDS = 1;
const OWNER_MAY = 0o600;
const SEARCHABLE = 0o111;
/** The last part of the path of what has never had a name. */
const NAMELESS = new TextEncoder().encode("file");
const PREFIX = new TextEncoder().encode(".btfuse-");
const HEX = new TextEncoder().encode("0123456789abcdef");

/** A grant by its number. */
class Grant {
  readonly #at: number;

  constructor(private readonly fs: FileSystem, readonly number: number) {
    this.#at = SUPER_GRANTS + number * GRANT_WORDS;
  }

  get(field: number): number {
    return this.fs.region.superblock[this.#at + field];
  }
  set(field: number, value: number): void {
    this.fs.region.superblock[this.#at + field] = value;
  }

  get ino(): number {
    return this.get(GRANT_INODE + INODE_NAME_INO);
  }
  /** Whether it is still about the inode that it was given for. */
  get lives(): boolean {
    const { inodes } = this.fs;
    return inodes.exists(this.ino) &&
      inodes.get(this.ino, INODE_GENERATION) === this.get(GRANT_INODE + INODE_NAME_GENERATION);
  }
  get hasEnded(): boolean {
    return this.fs.inodes.clock[0] > this.get(GRANT_UNTIL);
  }

  setState(state: number): void {
    const { superblock } = this.fs.region;
    const wasFree = this.get(GRANT_STATE) === GRANT_FREE;
    if (wasFree !== (state === GRANT_FREE)) superblock[SUPER_GRANT_COUNT] += wasFree ? 1 : -1;
    this.set(GRANT_STATE, state);
  }

  get isByKey(): boolean {
    return this.#key.some((word) => word !== 0);
  }

  /** Writes the inode's former name; returns its length, 0 when there is none. */
  formerName(target: Uint8Array): number {
    const slot = this.lives ? this.fs.names.former(this.ino) : 0;
    return slot === 0 ? 0 : this.fs.names.copyName(slot, target, 0);
  }

  /** The same for the name of the directory. */
  keyName(target: Uint8Array): number {
    target.set(PREFIX);
    let at = PREFIX.length;
    for (const word of this.#key) {
      for (let shift = 28; shift >= 0; shift -= 4) target[at++] = HEX[word >>> shift & 15];
    }
    return at;
  }

  get #key(): Uint32Array {
    const at = this.#at + GRANT_KEY;
    return this.fs.region.superblock.subarray(at, at + KEY_WORDS);
  }
}

function* grantsOf(fs: FileSystem): Generator<Grant> {
  for (let number = 0; number < GRANT_MAX; number++) yield new Grant(fs, number);
}

const nameBytes = new Uint8Array(NAME_BYTES_MAX);

// At the ring.

/** RING_REVEAL */
export function reveal(r: RingRequest, ino: number): number {
  const { fs, notices } = r;
  const byFormerName = r.word(RING_REVEAL_BY_FORMER_NAME) !== 0;
  const parent = byFormerName ? formerParent(fs, ino) : ROOT_INO;
  if (parent === 0 || (!byFormerName && isKnownDirectory(fs, ino))) return -ENOENT;
  expireGrants(fs, notices, 1);
  const grant = grantsOf(fs).find((grant) => grant.get(GRANT_STATE) === GRANT_FREE);
  if (grant === undefined) return -EAGAIN;
  const key = byFormerName
    ? new Uint32Array(KEY_WORDS)
    : crypto.getRandomValues(new Uint32Array(KEY_WORDS));
  grant.set(GRANT_INODE + INODE_NAME_INO, ino);
  grant.set(GRANT_INODE + INODE_NAME_GENERATION, fs.inodes.get(ino, INODE_GENERATION));
  grant.set(GRANT_PARENT, parent);
  grant.set(GRANT_THREAD, r.word(RING_REVEAL_THREAD));
  grant.set(GRANT_UID, r.word(RING_REVEAL_UID));
  grant.set(GRANT_UNTIL, fs.inodes.clock[0] + GRANT_SECONDS);
  key.forEach((word, i) => grant.set(GRANT_KEY + i, word));
  grant.set(GRANT_DIRECTORY, 0);
  grant.setState(GRANT_GIVEN);
  // It may know that there is no such name, and would not ask.
  if (byFormerName) notices.nameForgotten(parent, nameBytes, 0, grant.formerName(nameBytes));
  r.setAnswer(RING_REVEALED_GRANT, grant.number);
  key.forEach((word, i) => r.setAnswer(RING_REVEALED_KEY + i, word));
  return 0;
}

/**
 * The directory in which the inode can be looked up by its former name. Not where the kernel knows another file by it: it
 * would take that one for removed.
 */
function formerParent(fs: FileSystem, ino: number): number {
  const slot = fs.names.former(ino);
  if (slot === 0) return 0;
  const parent = fs.names.get(slot, DENTRY_PARENT);
  const { inodes } = fs;
  const lives = inodes.exists(parent) && inodes.isDirectory(parent) &&
    inodes.get(parent, INODE_NLINK) > 0 &&
    inodes.get(parent, INODE_GENERATION) === fs.names.get(slot, DENTRY_NEXT);
  if (!lives) return 0;
  const successor = fs.names.inodeNamed(
    parent,
    nameBytes,
    0,
    fs.names.copyName(slot, nameBytes, 0),
  );
  return successor !== 0 && inodes.lookupCount(successor) > 0 ? 0 : parent;
}

/** The kernel has one place for a directory that it knows: it would move there what programs have open or are in. */
function isKnownDirectory({ inodes }: FileSystem, ino: number): boolean {
  return inodes.isDirectory(ino) && inodes.get(ino, INODE_NLINK) > 0 && inodes.lookupCount(ino) > 0;
}

/** RING_CONCEAL */
export function conceal(r: RingRequest, ino: number): number {
  const number = r.word(RING_CONCEAL_GRANT);
  if (number >= GRANT_MAX) return -EINVAL;
  const grant = new Grant(r.fs, number);
  if (grant.get(GRANT_STATE) === GRANT_FREE || grant.ino !== ino) return -EINVAL;
  end(grant, r.notices, r.fs);
  return 0;
}

/** Ends what its client has left, at most `countMax` grants. */
export function expireGrants(fs: FileSystem, notices: KernelNotices, countMax: number): void {
  if (fs.region.superblock[SUPER_GRANT_COUNT] === 0) return;
  let count = 0;
  for (const grant of grantsOf(fs)) {
    if (count === countMax) return;
    if (grant.get(GRANT_STATE) === GRANT_FREE || !grant.hasEnded) continue;
    end(grant, notices, fs);
    count++;
  }
}

/** The kernel forgets the names that it was told of, and the mode, which may have been another one. */
function end(grant: Grant, notices: KernelNotices, fs: FileSystem): void {
  const directory = grant.get(GRANT_DIRECTORY);
  if (directory !== 0) notices.nameForgotten(ROOT_INO, nameBytes, 0, grant.keyName(nameBytes));
  if (grant.get(GRANT_STATE) === GRANT_USED) {
    const parent = grant.isByKey ? directory : grant.get(GRANT_PARENT);
    const length = innerName(grant, nameBytes);
    if (length > 0 && fs.inodes.exists(parent)) notices.nameForgotten(parent, nameBytes, 0, length);
    if (grant.lives) notices.attributesChanged(grant.ino);
  }
  grant.setState(GRANT_FREE);
}

/** The last part of the path: the former name, if there is one. */
function innerName(grant: Grant, target: Uint8Array): number {
  const length = grant.formerName(target);
  if (length > 0 || !grant.isByKey) return length;
  target.set(NAMELESS);
  return NAMELESS.length;
}

// At the kernel's door.

/** The answer to a LOOKUP of a name, `length` bytes of the request's body, that was granted to the thread; 0: it was not. */
export function hiddenEntry(x: Exchange, length: number): number {
  const { fs } = x;
  if (fs.region.superblock[SUPER_GRANT_COUNT] === 0) return 0;
  for (const grant of grantsOf(fs)) {
    if (grant.get(GRANT_STATE) !== GRANT_GIVEN || grant.get(GRANT_THREAD) !== x.thread) continue;
    if (grant.hasEnded || !grant.lives || !mayUse(x, grant)) continue;
    if (grant.isByKey && grant.get(GRANT_DIRECTORY) === 0) {
      if (x.nodeid === ROOT_INO && isNamed(x, length, grant.keyName(nameBytes))) {
        return directoryReply(x, grant);
      }
    } else if (x.nodeid === (grant.get(GRANT_DIRECTORY) || grant.get(GRANT_PARENT))) {
      if (isNamed(x, length, innerName(grant, nameBytes))) {
        grant.setState(GRANT_USED);
        return hiddenReply(x, grant.ino);
      }
    }
  }
  return 0;
}

/** Whether the name in the request is the one in `nameBytes`. */
function isNamed(x: Exchange, length: number, nameLength: number): boolean {
  if (length !== nameLength || length === 0) return false;
  for (let i = 0; i < length; i++) if (x.request[IN_BODY_BYTES + i] !== nameBytes[i]) return false;
  return true;
}

/** Makes the directory of a key. It has no name and no room for any, and ends with the kernel's last reference. */
function directoryReply(x: Exchange, grant: Grant): number {
  const owner = { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 };
  const ino = x.fs.makeInode(ROOT_INO, { mode: S_IFDIR | SEARCHABLE, umask: 0, rdev: 0, ...owner });
  if (ino < 0) return ino;
  grant.set(GRANT_DIRECTORY, ino);
  const bytes = x.entryReply(ino);
  x.replyWords[OUT_BODY + ENTRY_OUT_ENTRY_VALID] = 0;
  return bytes;
}

/** Whoever has mounted, and who the client said it is, in case that it has become another user since. */
function mayUse(x: Exchange, grant: Grant): boolean {
  return x.uid === Deno.uid() || x.uid === grant.get(GRANT_UID);
}

/**
 * The kernel must not keep such a name: when the file ends nobody would tell it. Its owner, who has the file open, may open it again
 * whatever its mode says by now; others are told another mode for that moment, until the client has opened it.
 */
function hiddenReply(x: Exchange, ino: number): number {
  const { inodes } = x.fs;
  const bytes = x.entryReply(ino);
  x.replyWords[OUT_BODY + ENTRY_OUT_ENTRY_VALID] = 0;
  if (
    x.uid !== 0 && x.uid === inodes.get(ino, INODE_UID) &&
    (inodes.mode(ino) & OWNER_MAY) !== OWNER_MAY
  ) {
    inodes.kernelHolds(ino, KERNEL_HOLDS_ATTRIBUTES);
    x.replyWords[OUT_BODY + ENTRY_OUT_ATTR + ATTR_MODE] |= OWNER_MAY;
    x.replyWords[OUT_BODY + ENTRY_OUT_ATTR_VALID] = MODE_SECONDS;
  }
  return bytes;
}
