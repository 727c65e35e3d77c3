/**
 * POSIX access control lists, acl(5), in the form the kernel hands them over (linux/posix_acl_xattr.h):
 * version 2 (u32), then entries of tag (u16), permissions (u16), id (u32).
 *
 * The kernel checks access against the lists; the file system's part is to keep mode and list in step
 * (setting one, chmod) and to hand a directory's default list to what is made in it.
 */
import { S_IFDIR, S_IFMT } from "./inode_table.ts";

const VERSION = 2;
const HEAD_BYTES = 4;
const ENTRY_BYTES = 8;

const USER_OBJ = 0x01;
const GROUP_OBJ = 0x04;
const MASK = 0x10;
const OTHER = 0x20;

interface Entry {
  tag: number;
  permissions: number;
  id: number;
}

/** The entries, or undefined when these bytes are no list. */
export function parse(value: Uint8Array): Entry[] | undefined {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (value.length < HEAD_BYTES || (value.length - HEAD_BYTES) % ENTRY_BYTES !== 0) {
    return undefined;
  }
  if (view.getUint32(0, true) !== VERSION) return undefined;
  const entries: Entry[] = [];
  for (let at = HEAD_BYTES; at < value.length; at += ENTRY_BYTES) {
    entries.push({
      tag: view.getUint16(at, true),
      permissions: view.getUint16(at + 2, true),
      id: view.getUint32(at + 4, true),
    });
  }
  return entries;
}

function format(entries: Entry[]): Uint8Array {
  const out = new Uint8Array(HEAD_BYTES + entries.length * ENTRY_BYTES);
  const view = new DataView(out.buffer);
  view.setUint32(0, VERSION, true);
  entries.forEach(({ tag, permissions, id }, i) => {
    view.setUint16(HEAD_BYTES + i * ENTRY_BYTES, tag, true);
    view.setUint16(HEAD_BYTES + i * ENTRY_BYTES + 2, permissions, true);
    view.setUint32(HEAD_BYTES + i * ENTRY_BYTES + 4, id, true);
  });
  return out;
}

/** The entry that stands for the mode's group bits: the mask when there is one. */
function groupClass(entries: Entry[]): Entry | undefined {
  return entries.find(({ tag }) => tag === MASK) ?? entries.find(({ tag }) => tag === GROUP_OBJ);
}

function entryOf(entries: Entry[], tag: number): Entry | undefined {
  return entries.find((entry) => entry.tag === tag);
}

/**
 * What setting an access list does to the mode.
 * @returns the new mode, and whether the list says no more than the mode (then it is not kept)
 */
export function modeFromAcl(entries: Entry[], mode: number): { mode: number; redundant: boolean } {
  const bits = (entryOf(entries, USER_OBJ)?.permissions ?? 0) << 6 |
    (groupClass(entries)?.permissions ?? 0) << 3 | (entryOf(entries, OTHER)?.permissions ?? 0);
  const redundant = entries.every(({ tag }) =>
    tag === USER_OBJ || tag === GROUP_OBJ || tag === OTHER
  );
  return { mode: (mode & ~0o777) | (bits & 0o777), redundant };
}

/** chmod(2) on a file with an access list: the list with the new bits. */
export function aclAfterChmod(value: Uint8Array, mode: number): Uint8Array {
  const entries = parse(value) ?? [];
  const owner = entryOf(entries, USER_OBJ);
  const group = groupClass(entries);
  const other = entryOf(entries, OTHER);
  if (owner) owner.permissions = (mode >> 6) & 7;
  if (group) group.permissions = (mode >> 3) & 7;
  if (other) other.permissions = mode & 7;
  return format(entries);
}

/**
 * What a directory's default list gives to something made in it with `mode` (the umask does not count then):
 * its mode, its access list (undefined when the mode says it all), and, for a directory, the default list.
 */
export function inherit(
  defaultAcl: Uint8Array,
  mode: number,
): { mode: number; access: Uint8Array | undefined; default: Uint8Array | undefined } {
  const entries = parse(defaultAcl) ?? [];
  const owner = entryOf(entries, USER_OBJ);
  const group = groupClass(entries);
  const other = entryOf(entries, OTHER);
  // Each class keeps what both the list and the creator allow (posix_acl_create_masq).
  if (owner) owner.permissions &= (mode >> 6) & 7;
  if (group) group.permissions &= (mode >> 3) & 7;
  if (other) other.permissions &= mode & 7;
  const { mode: newMode, redundant } = modeFromAcl(entries, mode);
  return {
    mode: newMode,
    access: redundant ? undefined : format(entries),
    default: (mode & S_IFMT) === S_IFDIR ? defaultAcl : undefined,
  };
}
