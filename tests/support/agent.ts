/**
 * A process that makes file system calls for a test, as any user: typed methods over tests/agent.zig.
 *
 * ```ts
 * await using agent = await Agent.start({ cwd: mount.dir });
 * const file = ok(await agent.open("f", O.CREAT | O.RDWR, 0o644));
 * ok(await agent.write(file, "hello"));
 * fails("EEXIST", await agent.mkdir("f"));
 * ```
 *
 * Commands issued without waiting between them travel together and are carried out in order, so
 * `await Promise.all(names.map((name) => agent.mkdir(name)))` is one exchange.
 * @module
 */
import {
  type AgentOptions,
  AgentProcess,
  type Answer,
  type Argument,
  type Data,
  type Handle,
} from "./agent_process.ts";
import {
  decodeEntries,
  decodeLock,
  decodeRead,
  decodeStat,
  decodeStatfs,
  decodeStatx,
  decodeStrings,
  type Entry,
  type Outcome,
  outcome,
  type Read,
  type RecordLock,
  show,
  showEntries,
  showMode,
  showRead,
  showStat,
  showStatx,
  type Stat,
  type Statfs,
  type Statx,
} from "./agent_values.ts";
import { AT, F, S, STATX, UTIME_NOW } from "./posix.ts";

export type { AgentOptions, Data, Handle } from "./agent_process.ts";
export { AgentDied, pattern } from "./agent_process.ts";
export * from "./agent_values.ts";
export * from "./posix.ts";

type Path = string | Uint8Array;

/** A time to set: nanoseconds since 1970, or UTIME_NOW or UTIME_OMIT as `{ special }`. */
export type Time = bigint | { special: number };
export const NOW: Time = { special: UTIME_NOW };

/** The directory a relative path starts from: an open one, or the current one. */
export const CWD: Handle = { slot: AT.FDCWD };
/** A descriptor that is never open. */
export const NO_FILE: Handle = { slot: -1 };

/** How many bytes of what is read come back as they are. */
const LITERAL_MAX = 4096;
const XATTR_BUFFER = 65536;

export class Agent implements AsyncDisposable {
  /** Called as each operation is issued; what it gives is called with the outcome. */
  observe: ((call: string) => (outcome: Outcome<unknown>) => void) | undefined;
  readonly process: AgentProcess;

  private constructor(process: AgentProcess) {
    this.process = process;
  }

