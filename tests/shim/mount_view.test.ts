/** What shim/mount_view.zig finds out about a mount, by asking the kernel for it and by reading the mount table: both must agree. */
import { assertEquals } from "@std/assert";
import { native } from "../../ffi/native.ts";
import { cString } from "../../ffi/process.ts";
import { runOk } from "../support/mounts.ts";
import { canPreload } from "./support.ts";

const READ_ONLY = 1, NO_ATIME = 2, NO_DIR_ATIME = 4, STRICT_ATIME = 8, NO_SYMLINKS = 16;

interface Seen {
  flags: number;
  isCovered: boolean;
  path: string;
}

function look(path: string, byMountinfo: boolean): Seen | number {
  const out = new Float64Array(2);
  const bytes = new Uint8Array(8192);
  const result = native().bt_mount_look(
    cString(path),
    Number(byMountinfo),
    new Uint8Array(out.buffer),
    bytes,
    BigInt(bytes.length),
  );
  if (result !== 0) return result;
  const text = new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  return { flags: out[0] ?? -1, isCovered: out[1] === 1, path: text };
}

Deno.test({
  name: "mount view: flags, place and what lies on a mount, by both ways of asking",
  ignore: !canPreload || Deno.uid() !== 0,
  async fn() {
    // Long, with what the mount table writes in octal numbers, and with what its lines consist of.
    const parent = Deno.makeTempDirSync();
    const base = `${parent}/a b\\c\td,e - f#${"x".repeat(200)}`;
    Deno.mkdirSync(base);
    const mounts: [string, number][] = [
      ["relatime", 0],
      ["ro", READ_ONLY],
      ["noatime,nosuid,nodev,noexec", NO_ATIME],
      ["nodiratime,ro", NO_DIR_ATIME | READ_ONLY],
      ["strictatime", STRICT_ATIME],
      ["nosymfollow,noatime", NO_SYMLINKS | NO_ATIME],
    ];
    try {
      for (const [options, flags] of mounts) {
        const path = `${base}/${options}`;
        Deno.mkdirSync(path);
        await runOk(["mount", "-t", "tmpfs", "-o", options, "some source", path]);
        const expected = { flags, isCovered: false, path };
        assertEquals(look(path, false), expected, options);
        assertEquals(look(path, true), expected, `${options}, by mountinfo`);
      }
      const covered = `${base}/relatime`;
      Deno.mkdirSync(`${covered}/below`);
      await runOk(["mount", "-t", "tmpfs", "none", `${covered}/below`]);
      for (const byMountinfo of [false, true]) {
        assertEquals(look(covered, byMountinfo), { flags: 0, isCovered: true, path: covered });
      }
      await runOk(["umount", `${covered}/below`]);
      for (const byMountinfo of [false, true]) {
        assertEquals(look(covered, byMountinfo), { flags: 0, isCovered: false, path: covered });
        assertEquals(look(`${covered}/none`, byMountinfo), -2);
      }
    } finally {
      for (const [options] of mounts) {
        await runOk([
          "sh",
          "-c",
          'mountpoint -q "$1" && umount -l "$1" || true',
          "sh",
          `${base}/${options}`,
        ]);
      }
      Deno.removeSync(parent, { recursive: true });
    }
  },
});
