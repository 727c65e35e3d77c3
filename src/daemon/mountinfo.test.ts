import { assertEquals } from "@std/assert";
import {
  btfuseMounts,
  isSameMount,
  isUnder,
  mountAt,
  mountHolding,
  mountUid,
  parseMounts,
} from "./mountinfo.ts";

const mounts = parseMounts(
  [
    "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard",
    "42 27 0:39 / /tmp/a\\040b\\134c\\011d\\043é rw,nosuid shared:7 master:1 - fuse.btfuse one rw,user_id=1000,group_id=5",
    "43 27 0:40 / /mnt/x rw - fuse.btfuse two rw,user_id=0",
    "44 27 0:40 /sub /mnt/part rw - fuse.btfuse two rw,user_id=0",
    "45 43 0:41 / /mnt/x rw - tmpfs none rw",
    "",
  ].join("\n"),
);

Deno.test("fields, optional fields and escapes", () => {
  assertEquals(mounts[1], {
    mountId: 42,
    parentId: 27,
    device: "0:39",
    root: "/",
    mountPoint: "/tmp/a b\\c\td#é",
    options: ["rw", "nosuid"],
    type: "fuse.btfuse",
    source: "one",
    superOptions: ["rw", "user_id=1000", "group_id=5"],
  });
  assertEquals(mounts.map(mountUid), [0, 1000, 0, 0, 0]);
});

Deno.test("the last mount on a directory is the one to see", () => {
  assertEquals(mountAt(mounts, "/mnt/x")?.type, "tmpfs");
  assertEquals(mountAt(mounts, "/mnt"), undefined);
});

Deno.test("the mount that holds a path is the deepest, and of those the last", () => {
  const holding = (path: string) => mountHolding(mounts, path)?.mountId;
  assertEquals(["/", "/mnt/xy", "/mnt/x", "/mnt/x/y"].map(holding), [27, 27, 45, 45]);
});

Deno.test("bind mounts of parts are not mounts of their own", () => {
  assertEquals(btfuseMounts(mounts).map((entry) => entry.mountId), [42, 43]);
});

Deno.test("under is by whole names", () => {
  assertEquals([
    isUnder("/a/b", "/a"),
    isUnder("/ab", "/a"),
    isUnder("/a", "/a"),
    isUnder("/x", "/"),
  ], [
    true,
    false,
    true,
    true,
  ]);
});

Deno.test("a mount is not taken for the next one, which gets its number", () => {
  const line = (device: string, path: string, source: string) =>
    `36 35 ${device} / ${path} rw - fuse.btfuse ${source} rw,user_id=0\n`;
  const [ours] = parseMounts(line("0:40", "/mnt", "mine"));
  const later = [
    ...parseMounts(line("0:40", "/moved", "mine")),
    ...parseMounts(line("0:40", "/mnt", "theirs")),
    ...parseMounts(line("0:41", "/mnt", "mine")),
    ...parseMounts("36 35 0:40 / /mnt rw - tmpfs mine rw\n"),
  ];
  assertEquals(later.map((entry) => isSameMount(entry, ours)), [true, false, false, false]);
});
