/**
 * Very many files in one directory: made, listed, looked up, renamed with the directory, removed. What an operation
 * costs among them is compared with what it costs among a thousand, by turns, on a second mount.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { client, type Finding, objectBytes, residentBytes, statistics } from "./client.ts";
import {
  btfuseCommand,
  type BtfuseMount,
  keepOnOneProcessor,
  mountBtfuse,
  runOk,
  waitUntil,
} from "../support/mounts.ts";

/** How many files there are in the directory that operations are compared with. */
const SMALL_COUNT = 1000;
/** Files made and removed on the small mount beforehand, so that its daemon's code is compiled as well. */
const WARM_UP_COUNT = 20_000;
const MEMORY_LIMIT_BYTES = 150e6;
const MEGABYTE = 1e6;

type Medians = Record<string, { small: number; big: number }>;

/** Performs everything with `fileCount` files; `tell` hears of every finding at once. */
export async function manyFiles(
  fileCount: number,
  cache: "auto" | "none",
  tell: (finding: Finding) => void,
): Promise<void> {
  const inodeCountMax = fileCount + 2 * SMALL_COUNT + WARM_UP_COUNT;
  await using small = await mountBtfuse({ size: "512M", inodeCountMax, cache });
  await using big = await mountBtfuse({ size: "512M", inodeCountMax, cache });
  const perFile = (seconds: number) => seconds / fileCount * 1e6;
  const [smallDir, bigDir] = [`${small.dir}/directory`, `${big.dir}/directory`];
  for (const dir of [smallDir, bigDir, `${small.dir}/warm`]) Deno.mkdirSync(dir);
  await client("fill", `${small.dir}/warm`, WARM_UP_COUNT);
  await client("remove", `${small.dir}/warm`, WARM_UP_COUNT);
  await client("fill", smallDir, SMALL_COUNT);
  const bytesBefore = objectBytes(big);

  const made = await client<{ seconds: number }>("fill", bigDir, fileCount);
  tell({ what: "making a file", value: perFile(made.seconds), unit: "µs" });
  const { metadataBytes, inodeCountUsed } = await statistics(big);
  tell({
    what: "metadata a file",
    value: metadataBytes / inodeCountUsed,
    unit: "bytes",
    limit: 512,
  });
  const bytesFull = objectBytes(big);
  tell({ what: "memory of the object", value: bytesFull / MEGABYTE, unit: "MB" });

  const back = await client<{ listSeconds: number; lookUpSeconds: number }>(
    "read_back",
    bigDir,
    fileCount,
  );
  tell({ what: "listing a file", value: perFile(back.listSeconds), unit: "µs" });
  tell({ what: "looking a file up", value: perFile(back.lookUpSeconds), unit: "µs" });

  // A request costs three times as much when the scheduler puts a daemon on another processor than its client.
  for (const { pid } of [small, big]) await keepOnOneProcessor(pid);
  const medians = await client<Medians>("measure", smallDir, SMALL_COUNT, bigDir, fileCount, 20);
  for (const [operation, { small, big }] of Object.entries(medians)) {
    const what = `${operation} among ${fileCount} files to ${SMALL_COUNT} (${
      (big / 1000).toFixed(1)
    } µs)`;
    tell({ what, value: big / small, unit: "times", limit: 2 });
  }
  tell({
    what: "memory of the daemon beside the region",
    value: residentBytes(big.pid) / MEGABYTE,
    unit: "MB",
    limit: MEMORY_LIMIT_BYTES / MEGABYTE,
  });
  await runOk([...btfuseCommand(), "check", big.dir], { timeoutMs: 300_000 });

  const removed = await client<{ seconds: number }>("remove", bigDir, fileCount);
  tell({ what: "removing a file", value: perFile(removed.seconds), unit: "µs" });
  await assertGivenBack(big, bytesBefore, bytesFull);
  tell({
    what: "memory of the object after removal",
    value: objectBytes(big) / MEGABYTE,
    unit: "MB",
  });
  await runOk([...btfuseCommand(), "check", big.dir], { timeoutMs: 300_000 });
}

/** After everything was removed, `df` shows nothing used, and the object has given its memory back to the system. */
async function assertGivenBack(
  mount: BtfuseMount,
  bytesBefore: number,
  bytesFull: number,
): Promise<void> {
  const used = (await runOk(["df", "--output=used,iused", "-k", mount.dir])).stdout.trim().split(
    /\s+/,
  ).slice(-2);
  assertEquals(used, ["0", "1"], "df shows used blocks or inodes after everything was removed");
  assertEquals((await statistics(mount)).blockCountUsed, 0);
  const limitBytes = bytesBefore + (bytesFull - bytesBefore) / 10;
  await waitUntil(() => objectBytes(mount) <= limitBytes, 30_000, 250);
  assert(
    objectBytes(mount) <= limitBytes,
    `${mount.object} has ${
      objectBytes(mount)
    } bytes after removal: had ${bytesFull} full, ${bytesBefore} empty`,
  );
}
