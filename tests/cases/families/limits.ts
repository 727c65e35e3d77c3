/** Cases about running out: of space, of inodes, of descriptors. Figures differ between file systems, behaviour does not. */
import { type Agent, fails, O, ok, RLIMIT, same } from "../../support/agent.ts";
import { family } from "../case.ts";

/** Writes blocks of 64 KiB until one fails; gives the bytes written and the error. */
async function fill(u: Agent, path: string): Promise<{ bytes: number; error: string }> {
  const file = ok(await u.open(path, O.CREAT | O.WRONLY));
  let bytes = 0;
  while (true) {
    const outcome = await u.write(file, { pattern: 1, length: 65_536 });
    if (outcome.error !== "") {
      ok(await u.close(file));
      return { bytes, error: outcome.error };
    }
    bytes += outcome.value;
  }
}

export const limitCases = family("limits", {
  "a full file system: ENOSPC, nothing lost, usable after a removal": {
    size: "4M",
    run: async ({ root: u, quietly, note }) => {
      ok(await u.fopenWrite("early", "w", { pattern: 7, length: 100_000 }));
      const { bytes, error } = await quietly(() => fill(u, "big"));
      note("error", error);
      note("about 4 MiB were written", bytes > 3_000_000 && bytes <= 4 << 20);
      const read = async (path: string) =>
        (await quietly(async () => ok(await u.fopenRead(path, 8 << 20)))).length;
      same(await read("early"), 100_000, "early bytes");
      same(await read("big"), bytes, "bytes of the last file");
      ok(await u.fopenRead("early", 100_000));
      const file = ok(await u.open("early", O.RDWR));
      ok(await u.pwrite(file, "over what is there", 50_000));
      same(ok(await u.pread(file, 18, 50_000)).text, "over what is there", "overwritten");
      ok(await u.unlink("big"));
      ok(await u.fopenWrite("again", "w", { pattern: 8, length: 2_000_000 }));
      ok(await u.fopenRead("again", 2_000_000));
    },
  },
  "a full file system: names and other calls": {
    size: "2M",
    run: async ({ root: u, quietly }) => {
      ok(await u.creat("before"));
      await quietly(() => fill(u, "big"));
      ok(await u.stat("before"));
      ok(await u.chmod("before", 0o600));
      ok(await u.rename("before", "after"));
      const file = ok(await u.open("after", O.RDWR));
      fails("ENOSPC", await u.fallocate(file, 0, 0, 1 << 20));
      fails("ENOSPC", await u.write(file, { fill: 1, length: 1 << 20 }));
      ok(await u.ftruncate(file, 0));
      ok(await u.ftruncate(file, 1 << 30));
      ok(await u.fstat(file));
      ok(await u.unlink("after"));
    },
  },
  "a write that fits in part": {
    size: "1M",
    run: async ({ root: u, quietly, note }) => {
      const file = ok(await u.open("f", O.CREAT | O.RDWR));
      const outcome = await quietly(() => u.write(file, { pattern: 3, length: 8 << 20 }));
      note("outcome", outcome.error || "a part");
      const size = (await quietly(async () => ok(await u.fstat(file)))).size;
      same(outcome.error === "" ? outcome.value : 0, size, "size");
      const read = await quietly(async () => ok(await u.pread(file, 8 << 20, 0)));
      same(read.length, size, "bytes read");
      const sum = await quietly(async () => ok(await u.checksum({ pattern: 3, length: size })));
      same(read.checksum, sum.checksum, "content");
      await quietly(async () =>
        fails("ENOSPC", await u.pwrite(file, { fill: 2, length: 8192 }, size + 8192))
      );
    },
  },
  "fallocate that does not fit changes nothing": {
    size: "1M",
    run: async ({ root: u, note }) => {
      const file = ok(await u.open("f", O.CREAT | O.RDWR));
      ok(await u.write(file, "content"));
      const free = ok(await u.statfs(".")).bfree;
      fails("ENOSPC", await u.fallocate(file, 0, 0, 100 << 20));
      fails("ENOSPC", await u.fallocate(file, 1, 0, 100 << 20));
      ok(await u.fstat(file));
      same(ok(await u.fopenRead("f", 100)).text, "content", "content");
      note("free blocks lost", free - ok(await u.statfs(".")).bfree);
      ok(await u.fallocate(file, 0, 0, 100_000));
    },
  },
  "filling and emptying again and again": {
    size: "1M",
    run: async ({ root: u, quietly, note }) => {
      const sizes = await quietly(async () => {
        const sizes = [];
        for (let round = 0; round < 10; round++) {
          sizes.push((await fill(u, "f")).bytes);
          ok(await u.unlink("f"));
        }
        return sizes;
      });
      note(
        "rounds that held less than the first",
        sizes.filter((size) => size !== sizes[0]).length,
      );
    },
  },
  "a full file system and an unlinked open file": {
    size: "1M",
    run: async ({ root: u, quietly }) => {
      const file = ok(await u.open("f", O.CREAT | O.RDWR));
      await quietly(() => fill(u, "f"));
      ok(await u.unlink("f"));
      const other = ok(await u.open("g", O.CREAT | O.RDWR));
      fails(
        "ENOSPC",
        await u.write(other, { fill: 1, length: 65_536 * 4 }).then(async (first) =>
          first.error === "" ? await u.write(other, { fill: 1, length: 65_536 }) : first
        ),
      );
      ok(await u.ftruncate(file, 0));
      ok(await u.write(other, { fill: 1, length: 65_536 }));
      ok(await u.close(file));
      ok(await u.write(other, { fill: 1, length: 65_536 }));
    },
  },
  "running out of descriptors is EMFILE": async ({ fresh }) => {
    const u = await fresh();
    ok(await u.setrlimit(RLIMIT.NOFILE, 20));
    ok(await u.creat("f"));
    let failed = "";
    for (let n = 0; n < 30 && failed === ""; n++) failed = (await u.open("f", O.RDONLY)).error;
    same(failed, "EMFILE", "error");
    fails("EMFILE", await u.open("new", O.CREAT | O.RDWR));
    fails("ENOENT", await u.stat("new"));
    fails("EMFILE", await u.opendir("."));
  },
  "a thousand descriptors of one file, a thousand files": async ({ root: u, quietly }) => {
    ok(await u.setrlimit(RLIMIT.NOFILE, 4096));
    ok(await u.fopenWrite("f", "w", "shared"));
    await quietly(async () => {
      const files = await Promise.all(Array.from({ length: 1000 }, () => u.open("f", O.RDWR)));
      for (const file of files) same(ok(await u.pread(ok(file), 6, 0)).text, "shared", "content");
      const others = await Promise.all(
        Array.from({ length: 1000 }, (_, n) => u.open(`g${n}`, O.CREAT | O.RDWR)),
      );
      for (const [n, file] of others.entries()) ok(await u.write(ok(file), `file ${n}`));
      for (const [n, file] of others.entries()) {
        same(ok(await u.pread(ok(file), 9, 0)).text, `file ${n}`, "content");
      }
    });
    ok(await u.unlink("f"));
    ok(await u.stat("g999"));
  },
  "a directory 100 levels deep": async ({ root: u, quietly }) => {
    const path = Array.from({ length: 100 }, (_, n) => `level${n}`);
    await quietly(async () => {
      for (let depth = 1; depth <= path.length; depth++) {
        ok(await u.mkdir(path.slice(0, depth).join("/")));
      }
    });
    ok(await u.creat(`${path.join("/")}/f`));
    ok(await u.stat(`${path.join("/")}/f`));
    ok(await u.rename("level0/level1", "moved"));
    ok(await u.stat(`moved/${path.slice(2).join("/")}/f`));
    fails("EINVAL", await u.rename("moved", `moved/${path.slice(2).join("/")}/x`));
  },
});
