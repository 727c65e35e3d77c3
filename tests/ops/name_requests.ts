/**
 * Random requests about names and references: made, found, moved, removed, listed, given back.
 * @module
 */
import { assertEquals } from "@std/assert";
import * as errno from "../../src/core/errno.ts";
import { S_IFDIR, S_IFIFO, S_IFLNK, S_IFREG } from "../../src/core/inode_table.ts";
import {
  CREATE_IN_MODE,
  CREATE_IN_WORDS,
  DIRENT_NAMELEN,
  DIRENT_OFF,
  DIRENT_WORDS,
  ENTRY_OUT_NODEID,
  FORGET_IN_NLOOKUP,
  FORGET_IN_WORDS,
  LINK_IN_OLDNODEID,
  LINK_IN_WORDS,
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
} from "../../src/ops/fuse_records.gen.ts";
import { Opcode } from "../../src/ops/protocol.ts";
import {
  INODE_OPEN_COUNT,
  INODE_WORDS,
  RING_LINK,
  RING_LINK_PARENT,
  RING_MAKE,
  RING_MAKE_GID,
  RING_MAKE_MODE,
  RING_MAKE_UID,
  RING_MAKE_UMASK,
  RING_RELEASE,
  RING_REMOVE,
  RING_REMOVE_AS_DIRECTORY,
  RING_RENAME,
  RING_RENAME_FLAGS,
  RING_RENAME_NEW_PARENT,
  RING_SYMLINK,
  RING_SYMLINK_GID,
  RING_SYMLINK_UID,
  RING_TMPFILE,
  RING_TMPFILE_GID,
  RING_TMPFILE_MODE,
  RING_TMPFILE_UID,
} from "../../src/region/layout.gen.ts";
import { type Fields, texts } from "./doors.ts";
import { type Trial, type Weighted } from "./trial.ts";

const NODES_MAX = 150;

export const nameRequests: Weighted[] = [
  [6, "lookup", lookup],
  [9, "make", make],
  [2, "make without a name", tmpfile],
  [2, "symlink", symlink],
  [4, "link", link],
  [5, "unlink", (t) => remove(t, false)],
  [3, "rmdir", (t) => remove(t, true)],
  [7, "rename", rename],
  [3, "readdir", readdir],
  [6, "forget", forget],
  [4, "close", close],
];

function lookup(t: Trial): void {
  const parent = t.directory();
  const name = t.name(parent);
  const result = t.doors.kernel(Opcode.LOOKUP, parent.ino, { tail: texts(name) });
  const node = parent.entries.get(name);
  if (name.length > 255) assertEquals(result, -errno.ENAMETOOLONG);
  else if (node) t.entry(result, node);
  else assertEquals([result, t.doors.reply64(ENTRY_OUT_NODEID)], [0, 0]);
}

function make(t: Trial): void {
  const { doors, model } = t;
  if (model.nodes.size > NODES_MAX) return;
  const parent = t.directory();
  const [name, caller, door] = [t.name(), t.caller(), t.door()];
  const mode = t.random.pick([
    S_IFREG | 0o644,
    S_IFREG | 0o6755,
    S_IFDIR | 0o755,
    S_IFDIR | 0o2775,
    S_IFIFO | 0o600,
  ]);
  const umask = t.random.pick([0, 0o22, 0o77]);
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
    return t.made(result, first, isFile);
  }
  const tail = texts(name);
  if ((mode & S_IFDIR) === S_IFDIR) {
    const fields: Fields = [[MKDIR_IN_MODE, mode & 0o7777], [MKDIR_IN_UMASK, umask]];
    const o = { words: MKDIR_IN_WORDS, fields, tail, caller };
    return t.entry(doors.kernel(Opcode.MKDIR, parent.ino, o), wanted);
  }
  const fields: Fields = [[MKNOD_IN_MODE, mode], [MKNOD_IN_UMASK, umask]];
  const o = { words: MKNOD_IN_WORDS, fields, tail, caller };
  let result = doors.kernel(Opcode.MKNOD, parent.ino, o);
  if (isFile && wanted === -errno.EEXIST) {
    // Whoever finds the name taken is to look it up again, once.
    assertEquals(result, -errno.ESTALE);
    result = doors.kernel(Opcode.MKNOD, parent.ino, { ...o, again: true });
  }
  t.entry(result, wanted);
}

function tmpfile(t: Trial): void {
  const { doors, model } = t;
  if (model.nodes.size > NODES_MAX) return;
  const parent = t.directory();
  const [caller, door] = [t.caller(), t.door()];
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
    return t.entry(doors.kernel(Opcode.TMPFILE, parent.ino, o), wanted);
  }
  const result = doors.ring(RING_TMPFILE, [
    ...doors.inodeName(0, parent.ino),
    [RING_TMPFILE_MODE, mode],
    [RING_TMPFILE_UID, caller.uid],
    [RING_TMPFILE_GID, caller.gid],
  ]);
  t.made(result, wanted, true);
}

