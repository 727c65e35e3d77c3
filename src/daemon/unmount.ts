/** Taking a mount down, as root with umount2(2), as a user with fusermount3. Shared by the daemon and `btfuse umount`. */
import { EBUSY, EINVAL, EPERM, MNT_DETACH, MNT_FORCE, umount2 } from "../../ffi/process.ts";
import { isSameMount, mountAt, type MountEntry, readMounts } from "./mountinfo.ts";
import { currentUid } from "./shared_objects.ts";

/**
 * - plain: only when nothing uses it;
 * - detach: out of the tree at once, gone when nothing uses it any more;
 * - force: detached, and requests under way are answered with an error.
 */
export type UnmountManner = "plain" | "detach" | "force";

export interface UnmountResult {
  outcome: "done" | "busy" | "failed";
  /** Why it failed. */
  message: string;
}

const flagsOf = { plain: 0, detach: MNT_DETACH, force: MNT_FORCE | MNT_DETACH };

/** Takes a mount down, if it is still what one sees on its directory. */
export async function unmount(mount: MountEntry, manner: UnmountManner): Promise<UnmountResult> {
  using connection = manner === "force" ? openConnection(mount) : undefined;
  const current = mountAt(readMounts(), mount.mountPoint);
  if (current === undefined || !isSameMount(current, mount)) {
    return { outcome: "failed", message: "by now there is another mount, or none" };
  }
  const result = currentUid() === 0
    ? unmountAsRoot(mount.mountPoint, flagsOf[manner])
    : await unmountAsUser(mount.mountPoint, manner === "plain" ? ["-u"] : ["-u", "-z"]);
  connection?.abort();
  return result;
}

function unmountAsRoot(mountPoint: string, flags: number): UnmountResult {
  const errno = -umount2(mountPoint, flags);
  if (errno === 0) return { outcome: "done", message: "" };
  if (errno === EBUSY) return { outcome: "busy", message: "it is in use" };
  const reasons: Record<number, string> = {
    [EINVAL]: "it is not mounted any more",
    [EPERM]: "no permission (CAP_SYS_ADMIN is missing)",
  };
  return { outcome: "failed", message: reasons[errno] ?? `umount2 failed with errno ${errno}` };
}

async function unmountAsUser(mountPoint: string, options: string[]): Promise<UnmountResult> {
  const { success, stderr } = await new Deno.Command("fusermount3", {
    args: [...options, "--", mountPoint],
    env: { LC_ALL: "C" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (success) return { outcome: "done", message: "" };
  const message = new TextDecoder().decode(stderr).trim();
  return { outcome: message.includes("busy") ? "busy" : "failed", message };
}

interface Connection extends Disposable {
  /** Requests under way fail and the daemon's read ends, even when the daemon does not answer. */
  abort(): void;
}

/**
 * The kernel's connection of a mount, for when it has gone: the next mount of anybody may then get its number, so the file
 * that aborts it is opened before, and means this one for ever. Needs fusectl mounted.
 */
function openConnection(mount: MountEntry): Connection | undefined {
  const number = mount.device.split(":")[1];
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(`/sys/fs/fuse/connections/${number}/abort`, { write: true });
  } catch {
    return undefined; // Without fusectl the same happens when the daemon's process ends.
  }
  return {
    abort() {
      try {
        file.writeSync(new TextEncoder().encode("1"));
      } catch {
        // It has ended already.
      }
    },
    [Symbol.dispose]: () => file.close(),
  };
}
