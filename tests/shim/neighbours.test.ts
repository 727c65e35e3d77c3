/**
 * What else lives in the programs that load our library: other preloaded libraries, sanitizers; and programs that
 * cannot load it, which must not say so on standard error.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { copyTo } from "../../src/cli/library_place.ts";
import {
  btfuseCommand,
  type BtfuseMount,
  builtLibrary,
  mountBtfuse,
  run,
  runOk,
} from "../support/mounts.ts";
import { canPreload, report } from "./support.ts";

const isRoot = canPreload && Deno.uid() === 0;
const library = builtLibrary("libbtfuse_preload.so");

interface Neighbourhood {
  m: BtfuseMount;
  /** Runs a command with direct access, lazily attached or at once. */
  direct(command: string[], env?: Record<string, string>): Promise<Said>;
}

interface Said {
  code: number;
  stdout: string;
  stderr: string;
}

/** Does the same for lazily attached programs and for those that attach at once. */
function neighbourTest(name: string, fn: (n: Neighbourhood) => Promise<void>): void {
  for (const eager of ["", "1"]) {
    Deno.test({
      name: `${name}${eager === "1" ? ", attached at once" : ""}`,
      ignore: !isRoot,
      async fn() {
        await using m = await mountBtfuse({ size: "16M", options: ["allow_other"] });
        const direct = (command: string[], env: Record<string, string> = {}) =>
          run([...btfuseCommand(), "run", "--mount", m.dir, "--", ...command], {
            env: { BTFUSE_EAGER: eager, ...env },
          });
        await fn({ m, direct });
      },
    });
  }
}

/** Compiles C. @returns undefined: this compiler has not what the options need */
async function compiled(
  m: BtfuseMount,
  name: string,
  source: string,
  options: string[],
): Promise<string | undefined> {
  const path = `${m.scratch}/${name}`;
  Deno.writeTextFileSync(`${path}.c`, source);
  const { code } = await run(["gcc", "-w", "-o", path, `${path}.c`, ...options]);
  return code === 0 ? path : undefined;
}

function defined(path: string | undefined): string {
  if (path === undefined) throw new Error("gcc failed, or the place was refused");
  return path;
}

/** Prints the owner of a file, after so many looks at it that the library is attached. */
const showOwner = `#include <stdio.h>
#include <sys/stat.h>
int main(int c, char **v) {
  struct stat s;
  for (int i = 0; i < 300; i++) if (stat(v[1], &s)) return 1;
  printf("%d\\n", (int)s.st_uid);
}`;

