/** Cases about the times of parents and files when names change. */
import { fails, O, ok, RENAME, same } from "../../support/agent.ts";
import { family } from "../case.ts";

export const parentCases = family("parents", {
  "rename: keeps the inode and the times of the file": async ({ root: u, changes }) => {
    ok(await u.mkdir("d"));
    ok(await u.creat("a"));
    const before = ok(await u.stat("a"));
    ok(await u.rename("a", "b"));
    const [changed] = await changes(["b"], async () => {
      ok(await u.rename("b", "d/b"));
      ok(await u.rename("d/b", "b"));
    });
    same(changed, "ctime", "changed");
    same(ok(await u.stat("b")).ino, before.ino, "inode");
  },
  "mkdir changes the times of the parent": async ({ root: u, changes }) => {
    ok(await u.mkdir("d"));
    const [parent] = await changes(["d"], async () => ok(await u.mkdir("d/e")));
    same(parent, "mtime ctime", "parent");
  },
  "rmdir changes the times of the parent": async ({ root: u, changes }) => {
    ok(await u.mkdir("d"));
    ok(await u.mkdir("d/e"));
    same(await changes(["d"], async () => ok(await u.rmdir("d/e"))), ["mtime ctime"], "parent");
  },
  "creating changes the times of the parent, opening does not": async ({ root: u, changes }) => {
    ok(await u.mkdir("d"));
    same(await changes(["d"], async () => ok(await u.creat("d/f")).slot), ["mtime ctime"], "creat");
    same(await changes(["d", "d/f"], async () => ok(await u.open("d/f", O.CREAT | O.RDWR)).slot), [
      "",
      "",
    ], "open");
    same(
      await changes(["d"], async () => ok(await u.symlink("x", "d/l"))),
      ["mtime ctime"],
      "symlink",
    );
    same(await changes(["d"], async () => ok(await u.mkfifo("d/p"))), ["mtime ctime"], "mkfifo");
  },
  "unlink changes the parent and the file's ctime": async ({ root: u, changes }) => {
    ok(await u.mkdir("d"));
    ok(await u.creat("d/f"));
    ok(await u.link("d/f", "d/g"));
    same(await changes(["d", "d/g"], async () => ok(await u.unlink("d/f"))), [
      "mtime ctime",
      "ctime",
    ], "times");
  },
  "link changes the parent and the file's ctime": async ({ root: u, changes }) => {
    ok(await u.mkdir("d"));
    ok(await u.creat("f"));
    same(await changes(["d", "f"], async () => ok(await u.link("f", "d/g"))), [
      "mtime ctime",
      "ctime",
    ], "times");
  },
  "rename changes the times of both parents": async ({ root: u, changes }) => {
    ok(await u.mkdir("one"));
    ok(await u.mkdir("two"));
    ok(await u.creat("one/f"));
    ok(await u.mkdir("one/d"));
    same(
      await changes(["one", "two"], async () => ok(await u.rename("one/f", "two/f"))),
      ["mtime ctime", "mtime ctime"],
      "file",
    );
    same(
      await changes(["one", "two", "one/d"], async () => {
        ok(await u.rename("one/d", "two/d"));
        ok(await u.rename("two/d", "one/d"));
      }),
      ["mtime ctime", "mtime ctime", "ctime"],
      "directory",
    );
  },
  "rename over a file changes the replaced one's ctime": async ({ root: u, changes }) => {
    ok(await u.creat("a"));
    ok(await u.creat("b"));
    ok(await u.link("b", "kept"));
    same(await changes(["kept"], async () => ok(await u.rename("a", "b"))), ["ctime"], "replaced");
    same(ok(await u.stat("kept")).nlink, 1, "nlink");
  },
  "EXCHANGE changes the times of both parents and both ctimes": async ({ root: u, changes }) => {
    for (const name of ["one", "two"]) ok(await u.mkdir(name));
    ok(await u.creat("one/f"));
    ok(await u.mkdir("two/d"));
    same(
      await changes(["one", "two", "one/f", "two/d"], async () => {
        ok(await u.rename("one/f", "two/d", RENAME.EXCHANGE));
        ok(await u.rename("one/f", "two/d", RENAME.EXCHANGE));
      }),
      ["mtime ctime", "mtime ctime", "ctime", "ctime"],
      "times",
    );
  },
  "calls that fail change no times": async ({ root: u, changes }) => {
    ok(await u.mkdir("d"));
    ok(await u.mkdir("d/e"));
    ok(await u.creat("d/e/f"));
    const times = await changes(["d", "d/e", "d/e/f"], async () => {
      fails("EEXIST", await u.mkdir("d/e"));
      fails("ENOTEMPTY", await u.rmdir("d/e"));
      fails("ENOENT", await u.unlink("d/x"));
      fails("EEXIST", await u.link("d/e/f", "d/e"));
      fails("ENOTEMPTY", await u.rename("d/e/f", "d/e"));
      fails("EEXIST", await u.open("d/e/f", O.CREAT | O.EXCL | O.RDWR));
      fails("EINVAL", await u.rename("d", "d/e/x"));
    });
    same(times, ["", "", ""], "times");
  },
  "the same name made and removed many times": async ({ root: u, quietly }) => {
    await quietly(async () => {
      for (let round = 0; round < 200; round++) {
        const outcomes = await Promise.all([
          u.mkdir("x"),
          u.rmdir("x"),
          u.symlink("t", "x"),
          u.rename("x", "y"),
          u.mkfifo("x"),
          u.rename("x", "y"),
          u.unlink("y"),
        ]);
        outcomes.forEach((outcome) => ok(outcome));
      }
    });
    ok(await u.list("."));
  },
});
