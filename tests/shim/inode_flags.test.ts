/** chattr(1) and lsattr(1): flags are kept, and honoured at both doors as tmpfs does. */
import { assertEquals, assertGreater } from "@std/assert";
import { mountBtfuse, mountTmpfs, run, runOk } from "../support/mounts.ts";
import { canPreload, quietlyPreloaded } from "./support.ts";

const script = new URL("inode_flags.py", import.meta.url).pathname;
const isRoot = canPreload && Deno.uid() === 0;

/** What it prints about a directory, but for what only the kernel could refuse when a file is opened. */
async function outcomes(dir: string, env: Record<string, string> = {}): Promise<string[]> {
  const { stdout } = await runOk(["/usr/bin/python3", script, dir], { env, timeoutMs: 60_000 });
  return stdout.split("\n");
}
const isAboutOpening = (line: string) => line.startsWith("open: ");

async function hasFlags(dir: string): Promise<boolean> {
  const { code } = await run(["lsattr", "-d", dir]);
  return code === 0;
}

Deno.test({
  name: "inode flags: what they keep from being done is what tmpfs keeps from being done",
  ignore: !isRoot,
  async fn() {
    await using tmpfs = await mountTmpfs();
    if (!await hasFlags(tmpfs.dir)) return console.log("tmpfs has no flags here");
    await using m = await mountBtfuse({ size: "16M" });
    const expected = await outcomes(tmpfs.dir);
    assertGreater(expected.filter((line) => line.includes("EPERM")).length, 60);
    const ofKernel = await outcomes(m.dir);
    assertEquals(
      ofKernel.filter((line) => !isAboutOpening(line)),
      expected.filter((line) => !isAboutOpening(line)),
    );
    // The library knows better than the kernel what may be opened.
    assertEquals(await outcomes(m.dir, quietlyPreloaded(m)), expected);
  },
});

/** What people do with it. */
const SHELL = `
cd "$0" || exit 1
echo text >file; mkdir directory; echo inner >directory/inner
chattr +i file; chattr +a directory; lsattr -d file directory | cut -c1-20,21-
echo x >file; echo $?
rm -f file; echo $?
mv file other; echo $?
cp -a file copy; echo $?; lsattr copy
touch file; echo $?
echo more >>directory/new; echo $?
rm directory/inner; echo $?
chattr -i file; chattr -a directory; rm -r file directory copy; echo $?
ls -A
`;

Deno.test({
  name: "inode flags: chattr, lsattr, rm, mv, cp and touch say what they say on tmpfs",
  ignore: !isRoot,
  async fn() {
    await using tmpfs = await mountTmpfs();
    if (!await hasFlags(tmpfs.dir)) return console.log("tmpfs has no flags here");
    await using m = await mountBtfuse({ size: "16M" });
    // Standard error as well: who refuses, and why.
    const shell = async (dir: string, env: Record<string, string> = {}) => {
      const command = ["sh", "-c", `exec 2>&1; ${SHELL}`, dir];
      const { stdout } = await run(command, { env: { LC_ALL: "C", ...env } });
      // It may be open(2) or utimensat(2) that says so first.
      return stdout.replaceAll(dir, "DIR").replace("setting times of", "cannot touch");
    };
    const expected = await shell(tmpfs.dir);
    for (const env of [{}, quietlyPreloaded(m)]) assertEquals(await shell(m.dir, env), expected);
  },
});

/** Stores through a mapping into a file that may only be appended to. Where that cannot be refused, it must not be kept. */
const MAPPED = `
import mmap, os, subprocess, sys
path = sys.argv[1] + "/mapped"
with open(path, "w") as file:
    file.write("0123456789")
subprocess.check_call(["chattr", "+a", path])
try:
    with open(path, "a+b") as file, mmap.mmap(file.fileno(), 10) as memory:
        memory[0:1] = b"M"
        memory.flush()
    print("stored")
except OSError:
    print("refused")
print(open(path).read())
subprocess.check_call(["chattr", "-a", path])
os.unlink(path)
`;

Deno.test({
  name:
    "inode flags: what is stored through a mapping of an append-only file is refused, and not shown",
  ignore: !isRoot,
  async fn() {
    await using m = await mountBtfuse({ size: "16M" });
    for (const env of [{}, quietlyPreloaded(m)]) {
      const { stdout } = await runOk(["/usr/bin/python3", "-c", MAPPED, m.dir], { env });
      assertEquals(stdout, "refused\n0123456789\n");
    }
  },
});
