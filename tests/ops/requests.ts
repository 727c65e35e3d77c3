/**
 * Random requests at both doors, each also done by the model; whatever differs is thrown as an error that says how to have it again.
 * @module
 */
import { assertEquals } from "@std/assert";
import * as errno from "../../src/core/errno.ts";
import { S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from "../../src/core/inode_table.ts";
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
  COPY_FILE_RANGE_IN_LEN,
  COPY_FILE_RANGE_IN_NODEID_OUT,
  COPY_FILE_RANGE_IN_OFF_IN,
  COPY_FILE_RANGE_IN_OFF_OUT,
  COPY_FILE_RANGE_IN_WORDS,
  CREATE_IN_MODE,
  CREATE_IN_WORDS,
  DIRENT_NAMELEN,
  DIRENT_OFF,
  DIRENT_WORDS,
  ENTRY_OUT_NODEID,
  FALLOCATE_IN_LENGTH,
  FALLOCATE_IN_MODE,
  FALLOCATE_IN_OFFSET,
  FALLOCATE_IN_WORDS,
  FATTR_ATIME,
  FATTR_GID,
  FATTR_KILL_SUIDGID,
  FATTR_MODE,
  FATTR_MTIME,
  FATTR_MTIME_NOW,
  FATTR_SIZE,
  FATTR_UID,
  FORGET_IN_NLOOKUP,
  FORGET_IN_WORDS,
  GETXATTR_IN_SIZE,
  GETXATTR_IN_WORDS,
  LINK_IN_OLDNODEID,
  LINK_IN_WORDS,
  LSEEK_IN_OFFSET,
  LSEEK_IN_WHENCE,
  LSEEK_IN_WORDS,
  LSEEK_OUT_OFFSET,
  MKDIR_IN_MODE,
  MKDIR_IN_UMASK,
  MKDIR_IN_WORDS,
  MKNOD_IN_MODE,
  MKNOD_IN_UMASK,
  MKNOD_IN_WORDS,
  READ_IN_OFFSET,
  READ_IN_SIZE,
  READ_IN_WORDS,
  RENAME2_IN_FLAGS,
  RENAME2_IN_NEWDIR,
  RENAME2_IN_WORDS,
  SETATTR_IN_ATIME,
  SETATTR_IN_ATIMENSEC,
  SETATTR_IN_GID,
  SETATTR_IN_MODE,
  SETATTR_IN_MTIME,
  SETATTR_IN_MTIMENSEC,
  SETATTR_IN_SIZE,
  SETATTR_IN_UID,
  SETATTR_IN_VALID,
  SETATTR_IN_WORDS,
  SETXATTR_IN_FLAGS,
  SETXATTR_IN_SIZE,
  SETXATTR_IN_WORDS,
  STATX_BTIME,
  STATX_OUT_STAT,
  WRITE_IN_FLAGS,
  WRITE_IN_OFFSET,
  WRITE_IN_SIZE,
  WRITE_IN_WORDS,
  WRITE_IN_WRITE_FLAGS,
  WRITE_OUT_SIZE,
} from "../../src/ops/fuse_records.gen.ts";
import { Opcode, WRITE_KILL_SUIDGID } from "../../src/ops/protocol.ts";
import {
  CLIENT_TIME_SEEN_HI,
  INODE_CLIENT_ATIME,
  INODE_CLIENT_MTIME,
  INODE_OPEN_COUNT,
  INODE_WORDS,
  RING_ACCESSED,
  RING_CALLER_UID,
  RING_COPY,
  RING_COPY_LENGTH,
  RING_COPY_OFFSET,
  RING_COPY_TARGET,
  RING_COPY_TARGET_OFFSET,
  RING_FALLOCATE,
  RING_FALLOCATE_LENGTH,
  RING_FALLOCATE_MODE,
  RING_FALLOCATE_OFFSET,
  RING_LINK,
  RING_LINK_PARENT,
  RING_MADE_INODE,
  RING_MAKE,
  RING_MAKE_GID,
  RING_MAKE_MODE,
  RING_MAKE_UID,
  RING_MAKE_UMASK,
  RING_PREPARE,
  RING_PREPARE_CALLER,
  RING_PREPARE_LENGTH,
  RING_PREPARE_OFFSET,
  RING_RELEASE,
  RING_REMOVE,
  RING_REMOVE_AS_DIRECTORY,
  RING_REMOVEXATTR,
  RING_RENAME,
  RING_RENAME_FLAGS,
  RING_RENAME_NEW_PARENT,
  RING_SETATTR,
  RING_SETATTR_ATIME,
  RING_SETATTR_CALLER,
  RING_SETATTR_GID,
  RING_SETATTR_MODE,
  RING_SETATTR_MTIME,
  RING_SETATTR_SIZE,
  RING_SETATTR_UID,
  RING_SETATTR_VALID,
  RING_SETXATTR,
  RING_SETXATTR_FLAGS,
  RING_SYMLINK,
  RING_SYMLINK_GID,
  RING_SYMLINK_UID,
  RING_TIME_NANOSECONDS,
  RING_TIME_SECONDS,
  RING_TMPFILE,
  RING_TMPFILE_GID,
  RING_TMPFILE_MODE,
  RING_TMPFILE_UID,
  ROOT_INO,
} from "../../src/region/layout.gen.ts";
import { newFileSystem, type Random } from "../core/support.ts";
import { type Caller, Doors, type Fields, ROOT, texts } from "./doors.ts";
import { Model, type Node, type Time } from "./model.ts";

