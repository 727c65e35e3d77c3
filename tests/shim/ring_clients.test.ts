/** Clients of the request ring: many at once, beside the kernel, hostile ones, and those that die. */
import { assert, assertEquals } from "@std/assert";
import {
  CLIENT_FREE,
  CLIENT_PID,
  CLIENT_STATE,
  DENTRY_INO,
  DESCRIPTION_CLAIMED,
  DESCRIPTION_OPEN,
  INODE_LOOKUP_COUNT,
  INODE_MODE,
  INODE_OPEN_COUNT,
  RING_BYTES_LENGTH,
  RING_BYTES_MAX,
  RING_CLIENT,
  RING_FREE,
  RING_OPERATION,
  RING_SLOT_COUNT,
  RING_STATE,
  RING_WORDS,
  ROOT_INO,
  SUPER_ENDED,
} from "../../src/region/layout.gen.ts";
import { FATTR_MODE } from "../../src/ops/fuse_records.gen.ts";
import { EINVAL, ESTALE } from "../../src/core/errno.ts";
import { FileSystem } from "../../src/core/file_system.ts";
import { S_IFDIR, S_IFIFO, S_IFREG } from "../../src/core/inode_table.ts";
import { btfuseOk } from "../cli/support.ts";
import { bytes, Random } from "../core/support.ts";
import { mountBtfuse, runOk, waitUntil } from "../support/mounts.ts";
import { OPERATION_COUNT, RingClient } from "./ring_client.ts";
import {
  close,
  DIRECTORY,
  exists,
  isRoot,
  make,
  names,
  ringTest,
  showModes,
} from "./ring_support.ts";

ringTest("a file without names lives while a client has it open", (m, client) => {
  const root = client.inode(ROOT_INO);
  const ino = make(client, ROOT_INO, "file");
  const file = client.inode(ino);
  assertEquals(client.request("REMOVE", { parent: root }, "file").result, 0);
  assert(client.inodeWord(ino, INODE_MODE) !== 0, "it is open");
  close(client, ino);
  assertEquals(client.inodeWord(ino, INODE_MODE), 0);
  assertEquals(client.request("RELEASE", { inode: file }).result, -ESTALE);
  const { result, made } = client.request("TMPFILE", { parent: root, mode: 0o600, umask: 0o077 });
  assertEquals(result, 0);
  assertEquals(client.inodeWord(made[0], INODE_MODE), S_IFREG | 0o600);
  assertEquals(client.request("LINK", { inode: made, parent: root }, "named").result, 0);
  assertEquals(Deno.statSync(`${m.dir}/named`).ino, made[0]);
  close(client, made[0]);
  const [unnamed] = client.request("TMPFILE", { parent: root, mode: 0o600 }).made;
  close(client, unnamed);
  assertEquals(client.inodeWord(unnamed, INODE_MODE), 0);
});

ringTest("only a living client is served", (_, client) => {
  assertEquals(client.request("PING").result, 0);
  for (const number of [0, client.number + 1, 1023, 1024, 2 ** 32 - 1]) {
    const slot = client.claim();
    client.fill(slot, "PING");
    client.region.ring[slot * RING_WORDS + RING_CLIENT] = number;
    client.submit(slot);
    assertEquals(client.answer(slot).result, -EINVAL, `client ${number}`);
  }
  const slot = client.claim();
  client.fill(slot, "PING");
  client.region.ring[slot * RING_WORDS + RING_BYTES_LENGTH] = RING_BYTES_MAX + 1;
  client.submit(slot);
  assertEquals(client.answer(slot).result, -EINVAL);
});

ringTest("64 requests at once are all served", (m, client) => {
  const slots: number[] = [];
  for (let slot = client.claim(); slot >= 0; slot = client.claim()) slots.push(slot);
  assertEquals(slots.length, RING_SLOT_COUNT);
  const root = client.inode(ROOT_INO);
  for (const slot of slots) {
    client.fill(slot, "MAKE", { parent: root, mode: DIRECTORY }, `directory${slot}`);
  }
  for (const slot of slots) client.submit(slot);
  assertEquals(slots.map((slot) => client.answer(slot).result), slots.map(() => 0));
  assertEquals(names(m.dir).length, RING_SLOT_COUNT);
});

