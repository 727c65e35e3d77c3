/**
 * The daemon: makes the region, mounts, lets the two workers serve it, and takes everything down again.
 *
 * The kernel worker's thread is blocked in read(2) nearly all the time and cannot be stopped from outside. What ends
 * it is the end of the mount: read answers ENODEV. So the order is always unmount, kernel worker, ring worker, shared
 * memory; and the region stays mapped until the process ends, because a worker may still look at it.
 */
import { mountFuse } from "../../ffi/libfuse.ts";
import { type CacheMode, FileSystem } from "../core/file_system.ts";
import { regionSizes } from "../region/sizes.ts";
import { createRegion } from "./create_region.ts";
import { native } from "../../ffi/native.ts";
import { Clients } from "./clients.ts";
import { SUPER_READ_INDEX } from "../region/layout.gen.ts";
import { say } from "./log.ts";
import { type Ring, startRing } from "./ring.ts";
import {
  applyAccessTimeOptions,
  applyFlagOptions,
  optionsForLibfuse,
  watchMount,
} from "./mount_watch.ts";
import { isSameMount, mountAt, type MountEntry, readMounts } from "./mountinfo.ts";
import { startTimeOf } from "./process_table.ts";
import type { ObjectName } from "./shared_objects.ts";
import { unmount } from "./unmount.ts";
import { openByPrograms, usersOfMount } from "./users.ts";
import { startWorker, type WorkerStopped } from "./worker.ts";

export interface MountRequest {
  /** Absolute and without symbolic links. */
  mountPoint: string;
  name: string;
  object: ObjectName;
  sizeBytes: number;
  inodeCountMax?: number;
  cache: CacheMode;
  /** Of the root directory. */
  mode: number;
  uid: number;
  gid: number;
  /** For libfuse, such as "ro" or "allow_other". */
  options: string[];
  /** Called once the mount is there. */
  whenMounted?: () => void;
}

const giveBackIntervalMs = 250;
const watchIntervalMs = 100;
/** While nobody makes requests. */
const quietWatchIntervalMs = 1000;
/** Looking for watches takes this part of the time at most, the inverse. */
const watchShare = 100;
const giveBackBudgetMs = 5;
/** How long programs may go on using a file system that a signal has detached. */
const busyGraceMs = 2000;

/** Runs until the file system is unmounted or a signal comes. @returns the exit code */
export async function runDaemon(request: MountRequest): Promise<number> {
  const signals = listenForSignals();
  const { mountPoint, name } = request;
  protectFromMemoryShortage();
  let ring: Ring | undefined;
  const region = createRegion(request.object, regionSizes(request));
  try {
    const fileSystem = FileSystem.format(region, {
      ...request,
      ownerPid: Deno.pid,
      ownerStartTime: startTimeOf(Deno.pid),
    });
    const fuseFd = mountFuse(mountPoint, [
      ...optionsForLibfuse(request.options),
      "default_permissions",
      `fsname=${name}`,
      "subtype=btfuse",
    ]);
    const mount = mountAt(readMounts(), mountPoint);
    if (mount === undefined) throw new Error(`${mountPoint} was unmounted while it was mounted`);
    const [major, minor] = mount.device.split(":").map(Number);
    fileSystem.setMounted({ major, minor }, Deno.statSync("/proc/self/ns/pid").ino ?? 0);
    // Before anybody can wait for an answer. Where it is not possible, programs may wait for a daemon that was killed at a bad moment.
    const guarded = native().bt_guardian_start(minor);
    if (guarded < 0) say(`nobody looks after programs if this daemon is killed: errno ${-guarded}`);
    request.whenMounted?.();
    await setUp(mount, request.options, fileSystem);
    const stopped = startWorker("kernel", region, fuseFd, request.cache);
    ring = startRing(region, fuseFd, request.cache);
    say(`mounted ${name} on ${mountPoint} (pid ${Deno.pid})`);
    const timer = setInterval(() => giveBack(fileSystem), giveBackIntervalMs);
    const watchTimer = setInterval(watchFinder(fileSystem), watchIntervalMs);
    const stop = await Promise.race([stopped, signals.next()]);
    clearInterval(timer);
    clearInterval(watchTimer);
    return await takeDown(mount, stop, stopped, signals, fileSystem);
  } finally {
    await ring?.end();
    region.unlink();
    native().bt_guardian_end();
  }
}

/**
 * When memory runs out, the kernel ends the process that uses most of it, which may well be the one that holds all files. As root
 * the daemon asks to be left out, so that it is a program that ends.
 */
