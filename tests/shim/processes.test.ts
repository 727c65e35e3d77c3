/** Shells and their children under the preloaded library: redirections, shared offsets, programs that are started. */
import { assert, assertEquals, assertGreater } from "@std/assert";
import {
  type BtfuseMount,
  describeFailure,
  mountBtfuse,
  mountTmpfs,
  run,
  runOk,
} from "../support/mounts.ts";
import { canPreload, type Counts, preloaded, report } from "./support.ts";

const python = "/usr/bin/python3";

function shimTest(name: string, fn: (m: BtfuseMount) => Promise<void>): void {
  Deno.test({
    name: `shim: ${name}`,
    ignore: !canPreload,
    async fn() {
      await using m = await mountBtfuse({ size: "64M" });
      const lines = Array.from({ length: 50 }, (_, i) => `line ${i}\n`);
      Deno.writeTextFileSync(`${m.dir}/lines`, lines.join(""));
      await fn(m);
    },
  });
}

/** Runs a script of bash in the mount without and with the library; both must print the same and fail nowhere. */
async function bash(m: BtfuseMount, script: string): Promise<Record<string, Counts>> {
  const command = ["bash", "-euc", `cd ${m.dir}\n${script}`];
  const expected = await runOk(command);
  assertGreater(expected.stdout.length, 0, script);
  const result = await run(command, { env: preloaded(m) });
  assert(result.code === 0, describeFailure(command, result));
  assertEquals(result.stdout, expected.stdout, script);
  assertEquals(result.stderr.replaceAll(/^btfuse: .*\n/gm, ""), expected.stderr, script);
  return report(result.stderr);
}

shimTest("redirections of a shell", async (m) => {
  const counts = await bash(m, 'while read a b; do echo "$b $a"; done < lines | md5sum');
  assertGreater(counts.open?.fast ?? 0, 0);
  await bash(
    m,
    "exec 3< lines; read -u 3 a; read -u 3 b; echo $a $b; cat <&3 | md5sum; read -u 3 c || echo end",
  );
  await bash(m, "{ read a; head -n1 > /dev/null; cat | wc -l; } < lines; echo $a");
  await bash(
    m,
    "exec 3< lines 4<&3; read -u 3 a; read -u 4 b; exec 3<&-; read -u 4 c; echo $a $b $c",
  );
  await bash(m, 'cat <<END\nhere $((1 + 1))\nEND\ncat <<< "string"');
  await bash(m, "diff <(head -n5 lines) <(sed -n 3,8p lines) || echo differ");
  await bash(m, "mapfile -t a < lines; echo ${#a[@]} ${a[7]} $(< lines)");
  await bash(m, "exec 5< lines; cat /dev/fd/5 | wc -l; cat /proc/self/fd/5 5< lines | wc -l");
  await bash(
    m,
    'echo one > new; echo two >> new; cat new; wc -c < new; : > new; cat new; echo "$(wc -c < new)"',
  );
  await bash(m, "exec 9<> new; echo text >&9; cat new; rm new; ls");
  await bash(m, "cat < lines | (read a; echo $a; cat | wc -l); cat lines - < lines | wc -l");
});

shimTest("subshells share the offset, and so do the programs they start", async (m) => {
  await bash(
    m,
    "exec 3< lines; (read -u 3 a; echo $a); (read -u 3 a; echo $a); read -u 3 a; echo $a",
  );
  await bash(
    m,
    "exec < lines; read a; (read b; echo $b); bash -c 'read c; echo $c'; read d; echo $d",
  );
  await bash(
    m,
    "exec 3< lines; for i in 1 2 3; do dd bs=7 count=1 status=none <&3; done; read -u 3 a; echo $a",
  );
  await bash(
    m,
    "f() { read -u 3 a; echo $a; }; f 3< lines; f 3< lines; exec 3< lines; x=$(f); f; echo $x",
  );
});

shimTest("scripts and programs are run from the mount", async (m) => {
  Deno.writeTextFileSync(`${m.dir}/script`, "#!/bin/bash\necho script $1 $0\nsed -n 2p lines\n", {
    mode: 0o755,
  });
  Deno.writeTextFileSync(`${m.dir}/module.py`, "def answer():\n    return 42\n");
  await runOk(["cp", "/bin/cat", `${m.dir}/own-cat`]);
  await bash(
    m,
    "./script argument; ./own-cat lines | md5sum; . ./script again; exec ./own-cat lines",
  );
  await bash(
    m,
    `${python} -c 'import module; print(module.answer())'; ${python} -c 'import module; print(module.__cached__)'`,
  );
  await bash(m, "find . -name 'l*' -exec wc -l {} +; ls | xargs -n1 -P2 echo | sort");
});