function symlink(t: Trial): void {
  const { doors, model } = t;
  if (model.nodes.size > NODES_MAX) return;
  const parent = t.directory();
  const [name, caller, door] = [t.name(), t.caller(), t.door()];
  const length = t.random.pick([0, 1, 56, 57, 500, 3000, 4095, 4096]);
  t.say(`target of ${length}`);
  const target = "t".repeat(length);
  const isLong = length > 3600;
  if (door === "ring" && isLong) return;
  const problem = length === 0 ? -errno.ENOENT : length > 4095 ? -errno.ENAMETOOLONG : 0;
  const wanted = door === "ring" && name.length > 255
    ? -errno.ENAMETOOLONG
    : problem || model.make(parent, name, S_IFLNK | 0o777, caller, target);
  if (door === "kernel") {
    const o = { tail: texts(name, target), caller };
    return t.entry(doors.kernel(Opcode.SYMLINK, parent.ino, o), wanted);
  }
  const result = doors.ring(RING_SYMLINK, [
    ...doors.inodeName(0, parent.ino),
    [RING_SYMLINK_UID, caller.uid],
    [RING_SYMLINK_GID, caller.gid],
  ], texts(name, target).subarray(0, -1));
  t.made(result, wanted, false);
}

function link(t: Trial): void {
  const { doors } = t;
  const [node, parent, door] = [t.node(), t.directory(), t.door()];
  const name = t.name();
  const isTooLong = door === "ring" && name.length > 255;
  const wanted = isTooLong ? -errno.ENAMETOOLONG : t.model.link(node, parent, name);
  if (door === "kernel") {
    const o = {
      words: LINK_IN_WORDS,
      fields: [[LINK_IN_OLDNODEID, node.ino]] as Fields,
      tail: texts(name),
    };
    return t.entry(doors.kernel(Opcode.LINK, parent.ino, o), wanted === 0 ? node : wanted);
  }
  const fields = [
    ...doors.inodeName(0, node.ino),
    ...doors.inodeName(RING_LINK_PARENT, parent.ino),
  ];
  assertEquals(doors.ring(RING_LINK, fields, texts(name).subarray(0, -1)), wanted);
}

function remove(t: Trial, asDirectory: boolean): void {
  const { doors } = t;
  const [parent, door] = [t.directory(), t.door()];
  const name = t.name(parent);
  if (door === "kernel") {
    const wanted = t.model.remove(parent, name, asDirectory);
    const opcode = asDirectory ? Opcode.RMDIR : Opcode.UNLINK;
    return assertEquals(doors.kernel(opcode, parent.ino, { tail: texts(name) }), wanted);
  }
  const result = doors.ring(RING_REMOVE, [
    ...doors.inodeName(0, parent.ino),
    [RING_REMOVE_AS_DIRECTORY, asDirectory ? 1 : 0],
  ], texts(name).subarray(0, -1));
  const isTooLong = name.length > 255;
  const wanted = isTooLong ? -errno.ENAMETOOLONG : t.model.remove(parent, name, asDirectory);
  assertEquals(result, wanted);
}

function rename(t: Trial): void {
  const { doors, model, random } = t;
  const parent = t.directory();
  const name = t.name(parent);
  const newParent = random.below(2) === 0 ? parent : t.directory();
  const newName = t.name(newParent);
  const flags = random.pick([0, 0, 0, 1, 2, 3]);
  t.say(`flags ${flags}`);
  if (t.door() === "kernel") {
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

function readdir(t: Trial): void {
  const { doors } = t;
  const directory = t.directory();
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
  t.model.read(directory);
  assertEquals(names.sort(), [".", "..", ...directory.entries.keys()].sort());
}

function forget(t: Trial): void {
  const node = t.node();
  const count = Math.min(node.lookups, 1 + t.random.below(node.lookups + 1));
  if (count === 0 || node === t.model.root) return;
  const fields: Fields = [[FORGET_IN_NLOOKUP, count]];
  t.doors.kernel(Opcode.FORGET, node.ino, { words: FORGET_IN_WORDS, fields });
  node.lookups -= count;
  t.model.settle(node);
  assertEquals(t.fs.inodes.exists(node.ino), t.model.nodes.has(node), "lives on");
}

/** A client ends its last open file description of an inode, as the library does. */
function close(t: Trial): void {
  const open = [...t.model.nodes].filter(({ opens }) => opens > 0);
  if (open.length === 0) return;
  const node = t.chosen(open);
  const name = t.doors.inodeName(0, node.ino);
  Atomics.sub(t.fs.inodes.words, node.ino * INODE_WORDS + INODE_OPEN_COUNT, 1);
  node.opens--;
  assertEquals(t.doors.ring(RING_RELEASE, name), 0);
  t.model.settle(node);
  assertEquals(t.fs.inodes.exists(node.ino), t.model.nodes.has(node), "lives on");
}
