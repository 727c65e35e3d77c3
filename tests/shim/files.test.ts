/**
 * Programs that read files and directories through the preloaded library: what they print must be what they print
 * without it, and the calls they make must have been served without the kernel.
 */
import { assert, assertEquals, assertGreater } from "@std/assert";
import {
  type BtfuseMount,
  describeFailure,
  mountBtfuse,
  run,
  runOk,
  type RunOptions,
} from "../support/mounts.ts";
import { canPreload, type Counts, preloaded, quietlyPreloaded, report } from "./support.ts";

const here = new URL(".", import.meta.url).pathname;
const python = "/usr/bin/python3";

interface Compared {
  stdout: string;
  counts: Record<string, Counts>;
}

type Compare = (command: string[], options?: RunOptions) => Promise<Compared>;

/** A test with a tree of files on a mount, and a function that runs a command without and with the library. */
function shimTest(
  name: string,
  fn: (dir: string, compare: Compare, m: BtfuseMount) => Promise<void>,
): void {
  Deno.test({
    name: `shim: ${name}`,
    ignore: !canPreload,
    async fn() {
      await using m = await mountBtfuse({ size: "64M", inodeCountMax: 8000 });
      makeTree(`${m.dir}/tree`);
      await fn(`${m.dir}/tree`, async (command, options = {}) => {
        // Twice: the first reading of a file changes its access time.
        await run(command, options);
        const expected = await run(command, options);
        const result = await run(command, {
          ...options,
          env: { ...options.env, ...preloaded(m) },
        });
        assert(!result.timedOut, describeFailure(command, result));
        assertEquals(result.stdout, expected.stdout, command.join(" "));
        assertEquals(result.code, expected.code, describeFailure(command, result));
        assertEquals(withoutReport(result.stderr), expected.stderr, command.join(" "));
        // The library says nothing when it is not asked to.
        const quiet = await run(command, {
          ...options,
          env: { ...options.env, ...quietlyPreloaded(m) },
        });
        assertEquals(quiet.stderr, expected.stderr, command.join(" "));
        return { stdout: result.stdout, counts: report(result.stderr) };
      }, m);
    },
  });
}

function withoutReport(stderr: string): string {
  return stderr.replaceAll(/^btfuse: .*\n/gm, "");
}

/** Files of many sizes, a sparse one, links, names that need care, a directory of a thousand. */
function makeTree(dir: string): void {
  Deno.mkdirSync(`${dir}/deep/er/and/deeper`, { recursive: true });
  Deno.mkdirSync(`${dir}/thousand`);
  for (let i = 0; i < 1000; i++) Deno.writeTextFileSync(`${dir}/thousand/${i}`, `number ${i}\n`);
  for (const size of [0, 1, 4095, 4096, 4097, 49_152, 49_153, 300_000, 5_000_000]) {
    Deno.writeFileSync(`${dir}/deep/of ${size}`, pattern(size));
  }
  const lines = Array.from({ length: 20_000 }, (_, i) => `${i * 7919 % 20_011} line ${i}\n`);
  Deno.writeTextFileSync(`${dir}/deep/er/lines`, lines.join(""));
  Deno.writeTextFileSync(`${dir}/sparse`, "begin");
  Deno.truncateSync(`${dir}/sparse`, 3_000_000);
  using file = Deno.openSync(`${dir}/sparse`, { write: true });
  file.seekSync(2_000_000, Deno.SeekMode.Start);
  file.writeSync(new TextEncoder().encode("middle"));
  Deno.symlinkSync("deep/er/lines", `${dir}/link`);
  Deno.symlinkSync("nowhere", `${dir}/dangling`);
  Deno.writeTextFileSync(`${dir}/deep/${"long".repeat(60)}`, "long");
  Deno.writeTextFileSync(`${dir}/deep/er/Grüße\n?`, "odd");
  Deno.linkSync(`${dir}/sparse`, `${dir}/deep/second`);
}

function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 12)) & 0xff);
}

/** The operation was served by the library, and nothing of it was left to the kernel but what these reasons allow. */
function assertFast(
  counts: Record<string, Counts>,
  operation: string,
  atLeast: number,
  allowed: string[] = [],
): void {
  const { fast, reasons } = counts[operation] ?? { fast: 0, reasons: {} };
  assertGreater(fast, atLeast - 1, `${operation}: ${JSON.stringify(counts)}`);
  const other = Object.keys(reasons).filter((reason) =>
    !["other_path", "other_descriptor", ...allowed].includes(reason)
  );
  assertEquals(other, [], `${operation} was left to the kernel: ${JSON.stringify(counts)}`);
}