  static async start(options: AgentOptions): Promise<Agent> {
    return new Agent(await AgentProcess.start(options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
  }

  // Names

  /** Gives a handle that can be used at once; after a failure, operations on it answer EBADF. */
  open(path: Path, flags: number, mode = 0o644, dir = CWD): Promise<Outcome<Handle>> {
    return this.#opening(
      "openat",
      [dir, path, flags, mode],
      `open(${at(dir)}${show(path)}, 0${flags.toString(8)}, ${showMode(mode)})`,
    );
  }
  creat(path: Path, mode = 0o644): Promise<Outcome<Handle>> {
    return this.#opening("creat", [path, mode]);
  }
  mkdir(path: Path, mode = 0o755, dir = CWD): Promise<Outcome> {
    return this.#do(
      "mkdirat",
      [dir, path, mode],
      `mkdir(${at(dir)}${show(path)}, ${showMode(mode)})`,
    );
  }
  /** `mode` with the file type. */
  mknod(path: Path, mode: number, major = 0, minor = 0, dir = CWD): Promise<Outcome> {
    return this.#do(
      "mknodat",
      [dir, path, mode, major, minor],
      `mknod(${at(dir)}${show(path)}, 0${mode.toString(8)}, ${major}, ${minor})`,
    );
  }
  mkfifo(path: Path, mode = 0o644): Promise<Outcome> {
    return this.mknod(path, S.IFIFO | mode);
  }
  unlink(path: Path, dir = CWD): Promise<Outcome> {
    return this.#do("unlinkat", [dir, path, 0], `unlink(${at(dir)}${show(path)})`);
  }
  rmdir(path: Path, dir = CWD): Promise<Outcome> {
    return this.#do("unlinkat", [dir, path, AT.REMOVEDIR], `rmdir(${at(dir)}${show(path)})`);
  }
  remove(path: Path): Promise<Outcome> {
    return this.#do("remove", [path]);
  }
  rename(from: Path, to: Path, flags = 0, fromDir = CWD, toDir = CWD): Promise<Outcome> {
    return this.#do(
      "renameat2",
      [fromDir, from, toDir, to, flags],
      `rename(${at(fromDir)}${show(from)}, ${at(toDir)}${show(to)}, ${flags})`,
    );
  }
  link(from: Path, to: Path, flags = 0, fromDir = CWD, toDir = CWD): Promise<Outcome> {
    return this.#do(
      "linkat",
      [fromDir, from, toDir, to, flags],
      `link(${at(fromDir)}${show(from)}, ${at(toDir)}${show(to)}, ${flags})`,
    );
  }
  /** Gives an open file (O_TMPFILE) a name by way of /proc. */
  linkOpen(file: Handle, to: Path, toDir = CWD): Promise<Outcome> {
    return this.#do("linkProc", [file, toDir, to]);
  }
  symlink(target: Path, path: Path, dir = CWD): Promise<Outcome> {
    return this.#do(
      "symlinkat",
      [target, dir, path],
      `symlink(${show(target)}, ${at(dir)}${show(path)})`,
    );
  }
  readlink(path: Path, size = 4096, dir = CWD): Promise<Outcome<string>> {
    return this.#do("readlinkat", [dir, path, size], undefined, text, show);
  }
  chdir(path: Path): Promise<Outcome> {
    return this.#do("chdir", [path]);
  }
  fchdir(dir: Handle): Promise<Outcome> {
    return this.#do("fchdir", [dir]);
  }
  /** Not written down: the path lies elsewhere on every file system. */
  getcwd(size = 4096): Promise<Outcome<string>> {
    return this.#do("getcwd", [size], undefined, text, () => "a path");
  }
  realpath(path: Path): Promise<Outcome<string>> {
    return this.#do("realpath", [path], undefined, text, () => "a path");
  }

  // Attributes

  stat(path: Path, dir = CWD): Promise<Outcome<Stat>> {
    return this.#stat("stat", [dir, path, 0]);
  }
  lstat(path: Path, dir = CWD): Promise<Outcome<Stat>> {
    return this.#stat("lstat", [dir, path, AT.SYMLINK_NOFOLLOW]);
  }
  /** fstatat with any flags. */
  statAt(path: Path, flags: number, dir = CWD): Promise<Outcome<Stat>> {
    return this.#stat(`fstatat[${flags}]`, [dir, path, flags]);
  }
  fstat(file: Handle): Promise<Outcome<Stat>> {
    return this.#do("fstat", [file], undefined, (a) => decodeStat(a.payload), showStat);
  }
  statx(
    path: Path,
    flags = 0,
    mask: number = STATX.BASIC_STATS,
    dir = CWD,
  ): Promise<Outcome<Statx>> {
    return this.#do(
      "statx",
      [dir, path, flags, mask],
      undefined,
      (a) => decodeStatx(a.payload),
      (stx) => showStatx(stx, mask),
    );
  }
  access(path: Path, mode: number, flags = 0, dir = CWD): Promise<Outcome> {
    return this.#do(
      "faccessat",
      [dir, path, mode, flags],
      `access(${at(dir)}${show(path)}, ${mode}, ${flags})`,
    );
  }
  chmod(path: Path, mode: number, flags = 0, dir = CWD): Promise<Outcome> {
    return this.#do(
      "fchmodat",
      [dir, path, mode, flags],
      `chmod(${at(dir)}${show(path)}, ${showMode(mode)})`,
    );
  }
  fchmod(file: Handle, mode: number): Promise<Outcome> {
    return this.#do("fchmod", [file, mode]);
  }
  /** -1 leaves an id as it is. */
  chown(path: Path, uid: number, gid: number, flags = 0, dir = CWD): Promise<Outcome> {
    return this.#do(
      "fchownat",
      [dir, path, uid, gid, flags],
      `chown(${at(dir)}${show(path)}, ${uid}, ${gid})`,
    );
  }
  lchown(path: Path, uid: number, gid: number): Promise<Outcome> {
    return this.#do("fchownat", [CWD, path, uid, gid, AT.SYMLINK_NOFOLLOW]);
  }
  fchown(file: Handle, uid: number, gid: number): Promise<Outcome> {
    return this.#do("fchown", [file, uid, gid]);
  }
  utimens(path: Path, atime: Time, mtime: Time, flags = 0, dir = CWD): Promise<Outcome> {
    return this.#do("utimensat", [dir, path, ...timespec(atime), ...timespec(mtime), flags, 0]);
  }
  /** utimensat without times: both become now, which takes less permission than setting them. */
  touch(path: Path): Promise<Outcome> {
    return this.#do("utimensat", [CWD, path, 0, 0, 0, 0, 0, 1], `touch(${show(path)})`);
  }
  futimens(file: Handle, atime: Time, mtime: Time): Promise<Outcome> {
    return this.#do("futimens", [file, ...timespec(atime), ...timespec(mtime), 0]);
  }
  /** Only block size and longest name are written down. */
  statfs(path: Path): Promise<Outcome<Statfs>> {
    return this.#do("statfs", [path], undefined, (a) => decodeStatfs(a.payload), showStatfs);
  }
  fstatfs(file: Handle): Promise<Outcome<Statfs>> {
    return this.#do("fstatfs", [file], undefined, (a) => decodeStatfs(a.payload), showStatfs);
  }
  setxattr(path: Path, name: Path, value: Data, flags = 0, follow = 1): Promise<Outcome> {
    return this.#do("setxattr", [path, name, value, flags, follow]);
  }
  fsetxattr(file: Handle, name: Path, value: Data, flags = 0): Promise<Outcome> {
    return this.#do("fsetxattr", [file, name, value, flags]);
  }
  getxattr(path: Path, name: Path, size = XATTR_BUFFER, follow = 1): Promise<Outcome<Uint8Array>> {
    return this.#do("getxattr", [path, name, size, follow], undefined, bytes, showBytes);
  }
  fgetxattr(file: Handle, name: Path, size = XATTR_BUFFER): Promise<Outcome<Uint8Array>> {
    return this.#do("fgetxattr", [file, name, size], undefined, bytes, showBytes);
  }
  /** The length a call with size 0 answers. */
  getxattrLength(path: Path, name: Path): Promise<Outcome> {
    return this.#do("getxattr", [path, name, 0, 1]);
  }
  listxattr(path: Path, size = XATTR_BUFFER, follow = 1): Promise<Outcome<string[]>> {
    return this.#do("listxattr", [path, size, follow], undefined, strings, showSorted);
  }
  flistxattr(file: Handle, size = XATTR_BUFFER): Promise<Outcome<string[]>> {
    return this.#do("flistxattr", [file, size], undefined, strings, showSorted);
  }
  /** The length a call with size 0 answers. */
  listxattrLength(path: Path): Promise<Outcome> {
    return this.#do("listxattr", [path, 0, 1]);
  }
  removexattr(path: Path, name: Path, follow = 1): Promise<Outcome> {
    return this.#do("removexattr", [path, name, follow]);
  }
  fremovexattr(file: Handle, name: Path): Promise<Outcome> {
    return this.#do("fremovexattr", [file, name]);
  }

  // Open files

  close(file: Handle): Promise<Outcome> {
    return this.#do("close", [file], "close");
  }
  dup(file: Handle): Promise<Outcome<Handle>> {
    return this.#opening("dup", [file]);
  }
  /** Makes the number of `onto` another name for `file`. */
  dup2(file: Handle, onto: Handle): Promise<Outcome> {
    return this.#do("dup2", [file, onto]);
  }
  dup3(file: Handle, onto: Handle, flags: number): Promise<Outcome> {
    return this.#do("dup3", [file, onto, flags]);
  }
  dupFrom(file: Handle, lowest: number, command: number = F.DUPFD): Promise<Outcome<Handle>> {
    return this.#opening("fcntlDup", [file, command, lowest]);
  }
  fcntl(file: Handle, command: number, argument = 0): Promise<Outcome> {
    return this.#do("fcntl", [file, command, argument]);
  }
  ioctl(file: Handle, request: number, argument = 0): Promise<Outcome> {
    return this.#do(
      "ioctl",
      [file, request, argument],
      undefined,
      (a) => new DataView(a.payload.slice().buffer).getUint32(0, true),
    );
  }
  read(file: Handle, count: number): Promise<Outcome<Read>> {
    return this.#read("read", [file, count]);
  }
  pread(file: Handle, count: number, offset: number): Promise<Outcome<Read>> {
    return this.#read("pread", [file, count, offset]);
  }
  readv(file: Handle, partBytes: number, partCount: number): Promise<Outcome<Read>> {
    return this.#read("readv", [file, partBytes, partCount]);
  }
  preadv2(
    file: Handle,
    partBytes: number,
    partCount: number,
    offset: number,
    flags = 0,
  ): Promise<Outcome<Read>> {
    return this.#read("preadv2", [file, partBytes, partCount, offset, flags]);
  }
  write(file: Handle, data: Data): Promise<Outcome> {
    return this.#do("write", [file, data]);
  }
  pwrite(file: Handle, data: Data, offset: number): Promise<Outcome> {
    return this.#do("pwrite", [file, data, offset]);
  }
  writev(file: Handle, data: Data, partBytes: number): Promise<Outcome> {
    return this.#do("writev", [file, data, partBytes]);
  }
  pwritev2(
    file: Handle,
    data: Data,
    partBytes: number,
    offset: number,
    flags = 0,
  ): Promise<Outcome> {
    return this.#do("pwritev2", [file, data, partBytes, offset, flags]);
  }
  /** What reading these bytes would give. */
  checksum(data: Data): Promise<Outcome<Read>> {
    return this.#do(
      "checksum",
      [data],
      undefined,
      (a) => decodeRead(a.payload, a.result),
      showRead,
    );
  }
  lseek(file: Handle, offset: number | bigint, whence = 0): Promise<Outcome> {
    return this.#do("lseek", [file, offset, whence]);
  }
  truncate(path: Path, length: number | bigint): Promise<Outcome> {
    return this.#do("truncate", [path, length]);
  }
  ftruncate(file: Handle, length: number | bigint): Promise<Outcome> {
    return this.#do("ftruncate", [file, length]);
  }
  fallocate(file: Handle, mode: number, offset: number, length: number): Promise<Outcome> {
    return this.#do("fallocate", [file, mode, offset, length]);
  }
  posixFallocate(file: Handle, offset: number, length: number): Promise<Outcome> {
    return this.#do("posixFallocate", [file, offset, length]);
  }
  fadvise(file: Handle, offset: number, length: number, advice: number): Promise<Outcome> {
    return this.#do("posixFadvise", [file, offset, length, advice]);
  }
  /** An offset of -1 stands for the descriptor's own. */
  copyFileRange(
    from: Handle,
    fromOffset: number,
    to: Handle,
    toOffset: number,
    count: number,
    flags = 0,
  ): Promise<Outcome> {
    return this.#do("copyFileRange", [from, fromOffset, to, toOffset, count, flags]);
  }
  sendfile(to: Handle, from: Handle, fromOffset: number, count: number): Promise<Outcome> {
    return this.#do("sendfile", [to, from, fromOffset, count]);
  }
  fsync(file: Handle): Promise<Outcome> {
    return this.#do("fsync", [file]);
  }
  fdatasync(file: Handle): Promise<Outcome> {
    return this.#do("fdatasync", [file]);
  }
  syncfs(file: Handle): Promise<Outcome> {
    return this.#do("syncfs", [file]);
  }
  flock(file: Handle, operation: number): Promise<Outcome> {
    return this.#do("flock", [file, operation]);
  }
  lockf(file: Handle, command: number, length: number): Promise<Outcome> {
    return this.#do("lockf", [file, command, length]);
  }
  lock(
    file: Handle,
    command: number,
    type: number,
    start = 0,
    length = 0,
    whence = 0,
  ): Promise<Outcome<RecordLock>> {
    return this.#do(
      "fcntlLock",
      [file, command, type, whence, start, length],
      undefined,
      (a) => decodeLock(a.payload),
      show,
    );
  }

  // Memory. `map` is any handle given by `mmap`.

  mmap(
    file: Handle,
    offset: number,
    length: number,
    protection: number,
    flags: number,
  ): Promise<Outcome<Handle>> {
    const slot = this.#mapCount++ % 64;
    return this.#do(
      "mmap",
      [slot, file, offset, length, protection, flags],
      undefined,
      () => ({ slot }),
      () => "mapped",
    );
  }
  #mapCount = 0;
  mapRead(map: Handle, offset: number, length: number): Promise<Outcome<Read>> {
    return this.#read("mapRead", [map.slot, offset, length]);
  }
  mapWrite(map: Handle, offset: number, data: Data): Promise<Outcome> {
    return this.#do("mapWrite", [map.slot, offset, data]);
  }
  msync(map: Handle, offset: number, length: number, flags: number): Promise<Outcome> {
    return this.#do("msync", [map.slot, offset, length, flags]);
  }
  munmap(map: Handle): Promise<Outcome> {
    return this.#do("munmap", [map.slot]);
  }

  // Directories. A stream is a handle of its own kind.

  opendir(path: Path): Promise<Outcome<Handle>> {
    const slot = this.#streamCount++ % 256;
    return this.#do("opendir", [path, slot], undefined, () => ({ slot }), () => "opened");
  }
  #streamCount = 0;
  /** The stream owns the descriptor from then on. */
  fdopendir(file: Handle): Promise<Outcome<Handle>> {
    const slot = this.#streamCount++ % 256;
    return this.#do("fdopendir", [file.slot, slot], undefined, () => ({ slot }), () => "opened");
  }
  /** Fewer than `count` entries mean the end. */
  readdir(stream: Handle, count: number): Promise<Outcome<Entry[]>> {
    return this.#do(
      "readdir",
      [stream.slot, count],
      undefined,
      (a) => decodeEntries(a.payload),
      showEntries,
    );
  }
  /** Keeps the place in the stream under a number of the caller's choice. */
  telldir(stream: Handle, mark: number): Promise<Outcome> {
    return this.#do("telldir", [stream.slot, mark]);
  }
  seekdir(stream: Handle, mark: number): Promise<Outcome> {
    return this.#do("seekdir", [stream.slot, mark]);
  }
  rewinddir(stream: Handle): Promise<Outcome> {
    return this.#do("rewinddir", [stream.slot]);
  }
  closedir(stream: Handle): Promise<Outcome> {
    return this.#do("closedir", [stream.slot]);
  }
  dirfd(stream: Handle): Promise<Outcome<Handle>> {
    return this.#opening("dirfd", [stream.slot]);
  }
  /** One getdents64 with a buffer of `size` bytes. */
  getdents(file: Handle, size: number): Promise<Outcome<Entry[]>> {
    return this.#do(
      "getdents",
      [file, size],
      undefined,
      (a) => decodeEntries(a.payload),
      showEntries,
    );
  }
  /** The whole directory, sorted, with "." and "..", every inode number compared with stat's. */
  list(path: Path): Promise<Outcome<Entry[]>> {
    return this.#do("list", [path], undefined, (a) => decodeEntries(a.payload), showEntries);
  }

  // Functions of libc that reach files by themselves

  fopenRead(path: Path, count: number): Promise<Outcome<Read>> {
    return this.#read("fopenRead", [path, count]);
  }
  fopenWrite(path: Path, mode: string, data: Data): Promise<Outcome> {
    return this.#do("fopenWrite", [path, mode, data]);
  }
  mkdtemp(prefix: Path): Promise<Outcome<string>> {
    return this.#do("mkdtemp", [prefix], undefined, text, () => "a name");
  }
  /** The new file's name; it is closed with the next `reset`. */
  mkstemp(prefix: Path): Promise<Outcome<string>> {
    return this.#do("mkstemp", [prefix, this.process.takeSlot()], undefined, text, () => "a name");
  }
  scandir(path: Path): Promise<Outcome<string[]>> {
    return this.#do("scandir", [path], undefined, strings, show);
  }
  glob(pattern: Path): Promise<Outcome<string[]>> {
    return this.#do("glob", [pattern], undefined, strings, show);
  }
  nftw(path: Path): Promise<Outcome<string[]>> {
    return this.#do("nftw", [path], undefined, strings, show);
  }

  // The process

  /** Becomes this user for good. */
  become(uid: number, gid: number, groups: number[] = []): Promise<Outcome> {
    return this.#do("become", [uid, gid, new Uint8Array(new Uint32Array(groups).buffer)]);
  }
  umask(mask: number): Promise<Outcome> {
    return this.#do("umask", [mask]);
  }
  /** See `variant` in tests/agent/wire.zig. */
  variant(number: number): Promise<Outcome> {
    return this.#do("variant", [number]);
  }
  /** Closes everything, restores the umask 022 and goes to `path`. */
  reset(path: Path): Promise<Outcome> {
    this.process.freeSlots();
    return this.#do("reset", [path], "reset");
  }
  setrlimit(resource: number, limit: number): Promise<Outcome> {
    return this.#do("setrlimit", [resource, limit]);
  }
  /** Waits until later time stamps differ from earlier ones. */
  tick(): Promise<Outcome> {
    return this.#do("tick", []);
  }
  /** Starts a program without arguments; gives its wait status. */
  run(path: Path): Promise<Outcome> {
    return this.#do("run", [path]);
  }
  bindSocket(path: Path): Promise<Outcome<Handle>> {
    return this.#opening("bindSocket", [path]);
  }
  connectSocket(path: Path): Promise<Outcome<Handle>> {
    return this.#opening("connectSocket", [path]);
  }

  async #do<T = number>(
    name: string,
    args: Argument[],
    call = `${name}(${args.map(showArgument).join(", ")})`,
    decode: (answer: Answer) => T = (answer) => answer.result as T,
    render: (value: T) => string = String,
  ): Promise<Outcome<T>> {
    const observed = this.observe?.(call);
    const answer = await this.process.call(name, args);
    const result = outcome(call, answer.errno, () => decode(answer), render);
    observed?.(result);
    return result;
  }

  #stat(name: string, args: Argument[]): Promise<Outcome<Stat>> {
    const call = `${name}(${at(args[0] as Handle)}${show(args[1])})`;
    return this.#do("fstatat", args, call, (a) => decodeStat(a.payload), showStat);
  }

  #read(name: string, args: Argument[]): Promise<Outcome<Read>> {
    const call = `${name}(${args.map(showArgument).join(", ")})`;
    return this.#do(
      name,
      [...args, LITERAL_MAX],
      call,
      (a) => decodeRead(a.payload, a.result),
      showRead,
    );
  }

  /** The descriptor's number is written down: a program can see it, and counts on the lowest free one. */
  #opening(
    name: string,
    args: Argument[],
    call = `${name}(${args.map(showArgument).join(", ")})`,
  ): Promise<Outcome<Handle>> {
    const slot = this.process.takeSlot();
    let number = -1;
    const decode = (answer: Answer): Handle => {
      number = answer.result;
      return { slot };
    };
    return this.#do(name, [...args, slot], call, decode, () => `descriptor ${number}`);
  }
}

