/** libbtfuse_native.so (shim/native.zig): shared memory, futex and the FUSE device. Opened on first use. */
import { findLibrary } from "./library_path.ts";

const symbols = {
  /** int bt_region_create(const char *name, uint64_t bytes): a descriptor */
  bt_region_create: { parameters: ["buffer", "u64"], result: "i32" },
  /** int bt_region_open(const char *name): a descriptor */
  bt_region_open: { parameters: ["buffer"], result: "i32" },
  /** int bt_region_read(int fd, uint64_t offset, void *buffer, uint32_t bytes): bytes read */
  bt_region_read: { parameters: ["i32", "u64", "buffer", "u32"], result: "i32" },
  /** int bt_region_unlink(const char *name) */
  bt_region_unlink: { parameters: ["buffer"], result: "i32" },
  /** uint64_t bt_region_map(int fd, uint64_t bytes): the address, or 0 */
  bt_region_map: { parameters: ["i32", "u64"], result: "u64" },
  /** int bt_region_unmap(uint64_t address, uint64_t bytes) */
  bt_region_unmap: { parameters: ["u64", "u64"], result: "i32" },
  /** int bt_region_reserve(int fd, uint64_t offset, uint64_t bytes) */
  bt_region_reserve: { parameters: ["i32", "u64", "u64"], result: "i32" },
  /** int bt_region_punch(int fd, uint64_t offset, uint64_t bytes) */
  bt_region_punch: { parameters: ["i32", "u64", "u64"], result: "i32" },
  /** int bt_region_is_alone(int fd): 1 when no other process has the object open or mapped, 0 when one has; or -errno */
  bt_region_is_alone: { parameters: ["i32"], result: "i32" },
  /** int bt_region_stat(int fd, double out[2]): size and memory taken, in bytes */
  bt_region_stat: { parameters: ["i32", "buffer"], result: "i32" },
  /** double bt_region_data_bytes(int fd, uint64_t from, uint64_t to): bytes that take memory */
  bt_region_data_bytes: { parameters: ["i32", "u64", "u64"], result: "f64" },
  /** int bt_region_lock(int fd): 0, or -EWOULDBLOCK */
  bt_region_lock: { parameters: ["i32"], result: "i32" },
  /** int bt_region_unlock(int fd) */
  bt_region_unlock: { parameters: ["i32"], result: "i32" },
  /** int bt_close(int fd) */
  bt_close: { parameters: ["i32"], result: "i32" },
  /** int bt_futex_wait(uint64_t address, uint32_t expected, uint32_t timeout_ms) */
  bt_futex_wait: { parameters: ["u64", "u32", "u32"], result: "i32" },
  /** int bt_futex_wake(uint64_t address, uint32_t count) */
  bt_futex_wake: { parameters: ["u64", "u32"], result: "i32" },
  /** int bt_mount_watch(uint64_t superblock_address, const char *mount_point): keeps what the superblock says of the mount true from now on */
  bt_mount_watch: { parameters: ["u64", "buffer"], result: "i32" },
  /** int bt_guardian_start(uint32_t minor): aborts the connection of the mount with this device if this process is killed */
  bt_guardian_start: { parameters: ["u32"], result: "i32" },
  /** void bt_guardian_end(void) */
  bt_guardian_end: { parameters: [], result: "void" },
  /** int bt_mount_set_atime(const char *mount_point, uint32_t flags): MOUNT_* bits of the layout */
  bt_mount_set_atime: { parameters: ["buffer", "u32"], result: "i32" },
  /** int bt_mount_look(const char *path, int mountinfo, double out[2], char *mount_point, uint64_t capacity): for tests; flags and whether something lies on it */
  bt_mount_look: { parameters: ["buffer", "i32", "buffer", "buffer", "u64"], result: "i32" },
  /** uint32_t bt_inline_calls(const char *name, const uint8_t *code, uint64_t length): 1 none, 2 with descriptors, 3 others */
  bt_inline_calls: { parameters: ["buffer", "buffer", "u64"], result: "u32" },
  /** uint32_t bt_processor(void): the number of the one that the thread runs on */
  bt_processor: { parameters: [], result: "u32" },
  /** void bt_leave_processor(void): the thread goes on on another one, if it may */
  bt_leave_processor: { parameters: [], result: "void" },
  /** int bt_watch_scan(uint64_t region): how many watches of the mount there are, which are marked now */
  bt_watch_scan: { parameters: ["u64"], result: "i32" },
  /** int bt_process_is_gone(uint32_t pid): 1 when there is no process with the pid, not even a zombie */
  bt_process_is_gone: { parameters: ["u32"], result: "i32" },
  /** void bt_clock(uint32_t clock[3]) */
  bt_clock: { parameters: ["buffer"], result: "void" },
  /** int bt_fuse_receive(int fd, void *request, uint32_t capacity, uint32_t clock[3]): bytes */
  bt_fuse_receive: { parameters: ["i32", "buffer", "u32", "buffer"], result: "i32" },
  /** int bt_fuse_reply(int fd, const void *reply, uint32_t bytes) */
  bt_fuse_reply: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** int bt_fuse_waiting(int fd): 1 or 0 */
  bt_fuse_waiting: { parameters: ["i32"], result: "i32" },
  /** int bt_fuse_exchange(int fd, const void *reply, uint32_t bytes, void *request, uint32_t capacity, uint32_t clock[3]) */
  bt_fuse_exchange: {
    parameters: ["i32", "buffer", "u32", "buffer", "u32", "buffer"],
    result: "i32",
  },
  /** int bt_fuse_exchange_data(int fd, const void *reply, uint32_t bytes, const double segments[2 * count], uint32_t count, uint64_t sending_address, void *request, uint32_t capacity, uint32_t clock[3]) */
  bt_fuse_exchange_data: {
    parameters: ["i32", "buffer", "u32", "buffer", "u32", "u64", "buffer", "u32", "buffer"],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

export type NativeSymbols = Deno.DynamicLibrary<typeof symbols>["symbols"];

let opened: NativeSymbols | undefined;

/** @throws when the library cannot be found (every path tried is named) or loaded */
export function native(): NativeSymbols {
  return opened ??= Deno.dlopen(findLibrary("libbtfuse_native.so"), symbols).symbols;
}

/** The address as Deno wants it. */
export function pointerTo(address: bigint): Deno.PointerObject {
  const pointer = Deno.UnsafePointer.create(address);
  if (pointer === null) throw new Error("a null address");
  return pointer;
}

const errnoTexts: Record<number, string> = {
  1: "operation not permitted (EPERM)",
  2: "it does not exist (ENOENT)",
  9: "bad file descriptor (EBADF)",
  12: "not enough memory (ENOMEM)",
  13: "no permission (EACCES)",
  16: "it is in use (EBUSY)",
  17: "it exists already (EEXIST)",
  22: "invalid argument (EINVAL)",
  23: "too many open files on this system (ENFILE)",
  24: "too many open files (EMFILE)",
  27: "it would be larger than the limit on files, see ulimit -f (EFBIG)",
  28: "no space left in /dev/shm (ENOSPC)",
  36: "the name is too long (ENAMETOOLONG)",
  40: "it is a symbolic link (ELOOP)",
};

/** Throws for a negative errno from the library; hands every other result through. */
export function checked(result: number, what: string): number {
  if (result < 0) throw new Error(`cannot ${what}: ${checked.text(result)}`);
  return result;
}
/** The errno in words. */
checked.text = (result: number): string => errnoTexts[-result] ?? `errno ${-result}`;
