/** The part of libbtfuse_native.so that deals with processes and mounts (shim/process.zig). Opened on first use. */
import { findLibrary } from "./library_path.ts";

const symbols = {
  /** int bt_process_spawn(const char *path, char *const argv[], char *const envp[], const char *log_path): a pid */
  bt_process_spawn: { parameters: ["buffer", "buffer", "buffer", "buffer"], result: "i32" },
  /** void bt_raise_limits(void) */
  bt_raise_limits: { parameters: [], result: "void" },
  /** int bt_process_reap(int pid, uint32_t *status): 0 while it runs, else the pid */
  bt_process_reap: { parameters: ["i32", "buffer"], result: "i32" },
  /** int bt_exec(const char *path, char *const argv[], char *const envp[], uint64_t nofile_soft): only on failure */
  bt_exec: { parameters: ["buffer", "buffer", "buffer", "u64"], result: "i32" },
  /** int bt_enter(int fd) */
  bt_enter: { parameters: ["i32"], result: "i32" },
  /** int bt_has_capabilities(const char *path): 1 or 0 */
  bt_has_capabilities: { parameters: ["buffer"], result: "i32" },
  /** int bt_mount_flags(const char *path, uint32_t flags) */
  bt_mount_flags: { parameters: ["buffer", "u32"], result: "i32" },
  /** int bt_umount(const char *path, uint32_t flags) */
  bt_umount: { parameters: ["buffer", "u32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

let opened: Deno.DynamicLibrary<typeof symbols>["symbols"] | undefined;

function native() {
  return opened ??= Deno.dlopen(findLibrary("libbtfuse_native.so"), symbols).symbols;
}

/** Flags of umount2(2). */
export const MNT_FORCE = 1;
export const MNT_DETACH = 2;

/** errno values that umount2(2) and execve(2) answer with and that mean something to us. */
export const EPERM = 1;
export const ENOENT = 2;
export const ENOEXEC = 8;
export const EACCES = 13;
export const EBUSY = 16;
export const ENOTDIR = 20;
export const EINVAL = 22;

/** @returns 0 or a negative errno */
export function umount2(path: string, flags: number): number {
  return native().bt_umount(cString(path), flags);
}

/** mount(2) that changes only flags of a mount (MS_REMOUNT). @returns 0 or a negative errno */
export function mountFlags(path: string, flags: number): number {
  return native().bt_mount_flags(cString(path), flags);
}

/**
 * Starts `command` as a daemon: own session, directory `/`, no descriptor but the log as stdout and stderr.
 * @param command absolute path of the program, then its arguments
 * @param logPath made when missing, mode 0600; appended to
 * @returns the child's pid, or a negative errno
 */
export function spawnDaemon(command: string[], logPath: string): number {
  const environment = Object.entries(Deno.env.toObject()).map(([name, value]) =>
    `${name}=${value}`
  );
  const argv = new StringVector(command);
  const envp = new StringVector(environment);
  return native().bt_process_spawn(
    cString(command[0]),
    argv.pointers,
    envp.pointers,
    cString(logPath),
  );
}

/** Raises the limits of this process on the size of files and processor time; exceeding the first becomes an error. */
export function raiseLimits(): void {
  native().bt_raise_limits();
}

/** @returns the child's exit code (128 + signal for a killed one), or undefined while it runs */
export function reapChild(pid: number): number | undefined {
  const status = new Uint32Array(1);
  const result = native().bt_process_reap(pid, status);
  if (result === 0) return undefined;
  const signal = status[0] & 0x7f;
  return signal === 0 ? (status[0] >> 8) & 0xff : 128 + signal;
}

/**
 * Becomes another program. Arguments and environment are bytes: they need not be text.
 * @param nofileSoft the limit of open files it gets (Deno raises it); 0: as it is
 * @returns a negative errno; on success this process runs the program and nothing returns
 */
export function execute(
  path: Uint8Array,
  argv: Uint8Array[],
  environment: Uint8Array[],
  nofileSoft: number,
): number {
  const [args, settings] = [new StringVector(argv), new StringVector(environment)];
  return native().bt_exec(
    cString(path),
    args.pointers,
    settings.pointers,
    BigInt(nofileSoft),
  );
}

/** Makes the directory of this descriptor the working directory, and closes it. */
export function enterDirectory(fd: number): void {
  native().bt_enter(fd);
}

/** Whether a program file gives capabilities(7) to who runs it. */
export function hasCapabilities(path: string): boolean {
  return native().bt_has_capabilities(cString(path)) === 1;
}

/** A NULL-terminated `char *[]`; keeps the strings alive as long as it lives itself. */
export class StringVector {
  readonly pointers: BigUint64Array<ArrayBuffer>;
  readonly #strings: Uint8Array<ArrayBuffer>[];

  constructor(texts: (string | Uint8Array)[]) {
    this.#strings = texts.map(cString);
    this.pointers = new BigUint64Array([...this.#strings.map(addressOf), 0n]);
  }

  get address(): bigint {
    return addressOf(this.pointers);
  }
}

function addressOf(bytes: ArrayBufferView<ArrayBuffer>): bigint {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));
}

export function cString(text: string | Uint8Array): Uint8Array<ArrayBuffer> {
  if (typeof text === "string") return new TextEncoder().encode(text + "\0");
  const bytes = new Uint8Array(text.length + 1);
  bytes.set(text);
  return bytes;
}
