/** Requests at the edges of what numbers can be, and what random requests meet too rarely. */
import { assert, assertEquals } from "@std/assert";
import * as errno from "../../src/core/errno.ts";
import { ATIME, CTIME, S_IFREG } from "../../src/core/inode_table.ts";
import {
  COPY_FILE_RANGE_IN_LEN,
  COPY_FILE_RANGE_IN_NODEID_OUT,
  COPY_FILE_RANGE_IN_OFF_OUT,
  COPY_FILE_RANGE_IN_WORDS,
  FALLOCATE_IN_LENGTH,
  FALLOCATE_IN_OFFSET,
  FALLOCATE_IN_WORDS,
  FATTR_SIZE,
  LINK_IN_OLDNODEID,
  LINK_IN_WORDS,
  LSEEK_IN_OFFSET,
  LSEEK_IN_WHENCE,
  LSEEK_IN_WORDS,
  OUT_ERROR,
  SETATTR_IN_SIZE,
  SETATTR_IN_VALID,
  SETATTR_IN_WORDS,
  WRITE_IN_OFFSET,
  WRITE_IN_SIZE,
  WRITE_IN_WORDS,
} from "../../src/ops/fuse_records.gen.ts";
import { Opcode } from "../../src/ops/protocol.ts";
import {
  FILE_BYTES_MAX,
  INODE_ATIME,
  INODE_ATIME_NSEC,
  INODE_KERNEL_HOLDS,
  INODE_KERNEL_USES,
  INODE_NLINK,
  INODE_OPEN_COUNT,
  INODE_WORDS,
  KERNEL_HOLDS_DATA,
  KERNEL_HOLDS_END,
  KERNEL_HOLDS_LISTING,
  MISPLACED_MAX,
  MOUNT_NO_ATIME,
  MOUNT_NO_DIR_ATIME,
  MOUNT_READ_ONLY,
  MOUNT_STRICT_ATIME,
  RING_ACCESSED,
  RING_COPY,
  RING_COPY_LENGTH,
  RING_COPY_TARGET,
  RING_COPY_TARGET_OFFSET,
  RING_REMOVE,
  ROOT_INO,
  SUPER_MOUNT_FLAGS,
} from "../../src/region/layout.gen.ts";
import { bytes, newFileSystem } from "../core/support.ts";
import { Doors, type Fields, texts } from "./doors.ts";

const OWNER = { mode: S_IFREG | 0o644, umask: 0, uid: 0, gid: 0, rdev: 0 };

function withFiles(...names: string[]): { doors: Doors; inos: number[] } {
  const fs = newFileSystem();
  const inos = names.map((name) => {
    const text = bytes(name);
    const ino = fs.makeNode(ROOT_INO, text, 0, text.length, OWNER);
    assert(ino > 0);
    return ino;
  });
  return { doors: new Doors(fs), inos };
}

Deno.test("the largest offset: up to it all works, behind it EFBIG", () => {
  const { doors, inos: [ino, target] } = withFiles("file", "target");
  const end = FILE_BYTES_MAX;
  doors.fs.data.write(ino, 0, new Uint8Array(8192).fill(1), 0, 8192);
  const write = (offset: number) =>
    doors.kernel(Opcode.WRITE, target, {
      words: WRITE_IN_WORDS,
      fields: [[WRITE_IN_OFFSET, offset], [WRITE_IN_SIZE, 100]],
      tail: new Uint8Array(100),
    });
  const copy = (offset: number) =>
    doors.kernel(Opcode.COPY_FILE_RANGE, ino, {
      words: COPY_FILE_RANGE_IN_WORDS,
      fields: [
        [COPY_FILE_RANGE_IN_NODEID_OUT, target],
        [COPY_FILE_RANGE_IN_OFF_OUT, offset],
        [COPY_FILE_RANGE_IN_LEN, 2 ** 40],
      ],
    });
  const allocate = (offset: number) =>
    doors.kernel(Opcode.FALLOCATE, target, {
      words: FALLOCATE_IN_WORDS,
      fields: [[FALLOCATE_IN_OFFSET, offset], [FALLOCATE_IN_LENGTH, 100]],
    });
  const truncate = (size: number) =>
    doors.kernel(Opcode.SETATTR, target, {
      words: SETATTR_IN_WORDS,
      fields: [[SETATTR_IN_VALID, FATTR_SIZE], [SETATTR_IN_SIZE, size]],
    });
  assertEquals([write(end - 100), write(end - 99)], [0, -errno.EFBIG]);
  // What the source has counts, not what was asked for.
  assertEquals([copy(end - 8192), copy(end - 8191)], [0, -errno.EFBIG]);
  assertEquals([allocate(end - 100), allocate(end - 99)], [0, -errno.EFBIG]);
  assertEquals([truncate(end), truncate(end + 1)], [0, -errno.EFBIG]);
  assertEquals(doors.fs.inodes.size(target), end);
  assertEquals(doors.fs.check(), []);
});

