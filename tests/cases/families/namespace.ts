/** Cases about names: making, removing, renaming and exchanging them, and what that does to counts and times. */
import { fails, O, ok, RENAME, same } from "../../support/agent.ts";
import { family } from "../case.ts";

export const namespaceCases = family("namespace", {
  "mkdir: an existing name is EEXIST": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.creat("f"));
    ok(await u.symlink("nowhere", "l"));
    ok(await u.mkfifo("p"));
    for (const name of ["d", "f", "l", "p"]) fails("EEXIST", await u.mkdir(name));
    for (const name of ["d", "f", "l", "p"]) fails("EEXIST", await u.symlink("t", name));
    for (const name of ["d", "f", "l", "p"]) fails("EEXIST", await u.mkfifo(name));
    for (const name of ["d", "f", "l", "p"]) fails("EEXIST", await u.link("f", name));
  },
  "mkdir: mode and umask": async ({ root: u }) => {
    ok(await u.umask(0));
    ok(await u.mkdir("a", 0o777));
    ok(await u.mkdir("b", 0o1777));
    ok(await u.mkdir("c", 0o7777));
    ok(await u.mkdir("d", 0));
    ok(await u.umask(0o077));
    ok(await u.mkdir("e", 0o777));
    for (const name of "abcde") ok(await u.stat(name));
  },
  "open: mode and umask": async ({ root: u }) => {
    ok(await u.umask(0));
    ok(await u.open("a", O.CREAT | O.RDWR, 0o666));
    ok(await u.open("b", O.CREAT | O.RDWR, 0o7777));
    ok(await u.umask(0o137));
    ok(await u.open("c", O.CREAT | O.RDWR, 0o777));
    ok(await u.open("c", O.CREAT | O.RDWR, 0o777));
    ok(await u.open("d", O.CREAT | O.WRONLY, 0));
    for (const name of "abcd") ok(await u.stat(name));
  },
  "nlink of directories": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    const nlink = async () => ok(await u.stat("d")).nlink;
    same(await nlink(), 2, "empty");
    ok(await u.mkdir("d/a"));
    ok(await u.mkdir("d/b"));
    ok(await u.creat("d/f"));
    same(await nlink(), 4, "two directories below");
    ok(await u.rmdir("d/a"));
    same(await nlink(), 3, "one removed");
    ok(await u.rename("d/b", "b"));
    same(await nlink(), 2, "one moved out");
    ok(await u.rename("b", "d/b"));
    same(await nlink(), 3, "one moved in");
    ok(await u.rename("d/b", "d/c"));
    same(await nlink(), 3, "one renamed");
  },
  "nlink of a removed directory": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    const dir = ok(await u.open("d", O.RDONLY | O.DIRECTORY));
    ok(await u.rmdir("d"));
    same(ok(await u.fstat(dir)).nlink, 0, "nlink");
  },
  "size of directories": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.stat("d"));
    for (const name of ["a", "b", "longer-name-of-a-file"]) ok(await u.creat(`d/${name}`));
    ok(await u.mkdir("d/e"));
    ok(await u.stat("d"));
    ok(await u.unlink("d/a"));
    ok(await u.stat("d"));
    ok(await u.rename("d/b", "b"));
    ok(await u.stat("d"));
    ok(await u.rename("b", "d/longer-name-of-a-file"));
    ok(await u.stat("d"));
    ok(await u.link("d/longer-name-of-a-file", "d/x"));
    ok(await u.rename("d/x", "d/y"));
    ok(await u.stat("d"));
  },
  "rmdir": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.mkdir("d/e"));
    fails("ENOTEMPTY", await u.rmdir("d"));
    ok(await u.rmdir("d/e"));
    ok(await u.creat("d/f"));
    fails("ENOTEMPTY", await u.rmdir("d"));
    ok(await u.unlink("d/f"));
    ok(await u.rmdir("d"));
    fails("ENOENT", await u.rmdir("d"));
    ok(await u.symlink("nowhere", "l"));
    fails("ENOTDIR", await u.rmdir("l"));
  },
  "unlink: a directory is EISDIR": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    fails("EISDIR", await u.unlink("d"));
    fails("EISDIR", await u.unlink("d/"));
    ok(await u.remove("d"));
    ok(await u.creat("f"));
    ok(await u.remove("f"));
  },
  "a removed directory is empty for ever": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    const dir = ok(await u.open("d", O.RDONLY | O.DIRECTORY));
    ok(await u.rmdir("d"));
    fails("ENOENT", await u.getdents(dir, 4096));
    fails("ENOENT", await u.open("f", O.CREAT | O.RDWR, 0o600, dir));
    fails("ENOENT", await u.mkdir("x", 0o700, dir));
    ok(await u.fchmod(dir, 0o700));
    ok(await u.mkdir("d"));
    ok(await u.creat("d/f"));
    fails("ENOENT", await u.stat("f", dir));
  },
  "rename: a file over nothing, itself, a file": async ({ root: u }) => {
    const a = ok(await u.creat("a"));
    ok(await u.write(a, "from a"));
    ok(await u.rename("a", "a"));
    ok(await u.rename("a", "b"));
    fails("ENOENT", await u.stat("a"));
    ok(await u.creat("c"));
    ok(await u.rename("b", "c"));
    same(ok(await u.fopenRead("c", 100)).text, "from a", "content");
    ok(await u.list("."));
  },
  "rename: over a file that is open": async ({ root: u }) => {
    const victim = ok(await u.open("victim", O.CREAT | O.RDWR));
    ok(await u.write(victim, "still here"));
    ok(await u.creat("a"));
    ok(await u.rename("a", "victim"));
    same(ok(await u.fstat(victim)).nlink, 0, "nlink");
    same(ok(await u.pread(victim, 100, 0)).text, "still here", "content");
    ok(await u.pwrite(victim, "written later", 10));
    ok(await u.fstat(victim));
  },
  "rename: links of one file onto each other change nothing": async ({ root: u }) => {
    ok(await u.creat("a"));
    ok(await u.link("a", "b"));
    ok(await u.rename("a", "b"));
    same(ok(await u.stat("a")).nlink, 2, "nlink");
    ok(await u.stat("b"));
  },
  "rename: directories over directories": async ({ root: u }) => {
    for (const name of ["a", "b", "full"]) ok(await u.mkdir(name));
    ok(await u.creat("a/f"));
    ok(await u.creat("full/f"));
    fails("ENOTEMPTY", await u.rename("a", "full"));
    ok(await u.rename("a", "b"));
    ok(await u.stat("b/f"));
    ok(await u.rename("b", "b"));
    ok(await u.list("."));
  },
  "rename: file and directory do not replace each other": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.mkdir("d"));
    ok(await u.symlink("d", "l"));
    fails("EISDIR", await u.rename("f", "d"));
    fails("ENOTDIR", await u.rename("d", "f"));
    fails("ENOTDIR", await u.rename("d", "l"));
    fails("EISDIR", await u.rename("l", "d"));
    ok(await u.rename("l", "f"));
    ok(await u.lstat("f"));
  },
  "rename: into its own subtree is EINVAL": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.mkdir("d/e"));
    ok(await u.mkdir("d/e/f"));
    fails("EINVAL", await u.rename("d", "d/x"));
    fails("EINVAL", await u.rename("d", "d/e/x"));
    fails("EINVAL", await u.rename("d", "d/e/f/x"));
    fails("EINVAL", await u.rename("d", "d/e"));
    fails("ENOTEMPTY", await u.rename("d/e/f", "d"));
    fails("ENOTEMPTY", await u.rename("d/e/f", "d/e"));
    fails("EINVAL", await u.rename("d", "d/e", RENAME.EXCHANGE));
    fails("EINVAL", await u.rename("d/e/f", "d", RENAME.EXCHANGE));
  },
  "rename: a directory with all that is below it": async ({ root: u }) => {
    ok(await u.mkdir("a"));
    ok(await u.mkdir("a/b"));
    ok(await u.mkdir("a/b/c"));
    const file = ok(await u.open("a/b/c/f", O.CREAT | O.RDWR));
    ok(await u.mkdir("other"));
    ok(await u.stat("a/b/c/f"));
    ok(await u.rename("a/b", "other/z"));
    fails("ENOENT", await u.stat("a/b/c/f"));
    ok(await u.stat("other/z/c/f"));
    ok(await u.write(file, "x"));
    same(ok(await u.stat("other/z/c/f")).size, 1, "size");
    same(ok(await u.stat("other/z/c/..")).ino, ok(await u.stat("other/z")).ino, "parent");
    same(ok(await u.stat("other/z/..")).ino, ok(await u.stat("other")).ino, "new parent");
    ok(await u.rename("other", "a/other"));
    ok(await u.stat("a/other/z/c/f"));
  },
  "rename: over an empty directory that is open": async ({ root: u }) => {
    ok(await u.mkdir("a"));
    ok(await u.creat("a/f"));
    ok(await u.mkdir("b"));
    const victim = ok(await u.open("b", O.RDONLY | O.DIRECTORY));
    ok(await u.rename("a", "b"));
    same(ok(await u.fstat(victim)).nlink, 0, "nlink");
    fails("ENOENT", await u.getdents(victim, 4096));
    ok(await u.list("b"));
  },
  "rename: NOREPLACE": async ({ root: u }) => {
    ok(await u.creat("a"));
    ok(await u.creat("b"));
    ok(await u.mkdir("d"));
    ok(await u.symlink("nowhere", "l"));
    for (const to of ["a", "b", "d", "l"]) {
      fails("EEXIST", await u.rename("a", to, RENAME.NOREPLACE));
    }
    ok(await u.rename("a", "c", RENAME.NOREPLACE));
    ok(await u.list("."));
    fails("ENOENT", await u.rename("a", "x", RENAME.NOREPLACE));
    fails("ENOENT", await u.rename("c", "no/x", RENAME.NOREPLACE));
  },
  "rename: EXCHANGE of files": async ({ root: u }) => {
    ok(await u.fopenWrite("a", "w", "first"));
    ok(await u.fopenWrite("b", "w", "second one"));
    ok(await u.rename("a", "b", RENAME.EXCHANGE));
    same(ok(await u.fopenRead("a", 100)).text, "second one", "a");
    same(ok(await u.fopenRead("b", 100)).text, "first", "b");
    ok(await u.rename("a", "a", RENAME.EXCHANGE));
    fails("ENOENT", await u.rename("a", "c", RENAME.EXCHANGE));
    fails("ENOENT", await u.rename("c", "a", RENAME.EXCHANGE));
    ok(await u.list("."));
  },
  "rename: EXCHANGE of a file and a directory in different directories": async ({ root: u }) => {
    ok(await u.mkdir("one"));
    ok(await u.mkdir("two"));
    ok(await u.mkdir("one/d"));
    ok(await u.creat("one/d/inside"));
    ok(await u.creat("two/f"));
    ok(await u.rename("one/d", "two/f", RENAME.EXCHANGE));
    ok(await u.stat("one"));
    ok(await u.stat("two"));
    ok(await u.stat("one/d"));
    ok(await u.stat("two/f/inside"));
    same(ok(await u.stat("two/f/..")).ino, ok(await u.stat("two")).ino, "parent");
    ok(await u.list("one"));
    ok(await u.list("two"));
  },
  "rename: EXCHANGE of two directories": async ({ root: u }) => {
    for (const name of ["one", "one/a", "two", "two/b", "two/b/c"]) ok(await u.mkdir(name));
    ok(await u.rename("one/a", "two/b", RENAME.EXCHANGE));
    ok(await u.stat("one/a/c"));
    ok(await u.list("two/b"));
    for (const name of ["one", "two"]) ok(await u.stat(name));
    fails("EINVAL", await u.rename("one", "one/a", RENAME.EXCHANGE));
  },
  "rename: flags that contradict each other": async ({ root: u }) => {
    ok(await u.creat("a"));
    ok(await u.creat("b"));
    fails("EINVAL", await u.rename("a", "b", RENAME.EXCHANGE | RENAME.NOREPLACE));
    fails("EINVAL", await u.rename("a", "b", 64));
  },
  "rename and link to another file system are EXDEV": async ({ root: u, outside, quietly }) => {
    ok(await u.creat("f"));
    ok(await u.mkdir("d"));
    await quietly(async () => {
      fails("EXDEV", await u.rename("f", `${outside}/f`));
      fails("EXDEV", await u.rename("d", `${outside}/d`));
      fails("EXDEV", await u.link("f", `${outside}/f`));
      ok(await u.creat(`${outside}/g`));
      fails("EXDEV", await u.rename(`${outside}/g`, "g"));
      ok(await u.unlink(`${outside}/g`));
    });
    ok(await u.list("."));
  },
  "many names in one directory": async ({ root: u, quietly, note }) => {
    ok(await u.mkdir("d"));
    const names = Array.from({ length: 3000 }, (_, n) => `d/file-${n}`);
    await quietly(async () => {
      for (const outcome of await Promise.all(names.map((name) => u.mkfifo(name)))) ok(outcome);
    });
    note("entries", ok(await u.list("d")).length);
    ok(await u.stat("d"));
    await quietly(async () => {
      for (const outcome of await Promise.all(names.map((name) => u.lstat(name)))) ok(outcome);
      const half = names.filter((_, n) => n % 2 === 0);
      for (const outcome of await Promise.all(half.map((name) => u.unlink(name)))) ok(outcome);
    });
    ok(await u.list("d"));
    fails("ENOENT", await u.stat("d/file-0"));
    ok(await u.stat("d/file-1"));
    ok(await u.stat("d"));
  },
});
