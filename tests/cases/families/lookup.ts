/** Cases about finding files: paths, slashes, dots, symbolic links on the way, long names. */
import { ACCESS, fails, NAME_MAX, O, ok, PATH_MAX, same } from "../../support/agent.ts";
import { family } from "../case.ts";

const bytes = (...values: number[]) => new Uint8Array(values);

export const lookupCases = family("lookup", {
  "a missing name is ENOENT": async ({ root: u }) => {
    fails("ENOENT", await u.lstat("missing"));
    fails("ENOENT", await u.open("missing", O.RDONLY));
    fails("ENOENT", await u.stat("missing/below"));
    fails("ENOENT", await u.unlink("missing"));
    fails("ENOENT", await u.rmdir("missing"));
    fails("ENOENT", await u.rename("missing", "other"));
    fails("ENOENT", await u.link("missing", "other"));
    fails("ENOENT", await u.readlink("missing"));
    fails("ENOENT", await u.truncate("missing", 1));
    fails("ENOENT", await u.chmod("missing", 0o600));
    fails("ENOENT", await u.chown("missing", 1, 1));
    fails("ENOENT", await u.touch("missing"));
    fails("ENOENT", await u.access("missing", ACCESS.F_OK));
    fails("ENOENT", await u.statfs("missing"));
    fails("ENOENT", await u.opendir("missing"));
    fails("ENOENT", await u.chdir("missing"));
  },
  "a missing parent is ENOENT": async ({ root: u }) => {
    fails("ENOENT", await u.mkdir("no/d"));
    fails("ENOENT", await u.open("no/f", O.CREAT | O.RDWR));
    fails("ENOENT", await u.symlink("x", "no/l"));
    fails("ENOENT", await u.mkfifo("no/p"));
    ok(await u.creat("f"));
    fails("ENOENT", await u.rename("f", "no/f"));
    fails("ENOENT", await u.link("f", "no/f"));
    fails("ENOENT", await u.open("no", O.TMPFILE | O.RDWR));
  },
  "a name that was just missing is found once it exists": async ({ root: u }) => {
    const other = async (name: string) => {
      fails("ENOENT", await u.stat(name));
      fails("ENOENT", await u.stat(name));
    };
    await other("a");
    ok(await u.mkdir("a"));
    ok(await u.stat("a"));
    ok(await u.rmdir("a"));
    await other("a");
    ok(await u.creat("f"));
    ok(await u.rename("f", "a"));
    ok(await u.stat("a"));
    await other("f");
    ok(await u.link("a", "f"));
    ok(await u.stat("f"));
  },
  "a file in the middle of a path is ENOTDIR": async ({ root: u }) => {
    ok(await u.creat("f"));
    fails("ENOTDIR", await u.stat("f/x"));
    fails("ENOTDIR", await u.open("f/x", O.CREAT | O.RDWR));
    fails("ENOTDIR", await u.mkdir("f/x"));
    fails("ENOTDIR", await u.unlink("f/x"));
    fails("ENOTDIR", await u.rmdir("f/x"));
    fails("ENOTDIR", await u.rename("f/x", "y"));
    fails("ENOTDIR", await u.rename("f", "f/x"));
    fails("ENOTDIR", await u.symlink("t", "f/x"));
    fails("ENOTDIR", await u.readlink("f/x"));
    fails("ENOTDIR", await u.chdir("f"));
    fails("ENOTDIR", await u.opendir("f"));
    fails("ENOTDIR", await u.rmdir("f"));
    fails("ENOTDIR", await u.stat("f/."));
    fails("ENOTDIR", await u.stat("f/.."));
    fails("ENOTDIR", await u.open("f", O.DIRECTORY));
  },
  "a trailing slash demands a directory": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.mkdir("d"));
    ok(await u.stat("d/"));
    ok(await u.stat("d///"));
    ok(await u.lstat("d/"));
    fails("ENOTDIR", await u.stat("f/"));
    fails("ENOTDIR", await u.lstat("f/"));
    fails("ENOTDIR", await u.open("f/", O.RDONLY));
    fails("ENOTDIR", await u.truncate("f/", 0));
    fails("ENOTDIR", await u.unlink("f/"));
    fails("ENOTDIR", await u.rename("f/", "g"));
    fails("ENOTDIR", await u.rename("f", "g/"));
    fails("ENOTDIR", await u.link("f/", "g"));
    fails("ENOENT", await u.link("f", "g/"));
    fails("ENOTDIR", await u.chmod("f/", 0o600));
    fails("ENOTDIR", await u.access("f/", ACCESS.F_OK));
  },
  "creating with a trailing slash": async ({ root: u }) => {
    fails("EISDIR", await u.open("new/", O.CREAT | O.RDWR));
    fails("ENOENT", await u.stat("new"));
    ok(await u.mkdir("new/"));
    ok(await u.stat("new"));
    ok(await u.mkdir("newer///"));
    ok(await u.rename("new/", "other/"));
    ok(await u.stat("other"));
    fails("ENOENT", await u.symlink("x", "link/"));
    fails("ENOENT", await u.mkfifo("fifo/"));
    ok(await u.rmdir("other/"));
  },
  "a trailing slash follows a link to a directory": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.symlink("d", "l"));
    same(ok(await u.lstat("l/")).mode, ok(await u.stat("d")).mode, "mode of l/");
    fails("ENOTDIR", await u.rmdir("l"));
    fails("ENOTDIR", await u.rmdir("l/"));
    fails("ENOTDIR", await u.unlink("l/"));
    fails("ENOTDIR", await u.rename("l/", "m"));
    fails("EINVAL", await u.readlink("l/"));
    ok(await u.creat("l/x"));
    ok(await u.stat("d/x"));
    ok(await u.unlink("l"));
    ok(await u.stat("d/x"));
  },
  "mkdir through a dangling link with a slash": async ({ root: u }) => {
    ok(await u.symlink("gone", "l"));
    fails("EEXIST", await u.mkdir("l"));
    fails("EEXIST", await u.mkdir("l/"));
    fails("ENOENT", await u.stat("gone"));
  },
  "an empty path is ENOENT": async ({ root: u }) => {
    fails("ENOENT", await u.stat(""));
    fails("ENOENT", await u.open("", O.RDONLY));
    fails("ENOENT", await u.open("", O.CREAT | O.RDWR));
    fails("ENOENT", await u.mkdir(""));
    fails("ENOENT", await u.unlink(""));
    fails("ENOENT", await u.rename("", "x"));
    fails("ENOENT", await u.chdir(""));
    fails("ENOENT", await u.readlink(""));
    fails("ENOENT", await u.symlink("", "l"));
    fails("ENOENT", await u.symlink("t", ""));
    fails("ENOENT", await u.chmod("", 0o600));
    ok(await u.creat("x"));
    fails("ENOENT", await u.rename("x", ""));
    fails("ENOENT", await u.link("x", ""));
  },
  "dots": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.mkdir("d/e"));
    const here = ok(await u.stat("."));
    same(ok(await u.stat("d/..")).ino, here.ino, "d/..");
    same(ok(await u.stat("d/e/../..")).ino, here.ino, "d/e/../..");
    same(ok(await u.stat("./d/./e/../.")).ino, ok(await u.stat("d")).ino, "./d/./e/../.");
    fails("EEXIST", await u.mkdir("."));
    fails("EEXIST", await u.mkdir(".."));
    fails("EEXIST", await u.mkdir("d/."));
    fails("EINVAL", await u.rmdir("d/e/."));
    fails("ENOTEMPTY", await u.rmdir("d/e/.."));
    fails("EISDIR", await u.unlink("d/."));
    fails("EISDIR", await u.unlink("d/.."));
    fails("EBUSY", await u.rename("d/.", "x"));
    fails("EBUSY", await u.rename("d/..", "x"));
    fails("EBUSY", await u.rename("d", "d/e/."));
    fails("EEXIST", await u.link("d", "."));
    fails("EEXIST", await u.symlink("t", ".."));
  },
  "dot-dot after a link is the parent of its target": async ({ root: u }) => {
    ok(await u.mkdir("a"));
    ok(await u.mkdir("a/b"));
    ok(await u.creat("a/mark"));
    ok(await u.symlink("a/b", "l"));
    ok(await u.stat("l/../mark"));
    fails("ENOENT", await u.stat("l/../a"));
  },
  "a name of 255 bytes": async ({ root: u }) => {
    const name = "n".repeat(NAME_MAX);
    ok(await u.mkdir(name));
    ok(await u.stat(name));
    ok(await u.creat(`${name}/${name}`));
    ok(await u.rename(`${name}/${name}`, `${name}/x`));
    ok(await u.symlink("t", `${name}/${name}`));
    ok(await u.list(name));
    ok(await u.link(`${name}/x`, "y".repeat(NAME_MAX)));
    ok(await u.unlink(`${name}/${name}`));
    ok(await u.unlink(`${name}/x`));
    ok(await u.rmdir(name));
  },
  "a name of 256 bytes is ENAMETOOLONG": async ({ root: u }) => {
    const name = "n".repeat(NAME_MAX + 1);
    fails("ENAMETOOLONG", await u.stat(name));
    fails("ENAMETOOLONG", await u.mkdir(name));
    fails("ENAMETOOLONG", await u.open(name, O.RDONLY));
    fails("ENAMETOOLONG", await u.open(name, O.CREAT | O.RDWR));
    fails("ENAMETOOLONG", await u.unlink(name));
    fails("ENAMETOOLONG", await u.rmdir(name));
    fails("ENAMETOOLONG", await u.symlink("t", name));
    fails("ENAMETOOLONG", await u.mkfifo(name));
    fails("ENAMETOOLONG", await u.rename(name, "x"));
    fails("ENAMETOOLONG", await u.readlink(name));
    fails("ENAMETOOLONG", await u.stat(`${name}/x`));
    fails("ENAMETOOLONG", await u.truncate(name, 0));
    ok(await u.creat("f"));
    fails("ENAMETOOLONG", await u.rename("f", name));
    fails("ENAMETOOLONG", await u.link("f", name));
    ok(await u.stat("f"));
  },
  "255 bytes are bytes, not characters": async ({ root: u }) => {
    ok(await u.mkdir("é".repeat(127)));
    fails("ENAMETOOLONG", await u.mkdir("é".repeat(128)));
    ok(await u.list("."));
  },
  "a path of PATH_MAX": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.creat("d/f"));
    const path = (length: number) =>
      "./".repeat((length - 3) >> 1) + "d/f".padStart(3 + (length - 3) % 2, "/");
    same(path(PATH_MAX - 1).length, PATH_MAX - 1, "length");
    ok(await u.stat(path(PATH_MAX - 1)));
    fails("ENAMETOOLONG", await u.stat(path(PATH_MAX)));
    fails("ENAMETOOLONG", await u.open(path(PATH_MAX), O.RDONLY));
    fails("ENAMETOOLONG", await u.unlink(path(PATH_MAX)));
    fails("ENAMETOOLONG", await u.rename(path(PATH_MAX), "d/g"));
    fails("ENAMETOOLONG", await u.chdir(path(PATH_MAX)));
  },
  "a tree deeper than PATH_MAX, one step at a time": async ({ root: u, note }) => {
    const name = "d".repeat(200);
    for (let depth = 0; depth < 25; depth++) {
      ok(await u.mkdir(name));
      ok(await u.chdir(name));
    }
    note("getcwd", (await u.getcwd(8192)).error === "" ? "a long path" : (await u.getcwd()).error);
    ok(await u.creat("f"));
    ok(await u.stat("f"));
    ok(await u.unlink("f"));
    for (let depth = 0; depth < 25; depth++) {
      ok(await u.chdir(".."));
      ok(await u.rmdir(name));
    }
    ok(await u.list("."));
  },
  "a link to itself is ELOOP": async ({ root: u }) => {
    ok(await u.symlink("l", "l"));
    fails("ELOOP", await u.stat("l"));
    fails("ELOOP", await u.open("l", O.RDONLY));
    fails("ELOOP", await u.open("l", O.CREAT | O.RDWR));
    fails("ELOOP", await u.chdir("l"));
    fails("ELOOP", await u.stat("l/x"));
    fails("ELOOP", await u.mkdir("l/x"));
    fails("ELOOP", await u.truncate("l", 0));
    fails("ELOOP", await u.chmod("l", 0o600));
    fails("ELOOP", await u.rename("l/x", "y"));
    ok(await u.lstat("l"));
    ok(await u.readlink("l"));
    ok(await u.unlink("l"));
  },
  "two links to each other are ELOOP": async ({ root: u }) => {
    ok(await u.symlink("b", "a"));
    ok(await u.symlink("a", "b"));
    fails("ELOOP", await u.stat("a"));
    fails("ELOOP", await u.stat("b/c"));
    ok(await u.rename("a", "c"));
    fails("ENOENT", await u.stat("b"));
  },
  "forty links are followed, forty-one are ELOOP": async ({ root: u }) => {
    ok(await u.creat("l0"));
    for (let n = 1; n <= 41; n++) ok(await u.symlink(`l${n - 1}`, `l${n}`));
    ok(await u.stat("l40"));
    fails("ELOOP", await u.stat("l41"));
    fails("ELOOP", await u.open("l41", O.RDONLY));
    ok(await u.open("l40", O.RDONLY));
  },
  "forty links in one path": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.symlink(".", "d/l"));
    ok(await u.stat("d" + "/l".repeat(40)));
    fails("ELOOP", await u.stat("d" + "/l".repeat(41)));
    ok(await u.lstat("d" + "/l".repeat(41)));
  },
  "absolute, relative and climbing targets": async ({ root: u, quietly }) => {
    ok(await u.mkdir("d"));
    ok(await u.creat("d/f"));
    const here = await quietly(async () => ok(await u.getcwd()));
    await quietly(async () => ok(await u.symlink(`${here}/d/f`, "absolute")));
    ok(await u.symlink("d/f", "relative"));
    ok(await u.symlink("../d/f", "d/climbing"));
    const ino = ok(await u.stat("d/f")).ino;
    for (const name of ["absolute", "relative", "d/climbing"]) {
      same(ok(await u.stat(name)).ino, ino, name);
    }
    ok(await u.rename("d", "e"));
    fails("ENOENT", await u.stat("relative"));
    fails("ENOENT", await u.stat("e/climbing"));
  },
  "names of any bytes": async ({ root: u }) => {
    const names = [
      "with space",
      "tab\t",
      "line\nbreak",
      "back\\slash",
      "quote'\"",
      "*?[]",
      "é",
      "日本語",
      "😀",
      "-rf",
      "~",
      "...",
      ". ",
      "..x",
      " ",
      "A",
      "a",
      bytes(0xff, 0xfe),
      bytes(0xc3),
      bytes(1, 2, 3),
      bytes(0x7f),
    ];
    for (const name of names) {
      ok(await u.open(name, O.CREAT | O.EXCL | O.RDWR));
      ok(await u.stat(name));
    }
    ok(await u.list("."));
    for (const name of names) ok(await u.unlink(name));
    ok(await u.list("."));
  },
  "names differ by case and by normal form": async ({ root: u }) => {
    for (const name of ["name", "NAME", "Name", "\u00e9", "e\u0301"]) ok(await u.mkdir(name));
    ok(await u.list("."));
    fails("ENOENT", await u.stat("nAME"));
  },
  "invalid flags of the *at functions": async ({ root: u }) => {
    ok(await u.creat("f"));
    fails("EINVAL", await u.statAt("f", 0x10000000));
    fails("EINVAL", await u.link("f", "g", 0x10000000));
    fails("EINVAL", await u.utimens("f", 1n, 1n, 0x10000000));
    fails("EINVAL", await u.access("f", 0, 0x10000000));
    fails("EINVAL", await u.chown("f", 1, 1, 0x10000000));
    fails("EINVAL", await u.access("f", 64));
  },
});
