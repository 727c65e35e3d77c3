/**
 * The calls of an agent that take paths: names, attributes, extended attributes.
 * @module
 */
import { type Data, type Handle } from "./agent_process.ts";
import {
  decodeStat,
  decodeStatfs,
  decodeStatx,
  type Outcome,
  show,
  showMode,
  showStat,
  showStatx,
  type Stat,
  type Statfs,
  type Statx,
} from "./agent_values.ts";
import { AT, S, STATX } from "./posix.ts";
import {
  AgentBase,
  at,
  bytes,
  CWD,
  type Path,
  showBytes,
  showSorted,
  showStatfs,
  strings,
  text,
  type Time,
  timespec,
} from "./agent_base.ts";

const XATTR_BUFFER = 65536;

/** `follow` of the attribute calls: 0 is the l- function. */
export abstract class PathCalls extends AgentBase {
  // Names

  /** Gives a handle that can be used at once; after a failure, operations on it answer EBADF. */
  open(path: Path, flags: number, mode = 0o644, dir = CWD): Promise<Outcome<Handle>> {
    return this.doOpen(
      "openat",
      [dir, path, flags, mode],
      `open(${at(dir)}${show(path)}, 0${flags.toString(8)}, ${showMode(mode)})`,
    );
  }
  creat(path: Path, mode = 0o644): Promise<Outcome<Handle>> {
    return this.doOpen("creat", [path, mode]);
  }
  mkdir(path: Path, mode = 0o755, dir = CWD): Promise<Outcome> {
    return this.do(
      "mkdirat",
      [dir, path, mode],
      `mkdir(${at(dir)}${show(path)}, ${showMode(mode)})`,
    );
  }
  /** `mode` with the file type. */
  mknod(path: Path, mode: number, major = 0, minor = 0, dir = CWD): Promise<Outcome> {
    return this.do(
      "mknodat",
      [dir, path, mode, major, minor],
      `mknod(${at(dir)}${show(path)}, 0${mode.toString(8)}, ${major}, ${minor})`,
    );
  }
  mkfifo(path: Path, mode = 0o644): Promise<Outcome> {
    return this.mknod(path, S.IFIFO | mode);
  }
  unlink(path: Path, dir = CWD): Promise<Outcome> {
    return this.do("unlinkat", [dir, path, 0], `unlink(${at(dir)}${show(path)})`);
  }
  rmdir(path: Path, dir = CWD): Promise<Outcome> {
    return this.do("unlinkat", [dir, path, AT.REMOVEDIR], `rmdir(${at(dir)}${show(path)})`);
  }
  remove(path: Path): Promise<Outcome> {
    return this.do("remove", [path]);
  }
  rename(from: Path, to: Path, flags = 0, fromDir = CWD, toDir = CWD): Promise<Outcome> {
    return this.do(
      "renameat2",
      [fromDir, from, toDir, to, flags],
      `rename(${at(fromDir)}${show(from)}, ${at(toDir)}${show(to)}, ${flags})`,
    );
  }
  link(from: Path, to: Path, flags = 0, fromDir = CWD, toDir = CWD): Promise<Outcome> {
    return this.do(
      "linkat",
      [fromDir, from, toDir, to, flags],
      `link(${at(fromDir)}${show(from)}, ${at(toDir)}${show(to)}, ${flags})`,
    );
  }
  /** Gives an open file (O_TMPFILE) a name by way of /proc. */
  linkOpen(file: Handle, to: Path, toDir = CWD): Promise<Outcome> {
    return this.do("linkProc", [file, toDir, to]);
  }
  symlink(target: Path, path: Path, dir = CWD): Promise<Outcome> {
    return this.do(
      "symlinkat",
      [target, dir, path],
      `symlink(${show(target)}, ${at(dir)}${show(path)})`,
    );
  }
  readlink(path: Path, size = 4096, dir = CWD): Promise<Outcome<string>> {
    return this.do("readlinkat", [dir, path, size], undefined, text, show);
  }
  chdir(path: Path): Promise<Outcome> {
    return this.do("chdir", [path]);
  }
  fchdir(dir: Handle): Promise<Outcome> {
    return this.do("fchdir", [dir]);
  }
  /** Not written down: the path lies elsewhere on every file system. */
  getcwd(size = 4096): Promise<Outcome<string>> {
    return this.do("getcwd", [size], undefined, text, () => "a path");
  }
  realpath(path: Path): Promise<Outcome<string>> {
    return this.do("realpath", [path], undefined, text, () => "a path");
  }

  // Attributes

