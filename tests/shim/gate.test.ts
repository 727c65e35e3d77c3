/**
 * Programs whose view of the mount changes while they run: they get what the kernel gives others, at the latest 10 ms later, and programs that
 * are started afterwards at once. What restricts a program from its start, or by its own doing, is in tests/permissions.
 */
import { assertEquals, assertGreater, assertMatch } from "@std/assert";
import { type BtfuseMount, mountBtfuse, run, runOk, showingBoth } from "../support/mounts.ts";
import { canPreload, preloaded, quietlyPreloaded } from "./support.ts";
import { Visitor } from "./visitor.ts";

const isRoot = canPreload && Deno.uid() === 0;
/** What is promised, and the time in which a loaded machine lets the daemon and the program run. */
const NOTICED_MS = 10 + 40;

const gone = "No such file or directory";
const readOnly = "Read-only file system";

interface Scenario {
  /** Commands; "{}" is the mount, "{parent}" the directory above it. */
  change: string[][];
  undo: string[][];
  /** Operation, path on the mount, answer afterwards; what is made is removed again. */
  answers: [string, string, string][];
}

const scenarios: Record<string, Scenario> = {
  "the mount becomes read-only": {
    change: [["mount", "-i", "-o", "remount,bind,ro", "{}"]],
    undo: [["mount", "-i", "-o", "remount,bind,rw", "{}"]],
    answers: [["stat", "/sub/file", "there"], ["mkdir", "/new", readOnly], [
      "unlink",
      "/sub/file",
      readOnly,
    ]],
  },
  "its file system becomes read-only": {
    change: [["mount", "-i", "-o", "remount,ro", "{}"]],
    undo: [["mount", "-i", "-o", "remount,rw", "{}"]],
    answers: [["read", "/sub/file", "text"], ["make", "/sub/new", readOnly]],
  },
  "links are not followed any more": {
    change: [["mount", "-i", "-o", "remount,bind,nosymfollow", "{}"]],
    undo: [["mount", "-i", "-o", "remount,bind,symfollow", "{}"]],
    answers: [["stat", "/link", "Too many levels of symbolic links"], [
      "stat",
      "/sub/file",
      "there",
    ]],
  },
  "another file system lies on a directory": {
    change: [["mount", "-t", "tmpfs", "none", "{}/sub"]],
    undo: [["umount", "{}/sub"]],
    answers: [["stat", "/sub/file", gone], ["list", "/sub", "done"], ["make", "/sub/new", "done"], [
      "unlink",
      "/sub/new",
      "done",
    ]],
  },
  "a directory is bound to itself, read-only": {
    change: [["mount", "--bind", "{}/sub", "{}/sub"], ["mount", "-o", "remount,bind,ro", "{}/sub"]],
    undo: [["umount", "{}/sub"]],
    answers: [["read", "/sub/file", "text"], ["make", "/sub/new", readOnly], [
      "make",
      "/new",
      "done",
    ], ["unlink", "/new", "done"]],
  },
  "another file system lies on the mount": {
    change: [["mount", "-t", "tmpfs", "none", "{}"]],
    undo: [["umount", "{}"]],
    answers: [["stat", "/sub/file", gone], ["mkdir", "/new", "done"], ["rmdir", "/new", "done"]],
  },
  "the mount lies on itself, read-only": {
    change: [["mount", "--bind", "{}", "{}"], ["mount", "-o", "remount,bind,ro", "{}"]],
    undo: [["umount", "{}"]],
    answers: [["read", "/sub/file", "text"], ["mkdir", "/new", readOnly]],
  },
  "the directory above is renamed": {
    change: [["mv", "{parent}", "{parent}.elsewhere"]],
    undo: [["mv", "{parent}.elsewhere", "{parent}"]],
    answers: [["stat", "/sub/file", gone], ["unlink", "/sub/file", gone], ["make", "/new", gone]],
  },
};

const doors = ["kernel", "lazy", "eager"] as const;
type Door = typeof doors[number];

