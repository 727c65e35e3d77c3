/** Cases about extended attributes in the user, trusted and security namespaces. */
import { fails, O, ok, same, XATTR } from "../../support/agent.ts";
import { family } from "../case.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

export const xattrCases = family("xattrs", {
  "set, get, list, remove": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.listxattr("f"));
    ok(await u.setxattr("f", "user.a", "one"));
    same(text(ok(await u.getxattr("f", "user.a"))), "one", "value");
    ok(await u.setxattr("f", "user.b", "two"));
    same([...ok(await u.listxattr("f"))].sort(), ["user.a", "user.b"], "names");
    ok(await u.setxattr("f", "user.a", "another, longer value"));
    same(text(ok(await u.getxattr("f", "user.a"))), "another, longer value", "value");
    ok(await u.removexattr("f", "user.a"));
    fails("ENODATA", await u.getxattr("f", "user.a"));
    fails("ENODATA", await u.removexattr("f", "user.a"));
    same(ok(await u.listxattr("f")), ["user.b"], "names");
  },
  "CREATE and REPLACE": async ({ root: u }) => {
    ok(await u.creat("f"));
    fails("ENODATA", await u.setxattr("f", "user.a", "x", XATTR.REPLACE));
    ok(await u.setxattr("f", "user.a", "x", XATTR.CREATE));
    fails("EEXIST", await u.setxattr("f", "user.a", "y", XATTR.CREATE));
    ok(await u.setxattr("f", "user.a", "z", XATTR.REPLACE));
    same(text(ok(await u.getxattr("f", "user.a"))), "z", "value");
    fails("EINVAL", await u.setxattr("f", "user.a", "z", 4));
    await u.setxattr("f", "user.a", "z", XATTR.CREATE | XATTR.REPLACE);
  },
  "empty values, binary values": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.setxattr("f", "user.empty", ""));
    same(ok(await u.getxattr("f", "user.empty")).length, 0, "length");
    same(ok(await u.getxattrLength("f", "user.empty")), 0, "length");
    ok(await u.setxattr("f", "user.binary", new Uint8Array([0, 255, 10, 0])));
    same([...ok(await u.getxattr("f", "user.binary"))], [0, 255, 10, 0], "value");
    ok(await u.listxattr("f"));
  },
  "buffers that are too small": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.setxattr("f", "user.a", "0123456789"));
    same(ok(await u.getxattrLength("f", "user.a")), 10, "length");
    fails("ERANGE", await u.getxattr("f", "user.a", 9));
    ok(await u.getxattr("f", "user.a", 10));
    same(ok(await u.listxattrLength("f")), 7, "length");
    fails("ERANGE", await u.listxattr("f", 6));
    ok(await u.listxattr("f", 7));
  },
  "names: limits and namespaces": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.setxattr("f", "user." + "n".repeat(250), "longest"));
    same(text(ok(await u.getxattr("f", "user." + "n".repeat(250)))), "longest", "value");
    fails("ERANGE", await u.setxattr("f", "user." + "n".repeat(251), "x"));
    fails("ERANGE", await u.getxattr("f", "user." + "n".repeat(251)));
    fails("ERANGE", await u.removexattr("f", "user." + "n".repeat(251)));
    fails("ERANGE", await u.setxattr("f", "", "x"));
    fails("EOPNOTSUPP", await u.setxattr("f", "plain", "x"));
    fails("EOPNOTSUPP", await u.setxattr("f", "unknown.a", "x"));
    fails("EOPNOTSUPP", await u.getxattr("f", "unknown.a"));
    fails("EOPNOTSUPP", await u.removexattr("f", "unknown.a"));
    fails("EINVAL", await u.setxattr("f", "user.", "x"));
    ok(await u.setxattr("f", "user.é.ü", "x"));
    ok(await u.listxattr("f"));
  },
  "values of 64 KiB": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.setxattr("f", "user.large", { pattern: 3, length: 65_536 }));
    same(ok(await u.getxattr("f", "user.large")).length, 65_536, "length");
    fails("E2BIG", await u.setxattr("f", "user.larger", { pattern: 3, length: 65_537 }));
    ok(await u.setxattr("f", "user.large", { pattern: 4, length: 40_000 }));
    same(ok(await u.getxattr("f", "user.large")).length, 40_000, "length");
    ok(await u.getxattr("f", "user.large"));
    ok(await u.listxattr("f"));
  },
  "many attributes of one file": async ({ root: u }) => {
    ok(await u.creat("f"));
    for (let n = 0; n < 100; n++) {
      ok(await u.setxattr("f", `user.number-${n}`, `value ${n}`.repeat(n)));
    }
    for (let n = 0; n < 100; n += 7) {
      same(text(ok(await u.getxattr("f", `user.number-${n}`))), `value ${n}`.repeat(n), "value");
    }
    for (let n = 0; n < 100; n += 2) ok(await u.removexattr("f", `user.number-${n}`));
    same(ok(await u.listxattr("f")).length, 50, "names");
    ok(await u.listxattrLength("f"));
  },
  "more names than a listing can hold": async ({ root: u, quietly }) => {
    ok(await u.creat("f"));
    const outcomes = await quietly(() =>
      Promise.all(
        Array.from({ length: 300 }, (_, n) =>
          u.setxattr("f", `user.${String(n).padStart(245, "x")}`, "v")),
      )
    );
    if (outcomes.every((outcome) => outcome.error === "")) {
      fails("E2BIG", await u.listxattr("f"));
      await u.listxattrLength("f");
    }
    ok(await u.getxattr("f", `user.${"1".padStart(245, "x")}`));
  },
  "kinds of files": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.setxattr("d", "user.a", "of a directory"));
    ok(await u.getxattr("d", "user.a"));
    ok(await u.symlink("d", "l"));
    ok(await u.mkfifo("p"));
    ok(await u.mknod("c", 0o020600, 1, 3));
    for (const name of ["l", "p", "c"]) {
      fails("EPERM", await u.setxattr(name, "user.a", "x", 0, 0));
      await u.getxattr(name, "user.a", 100, 0);
      await u.removexattr(name, "user.a", 0);
      ok(await u.setxattr(name, "trusted.a", "x", 0, 0));
      same(text(ok(await u.getxattr(name, "trusted.a", 100, 0))), "x", "value");
      ok(await u.listxattr(name, 1000, 0));
      ok(await u.removexattr(name, "trusted.a", 0));
    }
  },
  "through links": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.symlink("f", "l"));
    ok(await u.setxattr("l", "user.a", "through"));
    same(text(ok(await u.getxattr("f", "user.a"))), "through", "value");
    fails("ENODATA", await u.getxattr("l", "trusted.a", 100, 0));
    ok(await u.listxattr("l"));
    ok(await u.listxattr("l", 1000, 0));
    ok(await u.link("f", "g"));
    same(text(ok(await u.getxattr("g", "user.a"))), "through", "value");
  },
  "of open files": async ({ root: u }) => {
    const file = ok(await u.open("f", O.CREAT | O.RDONLY));
    ok(await u.fsetxattr(file, "user.a", "x"));
    ok(await u.fgetxattr(file, "user.a"));
    ok(await u.unlink("f"));
    ok(await u.fsetxattr(file, "user.b", "y"));
    ok(await u.flistxattr(file));
    ok(await u.fremovexattr(file, "user.a"));
    fails("ENODATA", await u.fgetxattr(file, "user.a"));
  },
  "rename keeps them, a new file has none": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.setxattr("f", "user.a", "kept"));
    ok(await u.rename("f", "g"));
    ok(await u.getxattr("g", "user.a"));
    ok(await u.creat("f"));
    fails("ENODATA", await u.getxattr("f", "user.a"));
    ok(await u.unlink("g"));
    ok(await u.creat("g"));
    same(ok(await u.listxattr("g")), [], "names");
  },
  "change ctime only": async ({ root: u, changes }) => {
    ok(await u.creat("f"));
    same(
      await changes(["f"], async () => ok(await u.setxattr("f", "user.a", "x"))),
      ["ctime"],
      "set",
    );
    same(await changes(["f"], async () => ok(await u.getxattr("f", "user.a")).length), [""], "get");
    same(
      await changes(["f"], async () => ok(await u.removexattr("f", "user.a"))),
      ["ctime"],
      "remove",
    );
    same(await changes(["f"], async () => fails("ENODATA", await u.removexattr("f", "user.a"))), [
      "",
    ], "fail");
  },
  "permissions of user attributes": async ({ root: u, as }) => {
    const [owner, other] = [await as(1000), await as(1001)];
    ok(await owner.creat("f", 0o600));
    ok(await owner.setxattr("f", "user.a", "mine"));
    fails("EACCES", await other.getxattr("f", "user.a"));
    fails("EACCES", await other.setxattr("f", "user.a", "x"));
    fails("EACCES", await other.removexattr("f", "user.a"));
    ok(await other.listxattr("f"));
    ok(await u.chmod("f", 0o444));
    ok(await other.getxattr("f", "user.a"));
    fails("EACCES", await owner.setxattr("f", "user.a", "x"));
    ok(await u.chmod("f", 0o006));
    ok(await other.setxattr("f", "user.a", "theirs"));
    fails("EACCES", await owner.getxattr("f", "user.a"));
  },
  "sticky directories: only the owner sets user attributes": async ({ root: u, as }) => {
    ok(await u.mkdir("d"));
    ok(await u.chmod("d", 0o1777));
    fails("EPERM", await (await as(1000)).setxattr("d", "user.a", "x"));
    ok(await u.setxattr("d", "user.a", "x"));
    ok(await u.chmod("d", 0o777));
    ok(await (await as(1000)).setxattr("d", "user.a", "x"));
  },
  "trusted attributes are the superuser's": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await user.creat("f"));
    fails("EPERM", await user.setxattr("f", "trusted.a", "x"));
    ok(await u.setxattr("f", "trusted.a", "secret"));
    ok(await u.setxattr("f", "user.a", "open"));
    fails("ENODATA", await user.getxattr("f", "trusted.a"));
    fails("EPERM", await user.removexattr("f", "trusted.a"));
    same(ok(await user.listxattr("f")), ["user.a"], "names an ordinary user sees");
    ok(await u.listxattr("f"));
  },
  "security attributes": async ({ root: u, as }) => {
    const user = await as(1000);
    ok(await user.creat("f"));
    fails("EPERM", await user.setxattr("f", "security.a", "x"));
    ok(await u.setxattr("f", "security.a", "label"));
    ok(await user.getxattr("f", "security.a"));
    fails("EPERM", await user.removexattr("f", "security.a"));
    ok(await user.listxattr("f"));
  },
  "a missing file, an unreachable file": async ({ root: u, as }) => {
    fails("ENOENT", await u.getxattr("none", "user.a"));
    fails("ENOENT", await u.setxattr("none", "user.a", "x"));
    ok(await u.mkdir("d", 0o700));
    ok(await u.creat("d/f"));
    fails("EACCES", await (await as(1000)).getxattr("d/f", "user.a"));
    fails("EACCES", await (await as(1000)).listxattr("d/f"));
  },
}, { needs: "xattr" });