const SIZE_MAX = 150_000;
const NODES_MAX = 150;
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
const XATTRS = ["user.one", "user.two", "trusted.three"];
const CALLERS: Caller[] = [ROOT, ROOT, { uid: 7, gid: 8 }, { uid: 7, gid: 9 }];
const O_APPEND = 0o2000;
const NANOSECONDS = 1_000_000_000n;

type Door = "kernel" | "ring";

export class Requests {
  readonly fs = newFileSystem({ sizeBytes: 64 << 20, inodeCountMax: 600, clientCount: 2 });
  readonly doors = new Doors(this.fs);
  readonly model = new Model(ROOT_INO);
  readonly #operations: [weight: number, name: string, operation: () => void][];
  /** What the operation under way is about, for the report. */
  #said = "";

  constructor(private readonly random: Random) {
    const { fs, model } = this;
    this.#setClock();
    fs.inodes.touch(ROOT_INO, 15);
    model.root.lookups = 1;
    fs.inodes.addLookup(ROOT_INO);
    this.#operations = [
      [6, "lookup", () => this.#lookup()],
      [9, "make", () => this.#make()],
      [2, "make without a name", () => this.#tmpfile()],
      [2, "symlink", () => this.#symlink()],
      [4, "link", () => this.#link()],
      [5, "unlink", () => this.#remove(false)],
      [3, "rmdir", () => this.#remove(true)],
      [7, "rename", () => this.#rename()],
      [8, "setattr", () => this.#setattr()],
      [8, "write", () => this.#write()],
      [3, "prepare", () => this.#prepare()],
      [4, "read", () => this.#read()],
      [3, "readlink", () => this.#readlink()],
      [4, "fallocate", () => this.#fallocate()],
      [4, "copy", () => this.#copy()],
      [3, "lseek", () => this.#lseek()],
      [3, "readdir", () => this.#readdir()],
      [4, "xattr", () => this.#xattr()],
      [6, "forget", () => this.#forget()],
      [4, "close", () => this.#close()],
      [2, "client times", () => this.#clientTimes()],
      [2, "accessed", () => this.#accessed()],
      [3, "getattr", () => {}],
    ];
  }

  /** One request and what the model says of it. @throws what differs */
  step(): void {
    this.#advance();
    let left = this.random.below(this.#operations.reduce((sum, [weight]) => sum + weight, 0));
    const [, name, operation] = this.#operations.find(([weight]) => (left -= weight) < 0) ??
      this.#operations[0];
    this.#said = "";
    try {
      operation();
      for (let i = 0; i < 2; i++) this.#compareAttributes(this.#any());
    } catch (error) {
      throw new Error(`${name}${this.#said}`, { cause: error });
    }
  }

  /** Every invariant, and what is left in use. */
  check(): void {
    assertEquals(this.fs.check(), []);
    const { nodes } = this.model;
    for (const node of nodes) this.#compareAttributes(node);
    assertEquals(this.fs.inodePool.used, nodes.size, "inodes in use");
    const blocks = [...nodes].reduce((sum, { blocks }) => sum + blocks.size, 0);
    assertEquals(this.fs.blockPool.used >= blocks, true, "blocks in use");
    for (const node of nodes) {
      if (this.model.isRegular(node)) {
        const bytes = new Uint8Array(node.data.length);
        assertEquals(this.fs.data.readInto(node.ino, 0, bytes, 0, bytes.length), bytes.length);
        assertEquals(bytes, node.data, `contents of inode ${node.ino}`);
      }
    }
  }

  // What is chosen, and said in the report.

  #say(text: string): void {
    this.#said += ` ${text}`;
  }
  #door(): Door {
    const door = this.random.pick(["kernel", "ring"] as const);
    this.#say(`[${door}]`);
    return door;
  }
  #caller(): Caller {
    const caller = this.random.pick(CALLERS);
    this.#say(`by ${caller.uid}:${caller.gid}`);
    return caller;
  }
  #chosen(nodes: Node[]): Node {
    const node = this.random.pick(nodes);
    this.#say(`inode ${node.ino}`);
    return node;
  }
  #any(): Node {
    return this.random.pick([...this.model.nodes]);
  }
  #node(): Node {
    return this.#chosen([...this.model.nodes]);
  }
  #directory(): Node {
    return this.#chosen([...this.model.nodes].filter((node) => this.model.isDirectory(node)));
  }
  #file(): Node | undefined {
    const files = [...this.model.nodes].filter((node) => this.model.isRegular(node));
    return files.length > 0 ? this.#chosen(files) : undefined;
  }
  #name(parent?: Node): string {
    const known = [...parent?.entries.keys() ?? []];
    const name = known.length > 0 && this.random.below(2) === 0
      ? this.random.pick(known)
      : this.random.pick(NAMES);
    this.#say(`name ${name.slice(0, 3)}(${name.length})`);
    return name;
  }
  #offset(): number {
    const offset = this.random.pick([0, 1, 4095, 4096, 8192, this.random.below(SIZE_MAX)]);
    this.#say(`at ${offset}`);
    return offset;
  }
  #length(max = 40_000): number {
    const length = this.random.pick([1, 100, 4096, 8192, 1 + this.random.below(max)]);
    this.#say(`${length} bytes`);
    return length;
  }
  #bytes(length: number): Uint8Array {
    return new Uint8Array(length).fill(1 + this.random.below(255));
  }

  // Time.

  #setClock(): void {
    const { now } = this.model;
    this.doors.setClock(Number(now / NANOSECONDS), Number(now % NANOSECONDS));
  }
  /** Now and then by about a day, to the second on either side. */
  #advance(): void {
    const seconds = this.random.pick([0, 0, 0, 0, 1, 7, 40_000, 86_398, 86_399, 86_400]);
    this.model.now += BigInt(seconds) * NANOSECONDS + BigInt(1 + this.random.below(999));
    this.#setClock();
  }
  #replyTime(seconds: number, nanoseconds: number): Time {
    return BigInt(this.doors.reply64(seconds)) * NANOSECONDS +
      BigInt(this.doors.replyWord(nanoseconds));
  }

  #compareAttributes(node: Node): void {
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
      atime: this.#replyTime(at + ATTR_ATIME, at + ATTR_ATIMENSEC),
      mtime: this.#replyTime(at + ATTR_MTIME, at + ATTR_MTIMENSEC),
      ctime: this.#replyTime(at + ATTR_CTIME, at + ATTR_CTIMENSEC),
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
    assertEquals(this.#replyTime(btime, btime + 2), node.btime, `birth of inode ${node.ino}`);
  }

  // Names.

  /** The kernel was told of an inode. */
  #entry(result: number, wanted: Node | number): void {
    assertEquals(result, typeof wanted === "number" ? wanted : 0);
    if (typeof wanted === "number") return;
    const ino = this.doors.reply64(ENTRY_OUT_NODEID);
    if (wanted.ino === 0) wanted.ino = ino;
    assertEquals(ino, wanted.ino);
    wanted.lookups++;
  }
  /** A client was, of one that it made and, when it is a file, has open. */
  #made(result: number, wanted: Node | number, isOpen: boolean): void {
    assertEquals(result, typeof wanted === "number" ? wanted : 0);
    if (typeof wanted === "number") return;
    wanted.ino = this.doors.ringResult(RING_MADE_INODE);
    if (isOpen) wanted.opens++;
  }

  #lookup(): void {
    const parent = this.#directory();
    const name = this.#name(parent);
    const result = this.doors.kernel(Opcode.LOOKUP, parent.ino, { tail: texts(name) });
    const node = parent.entries.get(name);
    if (name.length > 255) assertEquals(result, -errno.ENAMETOOLONG);
    else if (node) this.#entry(result, node);
    else assertEquals([result, this.doors.reply64(ENTRY_OUT_NODEID)], [0, 0]);
  }

  #make(): void {
    const { doors, model } = this;
    if (model.nodes.size > NODES_MAX) return;
    const parent = this.#directory();
    const [name, caller, door] = [this.#name(), this.#caller(), this.#door()];
    const mode = this.random.pick([
      S_IFREG | 0o644,
      S_IFREG | 0o6755,
      S_IFDIR | 0o755,
      S_IFDIR | 0o2775,
      S_IFIFO | 0o600,
    ]);
    const umask = this.random.pick([0, 0o22, 0o77]);
    const wanted = model.make(parent, name, mode & ~umask, caller);
    const isFile = (mode & S_IFREG) === S_IFREG;
    if (door === "ring") {
      const result = doors.ring(RING_MAKE, [
        ...doors.inodeName(0, parent.ino),
        [RING_MAKE_MODE, mode],
        [RING_MAKE_UMASK, umask],
        [RING_MAKE_UID, caller.uid],
        [RING_MAKE_GID, caller.gid],
      ], texts(name).subarray(0, -1));
      // The name is looked at before the directory.
      const first = name.length > 255 ? -errno.ENAMETOOLONG : wanted;
      return this.#made(result, first, isFile);
    }
    const tail = texts(name);
    if ((mode & S_IFDIR) === S_IFDIR) {
      const fields: Fields = [[MKDIR_IN_MODE, mode & 0o7777], [MKDIR_IN_UMASK, umask]];
      const o = { words: MKDIR_IN_WORDS, fields, tail, caller };
      return this.#entry(doors.kernel(Opcode.MKDIR, parent.ino, o), wanted);
    }
    const fields: Fields = [[MKNOD_IN_MODE, mode], [MKNOD_IN_UMASK, umask]];
    const o = { words: MKNOD_IN_WORDS, fields, tail, caller };
    let result = doors.kernel(Opcode.MKNOD, parent.ino, o);
    if (isFile && wanted === -errno.EEXIST) {
      // Whoever finds the name taken is to look it up again, once.
      assertEquals(result, -errno.ESTALE);
      result = doors.kernel(Opcode.MKNOD, parent.ino, { ...o, again: true });
    }
    this.#entry(result, wanted);
  }

  #tmpfile(): void {
    const { doors, model } = this;
    if (model.nodes.size > NODES_MAX) return;
    const parent = this.#directory();
    const [caller, door] = [this.#caller(), this.#door()];
    const mode = S_IFREG | 0o640;
    // The kernel does not ask for a removed directory.
    if (parent.nlink === 0) {
      if (door === "kernel") return;
      const result = doors.ring(RING_TMPFILE, doors.inodeName(0, parent.ino));
      return assertEquals(result, -errno.ENOENT);
    }
    const wanted = model.make(parent, undefined, mode, caller);
    if (door === "kernel") {
      const o = { words: CREATE_IN_WORDS, fields: [[CREATE_IN_MODE, mode]] as Fields, caller };
      return this.#entry(doors.kernel(Opcode.TMPFILE, parent.ino, o), wanted);
    }
    const result = doors.ring(RING_TMPFILE, [
      ...doors.inodeName(0, parent.ino),
      [RING_TMPFILE_MODE, mode],
      [RING_TMPFILE_UID, caller.uid],
      [RING_TMPFILE_GID, caller.gid],
    ]);
    this.#made(result, wanted, true);
  }

  #symlink(): void {
    const { doors, model } = this;
    if (model.nodes.size > NODES_MAX) return;
    const parent = this.#directory();
    const [name, caller, door] = [this.#name(), this.#caller(), this.#door()];
    const length = this.random.pick([0, 1, 56, 57, 500, 3000, 4095, 4096]);
    this.#say(`target of ${length}`);
    const target = "t".repeat(length);
    const isLong = length > 3600;
    if (door === "ring" && isLong) return;
    const problem = length === 0 ? -errno.ENOENT : length > 4095 ? -errno.ENAMETOOLONG : 0;
    const wanted = door === "ring" && name.length > 255
      ? -errno.ENAMETOOLONG
      : problem || model.make(parent, name, S_IFLNK | 0o777, caller, target);
    if (door === "kernel") {
      const o = { tail: texts(name, target), caller };
      return this.#entry(doors.kernel(Opcode.SYMLINK, parent.ino, o), wanted);
    }
    const result = doors.ring(RING_SYMLINK, [
      ...doors.inodeName(0, parent.ino),
      [RING_SYMLINK_UID, caller.uid],
      [RING_SYMLINK_GID, caller.gid],
    ], texts(name, target).subarray(0, -1));
    this.#made(result, wanted, false);
  }

  #link(): void {
    const { doors } = this;
    const [node, parent, door] = [this.#node(), this.#directory(), this.#door()];
    const name = this.#name();
    const isTooLong = door === "ring" && name.length > 255;
    const wanted = isTooLong ? -errno.ENAMETOOLONG : this.model.link(node, parent, name);
    if (door === "kernel") {
      const o = {
        words: LINK_IN_WORDS,
        fields: [[LINK_IN_OLDNODEID, node.ino]] as Fields,
        tail: texts(name),
      };
      return this.#entry(doors.kernel(Opcode.LINK, parent.ino, o), wanted === 0 ? node : wanted);
    }
    const fields = [
      ...doors.inodeName(0, node.ino),
      ...doors.inodeName(RING_LINK_PARENT, parent.ino),
    ];
    assertEquals(doors.ring(RING_LINK, fields, texts(name).subarray(0, -1)), wanted);
  }

  #remove(asDirectory: boolean): void {
    const { doors } = this;
    const [parent, door] = [this.#directory(), this.#door()];
    const name = this.#name(parent);
    if (door === "kernel") {
      const wanted = this.model.remove(parent, name, asDirectory);
      const opcode = asDirectory ? Opcode.RMDIR : Opcode.UNLINK;
      return assertEquals(doors.kernel(opcode, parent.ino, { tail: texts(name) }), wanted);
    }
    const result = doors.ring(RING_REMOVE, [
      ...doors.inodeName(0, parent.ino),
      [RING_REMOVE_AS_DIRECTORY, asDirectory ? 1 : 0],
    ], texts(name).subarray(0, -1));
    const isTooLong = name.length > 255;
    const wanted = isTooLong ? -errno.ENAMETOOLONG : this.model.remove(parent, name, asDirectory);
    assertEquals(result, wanted);
  }

  #rename(): void {
    const { doors, model, random } = this;
    const parent = this.#directory();
    const name = this.#name(parent);
    const newParent = random.below(2) === 0 ? parent : this.#directory();
    const newName = this.#name(newParent);
    const flags = random.pick([0, 0, 0, 1, 2, 3]);
    this.#say(`flags ${flags}`);
    if (this.#door() === "kernel") {
      const wanted = model.rename(parent, name, newParent, newName, flags);
      const fields: Fields = [[RENAME2_IN_NEWDIR, newParent.ino], [RENAME2_IN_FLAGS, flags]];
      const o = { words: RENAME2_IN_WORDS, fields, tail: texts(name, newName) };
      return assertEquals(doors.kernel(Opcode.RENAME2, parent.ino, o), wanted);
    }
    const result = doors.ring(RING_RENAME, [
      ...doors.inodeName(0, parent.ino),
      ...doors.inodeName(RING_RENAME_NEW_PARENT, newParent.ino),
      [RING_RENAME_FLAGS, flags],
    ], texts(name, newName).subarray(0, -1));
    const isTooLong = Math.max(name.length, newName.length) > 255;
    const wanted = isTooLong
      ? -errno.ENAMETOOLONG
      : model.rename(parent, name, newParent, newName, flags);
    assertEquals(result, wanted);
  }

  #readdir(): void {
    const { doors } = this;
    const directory = this.#directory();
    const names: string[] = [];
    let cookie = 0;
    for (let round = 0; round < 1000; round++) {
      const fields: Fields = [[READ_IN_OFFSET, cookie], [READ_IN_SIZE, 700]];
      const result = doors.kernel(Opcode.READDIR, directory.ino, { words: READ_IN_WORDS, fields });
      if (directory.nlink === 0) return assertEquals(result, -errno.ENOENT);
      assertEquals(result, 0);
      const bytes = doors.reply.slice();
      if (bytes.length === 0) break;
      const view = new DataView(bytes.buffer);
      for (let at = 0; at < bytes.length;) {
        const length = view.getUint32(at + DIRENT_NAMELEN * 4, true);
        const start = at + DIRENT_WORDS * 4;
        names.push(new TextDecoder().decode(bytes.subarray(start, start + length)));
        cookie = Number(view.getBigUint64(at + DIRENT_OFF * 4, true));
        at = start + Math.ceil(length / 8) * 8;
      }
    }
    this.model.read(directory);
    assertEquals(names.sort(), [".", "..", ...directory.entries.keys()].sort());
  }

  // References.

  #forget(): void {
    const node = this.#node();
    const count = Math.min(node.lookups, 1 + this.random.below(node.lookups + 1));
    if (count === 0 || node === this.model.root) return;
    const fields: Fields = [[FORGET_IN_NLOOKUP, count]];
    this.doors.kernel(Opcode.FORGET, node.ino, { words: FORGET_IN_WORDS, fields });
    node.lookups -= count;
    this.model.settle(node);
    assertEquals(this.fs.inodes.exists(node.ino), this.model.nodes.has(node), "lives on");
  }

  /** A client ends its last open file description of an inode, as the library does. */
  #close(): void {
    const open = [...this.model.nodes].filter(({ opens }) => opens > 0);
    if (open.length === 0) return;
    const node = this.#chosen(open);
    const name = this.doors.inodeName(0, node.ino);
    Atomics.sub(this.fs.inodes.words, node.ino * INODE_WORDS + INODE_OPEN_COUNT, 1);
    node.opens--;
    assertEquals(this.doors.ring(RING_RELEASE, name), 0);
    this.model.settle(node);
    assertEquals(this.fs.inodes.exists(node.ino), this.model.nodes.has(node), "lives on");
  }

