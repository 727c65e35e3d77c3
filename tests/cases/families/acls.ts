/** Cases about POSIX access control lists, set through their attributes (source: acl(5), linux/posix_acl_xattr.h). */
import { ACCESS, fails, O, ok, same } from "../../support/agent.ts";
import { family } from "../case.ts";

const ACCESS_ACL = "system.posix_acl_access";
const DEFAULT_ACL = "system.posix_acl_default";
const TAGS: Record<string, number> = { u: 1, U: 2, g: 4, G: 8, m: 0x10, o: 0x20 };
const NO_ID = 0xffffffff;

/** "u:rwx U1000:r-- g:r-x m:r-x o:---": small letters for owner, group, mask, others, capitals for named ones. */
function acl(text: string): Uint8Array {
  const entries = text.split(" ").filter((word) => word !== "");
  const view = new DataView(new ArrayBuffer(4 + entries.length * 8));
  view.setUint32(0, 2, true);
  entries.forEach((entry, index) => {
    const [who = "", bits = ""] = entry.split(":");
    const perm = (bits.includes("r") ? 4 : 0) | (bits.includes("w") ? 2 : 0) |
      (bits.includes("x") ? 1 : 0);
    view.setUint16(4 + index * 8, TAGS[who.charAt(0)] ?? 0, true);
    view.setUint16(6 + index * 8, perm, true);
    view.setUint32(8 + index * 8, who.length > 1 ? Number(who.slice(1)) : NO_ID, true);
  });
  return new Uint8Array(view.buffer);
}

/** The reverse of `acl`. */
function showAcl(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words: string[] = [];
  for (let offset = 4; offset < bytes.length; offset += 8) {
    const tag = view.getUint16(offset, true);
    const perm = view.getUint16(offset + 2, true);
    const id = view.getUint32(offset + 4, true);
    const letter = Object.keys(TAGS).find((key) => TAGS[key] === tag) ?? "?";
    const bits = (perm & 4 ? "r" : "-") + (perm & 2 ? "w" : "-") + (perm & 1 ? "x" : "-");
    words.push(`${letter}${id === NO_ID ? "" : id}:${bits}`);
  }
  return words.join(" ");
}

