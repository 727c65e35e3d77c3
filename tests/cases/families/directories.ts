/** Cases about listing: whole directories, cursors, and directories that change while they are read. */
import {
  type Agent,
  CWD,
  type Entry,
  fails,
  type Handle,
  O,
  ok,
  S,
  same,
} from "../../support/agent.ts";
import { type Environment, family } from "../case.ts";

const DOTS = [".", ".."];

/** Entries by plain calls of readdir, a few at a time, until the end; fails when there is none. */
async function readAll(u: Agent, stream: Handle, limit: number): Promise<string[]> {
  const names: string[] = [];
  while (names.length <= limit) {
    const part = ok(await u.readdir(stream, 7));
    names.push(...part.map((entry) => entry.name));
    if (part.length < 7) return names;
  }
  throw new Error(`reading has no end: more than ${limit} entries`);
}

/** Makes files named after numbers in a new directory. */
async function fill(
  { quietly, root: u }: Environment,
  dir: string,
  count: number,
): Promise<string[]> {
  const names = Array.from({ length: count }, (_, n) => `entry-${n}`);
  await quietly(async () => {
    ok(await u.mkdir(dir));
    const made = await Promise.all(names.map((name) => u.mknod(`${dir}/${name}`, S.IFREG | 0o644)));
    made.forEach((outcome) => ok(outcome));
  });
  return names;
}

const sorted = (names: string[]) => [...names].sort().join(" ");
const twice = (names: string[]) => names.filter((name, index) => names.indexOf(name) !== index);

