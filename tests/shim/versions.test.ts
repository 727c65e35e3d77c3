/**
 * A library of another build, from which the daemon differs in what both must agree on, leaves the mount to the kernel, where everything
 * works. That any such difference changes the hash is tests/core/layout.test.ts.
 */
import { assert, assertEquals } from "@std/assert";
import { LAYOUT_HASH_HI, LAYOUT_HASH_LO } from "../../src/region/layout.gen.ts";
import { mountBtfuse, runOk } from "../support/mounts.ts";
import { canPreload, preloaded, report } from "./support.ts";

/** The library as another layout would have made it. */
function libraryOfAnotherBuild(library: string, directory: string): string {
  const bytes = Deno.readFileSync(library);
  const view = new DataView(bytes.buffer);
  let found = 0;
  for (let at = 0; at + 8 <= bytes.length; at++) {
    if (view.getUint32(at, true) !== LAYOUT_HASH_LO) continue;
    if (view.getUint32(at + 4, true) !== LAYOUT_HASH_HI) continue;
    bytes[at] ^= 1;
    found++;
  }
  assert(found > 0, `${library} has no hash of the layout, or that of another one`);
  const path = `${directory}/libbtfuse_preload.so`;
  Deno.writeFileSync(path, bytes);
  return path;
}

const SCRIPT = `
import os
for i in range(20):
    with open(f"file{i}", "w") as f: f.write("text" * i)
    os.rename(f"file{i}", f"moved{i}")
    os.chmod(f"moved{i}", 0o600)
for i in range(10): os.remove(f"moved{i}")
os.mkdir("directory")
print(sorted(os.listdir(".")), open("moved19").read(), oct(os.stat("moved19").st_mode))
`;

Deno.test({
  name:
    "a library whose layout is not the daemon's does not attach, and all goes through the kernel",
  ignore: !canPreload || Deno.uid() !== 0,
  async fn() {
    await using m = await mountBtfuse({ size: "16M" });
    const own = preloaded(m);
    const other = { ...own, LD_PRELOAD: libraryOfAnotherBuild(own.LD_PRELOAD, m.scratch) };
    const outputs: string[] = [];
    for (const [env, attaches] of [[own, true], [other, false]] as const) {
      const directory = `${m.dir}/${attaches}`;
      Deno.mkdirSync(directory);
      const { stdout, stderr } = await runOk(["/usr/bin/python3", "-c", SCRIPT], {
        cwd: directory,
        env,
      });
      outputs.push(stdout);
      const counts = Object.values(report(stderr));
      assertEquals(counts.some(({ fast, ring }) => fast + ring > 0), attaches, stderr);
      assert(counts.some(({ kernel }) => kernel > 0) || attaches, stderr);
    }
    assertEquals(outputs[0], outputs[1]);
  },
});
