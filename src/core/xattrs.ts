/**
 * Extended attributes, xattr(7). All of an inode's attributes are one byte string in a slot chain:
 * its length (u32), then for each attribute: name length (u8), value length (u32), name, value.
 * A string that needs more slots is written before the old one is freed, so running out of room loses nothing.
 */
import {
  INODE_FLAG_ACL_ACCESS,
  INODE_FLAG_ACL_DEFAULT,
  INODE_FLAG_CAPABILITY,
  INODE_FLAGS,
  INODE_XATTR_SLOT,
} from "../region/layout.gen.ts";
import { damaged } from "./damage.ts";
import { EEXIST, ENODATA, ENOSPC, ERANGE } from "./errno.ts";
import type { InodeTable } from "./inode_table.ts";
import { SlotChain } from "./slot_chain.ts";

export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;
export const ACL_ACCESS = "system.posix_acl_access";
export const ACL_DEFAULT = "system.posix_acl_default";
export const CAPABILITY = "security.capability";

/** All attributes of one inode together; a single value is at most 64 KiB (XATTR_SIZE_MAX). */
const BYTES_MAX = 1 << 20;
const LENGTH_BYTES = 4;
const HEAD_BYTES = 5;

/** Attributes the core itself looks at: a flag in the inode saves reading the chain. */
const FLAGS: Record<string, number> = {
  [ACL_ACCESS]: INODE_FLAG_ACL_ACCESS,
  [ACL_DEFAULT]: INODE_FLAG_ACL_DEFAULT,
  [CAPABILITY]: INODE_FLAG_CAPABILITY,
};

const ALL_FLAGS = Object.values(FLAGS).reduce((all, flag) => all | flag, 0);

const encoder = new TextEncoder();
const latin1 = new TextDecoder("latin1");

interface Attribute {
  name: Uint8Array;
  value: Uint8Array;
}

export class Xattrs {
  constructor(private readonly inodes: InodeTable, private readonly chains: SlotChain) {}

