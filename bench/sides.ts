/**
 * The columns of the bench: file systems on fresh directories, each of which takes itself away again.
 * @module
 */
import {
  btfuseCommand,
  isMounted,
  leftovers,
  mountBtfuse,
  mountTmpfs,
  processesNaming,
  run,
  runOk,
  waitUntil,
} from "../tests/support/mounts.ts";
import { signal } from "../tests/support/command.ts";

/** A directory to work in. */
export interface Mounted extends AsyncDisposable {
  readonly dir: string;
  /** The daemon's process, when there is one. */
  readonly pid?: number;
}

/** A column of the bench. */
export interface Side {
  /** As `--sides` takes it. */
  name: string;
  /** What it is, for the legend. */
  label: string;
  mount(): Promise<Mounted>;
  /** The start of the client's command line, for a side that runs programs in its own way. */
  prefix?(dir: string): string[];
}

/** Room for the bench's files on every side. */
const size = "256M";

/** All columns, in the table's order. */
export const sides: readonly Side[] = [
  {
    name: "tmpfs",
    label: "the kernel's own memory file system",
    mount: () => mountTmpfs({ size }),
  },
  {
    name: "bindfs",
    label: "Debian's bindfs over tmpfs, its defaults (attributes kept for 1 s)",
    mount: () => mountBindfs([]),
  },
  {
    name: "bindfs-uncached",
    label: "bindfs with direct_io,attr_timeout=0,entry_timeout=0: every request reaches it",
    mount: () => mountBindfs(["direct_io", "attr_timeout=0", "entry_timeout=0"]),
  },
  {
    name: "btfuse-none",
    label: "btfuse --cache=none: every request reaches it",
    mount: () => mountBtfuse({ size, cache: "none" }),
  },
  { name: "btfuse", label: "btfuse as it comes", mount: () => mountBtfuse({ size }) },
  {
    name: "btfuse-run",
    label: "btfuse, its client started by `btfuse run`",
    mount: () => mountBtfuse({ size }),
    prefix: (dir) => [...btfuseCommand(), "run", "--mount", dir, "--"],
  },
];

/**
 * The two columns of another btfuse executable, such as one built before a change: what the change costs is seen in
 * one run, in which both take turns.
 */
export function sidesBefore(executable: string): readonly Side[] {
  const mount = () => mountBtfuse({ size, command: [executable] });
  return [
    { name: "before", label: `${executable}, its mount as it comes`, mount },
    {
      name: "before-run",
      label: `${executable}, its client started by its \`btfuse run\``,
      mount,
      prefix: (dir) => [executable, "run", "--mount", dir, "--"],
    },
  ];
}

/** Whether bindfs is installed. */
export function hasBindfs(): boolean {
  return version(["bindfs", "--version"]) !== undefined;
}

/** What bindfs and btfuse say their versions are; null for one that cannot be asked. */
export function versions(): Record<string, string | null> {
  return {
    deno: Deno.version.deno,
    bindfs: version(["bindfs", "--version"]) ?? null,
    btfuse: version([...btfuseCommand(), "version"]) ?? null,
  };
}

function version([program, ...args]: string[]): string | undefined {
  try {
    const output = new Deno.Command(program as string, { args, stdin: "null" }).outputSync();
    if (output.success) return new TextDecoder().decode(output.stdout).trim();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Mounts bindfs over a tmpfs of its own. */
async function mountBindfs(options: string[]): Promise<Mounted> {
  if (!hasBindfs()) {
    throw new Error(
      "cannot mount bindfs: it is not installed. Install it (apt-get install bindfs) or leave it out with --sides.",
    );
  }
  await using stack = new AsyncDisposableStack();
  const source = stack.use(await mountTmpfs({ size }));
  const base = Deno.makeTempDirSync({ dir: "/tmp", prefix: "btfuse-" });
  stack.defer(() => Deno.remove(base, { recursive: true }));
  const dir = `${base}/mnt`; // as deep as the other sides' directories
  Deno.mkdirSync(dir);
  stack.defer(() => unmountBindfs(dir));
  const list = options.length > 0 ? ["-o", options.join(",")] : [];
  await runOk(["bindfs", ...list, source.dir, dir], { timeoutMs: 10_000 });
  const [pid] = processesNaming(dir);
  const held = stack.move();
  return { dir, pid, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** Ends the mount and its process, by force when it must be. */
async function unmountBindfs(dir: string): Promise<void> {
  for (const flag of [[], ["-f"], ["-l"]]) {
    if (isMounted(dir)) await run(["umount", ...flag, dir], { timeoutMs: 10_000 });
  }
  if (await waitUntil(() => leftovers({ dir }).length === 0, 5_000)) return;
  for (const pid of processesNaming(dir)) signal(pid, "SIGKILL");
  if (isMounted(dir)) throw new Error(`cannot unmount ${dir}: it is still mounted`);
}