  // Attributes.

  #setattr(): void {
    const { doors, model, random } = this;
    const [node, caller, door] = [this.#node(), this.#caller(), this.#door()];
    const has = (chance: number) => random.below(chance) === 0;
    const size = has(2) ? random.pick([node.data.length, this.#offset()]) : undefined;
    const uid = has(4) ? random.below(10) : undefined;
    const gid = has(4) ? random.pick([8, 9]) : undefined;
    const mode = has(3) ? random.pick([0o600, 0o4755, 0o6755, 0o2640]) : undefined;
    const kills = has(4);
    const atime = has(4) ? model.now - BigInt(random.below(2e9)) * 1000n : undefined;
    const mtime = has(4) ? model.now - BigInt(random.below(2e9)) * 1000n : undefined;
    const mtimeNow = mtime === undefined && has(4);
    const valid = (size === undefined ? 0 : FATTR_SIZE) | (uid === undefined ? 0 : FATTR_UID) |
      (gid === undefined ? 0 : FATTR_GID) | (mode === undefined ? 0 : FATTR_MODE) |
      (kills ? FATTR_KILL_SUIDGID : 0) | (atime === undefined ? 0 : FATTR_ATIME) |
      (mtime === undefined ? 0 : FATTR_MTIME) | (mtimeNow ? FATTR_MTIME | FATTR_MTIME_NOW : 0);
    this.#say(`valid ${valid.toString(16)} size ${size} ${uid}:${gid} mode ${mode?.toString(8)}`);
    const split = (time: Time | undefined) => [
      Number((time ?? 0n) / NANOSECONDS),
      Number((time ?? 0n) % NANOSECONDS),
    ];
    const [[aSeconds, aNanoseconds], [mSeconds, mNanoseconds]] = [split(atime), split(mtime)];
    let result: number;
    if (door === "kernel") {
      const fields: Fields = [
        [SETATTR_IN_VALID, valid],
        [SETATTR_IN_SIZE, size ?? 0],
        [SETATTR_IN_UID, uid ?? 0],
        [SETATTR_IN_GID, gid ?? 0],
        [SETATTR_IN_MODE, mode ?? 0],
        [SETATTR_IN_ATIME, aSeconds],
        [SETATTR_IN_ATIMENSEC, aNanoseconds],
        [SETATTR_IN_MTIME, mSeconds],
        [SETATTR_IN_MTIMENSEC, mNanoseconds],
      ];
      result = doors.kernel(Opcode.SETATTR, node.ino, { words: SETATTR_IN_WORDS, fields, caller });
    } else {
      // The library says whether its caller belongs to the group.
      const mayKeep = caller.uid === 0 || caller.gid === (gid ?? node.gid) ? 1 : 0;
      result = doors.ring(RING_SETATTR, [
        ...doors.inodeName(0, node.ino),
        [RING_SETATTR_VALID, valid],
        [RING_SETATTR_SIZE, size ?? 0],
        [RING_SETATTR_UID, uid ?? 0],
        [RING_SETATTR_GID, gid ?? 0],
        [RING_SETATTR_MODE, mode ?? 0],
        [RING_SETATTR_ATIME + RING_TIME_SECONDS, aSeconds],
        [RING_SETATTR_ATIME + RING_TIME_NANOSECONDS, aNanoseconds],
        [RING_SETATTR_MTIME + RING_TIME_SECONDS, mSeconds],
        [RING_SETATTR_MTIME + RING_TIME_NANOSECONDS, mNanoseconds],
        [RING_SETATTR_CALLER + RING_CALLER_UID, caller.uid],
        [RING_SETATTR_CALLER + 1, mayKeep],
      ]);
    }
    if (size !== undefined && !model.isRegular(node)) {
      const isDirectory = model.isDirectory(node);
      return assertEquals(result, isDirectory ? -errno.EISDIR : -errno.EINVAL);
    }
    assertEquals(result, 0);
    if (size !== undefined) model.truncate(node, size);
    if (uid !== undefined || gid !== undefined) model.chown(node, uid, gid);
    if (kills || valid === 0) {
      // By the ring set-group-ID of a file whose group may execute it needs no asking either.
      const keeper = door === "ring" && (caller.uid === 0 || caller.gid === node.gid)
        ? ROOT
        : caller;
      model.dropPrivileges(node, keeper);
    }
    if (mode !== undefined) model.chmod(node, mode);
    if (atime !== undefined) node.atime = atime;
    if (mtime !== undefined) node.mtime = mtime;
    if (mtimeNow) node.mtime = model.now;
    if (atime !== undefined || mtime !== undefined || mtimeNow || valid === 0) {
      node.ctime = model.now;
    }
  }

  /** A client has stored or read, and left its time. */
  #clientTimes(): void {
    const { model, random } = this;
    const node = this.#file();
    if (!node) return;
    const { buffer, byteOffset, length } = this.fs.region.inodes;
    const words = new BigUint64Array(buffer, byteOffset, length / 2);
    const isSeen = random.below(2) === 0 ? BigInt(CLIENT_TIME_SEEN_HI) << 32n : 0n;
    const reads = random.below(3) === 0;
    const field = reads ? INODE_CLIENT_ATIME : INODE_CLIENT_MTIME;
    words[(node.ino * INODE_WORDS + field) / 2] = model.now | isSeen;
    if (reads) node.atime = model.now;
    else node.mtime = node.ctime = model.now;
  }

  #accessed(): void {
    const node = this.#node();
    this.model.read(node);
    assertEquals(this.doors.ring(RING_ACCESSED, this.doors.inodeName(0, node.ino)), 0);
  }

