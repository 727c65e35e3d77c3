/** btfuse: an in-memory file system for FUSE. This file only dispatches and turns errors into exit codes. */
import { UsageError } from "./src/cli/arguments.ts";
import { isCommand, runCommand } from "./src/cli/commands.ts";

/** @returns 0 done, 1 failed, 2 the command line makes no sense */
async function main(args: string[]): Promise<number> {
  try {
    const [name, rest] = commandOf(args);
    return await runCommand(name, rest);
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`btfuse: ${error.message}`);
      console.error(`'btfuse help${isCommand(args[0]) ? ` ${args[0]}` : ""}' explains`);
      return 2;
    }
    console.error(`btfuse: ${describe(error)}`);
    return 1;
  }
}

function commandOf(args: string[]): [string, string[]] {
  const [first, ...rest] = args;
  if (first === undefined) throw new UsageError("a command is missing");
  if (first === "-h" || first === "--help") return ["help", []];
  if (first === "-V" || first === "--version") return ["version", rest];
  return isHelperForm(args) ? ["mount", ["--source", ...args]] : [first, rest];
}

/** `btfuse NAME DIR -o OPTIONS`: so mount.fuse3 calls it for mount(8), always with -o. */
function isHelperForm(args: string[]): boolean {
  return args.length === 4 && args[2] === "-o" && !args[0].startsWith("-") &&
    !isCommand(args[0]);
}

/** What the user can do something about has a message; anything else is a bug, and the stack helps. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const isBug = [TypeError, RangeError, ReferenceError].some((type) => error instanceof type);
  return isBug ? error.stack ?? error.message : error.message;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
