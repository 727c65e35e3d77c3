/**
 * Random requests about bytes of files, and targets of links.
 * @module
 */
import { assertEquals } from "@std/assert";
import * as errno from "../../src/core/errno.ts";
import {
  COPY_FILE_RANGE_IN_LEN,
  COPY_FILE_RANGE_IN_NODEID_OUT,
  COPY_FILE_RANGE_IN_OFF_IN,
  COPY_FILE_RANGE_IN_OFF_OUT,
  COPY_FILE_RANGE_IN_WORDS,
  FALLOCATE_IN_LENGTH,
  FALLOCATE_IN_MODE,
  FALLOCATE_IN_OFFSET,
  FALLOCATE_IN_WORDS,
  LSEEK_IN_OFFSET,
  LSEEK_IN_WHENCE,
  LSEEK_IN_WORDS,
  LSEEK_OUT_OFFSET,
  READ_IN_OFFSET,
  READ_IN_SIZE,
  READ_IN_WORDS,
  WRITE_IN_FLAGS,
  WRITE_IN_OFFSET,
  WRITE_IN_SIZE,
  WRITE_IN_WORDS,
  WRITE_IN_WRITE_FLAGS,
  WRITE_OUT_SIZE,
} from "../../src/ops/fuse_records.gen.ts";
import { Opcode, WRITE_KILL_SUIDGID } from "../../src/ops/protocol.ts";
import {
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
  RING_PREPARE,
  RING_PREPARE_CALLER,
  RING_PREPARE_LENGTH,
  RING_PREPARE_OFFSET,
} from "../../src/region/layout.gen.ts";
import { type Fields } from "./doors.ts";
import { SIZE_MAX, type Trial, type Weighted } from "./trial.ts";

const O_APPEND = 0o2000;

export const dataRequests: Weighted[] = [
  [8, "write", write],
  [3, "prepare", prepare],
  [4, "read", read],
  [3, "readlink", readlink],
  [4, "fallocate", fallocate],
  [4, "copy", copy],
  [3, "lseek", lseek],
];

function write(t: Trial): void {
  const { doors, model, random } = t;
  const node = t.file();
  if (!node) return;
  const [caller, bytes] = [t.caller(), t.bytes(t.length())];
  const appends = random.below(4) === 0;
  const kills = random.below(3) === 0;
  const offset = t.offset();
  if (appends && node.data.length > SIZE_MAX) return;
  t.say(appends ? "appended" : "");
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
    assertEquals(t.fs.misplaced.take(), offset === node.data.length ? [] : [node.ino]);
  }
  if (kills) model.dropPrivileges(node, caller);
  model.write(node, appends ? node.data.length : offset, bytes);
}

/** Room for bytes that the library is about to store. */
function prepare(t: Trial): void {
  const node = t.file();
  if (!node) return;
  const [caller, offset, length] = [t.caller(), t.offset(), t.length()];
  const result = t.doors.ring(RING_PREPARE, [
    ...t.doors.inodeName(0, node.ino),
    [RING_PREPARE_OFFSET, offset],
    [RING_PREPARE_LENGTH, length],
    [RING_PREPARE_CALLER + RING_CALLER_UID, caller.uid],
    [RING_PREPARE_CALLER + 1, caller.gid === node.gid ? 1 : 0],
  ]);
  assertEquals(result, length);
  if (caller.uid !== 0) t.model.dropPrivileges(node, caller);
  const { mtime, ctime } = node;
  t.model.fallocate(node, offset, length, 1);
  Object.assign(node, { mtime, ctime });
}

function read(t: Trial): void {
  const node = t.file();
  if (!node) return;
  const [offset, length] = [t.offset(), t.length()];
  const fields: Fields = [[READ_IN_OFFSET, offset], [READ_IN_SIZE, length]];
  const result = t.doors.kernel(Opcode.READ, node.ino, { words: READ_IN_WORDS, fields });
  assertEquals(result, 0);
  t.model.read(node);
  const wanted = node.data.subarray(offset, offset + length);
  // A reply without data has only its header.
  const found = t.doors.x.hasSegments ? t.doors.reply : new Uint8Array();
  assertEquals(found.slice(), wanted.slice());
}

function readlink(t: Trial): void {
  const node = t.node();
  const result = t.doors.kernel(Opcode.READLINK, node.ino);
  if (node.target === "") return assertEquals(result, -errno.EINVAL);
  assertEquals(result, 0);
  t.model.read(node);
  assertEquals(new TextDecoder().decode(t.doors.reply), node.target);
}

function fallocate(t: Trial): void {
  const { doors, random } = t;
  const node = t.file();
  if (!node) return;
  const [door, offset, length] = [t.door(), t.offset(), t.length()];
  const mode = random.pick([0, 1, 2, 3, 16, 17, 8]);
  t.say(`mode ${mode}`);
  const wanted = t.model.fallocate(node, offset, length, mode);
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

function lseek(t: Trial): void {
  const node = t.file();
  if (!node) return;
  const offset = t.offset();
  const wantsData = t.random.below(2) === 0;
  const fields: Fields = [[LSEEK_IN_OFFSET, offset], [LSEEK_IN_WHENCE, wantsData ? 3 : 4]];
  const result = t.doors.kernel(Opcode.LSEEK, node.ino, { words: LSEEK_IN_WORDS, fields });
  const wanted = t.model.seek(node, offset, wantsData);
  assertEquals(result < 0 ? result : t.doors.reply64(LSEEK_OUT_OFFSET), wanted);
}

function copy(t: Trial): void {
  const { doors } = t;
  const [from, to] = [t.file(), t.file()];
  if (!from || !to || from === to) return;
  const [door, fromOffset, toOffset] = [t.door(), t.offset(), t.offset()];
  const length = t.length();
  const wanted = t.model.copy(from, fromOffset, to, toOffset, length);
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
  if (door === "ring" && copied > 0) t.model.read(from);
}