  #xattr(): void {
    const { doors, model, random } = this;
    const [node, door] = [this.#node(), this.#door()];
    const name = random.pick(XATTRS);
    this.#say(name);
    switch (random.below(4)) {
      case 0:
      case 1: {
        const value = this.#bytes(random.pick([0, 1, 100, 130, 1000]));
        const flags = random.below(3);
        this.#say(`set, flags ${flags}`);
        const wanted = model.setXattr(node, name, value, flags);
        const result = door === "kernel"
          ? doors.kernel(Opcode.SETXATTR, node.ino, {
            words: SETXATTR_IN_WORDS,
            fields: [[SETXATTR_IN_SIZE, value.length], [SETXATTR_IN_FLAGS, flags]],
            tail: texts(name, value),
          })
          : doors.ring(
            RING_SETXATTR,
            [...doors.inodeName(0, node.ino), [RING_SETXATTR_FLAGS, flags]],
            texts(name, value).subarray(0, -1),
          );
        return assertEquals(result, wanted);
      }
      case 2: {
        const wanted = model.removeXattr(node, name);
        const result = door === "kernel"
          ? doors.kernel(Opcode.REMOVEXATTR, node.ino, { tail: texts(name) })
          : doors.ring(
            RING_REMOVEXATTR,
            doors.inodeName(0, node.ino),
            texts(name).subarray(0, -1),
          );
        return assertEquals(result, wanted);
      }
      default: {
        const o = { words: GETXATTR_IN_WORDS, fields: [[GETXATTR_IN_SIZE, 4096]] as Fields };
        const result = doors.kernel(Opcode.GETXATTR, node.ino, { ...o, tail: texts(name) });
        const value = node.xattrs.get(name);
        assertEquals(result, value ? 0 : -errno.ENODATA);
        if (value) assertEquals(doors.reply.slice(), value);
        assertEquals(doors.kernel(Opcode.LISTXATTR, node.ino, { ...o, caller: CALLERS[2] }), 0);
        const names = new TextDecoder().decode(doors.reply).split("\0").slice(0, -1);
        // The privileged see more.
        const visible = [...node.xattrs.keys()].filter((each) => !each.startsWith("trusted."));
        assertEquals(names.sort(), visible.sort());
      }
    }
  }

