/**
 * What a file system is to its users, in the simplest form there is: objects and maps. The oracle of the random requests.
 * Results are 0 or a negative errno, in the order of checks that tmpfs has.
 * @module
 */
import * as errno from "../../src/core/errno.ts";
import { S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISUID, S_IXGRP } from "../../src/core/inode_table.ts";
import { BLOCK_BYTES, FILE_BYTES_MAX, NAME_BYTES_MAX } from "../../src/region/layout.gen.ts";
import type { Caller } from "./doors.ts";

/** Nanoseconds since 1970. */
export type Time = bigint;

export interface Node {
  /** Of the file system under test, for as long as it lives. */
  ino: number;
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  /** References of the kernel, and of clients. */
  lookups: number;
  opens: number;
  isLinkable: boolean;
  atime: Time;
  mtime: Time;
  ctime: Time;
  btime: Time;
  data: Uint8Array;
  /** Blocks that the file has, and whether they were written to. */
  blocks: Map<number, boolean>;
  target: string;
  xattrs: Map<string, Uint8Array>;
  entries: Map<string, Node>;
  /** Of a directory; itself for the root. */
  parent?: Node;
}

const DAY = 24n * 60n * 60n * 1_000_000_000n;
export const NOREPLACE = 1;
export const EXCHANGE = 2;

export class Model {
  now: Time = 1_700_000_000_000_000_000n;
  readonly root: Node;
  readonly nodes = new Set<Node>();

  constructor(rootIno: number) {
    this.root = this.#newNode(S_IFDIR | 0o755, { uid: 0, gid: 0 });
    this.root.ino = rootIno;
    this.root.nlink = 2;
    this.root.parent = this.root;
  }

