import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "./arguments.ts";
import { parseMountOptions } from "./mount_options.ts";

Deno.test("options are ours, libfuse's, or nobody's", () => {
  const fstab = "rw,noauto,nofail,_netdev,user=me,x-systemd.automount,X-any=1,comment=two words";
  assertEquals(parseMountOptions(["size=1G,nr_inodes=5", fstab, "allow_other,,noexec"], false), {
    own: { size: "1G", inodes: "5" },
    passed: ["rw", "allow_other", "noexec"],
  });
});

Deno.test("root gets suid and dev unless told otherwise: the last one counts", () => {
  assertEquals(parseMountOptions(["nosuid"], true).passed, ["suid", "dev", "nosuid"]);
});

Deno.test("unknown options are refused by name", () => {
  // Those of the second line would change what the daemon relies on.
  for (
    const option of ["frobnicate", "x", "sizes=1G", "size", "modes", "toString", "toString=1"]
      .concat(["fsname=x", "subtype=x", "fd=3", "allow_root", "max_read=1"])
  ) {
    assertThrows(() => parseMountOptions(["ro", option], false), UsageError, `'${option}'`);
  }
});
