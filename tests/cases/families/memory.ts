/** Cases about mapped files. */
import { AgentDied, fails, MAP, MS, O, ok, PROT, same } from "../../support/agent.ts";
import { family } from "../case.ts";

const RW = PROT.READ | PROT.WRITE;

export const memoryCases = family("memory", {
  "reading through a mapping": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, { pattern: 5, length: 20_000 }));
    for (const flags of [MAP.SHARED, MAP.PRIVATE]) {
      const map = ok(await u.mmap(file, 0, 20_000, PROT.READ, flags));
      same(
        ok(await u.mapRead(map, 0, 20_000)).checksum,
        ok(await u.pread(file, 20_000, 0)).checksum,
        "content",
      );
      ok(await u.mapRead(map, 5000, 100));
      ok(await u.munmap(map));
    }
    const part = ok(await u.mmap(file, 8192, 4096, PROT.READ, MAP.SHARED));
    same(
      ok(await u.mapRead(part, 0, 4096)).checksum,
      ok(await u.pread(file, 4096, 8192)).checksum,
      "a part",
    );
  },
  "a shared mapping and read, write see each other": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "0123456789"));
    const map = ok(await u.mmap(file, 0, 10, RW, MAP.SHARED));
    ok(await u.mapWrite(map, 2, "AB"));
    same(ok(await u.pread(file, 10, 0)).text, "01AB456789", "read");
    ok(await u.pwrite(file, "xy", 6));
    same(ok(await u.mapRead(map, 0, 10)).text, "01AB45xy89", "mapping");
    ok(await u.msync(map, 0, 10, MS.SYNC));
    ok(await u.munmap(map));
    same(ok(await u.pread(file, 10, 0)).text, "01AB45xy89", "after unmapping");
  },
  "a shared mapping between two processes": async ({ root: u, second }) => {
    const other = await second();
    const mine = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.ftruncate(mine, 8192));
    const theirs = ok(await other.open("f", O.RDWR));
    const [a, b] = [
      ok(await u.mmap(mine, 0, 8192, RW, MAP.SHARED)),
      ok(await other.mmap(theirs, 0, 8192, RW, MAP.SHARED)),
    ];
    ok(await u.mapWrite(a, 4000, "shared memory"));
    same(ok(await other.mapRead(b, 4000, 13)).text, "shared memory", "content");
    ok(await other.mapWrite(b, 0, "answer"));
    same(ok(await u.mapRead(a, 0, 6)).text, "answer", "content");
    same(ok(await u.pread(mine, 6, 0)).text, "answer", "read");
  },
  "a private mapping keeps its writes": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "0123456789"));
    const map = ok(await u.mmap(file, 0, 10, RW, MAP.PRIVATE));
    ok(await u.mapWrite(map, 0, "mine"));
    same(ok(await u.mapRead(map, 0, 10)).text, "mine456789", "mapping");
    same(ok(await u.pread(file, 10, 0)).text, "0123456789", "file");
    ok(await u.munmap(map));
  },
  "writing into a hole": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.ftruncate(file, 100_000));
    const map = ok(await u.mmap(file, 0, 100_000, RW, MAP.SHARED));
    ok(await u.mapWrite(map, 50_000, "in the middle"));
    ok(await u.msync(map, 0, 100_000, MS.SYNC));
    same(ok(await u.pread(file, 13, 50_000)).text, "in the middle", "content");
    ok(await u.munmap(map));
    ok(await u.fstat(file));
    ok(await u.pread(file, 100_000, 0));
  },
  "the page behind the end is zeros and no part of the file": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "short"));
    const map = ok(await u.mmap(file, 0, 4096, RW, MAP.SHARED));
    same(ok(await u.mapRead(map, 5, 3)).text, "\0\0\0", "behind the end");
    ok(await u.mapWrite(map, 5, "junk"));
    ok(await u.munmap(map));
    same(ok(await u.fstat(file)).size, 5, "size");
    same(ok(await u.pread(file, 10, 0)).text, "short", "content");
  },
  "a page wholly behind the end is SIGBUS": async ({ fresh, note }) => {
    const u = await fresh();
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "short"));
    const map = ok(await u.mmap(file, 0, 8192, PROT.READ, MAP.SHARED));
    try {
      await u.mapRead(map, 4096, 1);
      note("ended by", "nothing");
    } catch (error) {
      note("ended by", error instanceof AgentDied ? error.signal : String(error));
    }
  },
  "a mapping of a file cut short is SIGBUS": async ({ fresh, note }) => {
    const u = await fresh();
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, { fill: 1, length: 8192 }));
    const map = ok(await u.mmap(file, 0, 8192, PROT.READ, MAP.SHARED));
    ok(await u.mapRead(map, 4096, 1));
    ok(await u.ftruncate(file, 4096));
    ok(await u.mapRead(map, 0, 1));
    try {
      await u.mapRead(map, 4096, 1);
      note("ended by", "nothing");
    } catch (error) {
      note("ended by", error instanceof AgentDied ? error.signal : String(error));
    }
  },
  "a mapping grows with its file": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "short"));
    const map = ok(await u.mmap(file, 0, 8192, RW, MAP.SHARED));
    ok(await u.ftruncate(file, 8192));
    ok(await u.mapWrite(map, 6000, "now it fits"));
    same(ok(await u.pread(file, 11, 6000)).text, "now it fits", "content");
    ok(await u.ftruncate(file, 100));
    ok(await u.ftruncate(file, 8192));
    same(ok(await u.mapRead(map, 6000, 3)).text, "\0\0\0", "cut off and grown again");
  },
  "a mapping outlives descriptor and name": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "0123456789"));
    const map = ok(await u.mmap(file, 0, 10, RW, MAP.SHARED));
    ok(await u.close(file));
    ok(await u.mapWrite(map, 0, "ABC"));
    same(ok(await u.fopenRead("f", 10)).text, "ABC3456789", "content");
    ok(await u.unlink("f"));
    same(ok(await u.mapRead(map, 0, 10)).text, "ABC3456789", "content");
    ok(await u.mapWrite(map, 9, "!"));
    ok(await u.munmap(map));
  },
  "rights of descriptors": async ({ root: u }) => {
    ok(await u.fopenWrite("f", "w", "0123456789"));
    const reader = ok(await u.open("f", O.RDONLY));
    const writer = ok(await u.open("f", O.WRONLY));
    fails("EACCES", await u.mmap(reader, 0, 10, RW, MAP.SHARED));
    ok(await u.mmap(reader, 0, 10, RW, MAP.PRIVATE));
    fails("EACCES", await u.mmap(writer, 0, 10, PROT.READ, MAP.SHARED));
    fails("EACCES", await u.mmap(writer, 0, 10, PROT.WRITE, MAP.SHARED));
    ok(await u.mkdir("d"));
    fails("ENODEV", await u.mmap(ok(await u.open("d", O.RDONLY)), 0, 10, PROT.READ, MAP.SHARED));
    fails("EINVAL", await u.mmap(reader, 0, 0, PROT.READ, MAP.SHARED));
    fails("EINVAL", await u.mmap(reader, 100, 10, PROT.READ, MAP.SHARED));
  },
  "writing through a mapping changes mtime": async ({ root: u, changes }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "0123456789"));
    await changes(["f"], async () => {
      const map = ok(await u.mmap(file, 0, 10, RW, MAP.SHARED));
      ok(await u.mapWrite(map, 0, "x"));
      ok(await u.msync(map, 0, 10, MS.SYNC));
      ok(await u.munmap(map));
    });
  },
  "1 MiB written through a mapping": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.ftruncate(file, 1 << 20));
    const map = ok(await u.mmap(file, 0, 1 << 20, RW, MAP.SHARED));
    ok(await u.mapWrite(map, 0, { pattern: 31, length: 1 << 20 }));
    const sum = ok(await u.checksum({ pattern: 31, length: 1 << 20 })).checksum;
    same(ok(await u.pread(file, 1 << 20, 0)).checksum, sum, "before unmapping");
    ok(await u.munmap(map));
    ok(await u.close(file));
    same(ok(await u.fopenRead("f", 1 << 20)).checksum, sum, "after closing");
    ok(await u.stat("f"));
  },
});