function environment(m: BtfuseMount, door: Door): Record<string, string> {
  if (door === "kernel") return {};
  const { BTFUSE_EAGER: _, ...lazy } = preloaded(m);
  return door === "eager" ? preloaded(m) : lazy;
}

async function commands(m: BtfuseMount, lines: string[][]): Promise<void> {
  const parent = m.dir.slice(0, m.dir.lastIndexOf("/"));
  for (const line of lines) {
    await runOk(line.map((word) => word.replaceAll("{parent}", parent).replaceAll("{}", m.dir)));
  }
}

const noticed = () => new Promise((resolve) => setTimeout(resolve, NOTICED_MS));

Deno.test({
  name: "gate: what happens to the mount's path and flags is noticed",
  ignore: !canPreload || !isRoot,
  fn: showingBoth(async () => {
    await using m = await mountBtfuse({ size: "64M" });
    Deno.mkdirSync(`${m.dir}/sub`);
    Deno.writeTextFileSync(`${m.dir}/sub/file`, "text");
    Deno.symlinkSync("sub/file", `${m.dir}/link`);
    for (const [name, { change, undo, answers }] of Object.entries(scenarios)) {
      for (const door of doors) {
        const title = `${name}, ${door}`;
        await using running = new Visitor(environment(m, door));
        assertEquals(await running.ask("use", `${m.dir}/link`), "done", title);
        await commands(m, change);
        // Started now, before there is time to notice anything.
        await using started = new Visitor(environment(m, door));
        try {
          for (const visitor of [started, running]) {
            for (const [operation, path, answer] of answers) {
              const said = await visitor.ask(operation, m.dir + path);
              assertEquals(said, answer, `${title}: ${operation} ${path}`);
            }
            await noticed();
          }
        } finally {
          await commands(m, undo);
        }
        if (door !== "kernel") assertGreater((await running.end()).stat?.fast ?? 0, 10, title);
      }
    }
  }),
});

Deno.test({
  name: "gate: a directory above is renamed, renamed back, and renamed again",
  ignore: !canPreload || !isRoot,
  fn: showingBoth(async () => {
    await using m = await mountBtfuse({ size: "64M" });
    Deno.writeTextFileSync(`${m.dir}/file`, "");
    const parent = m.dir.slice(0, m.dir.lastIndexOf("/"));
    for (let round = 0; round < 3; round++) {
      await using visitor = new Visitor(preloaded(m));
      assertEquals(await visitor.ask("use", `${m.dir}/file`), "done");
      Deno.renameSync(parent, `${parent}.elsewhere`);
      try {
        await noticed();
        assertEquals(await visitor.ask("stat", `${m.dir}/file`), gone, `round ${round}`);
      } finally {
        Deno.renameSync(`${parent}.elsewhere`, parent);
      }
      await noticed();
      assertEquals(await visitor.ask("stat", `${m.dir}/file`), "there");
      assertGreater((await visitor.end()).stat?.fast ?? 0, 10);
    }
  }),
});

Deno.test({
  name: "gate: a user's directory above that nobody may search any more",
  ignore: !canPreload || !isRoot,
  fn: showingBoth(async () => {
    const uid = 65534;
    await using m = await mountBtfuse({ size: "64M", uid });
    const parent = m.dir.slice(0, m.dir.lastIndexOf("/"));
    await using visitor = new Visitor(preloaded(m), [
      "setpriv",
      `--reuid=${uid}`,
      `--regid=${uid}`,
      "--clear-groups",
      "--",
    ]);
    assertEquals(await visitor.ask("use", m.dir), "done");
    Deno.chmodSync(parent, 0o700);
    try {
      await noticed();
      assertEquals(await visitor.ask("stat", m.dir), "Permission denied");
    } finally {
      Deno.chmodSync(parent, 0o755);
    }
    assertGreater((await visitor.end()).stat?.fast ?? 0, 10);
  }),
});

