/** Files that programs have open and no path leads to: what others see of them, and that nobody else gets in by the names they have for a moment. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  INODE_LOOKUP_COUNT,
  RING_REVEALED_GRANT,
  RING_REVEALED_KEY,
  ROOT_INO,
  SUPER_GRANT_COUNT,
} from "../../src/region/layout.gen.ts";
import { EAGAIN, EINVAL, ENOENT, ESTALE } from "../../src/core/errno.ts";
import {
  type BtfuseMount,
  mountBtfuse,
  mountTmpfs,
  runOk,
  showingBoth,
  waitUntil,
} from "../support/mounts.ts";
import type { InodeName, RingClient } from "./ring_client.ts";
import { close, DIRECTORY, exists, make, names, ringTest } from "./ring_support.ts";
import { canPreload, preloaded, quietlyPreloaded, report } from "./support.ts";

const here = new URL(".", import.meta.url).pathname;
const python = "/usr/bin/python3";
const ignore = !canPreload || Deno.uid() !== 0;

Deno.test({
  name: "hidden names: /proc/PID/fd shows what it shows on tmpfs, and names like ours are free",
  ignore,
  async fn() {
    await using m = await mountBtfuse({ size: "16M" });
    await using tmpfs = await mountTmpfs();
    const command = [python, `${here}hidden_names.py`];
    const expected = (await runOk([...command, tmpfs.dir])).stdout;
    const { stdout, stderr } = await runOk([...command, m.dir], { env: preloaded(m) });
    assertEquals(stdout, expected);
    assertMatch(expected, /^one of two names 0 DIR\/one \(deleted\)/m);
    assert(report(stderr).process.reasons.materialized > 0, stderr);
  },
});

/** As another user, tells of everything that is done to files in a directory, until its standard input ends. */
const WATCH = `
import ctypes, os, select, sys
libc = ctypes.CDLL(None)
fd = libc.inotify_init1(0o4000)
libc.inotify_add_watch(fd, sys.argv[1].encode(), 0xfff)
os.write(1, b"watching\\n")
sys.stdin.read()
while select.select([fd], [], [], 0)[0]: print(os.read(fd, 65536))
`;

/** Has descriptors of unlinked files in the root and elsewhere, and hands them over by fork. */
const UNLINK_AND_FORK = `
import os, sys
os.chdir(sys.argv[1])
os.mkdir("private", 0o700)
for name in ("private/secret", "gone"):
    fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
    os.unlink(name)
    os.write(fd, b"x")
os.rmdir("private")
if os.fork() == 0: os._exit(0)
print(os.wait()[1], os.fstat(fd).st_size)
`;

Deno.test({
  name: "hidden names: who watches the root directory is told of none",
  ignore,
  fn: showingBoth(async () => {
    await using m = await mountBtfuse({ size: "16M", options: ["allow_other"] });
    Deno.chmodSync(m.dir, 0o1777);
    const watcher = new Deno.Command("setpriv", {
      args: ["--reuid=65534", "--clear-groups", python, "-c", WATCH, m.dir],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = watcher.stdout.pipeThrough(new TextDecoderStream()).getReader();
    assertEquals((await reader.read()).value, "watching\n");
    const env = quietlyPreloaded(m);
    assertEquals((await runOk([python, "-c", UNLINK_AND_FORK, m.dir], { env })).stdout, "0 1\n");
    await watcher.stdin.close();
    let told = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) told += part.value;
    assertEquals((await watcher.status).success, true);
    assertEquals(told.match(/\.btfuse/g), null, told);
  }),
});

interface Revealed {
  grant: number;
  path: string;
}

/** The thread in which tests look at files. */
const ownThread = () => Number(Deno.readLinkSync("/proc/thread-self").split("/").at(-1));

/** Asks for the inode to be found in the directory of a key. */
function revealByKey(
  m: BtfuseMount,
  client: RingClient,
  inode: InodeName,
  thread = ownThread(),
): Revealed {
  const { result, answer } = client.request("REVEAL", { inode, thread, uid: 0 });
  assertEquals(result, 0);
  const key = [...answer.slice(RING_REVEALED_KEY, RING_REVEALED_KEY + 4)];
  const hexadecimal = key.map((word) => word.toString(16).padStart(8, "0")).join("");
  return { grant: answer[RING_REVEALED_GRANT], path: `${m.dir}/.btfuse-${hexadecimal}/file` };
}

ringTest("a key finds one inode, for one thread, once", async (m, client) => {
  const ino = make(client, ROOT_INO, "file");
  const inode = client.inode(ino);
  client.request("REMOVE", { parent: client.inode(ROOT_INO) }, "file");
  const granted = () => client.region.superblock[SUPER_GRANT_COUNT];

  const first = revealByKey(m, client, inode);
  assertEquals(Deno.lstatSync(first.path).ino, ino);
  assertEquals(exists(first.path), false, "a second time");
  assertEquals(client.request("CONCEAL", { inode, grant: first.grant }).result, 0);

  const second = revealByKey(m, client, inode);
  assert(second.path !== first.path);
  assertEquals(exists(first.path), false, "an old key");
  assertEquals(exists(second.path.replace(/.(?=\/file$)/, (c) => c === "0" ? "1" : "0")), false);
  const other = await runOk(["sh", "-c", '[ -e "$0" ]; echo $?', second.path]);
  assertEquals(other.stdout, "1\n", "another thread");
  await runOk(["mkdir", `${m.dir}/directory`]);
  assertEquals(exists(second.path.replace(m.dir, `${m.dir}/directory`)), false, "elsewhere");
  assertEquals(client.request("CONCEAL", { inode, grant: second.grant }).result, 0);
  assertEquals(exists(second.path), false, "concealed");
  assertEquals([granted(), names(m.dir)], [0, ["directory"]]);

  // Somebody who has never come back.
  const third = revealByKey(m, client, inode);
  assertEquals(Deno.lstatSync(third.path).ino, ino);
  const fourth = revealByKey(m, client, inode);
  assert(await waitUntil(() => granted() === 0, 10_000), "grants are kept");
  assertEquals(exists(fourth.path), false, "too late");
  close(client, ino);
  const isForgotten = () => client.inodeWord(ino, INODE_LOOKUP_COUNT) === 0;
  assert(await waitUntil(isForgotten, 10_000), "the kernel keeps the file");
});

ringTest("what cannot be revealed, or too much of it, is refused", (m, client) => {
  const inode = client.inode(make(client, ROOT_INO, "file"));
  const thread = Deno.pid;
  const named = client.request("REVEAL", { inode, thread, byFormerName: 1 });
  assertEquals(named.result, -ENOENT, "it has not lost its name");
  assertEquals(client.request("REVEAL", { inode: [inode[0], inode[1] + 1] }).result, -ESTALE);
  assertEquals(client.request("CONCEAL", { inode, grant: 0 }).result, -EINVAL);
  assertEquals(client.request("CONCEAL", { inode, grant: 2 ** 32 - 1 }).result, -EINVAL);
  Deno.mkdirSync(`${m.dir}/known`);
  const known = client.inode(Deno.lstatSync(`${m.dir}/known`).ino ?? 0);
  assertEquals(client.request("REVEAL", { inode: known, thread }).result, -ENOENT);
  const unknown = client.inode(make(client, ROOT_INO, "unknown", DIRECTORY));
  const results = Array.from(
    { length: 20 },
    () => client.request("REVEAL", { inode: unknown, thread }).result,
  );
  assertEquals(results, Array.from({ length: 20 }, (_, i) => i < 16 ? 0 : -EAGAIN));
  close(client, inode[0]);
});
