/** Command lines that make no sense, help and version: everything that never mounts. */
import { assertEquals, assertMatch } from "@std/assert";
import { canRun } from "../support/mounts.ts";
import { btfuse, btfuseOk, refuses } from "./support.ts";

const misused: [args: string[], message: RegExp][] = [
  [[], /a command is missing/],
  [["frobnicate"], /unknown command 'frobnicate'\n/],
  [["unmount", "/tmp"], /unknown command 'unmount', did you mean 'umount'\?/],
  [["toString"], /unknown command 'toString'/],
  [["mount"], /one directory, not 0/],
  [["mount", "/a", "/b"], /one directory, not 2/],
  [["mount", "--sise", "1G", "/tmp"], /unknown option --sise, did you mean --size\?/],
  [["mount", "--frobnicate", "/tmp"], /unknown option --frobnicate\n/],
  [["mount", "-q", "/tmp"], /unknown option -q\n/],
  [["mount", "--size", "--name", "x", "/tmp"], /option --size needs a value/],
  [["mount", "--size", "12Q", "/tmp"], /size '12Q' is no size/],
  [["mount", "--size", "-1", "/tmp"], /--size needs a value|unknown option -1/],
  [["mount", "--size", "0", "/tmp"], /size '0' is below the smallest, 1M/],
  [["mount", "--size", "9000000T", "/tmp"], /size '9000000T' is above the largest, 8\.00T/],
  [["mount", "-o", "size=much", "/tmp"], /size 'much' is no size/],
  [["mount", "--inodes", "few", "/tmp"], /inode count 'few' is no count/],
  [["mount", "--inodes", "0", "/tmp"], /inode count 0/],
  [["mount", "--name", "a/b", "/tmp"], /name 'a\/b' is not possible/],
  [["mount", "--name", "x".repeat(65), "/tmp"], /is not possible: 1 to 64/],
  [["mount", "--cache", "some", "/tmp"], /cache mode 'some' is unknown: auto or none/],
  [["mount", "-o", "ro,frobnicate", "/tmp"], /unknown mount option 'frobnicate'/],
  [["mount", "-o", "mode=999", "/tmp"], /mode '999' is no octal number/],
  [["bad name", "/tmp", "-o", "rw"], /name 'bad name' is not possible/],
  [["umount"], /one directory or name, not 0/],
  [["umount", "--forse", "/tmp"], /unknown option --forse, did you mean --force\?/],
  [["run"], /run takes a command/],
  [["run", "--mount", "/tmp"], /run takes a command/],
  [["run", "--mout", "/tmp", "ls"], /unknown option --mout, did you mean --mount\?/],
  [["doctor", "--"], /doctor takes a command/],
  [["env", "/a", "/b"], /env takes one directory at most, not 2/],
  [["status", "/tmp"], /status takes no argument '\/tmp'/],
  [["check"], /one directory or name, not 0/],
  [["version", "--jsno"], /unknown option --jsno, did you mean --json\?/],
  [["help", "frobnicate"], /unknown command 'frobnicate'/],
];

for (const [args, message] of misused) {
  Deno.test({
    name: `exit code 2: btfuse ${args.join(" ").slice(0, 60)}`,
    ignore: !canRun,
    fn: () => refuses(args, { code: 2, message }),
  });
}

Deno.test({
  name: "each command explains itself with an example",
  ignore: !canRun,
  async fn() {
    const overview = await btfuseOk(["help"]);
    const names = [...overview.matchAll(/^ {2}(\w+) {2,}/gm)].map((match) => match[1] ?? "");
    assertEquals(names, [
      "mount",
      "umount",
      "run",
      "env",
      "doctor",
      "status",
      "check",
      "version",
      "help",
    ]);
    for (const name of names) {
      const text = await btfuseOk([name, "-h"]);
      assertMatch(text, new RegExp(`^usage: btfuse ${name}\\b[^]*\nExample: btfuse ${name}`));
      assertEquals(await btfuseOk(["help", name]), text);
    }
  },
});

Deno.test({
  name: "version names everything it runs on",
  ignore: !canRun,
  async fn() {
    const versions = JSON.parse(await btfuseOk(["version", "--json"]));
    assertMatch(versions.libfuse, /^3\.\d+/);
    assertEquals(versions.kernel, Deno.osRelease());
    assertMatch(versions.build, /^(source|launcher|deno compile)$/);
    const { code, stdout } = await btfuse(["--version"]);
    assertEquals(code, 0);
    for (const version of Object.values(versions)) {
      assertEquals(stdout.includes(` ${version}\n`), true, `${version} in\n${stdout}`);
    }
  },
});
