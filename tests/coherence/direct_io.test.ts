/**
 * Whoever writes past the page cache, or takes bytes away, is believed at once by everybody who reads through it: no page that
 * was on its way into the cache meanwhile stays there with the old bytes. direct_io.py says how it is tried.
 */
import { assert } from "@std/assert";
import { canPreload, quietlyPreloaded } from "../shim/support.ts";
import { canRun, describeFailure, mountBtfuse, run, showingBoth } from "../support/mounts.ts";

const PROGRAM = new URL("direct_io.py", import.meta.url).pathname;
const PYTHON = "/usr/bin/python3";
const SECONDS = 0.4;

const sides = [
  {
    name: "through the kernel",
    cache: "auto",
    isPreloaded: false,
    writers: [
      "asynchronous",
      "buffered",
      "copied",
      "direct",
      "mapped",
      "punched",
      "spliced",
      "truncated",
      "zero_range",
    ],
  },
  {
    name: "through the library",
    cache: "auto",
    isPreloaded: true,
    writers: ["asynchronous", "copied", "direct", "punched", "truncated"],
  },
  {
    name: "with --cache=none",
    cache: "none",
    isPreloaded: false,
    writers: ["asynchronous", "direct", "mapped"],
  },
] as const;

for (const { name, cache, isPreloaded, writers } of sides) {
  Deno.test({
    name: `direct I/O ${name}: no reader keeps old bytes`,
    ignore: isPreloaded ? !canPreload : !canRun,
    fn: showingBoth(async () => {
      await using m = await mountBtfuse({ size: "32M", inodeCountMax: 100, cache });
      const variables = isPreloaded ? Object.entries(quietlyPreloaded(m)) : [];
      for (const writer of writers) {
        const command = [PYTHON, PROGRAM, writer, m.dir, String(SECONDS)];
        const result = await run([...command, ...variables.map((pair) => pair.join("="))], {
          timeoutMs: 60_000,
          env: { PYTHONDONTWRITEBYTECODE: "1" },
        });
        assert(
          result.code === 0 && / [1-9]\d* rounds$/.test(result.stdout.trimEnd()),
          describeFailure(command, result),
        );
      }
    }),
  });
}