  // Bytes.

  #write(): void {
    const { doors, model, random } = this;
    const node = this.#file();
    if (!node) return;
    const [caller, bytes] = [this.#caller(), this.#bytes(this.#length())];
    const appends = random.below(4) === 0;
    const kills = random.below(3) === 0;
    const offset = this.#offset();
    if (appends && node.data.length > SIZE_MAX) return;
    this.#say(appends ? "appended" : "");
    const result = doors.kernel(Opcode.WRITE, node.ino, {
      words: WRITE_IN_WORDS,
      fields: [
        [WRITE_IN_OFFSET, offset],
        [WRITE_IN_SIZE, bytes.length],
        [WRITE_IN_WRITE_FLAGS, kills ? WRITE_KILL_SUIDGID : 0],
        [WRITE_IN_FLAGS, appends ? O_APPEND : 0],
      ],
      tail: bytes,
      caller,
    });
    assertEquals([result, doors.replyWord(WRITE_OUT_SIZE)], [0, bytes.length]);
    if (appends) {
      // The kernel believed the end to be elsewhere, and has the bytes there.
      assertEquals(this.fs.misplaced.take(), offset === node.data.length ? [] : [node.ino]);
    }
    if (kills) model.dropPrivileges(node, caller);
    model.write(node, appends ? node.data.length : offset, bytes);
  }