/** Uses a file of the mount, leaves its groups, and says what it may do from then on. */
const LEAVE_GROUPS = `
import os, sys
d = sys.argv[1]
for _ in range(200):
    os.stat(d + "/file")
def attempt(function, *arguments):
    try:
        function(*arguments)
        return "done"
    except OSError as error:
        return error.strerror
def all():
    return [attempt(*each) for each in ((os.stat, d + "/file"), (os.open, d + "/file", 0), (os.listdir, d), (os.mkdir, d + "/made"))]
print(all())
os.setgroups([])
os.path.exists(d + "/made")
print(all())
`;

Deno.test({
  name: "gate: who leaves the group that may search a directory above is not served any more",
  ignore: !canPreload || !isRoot,
  fn: showingBoth(async () => {
    await using m = await mountBtfuse({ size: "64M" });
    const parent = m.dir.slice(0, m.dir.lastIndexOf("/"));
    Deno.writeTextFileSync(`${m.dir}/file`, "text");
    Deno.chownSync(parent, 65534, 1005);
    Deno.chmodSync(parent, 0o750);
    // Root that may change its groups, and nothing else.
    const as = ["setpriv", "--groups=1005", "--bounding-set=-all,+setgid", "--inh-caps=-all"];
    const command = [...as, "/usr/bin/python3", "-c", LEAVE_GROUPS, m.dir];
    const refused = `[${Array(4).fill("'Permission denied'").join(", ")}]`;
    for (const env of [{}, quietlyPreloaded(m), { ...quietlyPreloaded(m), BTFUSE_EAGER: "0" }]) {
      const { stdout } = await runOk(command, { env });
      assertEquals(stdout, `['done', 'done', 'done', 'done']\n${refused}\n`);
      Deno.removeSync(`${m.dir}/made`);
    }
  }),
});

Deno.test({
  name: "gate: what was open stays open where the mount has gone",
  ignore: !canPreload || !isRoot,
  fn: showingBoth(async () => {
    await using m = await mountBtfuse({ size: "64M" });
    const parent = m.dir.slice(0, m.dir.lastIndexOf("/"));
    const program = `import os, sys
path = "${m.dir}/file"
fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
os.write(fd, b"one ")
directory = os.open("${m.dir}", os.O_RDONLY | os.O_DIRECTORY)
os.rename("${parent}", "${parent}.elsewhere")
try:
    import time
    time.sleep(${NOTICED_MS / 1000})
    try: os.stat(path); print("found", end=" ")
    except FileNotFoundError: pass
    os.write(fd, b"two")
    print(os.pread(fd, 10, 0), os.listdir(directory), os.stat("file", dir_fd=directory).st_size)
finally:
    os.rename("${parent}.elsewhere", "${parent}")
print(open(path).read())`;
    for (const env of [{}, preloaded(m)]) {
      const { stdout } = await runOk(["/usr/bin/python3", "-c", program], { env });
      assertEquals(stdout, "b'one two' ['file'] 7\none two\n");
    }
  }),
});

/** Whether the access time moves when the path is read or listed. */
async function moves(
  m: BtfuseMount,
  door: Door,
  operation: "read" | "list",
  path: string,
): Promise<boolean> {
  await using visitor = new Visitor(environment(m, door));
  await visitor.ask("use", m.dir);
  await runOk(["touch", "-a", "-d", "2001-01-01", path]);
  const before = await visitor.ask("atime", path);
  await visitor.ask(operation, path);
  return await visitor.ask("atime", path) !== before;
}

