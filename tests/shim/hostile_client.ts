/**
 * A program of the user who has mounted that writes into the region what no library would; run by hostile.ts:
 *
 *     deno run -A tests/shim/hostile_client.ts KIND OBJECT SEED COUNT INO,INO…
 *
 * Requests name no other inodes than those given, as far as they are well formed.
 */
import * as layout from "../../src/region/layout.gen.ts";
import {
  CLIENT_DESCRIPTION_HELD,
  CLIENT_PAGES,
  CLIENT_STORING_INO,
  INODE_CLIENT_MTIME,
  INODE_EXTEND_LOCK,
  INODE_EXTEND_THREAD,
  INODE_MODE,
  INODE_OPEN_COUNT,
  INODE_SIZE,
  INODE_TAIL_DIRTY,
  INODE_WORDS,
  PAGE_BYTES,
  RING_BYTES_LENGTH,
  RING_BYTES_MAX,
  RING_CLIENT,
  RING_DONE,
  RING_FREE,
  RING_OPERATION,
  RING_SLOT_COUNT,
  RING_STATE,
  RING_WAITING,
  RING_WORDS,
  SUPER_CLIENT_HIGH,
  SUPER_RING_READY,
  SUPER_WRITE_INDEX,
} from "../../src/region/layout.gen.ts";
import { S_IFDIR, S_IFMT, S_IFREG } from "../../src/core/inode_table.ts";
import { Random } from "../fuzz/random.ts";
import {
  type Fields,
  type InodeName,
  message,
  messageWords,
  OPERATION_COUNT,
  OPERATIONS,
  RingClient,
} from "./ring_client.ts";

const PAGE_WORDS = PAGE_BYTES / 4;
/** Records of clients that are written into, and pages behind each: more would only take memory. */
const CLIENTS_MAX = 24;
const CLIENT_PAGES_MAX = 4;
/** How long an answer is waited for; somebody else may have taken the slot away. */
const LOOKS_MAX = 200_000;

const WORDS = [0, 1, 2, 3, 4095, 4096, 0o100644, 0o040755, 0o120777, 2 ** 31, 2 ** 32 - 1];
const NUMBERS = [0, 1, 4095, 4096, 2 ** 20, 2 ** 32 - 1, 2 ** 32, 2 ** 40, 2 ** 52, 2 ** 53 - 1];
/** Of regular files, directories, pipes, sockets and devices. */
const MODES = [0o100644, 0o100644, 0o040755, 0o040755, 0o010600, 0o140600, 0o020600, 0o060600];
const ODD_NAMES = ["", ".", "..", "a/b", "/", "\0", "a\0", "x".repeat(255), "x".repeat(256), "é"];

/** Operations that want a directory, or a regular file. */
const ON_DIRECTORIES = ["MAKE", "SYMLINK", "REMOVE", "RENAME", "TMPFILE"];
const ON_FILES = ["PREPARE", "FALLOCATE", "COPY"];

/** What it does to the region, at random. */
export class Hostile {
  readonly #random: Random;

  constructor(
    readonly client: RingClient,
    seed: number,
    readonly inos: readonly number[],
  ) {
    this.#random = new Random(seed);
  }

