/** Cases about flock and record locks, between descriptors and between processes. */
import { F, fails, LOCK, O, ok, same } from "../../support/agent.ts";
import { family } from "../case.ts";

export const lockCases = family("locks", {
  "flock: descriptors of one process": async ({ root: u }) => {
    const a = ok(await u.open("f", O.CREAT | O.RDWR));
    const b = ok(await u.open("f", O.RDWR));
    ok(await u.flock(a, LOCK.SH));
    ok(await u.flock(b, LOCK.SH | LOCK.NB));
    fails("EAGAIN", await u.flock(b, LOCK.EX | LOCK.NB));
    ok(await u.flock(a, LOCK.UN));
    ok(await u.flock(b, LOCK.EX | LOCK.NB));
    fails("EAGAIN", await u.flock(a, LOCK.SH | LOCK.NB));
    ok(await u.close(b));
    ok(await u.flock(a, LOCK.EX | LOCK.NB));
    fails("EINVAL", await u.flock(a, 0));
  },
  "flock: duplicates share it": async ({ root: u }) => {
    const a = ok(await u.open("f", O.CREAT | O.RDWR));
    const copy = ok(await u.dup(a));
    ok(await u.flock(a, LOCK.EX));
    ok(await u.flock(copy, LOCK.EX | LOCK.NB));
    ok(await u.close(a));
    const b = ok(await u.open("f", O.RDWR));
    fails("EAGAIN", await u.flock(b, LOCK.EX | LOCK.NB));
    ok(await u.close(copy));
    ok(await u.flock(b, LOCK.EX | LOCK.NB));
  },
  "flock: between processes, waiting": async ({ root: u, second }) => {
    const other = await second();
    const mine = ok(await u.open("f", O.CREAT | O.RDWR));
    const theirs = ok(await other.open("f", O.RDONLY));
    ok(await u.flock(mine, LOCK.EX));
    fails("EAGAIN", await other.flock(theirs, LOCK.EX | LOCK.NB));
    const waiting = other.flock(theirs, LOCK.EX);
    ok(await u.flock(mine, LOCK.UN));
    ok(await waiting);
    fails("EAGAIN", await u.flock(mine, LOCK.SH | LOCK.NB));
  },
  "flock: a directory": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    const a = ok(await u.open("d", O.RDONLY));
    const b = ok(await u.open("d", O.RDONLY));
    ok(await u.flock(a, LOCK.EX));
    fails("EAGAIN", await u.flock(b, LOCK.EX | LOCK.NB));
  },
  "record locks: between processes": async ({ root: u, second }) => {
    const other = await second();
    const mine = ok(await u.open("f", O.CREAT | O.RDWR));
    const theirs = ok(await other.open("f", O.RDWR));
    ok(await u.lock(mine, F.SETLK, F.WRLCK, 0, 100));
    fails("EAGAIN", await other.lock(theirs, F.SETLK, F.RDLCK, 50, 10));
    fails("EAGAIN", await other.lock(theirs, F.SETLK, F.WRLCK, 99, 1));
    ok(await other.lock(theirs, F.SETLK, F.WRLCK, 100, 1));
    ok(await other.lock(theirs, F.GETLK, F.WRLCK, 0, 0));
    ok(await u.lock(mine, F.GETLK, F.RDLCK, 0, 0));
    ok(await u.lock(mine, F.SETLK, F.UNLCK, 10, 20));
    ok(await other.lock(theirs, F.SETLK, F.WRLCK, 15, 5));
    ok(await other.lock(theirs, F.GETLK, F.RDLCK, 0, 0));
  },
  "record locks: read locks are shared": async ({ root: u, second }) => {
    const other = await second();
    const mine = ok(await u.open("f", O.CREAT | O.RDWR));
    const theirs = ok(await other.open("f", O.RDWR));
    ok(await u.lock(mine, F.SETLK, F.RDLCK, 0, 0));
    ok(await other.lock(theirs, F.SETLK, F.RDLCK, 10, 10));
    fails("EAGAIN", await other.lock(theirs, F.SETLK, F.WRLCK, 10, 10));
    fails("EAGAIN", await u.lock(mine, F.SETLK, F.WRLCK, 0, 0));
    ok(await other.lock(theirs, F.SETLK, F.UNLCK, 0, 0));
    ok(await u.lock(mine, F.SETLK, F.WRLCK, 0, 0));
  },
  "record locks: go when any descriptor of the file closes": async ({ root: u, second }) => {
    const other = await second();
    const mine = ok(await u.open("f", O.CREAT | O.RDWR));
    const again = ok(await u.open("f", O.RDONLY));
    const theirs = ok(await other.open("f", O.RDWR));
    ok(await u.lock(mine, F.SETLK, F.WRLCK, 0, 0));
    ok(await u.close(again));
    ok(await other.lock(theirs, F.SETLK, F.WRLCK, 0, 0));
  },
  "record locks: waiting, and a deadlock": async ({ root: u, second }) => {
    const other = await second();
    const mine = ok(await u.open("f", O.CREAT | O.RDWR));
    const theirs = ok(await other.open("f", O.RDWR));
    ok(await u.lock(mine, F.SETLK, F.WRLCK, 0, 10));
    ok(await other.lock(theirs, F.SETLK, F.WRLCK, 10, 10));
    const waiting = other.lock(theirs, F.SETLKW, F.WRLCK, 0, 10);
    await new Promise((resolve) => setTimeout(resolve, 50));
    fails("EDEADLK", await u.lock(mine, F.SETLKW, F.WRLCK, 10, 10));
    ok(await u.lock(mine, F.SETLK, F.UNLCK, 0, 0));
    ok(await waiting);
  },
  "record locks: ends and errors": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.write(file, "0123456789"));
    ok(await u.lock(file, F.SETLK, F.WRLCK, -5, 5, 2));
    ok(await u.lock(file, F.SETLK, F.WRLCK, 2, 0, 1));
    ok(await u.lock(file, F.SETLK, F.WRLCK, 100, -10));
    fails("EINVAL", await u.lock(file, F.SETLK, F.WRLCK, -1, 1));
    fails("EINVAL", await u.lock(file, F.SETLK, 9, 0, 1));
    fails("EBADF", await u.lock(ok(await u.open("f", O.RDONLY)), F.SETLK, F.WRLCK, 0, 1));
    fails("EBADF", await u.lock(ok(await u.open("f", O.WRONLY)), F.SETLK, F.RDLCK, 0, 1));
  },
  "record locks: an ended process holds none": async ({ root: u, fresh }) => {
    const other = await fresh();
    const mine = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await other.lock(ok(await other.open("f", O.RDWR)), F.SETLK, F.WRLCK, 0, 0));
    fails("EAGAIN", await u.lock(mine, F.SETLK, F.WRLCK, 0, 0));
    const waiting = u.lock(mine, F.SETLKW, F.WRLCK, 0, 0);
    other.process.kill();
    ok(await waiting);
  },
  "open file description locks": async ({ root: u }) => {
    const a = ok(await u.open("f", O.CREAT | O.RDWR));
    const b = ok(await u.open("f", O.RDWR));
    ok(await u.lock(a, F.OFD_SETLK, F.WRLCK, 0, 10));
    fails("EAGAIN", await u.lock(b, F.OFD_SETLK, F.WRLCK, 5, 10));
    ok(await u.lock(b, F.OFD_GETLK, F.WRLCK, 0, 100));
    ok(await u.lock(ok(await u.dup(a)), F.OFD_SETLK, F.UNLCK, 0, 0));
    ok(await u.lock(b, F.OFD_SETLK, F.WRLCK, 5, 10));
  },
  "lockf": async ({ root: u, second }) => {
    const other = await second();
    const mine = ok(await u.open("f", O.CREAT | O.RDWR));
    const theirs = ok(await other.open("f", O.RDWR));
    ok(await u.lockf(mine, 2, 100));
    fails(["EAGAIN", "EACCES"], await other.lockf(theirs, 2, 10));
    fails(["EAGAIN", "EACCES"], await other.lockf(theirs, 3, 10));
    ok(await u.lockf(mine, 0, 100));
    ok(await other.lockf(theirs, 2, 10));
  },
  "locks keep nobody from reading and writing": async ({ root: u, second }) => {
    const other = await second();
    const mine = ok(await u.open("f", O.CREAT | O.RDWR));
    ok(await u.lock(mine, F.SETLK, F.WRLCK, 0, 0));
    ok(await u.flock(mine, LOCK.EX));
    ok(await other.fopenWrite("f", "w", "advisory"));
    same(ok(await u.pread(mine, 100, 0)).text, "advisory", "content");
    ok(await other.unlink("f"));
  },
  "leases": async ({ root: u }) => {
    ok(await u.creat("f"));
    const file = ok(await u.open("f", O.RDONLY));
    ok(await u.fcntl(file, F.GETLEASE));
    await u.fcntl(file, F.SETLEASE, F.RDLCK);
    await u.fcntl(file, F.SETLEASE, F.UNLCK);
  },
});
