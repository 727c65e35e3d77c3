/** `btfuse run`, `env` and `doctor`: what the program gets, and that nothing of btfuse is left around it. */
import { assertEquals, assertMatch } from "@std/assert";
import { btfuse, btfuseOk, refuses } from "../cli/support.ts";
import { btfuseCommand, type BtfuseMount, mountBtfuse, run, runOk } from "../support/mounts.ts";
import { canPreload } from "./support.ts";

const isRoot = canPreload && Deno.uid() === 0;

function mountTest(name: string, fn: (m: BtfuseMount) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !isRoot,
    async fn() {
      await using m = await mountBtfuse({ size: "16M" });
      await fn(m);
    },
  });
}

/** An executable file on an ordinary file system. */
function program(
  m: BtfuseMount,
  name: string,
  content: string | Uint8Array<ArrayBuffer>,
  mode = 0o755,
): string {
  const path = `${m.scratch}/${name}`;
  Deno.writeFileSync(
    path,
    typeof content === "string" ? new TextEncoder().encode(content) : content,
  );
  Deno.chmodSync(path, mode);
  return path;
}

const showSettings =
  'echo "${LD_PRELOAD##*/}|$BTFUSE_MOUNT|$BTFUSE_OBJECT|$DENO_DIR|$DENO_NO_UPDATE_CHECK|$BTFUSE_EXECUTABLE|$BTFUSE_NOFILE"';

mountTest("run: the program gets the mount's settings, and none of btfuse's own", async (m) => {
  const settings = `libbtfuse_preload.so|${m.dir}|${m.object.replace("/dev/shm", "")}`;
  const env = { DENO_DIR: "", DENO_NO_UPDATE_CHECK: "" };
  for (const args of [["--mount", m.dir], [`--mount=${m.name}`], ["--mount", m.dir, "--"]]) {
    const output = await btfuseOk(["run", ...args, "sh", "-c", showSettings], { env });
    assertEquals(output, `${settings}||||\n`);
  }
  Deno.mkdirSync(`${m.dir}/below`);
  const output = await btfuseOk(["run", "sh", "-c", showSettings], { cwd: `${m.dir}/below`, env });
  assertEquals(output, `${settings}||||\n`);
});

mountTest(
  "run: arguments, environment, descriptors and exit code pass through as bytes",
  async (m) => {
    const inner = [...btfuseCommand(), "run", "--mount", m.dir, "--", "sh", "-c"];
    const show =
      'for a; do printf "%s" "$a" | od -An -tx1; done; printf %s "$X" | od -An -tx1; cat <&5; exit 7';
    const result = await run([
      "sh",
      "-c",
      `X=$(printf '\\377='); export X; exec "$@" "$(printf '\\376')" "" -h 5<"$0"`,
      program(m, "input", "from 5\n"),
      ...inner,
      show,
      "sh",
    ]);
    assertEquals([result.code, result.stderr], [7, ""]);
    assertEquals(result.stdout, " fe\n 2d 68\n ff 3d\nfrom 5\n");
  },
);

mountTest("run: the program is the process itself, and signals are its own", async (m) => {
  const who = 'echo $$ "$(sed -n "s/^SigIgn:\\t//p" /proc/$$/status)" "$(ulimit -Sn)"';
  const show = `${who}; kill -TERM $$; sleep 9`;
  const shell = `ulimit -Sn 500; ${who}; exec "$@"`;
  const result = await run([
    "sh",
    "-c",
    shell,
    "sh",
    ...btfuseCommand(),
    "run",
    "--mount",
    m.dir,
    "sh",
    "-c",
    show,
  ]);
  assertEquals(result.code, 128 + 15);
  const [outer, inner] = result.stdout.split("\n");
  // Only the launcher can see the limit before Deno raises it.
  const count = btfuseCommand().length === 1 ? 3 : 2;
  assertEquals(inner?.split(" ").slice(0, count), outer?.split(" ").slice(0, count));
});

mountTest("run: 127 for what is not found, 126 for what cannot be executed", async (m) => {
  const file = program(m, "file", "text", 0o644);
  const garbage = program(m, "garbage", new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 9, 9, 9, 9]));
  const start = ["run", "--mount", m.dir];
  const failing: [command: string[], code: number, message: RegExp][] = [
    [["no-such-command"], 127, /cannot run no-such-command: it was not found/],
    [[`${m.scratch}/missing`], 127, /missing: it was not found/],
    [[""], 127, /it was not found/],
    [[file], 126, /file: no permission to execute it/],
    [[m.scratch], 126, /scratch: no permission to execute it/],
  ];
  for (const [command, code, message] of failing) {
    const result = await btfuse([...start, ...command]);
    assertEquals([result.code, result.stdout], [code, ""], command.join(" "));
    assertMatch(result.stderr, message);
  }
  // As execvp(3): what is no program is given to the shell, which says what it thinks of this one.
  assertEquals((await btfuse([...start, garbage])).code > 0, true);
  const script = program(m, "script", 'echo "script $1"');
  assertEquals(await btfuseOk([...start, script, "one"]), "script one\n");
  const path = { PATH: `${m.scratch}/none:${m.scratch}:${Deno.env.get("PATH")}` };
  assertEquals(await btfuseOk([...start, "script", "two"], { env: path }), "script two\n");
});

