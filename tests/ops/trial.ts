/**
 * What random requests are made of: see requests.ts.
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  ATTR_ATIME,
  ATTR_ATIMENSEC,
  ATTR_BLOCKS,
  ATTR_CTIME,
  ATTR_CTIMENSEC,
  ATTR_GID,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_MTIMENSEC,
  ATTR_NLINK,
  ATTR_OUT_ATTR,
  ATTR_SIZE,
  ATTR_UID,
  ENTRY_OUT_NODEID,
  STATX_BTIME,
  STATX_OUT_STAT,
} from "../../src/ops/fuse_records.gen.ts";
import { Opcode } from "../../src/ops/protocol.ts";
import { RING_MADE_INODE, ROOT_INO } from "../../src/region/layout.gen.ts";
import { newFileSystem, type Random } from "../core/support.ts";
import { type Caller, Doors, ROOT } from "./doors.ts";
import { Model, type Node, type Time } from "./model.ts";

export const SIZE_MAX = 150_000;
const NAMES = [
  "a",
  "b",
  "c",
  "d",
  "e".repeat(64),
  "f".repeat(65),
  "g".repeat(255),
  "h".repeat(256),
];
export const CALLERS: Caller[] = [ROOT, ROOT, { uid: 7, gid: 8 }, { uid: 7, gid: 9 }];
export const NANOSECONDS = 1_000_000_000n;
type Door = "kernel" | "ring";

/** A kind of request, and how often it is made beside the others. */
export type Weighted = [weight: number, name: string, request: (t: Trial) => void];

/** One replayable run: the file system, the model beside it, and what is chosen for the next request. */
export class Trial {
  readonly fs = newFileSystem({ sizeBytes: 64 << 20, inodeCountMax: 600, clientCount: 2 });
  readonly doors = new Doors(this.fs);
  readonly model = new Model(ROOT_INO);
  /** What the request under way is about, for the report. */
  said = "";

  constructor(readonly random: Random) {
    const { fs, model } = this;
    this.setClock();
    fs.inodes.touch(ROOT_INO, 15);
    model.root.lookups = 1;
    fs.inodes.addLookup(ROOT_INO);
  }

  // What is chosen, and said in the report.

  say(text: string): void {
    this.said += ` ${text}`;
  }
  door(): Door {
    const door = this.random.pick(["kernel", "ring"] as const);
    this.say(`[${door}]`);
    return door;
  }
  caller(): Caller {
    const caller = this.random.pick(CALLERS);
    this.say(`by ${caller.uid}:${caller.gid}`);
    return caller;
  }
  chosen(nodes: Node[]): Node {
    const node = this.random.pick(nodes);
    this.say(`inode ${node.ino}`);
    return node;
  }
  any(): Node {
    return this.random.pick([...this.model.nodes]);
  }
  node(): Node {
    return this.chosen([...this.model.nodes]);
  }
  directory(): Node {
    return this.chosen([...this.model.nodes].filter((node) => this.model.isDirectory(node)));
  }
  file(): Node | undefined {
    const files = [...this.model.nodes].filter((node) => this.model.isRegular(node));
    return files.length > 0 ? this.chosen(files) : undefined;
  }
  name(parent?: Node): string {
    const known = [...parent?.entries.keys() ?? []];
    const name = known.length > 0 && this.random.below(2) === 0
      ? this.random.pick(known)
      : this.random.pick(NAMES);
    this.say(`name ${name.slice(0, 3)}(${name.length})`);
    return name;
  }
  offset(): number {
    const offset = this.random.pick([0, 1, 4095, 4096, 8192, this.random.below(SIZE_MAX)]);
    this.say(`at ${offset}`);
    return offset;
  }
  length(max = 40_000): number {
    const length = this.random.pick([1, 100, 4096, 8192, 1 + this.random.below(max)]);
    this.say(`${length} bytes`);
    return length;
  }
  bytes(length: number): Uint8Array {
    return new Uint8Array(length).fill(1 + this.random.below(255));
  }

  // Time.

  setClock(): void {
    const { now } = this.model;
    this.doors.setClock(Number(now / NANOSECONDS), Number(now % NANOSECONDS));
  }
  /** Now and then by about a day, to the second on either side. */
  advance(): void {
    const seconds = this.random.pick([0, 0, 0, 0, 1, 7, 40_000, 86_398, 86_399, 86_400]);
    this.model.now += BigInt(seconds) * NANOSECONDS + BigInt(1 + this.random.below(999));
    this.setClock();
  }
  replyTime(seconds: number, nanoseconds: number): Time {
    return BigInt(this.doors.reply64(seconds)) * NANOSECONDS +
      BigInt(this.doors.replyWord(nanoseconds));
  }

  // What both sides say of an inode.

  /** The kernel was told of an inode. */
  entry(result: number, wanted: Node | number): void {
    assertEquals(result, typeof wanted === "number" ? wanted : 0);
    if (typeof wanted === "number") return;
    const ino = this.doors.reply64(ENTRY_OUT_NODEID);
    if (wanted.ino === 0) wanted.ino = ino;
    assertEquals(ino, wanted.ino);
    wanted.lookups++;
  }
  /** A client was, of one that it made and, when it is a file, has open. */
  made(result: number, wanted: Node | number, isOpen: boolean): void {
    assertEquals(result, typeof wanted === "number" ? wanted : 0);
    if (typeof wanted === "number") return;
    wanted.ino = this.doors.ringResult(RING_MADE_INODE);
    if (isOpen) wanted.opens++;
  }
  compareAttributes(node: Node): void {
    const { doors } = this;
    assertEquals(doors.kernel(Opcode.GETATTR, node.ino), 0, `inode ${node.ino} lives`);
    const at = ATTR_OUT_ATTR;
    const blocks = this.model.isRegular(node) ? { blocks: node.blocks.size * 8 } : {};
    const found = {
      mode: doors.replyWord(at + ATTR_MODE).toString(8),
      nlink: doors.replyWord(at + ATTR_NLINK),
      uid: doors.replyWord(at + ATTR_UID),
      gid: doors.replyWord(at + ATTR_GID),
      size: doors.reply64(at + ATTR_SIZE),
      atime: this.replyTime(at + ATTR_ATIME, at + ATTR_ATIMENSEC),
      mtime: this.replyTime(at + ATTR_MTIME, at + ATTR_MTIMENSEC),
      ctime: this.replyTime(at + ATTR_CTIME, at + ATTR_CTIMENSEC),
      ...(this.model.isRegular(node) && { blocks: doors.reply64(at + ATTR_BLOCKS) }),
    };
    const size = this.model.isDirectory(node)
      ? (node.entries.size + 2) * 20
      : Math.max(node.data.length, node.target.length);
    const { nlink, uid, gid, atime, mtime, ctime } = node;
    const mode = node.mode.toString(8);
    const wanted = { mode, nlink, uid, gid, size, atime, mtime, ctime, ...blocks };
    assertEquals(found, wanted, `attributes of inode ${node.ino}`);
    if (this.random.below(8) > 0) return;
    assertEquals(doors.kernel(Opcode.STATX, node.ino, { words: 6 }), 0);
    const btime = STATX_OUT_STAT + STATX_BTIME;
    assertEquals(this.replyTime(btime, btime + 2), node.btime, `birth of inode ${node.ino}`);
  }
}
