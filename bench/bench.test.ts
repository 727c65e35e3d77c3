/**
 * The bench in small: it runs, fills every cell, notices what is wrong, and leaves nothing behind. No test here
 * says how long anything may take.
 * @module
 */
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { canRun, isMounted, mountTmpfs, repositoryRoot, run } from "../tests/support/mounts.ts";
import { Client, parseAnswer } from "./client.ts";
import { parseRequest, UsageError } from "./main.ts";
import { type Cell, measure } from "./measure.ts";
import { ratio, report, targets } from "./report.ts";
import { hasBindfs, type Side, sides } from "./sides.ts";
import { quantile, shuffled, summarize } from "./statistics.ts";
import { workloads } from "./workloads.ts";

Deno.test("quantiles interpolate between neighbours and do not depend on the order", () => {
  assertEquals(quantile([7], 0.25), 7);
  assertEquals(quantile([4, 1, 3, 2], 0.5), 2.5);
  assertEquals(quantile([10, 9, 100], 0.5), 10, "numbers, not text");
  assertEquals(summarize([50, 10, 40, 20, 30]), { p25: 20, median: 30, p75: 40 });
  assertEquals(summarize([1, 2]), { p25: 1.25, median: 1.5, p75: 1.75 });
  assertThrows(() => quantile([], 0.5), RangeError);
  assertThrows(() => quantile([1], 1.5), RangeError);
  assertThrows(() => quantile([1], NaN), RangeError);
});

