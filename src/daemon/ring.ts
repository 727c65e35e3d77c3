/** The ring worker as the main isolate sees it: started with the mount, ended after it. */
import { workerUrl } from "../../ffi/build_kind.ts";
import { native } from "../../ffi/native.ts";
import { SUPER_ENDED, SUPER_WRITE_INDEX } from "../region/layout.gen.ts";
import type { Region } from "../region/region.ts";
import { say } from "./log.ts";
import type { RingWorkerStart, RingWorkerStopped } from "./ring_worker.ts";

/** It may be in the middle of an invalidation, for which the kernel waits for a program. */
const END_TIMEOUT_MS = 1000;

export interface Ring {
  /** Tells clients that the mount is gone and ends the worker. */
  end(): Promise<void>;
}

export function startRing(region: Region, fuseFd: number): Ring {
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  const failed = (message: string) => {
    say(`the ring worker failed, programs go through the kernel from now on: ${message}`);
    tellEnd(region);
    resolve();
  };
  const worker = new Worker(workerUrl("src/daemon/ring_worker.ts"), {
    type: "module",
    name: "ring",
  });
  worker.onmessage = ({ data }: MessageEvent<RingWorkerStopped>) =>
    data.reason === "failed" ? failed(data.message) : resolve();
  worker.onerror = (event) => {
    event.preventDefault();
    failed(event.message);
  };
  const start: RingWorkerStart = {
    fuseFd,
    regionAddress: region.address,
    regionBytes: region.bytes,
    regionFd: region.fd,
  };
  worker.postMessage(start);
  return {
    async end() {
      tellEnd(region);
      let timer;
      const late = new Promise((resolve) => timer = setTimeout(resolve, END_TIMEOUT_MS));
      await Promise.race([stopped, late]);
      clearTimeout(timer);
    },
  };
}

function tellEnd({ superblock, address }: Region): void {
  Atomics.store(superblock, SUPER_ENDED, 1);
  Atomics.add(superblock, SUPER_WRITE_INDEX, 1);
  native().bt_futex_wake(address + BigInt(SUPER_WRITE_INDEX * 4), 1);
}
