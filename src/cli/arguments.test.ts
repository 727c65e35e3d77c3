import { assertEquals, assertThrows } from "@std/assert";
import { closest, parseCommandLine, splitCommand, UsageError } from "./arguments.ts";

const rules = { flags: ["force"], values: ["size", "o"], alias: { f: "force" } };

Deno.test("options in every form, and arguments that look like numbers or options", () => {
  const { flags, values, positional } = parseCommandLine(
    ["-f", "--size=1G", "--size", "2G", "-oro,dev", "-o", "noexec", "007", "--", "--size"],
    rules,
  );
  assertEquals([...flags], ["force"]);
  assertEquals(values, { size: ["1G", "2G"], o: ["ro,dev", "noexec"] });
  assertEquals(positional, ["007", "--size"]);
});

Deno.test("what was not given is empty", () => {
  const { flags, values, positional } = parseCommandLine([], rules);
  assertEquals({ flags: flags.size, values, positional }, {
    flags: 0,
    values: { size: [], o: [] },
    positional: [],
  });
});

Deno.test("unknown options and missing values are refused by name", () => {
  const refused: Record<string, string> = {
    "--siez": "unknown option --siez, did you mean --size?",
    "--verbose=1": "unknown option --verbose",
    "-x": "unknown option -x",
    "-fx": "unknown option -x",
    "--size": "option --size needs a value",
    "-o": "option -o needs a value",
  };
  for (const [argument, message] of Object.entries(refused)) {
    const error = assertThrows(() => parseCommandLine([argument], rules), UsageError);
    assertEquals(error.message, message);
  }
});

Deno.test("a command at the end of a command line keeps its own options", () => {
  const parted: [args: string, own: string, command: string][] = [
    ["ls -l --mount x", "", "ls -l --mount x"],
    ["--mount /mnt ls -- -h", "--mount /mnt", "ls -- -h"],
    ["--mount=/mnt -- --ls", "--mount=/mnt", "--ls"],
    ["-h ls", "-h", "ls"],
    ["- x", "", "- x"],
    ["--", "", ""],
    ["--mount", "--mount", ""],
  ];
  const words = (text: string) => text.split(" ").filter((word) => word !== "");
  for (const [args, own, command] of parted) {
    const expected = { own: words(own), command: words(command) };
    assertEquals(splitCommand(words(args), ["--mount"]), expected, args);
  }
});

Deno.test("the closest word differs in two letters at most", () => {
  const known = ["mount", "umount", "status"];
  assertEquals(["unmount", "mout", "stat", "x", "check"].map((word) => closest(word, known)), [
    "umount",
    "mount",
    "status",
    undefined,
    undefined,
  ]);
});