const text = (answer: Answer) => new TextDecoder().decode(answer.payload);
const bytes = (answer: Answer) => answer.payload.slice();
const strings = (answer: Answer) => decodeStrings(answer.payload);
const showSorted = (values: string[]) => show([...values].sort());
const showStatfs = (sfs: Statfs) =>
  `bsize ${sfs.bsize} frsize ${sfs.frsize} namelen ${sfs.namelen}`;

function timespec(time: Time): [number | bigint, number | bigint] {
  if (typeof time !== "bigint") return [0, time.special];
  const nanoseconds = ((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return [(time - nanoseconds) / 1_000_000_000n, nanoseconds];
}

function at(dir: Handle): string {
  return dir.slot === AT.FDCWD ? "" : `${showArgument(dir)}, `;
}

function showBytes(value: Uint8Array): string {
  return value.length > 64 ? `${value.length} bytes ${hash(value)}` : show([...value]);
}

/** FNV-1a, to tell long values apart. */
function hash(value: Uint8Array): string {
  let sum = 0x811c9dc5;
  for (const byte of value) sum = Math.imul(sum ^ byte, 0x01000193);
  return (sum >>> 0).toString(16);
}

function showArgument(arg: Argument): string {
  if (arg instanceof Uint8Array) return showBytes(arg);
  if (typeof arg === "string" && arg.length > 200) {
    return `${show(arg.slice(0, 20))}… ${arg.length}`;
  }
  if (typeof arg === "object" && "slot" in arg) {
    return arg.slot >= 0 ? `#${arg.slot}` : `${arg.slot}`;
  }
  return show(arg);
}
