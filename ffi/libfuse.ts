/**
 * libfuse3, for what the kernel's mount interface asks of a file system beside requests: mount options,
 * mount(2) as root or the setuid fusermount3 as a user, and the descriptor of /dev/fuse. The requests
 * themselves are read from that descriptor by the kernel worker, so no callback is ever registered.
 */
import { cString, StringVector } from "./process.ts";

const symbols = {
  /** const char *fuse_pkgversion(void) */
  fuse_pkgversion: { parameters: [], result: "pointer" },
  /** struct fuse_session *fuse_session_new(struct fuse_args *args, const struct fuse_lowlevel_ops *op, size_t op_size, void *userdata); up to 3.16 */
  fuse_session_new: {
    parameters: ["buffer", "buffer", "usize", "pointer"],
    result: "pointer",
    optional: true,
  },
  /** struct fuse_session *fuse_session_new_versioned(struct fuse_args *args, const struct fuse_lowlevel_ops *op, size_t op_size, struct libfuse_version *version, void *userdata); from 3.17 */
  fuse_session_new_versioned: {
    parameters: ["buffer", "buffer", "usize", "buffer", "pointer"],
    result: "pointer",
    optional: true,
  },
  /** int fuse_session_mount(struct fuse_session *se, const char *mountpoint): 0 or -1 */
  fuse_session_mount: { parameters: ["pointer", "buffer"], result: "i32" },
  /** int fuse_session_fd(struct fuse_session *se) */
  fuse_session_fd: { parameters: ["pointer"], result: "i32" },
  /** void fuse_session_destroy(struct fuse_session *se): closes the descriptor too */
  fuse_session_destroy: { parameters: ["pointer"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

type LibfuseSymbols = Deno.DynamicLibrary<typeof symbols>["symbols"];

/** Debian 12 has the first, libfuse 3.17 and later (Debian 13) the second. */
const libraryNames = ["libfuse3.so.3", "libfuse3.so.4"];

let opened: LibfuseSymbols | undefined;

/** @throws when libfuse3 is not installed */
function libfuse(): LibfuseSymbols {
  if (opened) return opened;
  const reasons: string[] = [];
  for (const name of libraryNames) {
    try {
      return opened = Deno.dlopen(name, symbols).symbols;
    } catch (error) {
      reasons.push((error as Error).message);
    }
  }
  throw new Error(
    `libfuse3 cannot be loaded (${reasons.join("; ")}). ` +
      "Install it: on Debian 12 `apt-get install fuse3 libfuse3-3`",
  );
}

/** @returns such as "3.14.0" @throws when libfuse3 is not installed */
export function libfuseVersion(): string {
  const text = libfuse().fuse_pkgversion();
  return text === null ? "unknown" : Deno.UnsafePointerView.getCString(text);
}

/**
 * Mounts on `mountPoint` with options as in fuse(8). libfuse and fusermount3 say on stderr why they refuse.
 * @returns the open /dev/fuse of the mount; it belongs to a session that lives as long as the process
 * @throws when libfuse3 is missing, refuses an option or cannot mount
 */
export function mountFuse(mountPoint: string, options: string[]): number {
  const session = newSession(["btfuse", "-o", options.join(",")]);
  if (session === null) throw new Error(`libfuse refuses the mount options ${options.join(",")}`);
  if (libfuse().fuse_session_mount(session, cString(mountPoint)) !== 0) {
    libfuse().fuse_session_destroy(session);
    throw new Error(`libfuse could not mount on ${mountPoint}; its own message is above`);
  }
  return libfuse().fuse_session_fd(session);
}

function newSession(args: string[]): Deno.PointerValue {
  const argv = new StringVector(args);
  // struct fuse_args { int argc; char **argv; int allocated; }
  const fuseArgs = new BigUint64Array([BigInt(args.length), argv.address, 0n]);
  const noOperations = new Uint8Array(8);
  const { fuse_session_new, fuse_session_new_versioned } = libfuse();
  if (fuse_session_new) return fuse_session_new(fuseArgs, noOperations, 0n, null);
  if (!fuse_session_new_versioned) {
    throw new Error("this libfuse3 has neither fuse_session_new nor fuse_session_new_versioned");
  }
  // struct libfuse_version { uint32_t major, minor, hotfix, padding; }: what this table was written for.
  const version = new Uint32Array([3, 17, 0, 0]);
  return fuse_session_new_versioned(fuseArgs, noOperations, 0n, version, null);
}
