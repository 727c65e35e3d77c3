/** What a mount costs that nobody uses: bounds from the requirements, measured on a mount that has worked before. */
import { assert, assertEquals } from "@std/assert";
import { runOk, waitUntil } from "../support/mounts.ts";
import { isRoot, mounted, mountPoint } from "./support.ts";

const idleMs = 5000;

Deno.test({
  name: "an idle mount costs under 1 % CPU and at most 150 MB beside the region",
  ignore: !isRoot,
  async fn() {
    await using m = mountPoint();
    const pid = await mounted(m, ["--size=1G"]);
    await runOk(["cp", "-a", "/usr/include", m.dir]);
    await runOk(["rm", "-r", `${m.dir}/include`]);
    // The memory of what was removed is given back first: work of its own, a little at a time.
    const takenBytes = () => (Deno.statSync(m.object).blocks ?? 0) * 512;
    assert(
      await waitUntil(() => takenBytes() < 32 * 2 ** 20, 30_000),
      `${takenBytes()} bytes kept`,
    );
    const before = cpuTicks(pid);
    await new Promise((resolve) => setTimeout(resolve, idleMs));
    const ticksPerSecond = 100;
    const idleCpuMs = (cpuTicks(pid) - before) * 1000 / ticksPerSecond;
    assert(idleCpuMs < idleMs / 100, `${idleCpuMs} ms of CPU in ${idleMs} ms`);
    const megabytes = (residentKib(pid, "RssAnon") + residentKib(pid, "RssFile")) / 1024;
    assert(megabytes <= 150, `${megabytes} MB`);
    assertEquals(residentKib(pid, "RssShmem") > 0, true, "the region is somewhere else");
  },
});

/** User and system time of the whole process, in ticks of 10 ms. */
function cpuTicks(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

function residentKib(pid: number, field: string): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
}