mountTest("run: which mount is meant must be clear", async (m) => {
  await using other = await mountBtfuse({ size: "16M" });
  const result = await btfuse(["run", "true"], { cwd: "/" });
  assertEquals(result.code, 2);
  for (const { dir } of [m, other]) assertEquals(result.stderr.includes(dir), true, result.stderr);
  await refuses(["run", "--mount", m.scratch, "true"], {
    code: 1,
    message: /nothing is mounted on/,
  });
  assertEquals((await btfuse(["run", "true"], { cwd: other.dir })).code, 0);
});

mountTest("run: what is preloaded already stays, and a second run changes nothing", async (m) => {
  const library = "/lib/x86_64-linux-gnu/libm.so.6";
  const nested = [...btfuseCommand(), "run", "sh", "-c", 'echo "$LD_PRELOAD"'];
  const output = await btfuseOk(["run", ...nested], { cwd: m.dir, env: { LD_PRELOAD: library } });
  assertMatch(output, new RegExp(`^${library}:/[^:]*/libbtfuse_preload\\.so\n$`));
});

mountTest("env: settings for a shell, and the way back", async (m) => {
  const start = btfuseCommand().join(" ");
  const script = `
    eval "$(${start} env "$1")" && ${showSettings}
    eval "$(${start} env --unset)" && echo "\${LD_PRELOAD-none} \${BTFUSE_MOUNT-none} \${BTFUSE_OBJECT-none}"`;
  const { stdout } = await runOk(["sh", "-c", script, "sh", m.dir], {
    env: { DENO_DIR: "", DENO_NO_UPDATE_CHECK: "" },
  });
  const [settings, unset] = stdout.split("\n");
  assertEquals(settings?.startsWith(`libbtfuse_preload.so|${m.dir}|/btfuse.0.${m.name}|`), true);
  assertEquals(unset, "none none none");
});

mountTest("doctor: why a program cannot, or that it can", async (m) => {
  const elf = Deno.readFileSync("/bin/true");
  const changed = (at: number, bytes: number[]) => {
    const copy = elf.slice();
    copy.set(bytes, at);
    return copy;
  };
  const interpreter = new TextDecoder("latin1").decode(elf).indexOf("/lib64/ld-linux-x86-64.so.2");
  const musl = [...new TextEncoder().encode("/lib/ld-musl-x86_64.so.1\0")];
  program(m, "sh-script", "#!/bin/sh\n");
  const other = program(m, "set-user-id", elf);
  Deno.chownSync(other, 1, 1);
  Deno.chmodSync(other, 0o4755);
  const diagnoses: [command: string[], code: number, text: RegExp][] = [
    [["ls", "-h"], 0, /^\/.*\/ls: a program\nls gets direct access to /],
    [[`${m.scratch}/sh-script`], 0, /sh-script: a script, run by \/bin\/sh\n.*sh: a program\n/],
    [
      [program(m, "env-script", "#!/usr/bin/env -S A=b ls\n")],
      0,
      /env: becomes ls\n.*\/ls: a program/,
    ],
    [[program(m, "plain", "echo\n")], 0, /plain: a script, run by \/bin\/sh/],
    [["no-such-command"], 1, /through the kernel only:\n {2}no-such-command was not found/],
    [
      [program(m, "other-machine", changed(18, [183, 0]))],
      1,
      /for another machine \(64 bits, ELF machine 183\)/,
    ],
    [[program(m, "musl", changed(interpreter, musl))], 1, /uses another C library \(musl\)/],
    [[other], 1, /another user's or group's rights/],
    [["/sbin/ldconfig"], 1, /ldconfig is static/],
    [[program(m, "loop", `#!${m.scratch}/loop\n`)], 1, /scripts run each other without end/],
    [[program(m, "torn", elf.slice(0, 100))], 0, /torn: a script, run by \/bin\/sh/],
  ];
  for (const [command, code, text] of diagnoses) {
    const result = await btfuse(["doctor", "--mount", m.dir, ...command]);
    assertMatch(result.stdout, text);
    assertEquals([result.code, result.stderr], [code, ""], command.join(" "));
  }
});

mountTest("doctor: a mount that cannot be reached directly", async (m) => {
  Deno.removeSync(m.object);
  const result = await btfuse(["doctor", "--mount", m.dir, "ls"]);
  assertEquals(result.code, 1);
  assertMatch(
    result.stdout,
    /through the kernel only:\n {2}cannot use the shared-memory object .*does not exist/,
  );
});
