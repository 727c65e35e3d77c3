import { assertEquals, assertMatch } from "@std/assert";
import { ROOT, ZIG_OUT } from "../../shim/build_common.ts";
import { canRun } from "../support/mounts.ts";
import { filesBelow, packProgram, packScript, runBare, scratch } from "./one_file.ts";

const isRoot = canRun && Deno.uid() === 0;

/** Nobody has this user id. */
const STRANGER_UID = 54_321;

/** The unpacked files without the name of the directory that is made of their contents. */
function unpacked(cache: string): string[] {
  return filesBelow(cache).map((path) => path.replace(/^[0-9a-f]{16}\//, "")).sort();
}

function unpackedPath(cache: string, name: string): string {
  const path = filesBelow(cache).find((path) => path.endsWith(`/${name}`));
  if (path === undefined) throw new Error(`${name} is not in ${cache}`);
  return `${cache}/${path}`;
}

Deno.test({
  name: "launcher: the program works alone, and keeps to its own cache",
  ignore: !canRun,
  async fn() {
    using directory = scratch();
    using home = scratch();
    const executable = await packProgram(directory.path);
    for (const start of ["first", "later"]) {
      const result = await runBare([executable, "version"], { HOME: home.path }, { cwd: "/" });
      assertEquals(result.code, 0, `${start} start: ${result.stderr}`);
      assertEquals(result.stderr, "");
      assertMatch(result.stdout, /^build +launcher$/m);
    }
    assertEquals(filesBelow(directory.path), ["btfuse"]);
    assertEquals([...Deno.readDirSync(home.path)].map((entry) => entry.name), [".cache"]);
    assertEquals([...Deno.readDirSync(`${home.path}/.cache`)].map((entry) => entry.name), [
      "btfuse",
    ]);
  },
});

Deno.test({
  name: "launcher: mounts on a machine without this repository and without Deno",
  ignore: !isRoot,
  async fn() {
    using directory = scratch();
    using home = scratch();
    const executable = await packProgram(directory.path);
    const mountPoint = `${directory.path}/mnt`;
    Deno.mkdirSync(mountPoint);
    // The daemon lives on in the same namespace, in which the repository is hidden.
    const script = `
      mount -t tmpfs none "$1" && ! test -e "$1/main.ts" || exit 9
      "$2" mount --size 16M "$3" && echo content > "$3/file" && cat "$3/file"
      code=$?
      "$2" umount "$3" && exit $code`;
    const result = await runBare(
      ["unshare", "--mount", "sh", "-c", script, "sh", ROOT, executable, mountPoint],
      { HOME: home.path },
      { cwd: "/" },
    );
    assertEquals([result.code, result.stdout], [0, "content\n"], result.stderr);
    assertEquals(result.stderr, "");
  },
});

Deno.test({
  name: "launcher: arguments, environment, limits and exit code pass through",
  ignore: !canRun,
  async fn() {
    using directory = scratch();
    using home = scratch();
    const deno =
      'echo "$DENO_DIR|$BTFUSE_EXECUTABLE|$MINE|$(ulimit -s)"; for a; do echo "<$a>"; done; exit 7';
    const executable = await packScript(directory.path, deno);
    const variables = { HOME: home.path, MINE: "a b", DENO_DIR: "/theirs", BTFUSE_EXECUTABLE: "x" };
    const limited = ["sh", "-c", 'ulimit -S -s 2000; exec "$@"', "sh"];
    const result = await runBare([...limited, executable, "a b", "", "--c=ä\n"], variables);
    assertEquals(result.code, 7, result.stderr);
    const [environment, ...args] = result.stdout.split("\n");
    const cache = `${home.path}/.cache/btfuse`;
    const [denoDir, ...rest] = environment.split("|");
    assertEquals(rest, [executable, "a b", "2000"]);
    assertEquals(denoDir.replace(/[0-9a-f]{16}\/deno$/, "HASH/deno"), `${cache}/HASH/deno`);
    const script = args.findIndex((word) => word.endsWith("/main.js>"));
    assertEquals(args[0], "<run>");
    assertEquals(args[script], `<${unpackedPath(cache, "main.js")}>`);
    assertEquals(args.slice(script + 1), ["<a b>", "<>", "<--c=ä", ">", ""]);
  },
});

Deno.test({
  name: "launcher: a signal ends the process that was started, by that signal",
  ignore: !canRun,
  async fn() {
    using directory = scratch();
    using home = scratch();
    const executable = await packScript(directory.path, "kill -TERM $$; sleep 10");
    const result = await runBare([executable], { HOME: home.path });
    assertEquals(result.code, 128 + 15);
  },
});

Deno.test({
  name: "launcher: many first starts at once unpack one copy",
  ignore: !canRun,
  async fn() {
    using directory = scratch();
    using home = scratch();
    const executable = await packProgram(directory.path);
    const starts = Array.from(
      { length: 6 },
      () => runBare([executable, "version"], { HOME: home.path }),
    );
    for (const result of await Promise.all(starts)) assertEquals(result.code, 0, result.stderr);
    const names = unpacked(`${home.path}/.cache/btfuse`);
    for (const name of ["btfuse", "main.js", "libbtfuse_native.so"]) {
      assertEquals(names.filter((other) => other === name), [name]);
    }
    assertEquals(names.filter((name) => name.includes("unfinished")), []);
  },
});

Deno.test({
  name: "launcher: unpacked files that were damaged, lost or never finished are unpacked again",
  ignore: !canRun,
  async fn() {
    using directory = scratch();
    using home = scratch();
    const executable = await packScript(directory.path, "cat ${0%/*}/../*/main.js");
    const start = () => runBare([executable], { HOME: home.path });
    const first = await start();
    assertEquals(first.stdout, "// stands for the program");
    const cache = `${home.path}/.cache/btfuse`;
    const path = unpackedPath(cache, "main.js");
    const damages: Record<string, () => void> = {
      "another content": () => Deno.writeTextFileSync(path, "// is not like the program"),
      "same size": () => Deno.writeTextFileSync(path, "// stands for the problem"),
      "truncated": () => Deno.truncateSync(path, 3),
      "removed": () => Deno.removeSync(path),
      "not ours to run": () => Deno.chmodSync(path, 0o666),
      "a link elsewhere": () => {
        Deno.removeSync(path);
        Deno.symlinkSync("/etc/hostname", path);
      },
      "an interrupted start": () => {
        Deno.removeSync(path);
        Deno.writeTextFileSync(path.replace("main.js", ".unfinished"), "x".repeat(10_000));
      },
    };
    for (const [damage, make] of Object.entries(damages)) {
      if (damage !== "removed") Deno.chmodSync(path, 0o700);
      make();
      const again = await start();
      assertEquals([again.code, again.stdout], [0, first.stdout], `${damage}: ${again.stderr}`);
      assertEquals(unpacked(cache), ["btfuse", "main.js"], damage);
    }
  },
});

Deno.test({
  name: "launcher: a later start changes nothing",
  ignore: !canRun,
  async fn() {
    using directory = scratch();
    using home = scratch();
    const executable = await packScript(directory.path, "true");
    await runBare([executable], { HOME: home.path });
    const cache = `${home.path}/.cache/btfuse`;
    const changed = () => filesBelow(cache).map((path) => Deno.statSync(`${cache}/${path}`).ctime);
    const before = changed();
    assertEquals((await runBare([executable], { HOME: home.path })).code, 0);
    assertEquals(changed(), before);
    assertEquals(before.length, 2);
  },
});

Deno.test({
  name: "launcher: a damaged or incomplete executable says so",
  ignore: !canRun,
  async fn() {
    using directory = scratch();
    using home = scratch();
    const executable = await packScript(directory.path, "true");
    const good = Deno.readFileSync(executable);
    const launcherBytes = Deno.statSync(`${ZIG_OUT}/bin/btfuse-launcher`).size;
    const flipped = (offset: number) => good.map((byte, at) => at === offset ? byte ^ 1 : byte);
    const bad: Record<string, Uint8Array> = {
      "cut short": good.subarray(0, good.length - 100),
      "only the launcher": good.subarray(0, launcherBytes),
      "a bit of the content": flipped(launcherBytes + 5),
      "a bit of the list": flipped(good.length - 64 - 100),
      "a bit of the trailer": flipped(good.length - 64),
    };
    for (const [damage, content] of Object.entries(bad)) {
      Deno.writeFileSync(executable, content);
      const result = await runBare([executable], { HOME: home.path });
      assertEquals(result.code, 1, damage);
      assertMatch(result.stderr, /^btfuse: .*btfuse is damaged.*build or copy it again\n$/, damage);
    }
  },
});

Deno.test({
  name: "launcher: XDG_CACHE_HOME comes before HOME, and is made when missing",
  ignore: !canRun,
  async fn() {
    using directory = scratch();
    using home = scratch();
    const executable = await packScript(directory.path, "true");
    const variables = { HOME: home.path, XDG_CACHE_HOME: `${home.path}/cache` };
    assertEquals((await runBare([executable], variables)).code, 0);
    assertEquals(filesBelow(home.path).map((path) => path.split("/").slice(0, 2).join("/")), [
      "cache/btfuse",
      "cache/btfuse",
    ]);
  },
});

Deno.test({
  name: "launcher: without a home it can write, a user's program unpacks below /tmp",
  ignore: !isRoot,
  async fn() {
    using directory = scratch();
    const executable = await packScript(directory.path, 'echo "$DENO_DIR"');
    const fallback = `/tmp/btfuse-${STRANGER_UID}`;
    const homes: Record<string, string>[] = [
      {},
      { HOME: "/nonexistent" },
      { HOME: "/root" },
      { HOME: "/proc" },
      { HOME: "relative" },
      { HOME: directory.path, XDG_CACHE_HOME: "/sys" },
    ];
    try {
      for (const variables of homes) {
        const result = await runBare([executable], variables, { uid: STRANGER_UID });
        assertEquals(result.code, 0, result.stderr);
        assertMatch(result.stdout, /^\/tmp\/btfuse-54321\/[0-9a-f]{16}\/deno\n$/);
        assertEquals(Deno.statSync(fallback).mode! & 0o7777, 0o700);
        assertEquals(Deno.statSync(fallback).uid, STRANGER_UID);
        Deno.removeSync(fallback, { recursive: true });
      }
      // Somebody was there first: what lies there must not be run.
      for (const mode of [0o755, 0o777]) {
        Deno.mkdirSync(fallback);
        Deno.chmodSync(fallback, mode);
        if (mode === 0o777) Deno.chownSync(fallback, STRANGER_UID, STRANGER_UID);
        const result = await runBare([executable], {}, { uid: STRANGER_UID });
        assertEquals(result.code, 1);
        assertMatch(result.stderr, /no directory to unpack into: \/tmp\/btfuse-54321: is not/);
        assertEquals(filesBelow(fallback), []);
        Deno.removeSync(fallback);
      }
    } finally {
      await runBare(["rm", "-rf", fallback], {});
    }
  },
});

Deno.test({
  name: "launcher: a cache that is full or mounted noexec is left for the next choice",
  ignore: !isRoot,
  async fn() {
    using directory = scratch();
    using home = scratch();
    const executable = await packScript(
      directory.path,
      `: ${"x".repeat(200_000)}; echo "$DENO_DIR"`,
    );
    for (const option of ["size=64k", "noexec"]) {
      const cache = `${home.path}/cache`;
      Deno.mkdirSync(cache);
      await runBare(["mount", "-t", "tmpfs", "-o", option, "none", cache], {});
      try {
        const result = await runBare([executable], { HOME: home.path, XDG_CACHE_HOME: cache });
        assertEquals(result.code, 0, result.stderr);
        assertEquals(result.stdout.startsWith(`${home.path}/.cache/btfuse/`), true, result.stdout);
        if (option !== "noexec") assertEquals(unpacked(`${cache}/btfuse`), []);
      } finally {
        await runBare(["umount", cache], {});
        Deno.removeSync(cache);
      }
    }
  },
});