  #load(ino: number): Attribute[] {
    const slot = this.inodes.get(ino, INODE_XATTR_SLOT);
    if (slot === 0) return [];
    const bytes = this.#bytes(slot);
    if (bytes < LENGTH_BYTES || bytes > BYTES_MAX) {
      damaged(`inode ${ino} has ${bytes} bytes of attributes`);
    }
    const all = new Uint8Array(bytes);
    this.chains.load(slot, all, 0, bytes);
    const view = new DataView(all.buffer);
    const attributes: Attribute[] = [];
    for (let at = LENGTH_BYTES; at < bytes;) {
      const nameEnd = at + HEAD_BYTES + all[at];
      const valueEnd = nameEnd <= bytes ? nameEnd + view.getUint32(at + 1, true) : Infinity;
      if (valueEnd > bytes) damaged(`inode ${ino} has an attribute longer than all of them`);
      attributes.push({
        name: all.subarray(at + HEAD_BYTES, nameEnd),
        value: all.subarray(nameEnd, valueEnd),
      });
      at = valueEnd;
    }
    return attributes;
  }

  /** Length of the whole string that starts in this slot. */
  #bytes(slot: number): number {
    const head = new Uint8Array(LENGTH_BYTES);
    this.chains.load(slot, head, 0, LENGTH_BYTES);
    return new DataView(head.buffer).getUint32(0, true);
  }

  /** For `check`: bytes that the inode's attributes take. */
  totalBytes(ino: number): number {
    const slot = this.inodes.get(ino, INODE_XATTR_SLOT);
    return slot === 0 ? 0 : this.#bytes(slot);
  }

  #store(ino: number, attributes: Attribute[]): number {
    let bytes = LENGTH_BYTES;
    for (const { name, value } of attributes) bytes += HEAD_BYTES + name.length + value.length;
    if (bytes > BYTES_MAX) return -ENOSPC;
    const old = this.inodes.get(ino, INODE_XATTR_SLOT);
    let slot = 0;
    if (attributes.length > 0) {
      const all = new Uint8Array(bytes);
      const view = new DataView(all.buffer);
      view.setUint32(0, bytes, true);
      let at = LENGTH_BYTES;
      for (const { name, value } of attributes) {
        all[at] = name.length;
        view.setUint32(at + 1, value.length, true);
        all.set(name, at + HEAD_BYTES);
        all.set(value, at + HEAD_BYTES + name.length);
        at += HEAD_BYTES + name.length + value.length;
      }
      // What does not grow stays where it is, so that removing an attribute needs no room.
      if (old !== 0 && SlotChain.slotCount(bytes) <= SlotChain.slotCount(this.#bytes(old))) {
        this.chains.rewrite(old, all, bytes);
        slot = old;
      } else {
        slot = this.chains.store(all, 0, bytes);
        if (slot === 0) return -ENOSPC;
      }
    }
    if (old !== slot) this.release(ino);
    this.inodes.set(ino, INODE_XATTR_SLOT, slot);
    let flags = 0;
    for (const { name } of attributes) flags |= FLAGS[latin1.decode(name)] ?? 0;
    this.#setFlags(ino, flags);
    return 0;
  }

  /** The value, or undefined (ENODATA). */
  get(ino: number, name: Uint8Array | string): Uint8Array | undefined {
    const wanted = bytesOf(name);
    return this.#load(ino).find((attribute) => equal(attribute.name, wanted))?.value;
  }

  /** setxattr(2). @returns 0, -EEXIST, -ENODATA, -ENOSPC */
  set(ino: number, name: Uint8Array | string, value: Uint8Array, flags: number): number {
    const wanted = bytesOf(name);
    if (wanted.length > 255) return -ERANGE;
    const attributes = this.#load(ino);
    const old = attributes.find((attribute) => equal(attribute.name, wanted));
    if (old && flags & XATTR_CREATE) return -EEXIST;
    if (!old && flags & XATTR_REPLACE) return -ENODATA;
    if (old) old.value = value;
    else attributes.push({ name: wanted, value });
    return this.#store(ino, attributes);
  }

  /** removexattr(2). @returns 0, -ENODATA */
  remove(ino: number, name: Uint8Array | string): number {
    const wanted = bytesOf(name);
    const attributes = this.#load(ino);
    const left = attributes.filter((attribute) => !equal(attribute.name, wanted));
    return left.length === attributes.length ? -ENODATA : this.#store(ino, left);
  }

  /** Names, each with a NUL behind it, as listxattr(2) wants them; "trusted." ones only for the privileged. */
  list(ino: number, isPrivileged: () => boolean): Uint8Array {
    const isTrusted = (name: Uint8Array) => latin1.decode(name).startsWith("trusted.");
    const all = this.#load(ino).map((attribute) => attribute.name);
    const names = all.some(isTrusted) && !isPrivileged()
      ? all.filter((name) => !isTrusted(name))
      : all;
    const out = new Uint8Array(names.reduce((sum, name) => sum + name.length + 1, 0));
    let at = 0;
    for (const name of names) {
      out.set(name, at);
      at += name.length + 1;
    }
    return out;
  }

  has(ino: number, flag: number): boolean {
    return (this.inodes.get(ino, INODE_FLAGS) & flag) !== 0;
  }

  /** Frees all of them. */
  release(ino: number): void {
    const slot = this.inodes.get(ino, INODE_XATTR_SLOT);
    if (slot !== 0) this.chains.release(slot);
    this.inodes.set(ino, INODE_XATTR_SLOT, 0);
    this.#setFlags(ino, 0);
  }

  /** Those that attributes stand for; others stay. */
  #setFlags(ino: number, flags: number): void {
    this.inodes.set(ino, INODE_FLAGS, (this.inodes.get(ino, INODE_FLAGS) & ~ALL_FLAGS) | flags);
  }
}

function bytesOf(name: Uint8Array | string): Uint8Array {
  return typeof name === "string" ? encoder.encode(name) : name;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
