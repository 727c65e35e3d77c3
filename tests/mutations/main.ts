/**
 * Whether the tests in plain memory would notice: each of MUTATIONS is made, alone, to a copy of the sources, and the tests are run
 * over it. A mutation that no test fails of is a survivor, printed at the end; the exit code is then 1.
 *
 *     deno run -A tests/mutations/main.ts [--only TEXT]    TEXT: part of a file's name or of a mutation
 *
 * Some seconds for each, some minutes for all of them.
 */
import { MUTATIONS } from "./mutations.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const COPIED = ["src", "ffi", "deno.json", "deno.lock", "tests/core", "tests/ops", "tests/support"];
const TESTS = ["tests/core", "tests/ops"];
/** A mutation may well make something endless. */
const LIMIT_MS = 120_000;

const only = Deno.args[0] === "--only" ? Deno.args[1] ?? "" : "";
if (Deno.args.length > 0 && only === "") {
  console.error("usage: deno run -A tests/mutations/main.ts [--only TEXT]");
  Deno.exit(2);
}

/** Without native parts, as `deno test` without any permission. @returns whether all tests passed */
async function passes(directory: string, shown = false): Promise<boolean> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "--no-check", "--no-prompt", "--fail-fast", "--quiet", ...TESTS],
    cwd: directory,
    stdout: shown ? "inherit" : "null",
    stderr: "null",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const { success } = await child.status;
  clearTimeout(timer);
  return success;
}

async function copy(directory: string): Promise<void> {
  for (const path of COPIED) {
    const parent = `${directory}/${path}`.replace(/\/[^/]*$/, "");
    Deno.mkdirSync(parent, { recursive: true });
    const { success } = await new Deno.Command("cp", { args: ["-r", `${ROOT}${path}`, parent] })
      .output();
    if (!success) throw new Error(`cannot copy ${path}`);
  }
}

const directory = Deno.makeTempDirSync({ prefix: "btfuse-mutations-" });
const survivors: string[] = [];
try {
  await copy(directory);
  if (!await passes(directory, true)) throw new Error("the tests fail without any mutation");
  for (const [file, from, to] of MUTATIONS) {
    const name = `${file}: ${from} → ${to}`;
    if (!name.includes(only)) continue;
    const path = `${directory}/src/${file}`;
    const original = Deno.readTextFileSync(path);
    if (original.split(from).length !== 2) throw new Error(`${name}: not exactly once in the file`);
    Deno.writeTextFileSync(path, original.replace(from, () => to));
    const survived = await passes(directory);
    console.log(`${survived ? "SURVIVED" : "caught  "} ${name}`);
    if (survived) survivors.push(name);
    Deno.writeTextFileSync(path, original);
  }
} finally {
  Deno.removeSync(directory, { recursive: true });
}
console.log(`${survivors.length} survivors${survivors.map((each) => `\n  ${each}`).join("")}`);
Deno.exitCode = survivors.length > 0 ? 1 : 0;
