/** Descriptors that a program has open while others cover their mount, bind over it or detach it: they go on as on tmpfs. */
import { assertEquals, assertGreater } from "@std/assert";
import { mountBtfuse, mountTmpfs, runOk, showingBoth } from "../support/mounts.ts";
import { canPreload, preloaded, PYTHON, report } from "./support.ts";

const isRoot = canPreload && Deno.uid() === 0;
const script = new URL("covered.py", import.meta.url).pathname;

/** Commands; "{}" is the mount, "{parent}" the directory above it. */
interface Change {
  does: string[][];
  undo: string[][];
}

const changes: Record<string, Change> = {
  "another file system lies on a directory": {
    does: [["mount", "-t", "tmpfs", "none", "{}/sub"]],
    undo: [["umount", "{}/sub"]],
  },
  "another file system lies on the mount": {
    does: [["mount", "-t", "tmpfs", "none", "{}"]],
    undo: [["umount", "{}"]],
  },
  "another file system lies on the directory above": {
    does: [["mount", "-t", "tmpfs", "none", "{parent}"]],
    undo: [["umount", "{parent}"]],
  },
  "a directory is bound to itself, read-only": {
    does: [["mount", "--bind", "{}/sub", "{}/sub"], ["mount", "-o", "remount,bind,ro", "{}/sub"]],
    undo: [["umount", "{}/sub"]],
  },
  "a file lies on the file": {
    does: [["mount", "--bind", "/etc/hostname", "{}/sub/file"]],
    undo: [["umount", "{}/sub/file"]],
  },
  "the mount lies on itself, read-only": {
    does: [["mount", "--bind", "{}", "{}"], ["mount", "-o", "remount,bind,ro", "{}"]],
    undo: [["umount", "{}"]],
  },
};
const detached: Change = { does: [["umount", "-l", "{}"]], undo: [] };

async function commands(dir: string, lines: string[][]): Promise<void> {
  const parent = dir.slice(0, dir.lastIndexOf("/"));
  for (const line of lines) {
    await runOk(line.map((word) => word.replaceAll("{parent}", parent).replaceAll("{}", dir)));
  }
}

interface Said {
  answers: Record<string, unknown>;
  stderr: string;
}

/** What the program says when the change happens while it has its files open. */
async function during(
  dir: string,
  change: Change,
  kind: "writing" | "reading" | "holding",
  env: Record<string, string> = {},
): Promise<Said> {
  const child = new Deno.Command(PYTHON, {
    args: ["-B", script, dir, kind],
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stderr = new Response(child.stderr).text();
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const read = async () => {
    const { value, done } = await output.read();
    text += value ?? "";
    return !done;
  };
  const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
  try {
    while (!text.includes("ready\n") && await read());
    await commands(dir, change.does);
    try {
      const input = child.stdin.getWriter();
      await input.write(new TextEncoder().encode("\n"));
      await input.close();
      while (await read());
      await child.status;
    } finally {
      await commands(dir, change.undo);
    }
  } finally {
    clearTimeout(timer);
  }
  const problem = await stderr;
  const line = text.split("\n")[1];
  if (!line) throw new Error(`the program said ${JSON.stringify(text)} and ${problem}`);
  return { answers: JSON.parse(line), stderr: problem };
}

Deno.test({
  name: "covered: open descriptors go on when others cover or detach their mount",
  ignore: !isRoot,
  fn: showingBoth(async () => {
    await using tmpfs = await mountTmpfs({ size: "64M" });
    await using m = await mountBtfuse({ size: "64M" });
    let expected: Record<string, unknown> = {};
    for (const [title, change] of Object.entries(changes)) {
      expected = (await during(tmpfs.dir, change, "writing")).answers;
      const { answers, stderr } = await during(m.dir, change, "writing", preloaded(m));
      assertEquals(answers, expected, title);
      assertGreater(report(stderr).open?.fast ?? 0, 15, title);
    }
    await using leaving = await mountBtfuse({ size: "64M" });
    const { answers } = await during(leaving.dir, detached, "writing", preloaded(leaving));
    assertEquals(answers, expected, "the mount is detached");
  }),
});

Deno.test({
  name: "covered: where no way leads to a file any more, what the library can do with it goes on",
  ignore: !isRoot,
  fn: showingBoth(async () => {
    await using m = await mountBtfuse({ size: "64M" });
    const change = changes["another file system lies on the mount"];
    if (change === undefined) throw new Error("there is no such change");
    const { answers } = await during(m.dir, change, "reading", preloaded(m));
    assertEquals(answers, {
      pread: "012",
      fchmod: "EIO",
      mmap: "EIO",
      flock: "EIO",
      read: "012",
      lseek: 3,
      fstat: 100,
    });
    // Something on the mount is open for the kernel.
    const holding = await during(m.dir, change, "holding", preloaded(m));
    assertEquals(holding.answers, {
      pread: "012",
      fchmod: null,
      mmap: null,
      flock: null,
      read: "012",
      lseek: 3,
      fstat: 100,
    });
  }),
});