  #newNode(mode: number, { uid, gid }: Caller): Node {
    const { now } = this;
    const node: Node = {
      ino: 0,
      mode,
      uid,
      gid,
      nlink: 0,
      lookups: 0,
      opens: 0,
      isLinkable: false,
      atime: now,
      mtime: now,
      ctime: now,
      btime: now,
      data: new Uint8Array(),
      blocks: new Map(),
      target: "",
      xattrs: new Map(),
      entries: new Map(),
    };
    this.nodes.add(node);
    return node;
  }

  /** Ends what nobody refers to. */
  settle(node: Node): void {
    if (node.nlink === 0 && node.lookups === 0 && node.opens === 0) this.nodes.delete(node);
  }

  isDirectory(node: Node): boolean {
    return (node.mode & S_IFMT) === S_IFDIR;
  }
  isRegular(node: Node): boolean {
    return (node.mode & S_IFMT) === S_IFREG;
  }

  #changed(directory: Node): void {
    directory.mtime = directory.ctime = this.now;
  }

  #mayCreate(parent: Node, name: string): number {
    if (parent.nlink === 0) return -errno.ENOENT;
    if (name.length > NAME_BYTES_MAX) return -errno.ENAMETOOLONG;
    return parent.entries.has(name) ? -errno.EEXIST : 0;
  }

  #enter(parent: Node, name: string, node: Node): void {
    parent.entries.set(name, node);
    if (this.isDirectory(node)) {
      node.parent = parent;
      parent.nlink++;
    }
    this.#changed(parent);
  }

  #leave(parent: Node, name: string): Node {
    const node = parent.entries.get(name) as Node;
    parent.entries.delete(name);
    if (this.isDirectory(node)) parent.nlink--;
    this.#changed(parent);
    return node;
  }

  /** mknod(2), mkdir(2), symlink(2), and O_TMPFILE without a name. */
  make(
    parent: Node,
    name: string | undefined,
    mode: number,
    caller: Caller,
    target = "",
  ): Node | number {
    const problem = name === undefined ? 0 : this.#mayCreate(parent, name);
    if (problem !== 0) return problem;
    const isDirectory = (mode & S_IFMT) === S_IFDIR;
    const inherits = (parent.mode & S_ISGID) !== 0;
    const node = this.#newNode(mode | (inherits && isDirectory ? S_ISGID : 0), {
      uid: caller.uid,
      gid: inherits ? parent.gid : caller.gid,
    });
    node.target = target;
    if (name === undefined) {
      node.isLinkable = true;
      return node;
    }
    node.nlink = isDirectory ? 2 : 1;
    this.#enter(parent, name, node);
    return node;
  }

  link(node: Node, parent: Node, name: string): number {
    if (this.isDirectory(node)) return -errno.EPERM;
    const problem = this.#mayCreate(parent, name);
    if (problem !== 0) return problem;
    if (node.nlink === 0 && !node.isLinkable) return -errno.ENOENT;
    this.#enter(parent, name, node);
    node.nlink++;
    node.isLinkable = false;
    node.ctime = this.now;
    return 0;
  }

  remove(parent: Node, name: string, asDirectory: boolean): number {
    const node = parent.entries.get(name);
    if (!node) return -errno.ENOENT;
    if (!asDirectory && this.isDirectory(node)) return -errno.EISDIR;
    if (asDirectory && !this.isDirectory(node)) return -errno.ENOTDIR;
    if (node.entries.size > 0) return -errno.ENOTEMPTY;
    this.#drop(parent, name);
    return 0;
  }

  #drop(parent: Node, name: string): void {
    const node = this.#leave(parent, name);
    node.nlink = this.isDirectory(node) ? 0 : node.nlink - 1;
    node.ctime = this.now;
    this.settle(node);
  }

  #isWithin(inner: Node, outer: Node): boolean {
    for (let at = inner;; at = at.parent as Node) {
      if (at === outer) return true;
      if (at === this.root) return false;
    }
  }

  rename(parent: Node, name: string, newParent: Node, newName: string, flags: number): number {
    if (flags > EXCHANGE) return -errno.EINVAL;
    const node = parent.entries.get(name);
    if (!node) return -errno.ENOENT;
    if (newParent.nlink === 0) return -errno.ENOENT;
    if (newName.length > NAME_BYTES_MAX) return -errno.ENAMETOOLONG;
    if (this.isDirectory(node) && this.#isWithin(newParent, node)) return -errno.EINVAL;
    const target = newParent.entries.get(newName);
    if (flags === EXCHANGE) {
      if (!target) return -errno.ENOENT;
      if (this.isDirectory(target) && this.#isWithin(parent, target)) return -errno.EINVAL;
      this.#leave(parent, name);
      // One name of one directory can be exchanged with itself.
      if (newParent.entries.get(newName) === target) this.#leave(newParent, newName);
      this.#enter(parent, name, target);
      if (!(parent === newParent && name === newName)) this.#enter(newParent, newName, node);
      node.ctime = target.ctime = this.now;
      return 0;
    }
    if (target) {
      if (flags === NOREPLACE) return -errno.EEXIST;
      if (target === node) return 0;
      if (this.isDirectory(target)) {
        if (!this.isDirectory(node)) return -errno.EISDIR;
        if (target.entries.size > 0) return -errno.ENOTEMPTY;
      } else if (this.isDirectory(node)) return -errno.ENOTDIR;
      this.#drop(newParent, newName);
    }
    this.#leave(parent, name);
    this.#enter(newParent, newName, node);
    node.ctime = this.now;
    return 0;
  }

  // Attributes.

  chmod(node: Node, mode: number): void {
    node.mode = (node.mode & S_IFMT) | mode;
    node.ctime = this.now;
  }

  chown(node: Node, uid: number | undefined, gid: number | undefined): void {
    node.uid = uid ?? node.uid;
    node.gid = gid ?? node.gid;
    node.ctime = this.now;
  }

  /** What a write by `caller` takes from the file. */
  dropPrivileges(node: Node, caller: Caller): void {
    if (this.isDirectory(node)) return;
    const mayKeep = (node.mode & (S_ISGID | S_IXGRP)) !== S_ISGID || caller.uid === 0 ||
      caller.gid === node.gid;
    let mode = node.mode & ~S_ISUID;
    if ((node.mode & S_IXGRP) !== 0 || !mayKeep) mode &= ~S_ISGID;
    if (mode !== node.mode) node.ctime = this.now;
    node.mode = mode;
  }

  /** mount(8), "relatime". */
  read(node: Node): void {
    const { atime, mtime, ctime } = node;
    if (atime <= mtime || atime <= ctime || this.#seconds(this.now) - this.#seconds(atime) >= DAY) {
      node.atime = this.now;
    }
  }
  /** A day is counted in whole seconds. */
  #seconds(time: Time): Time {
    return time - time % 1_000_000_000n;
  }

  setXattr(node: Node, name: string, value: Uint8Array, flags: number): number {
    if (flags === 1 && node.xattrs.has(name)) return -errno.EEXIST;
    if (flags === 2 && !node.xattrs.has(name)) return -errno.ENODATA;
    node.xattrs.set(name, value);
    node.ctime = this.now;
    return 0;
  }

  removeXattr(node: Node, name: string): number {
    if (!node.xattrs.delete(name)) return -errno.ENODATA;
    node.ctime = this.now;
    return 0;
  }

  // Bytes.

  #resize(node: Node, size: number): void {
    const data = new Uint8Array(size);
    data.set(node.data.subarray(0, size));
    node.data = data;
  }

  #store(node: Node, offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length > node.data.length) this.#resize(node, offset + bytes.length);
    node.data.set(bytes, offset);
    for (let at = offset; at < offset + bytes.length; at++) {
      node.blocks.set(Math.floor(at / BLOCK_BYTES), true);
      at = (Math.floor(at / BLOCK_BYTES) + 1) * BLOCK_BYTES - 1;
    }
  }

  write(node: Node, offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#store(node, offset, bytes);
    this.#changed(node);
  }

  truncate(node: Node, size: number): void {
    if (size <= node.data.length) {
      const end = Math.ceil(size / BLOCK_BYTES);
      for (const index of node.blocks.keys()) if (index >= end) node.blocks.delete(index);
    }
    this.#resize(node, size);
    this.#changed(node);
  }

  /** fallocate(2): mode 0, PUNCH_HOLE (2), ZERO_RANGE (16), each with KEEP_SIZE (1). */
  fallocate(node: Node, offset: number, length: number, mode: number): number {
    const keepsSize = (mode & 1) !== 0;
    const end = offset + length;
    const kind = mode & ~1;
    if ((kind !== 0 && kind !== 2 && kind !== 16) || (kind === 2 && !keepsSize)) {
      return -errno.EOPNOTSUPP;
    }
    if (kind !== 2) {
      if (end > FILE_BYTES_MAX) return -errno.EFBIG;
      for (let i = Math.floor(offset / BLOCK_BYTES); i < Math.ceil(end / BLOCK_BYTES); i++) {
        if (!node.blocks.has(i)) node.blocks.set(i, false);
      }
    }
    if (kind !== 0) {
      node.data.fill(0, offset, end);
      const [first, behind] = [Math.ceil(offset / BLOCK_BYTES), Math.floor(end / BLOCK_BYTES)];
      for (const index of [...node.blocks.keys()]) {
        if (index < first || index >= behind) continue;
        if (kind === 2) node.blocks.delete(index);
        else node.blocks.set(index, false);
      }
    }
    if (!keepsSize && end > node.data.length) this.#resize(node, end);
    this.#changed(node);
    return 0;
  }

  seek(node: Node, offset: number, wantsData: boolean): number {
    if (offset >= node.data.length) return -errno.ENXIO;
    for (let at = offset; at < node.data.length;) {
      const index = Math.floor(at / BLOCK_BYTES);
      if ((node.blocks.get(index) === true) === wantsData) return at;
      at = (index + 1) * BLOCK_BYTES;
    }
    return wantsData ? -errno.ENXIO : node.data.length;
  }

  /** copy_file_range(2) between two files. @returns bytes */
  copy(from: Node, fromOffset: number, to: Node, toOffset: number, length: number): number {
    const total = Math.min(length, Math.max(0, from.data.length - fromOffset));
    for (let done = 0; done < total;) {
      const at = fromOffset + done;
      const bytes = Math.min(total - done, BLOCK_BYTES - at % BLOCK_BYTES);
      if (from.blocks.get(Math.floor(at / BLOCK_BYTES)) === true) {
        this.#store(to, toOffset + done, from.data.slice(at, at + bytes));
      } else {
        const end = toOffset + done + bytes;
        if (end > to.data.length) this.#resize(to, end);
        to.data.fill(0, toOffset + done, end);
      }
      done += bytes;
    }
    if (total > 0) this.#changed(to);
    return total;
  }

  /** The state, for a person to read. */
  show(): string {
    const lines: string[] = [];
    const walk = (node: Node, path: string) => {
      lines.push(
        `${path} ino ${node.ino} ${node.mode.toString(8)} nlink ${node.nlink} ` +
          `${node.uid}:${node.gid} ${node.data.length} bytes, blocks ` +
          `${[...node.blocks].map(([index, written]) => `${index}${written ? "" : "r"}`).join()} ` +
          `lookups ${node.lookups} opens ${node.opens} xattrs ${[...node.xattrs.keys()].join()}`,
      );
      for (const [name, entry] of node.entries) {
        const shown = name.length > 20 ? `${name.slice(0, 8)}…(${name.length})` : name;
        walk(entry, `${path === "/" ? "" : path}/${shown}`);
      }
    };
    walk(this.root, "/");
    for (const node of this.nodes) if (node.nlink === 0) walk(node, "(no name)");
    return lines.join("\n");
  }
}
