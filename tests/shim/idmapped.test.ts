/** Mounts that are bound elsewhere with other owners (idmapped mounts, Linux 6.12): as with tmpfs, and the library keeps out. */
import { assertEquals, assertMatch } from "@std/assert";
import { mountBtfuse, mountTmpfs, run } from "../support/mounts.ts";
import { canPreload, quietlyPreloaded } from "./support.ts";

const script = new URL("idmapped.py", import.meta.url).pathname;
const isRoot = canPreload && Deno.uid() === 0;

/** What it prints of a mount; undefined where it cannot be bound so. */
async function owners(
  m: { dir: string; scratch: string },
  env: Record<string, string> = {},
): Promise<string | undefined> {
  const bound = `${m.scratch}/bound`;
  Deno.mkdirSync(bound);
  const result = await run(["/usr/bin/python3", script, m.dir, bound], { env, timeoutMs: 60_000 });
  if (result.code === 77) return undefined;
  assertEquals([result.code, result.stderr], [0, ""], result.stdout);
  Deno.removeSync(bound);
  return result.stdout;
}

/** Linux 6.12 lets FUSE do this. */
function isNew(): boolean {
  const [major, minor] = Deno.osRelease().split(".").map(Number);
  return major > 6 || (major === 6 && minor >= 12);
}

Deno.test({
  name: "idmapped mounts: owners are mapped, shown and made, as with tmpfs",
  ignore: !isRoot || !isNew(),
  async fn() {
    await using tmpfs = await mountTmpfs();
    const expected = await owners(tmpfs);
    if (expected === undefined) return console.log("tmpfs cannot be bound like this here");
    assertMatch(expected, /'file', 10000, 10000/);
    for (const isPreloaded of [false, true]) {
      await using m = await mountBtfuse({ size: "16M", options: ["allow_other"] });
      assertEquals(await owners(m, isPreloaded ? quietlyPreloaded(m) : {}), expected);
    }
  },
});
