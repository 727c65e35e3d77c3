import { assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import pins from "../../package.json" with { type: "json" };
import lock from "../../package-lock.json" with { type: "json" };
import { VERSION } from "../../ffi/build_kind.ts";
import { ROOT } from "../../shim/build_common.ts";
import { run } from "../support/command.ts";
import { canRun } from "../support/mounts.ts";
import { scratch } from "./one_file.ts";

Deno.test("one version everywhere", () => {
  assertEquals([VERSION, pins.version, lock.version], Array(3).fill(config.version));
});

Deno.test("package.json pins exact versions, and its lock names no registry", () => {
  for (const version of Object.values(pins.optionalDependencies)) {
    assertMatch(version, /^\d+\.\d+\.\d+$/);
  }
  assertEquals(JSON.stringify(lock).match(/https?:/), null);
});

Deno.test({
  name: "./dev: explains its tasks, which are those of deno.json",
  ignore: !canRun,
  async fn() {
    for (const args of [[], ["nonsense"], ["fmt"]]) {
      const result = await run([`${ROOT}/dev`, ...args]);
      assertEquals([result.code, result.stdout], [2, ""]);
      const listed = [...result.stderr.matchAll(/^ {2}(\w+) {2,}/gm)].map(([, task]) => task);
      assertEquals(listed.sort(), Object.keys(config.tasks).sort());
    }
  },
});

Deno.test({
  name: "./dev: works through a link from another directory, and passes the exit code on",
  ignore: !canRun,
  async fn() {
    using directory = scratch();
    Deno.symlinkSync(`${ROOT}/dev`, `${directory.path}/link`);
    const good = await run(["./link", "gen", "--check"], { cwd: directory.path });
    assertEquals(good.code, 0, good.stderr);
    const bad = await run(["./link", "gen", "--wrong"], { cwd: directory.path });
    assertEquals(bad.code, 2, bad.stderr);
  },
});