shimTest("cat, wc, head, md5sum, cmp and dd read files", async (dir, compare) => {
  const read = async (atLeast: number, ...command: string[]) => {
    const { counts } = await compare(command);
    assertFast(counts, "open", 1);
    assertGreater(counts.read?.fast ?? 0, atLeast - 1, command.join(" "));
  };
  const sizes = ["of 0", "of 1", "of 4095", "of 4096", "of 4097", "of 49152", "of 49153"];
  await read(1, "wc", `${dir}/link`, ...sizes.map((name) => `${dir}/deep/${name}`));
  await read(8, "cat", ...sizes.map((name) => `${dir}/deep/${name}`));
  await read(20, "cat", `${dir}/deep/of 5000000`, `${dir}/sparse`);
  await read(1, "head", "-c", "5000", `${dir}/sparse`);
  await read(1, "tail", "-n", "3", `${dir}/deep/er/lines`);
  await read(1, "cmp", `${dir}/deep/of 49152`, `${dir}/deep/of 49153`);
  // These read by stdio, inside of libc, or as standard input, or map the file: only what they see matters here.
  await compare(["dd", `if=${dir}/deep/of 300000`, "bs=5000", "skip=3", "status=none"]);
  await compare(["md5sum", `${dir}/deep/of 5000000`, `${dir}/sparse`, `${dir}/link`]);
  await compare(["sort", "-n", `${dir}/deep/er/lines`]);
  await compare(["sed", "-n", "100,120p", `${dir}/deep/er/lines`]);
  await compare(["awk", "{ sum += $1 } END { print sum }", `${dir}/link`]);
  await compare(["od", "-c", `${dir}/deep/of 4097`]);
});

shimTest("missing and forbidden files are what the kernel says they are", async (dir, compare) => {
  await runOk(["chmod", "0", `${dir}/thousand/7`]);
  const { counts } = await compare(["cat", `${dir}/none`, `${dir}/dangling`, `${dir}/deep`]);
  assertFast(counts, "open", 3);
  await compare(["cat", `${dir}/link/below`, `${dir}/thousand/7`, `${dir}/deep/of 1/`]);
});

shimTest("ls, find, du, grep, tar and cp walk trees", async (dir, compare) => {
  const listed = await compare(["ls", "-laR", "--full-time", dir]);
  assertFast(listed.counts, "directory", 12);
  const unsorted = await compare(["ls", "-U", `${dir}/thousand`]);
  assertEquals(unsorted.stdout.split("\n").length, 1001);
  assertFast((await compare(["find", dir, "-printf", "%p %y %s %m\n"])).counts, "open", 2, [
    "materialized",
  ]);
  await compare(["find", dir, "-name", "*9", "-newer", `${dir}/link`, "-size", "-2"]);
  await compare(["du", "-a", dir]);
  const grep = await compare(["grep", "-rn", "number 99", dir]);
  assertEquals(grep.stdout.split("\n").length, 12);
  assertFast(grep.counts, "open", 1000);
  assertFast(grep.counts, "read", 1000);
  const tar = await compare(["sh", "-c", 'tar cf - -C "$1" . | md5sum', "sh", dir]);
  assertFast(tar.counts, "open", 1000, ["materialized"]);
  await compare([
    "sh",
    "-c",
    'cp -a "$1/deep" "$1/copy" && diff -r "$1/deep" "$1/copy"; rm -r "$1/copy"',
    "sh",
    dir,
  ]);
  await compare([
    "sh",
    "-c",
    'cp -a "$1" "$2" && cd "$2" && find . | sort | md5sum; rm -r "$2"',
    "sh",
    dir,
    `${dir}/../../scratch/copy`,
  ]);
  await compare([
    "perl",
    "-e",
    'for (glob("$ARGV[0]/thousand/1*")) { open F, $_; print <F>; seek F, 2, 0; print <F> }',
    dir,
  ]);
  await compare([
    "perl",
    "-e",
    'opendir D, $ARGV[0]; my @a = readdir D; rewinddir D; print "@a\n", scalar(@a = readdir D)',
    dir,
  ]);
});

