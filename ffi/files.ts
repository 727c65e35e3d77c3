/**
 * The part of libbtfuse_native.so that looks at files (shim/files.zig): straight from the kernel, where Deno's own
 * answers come through libc and may be another preloaded library's (fakeroot). Opened on first use.
 */
import { findLibrary } from "./library_path.ts";
import { cString } from "./process.ts";

const symbols = {
  /** uint32_t bt_user(void): the effective user */
  bt_user: { parameters: [], result: "u32" },
  /** int bt_file_identity(int fd, const char *path_or_null, uint32_t out[3]): mode, owner, number of names */
  bt_file_identity: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  /** int bt_is_loadable(const char *path): 1 or 0 */
  bt_is_loadable: { parameters: ["buffer"], result: "i32" },
  /** uint64_t bt_content_number(const char *path): 0 when it cannot be read */
  bt_content_number: { parameters: ["buffer"], result: "u64" },
  /** int bt_is_same_content(const char *a, const char *b): 1 or 0 */
  bt_is_same_content: { parameters: ["buffer", "buffer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

let opened: Deno.DynamicLibrary<typeof symbols>["symbols"] | undefined;

function native() {
  return opened ??= Deno.dlopen(findLibrary("libbtfuse_native.so"), symbols).symbols;
}

const AT_FDCWD = -100;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;

/** What decides whether a file can be trusted. */
export interface FileIdentity {
  isFile: boolean;
  isDirectory: boolean;
  /** Permission bits, with set-ID and sticky bits. */
  mode: number;
  uid: number;
  nlink: number;
}

/** The user whose rights this process has, also where a library pretends otherwise. */
export function effectiveUser(): number {
  return native().bt_user();
}

/** @returns what has this name, a symbolic link not followed; undefined: nothing that can be looked at */
export function identityOf(path: string): FileIdentity | undefined {
  const out = new Uint32Array(3);
  return native().bt_file_identity(AT_FDCWD, cString(path), out) === 0 ? identity(out) : undefined;
}

/** @returns what a descriptor stands for */
export function identityOfDescriptor(fd: number): FileIdentity | undefined {
  const out = new Uint32Array(3);
  return native().bt_file_identity(fd, null, out) === 0 ? identity(out) : undefined;
}

function identity([mode, uid, nlink]: Uint32Array): FileIdentity {
  const isType = (type: number) => (mode & S_IFMT) === type;
  return {
    isFile: isType(S_IFREG),
    isDirectory: isType(S_IFDIR),
    mode: mode & 0o7777,
    uid,
    nlink,
  };
}

/** Whether programs may load this library, which a file system mounted noexec forbids. */
export function isLoadable(path: string): boolean {
  return native().bt_is_loadable(cString(path)) === 1;
}

/** A short name for what a file of this user contains; another content has another one, unless somebody contrived it. */
export function nameOfContent(path: string): string {
  return native().bt_content_number(cString(path)).toString(16).padStart(16, "0");
}

/** Whether two files of this user, which nobody else can cut off meanwhile, contain the same. */
export function isSameContent(a: string, b: string): boolean {
  return native().bt_is_same_content(cString(a), cString(b)) === 1;
}