  /** Room for bytes that the library is about to store. */
  #prepare(): void {
    const node = this.#file();
    if (!node) return;
    const [caller, offset, length] = [this.#caller(), this.#offset(), this.#length()];
    const result = this.doors.ring(RING_PREPARE, [
      ...this.doors.inodeName(0, node.ino),
      [RING_PREPARE_OFFSET, offset],
      [RING_PREPARE_LENGTH, length],
      [RING_PREPARE_CALLER + RING_CALLER_UID, caller.uid],
      [RING_PREPARE_CALLER + 1, caller.gid === node.gid ? 1 : 0],
    ]);
    assertEquals(result, length);
    if (caller.uid !== 0) this.model.dropPrivileges(node, caller);
    const { mtime, ctime } = node;
    this.model.fallocate(node, offset, length, 1);
    Object.assign(node, { mtime, ctime });
  }

  #read(): void {
    const node = this.#file();
    if (!node) return;
    const [offset, length] = [this.#offset(), this.#length()];
    const fields: Fields = [[READ_IN_OFFSET, offset], [READ_IN_SIZE, length]];
    const result = this.doors.kernel(Opcode.READ, node.ino, { words: READ_IN_WORDS, fields });
    assertEquals(result, 0);
    this.model.read(node);
    const wanted = node.data.subarray(offset, offset + length);
    // A reply without data has only its header.
    const found = this.doors.x.hasSegments ? this.doors.reply : new Uint8Array();
    assertEquals(found.slice(), wanted.slice());
  }

