import { assertEquals } from "@std/assert";
import { memoryLimit, MemoryRoom } from "./memory_room.ts";

const canWrite = (["read", "write"] as const)
  .every((name) => Deno.permissions.querySync({ name }).state === "granted");
const MIB = 1 << 20;

/** A tree of control groups in files: what the kernel would show. */
function hierarchy(o: {
  /** Lines of /proc/self/cgroup. */
  own: string[];
  files: Record<string, string | number>;
}): { root: string; write: (name: string, text: string | number) => void } & Disposable {
  const root = Deno.makeTempDirSync({ prefix: "btfuse-groups-" });
  const write = (name: string, text: string | number) => {
    const path = `${root}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(path, `${text}\n`);
  };
  write("proc/self/cgroup", o.own.join("\n"));
  for (const [name, text] of Object.entries(o.files)) write(name, text);
  return { root, write, [Symbol.dispose]: () => Deno.removeSync(root, { recursive: true }) };
}

Deno.test({
  name: "memory room: the lowest limit of all groups counts, in both versions",
  ignore: !canWrite,
  fn() {
    const cases: [string[], Record<string, string | number>, number][] = [
      [["0::/a/b"], { "cgroup2/a/b/memory.max": "max", "cgroup2/a/memory.max": 300 }, 300],
      [["0::/a"], { "cgroup2/a/memory.max": 500, "cgroup2/a/memory.high": 400 }, 400],
      [
        ["5:cpu,memory:/x", "0::/"],
        {
          "cgroup/x/memory.limit_in_bytes": 700,
          "cgroup/memory.limit_in_bytes": "9223372036854771712",
        },
        700,
      ],
      [["4:cpu:/x", "0::/a"], { "cgroup/x/memory.limit_in_bytes": 700 }, Infinity],
      [[], {}, Infinity],
    ];
    for (const [own, files, limit] of cases) {
      using groups = hierarchy({ own, files });
      assertEquals(memoryLimit(groups.root), limit, own.join());
    }
  },
});

Deno.test({
  name: "memory room: what is taken stays below the limit, and files in memory do not count",
  ignore: !canWrite,
  fn() {
    using groups = hierarchy({
      own: ["0::/a"],
      files: {
        "cgroup2/a/memory.max": 256 * MIB,
        "cgroup2/a/memory.current": 200 * MIB,
        "cgroup2/a/memory.stat": `anon 1\ninactive_file ${100 * MIB}\nactive_file ${20 * MIB}`,
      },
    });
    // 256 MiB less 90 MiB that are needed less a reserve of 16 MiB.
    const room = new MemoryRoom(groups.root);
    let taken = 0;
    while (taken < 1024 * MIB && room.mayTake(MIB)) {
      taken += MIB;
      groups.write("cgroup2/a/memory.current", 200 * MIB + taken);
    }
    assertEquals(taken, 150 * MIB);
    assertEquals(room.mayTake(1), false);
    // Another process has given memory back: seen a moment later.
    groups.write("cgroup2/a/memory.current", 100 * MIB);
    const end = performance.now() + 5000;
    while (!room.mayTake(MIB) && performance.now() < end);
    assertEquals(room.mayTake(MIB), true);
  },
});

Deno.test({
  name: "memory room: without a limit everything may be taken",
  ignore: !canWrite,
  fn() {
    using groups = hierarchy({ own: ["0::/"], files: {} });
    const room = new MemoryRoom(groups.root);
    assertEquals(room.mayTake(2 ** 40), true);
  },
});