shimTest("git, perl and make work in it", async (m) => {
  await bash(
    m,
    [
      "export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_DATE=2020-01-01T00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00Z",
      "rm -rf repository; git init -q -b main repository; cd repository; cp ../lines .",
      "git add .; git -c user.name=a -c user.email=b commit -qm first; echo more >> lines",
      "git diff --stat; git status --short; git log --format=%H; git fsck; git gc -q; git show HEAD:lines | md5sum",
    ].join("\n"),
  );
  await bash(
    m,
    'perl -ne \'print if 10 .. 12\' lines; perl -e \'open F, "<", "lines"; $_ = <F>; print; print tell F; system("cat <&" . fileno F)\'',
  );
});

shimTest("python starts processes every way it knows", async (m) => {
  const script = `
import multiprocessing, os, subprocess, tempfile, shutil
from concurrent.futures import ProcessPoolExecutor
def lines(path):
    with open(path) as file:
        return len(file.readlines())
if __name__ == "__main__":
    print(subprocess.run(["wc", "-l"], stdin=open("lines"), capture_output=True, text=True).stdout)
    print(subprocess.check_output("head -n2 lines; cat < lines | tail -n1", shell=True, text=True))
    for way in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(way).Pool(2) as pool:
            print(way, pool.map(lines, ["lines"] * 5))
    with ProcessPoolExecutor(2) as pool:
        print(sum(pool.map(lines, ["lines"] * 20)))
    with tempfile.TemporaryDirectory(dir=".") as directory:
        shutil.copytree(".", directory + "/copy", ignore=lambda *_: [os.path.basename(directory), "__pycache__"])
        print(sorted(os.listdir(directory + "/copy")))
    with tempfile.TemporaryFile(dir=".") as file:
        file.write(b"text")
        file.seek(0)
        print(file.read(), subprocess.run(["cat"], stdin=file, capture_output=True).stdout)
    with os.fdopen(os.open("lines", os.O_RDONLY)) as file:
        print(file.readline(), subprocess.run(["true"]).returncode, len(file.read()))
`;
  Deno.writeTextFileSync(`${m.dir}/starts.py`, script);
  await bash(m, `${python} starts.py`);
});

shimTest("a process that dies leaves nothing behind", async (m) => {
  const file = `${m.dir}/doomed`;
  Deno.writeFileSync(file, new Uint8Array(8 << 20).fill(1));
  const script = `
import os, signal, sys
fds = [os.open(sys.argv[1], os.O_RDONLY) for _ in range(100)]
os.unlink(sys.argv[1])
print(len(os.pread(fds[50], 100, 4 << 20)), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
`;
  const { stdout, code } = await run([python, "-c", script, file], { env: preloaded(m) });
  assertEquals([stdout, code], ["100\n", 137]);
  const used = async () =>
    Number((await runOk(["df", "--output=used", m.dir])).stdout.split("\n")[1]);
  const until = Date.now() + 10_000;
  while (await used() > 4096 && Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert(await used() < 4096, "the dead process's file still takes space");
});

Deno.test({
  name: "shim: what its owner has open stays open, whatever its mode is and whatever becomes of it",
  ignore: !canPreload || Deno.uid() !== 0,
  async fn() {
    const uid = 65534;
    const command = [python, new URL("reopen.py", import.meta.url).pathname];
    await using tmpfs = await mountTmpfs();
    await runOk(["chown", String(uid), tmpfs.dir]);
    const expected = await runOk([...command, tmpfs.dir], { uid });
    for (const cache of ["auto", "none"] as const) {
      await using m = await mountBtfuse({ size: "64M", uid, cache });
      const actual = await runOk([...command, m.dir], { uid, env: preloaded(m) });
      assertEquals(actual.stdout.split("\n"), expected.stdout.split("\n"));
      assertGreater(report(actual.stderr)["open"]?.fast ?? 0, 48, actual.stderr);
    }
  },
});

shimTest(
  "at the edges: limits, killed writers, odd ways to a watch, directories that libc enters",
  async (m) => {
    await using tmpfs = await mountTmpfs();
    const command = [python, new URL("edges.py", import.meta.url).pathname];
    const expected = await runOk([...command, tmpfs.dir, tmpfs.scratch]);
    const actual = await runOk([...command, m.dir, m.scratch], { env: preloaded(m) });
    assertEquals(actual.stdout.split("\n"), expected.stdout.split("\n"));
    assertGreater(report(actual.stderr)["open"]?.fast ?? 0, 30, actual.stderr);
  },
);
