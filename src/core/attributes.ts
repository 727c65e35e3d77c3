/**
 * Changes to attributes, with the side effects POSIX and Linux give them. Whether the caller may is
 * decided before (by the kernel: default_permissions).
 */
import {
  INODE_FLAG_ACL_ACCESS,
  INODE_FLAG_CAPABILITY,
  INODE_GID,
  INODE_MODE,
  INODE_UID,
} from "../region/layout.gen.ts";
import { EINVAL, EPERM } from "./errno.ts";
import {
  CTIME,
  type InodeTable,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_ISGID,
  S_ISUID,
  S_IXGRP,
} from "./inode_table.ts";
import { aclAfterChmod, modeFromAcl, parse } from "./posix_acl.ts";
import { ACL_ACCESS, ACL_DEFAULT, CAPABILITY, type Xattrs } from "./xattrs.ts";

export class Attributes {
  constructor(private readonly inodes: InodeTable, private readonly xattrs: Xattrs) {}

  /** chmod(2): permission bits only; an access list follows. */
  chmod(ino: number, mode: number): number {
    if (this.xattrs.has(ino, INODE_FLAG_ACL_ACCESS)) {
      const acl = this.xattrs.get(ino, ACL_ACCESS);
      if (acl) {
        const stored = this.xattrs.set(ino, ACL_ACCESS, aclAfterChmod(acl, mode), 0);
        if (stored < 0) return stored;
      }
    }
    this.inodes.set(ino, INODE_MODE, (this.inodes.mode(ino) & S_IFMT) | (mode & 0o7777));
    this.inodes.touch(ino, CTIME);
    return 0;
  }

  /** chown(2); undefined leaves an owner as it is. Set-id bits and capabilities go, except a directory's bits. */
  chown(ino: number, uid: number | undefined, gid: number | undefined): void {
    if (uid !== undefined) this.inodes.set(ino, INODE_UID, uid);
    if (gid !== undefined) this.inodes.set(ino, INODE_GID, gid);
    this.inodes.touch(ino, CTIME);
  }

  /**
   * What writing, truncating or a change of owner takes from a file: set-user-id, set-group-id (unless the
   * group may not execute it and the caller may keep it), and capabilities(7).
   */
  dropPrivileges(ino: number, mayKeepSetgid: boolean): void {
    const mode = this.inodes.mode(ino);
    if ((mode & S_IFMT) === S_IFDIR) return;
    let left = mode & ~S_ISUID;
    if (mode & S_IXGRP || !mayKeepSetgid) left &= ~S_ISGID;
    if (left !== mode) {
      this.inodes.set(ino, INODE_MODE, left);
      this.inodes.touch(ino, CTIME);
    }
    this.dropCapabilities(ino);
  }

  dropCapabilities(ino: number): void {
    if (this.xattrs.has(ino, INODE_FLAG_CAPABILITY)) this.xattrs.remove(ino, CAPABILITY);
  }

  /** setxattr(2), with what access lists mean for the mode. @returns 0 or -errno */
  setXattr(ino: number, name: string | Uint8Array, value: Uint8Array, flags: number): number {
    if (this.inodes.isProtected(ino)) return -EPERM;
    const text = typeof name === "string" ? name : new TextDecoder("latin1").decode(name);
    if (text !== ACL_ACCESS && text !== ACL_DEFAULT) return this.#store(ino, name, value, flags);
    const entries = parse(value);
    if (!entries || (this.inodes.mode(ino) & S_IFMT) === S_IFLNK) return -EINVAL;
    if (text === ACL_DEFAULT) {
      if (entries.length === 0) return this.#removeQuietly(ino, ACL_DEFAULT);
      return this.#store(ino, name, value, flags);
    }
    const { mode, redundant } = modeFromAcl(entries, this.inodes.mode(ino));
    const stored = redundant
      ? this.#removeQuietly(ino, ACL_ACCESS)
      : this.#store(ino, name, value, flags);
    if (stored === 0) this.inodes.set(ino, INODE_MODE, mode);
    return stored;
  }

  #store(ino: number, name: string | Uint8Array, value: Uint8Array, flags: number): number {
    const stored = this.xattrs.set(ino, name, value, flags);
    if (stored === 0) this.inodes.touch(ino, CTIME);
    return stored;
  }

  #removeQuietly(ino: number, name: string): number {
    this.xattrs.remove(ino, name);
    this.inodes.touch(ino, CTIME);
    return 0;
  }

  /** removexattr(2). @returns 0, -ENODATA, -EPERM */
  removeXattr(ino: number, name: string | Uint8Array): number {
    if (this.inodes.isProtected(ino)) return -EPERM;
    const removed = this.xattrs.remove(ino, name);
    if (removed === 0) this.inodes.touch(ino, CTIME);
    return removed;
  }
}
