/** Cases about data: opening, reading, writing, offsets, sizes. */
import { fails, O, ok, RWF, same, SEEK } from "../../support/agent.ts";
import { family } from "../case.ts";

const FIONREAD = 0x541b;

export const fileCases = family("files", {
  "read: at and behind the end": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    same(ok(await u.read(file, 10)).length, 0, "empty");
    ok(await u.write(file, "hello"));
    same(ok(await u.read(file, 10)).length, 0, "at the end");
    same(ok(await u.pread(file, 10, 3)).text, "lo", "near the end");
    same(ok(await u.pread(file, 10, 5)).length, 0, "at the end");
    same(ok(await u.pread(file, 10, 1e12)).length, 0, "far behind");
    same(ok(await u.pread(file, 0, 0)).length, 0, "nothing");
    fails("EINVAL", await u.pread(file, 10, -1));
    fails("EINVAL", await u.pwrite(file, "x", -1));
  },
  "read and write move the offset, pread and pwrite do not": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "0123456789"));
    same(ok(await u.lseek(file, 0, SEEK.CUR)), 10, "offset");
    ok(await u.pwrite(file, "ab", 2));
    ok(await u.pread(file, 4, 0));
    same(ok(await u.lseek(file, 0, SEEK.CUR)), 10, "offset");
    ok(await u.lseek(file, 1));
    same(ok(await u.read(file, 4)).text, "1ab4", "read");
    same(ok(await u.lseek(file, 0, SEEK.CUR)), 5, "offset");
    ok(await u.write(file, "XY"));
    same(ok(await u.read(file, 10)).text, "789", "rest");
  },
  "lseek: every way, and errors": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "0123456789"));
    same(ok(await u.lseek(file, 3)), 3, "SET");
    same(ok(await u.lseek(file, 4, SEEK.CUR)), 7, "CUR");
    same(ok(await u.lseek(file, -2, SEEK.CUR)), 5, "CUR back");
    same(ok(await u.lseek(file, -1, SEEK.END)), 9, "END");
    same(ok(await u.lseek(file, 100, SEEK.END)), 110, "behind the end");
    fails("EINVAL", await u.lseek(file, -1));
    fails("EINVAL", await u.lseek(file, -200, SEEK.CUR));
    fails("EINVAL", await u.lseek(file, -11, SEEK.END));
    fails("EINVAL", await u.lseek(file, 0, 17));
    same(ok(await u.lseek(file, 0, SEEK.CUR)), 110, "unchanged by errors");
    fails("EINVAL", await u.lseek(file, 2n ** 63n - 1n, SEEK.CUR));
  },
  "lseek: behind the end makes no file longer, a write there does": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.lseek(file, 5000));
    same(ok(await u.stat("f")).size, 0, "size");
    ok(await u.write(file, "x"));
    same(ok(await u.stat("f")).size, 5001, "size");
    ok(await u.pread(file, 6000, 0));
    ok(await u.stat("f"));
  },
  "write: sizes around a block": async ({ root: u }) => {
    for (
      const length of [
        1,
        511,
        512,
        4095,
        4096,
        4097,
        8191,
        8192,
        12_289,
        65_536,
        131_073,
        1 << 20,
        (1 << 20) + 1,
      ]
    ) {
      const file = ok(await u.open(`f${length}`, O.CREAT | O.RDWR));
      same(ok(await u.write(file, { pattern: length, length })), length, "written");
      same(
        ok(await u.pread(file, length + 100, 0)).checksum,
        ok(await u.checksum({ pattern: length, length })).checksum,
        "content",
      );
      ok(await u.fstat(file));
    }
  },
  "write: over what is there, at odd offsets": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, { pattern: 1, length: 50_000 }));
    for (
      const [offset, length] of [[0, 1], [4095, 2], [4096, 4096], [8000, 9000], [49_999, 5], [
        1,
        49_000,
      ]]
    ) {
      ok(await u.pwrite(file, { pattern: 77, length: length ?? 0 }, offset ?? 0));
      ok(await u.pread(file, 60_000, 0));
    }
    ok(await u.fstat(file));
  },
  "write: 8 MiB in one call": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    same(ok(await u.write(file, { pattern: 5, length: 8 << 20 })), 8 << 20, "written");
    same(ok(await u.pread(file, 8 << 20, 0)).length, 8 << 20, "read");
    ok(await u.fstat(file));
  },
  "readv and writev": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.writev(file, "one two three four", 4));
    ok(await u.lseek(file, 0));
    same(ok(await u.readv(file, 3, 4)).text, "one two thre", "content");
    same(ok(await u.readv(file, 100, 10)).text, "e four", "rest");
    ok(await u.writev(file, { pattern: 8, length: 100_000 }, 1000));
    ok(await u.fstat(file));
    ok(await u.preadv2(file, 7, 3, 2));
    ok(await u.pwritev2(file, "vector", 2, 4));
    same(ok(await u.pread(file, 12, 0)).text, "one vectorre", "content");
    fails("EINVAL", await u.preadv2(file, 7, 3, -2));
  },
  "preadv2 and pwritev2: flags": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.pwritev2(file, "begin", 5, 0, RWF.DSYNC));
    ok(await u.pwritev2(file, "append", 3, 0, RWF.APPEND));
    same(ok(await u.pread(file, 100, 0)).text, "beginappend", "content");
    ok(await u.pwritev2(file, "offset", 3, -1));
    same(ok(await u.lseek(file, 0, SEEK.CUR)), 6, "offset");
    ok(await u.preadv2(file, 4, 1, -1));
    fails("EOPNOTSUPP", await u.preadv2(file, 4, 1, 0, 1 << 20));
  },
  "O_APPEND": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR | O.APPEND));
    ok(await u.write(file, "one"));
    ok(await u.lseek(file, 0));
    ok(await u.write(file, "two"));
    same(ok(await u.lseek(file, 0, SEEK.CUR)), 6, "offset");
    ok(await u.pwrite(file, "three", 0));
    same(ok(await u.pread(file, 100, 0)).text, "onetwothree", "content");
    ok(await u.ftruncate(file, 20));
    ok(await u.write(file, "end"));
    ok(await u.fstat(file));
  },
  "O_APPEND of two processes in turn": async ({ root: u, second }) => {
    const other = await second();
    const mine = ok(await u.open("f", O.CREAT | O.WRONLY | O.APPEND));
    const theirs = ok(await other.open("f", O.WRONLY | O.APPEND));
    for (let n = 0; n < 10; n++) {
      ok(await u.write(mine, `a${n} `));
      ok(await other.write(theirs, `b${n} `));
    }
    ok(await u.fopenRead("f", 100));
  },
  "O_APPEND of two processes at once: nothing is lost": async (
    { root: u, second, quietly, note },
  ) => {
    const other = await second();
    const mine = ok(await u.open("f", O.CREAT | O.WRONLY | O.APPEND));
    const theirs = ok(await other.open("f", O.WRONLY | O.APPEND));
    await quietly(async () => {
      const writes = Array.from(
        { length: 500 },
        () => [u.write(mine, "0123456789"), other.write(theirs, "abcdefghij")],
      );
      for (const outcome of await Promise.all(writes.flat())) same(ok(outcome), 10, "written");
    });
    note("size", ok(await u.stat("f")).size);
    const text = await quietly(async () => ok(await u.fopenRead("f", 4096)).text);
    note("whole records", text.slice(0, 4000).replace(/(0123456789|abcdefghij)/g, ""));
  },
  "one process sees at once what another wrote": async ({ root: u, second }) => {
    const other = await second();
    const mine = ok(await u.open("f", O.CREAT | O.RDWR));
    const theirs = ok(await other.open("f", O.RDWR));
    for (let n = 0; n < 20; n++) {
      ok(await u.pwrite(mine, `round ${n}`, n * 1000));
      same(ok(await other.pread(theirs, 20, n * 1000)).text, `round ${n}`, "content");
      same(ok(await other.fstat(theirs)).size, n * 1000 + `round ${n}`.length, "size");
      ok(await other.pwrite(theirs, "answer", n * 1000));
      same(ok(await u.pread(mine, 6, n * 1000)).text, "answer", "content");
    }
    ok(await other.ftruncate(theirs, 3));
    same(ok(await u.fstat(mine)).size, 3, "size");
    same(ok(await u.pread(mine, 10, 0)).text, "ans", "content");
  },
  "truncate: shorter, longer, and what is read then": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, { pattern: 4, length: 10_000 }));
    for (const length of [5000, 9000, 4096, 4095, 8192, 1, 0, 20_000]) {
      ok(await u.ftruncate(file, length));
      same(ok(await u.stat("f")).size, length, "size");
      ok(await u.pread(file, 30_000, 0));
      ok(await u.stat("f"));
    }
  },
  "truncate: what was cut off does not come back": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, { fill: 65, length: 10_000 }));
    ok(await u.ftruncate(file, 100));
    ok(await u.ftruncate(file, 10_000));
    const zeros = ok(await u.checksum({ fill: 0, length: 9900 })).checksum;
    same(ok(await u.pread(file, 9900, 100)).checksum, zeros, "content");
    ok(await u.ftruncate(file, 50));
    ok(await u.pwrite(file, "x", 5000));
    same(ok(await u.pread(file, 10, 60)).bytes.every((byte) => byte === 0), true, "zeros");
    ok(await u.pread(file, 10_000, 0));
  },
  "truncate: errors": async ({ root: u }) => {
    ok(await u.creat("f"));
    const file = ok(await u.open("f", O.RDWR));
    fails("EINVAL", await u.ftruncate(file, -1));
    fails("EINVAL", await u.truncate("f", -1));
    ok(await u.mkfifo("p"));
    fails("EINVAL", await u.truncate("p", 0));
  },
  "truncate by path, seen by open descriptors": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "0123456789"));
    ok(await u.truncate("f", 4));
    same(ok(await u.fstat(file)).size, 4, "size");
    ok(await u.write(file, "end"));
    same(ok(await u.pread(file, 100, 0)).text, "0123\0\0\0\0\0\0end", "content");
  },
  "copy_file_range": async ({ root: u }) => {
    const from = ok(await u.open("a", O.CREAT | O.RDWR));
    const to = ok(await u.open("b", O.CREAT | O.RDWR));
    ok(await u.write(from, { pattern: 6, length: 100_000 }));
    same(ok(await u.copyFileRange(from, 0, to, 0, 100_000)), 100_000, "copied");
    ok(await u.pread(to, 200_000, 0));
    same(ok(await u.copyFileRange(from, 99_000, to, 10, 5000)), 1000, "copied up to the end");
    same(ok(await u.copyFileRange(from, 100_000, to, 0, 10)), 0, "copied at the end");
    ok(await u.lseek(from, 5));
    ok(await u.lseek(to, 0, SEEK.END));
    ok(await u.copyFileRange(from, -1, to, -1, 4096));
    ok(await u.lseek(from, 0, SEEK.CUR));
    ok(await u.lseek(to, 0, SEEK.CUR));
    ok(await u.pread(to, 200_000, 0));
    ok(await u.fstat(to));
  },
  "copy_file_range: inside one file, and errors": async ({ root: u }) => {
    const file = ok(await u.open("a", O.CREAT | O.RDWR));
    ok(await u.write(file, { pattern: 6, length: 10_000 }));
    ok(await u.copyFileRange(file, 0, file, 20_000, 10_000));
    ok(await u.pread(file, 40_000, 0));
    fails("EINVAL", await u.copyFileRange(file, 0, file, 5, 100));
    fails("EINVAL", await u.copyFileRange(file, 0, file, 50_000, 10, 1));
    fails("EBADF", await u.copyFileRange(file, 0, ok(await u.open("a", O.RDONLY)), 0, 10));
    fails("EBADF", await u.copyFileRange(file, 0, ok(await u.open("a", O.RDWR | O.APPEND)), 0, 10));
    ok(await u.mkdir("d"));
    fails("EISDIR", await u.copyFileRange(ok(await u.open("d", O.RDONLY)), 0, file, 0, 10));
  },
  "copy_file_range changes mtime and ctime of the target": async ({ root: u, changes }) => {
    const from = ok(await u.open("a", O.CREAT | O.RDWR));
    const to = ok(await u.open("b", O.CREAT | O.RDWR));
    ok(await u.write(from, "data"));
    const [, target] = await changes(
      ["a", "b"],
      async () => ok(await u.copyFileRange(from, 0, to, 0, 4)),
    );
    same(target, "mtime ctime", "target");
  },
  "sendfile": async ({ root: u }) => {
    const from = ok(await u.open("a", O.CREAT | O.RDWR));
    const to = ok(await u.open("b", O.CREAT | O.RDWR));
    ok(await u.write(from, { pattern: 6, length: 100_000 }));
    same(ok(await u.sendfile(to, from, 0, 50_000)), 50_000, "sent");
    ok(await u.lseek(from, 50_000));
    same(ok(await u.sendfile(to, from, -1, 80_000)), 50_000, "sent up to the end");
    same(
      ok(await u.pread(to, 200_000, 0)).checksum,
      ok(await u.checksum({ pattern: 6, length: 100_000 })).checksum,
      "content",
    );
    ok(await u.lseek(from, 0, SEEK.CUR));
    fails("EBADF", await u.sendfile(from, ok(await u.open("b", O.WRONLY)), 0, 10));
    fails("EINVAL", await u.sendfile(ok(await u.open("b", O.RDWR | O.APPEND)), from, 0, 10));
  },
  "fsync, fdatasync, syncfs": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "x"));
    ok(await u.fsync(file));
    ok(await u.fdatasync(file));
    ok(await u.syncfs(file));
    ok(await u.close(file));
    fails("EBADF", await u.fsync(file));
    ok(await u.mkfifo("p"));
    const pipe = ok(await u.open("p", O.RDWR | O.NONBLOCK));
    fails("EINVAL", await u.fsync(pipe));
  },
  "stdio: fopen in every mode": async ({ root: u }) => {
    fails("ENOENT", await u.fopenRead("f", 10));
    fails("ENOENT", await u.fopenWrite("f", "r+", "x"));
    ok(await u.fopenWrite("f", "w", "written"));
    ok(await u.fopenWrite("f", "a", " appended"));
    same(ok(await u.fopenRead("f", 100)).text, "written appended", "content");
    ok(await u.fopenWrite("f", "r+", "WRI"));
    same(ok(await u.fopenRead("f", 100)).text, "WRItten appended", "content");
    fails("EEXIST", await u.fopenWrite("f", "wx", "x"));
    ok(await u.fopenWrite("g", "wxe", "new"));
    ok(await u.fopenWrite("g", "w+", { pattern: 2, length: 100_000 }));
    ok(await u.fopenRead("g", 200_000));
    ok(await u.mkdir("d"));
    fails("EISDIR", await u.fopenWrite("d", "w", "x"));
    ok(await u.lstat("f"));
  },
  "mkstemp and mkdtemp": async ({ root: u, quietly }) => {
    const file = ok(await u.mkstemp("file-"));
    const dir = ok(await u.mkdtemp("dir-"));
    const [a, b] = await quietly(async () =>
      [ok(await u.stat(file)), ok(await u.stat(dir))] as const
    );
    same([a.mode & 0o7777, b.mode & 0o7777], [0o600, 0o700], "modes");
    fails("ENOENT", await u.mkstemp("none/file-"));
  },
  "ioctl FIONREAD": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "0123456789"));
    ok(await u.lseek(file, 4));
    same(ok(await u.ioctl(file, FIONREAD)), 6, "bytes left");
    fails("ENOTTY", await u.ioctl(file, 0x5401)); // TCGETS
  },
  "fadvise": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, { pattern: 2, length: 100_000 }));
    for (let advice = 0; advice < 6; advice++) ok(await u.fadvise(file, 0, 0, advice));
    fails("EINVAL", await u.fadvise(file, 0, 0, 77));
    ok(await u.pread(file, 100_000, 0));
  },
});