shimTest("descriptors behave as the kernel's do", async (dir, compare) => {
  Deno.mkdirSync(`${dir}/place`);
  Deno.writeTextFileSync(`${dir}/place/text`, "abcdefghijklmnopqrstuvwxyz");
  Deno.writeFileSync(`${dir}/place/large`, pattern(5_000_000));
  Deno.renameSync(`${dir}/sparse`, `${dir}/place/sparse`);
  Deno.symlinkSync("text", `${dir}/place/link`);
  Deno.writeTextFileSync(`${dir}/place/secret`, "");
  Deno.chmodSync(`${dir}/place/secret`, 0);
  Deno.mkdirSync(`${dir}/place/sub`);
  const program = [python, `${here}descriptors.py`, `${dir}/place`];
  const { stdout } = await compare(program);
  assertEquals(stdout.match(/^-- /gm)?.length, 18, stdout.slice(-2000));
  // Without the cases that close all numbers there are, also that of the report.
  const { counts } = await compare([
    ...program,
    "reading",
    "streams",
    "numbers",
    "mapping",
    "waiting",
  ]);
  for (const operation of ["open", "read", "lseek", "fcntl", "close", "directory"]) {
    assertGreater(counts[operation]?.fast ?? 0, 0, operation);
  }
  assertGreater(counts.map?.reasons.materialized ?? 0, 0);
  assertGreater(counts.descriptor?.reasons.materialized ?? 0, 0);
});

shimTest("reading sets access times by relatime", async (dir, _, m) => {
  const file = `${dir}/thousand/5`;
  const script = [
    "import os, sys, time",
    "path, day = sys.argv[1], 24 * 60 * 60",
    "def reads(atime, mtime, flags=0, target=path):",
    "    os.utime(target, (atime, mtime))",
    "    fd = os.open(target, os.O_RDONLY | flags)",
    "    os.listdir(fd) if os.path.isdir(target) else os.read(fd, 1)",
    "    os.close(fd)",
    "    return os.stat(target).st_atime != atime",
    "now = time.time()",
    "print(reads(1000, 2000), reads(now + 100, 50), reads(now - 2 * day, 50), reads(1000, 2000, os.O_NOATIME))",
    "print(reads(1000, 2000, 0, os.path.dirname(path)), reads(now + 100, 50, 0, os.path.dirname(path)))",
  ].join("\n");
  // Not compared: a page in the kernel's cache is read without anybody knowing.
  const { stdout, stderr } = await runOk([python, "-c", script, file], { env: preloaded(m) });
  assertEquals(stdout, "True False True False\nTrue False\n");
  assertGreater(report(stderr).read?.fast ?? 0, 3);
});

shimTest("a file is read while another process changes it", async (dir, compare) => {
  const file = `${dir}/changing`;
  Deno.writeFileSync(file, new Uint8Array(100_000).fill(65));
  const stop = new AbortController();
  const changes = (async () => {
    for (let round = 0; !stop.signal.aborted; round++) {
      const letter = 65 + round % 26;
      await Deno.writeFile(file, new Uint8Array(100_000 - round % 50_000).fill(letter));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  })();
  const script = [
    "import os, sys, time",
    "fd = os.open(sys.argv[1], os.O_RDONLY)",
    "bad, until = set(), time.monotonic() + 0.7",
    "while time.monotonic() < until:",
    "    part = os.pread(fd, 4096, 8192)",
    "    if len(set(part)) > 2: bad.add(part)",
    "    bad |= set(part) - set(range(65, 91))",
    "print(bad)",
  ].join("\n");
  try {
    const { counts } = await compare([python, "-c", script, file]);
    assertGreater(counts.read?.fast ?? 0, 100);
  } finally {
    stop.abort();
    await changes;
  }
});

shimTest(
  "a file that was removed while it was open takes no room once it is closed",
  async (dir, compare) => {
    const program = `
import mmap, os
free = os.statvfs(".").f_ffree, os.statvfs(".").f_bfree
for i in range(20):
    with open("gone", "w") as file: file.write("text" * 10000)
    fd = os.open("gone", os.O_RDONLY)
    os.unlink("gone")
    # A mapping needs the kernel's own file, which can only be had by the hidden name.
    view = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
    assert os.pread(fd, 4, 0) == view[:4] == b"text"
    view.close()
    os.close(fd)
print(os.statvfs(".").f_ffree - free[0], os.statvfs(".").f_bfree - free[1])
`;
    const { stdout } = await compare([python, "-c", program], { cwd: dir });
    assertEquals(stdout, "0 0\n");
  },
);