  stat(path: Path, dir = CWD): Promise<Outcome<Stat>> {
    return this.doStat("stat", [dir, path, 0]);
  }
  lstat(path: Path, dir = CWD): Promise<Outcome<Stat>> {
    return this.doStat("lstat", [dir, path, AT.SYMLINK_NOFOLLOW]);
  }
  /** fstatat with any flags. */
  statAt(path: Path, flags: number, dir = CWD): Promise<Outcome<Stat>> {
    return this.doStat(`fstatat[${flags}]`, [dir, path, flags]);
  }
  fstat(file: Handle): Promise<Outcome<Stat>> {
    return this.do("fstat", [file], undefined, (a) => decodeStat(a.payload), showStat);
  }
  statx(
    path: Path,
    flags = 0,
    mask: number = STATX.BASIC_STATS,
    dir = CWD,
  ): Promise<Outcome<Statx>> {
    return this.do(
      "statx",
      [dir, path, flags, mask],
      undefined,
      (a) => decodeStatx(a.payload),
      (stx) => showStatx(stx, mask),
    );
  }
  access(path: Path, mode: number, flags = 0, dir = CWD): Promise<Outcome> {
    return this.do(
      "faccessat",
      [dir, path, mode, flags],
      `access(${at(dir)}${show(path)}, ${mode}, ${flags})`,
    );
  }
  chmod(path: Path, mode: number, flags = 0, dir = CWD): Promise<Outcome> {
    return this.do(
      "fchmodat",
      [dir, path, mode, flags],
      `chmod(${at(dir)}${show(path)}, ${showMode(mode)})`,
    );
  }
  fchmod(file: Handle, mode: number): Promise<Outcome> {
    return this.do("fchmod", [file, mode]);
  }
  /** -1 leaves an id as it is. */
  chown(path: Path, uid: number, gid: number, flags = 0, dir = CWD): Promise<Outcome> {
    return this.do(
      "fchownat",
      [dir, path, uid, gid, flags],
      `chown(${at(dir)}${show(path)}, ${uid}, ${gid})`,
    );
  }
  lchown(path: Path, uid: number, gid: number): Promise<Outcome> {
    return this.do("fchownat", [CWD, path, uid, gid, AT.SYMLINK_NOFOLLOW]);
  }
  fchown(file: Handle, uid: number, gid: number): Promise<Outcome> {
    return this.do("fchown", [file, uid, gid]);
  }
  utimens(path: Path, atime: Time, mtime: Time, flags = 0, dir = CWD): Promise<Outcome> {
    return this.do("utimensat", [dir, path, ...timespec(atime), ...timespec(mtime), flags, 0]);
  }
  /** utimensat without times: both become now, which takes less permission than setting them. */
  touch(path: Path): Promise<Outcome> {
    return this.do("utimensat", [CWD, path, 0, 0, 0, 0, 0, 1], `touch(${show(path)})`);
  }
  futimens(file: Handle, atime: Time, mtime: Time): Promise<Outcome> {
    return this.do("futimens", [file, ...timespec(atime), ...timespec(mtime), 0]);
  }
  /** Only block size and longest name are written down. */
  statfs(path: Path): Promise<Outcome<Statfs>> {
    return this.do("statfs", [path], undefined, (a) => decodeStatfs(a.payload), showStatfs);
  }
  fstatfs(file: Handle): Promise<Outcome<Statfs>> {
    return this.do("fstatfs", [file], undefined, (a) => decodeStatfs(a.payload), showStatfs);
  }
  setxattr(path: Path, name: Path, value: Data, flags = 0, follow = 1): Promise<Outcome> {
    return this.do("setxattr", [path, name, value, flags, follow]);
  }
  fsetxattr(file: Handle, name: Path, value: Data, flags = 0): Promise<Outcome> {
    return this.do("fsetxattr", [file, name, value, flags]);
  }
  getxattr(path: Path, name: Path, size = XATTR_BUFFER, follow = 1): Promise<Outcome<Uint8Array>> {
    return this.do("getxattr", [path, name, size, follow], undefined, bytes, showBytes);
  }
  fgetxattr(file: Handle, name: Path, size = XATTR_BUFFER): Promise<Outcome<Uint8Array>> {
    return this.do("fgetxattr", [file, name, size], undefined, bytes, showBytes);
  }
  /** The length a call with size 0 answers. */
  getxattrLength(path: Path, name: Path): Promise<Outcome> {
    return this.do("getxattr", [path, name, 0, 1]);
  }
  listxattr(path: Path, size = XATTR_BUFFER, follow = 1): Promise<Outcome<string[]>> {
    return this.do("listxattr", [path, size, follow], undefined, strings, showSorted);
  }
  flistxattr(file: Handle, size = XATTR_BUFFER): Promise<Outcome<string[]>> {
    return this.do("flistxattr", [file, size], undefined, strings, showSorted);
  }
  /** The length a call with size 0 answers. */
  listxattrLength(path: Path): Promise<Outcome> {
    return this.do("listxattr", [path, 0, 1]);
  }
  removexattr(path: Path, name: Path, follow = 1): Promise<Outcome> {
    return this.do("removexattr", [path, name, follow]);
  }
  fremovexattr(file: Handle, name: Path): Promise<Outcome> {
    return this.do("fremovexattr", [file, name]);
  }
}
