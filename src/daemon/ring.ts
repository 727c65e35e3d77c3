/** The ring worker as the main isolate sees it: started with the mount, ended after it. */
import { native } from "../../ffi/native.ts";
import type { CacheMode } from "../core/file_system.ts";
import { SUPER_ENDED, SUPER_MOUNT_CHANGES, SUPER_WRITE_INDEX } from "../region/layout.gen.ts";
import type { Region } from "../region/region.ts";
import { say } from "./log.ts";
import { startWorker } from "./worker.ts";

/** It may be in the middle of an invalidation, for which the kernel waits for a program. */
const END_TIMEOUT_MS = 1000;

export interface Ring {
  /** Tells clients that the mount is gone and ends the worker. */
  end(): Promise<void>;
}

export function startRing(region: Region, fuseFd: number, cache: CacheMode): Ring {
  const stopped = startWorker("ring", region, fuseFd, cache).then(({ reason, message }) => {
    if (reason === "ended") return;
    say(`the ring worker failed, programs go through the kernel from now on: ${message}`);
    tellEnd(region);
  });
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
  Atomics.add(superblock, SUPER_MOUNT_CHANGES, 2);
  Atomics.add(superblock, SUPER_WRITE_INDEX, 1);
  native().bt_futex_wake(address + BigInt(SUPER_WRITE_INDEX * 4), 1);
}
