/** `btfuse check` beside programs at work. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  DENTRY_NEXT,
  DENTRY_UP,
  DENTRY_WORDS,
  PAGE_BYTES,
  SUPER_BUCKET_COUNT,
  SUPER_BUCKET_PAGE,
  SUPER_PAUSE,
  SUPER_SLOT_PAGE,
} from "../../src/region/layout.gen.ts";
import { signal } from "../support/command.ts";
import { btfuseCommand, canRun, mountBtfuse, run, runOk, waitUntil } from "../support/mounts.ts";
import { canPreload, quietlyPreloaded } from "../shim/support.ts";
import { btfuse } from "./support.ts";

const CHECKS = 12;
const STOPS = 3;
const FILES = 4000;
/** A stopped checker is waited for a second, on a machine that has better things to do for several. */
const HELD_MS_MAX = 10_000;

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

Deno.test({
  name: "check: one that is stopped in the middle holds nobody up, and begins anew when it goes on",
  ignore: !canRun,
  async fn() {
    await using m = await mountBtfuse({ size: "16M" });
    const fill = `for i in $(seq ${FILES}); do : > file$i; done`;
    await runOk(["bash", "-euc", fill], { cwd: m.dir });
    const [program, ...args] = btfuseCommand();
    for (let i = 0; i < STOPS; i++) {
      const checker = new Deno.Command(program, { args: [...args, "check", m.dir], stdout: "null" })
        .spawn();
      try {
        assert(await waitUntil(() => wordOf(m.object, SUPER_PAUSE) !== 0, 10_000, 1));
        signal(checker.pid, "SIGSTOP");
        const start = performance.now();
        Deno.mkdirSync(`${m.dir}/directory${i}`);
        const heldMs = performance.now() - start;
        assert(heldMs < HELD_MS_MAX, `mkdir took ${heldMs.toFixed()} ms`);
      } finally {
        signal(checker.pid, "SIGCONT");
      }
      assertEquals((await checker.status).code, 0);
    }
  },
});

function wordOf(path: string, word: number): number {
  using object = Deno.openSync(path);
  object.seekSync(word * 4, Deno.SeekMode.Start);
  const words = new Uint32Array(1);
  object.readSync(new Uint8Array(words.buffer));
  return words[0];
}

Deno.test({
  name:
    "check: circles in the hash chains of a mount in use cost its programs an error, and are found",
  ignore: !canRun,
  async fn() {
    await using m = await mountBtfuse({ size: "4M", inodeCountMax: 300 });
    for (let i = 0; i < 100; i++) Deno.writeTextFileSync(`${m.dir}/file${i}`, "");
    using object = Deno.openSync(m.object, { read: true, write: true });
    const read = (offsetBytes: number, count: number): Uint32Array => {
      const words = new Uint32Array(count);
      object.seekSync(offsetBytes, Deno.SeekMode.Start);
      object.readSync(new Uint8Array(words.buffer));
      return words;
    };
    const superblock = read(0, PAGE_BYTES / 4);
    const buckets = read(
      superblock[SUPER_BUCKET_PAGE] * PAGE_BYTES,
      superblock[SUPER_BUCKET_COUNT],
    );
    for (const slot of buckets.filter((slot) => slot !== 0)) {
      const word = slot * DENTRY_WORDS + DENTRY_NEXT;
      object.seekSync(superblock[SUPER_SLOT_PAGE] * PAGE_BYTES + word * 4, Deno.SeekMode.Start);
      object.writeSync(new Uint8Array(Uint32Array.of(slot).buffer));
    }
    const look = `for i in $(seq 200); do cat none$i; done; ls | wc -l; cat file5 && echo alive`;
    const looked = await run(["bash", "-uc", look], { cwd: m.dir, timeoutMs: 20_000 });
    assertMatch(looked.stderr, /Input\/output error/);
    assertMatch(looked.stdout, /^100\nalive\n$/);
    const { code, stdout } = await btfuse(["check", m.dir]);
    assertEquals(code, 1);
    assertMatch(stdout, /in hash chains twice, one of them may be a circle/);
  },
});

Deno.test({
  name: "check: circles in the tree of a directory end its listing at both doors",
  ignore: !canPreload,
  async fn() {
    await using m = await mountBtfuse({ size: "4M", inodeCountMax: 300 });
    for (let i = 0; i < 60; i++) Deno.writeTextFileSync(`${m.dir}/file${i}`, "");
    using object = Deno.openSync(m.object, { read: true, write: true });
    const firstSlot = wordOf(m.object, SUPER_SLOT_PAGE) * PAGE_BYTES / 4;
    for (let slot = 1; slot <= 60; slot++) {
      object.seekSync((firstSlot + slot * DENTRY_WORDS + DENTRY_UP) * 4, Deno.SeekMode.Start);
      object.writeSync(new Uint8Array(Uint32Array.of(slot + 1).buffer));
    }
    const listed = "import os, sys; print(len(os.listdir(sys.argv[1])))";
    for (const env of [{}, quietlyPreloaded(m)]) {
      const result = await run(["/usr/bin/python3", "-c", listed, m.dir], {
        env,
        timeoutMs: 20_000,
      });
      assert(!result.timedOut);
      assertMatch(result.stderr, /Input\/output error/);
    }
    assertEquals((await btfuse(["check", m.dir])).code, 1);
  },
});