const strangeOwner = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/stat.h>
int stat(const char *p, struct stat *s) {
  int (*next)(const char *, struct stat *) = dlsym(RTLD_NEXT, "stat");
  int r = next(p, s);
  if (r == 0) s->st_uid = 4242;
  return r;
}`;

async function otherLibrary(m: BtfuseMount): Promise<string> {
  return defined(await compiled(m, "other.so", strangeOwner, ["-shared", "-fPIC", "-ldl"]));
}

neighbourTest("a library that is preloaded already stays in front and calls ours", async (n) => {
  const program = defined(await compiled(n.m, "show", showOwner, []));
  const other = await otherLibrary(n.m);
  Deno.writeTextFileSync(`${n.m.dir}/file`, "");
  const { stdout, stderr } = await n.direct([program, `${n.m.dir}/file`], {
    LD_PRELOAD: other,
    BTFUSE_REPORT: "1",
  });
  assertEquals(stdout, "4242\n");
  assert((report(stderr)["stat"]?.fast ?? 0) > 100, stderr);
});

for (
  const [how, options] of [["shared", []], ["linked statically", ["-static-libasan"]]] as const
) {
  neighbourTest(
    `a program with AddressSanitizer, ${how}, starts, and so it does far below`,
    async (n) => {
      const program = await compiled(n.m, "asan", showOwner, ["-fsanitize=address", ...options]);
      if (program === undefined) return; // Debian's gcc has it; others may not.
      Deno.writeTextFileSync(`${n.m.dir}/file`, "");
      for (const command of [[program], ["sh", "-c", 'sh -c "$0 $1"', program]]) {
        const { code, stdout, stderr } = await n.direct([...command, `${n.m.dir}/file`]);
        assertEquals({ code, stdout, stderr }, { code: 0, stdout: "0\n", stderr: "" });
      }
    },
  );
}

neighbourTest("a 32-bit program says nothing, also when a shell has the settings", async (n) => {
  const program = await compiled(n.m, "small", showOwner, ["-m32"]);
  if (program === undefined) return; // no 32-bit compiler here
  Deno.writeTextFileSync(`${n.m.dir}/file`, "");
  const start = btfuseCommand().join(" ");
  const shell = ["sh", "-c", `eval "$(${start} env "$2")"; "$0" "$1"`];
  const results = [
    await n.direct([program, `${n.m.dir}/file`]),
    await run([...shell, program, `${n.m.dir}/file`, n.m.dir]),
  ];
  for (const { code, stdout, stderr } of results) {
    assertEquals({ code, stdout, stderr }, { code: 0, stdout: "0\n", stderr: "" });
  }
});

neighbourTest("programs of other users and in other root directories say nothing", async (n) => {
  const root = `${n.m.scratch}/root`;
  await runOk(["sh", "-ec", copyPrograms, "sh", root]);
  const user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const silent: string[][] = [
    [...user, "true"],
    [...user, "sh", "-c", "true; /bin/true"],
    ["chroot", root, "/bin/sh", "-c", "/bin/true; /bin/true"],
    ["python3", "-c", startInRoot, root],
    [
      "unshare",
      "-m",
      "sh",
      "-c",
      "mount -t tmpfs none /run && mount -t tmpfs none /tmp && /bin/true",
    ],
  ];
  for (const command of silent) {
    const { code, stdout, stderr } = await n.direct(command);
    assertEquals({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" }, command.join(" "));
  }
});

/** A root directory with a shell, true and what they load. */
const copyPrograms = `mkdir -p "$1/bin"
cp /bin/sh /bin/true "$1/bin"
ldd /bin/sh /bin/true | grep -o '/[^ :]*so[^ ]*' | sort -u | while read -r file; do
  mkdir -p "$1\${file%/*}"; cp -L "$file" "$1$file"; done`;

/** Each way in which Python starts a program; none may name our library there. */
const startInRoot = `import os, subprocess, sys
os.chroot(sys.argv[1]); os.chdir("/")
assert os.system("/bin/true") == 0
assert os.spawnv(os.P_WAIT, "/bin/true", ["true"]) == 0
assert os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)[1] == 0
assert os.waitpid(os.posix_spawn("/bin/true", ["true"], {"LD_PRELOAD": os.environ["LD_PRELOAD"]}), 0)[1] == 0
assert subprocess.run(["true"]).returncode == 0
os.execve("/bin/true", ["true"], dict(os.environ, X="y" * 9000))`;

neighbourTest("what else is preloaded stays where ours cannot be loaded", async (n) => {
  const show =
    'import os, sys; os.chroot(sys.argv[1]); os.chdir("/"); os.execv("/bin/sh", ["sh", "-c", "echo $LD_PRELOAD"])';
  const root = `${n.m.scratch}/root`;
  await runOk(["sh", "-ec", copyPrograms, "sh", root]);
  const other = await otherLibrary(n.m);
  await runOk(["sh", "-c", 'mkdir -p "$1${2%/*}" && cp "$2" "$1$2"', "sh", root, other]);
  const { stdout, stderr } = await n.direct(["python3", "-c", show, root], { LD_PRELOAD: other });
  assertEquals([stdout, stderr], [`${other}\n`, ""]);
});

Deno.test({
  name: "the library's place is nobody else's to write, and readable whatever the umask",
  ignore: !isRoot,
  async fn() {
    const base = Deno.makeTempDirSync({ prefix: "btfuse-" });
    try {
      Deno.chmodSync(base, 0o755);
      const old = Deno.umask(0o077);
      const path = defined(copyTo(`${base}/place`, library));
      Deno.umask(old);
      assertMatch(path, /\/before-libasan\.so\/(x86_64|\$PLATFORM)\/libbtfuse_preload\.so$/);
      const file = path.replace("$PLATFORM", "x86_64");
      await runOk(["cmp", file, library], { uid: 65534 });
      // A changed copy is made again.
      Deno.writeTextFileSync(file, "changed");
      assertEquals(copyTo(`${base}/place`, library), path);
      assertEquals(Deno.readFileSync(file), Deno.readFileSync(library));
      const refused: ((directory: string) => void)[] = [
        (directory) => Deno.chmodSync(directory, 0o777),
        (directory) => Deno.chmodSync(directory, 0o775),
        (directory) => Deno.chownSync(directory, 65534, 65534),
        (directory) => (Deno.removeSync(directory), Deno.symlinkSync(base, directory)),
        (directory) => (Deno.removeSync(directory), Deno.writeTextFileSync(directory, "")),
      ];
      for (const [index, spoil] of refused.entries()) {
        Deno.mkdirSync(`${base}/${index}`);
        Deno.chmodSync(`${base}/${index}`, 0o755);
        spoil(`${base}/${index}`);
        assertEquals(copyTo(`${base}/${index}`, library), undefined, `place ${index}`);
      }
      // Where others can rename what is ours, they can put their own in its place.
      Deno.chmodSync(base, 0o777);
      assertEquals(copyTo(`${base}/late`, library), undefined);
    } finally {
      Deno.removeSync(base, { recursive: true });
    }
  },
});