Deno.test({
  name: "gate: access times follow the mount's options, as it was mounted and as it is remounted",
  ignore: !canPreload || !isRoot,
  fn: showingBoth(async () => {
    const table: [string, { file: boolean; directory: boolean }][] = [
      ["relatime", { file: true, directory: true }],
      ["noatime", { file: false, directory: false }],
      ["nodiratime", { file: true, directory: false }],
      ["strictatime", { file: true, directory: true }],
    ];
    const check = async (
      m: BtfuseMount,
      option: string,
      expected: { file: boolean; directory: boolean },
    ) => {
      for (const door of doors) {
        const seen = {
          file: await moves(m, door, "read", `${m.dir}/file`),
          directory: await moves(m, door, "list", `${m.dir}/directory`),
        };
        assertEquals(seen, expected, `${option}, ${door}`);
      }
    };
    const fill = (m: BtfuseMount) => {
      Deno.writeTextFileSync(`${m.dir}/file`, "text");
      Deno.mkdirSync(`${m.dir}/directory`);
    };
    {
      await using m = await mountBtfuse({ size: "64M", cache: "none" });
      fill(m);
      for (const [option, expected] of table) {
        await runOk([
          "mount",
          "-i",
          "-o",
          `remount,${option}`,
          m.dir,
        ]);
        await noticed();
        await check(m, `remount,${option}`, expected);
        await runOk(["mount", "-i", "-o", "remount,atime,relatime,diratime", m.dir]);
      }
    }
    for (
      const [option, expected] of table.filter(([option]) => /^(nodiratime|noatime)$/.test(option))
    ) {
      await using m = await mountBtfuse({ size: "64M", cache: "none", options: [option] });
      fill(m);
      await check(m, option, expected);
    }
  }),
});

Deno.test({
  name: "gate: a read-only mount keeps access times",
  ignore: !canPreload || !isRoot,
  fn: showingBoth(async () => {
    await using m = await mountBtfuse({ size: "64M", cache: "none" });
    Deno.writeTextFileSync(`${m.dir}/file`, "text");
    Deno.mkdirSync(`${m.dir}/directory`);
    for (const door of doors) {
      await using visitor = new Visitor(environment(m, door));
      await visitor.ask("use", `${m.dir}/file`);
      for (const [operation, name] of [["read", "file"], ["list", "directory"]] as const) {
        await runOk(["touch", "-a", "-d", "2001-01-01", `${m.dir}/${name}`]);
        const before = await visitor.ask("atime", `${m.dir}/${name}`);
        await runOk(["mount", "-i", "-o", "remount,ro", m.dir]);
        await noticed();
        await visitor.ask(operation, `${m.dir}/${name}`);
        await runOk(["mount", "-i", "-o", "remount,rw", m.dir]);
        assertEquals(await visitor.ask("atime", `${m.dir}/${name}`), before, `${door}: ${name}`);
      }
    }
  }),
});

Deno.test({
  name: "gate: 'nodiratime' and 'strictatime' are refused to those who cannot have them",
  ignore: !canPreload || !isRoot,
  async fn() {
    for (const option of ["nodiratime", "strictatime"]) {
      const said = await mountBtfuse({ uid: 65534, options: [option] }).then(
        () => "mounted",
        (error) => String(error),
      );
      assertMatch(said, /for root only/);
    }
  },
});

Deno.test({
  name: "gate: one reading after the other counts with 'strictatime'",
  ignore: !canPreload || !isRoot,
  fn: showingBoth(async () => {
    await using m = await mountBtfuse({ size: "64M", cache: "none", options: ["strictatime"] });
    Deno.writeTextFileSync(`${m.dir}/file`, "text");
    for (const door of doors) {
      await using visitor = new Visitor(environment(m, door));
      await visitor.ask("use", `${m.dir}/file`);
      const seen = new Set<string>();
      for (let i = 0; i < 3; i++) {
        await visitor.ask("read", `${m.dir}/file`);
        seen.add(await visitor.ask("atime", `${m.dir}/file`));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assertEquals(seen.size, 3, door);
    }
  }),
});

Deno.test({
  name: "gate: a process of another pid or time namespace is left to the kernel, and says so",
  ignore: !canPreload || !isRoot,
  fn: showingBoth(async () => {
    await using m = await mountBtfuse({ size: "64M" });
    const program = `import os; [os.stat("${m.dir}") for _ in range(10)]`;
    for (const namespace of [["--pid"], ["--time", "--boottime=100000"]]) {
      const command = ["unshare", ...namespace, "--fork", "/usr/bin/python3", "-c", program];
      const { code, stderr } = await run(command, { env: preloaded(m) });
      assertEquals(code, 0, stderr);
      assertMatch(stderr, / stat fast=0 .*other_namespace=/);
    }
  }),
});