Deno.test("a number that is used again keeps the count of clients that have it open", () => {
  const { doors: { fs }, inos: [ino] } = withFiles("file");
  const name = bytes("file");
  fs.names.unlink(ROOT_INO, name, 0, name.length);
  assert(!fs.inodes.exists(ino));
  // A client that found the number under its last name counts itself, and takes that back when it sees that the name has gone.
  Atomics.add(fs.inodes.words, ino * INODE_WORDS + INODE_OPEN_COUNT, 1);
  assertEquals(fs.makeNode(ROOT_INO, name, 0, name.length, OWNER), ino);
  assertEquals(fs.inodes.openCount(ino), 1);
  Atomics.sub(fs.inodes.words, ino * INODE_WORDS + INODE_OPEN_COUNT, 1);
  assertEquals(fs.inodes.openCount(ino), 0);
});

Deno.test("pages in the wrong place: each file is noted once, more than there is room for overwrite the first", () => {
  const { doors: { fs } } = withFiles("file");
  assertEquals([fs.misplaced.any, fs.misplaced.take()], [false, []]);
  for (const ino of [5, 6, 5, 7]) fs.misplaced.add(ino);
  assertEquals([fs.misplaced.any, fs.misplaced.take()], [true, [5, 6, 7]]);
  assertEquals([fs.misplaced.any, fs.misplaced.take()], [false, []]);
  for (let ino = 1; ino <= MISPLACED_MAX + 1; ino++) fs.misplaced.add(ino);
  const taken = fs.misplaced.take();
  assertEquals(taken.length, MISPLACED_MAX);
  assertEquals([taken[0], taken.at(-1)], [MISPLACED_MAX + 1, MISPLACED_MAX]);
});

Deno.test("a file with all the links a number can count gets no more", () => {
  const { doors, inos: [ino] } = withFiles("file");
  const link = (name: string) =>
    doors.kernel(Opcode.LINK, ROOT_INO, {
      words: LINK_IN_WORDS,
      fields: [[LINK_IN_OLDNODEID, ino]] as Fields,
      tail: texts(name),
    });
  doors.fs.inodes.set(ino, INODE_NLINK, 0xffff_fffe);
  assertEquals([link("one"), link("two")], [0, -errno.EMLINK]);
});

Deno.test("access times follow the mount's options", () => {
  const cases: [flags: number, file: boolean, directory: boolean][] = [
    [0, false, false],
    [MOUNT_STRICT_ATIME, true, true],
    [MOUNT_STRICT_ATIME | MOUNT_NO_DIR_ATIME, true, false],
    [MOUNT_STRICT_ATIME | MOUNT_NO_ATIME, false, false],
    [MOUNT_STRICT_ATIME | MOUNT_READ_ONLY, false, false],
  ];
  for (const [flags, ...wanted] of cases) {
    const { doors, inos: [ino] } = withFiles("file");
    const { inodes, region } = doors.fs;
    region.superblock[SUPER_MOUNT_FLAGS] = flags;
    const moved = [ino, ROOT_INO].map((each) => {
      // Read after the last change, and not a day ago: without an option it would stay.
      doors.setClock(3_000_000_000, 5);
      inodes.touch(each, ATIME);
      doors.setClock(3_000_000_001, 5);
      inodes.touchAtime(each);
      return inodes.get64(each, INODE_ATIME) === 3_000_000_001;
    });
    assertEquals(moved, wanted, `flags ${flags}`);
  }
});

