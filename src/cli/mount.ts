/** `btfuse mount` */
import { selfCommand } from "../../ffi/build_kind.ts";
import type { MountRequest } from "../daemon/daemon.ts";
import { createLog, removeLog } from "../daemon/log.ts";
import { memoryLimit } from "../daemon/memory_room.ts";
import { currentUid, isMountName } from "../daemon/shared_objects.ts";
import { INODE_COUNT_LIMIT, regionSizes, SIZE_BYTES_LIMIT } from "../region/sizes.ts";
import { type Arguments, parseCommandLine, UsageError } from "./arguments.ts";
import { type OwnOptions, parseMountOptions } from "./mount_options.ts";
import {
  checkFileSizeLimit,
  checkMachine,
  checkMountPoint,
  chooseObject,
  lockMountPoint,
} from "./mount_checks.ts";
import { remount, remountOptions } from "./remount.ts";
import { formatBytes, parseCount, parseSize } from "./units.ts";

export const help = `usage: btfuse mount [OPTIONS] DIR

Mounts an empty in-memory file system on DIR and returns once it answers. It serves until
'btfuse umount DIR'; then all files in it are gone.

  --size SIZE       room for file data: bytes, 512M, 1.5G or 50% of memory (default: 50%; of what the
                    control group may use, where that is less); memory is taken when files are written
  --inodes COUNT    how many files and directories there can be (default: one for each 8 KiB of memory)
  --name NAME       name in 'btfuse status' (default: made from DIR)
  --cache MODE      auto: the kernel keeps what it has read (default)
                    none: every request reaches the daemon
  -o OPTIONS        mount options, such as ro,noexec,nosuid,allow_other; also mode=1777,uid=0,gid=0
                    of the root directory, and size=, inodes=, name=, cache=; with remount, as root:
                    changes of the mount that is on DIR, such as remount,ro
  -f, --foreground  stay in the foreground, messages on stderr

In /etc/fstab: scratch  /mnt/scratch  fuse.btfuse  size=1G,allow_other  0  0
Messages of a daemon in the background: ~/.local/state/btfuse/NAME.log (root: /var/log/btfuse),
kept only when it failed.

Example: btfuse mount --size 1G /mnt/scratch`;

const sizeBytesMin = 2 ** 20;

export async function run(args: string[]): Promise<number> {
  const parsed = parseCommandLine(args, {
    flags: ["foreground"],
    // --log and --suffix: the daemon's log file and its object's suffix, given by its parent. --source: the first field
    // of an fstab line.
    values: ["size", "inodes", "name", "cache", "o", "log", "suffix", "source"],
    alias: { f: "foreground" },
  });
  if (parsed.positional.length !== 1) {
    throw new UsageError(`mount takes one directory, not ${parsed.positional.length}`);
  }
  const changes = remountOptions(parsed.values.o);
  if (changes !== undefined) {
    remount(parsed.positional[0], changes, parsed.values.source.length > 0);
    return 0;
  }
  const options = parseMountOptions(parsed.values.o, currentUid() === 0);
  const wanted = { ...options.own, ...ownOptions(parsed) };
  const limits = {
    sizeBytes: sizeOf(wanted.size ?? "50%"),
    inodeCountMax: wanted.inodes === undefined ? defaultInodeCount() : inodeCountOf(wanted.inodes),
    cache: cacheOf(wanted.cache ?? "auto"),
    ...rootDirectoryOf(wanted),
  };
  if (wanted.name !== undefined && !isMountName(wanted.name)) {
    throw new UsageError(
      `name '${wanted.name}' is not possible: 1 to 64 letters, digits, '.', '_' or '-'`,
    );
  }
  const mountPoint = checkMountPoint(parsed.positional[0]);
  const name = wanted.name ?? generateName(mountPoint);
  const request = { mountPoint, name, ...limits, options: options.passed };
  const log = parsed.values.log.at(-1);
  // Started by a parent that has checked everything and holds the lock.
  if (log !== undefined) {
    const suffix = parsed.values.suffix.at(-1);
    const object = { uid: currentUid(), name, ...(suffix !== undefined && { suffix }) };
    return await serve({ ...request, object }, log);
  }
  checkMachine();
  checkFileSizeLimit(regionSizes(request).regionBytes);
  using lock = await lockMountPoint(mountPoint);
  // Somebody who was faster may have mounted meanwhile.
  checkMountPoint(mountPoint);
  const object = await chooseObject(name);
  if (parsed.flags.has("foreground")) {
    return await serve({ ...request, object, whenMounted: () => lock[Symbol.dispose]() });
  }
  const { startDaemon } = await import("../daemon/start.ts");
  const logPath = createLog(name);
  const command = daemonCommand({ ...request, object }, logPath);
  await startDaemon({ command, logPath, mountPoint, name });
  return 0;
}

