/**
 * Descriptors and paths that the library serves look to a program as those of the kernel's own file system: kernel_face.py prints
 * the same lines on tmpfs and under the library, and on the mount, but for what FUSE decides by itself (README, "Where it differs").
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { describeFailure, mountBtfuse, run } from "../support/mounts.ts";
import { canPreload, preloaded, quietlyPreloaded, report } from "./support.ts";

const program = ["/usr/bin/python3", `${new URL(".", import.meta.url).pathname}kernel_face.py`];

/** By case: the first words of lines that differ without the library. */
const cases: Record<string, RegExp> = {
  links: /^$/,
  listing: /^$/,
  limit: /^$/,
  lowered: /^$/,
  deep: /^$/,
  busy: /^$/,
  controls: /^FIBMAP /,
  calls: /^epoll_ctl /,
  positions: /^$/,
  kinds: /^epoll (?!of)/,
  // FUSE gives a position at the end of a directory.
  door: /^SEEK_END /,
  // Last, because a watched directory stays the kernel's.
  commands: /^(GET|ADD)_SEALS/,
};

for (const [name, ownLines] of Object.entries(cases)) {
  Deno.test({
    name: `descriptors and paths as on tmpfs: ${name}`,
    ignore: !canPreload,
    async fn() {
      const oracle = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "btfuse-test-" });
      try {
        const expected = await lines(oracle, name, {});
        assert(expected.length > 1, "the case says nothing");
        await using m = await mountBtfuse({ size: "64M", inodeCountMax: 8000 });
        const { BTFUSE_EAGER: _, ...lazy } = quietlyPreloaded(m);
        const doors = { eager: preloaded(m), lazy, kernel: {} };
        for (const [door, env] of Object.entries<Record<string, string>>(doors)) {
          const directory = `${m.dir}/${door}`;
          Deno.mkdirSync(directory);
          const seen = await lines(directory, name, env);
          const compared = (all: string[]) =>
            door === "kernel" ? all.filter((line) => !ownLines.test(line)) : all;
          assertEquals(compared(seen), compared(expected), door);
        }
      } finally {
        Deno.removeSync(oracle, { recursive: true });
      }
    },
  });
}

async function lines(
  directory: string,
  name: string,
  env: Record<string, string>,
): Promise<string[]> {
  const command = [...program, directory, name];
  const result = await run(command, { env });
  assert(!result.timedOut && result.code === 0, describeFailure(command, result));
  // The library has served descriptors, else nothing was tested.
  if (env.BTFUSE_REPORT === "1") assertGreater(report(result.stderr).open?.fast ?? 0, 0);
  return result.stdout.trimEnd().split("\n");
}