Deno.test("shuffling keeps the items, leaves the original, and each order is as likely", () => {
  const items = ["a", "b", "c"];
  const counts = new Map<string, number>();
  for (let index = 0; index < 6000; index++) {
    const order = shuffled(items).join("");
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assertEquals(items, ["a", "b", "c"]);
  assertEquals([...counts.keys()].sort(), ["abc", "acb", "bac", "bca", "cab", "cba"]);
  // The standard deviation is 29: ten of them off is not chance.
  for (const [order, count] of counts) assertAlmostEquals(count, 1000, 290, order);
});

Deno.test("the client's answers are read strictly", () => {
  assertEquals(parseAnswer("ok 32 123456"), { count: 32, nanoseconds: 123456 });
  for (const text of ["failed open /x: No such file", "ok 1", "ok -1 2", "", "ok 1 2 3"]) {
    assertThrows(() => parseAnswer(text), Error);
  }
});

Deno.test("the command line chooses workloads and sides in the table's order", () => {
  const request = parseRequest(["--only", "open,stat", "--sides", "btfuse,tmpfs", "--rounds", "3"]);
  assertEquals(request.plan.workloads.map(({ name }) => name), ["stat", "open"]);
  assertEquals(request.plan.sides.map(({ name }) => name), ["tmpfs", "btfuse"]);
  assertEquals(request.plan.rounds, 3);
  assertEquals([request.help, parseRequest(["-h"]).help], [false, true]);
  const wrong = [["--only", "nothing"], ["--sides", ""], ["--rounds", "0"], ["--rounds", "2.5"]];
  for (const args of [...wrong, ["--what"], ["stat"]]) {
    assertThrows(() => parseRequest(args), UsageError);
  }
});

Deno.test({
  name: "another executable adds its two columns, and one that is not there is refused",
  ignore: !canRun,
  fn() {
    const { plan } = parseRequest(["--sides", "btfuse-run", "--before", Deno.execPath()]);
    assertEquals(plan.sides.map(({ name }) => name), ["btfuse-run", "before", "before-run"]);
    assertThrows(() => parseRequest(["--before", "/nowhere/btfuse"]), UsageError, "/nowhere");
  },
});

Deno.test("ratios, targets and the table follow from the medians", () => {
  const cell = (workload: string, side: string, median: number, oneProcessor = false): Cell => {
    const times = { samples: [median], p25: median, median, p75: median };
    return { workload, side, oneProcessor, count: 1, ...times };
  };
  const cells = [
    cell("stat", "tmpfs", 1000),
    cell("stat", "btfuse", 1250),
    cell("open-read", "tmpfs", 2000),
    cell("open-read", "btfuse", 5000),
    cell("stat", "btfuse-none", 9000),
    cell("stat", "bindfs-uncached", 10_000),
    cell("open-read", "btfuse-none", 33_000),
    cell("open-read", "bindfs-uncached", 30_000),
    cell("stat", "bindfs-uncached", 8000, true),
    cell("stat", "btfuse-none", 6000, true),
  ];
  assertEquals(ratio(cells, "stat", "btfuse", "tmpfs"), 1.25);
  assertEquals(ratio(cells, "stat", "btfuse", "bindfs"), undefined);
  const found = targets(cells, workloads);
  assertEquals(found.map(({ met, ratio }) => [met, ratio]), [
    [true, 0.75],
    [false, 1.1],
    [false, 2.5],
    [true, 1.25],
  ]);
  assertEquals(found[1]?.missed, ["open+read 4K+close 1.10"]);

  const text = report(cells, workloads.filter(({ name }) => name === "stat"), sides);
  const row = text.split("\n").find((line) => line.startsWith("stat "));
  assertEquals(
    row?.split(/ +/),
    ["stat", "1.00", "±0.000", "10.0", "±0.000", "×10.0"].concat([
      "9.00",
      "±0.000",
      "×9.00",
      "1.25",
      "±0.000",
      "×1.25",
    ]),
  );
});

Deno.test({
  name: "a smoke run fills every cell with a time",
  ignore: !canRun,
  async fn() {
    const chosen = sides.map(({ name }) => name)
      .filter((name) => hasBindfs() || !name.startsWith("bindfs"));
    const command = [Deno.execPath(), "run", "-A", `${repositoryRoot}bench/main.ts`];
    const result = await run([...command, "--smoke", "--json", "--sides", chosen.join(",")], {
      timeoutMs: 120_000,
    });
    assertEquals([result.code, result.stderr], [0, ""]);
    const { cells, machine } = JSON.parse(result.stdout) as {
      cells: Cell[];
      machine: { coreCount: number };
    };
    assert(machine.coreCount > 0);
    const again = chosen.filter((side) => ["bindfs-uncached", "btfuse-none"].includes(side));
    const expected = [
      ...workloads.flatMap(({ name }) => chosen.map((side) => `${name} ${side} false`)),
      ...workloads.filter(({ small }) => small && again.length === 2)
        .flatMap(({ name }) => again.map((side) => `${name} ${side} true`)),
    ];
    assertEquals(
      cells.map(({ workload, side, oneProcessor }) => `${workload} ${side} ${oneProcessor}`),
      expected,
    );
    for (const { workload, side, samples, p25, median, p75, count } of cells) {
      const where = `${workload} on ${side}`;
      assertEquals(samples.length, 2, where);
      for (const value of [...samples, p25, median, p75, count]) {
        assert(Number.isFinite(value) && value > 0, `${where}: ${value}`);
      }
    }
  },
});

Deno.test({
  name: "the client notices failed operations, wrong data and missing names",
  ignore: !canRun,
  async fn() {
    await using mounted = await mountTmpfs();
    await using client = new Client(10);
    const { dir } = mounted;
    const fails = (workload: string, reason: string) =>
      assertRejects(() => client.run(workload, dir, 3), Error, reason);

    await fails("stat", `stat ${dir}/one/two/file: No such file or directory (errno 2)`);
    await fails("nonsense", "no workload nonsense");
    for (const { name } of workloads) {
      await client.prepare(name, dir);
      assert((await client.run(name, dir, 3)).count >= 3, name);
    }
    assert((await client.run("stat", dir, 3, true)).nanoseconds > 0);

    Deno.writeFileSync(`${dir}/data`, new Uint8Array(1 << 20));
    await fails("pread-4k", `${dir}/data: wrong data at 0`);
    Deno.truncateSync(`${dir}/data`, 4096);
    await fails("pread-128k", "pread moved 4096 bytes instead of 131072");
    Deno.truncateSync(`${dir}/one/two/file`, 1);
    await fails("fstat", "size 1");
    await fails("cat", "prints 1 bytes");
    Deno.removeSync(`${dir}/names/00000003`);
    await fails("readdir", "lists 11 names instead of 12");
    Deno.removeSync(`${dir}/tree/00000000/00000003`);
    await fails("find", "prints 11 lines instead of 12");
    await assertRejects(() => client.run("stat", dir, 3, true), Error, "wait status 256");
  },
});

Deno.test({
  name: "a side may run the client in its own way; an interrupted run takes its mounts away",
  ignore: !canRun,
  async fn() {
    let dir = "";
    const side: Side = {
      name: "wrapped",
      label: "tmpfs, the client started by another program",
      async mount() {
        const mounted = await mountTmpfs();
        dir = mounted.dir;
        return mounted;
      },
      prefix: (dir) => ["env", `--chdir=${dir}`],
    };
    const chosen = workloads.filter(({ name }) => name === "stat" || name === "fstat");
    const plan = { sides: [side], workloads: chosen, rounds: 3, sampleMs: 1, nameCount: 10 };
    const cells = await measure({ ...plan, fresh: true });
    assertEquals(cells.map(({ samples }) => samples.length), [3, 3]);
    assert(!isMounted(dir));

    const controller = new AbortController();
    const progress = (text: string) => {
      if (!text.includes("fstat: round 2")) return;
      assert(isMounted(dir));
      controller.abort(new Error("enough"));
    };
    const { signal } = controller;
    await assertRejects(() => measure({ ...plan, progress, signal }), Error, "enough");
    assert(!isMounted(dir));
  },
});

Deno.test({
  name: "bindfs is unmounted, and its tmpfs with it",
  ignore: !canRun || !hasBindfs(),
  async fn() {
    const side = sides.find(({ name }) => name === "bindfs-uncached") as Side;
    let dir: string;
    {
      await using mounted = await side.mount();
      dir = mounted.dir;
      assert(isMounted(dir));
    }
    assert(!isMounted(dir));
    await assertRejects(() => Deno.stat(dir), Deno.errors.NotFound);
  },
});
