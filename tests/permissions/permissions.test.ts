/** The small form of the permission matrix: every way for a process to be somebody else or in a sandbox, some of the objects. */
import { assertEquals, assertGreater } from "@std/assert";
import { type BtfuseMount, mountBtfuse, showingBoth } from "../support/mounts.ts";
import { canPreload } from "../shim/support.ts";
import { cases, type Row, tryCase, USER } from "./matrix.ts";

const isRoot = canPreload && Deno.uid() === 0;
const STEP = 11;

/** All cases, several at a time. */
async function rows(m: BtfuseMount, uid: number, chosen: RegExp): Promise<Row[]> {
  const waiting = (await cases([true])).filter(({ way }) => chosen.test(way));
  const found: Row[] = [];
  const work = async () => {
    for (let one; (one = waiting.shift()) !== undefined;) {
      found.push(await tryCase(m, one, STEP, uid));
    }
  };
  await Promise.all([work(), work(), work()]);
  return found;
}

/** By way and how; only those that could be tried. */
function byName(found: Row[]): Map<string, Row> {
  const tried = found.filter(({ answers }) => answers !== undefined);
  return new Map(tried.map((row) => [`${row.way}, ${row.how}`, row]));
}

Deno.test({
  name: "permissions: the library answers everybody as the kernel does, in every sandbox",
  ignore: !canPreload || !isRoot,
  fn: showingBoth(async () => {
    await using m = await mountBtfuse({ options: ["allow_other", "suid", "dev"] });
    const found = await rows(m, 0, /./);
    assertEquals(
      found.flatMap(({ way, how, differences }) => differences.map((d) => `${way}, ${how}: ${d}`)),
      [],
    );
    const tried = byName(found);
    const free = tried.get("nobody else, self");
    assertGreater(free?.answers ?? 0, 400);
    // What is compared is the library's own doing where it serves, and the sandboxes are ones.
    for (
      const name of [
        "nobody else, self",
        "nobody else, inherited",
        "root without capabilities, inherited",
      ]
    ) {
      const row = tried.get(name);
      assertGreater(row?.served ?? 0, (row?.calls ?? 0) / 2, name);
    }
    for (
      const way of [
        "user namespace of one's own",
        "Landlock without writing",
        "seccomp by syscall(2)",
        "a user",
      ]
    ) {
      for (const how of ["self", "inherited"]) {
        const row = tried.get(`${way}, ${how}`);
        if (row !== undefined) {
          assertGreater(row.refused, (free?.refused ?? 0) + 10, `${way}, ${how}`);
        }
      }
    }
  }),
});

Deno.test({
  name: "permissions: the same on a user's own mount",
  ignore: !canPreload || !isRoot,
  fn: showingBoth(async () => {
    await using m = await mountBtfuse({ uid: USER });
    const found = await rows(m, USER, /nobody else|namespace of|seccomp|Landlock/);
    assertEquals(
      found.flatMap(({ way, how, differences }) => differences.map((d) => `${way}, ${how}: ${d}`)),
      [],
    );
    const free = byName(found).get("nobody else, inherited");
    assertGreater(free?.served ?? 0, (free?.calls ?? 0) / 3);
    assertGreater(free?.refused ?? 0, 0);
  }),
});
