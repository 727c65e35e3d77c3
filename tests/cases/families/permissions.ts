/** Cases about what ordinary users may do: permission bits, sticky and setgid directories, cleared setuid bits. */
import { ACCESS, AT, fails, NOW, O, ok, S, same } from "../../support/agent.ts";
import { family, FUTURE_NS } from "../case.ts";

export const permissionCases = family("permissions", {
  "owner, group and others have their own bits": async ({ root: u, as }) => {
    const [owner, member, other] = [await as(1000), await as(1001, 1001, [5000]), await as(1002)];
    ok(await u.creat("f"));
    ok(await u.chown("f", 1000, 5000));
    for (const [mode, user] of [[0o400, owner], [0o040, member], [0o004, other]] as const) {
      ok(await u.chmod("f", mode));
      for (const who of [owner, member, other]) {
        if (who === user) ok(await who.open("f", O.RDONLY));
        else fails("EACCES", await who.open("f", O.RDONLY));
        fails("EACCES", await who.open("f", O.WRONLY));
      }
    }
  },
  "the first class that fits decides": async ({ root: u, as }) => {
    const owner = await as(1000, 5000);
    ok(await u.creat("f"));
    ok(await u.chown("f", 1000, 5000));
    ok(await u.chmod("f", 0o077));
    fails("EACCES", await owner.open("f", O.RDONLY));
    ok(await u.chown("f", 0, -1));
    ok(await u.chmod("f", 0o707));
    fails("EACCES", await owner.open("f", O.RDONLY));
  },
  "primary and supplementary groups count": async ({ root: u, as }) => {
    ok(await u.creat("f", 0o040));
    ok(await u.chown("f", 0, 5000));
    ok(await (await as(1000, 5000)).open("f", O.RDONLY));
    ok(await (await as(1000, 1, [2, 5000, 3])).open("f", O.RDONLY));
    fails("EACCES", await (await as(1000, 1, [2, 3])).open("f", O.RDONLY));
  },
  "reading, writing, truncating": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await u.fopenWrite("f", "w", "content"));
    ok(await u.chmod("f", 0o644));
    ok(await user.open("f", O.RDONLY));
    fails("EACCES", await user.open("f", O.WRONLY));
    fails("EACCES", await user.open("f", O.RDONLY | O.TRUNC));
    fails("EACCES", await user.truncate("f", 0));
    fails("EACCES", await user.open("f", O.RDWR | O.CREAT));
    ok(await u.chmod("f", 0o622));
    ok(await user.truncate("f", 3));
    ok(await user.open("f", O.WRONLY | O.TRUNC));
    fails("EACCES", await user.open("f", O.RDONLY));
    ok(await u.stat("f"));
  },
  "an open descriptor keeps its rights": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await u.fopenWrite("f", "w", "content"));
    ok(await u.chmod("f", 0o666));
    const file = ok(await user.open("f", O.RDWR));
    ok(await u.chmod("f", 0));
    same(ok(await user.pread(file, 7, 0)).text, "content", "content");
    ok(await user.pwrite(file, "CONTENT", 0));
    ok(await user.ftruncate(file, 3));
    ok(await user.fstat(file));
    fails("EACCES", await user.open("f", O.RDONLY));
  },
  "search permission on every directory of the path": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await u.mkdir("a"));
    ok(await u.mkdir("a/b"));
    ok(await u.creat("a/b/f"));
    ok(await user.stat("a/b/f"));
    ok(await u.chmod("a", 0o700));
    fails("EACCES", await user.stat("a/b/f"));
    fails("EACCES", await user.stat("a/b"));
    fails("EACCES", await user.open("a/b/f", O.RDONLY));
    fails("EACCES", await user.chdir("a"));
    ok(await u.chmod("a", 0o711));
    ok(await user.stat("a/b/f"));
    fails("EACCES", await user.list("a"));
    ok(await u.chmod("a", 0o744));
    fails("EACCES", await user.stat("a/b"));
    fails("EACCES", await user.stat("a/none"));
  },
  "missing names and missing rights: which error": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await u.mkdir("closed", 0o700));
    ok(await u.mkdir("shown", 0o755));
    fails("EACCES", await user.stat("closed/none"));
    fails("ENOENT", await user.stat("shown/none"));
    fails("EACCES", await user.mkdir("shown/d"));
    fails("ENOENT", await user.unlink("shown/none"));
    fails("ENOENT", await user.rmdir("shown/none"));
    fails("EEXIST", await user.mkdir("shown"));
    ok(await u.mkdir("shown/d"));
    fails("EEXIST", await user.mkdir("shown/d"));
    fails("EACCES", await user.rename("shown/d", "shown/e"));
    fails("EACCES", await user.rmdir("shown/d"));
    fails("ENOENT", await user.rename("shown/none", "shown/e"));
  },
  "creating and removing take write and search permission": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await u.mkdir("d"));
    ok(await u.creat("d/f"));
    ok(await u.creat("f"));
    for (const mode of [0o755, 0o756, 0o754]) {
      ok(await u.chmod("d", mode));
      fails("EACCES", await user.open("d/new", O.CREAT | O.RDWR));
      fails("EACCES", await user.mkdir("d/new"));
      fails("EACCES", await user.symlink("t", "d/new"));
      fails("EACCES", await user.mkfifo("d/new"));
      fails("EACCES", await user.unlink("d/f"));
      fails("EACCES", await user.rename("d/f", "d/g"));
    }
    ok(await u.chmod("d", 0o753));
    ok(await user.mkdir("d/new"));
    ok(await user.unlink("d/f"));
    fails("EACCES", await user.list("d"));
  },
  "removing needs no right on the file itself": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await u.mkdir("d"));
    ok(await u.chmod("d", 0o777));
    ok(await u.creat("d/f", 0o600));
    ok(await u.mkdir("d/e", 0o700));
    ok(await user.unlink("d/f"));
    ok(await user.rename("d/e", "d/g"));
    ok(await user.rmdir("d/g"));
  },
  "moving a directory takes write permission on it": async ({ root: u, as }) => {
    const user = await as(1000);
    for (const name of ["a", "b"]) {
      ok(await u.mkdir(name));
      ok(await u.chmod(name, 0o777));
    }
    ok(await u.mkdir("a/d", 0o755));
    fails("EACCES", await user.rename("a/d", "b/d"));
    ok(await user.rename("a/d", "a/e"));
    ok(await u.chmod("a/e", 0o777));
    ok(await user.rename("a/e", "b/e"));
  },
  "new files belong to their maker": async ({ as }) => {
    const user = await as(1000, 2000, [3000]);
    ok(await user.creat("f"));
    ok(await user.mkdir("d"));
    ok(await user.symlink("t", "l"));
    ok(await user.mkfifo("p"));
    ok(await user.open(".", O.TMPFILE | O.RDWR).then((outcome) => user.fstat(ok(outcome))));
    for (const name of "fdlp") {
      const st = ok(await user.lstat(name));
      same([st.uid, st.gid], [1000, 2000], name);
    }
  },
  "chmod: only the owner": async ({ root: u, as }) => {
    const [owner, other] = [await as(1000), await as(1001)];
    ok(await owner.creat("f"));
    ok(await owner.chmod("f", 0o666));
    fails("EPERM", await other.chmod("f", 0o600));
    fails("EPERM", await other.fchmod(ok(await other.open("f", O.RDWR)), 0o600));
    ok(await owner.chmod("f", 0o400));
    ok(await owner.chmod("f", 0o4755));
    ok(await u.stat("f"));
  },
  "chmod: setgid needs membership": async ({ root: u, as }) => {
    const owner = await as(1000);
    ok(await owner.creat("f"));
    ok(await owner.chmod("f", 0o2755));
    same(ok(await u.stat("f")).mode & 0o7777, 0o2755, "own group");
    ok(await u.chown("f", 1000, 5000));
    ok(await owner.chmod("f", 0o2755));
    same(ok(await u.stat("f")).mode & 0o7777, 0o755, "another group");
    ok(await u.chmod("f", 0o2755));
    same(ok(await u.stat("f")).mode & 0o7777, 0o2755, "by root");
    ok(await owner.mkdir("d"));
    ok(await u.chown("d", 1000, 5000));
    ok(await owner.chmod("d", 0o2755));
    ok(await u.stat("d"));
  },
  "chmod: the sticky bit of files": async ({ as }) => {
    const owner = await as(1000);
    ok(await owner.creat("f"));
    await owner.chmod("f", 0o1644);
    ok(await owner.stat("f"));
  },
  "chown: users may only give a group they are in": async ({ root: u, as }) => {
    const owner = await as(1000, 1000, [5000]);
    const other = await as(1001);
    ok(await owner.creat("f"));
    fails("EPERM", await owner.chown("f", 1001, -1));
    fails("EPERM", await owner.chown("f", -1, 6000));
    ok(await owner.chown("f", -1, 5000));
    ok(await owner.chown("f", 1000, 1000));
    fails("EPERM", await other.chown("f", -1, 1001));
    fails("EPERM", await other.chown("f", 1001, -1));
    ok(await owner.chown("f", -1, -1));
    await other.chown("f", -1, -1);
    ok(await u.stat("f"));
  },
  "chown clears setuid and setgid": async ({ root: u, as }) => {
    const owner = await as(1000, 1000, [5000]);
    ok(await owner.creat("f"));
    ok(await u.chmod("f", 0o6755));
    ok(await owner.chown("f", -1, 5000));
    same(ok(await u.stat("f")).mode & 0o7777, 0o755, "by the owner");
    ok(await u.chmod("f", 0o6755));
    ok(await u.chown("f", 0, 0));
    same(ok(await u.stat("f")).mode & 0o7777, 0o755, "by root");
    ok(await u.chmod("f", 0o2745));
    ok(await u.chown("f", 1, 1));
    ok(await u.stat("f"));
    ok(await u.chmod("f", 0o6755));
    ok(await u.chown("f", -1, -1));
    ok(await u.stat("f"));
    ok(await u.mkdir("d"));
    ok(await u.chmod("d", 0o6755));
    ok(await u.chown("d", 1000, 1000));
    ok(await u.stat("d"));
  },
  "writing clears setuid and setgid": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await u.fopenWrite("f", "w", "content"));
    for (const mode of [0o6777, 0o4777, 0o2777, 0o2767, 0o6767]) {
      ok(await u.chmod("f", mode));
      const file = ok(await user.open("f", O.RDWR));
      ok(await user.stat("f"));
      ok(await user.pwrite(file, "x", 0));
      same(ok(await u.stat("f")).mode & S.ISUID, 0, "setuid");
      ok(await u.stat("f"));
      ok(await user.close(file));
    }
  },
  "writing by root keeps setuid and setgid": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.chmod("f", 0o6777));
    ok(await u.fopenWrite("f", "r+", "x"));
    same(ok(await u.stat("f")).mode & 0o7777, 0o6777, "mode");
    ok(await u.truncate("f", 0));
    ok(await u.stat("f"));
  },
  "truncating clears setuid and setgid": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await u.fopenWrite("f", "w", "content"));
    ok(await u.chmod("f", 0o6777));
    ok(await user.truncate("f", 3));
    ok(await u.stat("f"));
    ok(await u.chmod("f", 0o6777));
    const file = ok(await user.open("f", O.RDWR));
    ok(await user.ftruncate(file, 2));
    ok(await u.stat("f"));
    ok(await u.chmod("f", 0o6777));
    ok(await user.open("f", O.WRONLY | O.TRUNC));
    ok(await u.stat("f"));
    ok(await u.chmod("f", 0o6777));
    ok(await user.fallocate(file, 0, 0, 100));
    ok(await u.stat("f"));
    ok(await u.chmod("f", 0o6777));
    ok(await user.copyFileRange(file, 0, file, 1000, 10));
    ok(await u.stat("f"));
  },
  "a shared mapping's writes leave setuid alone, as on tmpfs": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await u.fopenWrite("f", "w", "content"));
    ok(await u.chmod("f", 0o6777));
    const file = ok(await user.open("f", O.RDWR));
    const map = ok(await user.mmap(file, 0, 7, 3, 1));
    ok(await user.mapWrite(map, 0, "CONTENT"));
    ok(await user.munmap(map));
    await u.stat("f");
  },
  "setgid directories give their group": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await u.mkdir("d"));
    ok(await u.chown("d", 0, 5000));
    ok(await u.chmod("d", 0o2777));
    ok(await user.creat("d/f"));
    ok(await user.mkdir("d/e"));
    ok(await user.symlink("t", "d/l"));
    ok(await user.mkfifo("d/p"));
    for (const name of "felp") same(ok(await u.lstat(`d/${name}`)).gid, 5000, name);
    same(ok(await u.stat("d/e")).mode & S.ISGID, S.ISGID, "directories below are setgid too");
    same(ok(await u.stat("d/f")).mode & S.ISGID, 0, "files are not");
    ok(await user.fstat(ok(await user.open("d", O.TMPFILE | O.RDWR))));
    ok(await user.creat("moved"));
    ok(await user.rename("moved", "d/moved"));
    ok(await u.stat("d/moved"));
  },
  "setgid directories: a setgid file of a user outside the group": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await u.mkdir("d"));
    ok(await u.chown("d", 0, 5000));
    ok(await u.chmod("d", 0o2777));
    ok(await user.umask(0));
    ok(await user.open("d/f", O.CREAT | O.RDWR, 0o2777));
    ok(await u.stat("d/f"));
    ok(await user.open("d/g", O.CREAT | O.RDWR, 0o2767));
    ok(await u.stat("d/g"));
    ok(await user.mkdir("d/e", 0o777));
    ok(await u.stat("d/e"));
    ok(await user.mknod("d/n", S.IFREG | 0o2777));
    ok(await u.stat("d/n"));
  },
  "sticky directories: only owners remove and rename": async ({ root: u, as }) => {
    const [owner, other] = [await as(1000), await as(1001)];
    ok(await u.mkdir("d"));
    ok(await u.chmod("d", 0o1777));
    ok(await owner.creat("d/f", 0o666));
    ok(await owner.mkdir("d/e", 0o777));
    ok(await other.creat("d/theirs"));
    fails("EPERM", await other.unlink("d/f"));
    fails("EPERM", await other.rmdir("d/e"));
    fails("EPERM", await other.rename("d/f", "d/g"));
    fails("EPERM", await other.rename("d/theirs", "d/f"));
    fails("EPERM", await other.rename("d/f", "f"));
    fails("EPERM", await other.rename("d/theirs", "d/f", 2));
    ok(await owner.rename("d/f", "d/g"));
    ok(await owner.unlink("d/g"));
    ok(await u.unlink("d/theirs"));
    ok(await owner.rmdir("d/e"));
  },
  "sticky directories: their owner may remove anything": async ({ as }) => {
    const [owner, other] = [await as(1000), await as(1001)];
    ok(await owner.mkdir("d"));
    ok(await owner.chmod("d", 0o1777));
    ok(await other.creat("d/f"));
    ok(await owner.unlink("d/f"));
  },
  "utimensat: who may set times": async ({ root: u, as }) => {
    const [owner, other] = [await as(1000), await as(1001)];
    ok(await owner.creat("f", 0o644));
    ok(await owner.utimens("f", 1n, FUTURE_NS));
    fails("EPERM", await other.utimens("f", 1n, 2n));
    fails("EACCES", await other.touch("f"));
    fails("EACCES", await other.utimens("f", NOW, NOW));
    fails("EPERM", await other.utimens("f", NOW, 2n));
    ok(await u.chmod("f", 0o666));
    ok(await other.touch("f"));
    ok(await other.utimens("f", NOW, NOW));
    fails("EPERM", await other.utimens("f", 1n, 2n));
    fails("EPERM", await other.utimens("f", { special: 0x3ffffffe }, NOW));
    ok(await owner.chmod("f", 0));
    ok(await owner.touch("f"));
  },
  "access asks for the real user": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await u.creat("f", 0o640));
    ok(await u.mkdir("d", 0o700));
    ok(await u.creat("d/f", 0o777));
    ok(await user.access("f", ACCESS.F_OK));
    fails("EACCES", await user.access("f", ACCESS.R_OK));
    fails("EACCES", await user.access("f", ACCESS.R_OK, AT.EACCESS));
    fails("EACCES", await user.access("d/f", ACCESS.F_OK));
    ok(await u.chmod("f", 0o604));
    ok(await user.access("f", ACCESS.R_OK));
    fails("EACCES", await user.access("f", ACCESS.W_OK));
    fails("EACCES", await user.access("f", ACCESS.R_OK | ACCESS.X_OK));
  },
  "links: protected from strangers": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await u.creat("f", 0o600));
    await user.link("f", "g");
    ok(await u.chmod("f", 0o666));
    await user.link("f", "h");
    ok(await u.mkdir("closed", 0o755));
    fails("EACCES", await user.link("f", "closed/g"));
  },
  "device files are the superuser's": async ({ as }) => {
    const user = await as(1000);
    fails("EPERM", await user.mknod("c", S.IFCHR | 0o666, 1, 3));
    fails("EPERM", await user.mknod("b", S.IFBLK | 0o666, 7, 0));
    ok(await user.mkfifo("p"));
    ok(await user.mknod("s", S.IFSOCK | 0o666));
  },
  "O_TMPFILE takes write permission on the directory": async ({ root: u, as }) => {
    ok(await u.mkdir("d", 0o755));
    fails("EACCES", await (await as(1000)).open("d", O.TMPFILE | O.RDWR));
    ok(await u.chmod("d", 0o777));
    ok(await (await as(1000)).open("d", O.TMPFILE | O.RDWR));
  },
  "changed rights count at once": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await u.mkdir("d"));
    ok(await u.creat("d/f"));
    for (let round = 0; round < 5; round++) {
      ok(await user.open("d/f", O.RDONLY));
      ok(await u.chmod("d/f", 0o600));
      fails("EACCES", await user.open("d/f", O.RDONLY));
      fails("EACCES", await user.access("d/f", ACCESS.R_OK));
      ok(await u.chmod("d/f", 0o644));
      ok(await u.chmod("d", 0o700));
      fails("EACCES", await user.stat("d/f"));
      ok(await u.chmod("d", 0o755));
    }
  },
  "a current directory that was closed to its user": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await u.mkdir("d"));
    ok(await u.creat("d/f"));
    ok(await user.chdir("d"));
    ok(await u.chmod("d", 0o700));
    fails("EACCES", await user.stat("f"));
    fails("EACCES", await user.stat("."));
    fails("EACCES", await user.stat(".."));
    await user.list(".");
  },
});
