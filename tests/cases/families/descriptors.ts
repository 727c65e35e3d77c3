/** Cases about paths that start from open directories, O_PATH, and the current directory. */
import { ACCESS, AT, CWD, fails, O, ok, same } from "../../support/agent.ts";
import { family } from "../case.ts";

export const descriptorCases = family("descriptors", {
  "paths relative to an open directory": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    const dir = ok(await u.open("d", O.RDONLY | O.DIRECTORY));
    ok(await u.open("f", O.CREAT | O.RDWR, 0o600, dir));
    ok(await u.mkdir("e", 0o700, dir));
    ok(await u.symlink("f", "l", dir));
    ok(await u.stat("d/f"));
    same(ok(await u.readlink("l", 100, dir)), "f", "target");
    ok(await u.rename("f", "g", 0, dir, CWD));
    ok(await u.rename("g", "h", 0, CWD, dir));
    ok(await u.rename("d", "moved"));
    ok(await u.stat("h", dir));
    ok(await u.unlink("h", dir));
    ok(await u.rmdir("e", dir));
    ok(await u.list("moved"));
  },
  "a file or nothing as the starting directory": async ({ root: u }) => {
    const file = ok(await u.creat("f"));
    fails("ENOTDIR", await u.stat("x", file));
    fails("ENOTDIR", await u.open("x", O.CREAT | O.RDWR, 0o600, file));
    fails("ENOTDIR", await u.mkdir("x", 0o700, file));
    fails("ENOTDIR", await u.fchdir(file));
    ok(await u.close(file));
    fails("EBADF", await u.stat("x", file));
    fails("EBADF", await u.fstat(file));
    fails("EBADF", await u.fchdir(file));
  },
  "AT_EMPTY_PATH means the descriptor": async ({ root: u }) => {
    const file = ok(await u.creat("f"));
    same(ok(await u.statAt("", AT.EMPTY_PATH, file)).ino, ok(await u.stat("f")).ino, "inode");
    ok(await u.statx("", AT.EMPTY_PATH, 0x7ff, file));
    ok(await u.chown("", 5, 6, AT.EMPTY_PATH, file));
    ok(await u.stat("f"));
    ok(await u.statAt("", AT.EMPTY_PATH));
    fails("ENOENT", await u.stat("", file));
  },
  "a removed current directory": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.chdir("d"));
    ok(await u.rmdir("../d"));
    fails("ENOENT", await u.getcwd());
    ok(await u.stat("."));
    fails("ENOENT", await u.stat("x"));
    fails("ENOENT", await u.open("x", O.CREAT | O.RDWR));
    fails("ENOENT", await u.mkdir("x"));
    fails("ENOENT", await u.symlink("t", "x"));
    await u.open(".", O.TMPFILE | O.RDWR);
    ok(await u.list("."));
    ok(await u.chdir(".."));
    ok(await u.list("."));
  },
  "getcwd after the directory was renamed": async ({ root: u, note, quietly }) => {
    ok(await u.mkdir("a"));
    ok(await u.mkdir("a/b"));
    ok(await u.chdir("a/b"));
    ok(await u.rename("../../a", "../../c"));
    const path = await quietly(async () => ok(await u.getcwd()));
    same(path.split("/").slice(-2).join("/"), "c/b", "end of the path");
    fails("ERANGE", await u.getcwd(3));
    note("end", path.slice(-4));
  },
  "realpath": async ({ root: u, note, quietly }) => {
    ok(await u.mkdir("d"));
    ok(await u.creat("d/f"));
    ok(await u.symlink("d", "l"));
    const found = await quietly(async () => ok(await u.realpath("l/../l/./f")));
    note("end", found.split("/").slice(-2).join("/"));
    fails("ENOENT", await u.realpath("l/none"));
    fails("ENOTDIR", await u.realpath("l/f/x"));
  },
  "O_PATH gives a place, not a file": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.creat("d/f"));
    const file = ok(await u.open("d/f", O.PATH));
    ok(await u.fstat(file));
    fails("EBADF", await u.read(file, 1));
    fails("EBADF", await u.write(file, "x"));
    fails("EBADF", await u.fchmod(file, 0o600));
    fails("EBADF", await u.fchown(file, 1, 1));
    fails("EBADF", await u.ftruncate(file, 0));
    fails("EBADF", await u.fsync(file));
    fails("EBADF", await u.lseek(file, 0));
    fails("EBADF", await u.fgetxattr(file, "user.a"));
    fails("EBADF", await u.getdents(ok(await u.open("d", O.PATH)), 4096));
    const dir = ok(await u.open("d", O.PATH | O.DIRECTORY));
    ok(await u.stat("f", dir));
    ok(await u.mkdir("e", 0o755, dir));
    ok(await u.fchdir(dir));
    ok(await u.stat("f"));
    ok(await u.link("", "../again", AT.EMPTY_PATH, file));
    ok(await u.stat("../again"));
    ok(await u.fstatfs(file));
  },
  "O_PATH and O_NOFOLLOW open the link itself": async ({ root: u }) => {
    ok(await u.symlink("nowhere", "l"));
    const link = ok(await u.open("l", O.PATH | O.NOFOLLOW));
    ok(await u.fstat(link));
    same(ok(await u.readlink("", 100, link)), "nowhere", "target");
    ok(await u.chown("", 7, 8, AT.EMPTY_PATH, link));
    ok(await u.lstat("l"));
    fails("ENOENT", await u.open("l", O.PATH));
  },
  "the lowest free descriptor is used": async ({ root: u }) => {
    const a = ok(await u.creat("a"));
    const b = ok(await u.creat("b"));
    ok(await u.creat("c"));
    ok(await u.close(b));
    ok(await u.creat("d"));
    ok(await u.close(a));
    ok(await u.open("c", O.RDONLY));
    fails("ENOENT", await u.open("none", O.RDONLY));
    ok(await u.open("d", O.RDONLY));
  },
  "the same with the functions without a directory and with their twins": async ({ root: u }) => {
    for (const variant of [1, 2]) {
      ok(await u.variant(variant));
      ok(await u.mkdir("d"));
      const file = ok(await u.open("d/f", O.CREAT | O.RDWR, 0o640));
      ok(await u.write(file, "hello"));
      ok(await u.pwrite(file, "world", 5));
      ok(await u.pread(file, 20, 0));
      ok(await u.lseek(file, -3, 2));
      ok(await u.read(file, 20));
      ok(await u.ftruncate(file, 7));
      ok(await u.truncate("d/f", 6));
      ok(await u.fstat(file));
      ok(await u.fcntl(file, 3));
      ok(await u.stat("d/f"));
      ok(await u.symlink("f", "d/l"));
      ok(await u.lstat("d/l"));
      ok(await u.stat("d/l"));
      ok(await u.readlink("d/l"));
      ok(await u.link("d/f", "d/g"));
      ok(await u.rename("d/g", "d/h"));
      ok(await u.access("d/h", ACCESS.R_OK));
      ok(await u.access("d/h", ACCESS.W_OK, AT.EACCESS));
      ok(await u.chmod("d/h", 0o600));
      ok(await u.chown("d/h", 3, 4));
      ok(await u.lchown("d/l", 3, 4));
      ok(await u.mkfifo("d/p"));
      ok(await u.open("d/f", O.RDONLY));
      fails("ENOENT", await u.open("d/none", O.RDONLY));
      ok(await u.open("f", O.RDONLY, 0, ok(await u.open("d", O.RDONLY | O.DIRECTORY))));
      ok(await u.creat("d/c", 0o604));
      ok(await u.list("d"));
      ok(await u.statfs("d"));
      for (const name of ["f", "l", "h", "p", "c"]) ok(await u.unlink(`d/${name}`));
      ok(await u.rmdir("d"));
    }
  },
});