ringTest(
  "what changes while the kernel learns of a file is not stale afterwards",
  async (m, client) => {
    const all = Array.from({ length: 500 }, (_, i) => `f${i}`);
    const files = all.map((name) => make(client, ROOT_INO, name));
    const looking = runOk(["sh", "-c", `sleep 0.3; ${showModes}`, "sh", ...all], {
      cwd: m.dir,
    });
    // It is started before this thread does nothing else than look.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const end = performance.now() + 10_000;
    let inTime = 0;
    for (const ino of files) {
      // The kernel's question is answered, but the answer is hardly there yet.
      const isUnknown = () => client.inodeWord(ino, INODE_LOOKUP_COUNT) === 0;
      if (isUnknown()) inTime++;
      while (isUnknown() && performance.now() < end) client.request("PING");
      client.request("SETATTR", { inode: client.inode(ino), valid: FATTR_MODE, mode: 0o123 });
    }
    await looking;
    assert(inTime > 0, "the program was always faster");
    const { stdout } = await runOk(["sh", "-c", showModes, "sh", ...all], { cwd: m.dir });
    assertEquals(stdout, "{'0o100123'}\n", `${inTime} in time`);
    for (const ino of files) close(client, ino);
  },
);

ringTest("programs at both doors in one directory end up seeing the same", async (m, client) => {
  const random = new Random();
  const script = `cd "$0" && while [ $(date +%s) -lt "$1" ]; do
      for i in 0 1 2 3 4 5 6 7; do
        mkdir n$i; touch m$i; mv m$i n$i; mv n$i m$i; ls -l; rm -rf n$i; rmdir m$i; rm m$i
      done
    done >/dev/null 2>&1; true`;
  const until = Math.floor(Date.now() / 1000) + 3;
  const programs = [1, 2].map(() => runOk(["sh", "-c", script, m.dir, String(until)]));
  const root = client.inode(ROOT_INO);
  const name = () => random.pick(["n", "m"]) + random.below(8);
  let requests = 0;
  while (Date.now() < until * 1000) {
    for (let i = 0; i < 100; i++, requests++) {
      const mode = random.below(2) === 0 ? S_IFIFO | 0o644 : DIRECTORY;
      switch (random.below(3)) {
        case 0:
          client.request("MAKE", { parent: root, mode }, name());
          break;
        case 1:
          client.request("REMOVE", { parent: root, asDirectory: random.below(2) }, name());
          break;
        default:
          client.request(
            "RENAME",
            { parent: root, newParent: root, flags: 2 * random.below(2) },
            `${name()}\0${name()}`,
          );
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(programs);
  assert(requests > 1000, `${requests} requests`);
  const fs = FileSystem.open(client.region);
  const all = Array.from({ length: 8 }, (_, i) => [`n${i}`, `m${i}`]).flat();
  const there = all.filter((text) => fs.names.find(ROOT_INO, bytes(text), 0, text.length) !== 0);
  assertEquals(all.filter((text) => exists(`${m.dir}/${text}`)), there);
  assertEquals(names(m.dir), there.sort());
  for (const text of there) {
    const slot = fs.names.find(ROOT_INO, bytes(text), 0, text.length);
    assertEquals(Deno.lstatSync(`${m.dir}/${text}`).ino, fs.names.get(slot, DENTRY_INO));
  }
});

ringTest("slots full of garbage harm nobody", (m, client) => {
  const random = new Random();
  const { ring } = client.region;
  const interesting = [0, 1, 2, 3, 4095, 4096, 2 ** 31, 2 ** 32 - 1, S_IFREG, S_IFDIR];
  const word = () => random.below(2) === 0 ? random.pick(interesting) : random.below(2 ** 32);
  for (let i = 0; i < 5000; i++) {
    const slot = client.claim();
    const at = slot * RING_WORDS;
    for (let field = 1; field < RING_WORDS; field++) ring[at + field] = word();
    // Most of them pass for requests at first sight.
    if (random.below(10) > 0) ring[at + RING_CLIENT] = client.number;
    if (random.below(10) > 0) ring[at + RING_OPERATION] = random.below(OPERATION_COUNT);
    if (random.below(10) > 0) ring[at + RING_BYTES_LENGTH] = random.below(RING_BYTES_MAX + 2);
    if (random.below(2) > 0) {
      const bytes = `n${random.below(20)}\0n${random.below(20)}`.repeat(1 + random.below(2));
      const ino = random.below(60);
      const words = Uint32Array.of(...client.inode(ino), ...client.inode(random.below(60)));
      client.fill(slot, ring[at + RING_OPERATION], words, bytes.slice(0, 1 + random.below(8)));
    }
    client.submit(slot);
    client.answer(slot);
  }
  Deno.writeTextFileSync(`${m.dir}/after`, "text");
  assertEquals(Deno.readTextFileSync(`${m.dir}/after`), "text");
  assertEquals(client.request("PING").result, 0);
});

ringTest("what a killed client held is free again", async (m, client) => {
  const process = new Deno.Command("sleep", { args: ["60"] }).spawn();
  using victim = RingClient.attach(m.object, process.pid);
  const root = client.inode(ROOT_INO);
  const [open, claimed, named] = ["open", "claimed", "named"].map((name) =>
    make(victim, ROOT_INO, name)
  );
  victim.describe(0, DESCRIPTION_OPEN, open);
  victim.describe(1, DESCRIPTION_OPEN, named);
  victim.describe(70, DESCRIPTION_CLAIMED, claimed);
  for (const name of ["open", "claimed"]) {
    assertEquals(client.request("REMOVE", { parent: root }, name).result, 0);
  }
  // Requests in every state, one of them ready without its bit.
  const slots = [victim.claim(), victim.claim(), victim.claim()];
  for (const slot of slots) victim.fill(slot, "PING");
  victim.submit(slots[0]);
  victim.region.ring[slots[1] * RING_WORDS + RING_STATE] = 2;
  process.kill("SIGKILL");
  await process.status;
  const isFree = () => victim.get(CLIENT_STATE) === CLIENT_FREE;
  assert(await waitUntil(isFree, 5000), "its record is not free");
  assertEquals(victim.get(CLIENT_PID), 0);
  // What it was about to open is looked for among all clients, afterwards.
  const areGone = () => [open, claimed].every((ino) => client.inodeWord(ino, INODE_MODE) === 0);
  assert(await waitUntil(areGone, 5000), "what only it had open was not ended");
  assertEquals(client.inodeWord(named, INODE_OPEN_COUNT), 0);
  assertEquals(Deno.statSync(`${m.dir}/named`).ino, named);
  const stateOf = (slot: number) => client.region.ring[slot * RING_WORDS + RING_STATE];
  assertEquals(slots.slice(0, 2).map(stateOf), [RING_FREE, RING_FREE]);
  // A slot that is only claimed may be another's, who has not said so yet.
  assert(await waitUntil(() => stateOf(slots[2]) === RING_FREE, 15_000), "a claimed slot is lost");
  assertEquals(client.request("PING").result, 0);
});

ringTest("round trips: the worker awake and asleep", async (_, client) => {
  const awake: number[] = [];
  for (let i = 0; i < 5000; i++) {
    const start = performance.now();
    client.request("PING");
    awake.push(performance.now() - start);
  }
  const asleep: number[] = [];
  for (let i = 0; i < 100; i++) {
    await new Promise((resolve) => setTimeout(resolve, 3));
    const start = performance.now();
    client.request("PING");
    asleep.push(performance.now() - start);
  }
  const median = (times: number[]) => times.sort((a, b) => a - b)[times.length >> 1] * 1000;
  console.log(
    `ring round trip: ${median(awake).toFixed(1)} µs awake, ${median(asleep).toFixed(1)} µs asleep`,
  );
  assert(median(awake) < 1000 && median(asleep) < 10_000);
});

Deno.test({
  name: "ring: clients of a mount that ends are told",
  ignore: !isRoot,
  async fn() {
    await using m = await mountBtfuse({ size: "16M" });
    using client = RingClient.attach(m.object);
    assertEquals(client.region.superblock[SUPER_ENDED], 0);
    await btfuseOk(["umount", m.dir]);
    assertEquals(client.region.superblock[SUPER_ENDED], 1);
  },
});
