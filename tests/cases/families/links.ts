/** Cases about hard links, symbolic links, and files that lost their names. */
import { AT, fails, O, ok, same } from "../../support/agent.ts";
import { family } from "../case.ts";

export const linkCases = family("links", {
  "link: another name for the same file": async ({ root: u }) => {
    const file = ok(await u.open("a", O.CREAT | O.RDWR));
    ok(await u.link("a", "b"));
    same(ok(await u.stat("a")).nlink, 2, "nlink");
    ok(await u.write(file, "seen through both"));
    same(ok(await u.fopenRead("b", 100)).text, "seen through both", "content");
    ok(await u.chmod("b", 0o600));
    same(ok(await u.stat("a")).mode & 0o777, 0o600, "mode");
    ok(await u.unlink("a"));
    same(ok(await u.stat("b")).nlink, 1, "nlink");
    same(ok(await u.fopenRead("b", 100)).text, "seen through both", "content");
  },
  "link: many": async ({ root: u, quietly }) => {
    ok(await u.creat("f"));
    await quietly(async () => {
      const made = await Promise.all(Array.from({ length: 1000 }, (_, n) => u.link("f", `l${n}`)));
      made.forEach((outcome) => ok(outcome));
    });
    same(ok(await u.stat("f")).nlink, 1001, "nlink");
    ok(await u.unlink("l500"));
    same(ok(await u.stat("l999")).nlink, 1000, "nlink");
  },
  "link: errors": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.mkdir("d"));
    fails("EPERM", await u.link("d", "e"));
    fails("EPERM", await u.link(".", "e"));
    fails("EEXIST", await u.link("f", "d"));
    fails("EEXIST", await u.link("f", "f"));
    fails("ENOENT", await u.link("none", "e"));
    fails("ENOENT", await u.link("f", "none/e"));
    fails("EEXIST", await u.link("d", "f"));
  },
  "link: of a symbolic link itself": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.symlink("f", "l"));
    ok(await u.link("l", "copy"));
    same(ok(await u.readlink("copy")), "f", "target");
    same(ok(await u.lstat("l")).nlink, 2, "nlink of the link");
    same(ok(await u.lstat("f")).nlink, 1, "nlink of the file");
  },
  "link: AT_SYMLINK_FOLLOW": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.symlink("f", "l"));
    ok(await u.link("l", "copy", AT.SYMLINK_FOLLOW));
    same(ok(await u.lstat("f")).nlink, 2, "nlink of the file");
    ok(await u.lstat("copy"));
    ok(await u.symlink("nowhere", "dangling"));
    fails("ENOENT", await u.link("dangling", "x", AT.SYMLINK_FOLLOW));
    ok(await u.link("dangling", "x"));
  },
  "link: AT_EMPTY_PATH": async ({ root: u }) => {
    const file = ok(await u.creat("f"));
    ok(await u.link("", "g", AT.EMPTY_PATH, file));
    same(ok(await u.stat("g")).nlink, 2, "nlink");
    ok(await u.linkOpen(file, "h"));
    same(ok(await u.stat("h")).nlink, 3, "nlink");
    fails("EEXIST", await u.linkOpen(file, "h"));
  },
  "link: special files": async ({ root: u }) => {
    ok(await u.mkfifo("p"));
    ok(await u.mknod("c", 0o020600, 1, 3));
    for (const name of "pc") {
      ok(await u.link(name, `${name}2`));
      ok(await u.stat(`${name}2`));
    }
  },
  "a file whose names are gone cannot be linked again": async ({ root: u }) => {
    const file = ok(await u.creat("f"));
    ok(await u.unlink("f"));
    fails("ENOENT", await u.link("", "g", AT.EMPTY_PATH, file));
    fails("ENOENT", await u.linkOpen(file, "g"));
  },
  "symlink: targets of any length and content": async ({ root: u, quietly }) => {
    const targets = [
      "x",
      "a/b/../c",
      "/absolute",
      " ",
      "日本語",
      "t".repeat(59),
      "t".repeat(60),
      "t".repeat(127),
    ];
    targets.push(
      "t".repeat(128),
      "t".repeat(255),
      "u".repeat(256),
      "v/".repeat(500),
      "w/".repeat(2047) + "x",
    );
    for (const [index, target] of targets.entries()) {
      ok(await u.symlink(target, `l${index}`));
      same(ok(await u.readlink(`l${index}`)), target, "target");
      const { size } = await quietly(async () => ok(await u.lstat(`l${index}`)));
      same(size, new TextEncoder().encode(target).length, "size");
    }
    for (const name of ["l0", "l7", "l9"]) ok(await u.lstat(name));
    fails("ENAMETOOLONG", await u.symlink("x".repeat(4096), "too-long"));
    fails("ENAMETOOLONG", await u.stat("l10"));
  },
  "symlink: mode and owner": async ({ root: u, as }) => {
    ok(await u.umask(0o777));
    ok(await u.symlink("t", "l"));
    ok(await u.lstat("l"));
    const user = await as(1000, 1001);
    ok(await user.symlink("t", "m"));
    ok(await u.lstat("m"));
  },
  "readlink: buffers shorter than the target": async ({ root: u }) => {
    ok(await u.symlink("0123456789", "l"));
    same(ok(await u.readlink("l", 4)), "0123", "first part");
    same(ok(await u.readlink("l", 10)), "0123456789", "exactly");
    fails("EINVAL", await u.readlink("l", 0));
  },
  "readlink: of what is no link": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.mkdir("d"));
    fails("EINVAL", await u.readlink("f"));
    fails("EINVAL", await u.readlink("d"));
    fails("EINVAL", await u.readlink("."));
  },
  "O_CREAT through a dangling link makes the target": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.symlink("d/f", "l"));
    ok(await u.open("l", O.CREAT | O.RDWR));
    ok(await u.stat("d/f"));
    ok(await u.symlink("d/g", "m"));
    fails("EEXIST", await u.open("m", O.CREAT | O.EXCL | O.RDWR));
    fails("EEXIST", await u.mknod("m", 0o100600));
    fails("ENOENT", await u.stat("d/g"));
    ok(await u.symlink("none/h", "n"));
    fails("ENOENT", await u.open("n", O.CREAT | O.RDWR));
  },
  "unlink and rename of a link leave its target alone": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.symlink("f", "l"));
    ok(await u.rename("l", "m"));
    ok(await u.lstat("f"));
    ok(await u.creat("g"));
    ok(await u.rename("g", "m"));
    ok(await u.lstat("m"));
    ok(await u.lstat("f"));
  },
  "a file lives on without a name": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "before"));
    ok(await u.unlink("f"));
    fails("ENOENT", await u.stat("f"));
    same(ok(await u.fstat(file)).nlink, 0, "nlink");
    ok(await u.write(file, " and after"));
    same(ok(await u.pread(file, 100, 0)).text, "before and after", "content");
    ok(await u.ftruncate(file, 3));
    ok(await u.fchmod(file, 0o600));
    ok(await u.fchown(file, 3, 4));
    ok(await u.futimens(file, 5n, 6n));
    ok(await u.fallocate(file, 0, 0, 10_000));
    ok(await u.fsync(file));
    ok(await u.fstat(file));
    const again = ok(await u.dup(file));
    ok(await u.close(file));
    same(ok(await u.pread(again, 3, 0)).text, "bef", "content");
  },
  "a new file of the same name is another file": async ({ root: u }) => {
    const old = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(old, "old"));
    ok(await u.unlink("f"));
    const fresh = ok(await u.open("f", O.CREAT | O.EXCL | O.RDWR));
    ok(await u.write(fresh, "fresh"));
    same(ok(await u.pread(old, 100, 0)).text, "old", "old");
    same(ok(await u.pread(fresh, 100, 0)).text, "fresh", "fresh");
    same(ok(await u.fstat(old)).ino === ok(await u.fstat(fresh)).ino, false, "same inode number");
  },
  "an unlinked file gives its space back at the last close": async ({ root: u, note }) => {
    const start = ok(await u.statfs(".")).bfree;
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, { fill: 1, length: 1 << 20 }));
    ok(await u.unlink("f"));
    note("kept while open", start - ok(await u.statfs(".")).bfree >= 256);
    ok(await u.close(file));
    ok(await u.mkdir("d"));
    ok(await u.rmdir("d"));
    note("given back", start - ok(await u.statfs(".")).bfree);
  },
  "unlinked in one process, open in another": async ({ root: u, second }) => {
    const other = await second();
    const file = ok(await other.open("f", O.CREAT | O.RDWR));
    ok(await other.write(file, "mine"));
    ok(await u.unlink("f"));
    ok(await u.creat("f"));
    same(ok(await other.pread(file, 10, 0)).text, "mine", "content");
    same(ok(await other.fstat(file)).nlink, 0, "nlink");
  },
  "O_TMPFILE: no name until linked": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    const file = ok(await u.open("d", O.TMPFILE | O.RDWR, 0o640));
    ok(await u.fstat(file));
    ok(await u.list("d"));
    ok(await u.write(file, "from nowhere"));
    ok(await u.link("", "d/f", AT.EMPTY_PATH, file));
    same(ok(await u.stat("d/f")).nlink, 1, "nlink");
    same(ok(await u.fopenRead("d/f", 100)).text, "from nowhere", "content");
    ok(await u.unlink("d/f"));
    ok(await u.fstat(file));
  },
  "O_TMPFILE: by way of /proc": async ({ root: u }) => {
    const file = ok(await u.open(".", O.TMPFILE | O.WRONLY, 0o600));
    ok(await u.write(file, "x"));
    ok(await u.linkOpen(file, "f"));
    ok(await u.stat("f"));
  },
  "O_TMPFILE: with O_EXCL it never gets a name": async ({ root: u }) => {
    const file = ok(await u.open(".", O.TMPFILE | O.RDWR | O.EXCL, 0o600));
    fails("ENOENT", await u.linkOpen(file, "f"));
  },
  "O_TMPFILE: errors": async ({ root: u }) => {
    ok(await u.creat("f"));
    fails("EINVAL", await u.open(".", O.TMPFILE | O.RDONLY));
    fails("ENOTDIR", await u.open("f", O.TMPFILE | O.RDWR));
    fails("EINVAL", await u.open(".", O.TMPFILE | O.CREAT | O.RDWR));
  },
  "O_TMPFILE: gives its space back": async ({ root: u, note }) => {
    const start = ok(await u.statfs(".")).bfree;
    const file = ok(await u.open(".", O.TMPFILE | O.RDWR));
    ok(await u.write(file, { fill: 1, length: 1 << 20 }));
    ok(await u.close(file));
    ok(await u.mkdir("d"));
    ok(await u.rmdir("d"));
    note("given back", start - ok(await u.statfs(".")).bfree);
  },
});
