/** `btfuse check` beside programs at work. */
import { assertEquals } from "@std/assert";
import { canRun, mountBtfuse, runOk } from "../support/mounts.ts";
import { btfuse } from "./support.ts";

const CHECKS = 12;

Deno.test({
  name: "check: a busy mount is clean, and goes on",
  ignore: !canRun,
  async fn() {
    await using m = await mountBtfuse({ size: "16M" });
    const script =
      `while ! test -e end; do for i in 1 2 3 4 5 6 7 8; do : > f$i; done; rm f*; done`;
    const working = runOk(["bash", "-euc", script], { cwd: m.dir });
    working.catch(() => {}); // said below
    for (let i = 0; i < CHECKS; i++) {
      const { stdout, stderr } = await btfuse(["check", m.dir]);
      assertEquals({ stdout, stderr }, { stdout: `${m.name}: clean\n`, stderr: "" });
    }
    Deno.writeTextFileSync(`${m.dir}/end`, "");
    await working;
  },
});
