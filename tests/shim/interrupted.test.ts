/** Calls that signal handlers interrupt or leave, threads that end in them, and libraries that implement calls by other means. */
import { assertEquals } from "@std/assert";
import { canPreload, preloaded, quietlyPreloaded, report } from "./support.ts";
import {
  type BtfuseMount,
  mountBtfuse,
  mountTmpfs,
  repositoryRoot,
  showingBoth,
} from "../support/mounts.ts";
import { run } from "../support/command.ts";

const PROGRAMS = `${repositoryRoot}shim/zig-out/bin`;
const BY_SYSCALL = `${repositoryRoot}shim/zig-out/test_lib/libtest_by_syscall.so`;

/** Runs a program of tests/interrupted on tmpfs, and on a mount under the library, attached at once and later. */
async function compareInterrupted(program: string, ...args: [string, ...string[]]): Promise<void> {
  const [kind, ...rest] = args;
  const path = `${PROGRAMS}/${program}`;
  const expected = { code: 0, stdout: "" };
  await using tmpfs = await mountTmpfs();
  const there = await run([path, kind, tmpfs.dir, ...rest]);
  assertEquals({ code: there.code, stdout: there.stdout }, expected, `on tmpfs: ${there.stdout}`);
  for (const eager of ["1", "0"]) {
    await using m = await mountBtfuse();
    const env = { ...quietlyPreloaded(m), BTFUSE_EAGER: eager };
    const here = await run([path, kind, m.dir, ...rest], { env });
    assertEquals(
      { code: here.code, stdout: here.stdout },
      expected,
      `eager ${eager}: ${here.stdout}${here.stderr}`,
    );
  }
}

const hasChecks = canPreload && Deno.env.has("BTFUSE_TEST_LIBRARIES");

const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name: `shim: ${name}`, ignore: !canPreload, fn: showingBoth(fn) });

test("calls that handlers leave by siglongjmp leave nothing behind", () =>
  compareInterrupted("test_jumps", "jumps", "1500"));

test("threads that jump, are cancelled and fork, all at once", () =>
  compareInterrupted("test_jumps", "together", "2"));

test("threads that end in a call leave nothing behind", () =>
  compareInterrupted("test_jumps", "threads", "150"));

const SCRIPT = `
import os
os.mkdir("d"); os.chdir("d")
f = os.open("f", os.O_RDWR | os.O_CREAT)
os.write(f, b"hello"); os.lseek(f, 0, 0)
assert os.read(f, 9) == b"hello" and os.pread(f, 2, 1) == b"el" and os.fstat(f).st_size == 5
os.ftruncate(f, 3); g = os.dup(f); os.close(f); os.fsync(g); os.dup2(g, 77); os.close(g)
assert os.stat("f").st_size == 3 and os.listdir(".") == ["f"] and os.access("f", os.R_OK)
os.rename("f", "g"); os.unlink("g"); os.chdir(".."); os.rmdir("d")
if os.fork() == 0: os._exit(0)
assert os.wait()[1] == 0
print("done")
`;

for (const place of ["before", "behind"] as const) {
  test(`a library ${place} this one that implements calls by syscall(2)`, async () => {
    await using m: BtfuseMount = await mountBtfuse();
    const { LD_PRELOAD: own, ...settings } = preloaded(m);
    const env = {
      ...settings,
      LD_PRELOAD: place === "before" ? `${BY_SYSCALL}:${own}` : `${own}:${BY_SYSCALL}`,
    };
    const result = await run(["python3", "-c", SCRIPT], { env, cwd: m.dir });
    assertEquals(result.stdout, "done\n", result.stderr);
    // The library has seen the calls, whoever came first.
    assertEquals((report(result.stderr).write?.fast ?? 0) > 0, true, result.stderr);
  });
}

test("pointers to memory that is not there are told as by the kernel", async () => {
  const program = `${PROGRAMS}/test_pointers`;
  await using tmpfs = await mountTmpfs();
  const there = await run([program, tmpfs.dir]);
  assertEquals(there.code, 0, there.stdout);
  assertEquals(/ended with/.test(there.stdout), false, there.stdout);
  for (const eager of ["1", "0"]) {
    await using m = await mountBtfuse();
    const here = await run([program, m.dir], {
      env: { ...quietlyPreloaded(m), BTFUSE_EAGER: eager },
    });
    assertEquals(here.stdout, there.stdout, `eager ${eager}: ${here.stderr}`);
  }
});

/** What a call of the library may take of the stack, besides what libc and the kernel take (README). Checks make it more. */
const STACK_BYTES_MAX = 3072;
const STACK_BYTES_MAX_CHECKED = 8192;

/** By call: how much of its stack a signal handler has used that makes it. */
async function stackUse(dir: string, env: Record<string, string>): Promise<Map<string, number>> {
  const result = await run([`${PROGRAMS}/test_stacks`, dir], { env });
  assertEquals(result.code, 0, result.stdout + result.stderr);
  return new Map(
    result.stdout.trim().split("\n").map((line) => {
      const [name = "", bytes] = line.split(" ");
      return [name, Number(bytes)];
    }),
  );
}

test("calls in signal handlers take little of the stack", async () => {
  await using tmpfs = await mountTmpfs();
  const without = await stackUse(tmpfs.dir, {});
  await using m = await mountBtfuse();
  for (const eager of ["1", "0"]) {
    const taken = await stackUse(m.dir, { ...quietlyPreloaded(m), BTFUSE_EAGER: eager });
    assertEquals([...taken.keys()], [...without.keys()]);
    const most = hasChecks ? STACK_BYTES_MAX_CHECKED : STACK_BYTES_MAX;
    const tooMuch = [...taken].filter(([name, bytes]) => bytes - (without.get(name) ?? 0) > most);
    assertEquals(tooMuch, [], "bytes of stack");
    // It was measured at all: these go through the ring, and to the kernel.
    assertEquals((taken.get("create") ?? 0) > (without.get("create") ?? 0), true);
  }
});
