/**
 * A full file system, used-up inodes, and what a mount costs: time to mount, processor and memory when idle.
 * @module
 */
import { assertSame } from "../programs/scenario.ts";
import { client, cpuMs, type Finding, residentBytes } from "./client.ts";
import { btfuseCommand, mountBtfuse, mountTmpfs, runOk } from "../support/mounts.ts";

type Endings = Record<string, string | number | boolean | string[]>;

/** Fills btfuse and tmpfs in the same way; what then works, and what fails with which errno, has to be the same. */
export async function fullFileSystem(cache: "auto" | "none"): Promise<void> {
  await using tmpfs = await mountTmpfs({ size: "48M" });
  await using btfuse = await mountBtfuse({ size: "48M", cache });
  await assertSameEndings("fill_up", tmpfs.dir, btfuse.dir);
  await runOk([...btfuseCommand(), "check", btfuse.dir]);
}

/** The same for a file system of 2,000 inodes. */
export async function usedUpInodes(cache: "auto" | "none"): Promise<void> {
  await using tmpfs = await mountTmpfs({ size: "48M", inodeCountMax: 2000 });
  await using btfuse = await mountBtfuse({ size: "48M", inodeCountMax: 2000, cache });
  await assertSameEndings("use_up_inodes", tmpfs.dir, btfuse.dir);
  await runOk([...btfuseCommand(), "check", btfuse.dir]);
}

async function assertSameEndings(
  command: string,
  tmpfsDir: string,
  btfuseDir: string,
): Promise<void> {
  const [expected, actual] = [
    await client<Endings>(command, tmpfsDir),
    await client<Endings>(command, btfuseDir),
  ];
  const texts = (endings: Endings) =>
    Object.fromEntries(
      Object.entries(endings).map(([name, ending]) => [name, JSON.stringify(ending)]),
    );
  assertSame(texts(actual), texts(expected));
}

/** How long mounting takes. Only the fastest of several is judged: a busy machine makes the others slower. */
export async function mountTime(tell: (finding: Finding) => void): Promise<void> {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    await using mount = await mountBtfuse();
    times.push(mount.mountMs);
  }
  times.sort((a, b) => a - b);
  tell({ what: "mounting, median of five", value: times[2] ?? NaN, unit: "ms" });
  tell({ what: "mounting, fastest of five", value: times[0] ?? NaN, unit: "ms", limit: 1000 });
}

/** What an idle mount costs, after it has had something to do. */
export async function idleMount(
  idleSeconds: number,
  tell: (finding: Finding) => void,
): Promise<void> {
  await using mount = await mountBtfuse();
  tell({
    what: "memory of a fresh daemon",
    value: residentBytes(mount.pid) / 1e6,
    unit: "MB",
    limit: 150,
  });
  Deno.mkdirSync(`${mount.dir}/directory`);
  await client("fill", `${mount.dir}/directory`, 5000);
  await client("remove", `${mount.dir}/directory`, 5000);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const [cpuBeforeMs, startMs] = [cpuMs(mount.pid), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000));
  const share = (cpuMs(mount.pid) - cpuBeforeMs) / (performance.now() - startMs);
  tell({ what: "processor time of an idle mount", value: share * 100, unit: "%", limit: 0.999 });
  tell({
    what: "memory of an idle daemon",
    value: residentBytes(mount.pid) / 1e6,
    unit: "MB",
    limit: 150,
  });
}
