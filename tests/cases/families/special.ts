/** Cases about fifos, sockets and devices. */
import { fails, NO_FILE, O, ok, S, same } from "../../support/agent.ts";
import { family } from "../case.ts";

export const specialCases = family("special", {
  "a fifo between two processes": async ({ root: u, second }) => {
    const other = await second();
    ok(await u.mkfifo("p"));
    const both = ok(await u.open("p", O.RDWR));
    const reader = ok(await other.open("p", O.RDONLY | O.NONBLOCK));
    fails("EAGAIN", await other.read(reader, 10));
    ok(await u.write(both, "through the fifo"));
    same(ok(await other.read(reader, 100)).text, "through the fifo", "content");
    ok(await u.close(both));
    same(ok(await other.read(reader, 10)).length, 0, "at the end");
  },
  "a fifo without a reader": async ({ root: u }) => {
    ok(await u.mkfifo("p"));
    fails("ENXIO", await u.open("p", O.WRONLY | O.NONBLOCK));
    const reader = ok(await u.open("p", O.RDONLY | O.NONBLOCK));
    const writer = ok(await u.open("p", O.WRONLY | O.NONBLOCK));
    ok(await u.close(reader));
    fails("EPIPE", await u.write(writer, "x"));
  },
  "a fifo's calls": async ({ root: u }) => {
    ok(await u.mkfifo("p"));
    const file = ok(await u.open("p", O.RDWR | O.NONBLOCK));
    fails("ESPIPE", await u.lseek(file, 0));
    fails("ESPIPE", await u.pread(file, 1, 0));
    fails("EINVAL", await u.ftruncate(file, 0));
    ok(await u.fstat(file));
    ok(await u.rename("p", "q"));
    ok(await u.write(file, "x"));
    ok(await u.unlink("q"));
    ok(await u.fstat(file));
  },
  "a fifo opened by blocking processes": async ({ root: u, second }) => {
    const other = await second();
    ok(await u.mkfifo("p"));
    const opening = other.open("p", O.RDONLY);
    const writer = ok(await u.open("p", O.WRONLY));
    const reader = ok(await opening);
    ok(await u.write(writer, "met"));
    same(ok(await other.read(reader, 10)).text, "met", "content");
  },
  "sockets": async ({ root: u }) => {
    ok(await u.bindSocket("s"));
    ok(await u.lstat("s"));
    ok(await u.list("."));
    ok(await u.connectSocket("s"));
    fails("EADDRINUSE", await u.bindSocket("s"));
    fails("ENXIO", await u.open("s", O.RDWR));
    ok(await u.rename("s", "t"));
    ok(await u.connectSocket("t"));
    ok(await u.unlink("t"));
    fails("ENOENT", await u.connectSocket("t"));
  },
  "a socket file nobody listens on": async ({ root: u }) => {
    ok(await u.mknod("s", S.IFSOCK | 0o600));
    fails("ECONNREFUSED", await u.connectSocket("s"));
    ok(await u.creat("f"));
    fails("ECONNREFUSED", await u.connectSocket("f"));
  },
  "sockets and permissions": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await u.bindSocket("s"));
    ok(await u.chmod("s", 0o600));
    fails("EACCES", await user.connectSocket("s"));
    ok(await u.chmod("s", 0o666));
    ok(await user.connectSocket("s"));
  },
  "device numbers": async ({ root: u }) => {
    for (const [major, minor] of [[1, 3], [0, 0], [255, 255], [4095, 1048575], [300, 70_000]]) {
      const name = `c${major}-${minor}`;
      ok(await u.mknod(name, S.IFCHR | 0o600, major, minor));
      ok(await u.stat(name));
      ok(await u.statx(name));
    }
    ok(await u.mknod("b", S.IFBLK | 0o640, 8, 17));
    ok(await u.stat("b"));
  },
  "attributes of special files": async ({ root: u, changes }) => {
    ok(await u.mkfifo("p"));
    ok(await u.mknod("c", S.IFCHR | 0o600, 1, 3));
    for (const name of "pc") {
      ok(await u.chmod(name, 0o640));
      ok(await u.chown(name, 5, 6));
      ok(await u.utimens(name, 1n, 2n));
      same(ok(await u.stat(name)).mtimeNs, 2n, "mtime");
      await changes([name], async () => ok(await u.chmod(name, 0o600)));
      fails("EINVAL", await u.truncate(name, 0));
      ok(await u.link(name, `${name}2`));
      ok(await u.stat(name));
    }
    fails("EBADF", await u.fstat(NO_FILE));
  },
});
