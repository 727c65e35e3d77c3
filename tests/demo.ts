/**
 * `deno task demo`: mounts btfuse, does real work on it, unmounts, and shows that nothing is left.
 * Exit code 0 when everything went well, 1 otherwise.
 * @module
 */
import {
  btfuseCommand,
  type BtfuseMount,
  leftovers,
  mountBtfuse,
  repositoryRoot,
  run,
  runOk,
  type RunOptions,
  waitUntil,
} from "./support/mounts.ts";

const LIMIT_MS = 30_000;
/** Directories worth packing; the first that is there and not too small is taken. */
const TREES = ["/usr/include", "/usr/share/perl", "/usr/share/doc"];
const TREE_FILE_COUNT_MIN = 200;
const WRITER_COUNT = 4;
const ROW_COUNT = 2500;
const PACKAGES: Record<string, string> = {
  git: "git",
  tar: "tar",
  sqlite3: "sqlite3",
  find: "findutils",
};

const stepCount = 6;
let stepNumber = 0;

function step(title: string): void {
  console.log(`\n[${++stepNumber}/${stepCount}] ${title}`);
}

const shown = (command: string) => console.log(`      $ ${command}`);
const good = (text: string) => console.log(`      ✓ ${text}`);
const count = (value: number) => value.toLocaleString("en");
const elapsed = (ms: number) => ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;

/** Runs a shell script; anything that fails ends the demo. Returns its output without the last line end. */
async function sh(script: string, options: RunOptions = {}): Promise<string> {
  const result = await runOk(["sh", "-euc", script], { timeoutMs: LIMIT_MS, ...options });
  return result.stdout.trim();
}

async function requireTools(): Promise<void> {
  const missing: string[] = [];
  for (const [tool, name] of Object.entries(PACKAGES)) {
    if ((await run(["sh", "-c", `command -v ${tool}`])).code !== 0) missing.push(name);
  }
  if (missing.length === 0) return;
  throw new Error(
    `the demo needs ${missing.join(", ")}: run 'apt-get install ${missing.join(" ")}'`,
  );
}

async function buildWhenNeeded(): Promise<void> {
  try {
    Deno.statSync(`${repositoryRoot}btfuse`);
  } catch {
    console.log("Building ./btfuse, once ...");
    await runOk([Deno.execPath(), "task", "build"], { cwd: repositoryRoot, timeoutMs: 600_000 });
  }
}

/** Clones this repository, or one made of its files where they came without a history. */
async function workWithGit(mount: BtfuseMount): Promise<void> {
  step("git: clone this repository onto the mount, commit, collect garbage, check");
  const configuration = `${mount.scratch}/gitconfig`;
  Deno.writeTextFileSync(
    configuration,
    "[safe]\n\tdirectory = *\n[user]\n\tname = demo\n\temail = demo@example.org\n[init]\n\tdefaultBranch = main\n",
  );
  const env = { GIT_CONFIG_GLOBAL: configuration, GIT_CONFIG_NOSYSTEM: "1", LC_ALL: "C" };
  let source = repositoryRoot;
  if (
    (await run(["git", "-C", source, "rev-parse", "-q", "--verify", "HEAD"], { env })).code !== 0
  ) {
    source = `${mount.scratch}/source`;
    await sh(
      `mkdir "$TO"; cp -r README.md src tests "$TO"; cd "$TO"; git init -q; git add -A; git commit -qm first`,
      { env: { ...env, TO: source }, cwd: repositoryRoot },
    );
  }
  const started = performance.now();
  shown("git clone . clone; 20 commits; git gc; git fsck --full --strict");
  await sh(
    `git clone -q "file://$FROM" clone
    cd clone
    for i in $(seq 20); do echo "line $i" >> notes.txt; git add -A; git commit -qm "commit $i"; done
    git gc -q`,
    { cwd: mount.dir, env: { ...env, FROM: source } },
  );
  const clone = { cwd: `${mount.dir}/clone`, env };
  await sh("git fsck --full --strict 2>&1", clone);
  const status = await sh("git status --porcelain", clone);
  if (status !== "") throw new Error(`git status is not clean:\n${status}`);
  const [files, commits] = await Promise.all([
    sh("git ls-files | wc -l", clone),
    sh("git rev-list --count HEAD", clone),
  ]);
  good(
    `${files} files, ${commits} commits; git fsck finds nothing wrong  (${
      elapsed(performance.now() - started)
    })`,
  );
}

async function treeToPack(): Promise<string> {
  for (const tree of TREES) {
    const files = await run(["sh", "-c", 'find "$0" -type f | wc -l', tree]);
    if (Number(files.stdout) >= TREE_FILE_COUNT_MIN) return tree;
  }
  throw new Error(`none of ${TREES.join(", ")} has ${TREE_FILE_COUNT_MIN} files to pack`);
}

/** One line a file, sorted: mode, size, time, link target, name; then the checksums of all contents. */
const FINGERPRINT = `export LC_ALL=C
{ find . ! -type d -printf '%m %s %T@ %l %P\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum; } | sha256sum`;

