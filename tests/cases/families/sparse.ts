/** Cases about holes: writing far away, fallocate, SEEK_DATA and SEEK_HOLE, block counts. */
import { fails, FALLOC, O, ok, same, SEEK } from "../../support/agent.ts";
import { family } from "../case.ts";

const { KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE, COLLAPSE_RANGE, INSERT_RANGE, UNSHARE_RANGE } = FALLOC;
const TIB = 2 ** 40;
const FILE_SIZE_MAX = 2n ** 63n - 1n;

export const sparseCases = family("sparse", {
  "a write far behind the end leaves a hole of zeros": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.pwrite(file, "start", 0));
    ok(await u.pwrite(file, "end", 100_000));
    ok(await u.stat("f"));
    ok(await u.pread(file, 100_003, 0));
    same(ok(await u.pread(file, 4, 50_000)).text, "\0\0\0\0", "hole");
  },
  "a terabyte away": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    for (const offset of [TIB, 3 * TIB + 12_345, 4 * 2 ** 30, 2 ** 31 - 2, 2 ** 32 - 100]) {
      ok(await u.pwrite(file, `at ${offset}`, offset));
    }
    for (const offset of [TIB, 3 * TIB + 12_345, 4 * 2 ** 30, 2 ** 31 - 2, 2 ** 32 - 100]) {
      same(ok(await u.pread(file, `at ${offset}`.length, offset)).text, `at ${offset}`, "content");
    }
    ok(await u.stat("f"));
    ok(await u.pread(file, 8192, TIB - 4096));
    ok(await u.lseek(file, 0, SEEK.DATA));
    ok(await u.lseek(file, 2 ** 33, SEEK.DATA));
    ok(await u.lseek(file, 2 * TIB, SEEK.DATA));
    ok(await u.ftruncate(file, TIB));
    ok(await u.stat("f"));
    ok(await u.ftruncate(file, 0));
    ok(await u.stat("f"));
  },
  "the largest size": async ({ root: u, quietly }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    const outcome = await u.ftruncate(file, FILE_SIZE_MAX);
    if (outcome.error !== "") return fails("EFBIG", outcome);
    await quietly(async () => {
      ok(await u.lseek(file, 0, SEEK.END));
      fails("EINVAL", await u.write(file, "x"));
      ok(await u.ftruncate(file, 0));
    });
  },
  "write at the largest offset": async ({ root: u, quietly }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.lseek(file, FILE_SIZE_MAX - 10n));
    const outcome = await u.write(file, "0123456789");
    if (outcome.error !== "") return fails("EFBIG", outcome);
    await quietly(async () => {
      fails("EINVAL", await u.write(file, "x"));
      same(ok(await u.stat("f")).blocks, 8, "blocks");
    });
  },
  "1 PiB": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    const PIB = 2 ** 50;
    ok(await u.ftruncate(file, PIB));
    same(ok(await u.stat("f")).size, PIB, "size");
    ok(await u.pwrite(file, "the end", PIB - 7));
    same(ok(await u.pread(file, 100, PIB - 7)).text, "the end", "content");
    same(ok(await u.lseek(file, 0, SEEK.DATA)), PIB - 4096, "data");
  },
  "blocks are counted as they are taken": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    const blocks = async () => ok(await u.fstat(file)).blocks;
    same(await blocks(), 0, "empty");
    ok(await u.ftruncate(file, 1 << 20));
    same(await blocks(), 0, "a hole");
    ok(await u.pwrite(file, "x", 5000));
    same(await blocks(), 8, "one block");
    ok(await u.pread(file, 1 << 20, 0));
    same(await blocks(), 8, "reading takes none");
    ok(await u.pwrite(file, { fill: 0, length: 8192 }, 0));
    same(await blocks(), 16, "zeros written");
    ok(await u.ftruncate(file, 4096));
    same(await blocks(), 8, "cut");
    ok(await u.ftruncate(file, 0));
    same(await blocks(), 0, "empty again");
  },
  "fallocate: plain": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.fallocate(file, 0, 0, 10_000));
    same(ok(await u.fstat(file)).size, 10_000, "size");
    ok(await u.pread(file, 20_000, 0));
    ok(await u.pwrite(file, "data", 2000));
    ok(await u.fallocate(file, 0, 0, 5000));
    same(ok(await u.pread(file, 4, 2000)).text, "data", "content");
    ok(await u.fallocate(file, 0, 20_000, 100));
    ok(await u.fstat(file));
    ok(await u.pread(file, 30_000, 0));
  },
  "fallocate: KEEP_SIZE": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "data"));
    ok(await u.fallocate(file, KEEP_SIZE, 0, 20_000));
    const st = ok(await u.fstat(file));
    same([st.size, st.blocks], [4, 40], "size and blocks");
    ok(await u.pwrite(file, "x", 15_000));
    ok(await u.fstat(file));
    ok(await u.pread(file, 20_000, 0));
    ok(await u.ftruncate(file, 15_001));
    ok(await u.fstat(file));
  },
  "fallocate: PUNCH_HOLE": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, { fill: 88, length: 40_960 }));
    for (
      const [offset, length] of [[4096, 8192], [20_000, 100], [19_000, 5000], [40_000, 10_000], [
        100_000,
        10,
      ], [0, 1]]
    ) {
      ok(await u.fallocate(file, PUNCH_HOLE | KEEP_SIZE, offset ?? 0, length ?? 0));
      ok(await u.fstat(file));
      ok(await u.pread(file, 50_000, 0));
    }
    ok(await u.lseek(file, 4096, SEEK.HOLE));
    ok(await u.lseek(file, 4096, SEEK.DATA));
    ok(await u.fallocate(file, PUNCH_HOLE | KEEP_SIZE, 0, 40_960));
    same(ok(await u.fstat(file)).blocks, 0, "blocks");
    ok(await u.pwrite(file, "back", 10_000));
    ok(await u.pread(file, 50_000, 0));
  },
  "fallocate: ZERO_RANGE, where there is any": async ({ root: u, quietly }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, { fill: 88, length: 20_000 }));
    const outcome = await u.fallocate(file, ZERO_RANGE, 1000, 10_000);
    if (outcome.error !== "") return fails("EOPNOTSUPP", outcome);
    await quietly(async () => {
      same([...ok(await u.pread(file, 3, 999)).bytes], [88, 0, 0], "first edge");
      same([...ok(await u.pread(file, 3, 10_998)).bytes], [0, 0, 88], "last edge");
      ok(await u.fallocate(file, ZERO_RANGE | KEEP_SIZE, 15_000, 10_000));
      same(ok(await u.fstat(file)).size, 20_000, "size");
      ok(await u.fallocate(file, ZERO_RANGE, 15_000, 10_000));
      const st = ok(await u.fstat(file));
      same([st.size, st.blocks], [25_000, 56], "size and blocks");
      same(
        ok(await u.pread(file, 20_000, 15_000)).bytes.every((byte) => byte === 0),
        true,
        "zeros",
      );
    });
  },
  "fallocate: errors": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    fails("EINVAL", await u.fallocate(file, 0, 0, 0));
    fails("EINVAL", await u.fallocate(file, 0, -1, 10));
    fails("EINVAL", await u.fallocate(file, 0, 0, -10));
    fails("EOPNOTSUPP", await u.fallocate(file, PUNCH_HOLE, 0, 10));
    fails("EOPNOTSUPP", await u.fallocate(file, COLLAPSE_RANGE, 0, 4096));
    fails("EOPNOTSUPP", await u.fallocate(file, INSERT_RANGE, 0, 4096));
    fails("EOPNOTSUPP", await u.fallocate(file, UNSHARE_RANGE, 0, 4096));
    fails("EOPNOTSUPP", await u.fallocate(file, 0x4000, 0, 10));
    fails("EFBIG", await u.fallocate(file, 0, Number(2n ** 62n), Number(2n ** 62n)));
    ok(await u.mkdir("d"));
    fails("EBADF", await u.fallocate(ok(await u.open("d", O.RDONLY)), 0, 0, 10));
    ok(await u.mkfifo("p"));
    fails("ESPIPE", await u.fallocate(ok(await u.open("p", O.RDWR)), 0, 0, 10));
    ok(await u.fstat(file));
  },
  "posix_fallocate": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.posixFallocate(file, 100, 10_000));
    same(ok(await u.fstat(file)).size, 10_100, "size");
    fails("EINVAL", await u.posixFallocate(file, 0, 0));
    fails("EBADF", await u.posixFallocate(ok(await u.open("f", O.RDONLY)), 0, 10));
  },
  "SEEK_DATA and SEEK_HOLE": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.ftruncate(file, 100_000));
    fails("ENXIO", await u.lseek(file, 0, SEEK.DATA));
    same(ok(await u.lseek(file, 0, SEEK.HOLE)), 0, "hole");
    ok(await u.pwrite(file, { fill: 1, length: 8192 }, 8192));
    ok(await u.pwrite(file, { fill: 2, length: 100 }, 50_000));
    same(ok(await u.lseek(file, 0, SEEK.DATA)), 8192, "data");
    same(ok(await u.lseek(file, 9000, SEEK.DATA)), 9000, "data inside data");
    same(ok(await u.lseek(file, 8192, SEEK.HOLE)), 16_384, "hole behind data");
    same(ok(await u.lseek(file, 20_000, SEEK.HOLE)), 20_000, "hole inside a hole");
    same(ok(await u.lseek(file, 16_384, SEEK.DATA)), 49_152, "next data, by block");
    same(ok(await u.lseek(file, 50_000, SEEK.HOLE)), 53_248, "next hole, by block");
    fails("ENXIO", await u.lseek(file, 60_000, SEEK.DATA));
    same(ok(await u.lseek(file, 60_000, SEEK.HOLE)), 60_000, "hole at the end");
    fails("ENXIO", await u.lseek(file, 100_000, SEEK.DATA));
    fails("ENXIO", await u.lseek(file, 100_000, SEEK.HOLE));
    fails("ENXIO", await u.lseek(file, -1, SEEK.DATA));
    same(ok(await u.lseek(file, 0, SEEK.CUR)), 60_000, "offset");
  },
  "SEEK_HOLE of a file without holes is its end": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, { fill: 1, length: 10_000 }));
    same(ok(await u.lseek(file, 0, SEEK.HOLE)), 10_000, "hole");
    same(ok(await u.lseek(file, 9999, SEEK.HOLE)), 10_000, "hole");
    fails("ENXIO", await u.lseek(file, 10_000, SEEK.HOLE));
  },
  "SEEK_DATA in an empty file": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    fails("ENXIO", await u.lseek(file, 0, SEEK.DATA));
    fails("ENXIO", await u.lseek(file, 0, SEEK.HOLE));
  },
  "SEEK_DATA in space that was only reserved": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.fallocate(file, 0, 0, 40_960));
    await u.lseek(file, 0, SEEK.DATA);
    await u.lseek(file, 0, SEEK.HOLE);
    ok(await u.pwrite(file, "x", 8192));
    await u.lseek(file, 0, SEEK.DATA);
    await u.lseek(file, 8192, SEEK.HOLE);
  },
  "every second block of a long file": async ({ root: u, quietly }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    await quietly(async () => {
      const writes = Array.from({ length: 600 }, (_, n) => u.pwrite(file, `block ${n}`, n * 8192));
      for (const outcome of await Promise.all(writes)) ok(outcome);
    });
    ok(await u.fstat(file));
    ok(await u.pread(file, 600 * 8192, 0));
    ok(await u.lseek(file, 4096, SEEK.DATA));
    ok(await u.lseek(file, 8192, SEEK.HOLE));
    ok(await u.fallocate(file, PUNCH_HOLE | KEEP_SIZE, 300 * 8192, 200 * 8192));
    ok(await u.fstat(file));
    ok(await u.lseek(file, 299 * 8192 + 4096, SEEK.DATA));
    ok(await u.ftruncate(file, 100 * 8192 + 3));
    ok(await u.fstat(file));
    ok(await u.pread(file, 600 * 8192, 0));
  },
  "copying a file with holes": async ({ root: u, quietly }) => {
    const from = ok(await u.open("a", O.CREAT | O.RDWR));
    const to = ok(await u.open("b", O.CREAT | O.RDWR));
    ok(await u.pwrite(from, "x", 20_000));
    ok(await u.ftruncate(from, 100_000));
    same(ok(await u.copyFileRange(from, 0, to, 0, 100_000)), 100_000, "copied");
    same(ok(await u.pread(to, 1, 20_000)).text, "x", "content");
    // Whether the copy has the holes too is the file system's choice.
    same((await quietly(async () => ok(await u.fstat(to)))).size, 100_000, "size");
    same(ok(await u.pread(to, 100_000, 0)).length, 100_000, "read");
  },
});
