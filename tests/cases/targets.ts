/**
 * The file systems cases run on.
 * @module
 */
import { Agent } from "../support/agent.ts";
import { quietlyPreloaded } from "../shim/support.ts";
import { mountBtfuse, type MountedDirectory, mountTmpfs } from "../support/mounts.ts";

/** A kind of file system, with one mount of it that cases share. */
export interface Target extends AsyncDisposable {
  readonly name: string;
  /** Root of the shared mount. */
  readonly dir: string;
  /** A further mount, of this size. */
  mount(size: string): Promise<MountedDirectory>;
  /** A process of the superuser that reaches the mount the way this target is about. */
  startAgent(cwd: string): Promise<Agent>;
}

const SIZE = "512M";

async function target(
  name: string,
  mount: (size: string) => Promise<MountedDirectory>,
): Promise<Target> {
  const shared = await mount(SIZE);
  return {
    name,
    dir: shared.dir,
    mount,
    startAgent: (cwd) => Agent.start({ cwd }),
    [Symbol.asyncDispose]: () => shared[Symbol.asyncDispose](),
  };
}

export function tmpfsTarget(name = "tmpfs"): Promise<Target> {
  return target(name, (size) => mountTmpfs({ size }));
}

/** btfuse for all users. */
export function btfuseTarget(cache: "auto" | "none"): Promise<Target> {
  return target(
    `btfuse --cache=${cache}`,
    (size) => mountBtfuse({ size, cache, options: ["allow_other"] }),
  );
}

/** btfuse, its processes under the preloaded library; what they do on a further mount goes through the kernel. */
export async function preloadedTarget(): Promise<Target> {
  const mount = (size: string) => mountBtfuse({ size, options: ["allow_other"] });
  const shared = await mount(SIZE);
  return {
    name: "btfuse under the library",
    dir: shared.dir,
    mount,
    startAgent: (cwd) => Agent.start({ cwd, env: quietlyPreloaded(shared) }),
    [Symbol.asyncDispose]: () => shared[Symbol.asyncDispose](),
  };
}

/** Any directory, for a first look at another file system; it has no small mounts. */
export function directoryTarget(dir: string): Promise<Target> {
  return Promise.resolve({
    name: dir,
    dir,
    mount: () => Promise.reject(new Error(`${dir} is no target that can be mounted`)),
    startAgent: (cwd: string) => Agent.start({ cwd }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}