Deno.test("relatime: an access time of a day ago moves, to the second; and one that is not after the last change", () => {
  const { doors, inos: [ino] } = withFiles("file");
  const { inodes } = doors.fs;
  const start = 3_000_000_000;
  const cases: [age: number, changedAfter: boolean, moves: boolean][] = [
    [86_399, false, false],
    [86_400, false, true],
    [1, true, true],
  ];
  for (const [age, changedAfter, moves] of cases) {
    doors.setClock(start - 1, 0);
    inodes.touch(ino, 15);
    doors.setClock(start, 500);
    inodes.touch(ino, changedAfter ? ATIME | CTIME : ATIME);
    // The nanoseconds do not count.
    doors.setClock(start + age, 400);
    inodes.touchAtime(ino);
    assertEquals(inodes.get64(ino, INODE_ATIME) === start + age, moves, `after ${age} s`);
  }
});

Deno.test("seconds since 1970 before that and after 2106 are kept, and compared", () => {
  const { doors, inos: [ino] } = withFiles("file");
  const { fs: { inodes } } = doors;
  doors.setClock(2 ** 32 + 7, 9);
  inodes.touch(ino, 15);
  // Before 1970: older than anything.
  inodes.setTime(ino, INODE_ATIME, INODE_ATIME_NSEC, 0xffff_fff0, 0xffff_ffff, 0);
  inodes.touchAtime(ino);
  assertEquals([inodes.get64(ino, INODE_ATIME), inodes.get(ino, INODE_ATIME_NSEC)], [
    2 ** 32 + 7,
    9,
  ]);
});

Deno.test("SEEK_DATA and SEEK_HOLE: other whences are refused, the end is no data", () => {
  const { doors, inos: [ino] } = withFiles("file");
  doors.fs.data.write(ino, 0, new Uint8Array(100), 0, 100);
  const seek = (offset: number, whence: number) =>
    doors.kernel(Opcode.LSEEK, ino, {
      words: LSEEK_IN_WORDS,
      fields: [[LSEEK_IN_OFFSET, offset], [LSEEK_IN_WHENCE, whence]],
    });
  assertEquals([seek(0, 2), seek(0, 5)], [-errno.EINVAL, -errno.EINVAL]);
  assertEquals([seek(99, 3), seek(100, 3), seek(100, 4)], [0, -errno.ENXIO, -errno.ENXIO]);
});

Deno.test("a link target of 56 bytes lies in the inode, a longer one takes slots", () => {
  const { doors } = withFiles("file");
  const symlink = (name: string, length: number) => {
    const before = doors.fs.slotPool.used;
    const tail = texts(name, "t".repeat(length));
    assertEquals(doors.kernel(Opcode.SYMLINK, ROOT_INO, { tail }), 0);
    return doors.fs.slotPool.used - before;
  };
  assertEquals([symlink("short", 56), symlink("long", 57)], [1, 2]);
});

Deno.test("the kernel is told where a file that it knows ends; of an empty one there is no last byte to tell", () => {
  const { doors, inos: [ino] } = withFiles("file");
  const { fs, r } = doors;
  const notices = (size: number): number[] => {
    fs.data.truncate(ino, size);
    fs.inodes.kernelHolds(ino, KERNEL_HOLDS_END | KERNEL_HOLDS_DATA);
    r.notices.count = 0;
    r.notices.dataChanged(ino);
    // An errno of a reply, and in a message what it is about.
    return r.notices.messages.slice(0, r.notices.count)
      .map((message) => new Uint32Array(message.buffer)[OUT_ERROR]);
  };
  const [STORE, INVAL_INODE] = [4, 2];
  assertEquals(notices(5000), [STORE, INVAL_INODE]);
  assertEquals(notices(0), [INVAL_INODE]);
});

