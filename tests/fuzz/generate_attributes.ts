/**
 * Random operations on attributes.
 * @module
 */
import { AT, UTIME_NOW, UTIME_OMIT, XATTR } from "../support/agent.ts";
import type { Generator } from "./generate.ts";

const IDS = [0, 1000, 1001, 1002, 5000, 6000];
const ACL_ACCESS = "system.posix_acl_access";
const ACL_DEFAULT = "system.posix_acl_default";
const XATTR_NAMES = [
  "user.a",
  "user.b",
  "user.long-name",
  "trusted.t",
  "security.s",
  "unknown.x",
  ACL_ACCESS,
];

/** Seconds that `utimensat` sets: none of them can be a time at which a test runs. */
const TIMES = [0, 1, 1_000_000_000, 1_100_000_000, 2_208_988_800, 3_000_000_000, -5];

export const attributeOperations:
  readonly (readonly [weight: number, make: (g: Generator) => void])[] = [
    [8, look],
    [5, chmod],
    [4, chown],
    [5, utimens],
    [4, xattr],
    [2, acl],
  ];

function look(g: Generator): void {
  const path = g.random.chance(0.8) ? g.existing() : g.fresh();
  const flags = g.random.chance(0.6) ? AT.SYMLINK_NOFOLLOW : 0;
  switch (g.random.int(6)) {
    case 0:
      return g.emit("fstat", [g.slot()], "stat");
    case 1:
      return g.emit("statx", [AT.FDCWD, path, flags, 0x7ff], "statx");
    case 2:
      return g.emit("faccessat", [
        AT.FDCWD,
        path,
        g.random.int(8),
        g.random.chance(0.5) ? AT.EACCESS : 0,
      ]);
    case 3:
      return g.emit("readlinkat", [AT.FDCWD, g.existing("link"), 4096]);
    default:
      return g.emit("fstatat", [AT.FDCWD, path, flags], "stat");
  }
}

function chmod(g: Generator): void {
  if (g.random.chance(0.2)) g.emit("fchmod", [g.slot(), g.mode()]);
  else g.emit("fchmodat", [AT.FDCWD, g.existing(), g.mode(), 0]);
}

function chown(g: Generator): void {
  const [uid, gid] = [g.random.pick([-1, ...IDS]), g.random.pick([-1, ...IDS])];
  // Of a chown to nobody the kernel tells FUSE only that set-ID bits go, as when somebody writes to the file. So anybody
  // can take them away by it, where on tmpfs only the owner can: only root does it here.
  if (uid === -1 && gid === -1) g.emit("act", [0, 0, new Uint8Array()]);
  if (g.random.chance(0.2)) return g.emit("fchown", [g.slot(), uid, gid]);
  const flags = g.random.chance(0.3) ? AT.SYMLINK_NOFOLLOW : 0;
  g.emit("fchownat", [AT.FDCWD, g.existing(), uid, gid, flags]);
}

function utimens(g: Generator): void {
  const time = () => [
    g.random.pick(TIMES),
    g.random.pick([0, 1, 999_999_999, 123_456_789, UTIME_NOW, UTIME_OMIT]),
  ];
  const times = [...time(), ...time()];
  const useNull = g.random.chance(0.1) ? 1 : 0;
  if (g.random.chance(0.2)) return g.emit("futimens", [g.slot(), ...times, useNull]);
  const flags = g.random.chance(0.3) ? AT.SYMLINK_NOFOLLOW : 0;
  g.emit("utimensat", [AT.FDCWD, g.existing(), ...times, flags, useNull]);
}

function xattr(g: Generator): void {
  const [path, name] = [g.existing(), g.random.pick(XATTR_NAMES)];
  const follow = g.random.chance(0.7) ? 1 : 0;
  const value = {
    pattern: g.random.int(1000),
    length: g.random.skewed(g.random.chance(0.1) ? 8000 : 100),
  };
  const flags = g.random.pick([0, 0, 0, XATTR.CREATE, XATTR.REPLACE]);
  switch (g.random.int(7)) {
    case 0:
    case 1:
      return g.emit("setxattr", [
        path,
        name === ACL_ACCESS ? "user.c" : name,
        value,
        flags,
        follow,
      ]);
    case 2:
      return g.emit("fsetxattr", [g.slot(), "user.f", value, flags]);
    case 3:
      return g.emit("getxattr", [path, name, g.random.pick([0, 10, 65536]), follow]);
    case 4:
      return g.emit("listxattr", [path, g.random.pick([0, 10, 65536]), follow], "names");
    case 5:
      return g.emit("flistxattr", [g.slot(), 65536], "names");
    default:
      return g.emit("removexattr", [path, name, follow]);
  }
}

/**
 * Followed by a look: a list changes the mode, which the kernel, in some checks of link(2), takes from what it
 * last saw of a FUSE file.
 */
function acl(g: Generator): void {
  const path = g.existing(g.random.chance(0.5) ? "directory" : undefined);
  changeAcl(g, path);
  g.emit("fstatat", [AT.FDCWD, path, 0], "stat");
}

function changeAcl(g: Generator, path: string): void {
  const name = g.random.chance(0.4) ? ACL_DEFAULT : ACL_ACCESS;
  if (g.random.chance(0.15)) return g.emit("removexattr", [path, name, 1]);
  const named = g.random.pick([[], [[2, 1000]], [[2, 1001], [2, 1002]], [[8, 5000]], [[
    2,
    1002,
  ], [8, 1000]]]);
  const entries = [
    [1, -1],
    ...named.filter(([tag]) => tag === 2),
    [4, -1],
    ...named.filter(([tag]) => tag === 8),
  ];
  if (named.length > 0 || g.random.chance(0.3)) entries.push([16, -1]);
  entries.push([32, -1]);
  const view = new DataView(new ArrayBuffer(4 + entries.length * 8));
  view.setUint32(0, 2, true);
  entries.forEach(([tag = 0, id = 0], index) => {
    view.setUint16(4 + index * 8, tag, true);
    view.setUint16(6 + index * 8, g.random.chance(0.6) ? 7 : g.random.int(8), true);
    view.setInt32(8 + index * 8, id, true);
  });
  g.emit("setxattr", [path, name, new Uint8Array(view.buffer), 0, 1]);
}
