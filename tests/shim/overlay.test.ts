/** Overlay file systems with their layers on the mount, which need RENAME_WHITEOUT, trusted attributes and file handles: as on tmpfs. */
import { assertEquals, assertMatch } from "@std/assert";
import { btfuseCommand, mountBtfuse, mountTmpfs, run, runOk } from "../support/mounts.ts";
import { canPreload, quietlyPreloaded } from "./support.ts";

const script = new URL("overlay.sh", import.meta.url).pathname;
const isRoot = canPreload && Deno.uid() === 0;

Deno.test({
  name: "whiteout: renameat2(2) leaves what it leaves on tmpfs",
  ignore: !isRoot,
  async fn() {
    await using tmpfs = await mountTmpfs();
    await using m = await mountBtfuse({ size: "16M" });
    const command = ["/usr/bin/python3", new URL("whiteout.py", import.meta.url).pathname];
    const expected = (await runOk([...command, tmpfs.dir])).stdout;
    assertMatch(expected, /c---------/);
    for (const env of [{}, quietlyPreloaded(m)]) {
      assertEquals((await runOk([...command, m.dir], { env })).stdout, expected);
    }
  },
});

/** Every set of options, and with it whether what works in the overlay is run by `btfuse run`. */
const VARIANTS: [options: string, isAccelerated: boolean][] = [
  ["", false],
  [",redirect_dir=on,index=on,metacopy=on", false],
  [",index=on,nfs_export=on", false],
  ["", true],
];

/** What it prints; undefined where there is no such file system. */
async function layers(dir: string, options: string, prefix: string[]): Promise<string | undefined> {
  const result = await run(["sh", script, dir, options, ...prefix], {
    timeoutMs: 60_000,
    env: { BTFUSE_EAGER: "1" },
  });
  if (result.code === 77) return undefined;
  assertEquals([result.code, result.stderr], [0, ""], result.stdout);
  return result.stdout.replaceAll(dir, "DIR");
}

for (const [options, isAccelerated] of VARIANTS) {
  Deno.test({
    name: `overlay${options}: layers are what they are on tmpfs${
      isAccelerated ? ", also under btfuse run" : ""
    }`,
    ignore: !isRoot,
    async fn() {
      await using tmpfs = await mountTmpfs();
      const expected = await layers(tmpfs.dir, options, []);
      if (expected === undefined) return console.log("no overlay file systems here");
      assertMatch(expected, /^gone c 0 \d+ 0$/m);
      await using m = await mountBtfuse({ size: "64M" });
      const prefix = isAccelerated ? [...btfuseCommand(), "run", "--mount", m.dir, "--"] : [];
      assertEquals(await layers(m.dir, options, prefix), expected);
    },
  });
}
