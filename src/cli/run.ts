/** `btfuse run` */
import { removedDirectory, userEnvironment, userNofileLimit } from "../../ffi/build_kind.ts";
import { EACCES, ENOENT, ENOEXEC, ENOTDIR, enterDirectory, execute } from "../../ffi/process.ts";
import {
  chooseMount,
  PRELOAD_VARIABLE,
  preloadLibrary,
  settingsFor,
  withSettings,
} from "./accelerated.ts";
import { parseCommandLine, splitCommand, UsageError } from "./arguments.ts";
import { COMMAND_VALUE_OPTIONS } from "./commands.ts";
import { candidates } from "./programs.ts";

export const help = `usage: btfuse run [--mount DIR] [--] COMMAND [ARGUMENTS]

Runs a program that reaches a mount's files in shared memory, without the kernel. btfuse becomes that
program: same process, its signals and exit code. Programs it starts have direct access too.
A program that cannot (see 'btfuse doctor') works all the same, through the kernel.

  --mount DIR   the mount (default: the one that holds the working directory, else your only one)

With BTFUSE_REPORT=1 in its environment each program says at its end what went which way. The first few
calls of each program go through the kernel, as many programs make no more; with BTFUSE_EAGER=1 none do.
Exit code 126: COMMAND cannot be executed; 127: it was not found; otherwise its own.

Example: btfuse run --mount /mnt/scratch make -j4`;

const encoder = new TextEncoder();

/** What execvp(3) takes for a file without `#!` that is no program. */
const SHELL = encoder.encode("/bin/sh");
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/** @returns only when the command could not be started */
export function run(args: string[]): number {
  const { own, command } = splitCommand(args, COMMAND_VALUE_OPTIONS);
  const { values } = parseCommandLine(own, { values: ["mount"] });
  if (command.length === 0) throw new UsageError("run takes a command");
  const mount = chooseMount(values.mount.at(-1));
  const settings = settingsFor(mount, preloadLibrary(), Deno.env.get(PRELOAD_VARIABLE));
  const environment = userEnvironment(bytesOf("/proc/self/environ"));
  const directory = removedDirectory();
  if (directory !== undefined) enterDirectory(directory);
  return becomeCommand(
    command[0],
    rawArguments(command.length),
    withSettings(environment, settings),
  );
}

/** The last arguments of this process as bytes; Deno gives text, and a file's name need not be that. */
function rawArguments(count: number): Uint8Array[] {
  return bytesOf("/proc/self/cmdline").slice(-count);
}

/** NUL-ended pieces of a file. */
function bytesOf(path: string): Uint8Array[] {
  const bytes = Deno.readFileSync(path);
  const pieces: Uint8Array[] = [];
  for (let start = 0; start < bytes.length;) {
    const found = bytes.indexOf(0, start);
    const end = found < 0 ? bytes.length : found;
    pieces.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return pieces;
}

/** execvp(3): tries each file the command may mean. */
function becomeCommand(command: string, argv: Uint8Array[], environment: Uint8Array[]): number {
  let reason = ENOENT;
  for (const file of candidates(command, Deno.env.get("PATH"))) {
    const directory = file.slice(0, file.length - command.length);
    const path = joined(encoder.encode(directory), argv[0]);
    let errno = -execute(path, argv, environment, userNofileLimit());
    if (errno === ENOEXEC) {
      errno = -execute(SHELL, [SHELL, path, ...argv.slice(1)], environment, userNofileLimit());
    }
    if (errno === ENOENT || errno === ENOTDIR) continue;
    reason = errno;
    if (errno !== EACCES) break;
  }
  if (reason === ENOENT) {
    console.error(`btfuse: cannot run ${command}: it was not found`);
    return NOT_FOUND;
  }
  const why = reason === EACCES
    ? "no permission to execute it"
    : `execve failed with errno ${reason}`;
  console.error(`btfuse: cannot run ${command}: ${why}`);
  return NOT_EXECUTABLE;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