async function serve(request: MountRequest, logPath?: string): Promise<number> {
  const { runDaemon } = await import("../daemon/daemon.ts");
  const code = await runDaemon(request);
  if (code === 0 && logPath !== undefined) removeLog(logPath);
  return code;
}

function daemonCommand(request: MountRequest, logPath: string): string[] {
  const { sizeBytes, inodeCountMax, mode, uid, gid, object } = request;
  const own = { size: sizeBytes, inodes: inodeCountMax, mode: mode.toString(8), uid, gid };
  const options = Object.entries(own).filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${value}`);
  return [
    ...selfCommand(),
    ...[
      "mount",
      "--foreground",
      "--log",
      logPath,
      "--name",
      request.name,
      "--cache",
      request.cache,
    ],
    ...(object.suffix === undefined ? [] : ["--suffix", object.suffix]),
    ...["-o", [...options, ...request.options].join(",")],
    ...["--", request.mountPoint],
  ];
}

function ownOptions(parsed: Arguments): OwnOptions {
  const own: OwnOptions = {};
  for (const key of ["size", "inodes", "name", "cache"] as const) {
    const value = parsed.values[key].at(-1);
    if (value !== undefined) own[key] = value;
  }
  const source = parsed.values.source.at(-1);
  // What people write there when they mean nothing.
  if (source !== undefined && !["none", "btfuse"].includes(source)) own.name ??= source;
  return own;
}

function sizeOf(text: string): number {
  const sizeBytes = Math.ceil(parseSize(text, memoryBytes()) / 4096) * 4096;
  if (sizeBytes < sizeBytesMin) throw new UsageError(`size '${text}' is below the smallest, 1M`);
  if (sizeBytes > SIZE_BYTES_LIMIT) {
    throw new UsageError(`size '${text}' is above the largest, ${formatBytes(SIZE_BYTES_LIMIT)}`);
  }
  return sizeBytes;
}

/** As tmpfs(5): half the number of pages of memory, whatever the size. */
function defaultInodeCount(): number {
  return Math.min(INODE_COUNT_LIMIT, Math.floor(memoryBytes() / 8192));
}

/** The machine's, or what this process's control group may use of it. */
function memoryBytes(): number {
  return Math.min(Deno.systemMemoryInfo().total, memoryLimit());
}

function inodeCountOf(text: string): number {
  const count = parseCount(text, "inode count");
  if (count === 0) throw new UsageError("inode count 0 leaves no room for any file");
  return count;
}

function cacheOf(text: string): "auto" | "none" {
  if (text === "auto" || text === "none") return text;
  throw new UsageError(`cache mode '${text}' is unknown: auto or none`);
}

function rootDirectoryOf(wanted: OwnOptions): { mode: number; uid: number; gid: number } {
  // As tmpfs: everybody may write, nobody may remove what is another's.
  const mode = wanted.mode ?? "1777";
  if (!/^[0-7]{1,4}$/.test(mode)) {
    throw new UsageError(`mode '${mode}' is no octal number up to 7777`);
  }
  const own = { uid: currentUid(), gid: Deno.gid() ?? 0 };
  const uid = wanted.uid === undefined ? own.uid : parseCount(wanted.uid, "uid");
  const gid = wanted.gid === undefined ? own.gid : parseCount(wanted.gid, "gid");
  if (own.uid !== 0 && (uid !== own.uid || gid !== own.gid)) {
    throw new UsageError("uid= and gid= other than one's own are for root");
  }
  return { mode: parseInt(mode, 8), uid, gid };
}

function generateName(mountPoint: string): string {
  const base = mountPoint.slice(mountPoint.lastIndexOf("/") + 1);
  return `${base.replace(/[^A-Za-z0-9._-]/g, "_").slice(0, 48) || "root"}-${Deno.pid}`;
}
