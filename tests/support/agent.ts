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
import { type AgentOptions, AgentProcess, type Data, type Handle } from "./agent_process.ts";
import {
  decodeEntries,
  decodeLock,
  decodeRead,
  type Entry,
  type Outcome,
  type Read,
  type RecordLock,
  show,
  showEntries,
  showRead,
} from "./agent_values.ts";
import { F } from "./posix.ts";
import { type Path, strings, text } from "./agent_base.ts";
import { PathCalls } from "./agent_paths.ts";

export type { AgentOptions, Data, Handle } from "./agent_process.ts";
export { AgentDied, pattern } from "./agent_process.ts";
export * from "./agent_values.ts";
export * from "./posix.ts";

export { CWD, NO_FILE, NOW, type Time } from "./agent_base.ts";

/** The calls on open files, mappings and directories, and those about the process itself, beside the inherited ones. */
export class Agent extends PathCalls {
  static async start(options: AgentOptions): Promise<Agent> {
    return new Agent(await AgentProcess.start(options));
  }

  // Open files

  close(file: Handle): Promise<Outcome> {
    return this.do("close", [file], "close");
  }
  dup(file: Handle): Promise<Outcome<Handle>> {
    return this.doOpen("dup", [file]);
  }
  /** Makes the number of `onto` another name for `file`. */
  dup2(file: Handle, onto: Handle): Promise<Outcome> {
    return this.do("dup2", [file, onto]);
  }
  dup3(file: Handle, onto: Handle, flags: number): Promise<Outcome> {
    return this.do("dup3", [file, onto, flags]);
  }
  dupFrom(file: Handle, lowest: number, command: number = F.DUPFD): Promise<Outcome<Handle>> {
    return this.doOpen("fcntlDup", [file, command, lowest]);
  }
  fcntl(file: Handle, command: number, argument = 0): Promise<Outcome> {
    return this.do("fcntl", [file, command, argument]);
  }
  ioctl(file: Handle, request: number, argument = 0): Promise<Outcome> {
    return this.do(
      "ioctl",
      [file, request, argument],
      undefined,
      (a) => new DataView(a.payload.slice().buffer).getUint32(0, true),
    );
  }
  read(file: Handle, count: number): Promise<Outcome<Read>> {
    return this.doRead("read", [file, count]);
  }
  pread(file: Handle, count: number, offset: number): Promise<Outcome<Read>> {
    return this.doRead("pread", [file, count, offset]);
  }
  readv(file: Handle, partBytes: number, partCount: number): Promise<Outcome<Read>> {
    return this.doRead("readv", [file, partBytes, partCount]);
  }
  preadv2(
    file: Handle,
    partBytes: number,
    partCount: number,
    offset: number,
    flags = 0,
  ): Promise<Outcome<Read>> {
    return this.doRead("preadv2", [file, partBytes, partCount, offset, flags]);
  }
  write(file: Handle, data: Data): Promise<Outcome> {
    return this.do("write", [file, data]);
  }
  pwrite(file: Handle, data: Data, offset: number): Promise<Outcome> {
    return this.do("pwrite", [file, data, offset]);
  }
  writev(file: Handle, data: Data, partBytes: number): Promise<Outcome> {
    return this.do("writev", [file, data, partBytes]);
  }
  pwritev2(
    file: Handle,
    data: Data,
    partBytes: number,
    offset: number,
    flags = 0,
  ): Promise<Outcome> {
    return this.do("pwritev2", [file, data, partBytes, offset, flags]);
  }
  /** What reading these bytes would give. */
  checksum(data: Data): Promise<Outcome<Read>> {
    return this.do(
      "checksum",
      [data],
      undefined,
      (a) => decodeRead(a.payload, a.result),
      showRead,
    );
  }
  lseek(file: Handle, offset: number | bigint, whence = 0): Promise<Outcome> {
    return this.do("lseek", [file, offset, whence]);
  }
  truncate(path: Path, length: number | bigint): Promise<Outcome> {
    return this.do("truncate", [path, length]);
  }
  ftruncate(file: Handle, length: number | bigint): Promise<Outcome> {
    return this.do("ftruncate", [file, length]);
  }
  fallocate(file: Handle, mode: number, offset: number, length: number): Promise<Outcome> {
    return this.do("fallocate", [file, mode, offset, length]);
  }
  posixFallocate(file: Handle, offset: number, length: number): Promise<Outcome> {
    return this.do("posixFallocate", [file, offset, length]);
  }
  fadvise(file: Handle, offset: number, length: number, advice: number): Promise<Outcome> {
    return this.do("posixFadvise", [file, offset, length, advice]);
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
    return this.do("copyFileRange", [from, fromOffset, to, toOffset, count, flags]);
  }
  sendfile(to: Handle, from: Handle, fromOffset: number, count: number): Promise<Outcome> {
    return this.do("sendfile", [to, from, fromOffset, count]);
  }
  fsync(file: Handle): Promise<Outcome> {
    return this.do("fsync", [file]);
  }
  fdatasync(file: Handle): Promise<Outcome> {
    return this.do("fdatasync", [file]);
  }
  syncfs(file: Handle): Promise<Outcome> {
    return this.do("syncfs", [file]);
  }
  flock(file: Handle, operation: number): Promise<Outcome> {
    return this.do("flock", [file, operation]);
  }
  lockf(file: Handle, command: number, length: number): Promise<Outcome> {
    return this.do("lockf", [file, command, length]);
  }
  lock(
    file: Handle,
    command: number,
    type: number,
    start = 0,
    length = 0,
    whence = 0,
  ): Promise<Outcome<RecordLock>> {
    return this.do(
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
    return this.do(
      "mmap",
      [slot, file, offset, length, protection, flags],
      undefined,
      () => ({ slot }),
      () => "mapped",
    );
  }
  #mapCount = 0;
  mapRead(map: Handle, offset: number, length: number): Promise<Outcome<Read>> {
    return this.doRead("mapRead", [map.slot, offset, length]);
  }
  mapWrite(map: Handle, offset: number, data: Data): Promise<Outcome> {
    return this.do("mapWrite", [map.slot, offset, data]);
  }
  msync(map: Handle, offset: number, length: number, flags: number): Promise<Outcome> {
    return this.do("msync", [map.slot, offset, length, flags]);
  }
  munmap(map: Handle): Promise<Outcome> {
    return this.do("munmap", [map.slot]);
  }

  // Directories. A stream is a handle of its own kind.

  opendir(path: Path): Promise<Outcome<Handle>> {
    const slot = this.#streamCount++ % 256;
    return this.do("opendir", [path, slot], undefined, () => ({ slot }), () => "opened");
  }
  #streamCount = 0;
  /** The stream owns the descriptor from then on. */
  fdopendir(file: Handle): Promise<Outcome<Handle>> {
    const slot = this.#streamCount++ % 256;
    return this.do("fdopendir", [file.slot, slot], undefined, () => ({ slot }), () => "opened");
  }
  /** Fewer than `count` entries mean the end. */
  readdir(stream: Handle, count: number): Promise<Outcome<Entry[]>> {
    return this.do(
      "readdir",
      [stream.slot, count],
      undefined,
      (a) => decodeEntries(a.payload),
      showEntries,
    );
  }
  /** Keeps the place in the stream under a number of the caller's choice. */
  telldir(stream: Handle, mark: number): Promise<Outcome> {
    return this.do("telldir", [stream.slot, mark]);
  }
  seekdir(stream: Handle, mark: number): Promise<Outcome> {
    return this.do("seekdir", [stream.slot, mark]);
  }
  rewinddir(stream: Handle): Promise<Outcome> {
    return this.do("rewinddir", [stream.slot]);
  }
  closedir(stream: Handle): Promise<Outcome> {
    return this.do("closedir", [stream.slot]);
  }
  dirfd(stream: Handle): Promise<Outcome<Handle>> {
    return this.doOpen("dirfd", [stream.slot]);
  }
  /** One getdents64 with a buffer of `size` bytes. */
  getdents(file: Handle, size: number): Promise<Outcome<Entry[]>> {
    return this.do(
      "getdents",
      [file, size],
      undefined,
      (a) => decodeEntries(a.payload),
      showEntries,
    );
  }
  /** The whole directory, sorted, with "." and "..", every inode number compared with stat's. */
  list(path: Path): Promise<Outcome<Entry[]>> {
    return this.do("list", [path], undefined, (a) => decodeEntries(a.payload), showEntries);
  }

  // Functions of libc that reach files by themselves

  fopenRead(path: Path, count: number): Promise<Outcome<Read>> {
    return this.doRead("fopenRead", [path, count]);
  }
  fopenWrite(path: Path, mode: string, data: Data): Promise<Outcome> {
    return this.do("fopenWrite", [path, mode, data]);
  }
  mkdtemp(prefix: Path): Promise<Outcome<string>> {
    return this.do("mkdtemp", [prefix], undefined, text, () => "a name");
  }
  /** The new file's name; it is closed with the next `reset`. */
  mkstemp(prefix: Path): Promise<Outcome<string>> {
    return this.do("mkstemp", [prefix, this.process.takeSlot()], undefined, text, () => "a name");
  }
  scandir(path: Path): Promise<Outcome<string[]>> {
    return this.do("scandir", [path], undefined, strings, show);
  }
  glob(pattern: Path): Promise<Outcome<string[]>> {
    return this.do("glob", [pattern], undefined, strings, show);
  }
  nftw(path: Path): Promise<Outcome<string[]>> {
    return this.do("nftw", [path], undefined, strings, show);
  }

  // The process

  /** Becomes this user for good. */
  become(uid: number, gid: number, groups: number[] = []): Promise<Outcome> {
    return this.do("become", [uid, gid, new Uint8Array(new Uint32Array(groups).buffer)]);
  }
  umask(mask: number): Promise<Outcome> {
    return this.do("umask", [mask]);
  }
  /** See `variant` in tests/agent/wire.zig. */
  variant(number: number): Promise<Outcome> {
    return this.do("variant", [number]);
  }
  /** Closes everything, restores the umask 022 and goes to `path`. */
  reset(path: Path): Promise<Outcome> {
    this.process.freeSlots();
    return this.do("reset", [path], "reset");
  }
  setrlimit(resource: number, limit: number): Promise<Outcome> {
    return this.do("setrlimit", [resource, limit]);
  }
  /** Waits until later time stamps differ from earlier ones. */
  tick(): Promise<Outcome> {
    return this.do("tick", []);
  }
  /** Starts a program without arguments; gives its wait status. */
  run(path: Path): Promise<Outcome> {
    return this.do("run", [path]);
  }
  bindSocket(path: Path): Promise<Outcome<Handle>> {
    return this.doOpen("bindSocket", [path]);
  }
  connectSocket(path: Path): Promise<Outcome<Handle>> {
    return this.doOpen("connectSocket", [path]);
  }
}
