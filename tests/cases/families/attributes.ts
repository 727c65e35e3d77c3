/** Cases about attributes: modes, owners, times, access, what the kernel derives from them. */
import { ACCESS, AT, fails, NOW, O, ok, S, same, STATX, UTIME_OMIT } from "../../support/agent.ts";
import { family, FUTURE_NS, OLD_NS } from "../case.ts";

const OMIT = { special: UTIME_OMIT };

export const attributeCases = family("attributes", {
  "stat of every kind of file": async ({ root: u }) => {
    ok(await u.creat("f", 0o640));
    ok(await u.mkdir("d", 0o750));
    ok(await u.symlink("target", "l"));
    ok(await u.mkfifo("p", 0o600));
    ok(await u.mknod("s", S.IFSOCK | 0o600));
    ok(await u.mknod("c", S.IFCHR | 0o600, 1, 3));
    ok(await u.mknod("b", S.IFBLK | 0o600, 7, 300));
    for (const name of "fdlpscb") ok(await u.lstat(name));
    for (const name of "fdlpscb") ok(await u.statx(name, AT.SYMLINK_NOFOLLOW));
    ok(await u.list("."));
  },
  "a new file's times are one moment, now": async ({ root: u, note }) => {
    ok(await u.creat("f"));
    ok(await u.mkdir("d"));
    ok(await u.symlink("t", "l"));
    for (const name of "fdl") {
      const st = ok(await u.lstat(name));
      same([st.atimeNs === st.mtimeNs, st.mtimeNs === st.ctimeNs], [true, true], name);
      const age = Date.now() - Number(st.ctimeNs / 1_000_000n);
      note(`${name} is of now`, age > -1000 && age < 10_000);
    }
  },
  "inode numbers: same for links, different for files, kept by rename": async ({ root: u }) => {
    ok(await u.creat("a"));
    ok(await u.creat("b"));
    ok(await u.link("a", "c"));
    const ino = async (name: string) => ok(await u.lstat(name)).ino;
    const a = await ino("a");
    same(await ino("c"), a, "link");
    same(a === await ino("b"), false, "another file");
    ok(await u.rename("a", "d"));
    same(await ino("d"), a, "renamed");
    same(ok(await u.lstat("d")).dev, ok(await u.lstat("b")).dev, "device");
  },
  "statx: mask, attributes, birth time": async ({ root: u, note }) => {
    ok(await u.creat("f"));
    const stx = ok(await u.statx("f", 0, STATX.BASIC_STATS | STATX.BTIME));
    note("birth time given", (stx.mask & STATX.BTIME) !== 0);
    const again = ok(await u.statx("f", 0x4000, STATX.BASIC_STATS)); // AT_STATX_DONT_SYNC
    same(again.ino, stx.ino, "inode");
    ok(await u.statx("f", 0x2000, STATX.BASIC_STATS)); // AT_STATX_FORCE_SYNC
    fails("EINVAL", await u.statx("f", 0x6000));
    fails("EINVAL", await u.statx("f", 0, 0x80000000));
  },
  "chmod: all bits, on every kind of file": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.mkdir("d"));
    ok(await u.mkfifo("p"));
    for (const name of "fdp") {
      for (const mode of [0, 0o777, 0o4755, 0o2755, 0o1777, 0o7777, 0o644]) {
        ok(await u.chmod(name, mode));
        same(ok(await u.stat(name)).mode & 0o7777, mode, name);
      }
    }
  },
  "chmod: bits above the permissions are left out": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.chmod("f", 0o120640));
    ok(await u.stat("f"));
  },
  "chmod: through a link, and of a link": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.symlink("f", "l"));
    ok(await u.chmod("l", 0o600));
    ok(await u.stat("f"));
    ok(await u.lstat("l"));
    await u.chmod("l", 0o640, AT.SYMLINK_NOFOLLOW);
    ok(await u.lstat("l"));
  },
  "chmod changes ctime only": async ({ root: u, changes }) => {
    ok(await u.creat("f"));
    same(await changes(["f"], async () => ok(await u.chmod("f", 0o600))), ["ctime"], "chmod");
    same(
      await changes(["f"], async () => ok(await u.chmod("f", 0o600))),
      ["ctime"],
      "to the same mode",
    );
    const file = ok(await u.open("f", O.RDONLY));
    same(await changes(["f"], async () => ok(await u.fchmod(file, 0o644))), ["ctime"], "fchmod");
  },
  "chown changes ctime only": async ({ root: u, changes }) => {
    ok(await u.creat("f"));
    ok(await u.symlink("f", "l"));
    same(await changes(["f"], async () => ok(await u.chown("f", 1, 2))), ["ctime"], "chown");
    same(
      await changes(["f"], async () => ok(await u.chown("f", 1, 2))),
      ["ctime"],
      "to the same owner",
    );
    await changes(["f"], async () => ok(await u.chown("f", -1, -1)));
    same(
      await changes(["f", "l"], async () => ok(await u.lchown("l", 3, 4))),
      ["", "ctime"],
      "lchown",
    );
    ok(await u.stat("f"));
    ok(await u.lstat("l"));
  },
  "chown: -1 leaves an id as it is": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.chown("f", 10, 20));
    ok(await u.chown("f", -1, 30));
    same([ok(await u.stat("f")).uid, ok(await u.stat("f")).gid], [10, 30], "owner");
    ok(await u.chown("f", 40, -1));
    same([ok(await u.stat("f")).uid, ok(await u.stat("f")).gid], [40, 30], "owner");
    ok(await u.chown("f", 0xfffffffe, 0xfffffffe));
    ok(await u.stat("f"));
  },
  "utimensat: nanoseconds, negative and far times": async ({ root: u }) => {
    ok(await u.creat("f"));
    const times = [
      [OLD_NS, FUTURE_NS],
      [0n, 0n],
      [1n, 999_999_999n],
      [-1n, -1_000_000_001n],
      [2n ** 32n * 1_000_000_000n + 5n, 7n],
      [4_294_967_295_000_000_000n, 4_294_967_296_000_000_000n],
    ] as const;
    for (const [atime, mtime] of times) {
      ok(await u.utimens("f", atime, mtime));
      const st = ok(await u.stat("f"));
      same([st.atimeNs, st.mtimeNs], [atime, mtime], "times");
    }
  },
  "utimensat: NOW and OMIT": async ({ root: u, changes }) => {
    ok(await u.creat("f"));
    same(
      await changes(["f"], async () => ok(await u.utimens("f", NOW, OMIT))),
      ["atime ctime"],
      "atime now",
    );
    same(
      await changes(["f"], async () => ok(await u.utimens("f", OMIT, NOW))),
      ["mtime ctime"],
      "mtime now",
    );
    same(await changes(["f"], async () => ok(await u.utimens("f", NOW, NOW))), [
      "atime mtime ctime",
    ], "both now");
    same(
      await changes(["f"], async () => ok(await u.utimens("f", OMIT, OMIT))),
      [""],
      "both left out",
    );
    same(
      await changes(["f"], async () => ok(await u.touch("f"))),
      ["atime mtime ctime"],
      "no times",
    );
    same(
      await changes(["f"], async () => ok(await u.utimens("f", OMIT, FUTURE_NS))),
      ["mtime (not to now) ctime"],
      "mtime set",
    );
  },
  "utimensat: invalid nanoseconds": async ({ root: u }) => {
    ok(await u.creat("f"));
    fails("EINVAL", await u.utimens("f", { special: 1_000_000_000 }, NOW));
    fails("EINVAL", await u.utimens("f", NOW, { special: -1 }));
  },
  "utimensat: of a link itself": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.symlink("f", "l"));
    ok(await u.utimens("l", OLD_NS, FUTURE_NS, AT.SYMLINK_NOFOLLOW));
    same(ok(await u.lstat("l")).mtimeNs, FUTURE_NS, "link");
    same(ok(await u.stat("f")).mtimeNs === FUTURE_NS, false, "file");
    ok(await u.utimens("l", OLD_NS, OLD_NS));
    same(ok(await u.lstat("l")).mtimeNs, FUTURE_NS, "link");
    same(ok(await u.stat("f")).mtimeNs, OLD_NS, "file");
  },
  "futimens: of a descriptor opened for reading, and of a directory": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.mkdir("d"));
    for (const name of "fd") {
      const file = ok(await u.open(name, O.RDONLY));
      ok(await u.futimens(file, OLD_NS, FUTURE_NS));
      same(ok(await u.stat(name)).mtimeNs, FUTURE_NS, name);
    }
  },
  "times that were set stay, whatever is only looked at": async ({ root: u, changes }) => {
    ok(await u.creat("f"));
    ok(await u.mkdir("d"));
    const looks = async () => {
      ok(await u.stat("f"));
      ok(await u.lstat("d"));
      ok(await u.access("f", ACCESS.R_OK));
      ok(await u.statfs("d"));
      const file = ok(await u.open("f", O.RDWR));
      ok(await u.lseek(file, 10, 0));
      ok(await u.fsync(file));
      ok(await u.close(file));
      ok(await u.close(ok(await u.open("d", O.RDONLY | O.DIRECTORY))));
    };
    same(await changes(["f", "d"], looks), ["", ""], "times");
  },
  "write changes mtime and ctime": async ({ root: u, changes }) => {
    const file = ok(await u.creat("f"));
    same(await changes(["f"], async () => ok(await u.write(file, "x"))), ["mtime ctime"], "write");
    same(
      await changes(["f"], async () => ok(await u.pwrite(file, "y", 0))),
      ["mtime ctime"],
      "pwrite",
    );
    same(await changes(["f"], async () => ok(await u.write(file, ""))), [""], "write of nothing");
  },
  "truncate changes mtime and ctime, also to the same size": async ({ root: u, changes }) => {
    const file = ok(await u.creat("f"));
    ok(await u.write(file, "hello"));
    same(
      await changes(["f"], async () => ok(await u.ftruncate(file, 3))),
      ["mtime ctime"],
      "shorter",
    );
    same(
      await changes(["f"], async () => ok(await u.ftruncate(file, 9))),
      ["mtime ctime"],
      "longer",
    );
    same(
      await changes(["f"], async () => ok(await u.ftruncate(file, 9))),
      ["mtime ctime"],
      "ftruncate, same",
    );
    await changes(["f"], async () => ok(await u.truncate("f", 9)));
  },
  "O_TRUNC changes mtime and ctime": async ({ root: u, changes }) => {
    ok(await u.fopenWrite("f", "w", "hello"));
    same(await changes(["f"], async () => ok(await u.open("f", O.WRONLY | O.TRUNC)).slot), [
      "mtime ctime",
    ], "full");
    await changes(["f"], async () => ok(await u.open("f", O.WRONLY | O.TRUNC)).slot);
  },
  "fallocate's times": async ({ root: u, changes }) => {
    const file = ok(await u.creat("f"));
    await changes(["f"], async () => ok(await u.fallocate(file, 0, 0, 10_000)));
    await changes(["f"], async () => ok(await u.fallocate(file, 1, 0, 20_000)));
    await changes(["f"], async () => ok(await u.fallocate(file, 3, 0, 4096)));
  },
  "reading with relatime: an old atime moves": async ({ root: u, changes }) => {
    ok(await u.fopenWrite("f", "w", "hello"));
    const file = ok(await u.open("f", O.RDONLY));
    same(await changes(["f"], async () => ok(await u.pread(file, 5, 0)).length), ["atime"], "read");
  },
  "reading with relatime: an atime after all changes stays": async ({ root: u, changes }) => {
    ok(await u.fopenWrite("f", "w", "hello"));
    const file = ok(await u.open("f", O.RDONLY));
    const read = async () => ok(await u.pread(file, 5, 0)).length;
    same(await changes(["f"], read, { atimeNs: FUTURE_NS }), [""], "read");
  },
  "reading with relatime: once after each write": async ({ root: u, changes }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "hello"));
    ok(await u.tick());
    const read = async () => ok(await u.pread(file, 5, 0)).length;
    same(await changes(["f"], read, { untouched: true }), ["atime"], "first read");
    same(await changes(["f"], read, { untouched: true }), [""], "second read");
    ok(await u.pwrite(file, "world", 0));
    ok(await u.tick());
    await changes(["f"], read, { untouched: true });
  },
  "reading nothing": async ({ root: u, changes }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    await changes(["f"], async () => ok(await u.read(file, 10)).length);
    ok(await u.write(file, "hello"));
    await changes(["f"], async () => ok(await u.pread(file, 0, 0)).length);
    await changes(["f"], async () => ok(await u.pread(file, 10, 100)).length);
  },
  "O_NOATIME": async ({ root: u, changes, as }) => {
    ok(await u.fopenWrite("f", "w", "hello"));
    const file = ok(await u.open("f", O.RDONLY | O.NOATIME));
    same(await changes(["f"], async () => ok(await u.read(file, 5)).length), [""], "read");
    ok(await u.chmod("f", 0o666));
    fails("EPERM", await (await as(1000)).open("f", O.RDONLY | O.NOATIME));
  },
  "listing a directory moves its atime": async ({ root: u, changes }) => {
    ok(await u.mkdir("d"));
    ok(await u.creat("d/f"));
    same(await changes(["d"], async () => ok(await u.list("d")).length), ["atime"], "list");
    same(await changes(["d"], async () => ok(await u.list("d")).length, { atimeNs: FUTURE_NS }), [
      "",
    ], "atime ahead");
    same(await changes(["d"], async () => ok(await u.stat("d/f")).size), [""], "look-up");
  },
  "reading a link moves its atime": async ({ root: u, changes }) => {
    ok(await u.symlink("t", "l"));
    same(await changes(["l"], async () => ok(await u.readlink("l"))), ["atime"], "readlink");
    same(
      await changes(["l"], async () => ok(await u.readlink("l")), { atimeNs: FUTURE_NS }),
      [""],
      "atime ahead",
    );
  },
  "access with the rights of root": async ({ root: u }) => {
    ok(await u.creat("f", 0));
    ok(await u.mkdir("d", 0));
    ok(await u.access("f", ACCESS.F_OK));
    ok(await u.access("f", ACCESS.R_OK | ACCESS.W_OK));
    fails("EACCES", await u.access("f", ACCESS.X_OK));
    ok(await u.access("d", ACCESS.X_OK));
    ok(await u.chmod("f", 0o001));
    ok(await u.access("f", ACCESS.X_OK));
  },
  "access of links": async ({ root: u }) => {
    ok(await u.symlink("nowhere", "l"));
    fails("ENOENT", await u.access("l", ACCESS.F_OK));
    ok(await u.access("l", ACCESS.F_OK, AT.SYMLINK_NOFOLLOW));
  },
  "statfs figures": async ({ root: u, note }) => {
    ok(await u.mkdir("d"));
    const sfs = ok(await u.statfs("d"));
    same(sfs.namelen, 255, "longest name");
    note(
      "figures fit together",
      sfs.bfree <= sfs.blocks && sfs.bavail <= sfs.bfree && sfs.ffree <= sfs.files,
    );
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, { pattern: 1, length: 1 << 20 }));
    ok(await u.fsync(file));
    note("blocks taken", (sfs.bfree - ok(await u.fstatfs(file)).bfree) * sfs.bsize >= 1 << 20);
    note("inodes taken", sfs.ffree - ok(await u.statfs(".")).ffree);
    ok(await u.close(file));
    ok(await u.unlink("f"));
    note("blocks given back", sfs.bfree - ok(await u.statfs(".")).bfree);
    note("inodes given back", sfs.ffree - ok(await u.statfs(".")).ffree);
  },
  "statfs of a file is that of its file system": async ({ root: u }) => {
    ok(await u.creat("f"));
    same(ok(await u.statfs("f")).blocks, ok(await u.statfs(".")).blocks, "blocks");
  },
});
