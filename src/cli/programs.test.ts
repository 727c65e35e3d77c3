import { assertEquals } from "@std/assert";
import { candidates } from "./programs.ts";

Deno.test("a command means files in the directories of PATH, or the file it names", () => {
  assertEquals(candidates("ls", "/bin:/usr/bin"), ["/bin/ls", "/usr/bin/ls"]);
  assertEquals(candidates("ls", ":/bin:"), ["./ls", "/bin/ls", "./ls"]);
  assertEquals(candidates("ls"), ["/bin/ls", "/usr/bin/ls"]);
  assertEquals(candidates("./ls", "/bin"), ["./ls"]);
  assertEquals(candidates("", "/bin"), []);
});