  #word(): number {
    return this.#random.chance(0.5) ? this.#random.pick(WORDS) : this.#random.next();
  }

  #number(): number {
    const random = this.#random;
    return random.chance(0.4) ? random.pick(NUMBERS) : random.skewed(2 ** random.int(53));
  }

  /** An inode as it is, mostly of this type, or with a wrong generation, or one there cannot be. */
  #inode(type = 0): InodeName {
    const random = this.#random;
    let ino = random.pick(this.inos);
    for (let i = 0; i < 4 && type !== 0; i++) {
      if ((this.client.inodeWord(ino, INODE_MODE) & S_IFMT) === type) break;
      ino = random.pick(this.inos);
    }
    if (random.chance(0.9)) return this.client.inode(ino);
    return random.chance(0.5)
      ? [ino, random.int(9)]
      : [2 ** 20 + random.int(2 ** 31), random.next()];
  }

  #name(): string {
    const random = this.#random;
    if (random.chance(0.15)) return random.pick(ODD_NAMES);
    return "n".repeat(1 + random.int(3) * random.int(60)) + random.int(20);
  }

  #bytes(operation: string): string {
    const random = this.#random;
    if (operation === "SETXATTR" || operation === "REMOVEXATTR") {
      const name = random.pick(["user.", "user.a", "user.b", "trusted.c", "system.x"]);
      return `${name}\0${"v".repeat(random.skewed(3000) + 1)}`.slice(0, RING_BYTES_MAX);
    }
    const takesTwo = operation === "RENAME" || operation === "SYMLINK";
    const text = takesTwo !== random.chance(0.1)
      ? `${this.#name()}\0${this.#name()}`
      : this.#name();
    return random.chance(0.02) ? text.repeat(9).slice(0, 3000) : text;
  }

  /** A message that makes sense, or does so in all but one or two words. */
  #message(operation: string): Uint32Array {
    const random = this.#random;
    const type = ON_DIRECTORIES.includes(operation)
      ? S_IFDIR
      : ON_FILES.includes(operation)
      ? S_IFREG
      : 0;
    const words = message(operation, this.#sensible(operation));
    // Every message that is not empty starts with an inode.
    if (messageWords(operation) > 0) words.set(this.#inode(type));
    while (random.chance(0.25)) words[random.int(messageWords(operation) + 1)] = this.#word();
    return words;
  }

  /** The fields of a message but for the first inode. */
  #sensible(operation: string): Fields {
    const random = this.#random;
    const [offset, length] = [random.skewed(2 ** 22), 1 + random.skewed(2 ** 22)];
    const [targetOffset, umask] = [random.skewed(2 ** 22), random.int(0o1000)];
    const [uid, gid, flag] = [random.int(3), random.int(3), random.int(3)];
    const caller = [random.int(3), random.int(2)];
    switch (operation) {
      case "INVALIDATE":
        return { grew: flag };
      case "MAKE":
        return { mode: random.pick(MODES), umask, uid, gid, rdev: flag };
      case "SYMLINK":
        return { uid, gid };
      case "LINK":
        return { parent: this.#inode(S_IFDIR) };
      case "REMOVE":
        return { asDirectory: flag };
      case "RENAME":
        return { newParent: this.#inode(S_IFDIR), flags: random.int(4) };
      case "SETATTR": {
        const [valid, mode] = [random.int(2 ** 11), random.int(2 ** 16)];
        const [atime, mtime] = [[1, random.int(2), 2], [3, 0, random.chance(0.1) ? 1e9 : 4]];
        return { valid, size: offset, mode, uid, gid, atime, mtime, caller };
      }
      case "PREPARE":
        return { offset, length: random.chance(0.1) ? this.#number() : length, caller };
      case "FALLOCATE":
        return {
          offset: random.chance(0.1) ? this.#number() : offset,
          length,
          mode: random.int(64),
        };
      case "COPY":
        return { target: this.#inode(S_IFREG), offset, targetOffset, length };
      case "SETXATTR":
        return { flags: random.int(4) };
      case "TMPFILE":
        return { mode: random.int(2 ** 12), umask, uid, gid };
      default:
        return {};
    }
  }

  /** By the rules of the ring, except that the slot may be changed while it is served. */
  request(): void {
    const { client } = this;
    const random = this.#random;
    const slot = client.claim();
    if (slot < 0) return;
    if (random.chance(0.02)) client.fill(slot, random.pick([0, OPERATION_COUNT, this.#word()]));
    else {
      const operation = random.pick(OPERATIONS);
      client.fill(slot, operation, this.#message(operation), this.#bytes(operation));
    }
    const at = slot * RING_WORDS;
    if (random.chance(0.02)) client.region.ring[at + RING_BYTES_LENGTH] = this.#word();
    if (random.chance(0.02)) client.region.ring[at + RING_CLIENT] = this.#word();
    client.submit(slot);
    if (random.chance(0.2)) this.#scribbleSlot(slot, 8);
    this.#await(slot);
  }

  #await(slot: number): void {
    const { ring } = this.client.region;
    const state = slot * RING_WORDS + RING_STATE;
    for (let i = 0; i < LOOKS_MAX && Atomics.load(ring, state) !== RING_DONE; i++);
    ring[slot * RING_WORDS + RING_CLIENT] = 0;
    Atomics.store(ring, state, RING_FREE);
  }

  /** Anything but the state. */
  #scribbleSlot(slot: number, count: number): void {
    const { ring } = this.client.region;
    for (let i = 0; i < count; i++) {
      const field = this.#random.chance(0.5)
        ? this.#random.pick([RING_CLIENT, RING_OPERATION, RING_BYTES_LENGTH, RING_WAITING])
        : RING_STATE + 1 + this.#random.int(RING_WORDS - RING_STATE - 1);
      ring[slot * RING_WORDS + field] = this.#word();
    }
  }

  /** States, ready bits and the bell, by no rules at all. */
  scribbleRing(): void {
    const random = this.#random;
    const { ring, superblock } = this.client.region;
    const slot = random.int(RING_SLOT_COUNT);
    this.#scribbleSlot(slot, 1 + random.int(40));
    const state = random.chance(0.9) ? random.int(4) : this.#word();
    Atomics.store(ring, slot * RING_WORDS + RING_STATE, state);
    if (random.chance(0.5)) {
      // Under its own name, or nothing would get further than that.
      ring[slot * RING_WORDS + RING_CLIENT] = this.client.number;
      ring[slot * RING_WORDS + RING_BYTES_LENGTH] = random.int(300);
      ring[slot * RING_WORDS + RING_OPERATION] = random.int(OPERATION_COUNT + 1);
    }
    const bits = SUPER_RING_READY + random.int(RING_SLOT_COUNT / 32);
    Atomics.store(superblock, bits, random.chance(0.3) ? this.#word() : 1 << random.int(32));
    if (random.chance(0.3)) Atomics.store(superblock, SUPER_WRITE_INDEX, this.#word());
    if (random.chance(0.1)) this.client.ringBell();
  }

  /** Other clients' records and descriptions, and how many there are. */
  scribbleClients(): void {
    const random = this.#random;
    const { clients, superblock } = this.client.region;
    const victim = 1 + random.int(CLIENTS_MAX);
    if (victim === this.client.number) return;
    const base = victim * CLIENT_PAGES * PAGE_WORDS;
    const field = random.chance(0.5)
      ? random.int(CLIENT_STORING_INO + 4)
      : random.int(CLIENT_PAGES_MAX * PAGE_WORDS);
    const value = random.chance(0.5) ? random.int(4) : this.#word();
    Atomics.store(
      clients,
      base + field,
      random.chance(0.3) ? random.pick(this.inos) : value,
    );
    // Beyond this there are only empty pages, each of which would take memory.
    if (clients[base + CLIENT_DESCRIPTION_HELD] > 128) {
      clients[base + CLIENT_DESCRIPTION_HELD] = 128;
    }
    if (random.chance(0.01)) superblock[SUPER_CLIENT_HIGH] = this.#word();
  }

  /** The words of its own files that clients may write. */
  scribbleInodes(): void {
    const random = this.#random;
    const { inodes } = this.client.region;
    const field = random.pick([
      INODE_EXTEND_LOCK,
      INODE_EXTEND_LOCK,
      INODE_EXTEND_THREAD,
      INODE_OPEN_COUNT,
      INODE_CLIENT_MTIME,
      INODE_CLIENT_MTIME + 1,
      layout.INODE_CLIENT_ATIME,
      layout.INODE_EXTEND_END,
      INODE_TAIL_DIRTY,
      INODE_SIZE,
      INODE_SIZE + 1,
    ]);
    const value = field === INODE_SIZE + 1 ? random.int(2 ** 21) : this.#word();
    Atomics.store(inodes, random.pick(this.inos) * INODE_WORDS + field, value);
  }
}

/** What each kind of process does, again and again. */
export const KINDS: Record<string, (hostile: Hostile) => void> = {
  requests: (hostile) => hostile.request(),
  ring: (hostile) => hostile.scribbleRing(),
  clients: (hostile) => hostile.scribbleClients(),
  inodes: (hostile) => hostile.scribbleInodes(),
};

if (import.meta.main) {
  const [kind = "", object = "", seed, count, inos = ""] = Deno.args;
  const act = KINDS[kind];
  if (!act) throw new Error(`'${kind}' is no kind`);
  const client = RingClient.attach(object);
  const hostile = new Hostile(client, Number(seed), inos.split(",").map(Number));
  for (let i = 0; i < Number(count); i++) act(hostile);
}