async function workWithTar(mount: BtfuseMount): Promise<void> {
  const tree = await treeToPack();
  step(`tar: pack ${tree} onto the mount, unpack it there, compare with the original`);
  const started = performance.now();
  shown(`tar -cf tree.tar ${tree}; tar -xf tree.tar`);
  await sh('tar --format=posix -cf tree.tar -C "$TREE" .; mkdir tree; tar -xpf tree.tar -C tree', {
    cwd: mount.dir,
    env: { TREE: tree },
  });
  const [original, copy] = [
    await sh(FINGERPRINT, { cwd: tree }),
    await sh(FINGERPRINT, { cwd: `${mount.dir}/tree` }),
  ];
  if (original !== copy) {
    throw new Error(`the unpacked tree differs: ${copy}, the original is ${original}`);
  }
  const files = await sh("find tree -type f | wc -l", { cwd: mount.dir });
  const sum = original.slice(0, 16);
  good(
    `${count(Number(files))} files with modes and times, SHA-256 of everything equal: ${sum}…  (${
      elapsed(performance.now() - started)
    })`,
  );
}

async function workWithSqlite(mount: BtfuseMount): Promise<void> {
  step(`sqlite3: ${WRITER_COUNT} processes write to one database at once (WAL, shared memory map)`);
  const started = performance.now();
  const sqlite = (stdin: string) =>
    runOk(["sqlite3", "-bail", `${mount.dir}/demo.db`], { stdin, timeoutMs: LIMIT_MS });
  await sqlite("PRAGMA journal_mode=WAL; CREATE TABLE item (writer INT, number INT, text TEXT);");
  const inserts = (writer: number) =>
    Array.from({ length: ROW_COUNT }, (_, n) => {
      const [begin, end] = [
        n % 100 === 0 ? "BEGIN IMMEDIATE;\n" : "",
        n % 100 === 99 ? "COMMIT;\n" : "",
      ];
      return `${begin}INSERT INTO item VALUES (${writer}, ${n}, hex(randomblob(20)));\n${end}`;
    }).join("");
  await Promise.all(
    Array.from(
      { length: WRITER_COUNT },
      (_, writer) => sqlite(`.timeout 20000\n${inserts(writer)}`),
    ),
  );
  const { stdout } = await sqlite("PRAGMA integrity_check; SELECT count(*) FROM item;");
  if (stdout !== `ok\n${WRITER_COUNT * ROW_COUNT}\n`) throw new Error(`sqlite3 says:\n${stdout}`);
  good(
    `${count(WRITER_COUNT * ROW_COUNT)} rows, integrity_check: ok  (${
      elapsed(performance.now() - started)
    })`,
  );
}

/** Microseconds an operation takes, the median of many. */
function medianMicroseconds(operation: () => void): number {
  const times = Array.from({ length: 3000 }, () => {
    const start = performance.now();
    for (let i = 0; i < 5; i++) operation();
    return (performance.now() - start) * 1000 / 5;
  });
  return times.sort((a, b) => a - b)[times.length >> 1] ?? NaN;
}

function lookAtSpeed(mount: BtfuseMount): void {
  step("How fast is it? One file, hot, seen from this program (for real figures: deno task bench)");
  const buffer = new Uint8Array(4096);
  const onShm = Deno.makeTempDirSync({ dir: "/dev/shm", prefix: "btfuse-demo-" });
  try {
    for (const [name, dir] of [["btfuse", mount.dir], ["tmpfs", onShm]] as const) {
      const path = `${dir}/4K`;
      Deno.writeFileSync(path, buffer);
      const stat = medianMicroseconds(() => Deno.statSync(path));
      const read = medianMicroseconds(() => {
        using file = Deno.openSync(path);
        file.readSync(buffer);
      });
      console.log(
        `      ${name.padEnd(7)} stat ${stat.toFixed(1)} µs, open + read 4 KiB + close ${
          read.toFixed(1)
        } µs`,
      );
    }
  } finally {
    Deno.removeSync(onShm, { recursive: true });
  }
}

async function unmount(mount: BtfuseMount): Promise<void> {
  step("Unmount, and look for anything left behind");
  const report = await runOk([...btfuseCommand(), "check", mount.dir], { timeoutMs: LIMIT_MS });
  shown(`btfuse check ${mount.dir}`);
  good(report.stdout.trim() || "consistent");
  shown(`btfuse umount ${mount.dir}`);
  await runOk([...btfuseCommand(), "umount", mount.dir], { timeoutMs: LIMIT_MS });
  await waitUntil(() => leftovers(mount).length === 0, 2000);
  const left = leftovers(mount);
  if (left.length > 0) throw new Error(left.join("\n"));
  good(`no mount on ${mount.dir}, no process ${mount.pid}, no ${mount.object}`);
}

async function demo(): Promise<void> {
  const started = performance.now();
  console.log("btfuse: a file system in memory, mounted for every program");
  await requireTools();
  await buildWhenNeeded();
  await using mount = await mountBtfuse({ size: "512M", name: `demo-${Deno.pid}` });
  step("Mount");
  shown(`btfuse mount --size 512M ${mount.dir}`);
  good(`answered after ${elapsed(mount.mountMs)}; the daemon is process ${mount.pid}`);
  shown(`df -h ${mount.dir}`);
  console.log((await sh(`df -h ${mount.dir}`)).replaceAll(/^/gm, "      "));
  await workWithGit(mount);
  await workWithTar(mount);
  await workWithSqlite(mount);
  lookAtSpeed(mount);
  await unmount(mount);
  console.log(`\nDone in ${elapsed(performance.now() - started)}. Yours: ./btfuse mount DIR`);
}

try {
  await demo();
} catch (error) {
  const errors = error instanceof SuppressedError ? [error.suppressed, error.error] : [error];
  for (const each of errors) {
    console.error(`\nThe demo failed: ${each instanceof Error ? each.message : each}`);
  }
  Deno.exit(1);
}