export const aclCases = family("acls", {
  "none on a new file": async ({ root: u }) => {
    ok(await u.creat("f"));
    ok(await u.mkdir("d"));
    fails("ENODATA", await u.getxattr("f", ACCESS_ACL));
    fails("ENODATA", await u.getxattr("d", DEFAULT_ACL));
    await u.removexattr("d", DEFAULT_ACL);
    await u.removexattr("f", ACCESS_ACL);
  },
  "set and get": async ({ root: u }) => {
    ok(await u.creat("f", 0o644));
    ok(await u.setxattr("f", ACCESS_ACL, acl("u:rw- U1000:rwx g:r-- m:rwx o:r--")));
    same(
      showAcl(ok(await u.getxattr("f", ACCESS_ACL))),
      "u:rw- U1000:rwx g:r-- m:rwx o:r--",
      "list",
    );
    ok(await u.listxattr("f"));
    same(ok(await u.stat("f")).mode & 0o777, 0o674, "mode: the group bits are the mask");
    ok(await u.removexattr("f", ACCESS_ACL));
    ok(await u.stat("f"));
    fails("ENODATA", await u.getxattr("f", ACCESS_ACL));
  },
  "a list that says no more than a mode becomes one": async ({ root: u }) => {
    ok(await u.creat("f", 0o644));
    ok(await u.setxattr("f", ACCESS_ACL, acl("u:rwx g:r-x o:---")));
    same(ok(await u.stat("f")).mode & 0o777, 0o750, "mode");
    fails("ENODATA", await u.getxattr("f", ACCESS_ACL));
  },
  "lists that make no sense": async ({ root: u }) => {
    ok(await u.creat("f"));
    for (
      const text of [
        "u:rwx",
        "u:rwx g:r-x",
        "u:rwx U5:rwx g:r-x o:---",
        "u:rwx u:rwx g:r-x o:---",
        "o:--- g:r-x u:rwx",
        "u:rwx g:r-x m:rwx m:rwx o:---",
      ]
    ) {
      fails("EINVAL", await u.setxattr("f", ACCESS_ACL, acl(text)));
    }
    await u.setxattr("f", ACCESS_ACL, "short");
    const version = acl("u:rwx g:r-x o:---");
    version[0] = 9;
    await u.setxattr("f", ACCESS_ACL, version);
    ok(await u.stat("f"));
    await u.setxattr("f", ACCESS_ACL, "");
  },
  "a named user": async ({ root: u, as }) => {
    const [named, other] = [await as(1000), await as(1001)];
    ok(await u.fopenWrite("f", "w", "secret"));
    ok(await u.chmod("f", 0o600));
    ok(await u.setxattr("f", ACCESS_ACL, acl("u:rw- U1000:r-- g:--- m:r-- o:---")));
    same(ok(await named.fopenRead("f", 10)).text, "secret", "content");
    fails("EACCES", await named.open("f", O.WRONLY));
    fails("EACCES", await other.open("f", O.RDONLY));
    ok(await named.access("f", ACCESS.R_OK));
    fails("EACCES", await other.access("f", ACCESS.R_OK));
    ok(await u.setxattr("f", ACCESS_ACL, acl("u:rw- U1000:--- U1001:rw- g:r-- m:rw- o:r--")));
    fails("EACCES", await named.open("f", O.RDONLY));
    ok(await other.open("f", O.RDWR));
  },
  "a named group": async ({ root: u, as }) => {
    const [member, other] = [await as(1000, 1000, [5000]), await as(1001, 1001, [6000])];
    ok(await u.creat("f", 0o600));
    ok(await u.setxattr("f", ACCESS_ACL, acl("u:rw- g:--- G5000:rw- m:rw- o:---")));
    ok(await member.open("f", O.RDWR));
    fails("EACCES", await other.open("f", O.RDONLY));
  },
  "of several groups any may grant": async ({ root: u, as }) => {
    const user = await as(1000, 1000, [5000, 6000]);
    ok(await u.creat("f", 0o600));
    ok(await u.setxattr("f", ACCESS_ACL, acl("u:rw- g:--- G5000:r-- G6000:-w- m:rw- o:rwx")));
    ok(await user.open("f", O.RDONLY));
    ok(await user.open("f", O.WRONLY));
    fails("EACCES", await user.open("f", O.RDWR));
    fails("EACCES", await user.access("f", ACCESS.X_OK));
  },
  "the mask limits named users and the group, not owner and others": async ({ root: u, as }) => {
    const [named, owner, other] = [await as(1000), await as(1001), await as(1002)];
    ok(await u.creat("f", 0o600));
    ok(await u.chown("f", 1001, 1001));
    ok(await u.setxattr("f", ACCESS_ACL, acl("u:rw- U1000:rw- g:rw- m:r-- o:rw-")));
    fails("EACCES", await named.open("f", O.WRONLY));
    ok(await named.open("f", O.RDONLY));
    ok(await owner.open("f", O.RDWR));
    ok(await other.open("f", O.RDWR));
  },
  "chmod changes the mask": async ({ root: u, as }) => {
    const named = await as(1000);
    ok(await u.creat("f", 0o644));
    ok(await u.setxattr("f", ACCESS_ACL, acl("u:rw- U1000:rw- g:r-- m:rw- o:r--")));
    ok(await named.open("f", O.RDWR));
    ok(await u.chmod("f", 0o640));
    same(
      showAcl(ok(await u.getxattr("f", ACCESS_ACL))),
      "u:rw- U1000:rw- g:r-- m:r-- o:---",
      "list",
    );
    fails("EACCES", await named.open("f", O.RDWR));
    ok(await u.chmod("f", 0o770));
    same(
      showAcl(ok(await u.getxattr("f", ACCESS_ACL))),
      "u:rwx U1000:rw- g:r-- m:rwx o:---",
      "list",
    );
    ok(await named.open("f", O.RDWR));
  },
  "chmod without a mask changes the group": async ({ root: u }) => {
    ok(await u.creat("f", 0o644));
    ok(await u.setxattr("f", ACCESS_ACL, acl("u:rw- g:rw- o:r--")));
    ok(await u.chmod("f", 0o604));
    ok(await u.stat("f"));
    fails("ENODATA", await u.getxattr("f", ACCESS_ACL));
  },
  "default lists are for directories": async ({ root: u }) => {
    ok(await u.creat("f"));
    fails("EACCES", await u.setxattr("f", DEFAULT_ACL, acl("u:rwx g:r-x o:---")));
    ok(await u.mkdir("d"));
    ok(await u.setxattr("d", DEFAULT_ACL, acl("u:rwx g:r-x o:---")));
    ok(await u.getxattr("d", DEFAULT_ACL));
    ok(await u.listxattr("d"));
    ok(await u.stat("d"));
    ok(await u.removexattr("d", DEFAULT_ACL));
    ok(await u.listxattr("d"));
  },
  "a default list is inherited by files": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.setxattr("d", DEFAULT_ACL, acl("u:rwx U1000:rwx g:r-x m:rwx o:r-x")));
    ok(await u.umask(0o077));
    ok(await u.open("d/f", O.CREAT | O.RDWR, 0o666));
    same(
      showAcl(ok(await u.getxattr("d/f", ACCESS_ACL))),
      "u:rw- U1000:rwx g:r-x m:rw- o:r--",
      "list",
    );
    same(ok(await u.stat("d/f")).mode & 0o777, 0o664, "mode: the umask does not count");
    fails("ENODATA", await u.getxattr("d/f", DEFAULT_ACL));
    ok(await u.open("d/g", O.CREAT | O.RDWR, 0o600));
    ok(await u.getxattr("d/g", ACCESS_ACL));
    ok(await u.stat("d/g"));
    ok(await u.mkfifo("d/p", 0o666));
    ok(await u.getxattr("d/p", ACCESS_ACL));
    ok(await u.stat("d/p"));
  },
  "a default list is inherited by directories, as both kinds": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.setxattr("d", DEFAULT_ACL, acl("u:rwx U1000:rwx g:r-x m:rwx o:---")));
    ok(await u.mkdir("d/e", 0o755));
    same(
      showAcl(ok(await u.getxattr("d/e", DEFAULT_ACL))),
      "u:rwx U1000:rwx g:r-x m:rwx o:---",
      "default list",
    );
    ok(await u.getxattr("d/e", ACCESS_ACL));
    ok(await u.stat("d/e"));
    ok(await u.mkdir("d/e/f", 0o700));
    ok(await u.getxattr("d/e/f", ACCESS_ACL));
    ok(await u.getxattr("d/e/f", DEFAULT_ACL));
  },
  "a default list of three entries sets modes only": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.setxattr("d", DEFAULT_ACL, acl("u:rwx g:--- o:r--")));
    ok(await u.umask(0o777));
    ok(await u.open("d/f", O.CREAT | O.RDWR, 0o666));
    same(ok(await u.stat("d/f")).mode & 0o777, 0o604, "mode");
    fails("ENODATA", await u.getxattr("d/f", ACCESS_ACL));
    ok(await u.mkdir("d/e", 0o777));
    ok(await u.stat("d/e"));
    ok(await u.getxattr("d/e", DEFAULT_ACL));
  },
  "links inherit nothing": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.setxattr("d", DEFAULT_ACL, acl("u:rwx U1000:rwx g:r-x m:rwx o:---")));
    ok(await u.symlink("t", "d/l"));
    ok(await u.listxattr("d/l", 1000, 0));
    fails("EOPNOTSUPP", await u.setxattr("d/l", ACCESS_ACL, acl("u:rwx g:r-x o:---"), 0, 0));
  },
  "rename keeps lists and inherits none": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.setxattr("d", DEFAULT_ACL, acl("u:rwx U1000:rwx g:r-x m:rwx o:---")));
    ok(await u.creat("f", 0o644));
    ok(await u.rename("f", "d/f"));
    fails("ENODATA", await u.getxattr("d/f", ACCESS_ACL));
    ok(await u.creat("d/g"));
    ok(await u.rename("d/g", "g"));
    ok(await u.getxattr("g", ACCESS_ACL));
  },
  "O_TMPFILE inherits": async ({ root: u }) => {
    ok(await u.mkdir("d"));
    ok(await u.setxattr("d", DEFAULT_ACL, acl("u:rwx U1000:rwx g:r-x m:rwx o:---")));
    const file = ok(await u.open("d", O.TMPFILE | O.RDWR, 0o666));
    await u.fgetxattr(file, ACCESS_ACL);
    ok(await u.fstat(file));
  },
  "directories: search and write by list": async ({ root: u, as }) => {
    const [named, other] = [await as(1000), await as(1001)];
    ok(await u.mkdir("d", 0o700));
    ok(await u.creat("d/f"));
    ok(await u.setxattr("d", ACCESS_ACL, acl("u:rwx U1000:--x g:--- m:rwx o:---")));
    ok(await named.stat("d/f"));
    fails("EACCES", await named.list("d"));
    fails("EACCES", await named.creat("d/g"));
    fails("EACCES", await other.stat("d/f"));
    ok(await u.setxattr("d", ACCESS_ACL, acl("u:rwx U1000:rwx g:--- m:rwx o:---")));
    ok(await named.list("d"));
    ok(await named.creat("d/g"));
    ok(await named.unlink("d/f"));
    ok(await named.rename("d/g", "d/h"));
  },
  "only the owner changes lists": async ({ root: u, as }) => {
    const [owner, other] = [await as(1000), await as(1001)];
    ok(await owner.creat("f", 0o666));
    fails("EPERM", await other.setxattr("f", ACCESS_ACL, acl("u:rwx g:r-x o:---")));
    fails("EPERM", await other.removexattr("f", ACCESS_ACL));
    ok(await owner.setxattr("f", ACCESS_ACL, acl("u:rw- U1001:rw- g:r-- m:rw- o:---")));
    ok(await other.getxattr("f", ACCESS_ACL));
    ok(await other.open("f", O.RDWR));
    ok(await u.chown("f", 1001, 1001));
    fails("EPERM", await owner.setxattr("f", ACCESS_ACL, acl("u:rwx g:r-x o:---")));
  },
  "setting a list changes ctime": async ({ root: u, changes }) => {
    ok(await u.creat("f"));
    await changes(
      ["f"],
      async () => ok(await u.setxattr("f", ACCESS_ACL, acl("u:rw- U5:rw- g:r-- m:rw- o:---"))),
    );
    await changes(["f"], async () => ok(await u.chmod("f", 0o600)));
  },
  "setgid is lost when a list is set by someone outside the group": async ({ root: u, as }) => {
    const owner = await as(1000);
    ok(await owner.creat("f"));
    ok(await u.chown("f", 1000, 5000));
    ok(await u.chmod("f", 0o2755));
    ok(await owner.setxattr("f", ACCESS_ACL, acl("u:rwx U5:rw- g:r-x m:rwx o:---")));
    ok(await u.stat("f"));
  },
  "a long list": async ({ root: u }) => {
    ok(await u.creat("f"));
    const users = Array.from({ length: 200 }, (_, n) => `U${2000 + n}:r--`).join(" ");
    ok(await u.setxattr("f", ACCESS_ACL, acl(`u:rw- ${users} g:r-- m:rw- o:---`)));
    same(
      showAcl(ok(await u.getxattr("f", ACCESS_ACL))),
      `u:rw- ${users} g:r-- m:rw- o:---`,
      "list",
    );
  },
});
