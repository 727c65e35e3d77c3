/**
 * Random requests about attributes, extended ones among them.
 * @module
 */
import { assertEquals } from "@std/assert";
import * as errno from "../../src/core/errno.ts";
import {
  FATTR_ATIME,
  FATTR_GID,
  FATTR_KILL_SUIDGID,
  FATTR_MODE,
  FATTR_MTIME,
  FATTR_MTIME_NOW,
  FATTR_SIZE,
  FATTR_UID,
  GETXATTR_IN_SIZE,
  GETXATTR_IN_WORDS,
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
} from "../../src/ops/fuse_records.gen.ts";
import { Opcode } from "../../src/ops/protocol.ts";
import {
  CLIENT_TIME_SEEN_HI,
  INODE_CLIENT_ATIME,
  INODE_CLIENT_MTIME,
  INODE_WORDS,
  RING_ACCESSED,
  RING_CALLER_UID,
  RING_REMOVEXATTR,
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
  RING_TIME_NANOSECONDS,
  RING_TIME_SECONDS,
} from "../../src/region/layout.gen.ts";
import { type Fields, ROOT, texts } from "./doors.ts";
import { type Time } from "./model.ts";
import { CALLERS, NANOSECONDS, type Trial, type Weighted } from "./trial.ts";

const XATTRS = ["user.one", "user.two", "trusted.three"];

export const attributeRequests: Weighted[] = [
  [8, "setattr", setattr],
  [4, "xattr", xattr],
  [2, "client times", clientTimes],
  [2, "accessed", accessed],
  [3, "getattr", () => {}],
];

function setattr(t: Trial): void {
  const { doors, model, random } = t;
  const [node, caller, door] = [t.node(), t.caller(), t.door()];
  const has = (chance: number) => random.below(chance) === 0;
  const size = has(2) ? random.pick([node.data.length, t.offset()]) : undefined;
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
  t.say(`valid ${valid.toString(16)} size ${size} ${uid}:${gid} mode ${mode?.toString(8)}`);
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
    const keeper = door === "ring" && (caller.uid === 0 || caller.gid === node.gid) ? ROOT : caller;
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
function clientTimes(t: Trial): void {
  const { model, random } = t;
  const node = t.file();
  if (!node) return;
  const { buffer, byteOffset, length } = t.fs.region.inodes;
  const words = new BigUint64Array(buffer, byteOffset, length / 2);
  const isSeen = random.below(2) === 0 ? BigInt(CLIENT_TIME_SEEN_HI) << 32n : 0n;
  const reads = random.below(3) === 0;
  const field = reads ? INODE_CLIENT_ATIME : INODE_CLIENT_MTIME;
  words[(node.ino * INODE_WORDS + field) / 2] = model.now | isSeen;
  if (reads) node.atime = model.now;
  else node.mtime = node.ctime = model.now;
}

function accessed(t: Trial): void {
  const node = t.node();
  t.model.read(node);
  assertEquals(t.doors.ring(RING_ACCESSED, t.doors.inodeName(0, node.ino)), 0);
}

function xattr(t: Trial): void {
  const { doors, model, random } = t;
  const [node, door] = [t.node(), t.door()];
  const name = random.pick(XATTRS);
  t.say(name);
  switch (random.below(4)) {
    case 0:
    case 1: {
      const value = t.bytes(random.pick([0, 1, 100, 130, 1000]));
      const flags = random.below(3);
      t.say(`set, flags ${flags}`);
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
