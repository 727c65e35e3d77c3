/*
 * Not in the list, because nothing changes: copy's break after a short write (the next write has no room either), and the end of
 * IntegerSet.insert at a word that had members (the words above have their bits).
 */

/** File below src, a text that stands there once, and what is put in its place. One line each. */
export const MUTATIONS: readonly [file: string, from: string, to: string][] = [
  // Times.
  ["core/inode_table.ts", "24 * 60 * 60", "25 * 60 * 60"],
  ["core/inode_table.ts", ">= RELATIME_SECONDS", "> RELATIME_SECONDS"],
  ["core/inode_table.ts", "(1n << 63n) - 1n", "(1n << 64n) - 1n"],
  ["core/inode_table.ts", "difference > 0 ||", "difference >= 0 ||"],
  [
    "core/inode_table.ts",
    "this.#fold(ino, at + INODE_CLIENT_ATIME, ATIME)",
    "this.#fold(ino, at + INODE_CLIENT_ATIME, MTIME)",
  ],
  ["core/inode_table.ts", "if (which & BTIME) this.#stamp", "if (which & MTIME) this.#stamp"],
  [
    "core/inode_table.ts",
    "(MOUNT_READ_ONLY | MOUNT_NO_ATIME)",
    "MOUNT_NO_ATIME",
  ],
  [
    "core/inode_table.ts",
    "this.words[at] + (this.words[at + 1] | 0) * 2 ** 32",
    "this.words[at] + this.words[at + 1] * 2 ** 32",
  ],
  // Inodes and what keeps them.
  ["core/inode_table.ts", "this.words[at + INODE_OPEN_COUNT] = openCount;", ""],
  [
    "core/inode_table.ts",
    "++this.region.superblock[SUPER_INODE_GENERATION]",
    "this.region.superblock[SUPER_INODE_GENERATION]",
  ],
  [
    "core/inode_table.ts",
    "Math.max(0, this.get64(ino, INODE_LOOKUP_COUNT) - count)",
    "this.get64(ino, INODE_LOOKUP_COUNT) - count",
  ],
  [
    "core/file_system.ts",
    "if (inodes.lookupCount(ino) > 0) return;",
    "if (inodes.lookupCount(ino) > 1) return;",
  ],
  ["core/file_system.ts", "if (inodes.openCount(ino) > 0) return this.#setOrphan(ino, true);", ""],
  ["core/file_system.ts", "this.inodes.set(ino, INODE_KERNEL_HOLDS, 0);", ""],
  ["core/file_system.ts", "mode |= S_ISGID;", "mode |= 0;"],
  ["core/file_system.ts", "gid = this.inodes.get(parent, INODE_GID);", ""],
  [
    "core/file_system.ts",
    "if (targetLength <= TARGET_INLINE_BYTES)",
    "if (targetLength < TARGET_INLINE_BYTES)",
  ],
  ["core/file_system.ts", "targetLength > SYMLINK_BYTES_MAX", "targetLength >= SYMLINK_BYTES_MAX"],
  ["core/misplaced.ts", "if (!places.includes(ino)) ", ""],
  ["core/misplaced.ts", "Math.max(0, places.indexOf(0))", "0"],
  // Bytes.
  ["core/file_data.ts", "if (toOffset + total > FILE_BYTES_MAX) return -EFBIG;", ""],
  [
    "core/file_data.ts",
    "if (size > FILE_BYTES_MAX) return -EFBIG;",
    "if (size >= FILE_BYTES_MAX) return -EFBIG;",
  ],
  ["core/file_data.ts", "Math.max(offset, index * BLOCK_BYTES)", "index * BLOCK_BYTES"],
  [
    "core/file_data.ts",
    "if (offset < 0 || offset >= size) return -ENXIO;",
    "if (offset < 0 || offset > size) return -ENXIO;",
  ],
  ["core/file_data.ts", "if (!covered) this.#zero(first + i, 0, BLOCK_BYTES);", ""],
  ["core/file_data.ts", "(i === 0 && skip > 0) || ", ""],
  [
    "core/file_data.ts",
    "for (const [first, behind] of taken) this.map.release(ino, first, behind);",
    "",
  ],
  ["core/file_data.ts", "if (end > this.inodes.size(ino)) this.inodes.setSize(ino, end);", ""],
  ["core/file_data.ts", "this.map.forgetContents(ino, end);", ""],
  ["core/file_data.ts", "this.inodes.set(ino, INODE_TAIL_DIRTY, 0);", ""],
  ["core/block_map.ts", "this.region.inodes[base + INODE_BLOCK_COUNT]--;", ""],
  ["core/block_map.ts", "} else this.#shrink(base);", "}"],
  [
    "core/block_map.ts",
    "low = Math.max(0, Math.floor((from - first) / cover))",
    "low = Math.max(0, Math.ceil((from - first) / cover))",
  ],
  // Names.
  ["core/namespace.ts", "if (nlink === NLINK_MAX) return -EMLINK;", ""],
  [
    "core/namespace.ts",
    "if (nlink === 0 && (flags & INODE_FLAG_LINKABLE) === 0) return -ENOENT;",
    "",
  ],
  ["core/namespace.ts", "flags & ~INODE_FLAG_LINKABLE", "flags"],
  ["core/namespace.ts", "if (this.#isWithin(parent, this.ino(target))) return -EINVAL;", ""],
  ["core/namespace.ts", "if (target !== 0 && flags & RENAME_NOREPLACE) return -EEXIST;", ""],
  ["core/namespace.ts", "if (target !== 0 && this.ino(target) === ino) return 0;", ""],
  ["core/namespace.ts", "if (oldExtension !== 0) this.chains.release(oldExtension);", ""],
  ["core/namespace.ts", "if (this.inodes.get(parent, INODE_NLINK) === 0) return -ENOENT;", ""],
  ["core/namespace.ts", "this.inodes.set(directory, INODE_PARENT_INO, parent);", ""],
  [
    "core/dentry_hash.ts",
    "const inline = Math.min(length, DENTRY_NAME_BYTES);",
    "const inline = Math.min(length, DENTRY_NAME_BYTES - 1);",
  ],
  ["core/red_black_tree.ts", "if (this.cookie(at) < cookie) {", "if (this.cookie(at) <= cookie) {"],
  // Attributes.
  [
    "core/attributes.ts",
    "if (mode & S_IXGRP || !mayKeepSetgid) left &= ~S_ISGID;",
    "if (mode & S_IXGRP) left &= ~S_ISGID;",
  ],
  ["core/attributes.ts", "if ((mode & S_IFMT) === S_IFDIR) return;", ""],
  ["core/xattrs.ts", "if (old && flags & XATTR_CREATE) return -EEXIST;", ""],
  ["core/xattrs.ts", "if (old !== slot) this.release(ino);", ""],
  ["core/xattrs.ts", 'latin1.decode(name).startsWith("trusted.")', "false"],
  ["core/posix_acl.ts", "if (other) other.permissions &= mode & 7;", ""],
  ["core/posix_acl.ts", "?? entries.find(({ tag }) => tag === GROUP_OBJ)", ""],
  // Records and sets.
  ["core/pool.ts", "if (this.free.run(first, length) === length) this.#soil(chunk, 1);", ""],
  ["core/pool.ts", "this.dirty.deleteRange(chunk, length);", ""],
  ["region/integer_set.ts", "if (found !== WRONG_BIT)", "if (true)"],
  ["region/integer_set.ts", "found < this.count ? found : -1", "found"],
  ["core/slot_chain.ts", "this.release(slot);\n  }", "}"],
  // Both doors.
  ["ops/changes.ts", "if (valid === 0) inodes.touch(ino, CTIME);", ""],
  [
    "ops/changes.ts",
    "if (!keepSize && offset + length > inodes.size(ino))",
    "if (offset + length > inodes.size(ino))",
  ],
  ["ops/changes.ts", "if (!keepSize) return -EOPNOTSUPP;", ""],
  ["ops/changes.ts", "if (result === 0) inodes.touch(ino, MTIME | CTIME);", ""],
  [
    "ops/raced.ts",
    "if (this.#told.get(thread) === key) {",
    "if (this.#told.get(thread) !== key) {",
  ],
  [
    "ops/files.ts",
    "if (appends && fs.data.writtenAt !== x.body64(WRITE_IN_OFFSET)) misplaced(x);",
    "",
  ],
  ["ops/ring_operations.ts", "if (r.fs.inodes.isRegular(ino)) countOpen(r, ino);", ""],
  [
    "ops/ring_operations.ts",
    "if (ino === target && Math.abs(from - to) < length) return -EINVAL;",
    "",
  ],
  ["ops/kernel_notices.ts", "if (end === 0) return false;", ""],
  ["ops/kernel_notices.ts", "const mustForget = wasKnown ||", "const mustForget ="],
];