function protectFromMemoryShortage(): void {
  try {
    Deno.writeTextFileSync("/proc/self/oom_score_adj", "-1000", { create: false });
  } catch {
    // Needs CAP_SYS_RESOURCE, which ordinary users and many containers do not have.
  }
}

/**
 * What has to be so before the first answer, because then `btfuse mount` returns and programs start. None of it asks the
 * file system itself.
 */
async function setUp(
  mount: MountEntry,
  options: string[],
  fileSystem: FileSystem,
): Promise<void> {
  try {
    applyFlagOptions(mount, options);
    applyAccessTimeOptions(mount.mountPoint, options);
    watchMount(fileSystem.region, mount.mountPoint);
  } catch (error) {
    await unmountOwn(mount, "force", fileSystem);
    throw error;
  }
}

async function takeDown(
  mount: MountEntry,
  stop: WorkerStopped | Deno.Signal,
  stopped: Promise<WorkerStopped>,
  signals: Signals,
  fileSystem: FileSystem,
): Promise<number> {
  if (typeof stop === "string") {
    say(`${stop}: unmounting ${mount.mountPoint}`);
    if (!await unmountOwn(mount, "plain", fileSystem)) return 1;
    const end = await Promise.race([stopped, signals.next(), delay(busyGraceMs)]);
    if (end === undefined || typeof end === "string") {
      say("some programs still had files open: their next access fails");
      return 1;
    }
    return 0;
  }
  if (stop.reason === "failed") say(`the kernel worker failed: ${stop.message}`);
  // An aborted connection stops the worker too, and leaves the mount behind.
  const isGone = await unmountOwn(mount, "force", fileSystem);
  return isGone && stop.reason === "ended" ? 0 : 1;
}

/** @returns whether it is gone from the directory tree */
async function unmountOwn(
  mount: MountEntry,
  manner: "plain" | "force",
  fileSystem: FileSystem,
): Promise<boolean> {
  const mounts = readMounts();
  // Its directory may have been renamed meanwhile, and once it is unmounted the next mount of anybody gets its number.
  const current = mounts.find((entry) => isSameMount(entry, mount));
  if (current === undefined) return true;
  const { mountPoint } = current;
  if (mountAt(mounts, mountPoint) !== current) {
    say(`cannot unmount ${mountPoint}: something else is mounted over it`);
    return false;
  }
  let result = await unmount(current, manner);
  if (result.outcome === "busy") {
    const users = usersOfMount(current, mounts, openByPrograms(fileSystem));
    say([`${mountPoint} is in use, detaching it`, ...users].join("\n  "));
    result = await unmount(current, "detach");
  }
  if (result.outcome !== "done") say(`cannot unmount ${mountPoint}: ${result.message}`);
  return result.outcome === "done";
}

/**
 * Finds out, while there are programs under `btfuse run`, what programs outside watch (shim/watch_scan.zig): often while they make
 * requests, so that no request has to wait for it, and now and then otherwise. On machines with very many processes or watches it
 * looks less often.
 */
function watchFinder(fileSystem: FileSystem): () => void {
  const clients = new Clients(fileSystem);
  const { superblock, address } = fileSystem.region;
  let requestCount = 0;
  let last = 0;
  let pause = 0;
  return () => {
    const start = performance.now();
    const isActive = superblock[SUPER_READ_INDEX] !== requestCount;
    if (start < last + Math.max(pause, isActive ? 0 : quietWatchIntervalMs)) return;
    if (!clients.any) return;
    requestCount = superblock[SUPER_READ_INDEX];
    native().bt_watch_scan(address);
    last = start;
    pause = (performance.now() - start) * watchShare;
  };
}

/** Whatever goes wrong here must not end the mount. */
function giveBack(fileSystem: FileSystem): void {
  try {
    fileSystem.giveBackMemory(giveBackBudgetMs);
  } catch (error) {
    say(`cannot give memory back: ${error}`);
  }
}

interface Signals {
  /** The next signal that asks the daemon to end. */
  next(): Promise<Deno.Signal>;
}

function listenForSignals(): Signals {
  let { promise, resolve } = Promise.withResolvers<Deno.Signal>();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => resolve(signal));
  }
  return {
    async next() {
      const signal = await promise;
      ({ promise, resolve } = Promise.withResolvers<Deno.Signal>());
      return signal;
    },
  };
}

function delay(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms));
}