  #readlink(): void {
    const node = this.#node();
    const result = this.doors.kernel(Opcode.READLINK, node.ino);
    if (node.target === "") return assertEquals(result, -errno.EINVAL);
    assertEquals(result, 0);
    this.model.read(node);
    assertEquals(new TextDecoder().decode(this.doors.reply), node.target);
  }

  #fallocate(): void {
    const { doors, random } = this;
    const node = this.#file();
    if (!node) return;
    const [door, offset, length] = [this.#door(), this.#offset(), this.#length()];
    const mode = random.pick([0, 1, 2, 3, 16, 17, 8]);
    this.#say(`mode ${mode}`);
    const wanted = this.model.fallocate(node, offset, length, mode);
    const result = door === "kernel"
      ? doors.kernel(Opcode.FALLOCATE, node.ino, {
        words: FALLOCATE_IN_WORDS,
        fields: [
          [FALLOCATE_IN_OFFSET, offset],
          [FALLOCATE_IN_LENGTH, length],
          [FALLOCATE_IN_MODE, mode],
        ],
      })
      : doors.ring(RING_FALLOCATE, [
        ...doors.inodeName(0, node.ino),
        [RING_FALLOCATE_OFFSET, offset],
        [RING_FALLOCATE_LENGTH, length],
        [RING_FALLOCATE_MODE, mode],
      ]);
    assertEquals(result, wanted);
  }

  #lseek(): void {
    const node = this.#file();
    if (!node) return;
    const offset = this.#offset();
    const wantsData = this.random.below(2) === 0;
    const fields: Fields = [[LSEEK_IN_OFFSET, offset], [LSEEK_IN_WHENCE, wantsData ? 3 : 4]];
    const result = this.doors.kernel(Opcode.LSEEK, node.ino, { words: LSEEK_IN_WORDS, fields });
    const wanted = this.model.seek(node, offset, wantsData);
    assertEquals(result < 0 ? result : this.doors.reply64(LSEEK_OUT_OFFSET), wanted);
  }

  #copy(): void {
    const { doors } = this;
    const [from, to] = [this.#file(), this.#file()];
    if (!from || !to || from === to) return;
    const [door, fromOffset, toOffset] = [this.#door(), this.#offset(), this.#offset()];
    const length = this.#length();
    const wanted = this.model.copy(from, fromOffset, to, toOffset, length);
    const result = door === "kernel"
      ? doors.kernel(Opcode.COPY_FILE_RANGE, from.ino, {
        words: COPY_FILE_RANGE_IN_WORDS,
        fields: [
          [COPY_FILE_RANGE_IN_OFF_IN, fromOffset],
          [COPY_FILE_RANGE_IN_NODEID_OUT, to.ino],
          [COPY_FILE_RANGE_IN_OFF_OUT, toOffset],
          [COPY_FILE_RANGE_IN_LEN, length],
        ],
      })
      : doors.ring(RING_COPY, [
        ...doors.inodeName(0, from.ino),
        ...doors.inodeName(RING_COPY_TARGET, to.ino),
        [RING_COPY_OFFSET, fromOffset],
        [RING_COPY_TARGET_OFFSET, toOffset],
        [RING_COPY_LENGTH, length],
      ]);
    const copied = door === "kernel" ? result || doors.replyWord(WRITE_OUT_SIZE) : result;
    assertEquals(copied, wanted);
    // A kernel that caches would not learn of it.
    if (door === "ring" && copied > 0) this.model.read(from);
  }
}
