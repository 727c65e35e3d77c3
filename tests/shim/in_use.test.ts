/** A mount is in use while programs under the library have files open: as the kernel says, and as btfuse says. */
import { assertEquals, assertMatch } from "@std/assert";
import { btfuse, isRoot, mountPoint } from "../cli/support.ts";
import { btfuseCommand, isMounted, mountBtfuse, run, waitUntil } from "../support/mounts.ts";
import { canPreload, PYTHON, quietlyPreloaded } from "./support.ts";

/** Does what it is told line by line, and answers each line with one. */
const PROGRAM = `
import os, sys
directory, f = sys.argv[1], {}
for line in sys.stdin:
    try:
        print(eval(line), flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
`;

/** A program under the library that is told what to do. */
class Told implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;

  constructor(m: { dir: string; object: string }) {
    this.#child = new Deno.Command(PYTHON, {
      args: ["-c", PROGRAM, m.dir],
      stdin: "piped",
      stdout: "piped",
      env: quietlyPreloaded(m),
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#output = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  get pid(): number {
    return this.#child.pid;
  }

  async do(expression: string): Promise<string> {
    await this.#input.write(new TextEncoder().encode(expression + "\n"));
    let said = "";
    while (!said.endsWith("\n")) {
      const { value, done } = await this.#output.read();
      if (done) throw new Error(`the program ended at ${expression}: ${said}`);
      said += value;
    }
    return said.trimEnd();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#child.status;
    await this.#output.cancel();
  }
}

const OPEN = 'f.setdefault("x", os.open(directory + "/log", os.O_RDWR | os.O_CREAT))';

/** umount(8) of the system, which asks nobody but the kernel. */
async function isRefused(dir: string): Promise<boolean> {
  const { code, stderr } = await run(["umount", dir]);
  if (code !== 0) assertMatch(stderr, /busy/);
  return code !== 0;
}

Deno.test({
  name: "in use: umount(2) is refused while a file is open for writing, and only then",
  ignore: !canPreload || !isRoot,
  async fn() {
    await using m = await mountBtfuse({ size: "16M" });
    await using program = new Told(m);
    const fd = await program.do(OPEN);
    assertEquals(await isRefused(m.dir), true);
    // Another number, and the same file once more.
    assertEquals(await program.do(`os.dup2(${fd}, 50), os.close(${fd})`), "(50, None)");
    assertEquals(await isRefused(m.dir), true);
    assertEquals(await program.do('os.write(50, b"second"), os.fstat(50).st_size'), "(6, 6)");
    const { code, stderr } = await btfuse(["umount", m.dir]);
    assertEquals(code, 1);
    assertMatch(
      stderr,
      new RegExp(`in use.*\\n +python3 \\(pid ${program.pid}\\): open file ${m.dir}/log\\n$`),
    );
    assertEquals(await program.do("os.close(50)"), "None");
    // Descriptors are kept for the next open while one follows the other, but not while the program waits.
    const opening = 'os.close(os.open(directory + "/log", os.O_RDWR))';
    assertEquals(await program.do(`len([${opening} for _ in range(1000)])`), "1000");
    // It goes on running, has the library, and nothing open.
    assertEquals(await isRefused(m.dir), false);
    assertEquals(await waitUntil(() => !isMounted(m.dir), 5000), true);
  },
});

Deno.test({
  name: "in use: btfuse umount also refuses for readers and directories, until they end",
  ignore: !canPreload,
  async fn() {
    await using m = await mountBtfuse({ size: "16M" });
    Deno.mkdirSync(`${m.dir}/a/b`, { recursive: true });
    Deno.writeTextFileSync(`${m.dir}/a/file`, "text");
    for (const name of ["a/file", "a/b"]) {
      await using program = new Told(m);
      await program.do(`os.open(directory + "/${name}", os.O_RDONLY)`);
      const { code, stderr } = await btfuse(["umount", m.dir]);
      assertEquals(code, 1);
      assertMatch(stderr, new RegExp(`\\(pid ${program.pid}\\): open file ${m.dir}/${name}\\n`));
    }
  },
});

Deno.test({
  name: "in use: a detached mount goes on for its last writer",
  ignore: !canPreload || !isRoot,
  async fn() {
    await using m = mountPoint();
    const daemon = new Deno.Command(btfuseCommand()[0], {
      args: [...btfuseCommand().slice(1), "mount", "-f", "--name", m.name, "--size", "16M", m.dir],
      stdout: "null",
      stderr: "null",
    }).spawn();
    assertEquals(await waitUntil(() => isMounted(m.dir), 20_000), true);
    {
      await using program = new Told(m);
      const fd = await program.do(OPEN);
      await run(["umount", "-l", m.dir]);
      assertEquals(await program.do(`os.write(${fd}, b"text"), os.fstat(${fd}).st_size`), "(4, 4)");
      assertEquals(await program.do(`os.pread(${fd}, 10, 0)`), "b'text'");
    }
    assertEquals((await daemon.status).code, 0);
  },
});
