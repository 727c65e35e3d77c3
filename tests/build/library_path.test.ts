import { assertEquals, assertMatch } from "@std/assert";
import { ROOT, ZIG_OUT } from "../../shim/build_common.ts";
import { run } from "../support/command.ts";
import { canRun } from "../support/mounts.ts";
import { filesBelow, scratch } from "./one_file.ts";

const LIBRARY = `${ZIG_OUT}/lib/libbtfuse_native.so`;

/** Does in a process of its own what an executable made by `deno compile` does to load its library. */
async function unpackAndLoad(variables: Record<string, string>): Promise<string> {
  const script = `
    import { unpackLibrary } from "${ROOT}/ffi/library_path.ts";
    const path = unpackLibrary("libbtfuse_native.so", "${LIBRARY}");
    Deno.dlopen(path, {}).close();
    console.log(path);`;
  const result = await run([Deno.execPath(), "run", "-A", "-"], {
    env: { XDG_CACHE_HOME: "", DENO_DIR: "", ...variables },
    stdin: script,
  });
  return result.code === 0 ? result.stdout.trim() : result.stderr;
}

Deno.test({
  name: "unpackLibrary: one private copy, made again when damaged",
  ignore: !canRun,
  async fn() {
    using home = scratch();
    const path = await unpackAndLoad({ HOME: home.path });
    assertEquals(path.startsWith(`${home.path}/.cache/btfuse/library-`), true, path);
    assertEquals(Deno.readFileSync(path), Deno.readFileSync(LIBRARY));
    Deno.truncateSync(path, 100);
    assertEquals(await unpackAndLoad({ HOME: home.path }), path);
    assertEquals(Deno.readFileSync(path), Deno.readFileSync(LIBRARY));
    const ours = filesBelow(`${home.path}/.cache/btfuse`);
    assertEquals(ours.length, 1);
  },
});

Deno.test({
  name: "unpackLibrary: a directory that others can write is not used",
  ignore: !canRun,
  async fn() {
    using home = scratch();
    const open = `${home.path}/cache/btfuse`;
    Deno.mkdirSync(open, { recursive: true });
    Deno.chmodSync(open, 0o777);
    const variables = { HOME: home.path, XDG_CACHE_HOME: `${home.path}/cache` };
    const path = await unpackAndLoad(variables);
    assertMatch(path.slice(home.path.length), /^\/\.cache\/btfuse\/library-/);
    assertEquals(filesBelow(open), []);
  },
});
