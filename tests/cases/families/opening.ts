/** Cases about open(2): flags, modes, and what may be done with the descriptor. */
import { fails, O, ok, RLIMIT, S, same } from "../../support/agent.ts";
import { family } from "../case.ts";

export const openingCases = family("opening", {
  "O_EXCL": async ({ root: u }) => {
    ok(await u.open("f", O.CREAT | O.EXCL | O.RDWR));
    fails("EEXIST", await u.open("f", O.CREAT | O.EXCL | O.RDWR));
    ok(await u.mkdir("d"));
    fails("EEXIST", await u.open("d", O.CREAT | O.EXCL | O.RDWR));
    ok(await u.symlink("nowhere", "l"));
    fails("EEXIST", await u.open("l", O.CREAT | O.EXCL | O.RDWR));
  },
  "directories": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    const dir = ok(await u.open("d", O.RDONLY));
    fails("EISDIR", await u.open("d", O.WRONLY));
    fails("EISDIR", await u.open("d", O.RDWR));
    fails("EISDIR", await u.open("d", O.CREAT | O.RDONLY));
    fails("EISDIR", await u.open("d", O.TRUNC));
    fails("EISDIR", await u.read(dir, 10));
    fails("EISDIR", await u.pread(dir, 10, 0));
    fails("EBADF", await u.write(dir, "x"));
    fails("EINVAL", await u.ftruncate(dir, 0));
    fails("EISDIR", await u.truncate("d", 0));
    ok(await u.fsync(dir));
    ok(await u.fdatasync(dir));
    fails("EINVAL", await u.open("d", O.CREAT | O.DIRECTORY | O.RDWR));
  },
  "O_NOFOLLOW": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.symlink("f", "l"));
    ok(await u.mkdir("d"));
    ok(await u.symlink("d", "m"));
    fails("ELOOP", await u.open("l", O.RDONLY | O.NOFOLLOW));
    fails("ELOOP", await u.open("l", O.CREAT | O.RDWR | O.NOFOLLOW));
    fails("ENOTDIR", await u.open("m", O.RDONLY | O.NOFOLLOW | O.DIRECTORY));
    ok(await u.open("f", O.RDONLY | O.NOFOLLOW));
    ok(await u.creat("d/f"));
    ok(await u.open("m/f", O.RDONLY | O.NOFOLLOW));
  },
  "O_DIRECTORY": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.mkdir("d"));
    ok(await u.symlink("d", "l"));
    fails("ENOTDIR", await u.open("f", O.RDONLY | O.DIRECTORY));
    ok(await u.open("l", O.RDONLY | O.DIRECTORY));
    fails("EISDIR", await u.open("d", O.RDWR | O.DIRECTORY));
  },
  "reading and writing only as asked": async ({ root: u }) => {
    ok(await u.fopenWrite("f", "w", "content"));
    const reader = ok(await u.open("f", O.RDONLY));
    const writer = ok(await u.open("f", O.WRONLY));
    fails("EBADF", await u.write(reader, "x"));
    fails("EBADF", await u.pwrite(reader, "x", 0));
    fails("EINVAL", await u.ftruncate(reader, 0));
    fails("EBADF", await u.fallocate(reader, 0, 0, 10));
    fails("EBADF", await u.read(writer, 1));
    fails("EBADF", await u.pread(writer, 1, 0));
    ok(await u.fsync(reader));
    const both = ok(await u.open("f", O.ACCMODE));
    fails("EBADF", await u.read(both, 1));
    fails("EBADF", await u.write(both, "x"));
  },
  "a file without any permission, as its creator": async ({ as }) => {
    const user = await as(1000);
    const file = ok(await user.open("f", O.CREAT | O.RDWR, 0));
    ok(await user.write(file, "written through the first descriptor"));
    same(ok(await user.pread(file, 7, 0)).text, "written", "content");
    fails("EACCES", await user.open("f", O.RDONLY));
  },
  "O_TRUNC": async ({ root: u }) => {
    ok(await u.fopenWrite("f", "w", { pattern: 3, length: 10_000 }));
    const before = ok(await u.open("f", O.RDONLY));
    ok(await u.open("f", O.WRONLY | O.TRUNC));
    same(ok(await u.stat("f")).size, 0, "size");
    same(ok(await u.pread(before, 10, 0)).length, 0, "what an earlier descriptor reads");
    ok(await u.fopenWrite("f", "w", "again"));
    ok(await u.open("f", O.RDONLY | O.TRUNC));
    ok(await u.stat("f"));
    ok(await u.stat("f"));
  },
  "O_TRUNC with O_CREAT": async ({ root: u }) => {
    ok(await u.open("new", O.CREAT | O.TRUNC | O.RDWR, 0o600));
    ok(await u.fopenWrite("new", "w", "data"));
    ok(await u.open("new", O.CREAT | O.TRUNC | O.RDWR, 0o644));
    ok(await u.stat("new"));
  },
  "flags are kept": async ({ root: u }) => {
    ok(await u.creat("f"));
    for (
      const flags of [
        O.RDONLY,
        O.WRONLY,
        O.RDWR,
        O.RDWR | O.APPEND,
        O.RDWR | O.NONBLOCK,
        O.RDWR | O.SYNC,
      ]
    ) {
      ok(await u.fcntl(ok(await u.open("f", flags)), 3));
    }
    const file = ok(await u.open("f", O.RDWR | O.CLOEXEC));
    same(ok(await u.fcntl(file, 1)), 1, "FD_CLOEXEC");
    ok(await u.fcntl(file, 4, O.APPEND | O.NONBLOCK));
    ok(await u.fcntl(file, 3));
    ok(await u.fcntl(file, 2, 0));
    ok(await u.fcntl(file, 1));
  },
  "unknown and synchronous flags": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR | O.SYNC));
    ok(await u.write(file, "synchronous"));
    ok(await u.write(ok(await u.open("f", O.RDWR | O.DSYNC | O.APPEND)), "!"));
    same(ok(await u.fopenRead("f", 100)).text, "synchronous!", "content");
    ok(await u.open("f", O.RDWR | 0o40000000000));
  },
  "O_DIRECT": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR | O.DIRECT));
    ok(await u.write(file, { pattern: 9, length: 8192 }));
    ok(await u.pread(file, 4096, 4096));
    ok(await u.fopenRead("f", 10_000));
  },
  "dup: one offset for both": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "0123456789"));
    const copy = ok(await u.dup(file));
    ok(await u.lseek(copy, 2));
    same(ok(await u.read(file, 3)).text, "234", "content");
    same(ok(await u.read(copy, 3)).text, "567", "content");
    ok(await u.close(file));
    same(ok(await u.read(copy, 9)).text, "89", "content");
    ok(await u.fcntl(copy, 4, O.APPEND));
    const third = ok(await u.dupFrom(copy, 50));
    ok(await u.fcntl(third, 3));
    same(ok(await u.fcntl(ok(await u.dupFrom(copy, 60, 1030)), 1)), 1, "FD_CLOEXEC");
  },
  "dup2 and dup3": async ({ root: u }) => {
    const a = ok(await u.open("a", O.CREAT | O.RDWR));
    const b = ok(await u.open("b", O.CREAT | O.RDWR));
    ok(await u.write(a, "in a"));
    ok(await u.dup2(a, b));
    ok(await u.write(b, " too"));
    same(ok(await u.pread(a, 100, 0)).text, "in a too", "content");
    ok(await u.dup2(a, a));
    fails("EINVAL", await u.dup3(a, a, 0));
    ok(await u.dup3(a, b, O.CLOEXEC));
    same(ok(await u.fcntl(b, 1)), 1, "FD_CLOEXEC");
    ok(await u.close(a));
    ok(await u.fstat(b));
    fails("EBADF", await u.dup(a));
  },
  "a file longer than RLIMIT_FSIZE is EFBIG": async ({ fresh }) => {
    const u = await fresh();
    ok(await u.setrlimit(RLIMIT.FSIZE, 10_000));
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    same(ok(await u.write(file, { fill: 1, length: 20_000 })), 10_000, "written");
    fails("EFBIG", await u.write(file, "x"));
    fails("EFBIG", await u.ftruncate(file, 20_000));
    fails("EFBIG", await u.fallocate(file, 0, 0, 20_000));
    ok(await u.fstat(file));
  },
  "running a program": async ({ root: u, quietly }) => {
    const to = ok(await u.open("program", O.CREAT | O.RDWR, 0o755));
    await quietly(async () => {
      const from = ok(await u.open("/bin/true", O.RDONLY));
      while (ok(await u.sendfile(to, from, -1, 1 << 20)) > 0);
      ok(await u.close(from));
    });
    fails("ETXTBSY", await u.run("./program"));
    ok(await u.close(to));
    same(ok(await u.run("./program")), 0, "wait status");
    ok(await u.chmod("program", 0o644));
    fails("EACCES", await u.run("./program"));
    ok(await u.fopenWrite("script", "w", "#!/bin/sh\nexit 3\n"));
    ok(await u.chmod("script", 0o755));
    same(ok(await u.run("./script")), 3 << 8, "wait status");
    ok(await u.mkdir("d"));
    fails("EACCES", await u.run("./d"));
  },
  "mknod of a regular file": async ({ root: u }) => {
    ok(await u.mknod("f", S.IFREG | 0o640));
    const file = ok(await u.open("f", O.RDWR));
    ok(await u.write(file, "x"));
    ok(await u.mknod("g", 0o600));
    ok(await u.stat("g"));
    fails("EPERM", await u.mknod("d", S.IFDIR | 0o755));
    fails("EINVAL", await u.mknod("l", S.IFLNK | 0o755));
  },
});
