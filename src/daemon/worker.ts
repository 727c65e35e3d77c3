/** The daemon's two workers: how the main isolate starts them, and how they answer it. */
import { workerUrl } from "../../ffi/build_kind.ts";
import type { CacheMode } from "../core/file_system.ts";
import type { Region } from "../region/region.ts";
import { messageOf } from "./failure.ts";

/** What the main isolate posts once. */
export interface WorkerStart {
  fuseFd: number;
  regionAddress: bigint;
  regionBytes: number;
  regionFd: number;
  cache: CacheMode;
}

/** What it gets back once. */
export interface WorkerStopped {
  /** ended: the mount is gone, or the worker was told so. */
  reason: "ended" | "failed";
  message: string;
}

// Each spelled out, so that a test finds what the executable has to embed.
const workers = {
  kernel: () =>
    new Worker(workerUrl("src/daemon/kernel_worker.ts"), { type: "module", name: "kernel" }),
  ring: () => new Worker(workerUrl("src/daemon/ring_worker.ts"), { type: "module", name: "ring" }),
};

/** Starts a worker. @returns how it ended, when it has */
export function startWorker(
  name: keyof typeof workers,
  region: Region,
  fuseFd: number,
  cache: CacheMode,
): Promise<WorkerStopped> {
  const { promise, resolve } = Promise.withResolvers<WorkerStopped>();
  const worker = workers[name]();
  worker.onmessage = ({ data }: MessageEvent<WorkerStopped>) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    resolve({ reason: "failed", message: event.message });
  };
  const { address: regionAddress, bytes: regionBytes, fd: regionFd } = region;
  worker.postMessage({ fuseFd, regionAddress, regionBytes, regionFd, cache } satisfies WorkerStart);
  return promise;
}

/** For the worker: `work` is all it does. */
export function beWorker(work: (start: WorkerStart) => WorkerStopped): void {
  const scope = self as unknown as {
    onmessage: (event: MessageEvent<WorkerStart>) => void;
    postMessage: (message: WorkerStopped) => void;
    close: () => void;
  };
  scope.onmessage = ({ data }) => {
    let stopped: WorkerStopped;
    try {
      stopped = work(data);
    } catch (error) {
      stopped = { reason: "failed", message: messageOf(error) };
    }
    scope.postMessage(stopped);
    scope.close();
  };
}