Deno.test("a number that is used again is another inode", () => {
  const { doors, inos: [ino] } = withFiles("file");
  const { fs } = doors;
  const old = doors.inodeName(0, ino);
  const name = bytes("file");
  fs.names.unlink(ROOT_INO, name, 0, name.length);
  assertEquals(fs.makeNode(ROOT_INO, name, 0, name.length, OWNER), ino);
  assertEquals(doors.ring(RING_ACCESSED, old), -errno.ESTALE);
  assertEquals(doors.ring(RING_ACCESSED, doors.inodeName(0, ino)), 0);
});

Deno.test("what the kernel has forgotten it holds no more", () => {
  const { doors: { fs }, inos: [ino] } = withFiles("file");
  fs.inodes.addLookup(ino);
  fs.inodes.addLookup(ino);
  fs.inodes.kernelHolds(ino, KERNEL_HOLDS_DATA);
  fs.inodes.kernelUses(ino, 1);
  fs.forget(ino, 1);
  assertEquals(fs.inodes.get(ino, INODE_KERNEL_HOLDS), KERNEL_HOLDS_DATA);
  fs.forget(ino, 1);
  assertEquals([fs.inodes.get(ino, INODE_KERNEL_HOLDS), fs.inodes.get(ino, INODE_KERNEL_USES)], [
    0,
    0,
  ]);
});

Deno.test("a file that becomes short gives back all map blocks that it does not need", () => {
  const { doors: { fs }, inos: [ino] } = withFiles("file");
  const data = new Uint8Array(80_000).fill(1);
  fs.data.write(ino, 0, data, 0, data.length);
  const { used } = fs.blockPool;
  for (const offset of [2 ** 25, 2 ** 33, 2 ** 43]) fs.data.write(ino, offset, data, 0, 100);
  fs.data.truncate(ino, data.length);
  assertEquals(fs.blockPool.used, used);
  assertEquals(fs.check(), []);
});

Deno.test("ring: a file is not copied onto itself where that overlaps", () => {
  const { doors, inos: [ino] } = withFiles("file");
  doors.fs.data.write(ino, 0, new Uint8Array(3000), 0, 3000);
  const copy = (offset: number) =>
    doors.ring(RING_COPY, [
      ...doors.inodeName(0, ino),
      ...doors.inodeName(RING_COPY_TARGET, ino),
      [RING_COPY_TARGET_OFFSET, offset],
      [RING_COPY_LENGTH, 1000],
    ]);
  assertEquals([copy(999), copy(1000)], [-errno.EINVAL, 1000]);
});

Deno.test("ring: the kernel is told of a name that has gone when it can know it, and only then", () => {
  const INVAL_ENTRY = 3;
  const entriesTold = (prepare: (doors: Doors, ino: number) => void): number => {
    const { doors, inos: [ino] } = withFiles("file");
    prepare(doors, ino);
    const name = texts("file").subarray(0, -1);
    assertEquals(doors.ring(RING_REMOVE, doors.inodeName(0, ROOT_INO), name), 0);
    const { messages, count } = doors.r.notices;
    return messages.slice(0, count)
      .filter((message) => new Uint32Array(message.buffer)[OUT_ERROR] === INVAL_ENTRY).length;
  };
  assertEquals(entriesTold(() => {}), 0);
  assertEquals(entriesTold(({ fs }, ino) => fs.inodes.addLookup(ino)), 1);
  assertEquals(entriesTold(({ fs }) => fs.inodes.kernelHolds(ROOT_INO, KERNEL_HOLDS_LISTING)), 1);
  // It was told that there is none.
  assertEquals(
    entriesTold((doors, ino) => {
      const [from, to] = ["file", "moved"].map((name) => bytes(name));
      const both = new Uint8Array([...from, ...to, ...from]);
      const move = (start: number, length: number, newStart: number, newLength: number) =>
        doors.fs.names.rename(ROOT_INO, both, start, length, ROOT_INO, newStart, newLength, 0);
      assertEquals(move(0, 4, 4, 5), 0);
      assertEquals(doors.kernel(Opcode.LOOKUP, ROOT_INO, { tail: texts("file") }), 0);
      assertEquals(move(4, 5, 9, 4), 0);
      assertEquals(doors.fs.inodes.lookupCount(ino), 0);
    }),
    1,
  );
});