export const directoryCases = family("directories", {
  "an empty directory has its dots": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    const entries = ok(await u.list("d"));
    same(entries.map((entry) => entry.name), DOTS, "names");
  },
  "types and inode numbers of every kind of file": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.mkdir("d/directory"));
    ok(await u.creat("d/file"));
    ok(await u.symlink("t", "d/symlink"));
    ok(await u.mkfifo("d/fifo"));
    ok(await u.mknod("d/socket", S.IFSOCK | 0o600));
    ok(await u.mknod("d/char", S.IFCHR | 0o600, 1, 3));
    ok(await u.mknod("d/block", S.IFBLK | 0o600, 7, 0));
    const entries: Entry[] = ok(await u.list("d"));
    same(
      entries.filter((entry) => entry.inodeAgrees === false),
      [],
      "entries with wrong inode numbers",
    );
  },
  "the inode number of dot-dot": async ({ root: u, note }) => {
    ok(await u.mkdir("d"));
    ok(await u.mkdir("d/e"));
    same(ok(await u.stat("d/e/..")).ino, ok(await u.stat("d")).ino, "inode");
    note("entries", ok(await u.list("d/e")).length);
  },
  "getdents with buffers of any size": async (environment) => {
    const { root: u, quietly } = environment;
    const names = await fill(environment, "d", 100);
    for (const size of [64, 100, 512, 4096, 32_768, 1 << 20]) {
      const dir = ok(await u.open("d", O.RDONLY | O.DIRECTORY));
      const found = await quietly(async () => {
        const found: string[] = [];
        while (true) {
          const entries = ok(await u.getdents(dir, size));
          if (entries.length === 0) return found;
          found.push(...entries.map((entry) => entry.name));
        }
      });
      same(sorted(found), sorted([...names, ...DOTS]), `buffer of ${size}`);
    }
  },
  "getdents with a buffer too small for one entry": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.creat(`d/${"n".repeat(200)}`));
    const dir = ok(await u.open("d", O.RDONLY | O.DIRECTORY));
    ok(await u.getdents(dir, 64));
    fails("EINVAL", await u.getdents(dir, 64));
    fails("EINVAL", await u.getdents(dir, 10));
    ok(await u.getdents(dir, 4096));
  },
  "getdents errors": async ({ root: u }) => {
    fails("ENOTDIR", await u.getdents(ok(await u.creat("f")), 4096));
    fails("EBADF", await u.getdents({ slot: -1 }, 4096));
  },
  "a long listing is complete": async (environment) => {
    const { root: u, quietly } = environment;
    const names = await fill(environment, "d", 5000);
    const found = await quietly(async () => await readAll(u, ok(await u.opendir("d")), 6000));
    same(sorted(found), sorted([...names, ...DOTS]), "names");
  },
  "names of 255 bytes in a long listing": async ({ root: u, quietly }) => {
    ok(await u.mkdir("d"));
    await quietly(async () => {
      const names = Array.from({ length: 300 }, (_, n) => `d/${String(n).padStart(255, "x")}`);
      for (const outcome of await Promise.all(names.map((name) => u.mkfifo(name)))) ok(outcome);
    });
    same(ok(await u.list("d")).length, 302, "entries");
  },
  "rewinddir sees what was made since": async ({ root: u, quietly }) => {
    ok(await u.mkdir("d"));
    ok(await u.creat("d/a"));
    const stream = ok(await u.opendir("d"));
    same((await quietly(() => readAll(u, stream, 10))).length, 3, "entries");
    ok(await u.creat("d/b"));
    ok(await u.unlink("d/a"));
    ok(await u.rewinddir(stream));
    same(sorted(await quietly(() => readAll(u, stream, 10))), sorted([...DOTS, "b"]), "names");
    ok(await u.closedir(stream));
    fails("EBADF", await u.closedir(stream));
  },
  "telldir and seekdir": async (environment) => {
    const { root: u, quietly, note } = environment;
    await fill(environment, "d", 50);
    await quietly(async () => {
      const stream = ok(await u.opendir("d"));
      const names: string[] = [];
      for (let n = 0; n < 52; n++) {
        ok(await u.telldir(stream, n));
        names.push(ok(await u.readdir(stream, 1))[0]?.name ?? "");
      }
      for (const n of [0, 51, 25, 1, 50, 26, 2]) {
        ok(await u.seekdir(stream, n));
        same(ok(await u.readdir(stream, 1))[0]?.name, names[n], `entry at mark ${n}`);
        same(
          sorted(await readAll(u, stream, 60)),
          sorted(names.slice(n + 1)),
          `entries after mark ${n}`,
        );
      }
      note("entries", names.length);
    });
  },
  "telldir at the end": async ({ root: u, quietly, note }) => {
    ok(await u.mkdir("d"));
    await quietly(async () => {
      const stream = ok(await u.opendir("d"));
      await readAll(u, stream, 10);
      ok(await u.telldir(stream, 1));
      ok(await u.seekdir(stream, 1));
      note("entries after the end", (await readAll(u, stream, 10)).length);
    });
  },
  "marks hold while entries before them go": async (environment) => {
    const { root: u, quietly } = environment;
    const names = await fill(environment, "d", 200);
    await quietly(async () => {
      const stream = ok(await u.opendir("d"));
      const first = ok(await u.readdir(stream, 100)).map((entry) => entry.name);
      ok(await u.telldir(stream, 1));
      for (const name of first.filter((name) => !DOTS.includes(name))) {
        ok(await u.unlink(`d/${name}`));
      }
      const rest = await readAll(u, stream, 300);
      same(sorted([...first, ...rest]), sorted([...names, ...DOTS]), "names seen");
      ok(await u.seekdir(stream, 1));
      same(sorted(await readAll(u, stream, 300)), sorted(rest), "names after the mark");
    });
  },
  "marks hold while the entry at them goes": async (environment) => {
    const { root: u, quietly } = environment;
    await fill(environment, "d", 30);
    await quietly(async () => {
      const stream = ok(await u.opendir("d"));
      ok(await u.readdir(stream, 10));
      ok(await u.telldir(stream, 1));
      const at = ok(await u.readdir(stream, 1))[0]?.name ?? "";
      const rest = await readAll(u, stream, 40);
      ok(await u.unlink(`d/${at}`));
      ok(await u.seekdir(stream, 1));
      const found = await readAll(u, stream, 40);
      same(sorted(found.filter((name) => name !== at)), sorted(rest), "names after the mark");
    });
  },
  "what stays is seen once while others come and go": async (environment) => {
    const { root: u, quietly } = environment;
    const names = await fill(environment, "d", 1000);
    await quietly(async () => {
      const stream = ok(await u.opendir("d"));
      const found: string[] = [];
      for (let round = 0;; round++) {
        const part = ok(await u.readdir(stream, 10)).map((entry) => entry.name);
        found.push(...part);
        if (part.length < 10) break;
        same(round < 500, true, "reading comes to an end");
        ok(await u.creat(`d/new-${round}`));
        ok(await u.unlink(`d/entry-${round * 2}`));
      }
      const kept = names.filter((name) => Number(name.slice(6)) % 2 === 1);
      same(kept.filter((name) => !found.includes(name)), [], "entries missed");
      same(twice(found), [], "entries seen twice");
    });
  },
  "removing everything while it is read, as rm -r does": async (environment) => {
    const { root: u, quietly } = environment;
    await fill(environment, "d", 1000);
    await quietly(async () => {
      const stream = ok(await u.opendir("d"));
      while (true) {
        const part = ok(await u.readdir(stream, 50)).map((entry) => entry.name);
        const removed = part.filter((name) => !DOTS.includes(name)).map((name) =>
          u.unlink(`d/${name}`)
        );
        for (const outcome of await Promise.all(removed)) ok(outcome);
        if (part.length < 50) break;
      }
    });
    ok(await u.rmdir("d"));
  },
  "renaming what was read, within the directory, comes to an end": async (environment) => {
    const { root: u, quietly } = environment;
    await fill(environment, "d", 500);
    await quietly(async () => {
      const stream = ok(await u.opendir("d"));
      let seen = 0;
      while (true) {
        const part = ok(await u.readdir(stream, 20)).map((entry) => entry.name);
        seen += part.length;
        same(seen < 3000, true, "reading comes to an end");
        const moved = part.filter((name) => name.startsWith("entry-"))
          .map((name) => u.rename(`d/${name}`, `d/moved-${name}`));
        for (const outcome of await Promise.all(moved)) ok(outcome);
        if (part.length < 20) break;
      }
    });
    const names = ok(await u.list("d")).map((entry) => entry.name);
    same(names.filter((name) => name.startsWith("entry-")), [], "names not moved");
  },
  "renaming an entry back and forth while reading comes to an end": async (environment) => {
    const { root: u, quietly } = environment;
    const names = await fill(environment, "d", 200);
    await quietly(async () => {
      const stream = ok(await u.opendir("d"));
      const found: string[] = [];
      while (true) {
        const part = ok(await u.readdir(stream, 2)).map((entry) => entry.name);
        found.push(...part);
        if (part.length < 2) break;
        same(found.length < 3000, true, "reading comes to an end");
        ok(await u.rename("d/entry-7", "d/elsewhere"));
        ok(await u.rename("d/elsewhere", "d/entry-7"));
      }
      const others = names.filter((name) => name !== "entry-7");
      same(others.filter((name) => !found.includes(name)), [], "entries missed");
    });
  },
  "two streams of one directory do not disturb each other": async (environment) => {
    const { root: u, quietly } = environment;
    const names = await fill(environment, "d", 60);
    await quietly(async () => {
      const [a, b] = [ok(await u.opendir("d")), ok(await u.opendir("d"))];
      const found: [string[], string[]] = [[], []];
      for (let n = 0; n < 70; n++) {
        found[0].push(...ok(await u.readdir(a, 1)).map((entry) => entry.name));
        if (n % 2 === 0) found[1].push(...ok(await u.readdir(b, 2)).map((entry) => entry.name));
      }
      for (const list of found) same(sorted(list), sorted([...names, ...DOTS]), "names");
    });
  },
  "a stream by fdopendir, and its descriptor": async ({ root: u, quietly }) => {
    ok(await u.mkdir("d"));
    ok(await u.creat("d/f"));
    const dir = ok(await u.open("d", O.RDONLY | O.DIRECTORY));
    const stream = ok(await u.fdopendir(dir));
    same((await quietly(() => readAll(u, stream, 10))).length, 3, "entries");
    const again = ok(await u.dirfd(stream));
    ok(await u.stat("f", again));
    fails("ENOTDIR", await u.fdopendir(ok(await u.open("d/f", O.RDONLY))));
    fails("EBADF", await u.fdopendir({ slot: 4000 }));
  },
  "the offset of a directory is shared by its duplicates": async (environment) => {
    const { root: u, quietly } = environment;
    await fill(environment, "d", 100);
    await quietly(async () => {
      const dir = ok(await u.open("d", O.RDONLY | O.DIRECTORY));
      const copy = ok(await u.dup(dir));
      const found: string[] = [];
      for (let turn = 0;; turn++) {
        const entries = ok(await u.getdents(turn % 2 ? dir : copy, 512));
        if (entries.length === 0) break;
        found.push(...entries.map((entry) => entry.name));
      }
      same([found.length, twice(found)], [102, []], "entries and repeated ones");
      ok(await u.lseek(dir, 0));
      same(ok(await u.getdents(copy, 4096)).length > 2, true, "entries after lseek to the start");
    });
  },
  "a stream goes on after its directory was renamed": async (environment) => {
    const { root: u, quietly } = environment;
    const names = await fill(environment, "d", 300);
    await quietly(async () => {
      const stream = ok(await u.opendir("d"));
      const found = ok(await u.readdir(stream, 10)).map((entry) => entry.name);
      ok(await u.rename("d", "e"));
      found.push(...await readAll(u, stream, 400));
      same(sorted(found), sorted([...names, ...DOTS]), "names");
    });
  },
  "a stream of a removed directory ends": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    const stream = ok(await u.opendir("d"));
    ok(await u.rmdir("d"));
    await u.readdir(stream, 10);
    ok(await u.closedir(stream));
  },
  "another process adds and removes while reading": async (environment) => {
    const { root: u, quietly, second } = environment;
    const names = await fill(environment, "d", 400);
    const other = await second();
    await quietly(async () => {
      const stream = ok(await u.opendir("d"));
      const found: string[] = [];
      for (let n = 0;; n++) {
        const part = ok(await u.readdir(stream, 9)).map((entry) => entry.name);
        found.push(...part);
        if (part.length < 9) break;
        ok(await other.mkfifo(`d/other-${n}`));
        if (n % 2) ok(await other.unlink(`d/other-${n}`));
        same(found.length < 3000, true, "reading comes to an end");
      }
      same(names.filter((name) => !found.includes(name)), [], "entries missed");
    });
    ok(await u.list("d"));
  },
  "a listing right after each change": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.list("d"));
    ok(await u.creat("d/a"));
    ok(await u.list("d"));
    ok(await u.mkdir("d/b"));
    ok(await u.list("d"));
    ok(await u.rename("d/a", "d/c"));
    ok(await u.list("d"));
    ok(await u.symlink("t", "d/a"));
    ok(await u.list("d"));
    ok(await u.rename("d/b", "b"));
    ok(await u.list("d"));
    ok(await u.unlink("d/a"));
    ok(await u.list("d"));
    ok(await u.rename("d/c", "c", 0, CWD, CWD));
    ok(await u.list("d"));
  },
  "scandir, glob and nftw": async ({ root: u }) => {
    for (const name of ["d", "d/e", "d/e/f"]) ok(await u.mkdir(name));
    for (const name of ["d/a.txt", "d/b.txt", "d/c.md", "d/e/x.txt", "d/.hidden"]) {
      ok(await u.creat(name));
    }
    ok(await u.symlink("e", "d/l"));
    ok(await u.symlink("none", "d/dangling"));
    ok(await u.scandir("d"));
    fails("ENOENT", await u.scandir("none"));
    fails("ENOTDIR", await u.scandir("d/a.txt"));
    same(ok(await u.glob("d/*.txt")), ["d/a.txt", "d/b.txt"], "matches");
    ok(await u.glob("d/*"));
    ok(await u.glob("*/*/*.txt"));
    ok(await u.glob("d/[ab].*"));
    ok(await u.glob("none*"));
    ok(await u.nftw("d"));
    fails("ENOENT", await u.nftw("none"));
  },
});
