/** What the tests of the request ring share: a mount with a client in TypeScript, and what it makes. */
import { assertEquals } from "@std/assert";
import { INODE_OPEN_COUNT, INODE_WORDS } from "../../src/region/layout.gen.ts";
import { S_IFDIR, S_IFREG } from "../../src/core/inode_table.ts";
import { btfuse } from "../cli/support.ts";
import { Agent, ok, type Stat } from "../support/agent.ts";
import { type BtfuseMount, canRun, mountBtfuse } from "../support/mounts.ts";
import { RingClient } from "./ring_client.ts";

export const isRoot = canRun && Deno.uid() === 0;

/**
 * @param fn gets a function for attributes as well, by path in the mount: Deno's own asks for the time of birth too, which
 * the kernel does not keep, so that nothing else it keeps would ever be seen
 */
export function ringTest(
  name: string,
  fn: (
    m: BtfuseMount,
    client: RingClient,
    stat: (path: string) => Promise<Stat>,
  ) => Promise<void> | void,
): void {
  Deno.test({
    name: `ring: ${name}`,
    ignore: !isRoot,
    async fn() {
      await using m = await mountBtfuse({ size: "64M", inodeCountMax: 10_000 });
      {
        using client = RingClient.attach(m.object);
        await using agent = await Agent.start({ cwd: m.dir });
        await fn(m, client, async (path) => ok(await agent.stat(path)));
      }
      const { stdout, stderr } = await btfuse(["check", m.dir]);
      assertEquals({ stdout, stderr }, { stdout: `${m.name}: clean\n`, stderr: "" });
    },
  });
}

export const FILE = S_IFREG | 0o644;
export const DIRECTORY = S_IFDIR | 0o755;

/** Makes a file or directory through the ring and gives its inode number; it counts as open. */
export function make(client: RingClient, parent: number, name: string, mode = FILE): number {
  const { result, made } = client.request("MAKE", { parent: client.inode(parent), mode }, name);
  assertEquals(result, 0, name);
  assertEquals(client.inode(made[0]), made, "an inode is its number and generation");
  return made[0];
}

/** Lets go of what `make` has counted as open. */
export function close(client: RingClient, ino: number): void {
  Atomics.sub(client.region.inodes, ino * INODE_WORDS + INODE_OPEN_COUNT, 1);
  client.request("RELEASE", { inode: client.inode(ino) });
}

export function names(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map((entry) => entry.name).sort();
}

export function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Has the kernel keep everything about these names: entries also when they do not exist, attributes, bytes, listings. */
export function warm(directory: string, ...paths: string[]): void {
  // The third listing is the first that comes from the kernel's own pages.
  for (let i = 0; i < 3; i++) names(directory);
  for (const name of paths) {
    const path = `${directory}/${name}`;
    if (exists(path) && Deno.lstatSync(path).isFile) Deno.readFileSync(path);
  }
}

/** Shows which modes some files have. */
export const showModes =
  `exec /usr/bin/python3 -c 'import os, sys; print({oct(os.stat(f).st_mode) for f in sys.argv[1:]})' "$@"`;
