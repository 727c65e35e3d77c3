/** `btfuse doctor` */
import { hasCapabilities } from "../../ffi/process.ts";
import { inspect, objectOfMount } from "../daemon/inspect.ts";
import { messageOf } from "../daemon/failure.ts";
import { type MountEntry, mountHolding, mountUid, readMounts } from "../daemon/mountinfo.ts";
import { currentUid } from "../daemon/shared_objects.ts";
import { chooseMount, preloadLibrary } from "./accelerated.ts";
import { parseCommandLine, splitCommand, UsageError } from "./arguments.ts";
import { COMMAND_VALUE_OPTIONS } from "./commands.ts";
import { type ElfFile, MACHINE_X86_64, readElf } from "./elf.ts";
import { ownCallReasons } from "./own_calls.ts";
import { findProgram } from "./programs.ts";

export const help = `usage: btfuse doctor [--mount DIR] [--] COMMAND [ARGUMENTS]

Says whether COMMAND gets direct access to a mount under 'btfuse run', and if not, why; then it works through
the kernel. COMMAND is not run. Exit code 0: it does; 1: it does not.

  --mount DIR   the mount (default: the one that holds the working directory, else your only one)

Example: btfuse doctor --mount /mnt/scratch git status`;

export function run(args: string[]): number {
  const { own, command } = splitCommand(args, COMMAND_VALUE_OPTIONS);
  const { values } = parseCommandLine(own, { values: ["mount"] });
  if (command.length === 0) throw new UsageError("doctor takes a command");
  const mount = chooseMount(values.mount.at(-1));
  const diagnosis: Diagnosis = { steps: [], reasons: [] };
  examine(command, diagnosis);
  diagnosis.reasons.push(...mountReasons(mount), ...libraryReasons(diagnosis.interpreter));
  const { steps, reasons } = diagnosis;
  const verdict = reasons.length === 0
    ? [`${command[0]} gets direct access to ${mount.mountPoint}`]
    : [`${command[0]} works through the kernel only:`, ...reasons.map((reason) => `  ${reason}`)];
  console.log([...steps, ...verdict].join("\n"));
  return reasons.length === 0 ? 0 : 1;
}

interface Diagnosis {
  /** What was found on the way, one line each. */
  steps: string[];
  /** Why the library cannot work; empty: it can. */
  reasons: string[];
  /** The dynamic loader of the program that runs in the end. */
  interpreter?: string;
}

/** As the kernel's limit for scripts that are run by scripts. */
const SCRIPT_DEPTH_MAX = 5;

/** Follows a command to the program that runs in the end. */
function examine(command: string[], diagnosis: Diagnosis): void {
  for (let depth = 0, words = command; depth <= SCRIPT_DEPTH_MAX; depth++) {
    const file = findProgram(words[0], Deno.env.get("PATH"));
    if (file === undefined) return void diagnosis.reasons.push(`${words[0]} was not found`);
    const next = nextCommand(file, words, diagnosis);
    if (next === undefined) return;
    words = next;
  }
  diagnosis.reasons.push("scripts run each other without end");
}

/** Adds what this file says. @returns the command that it leads to, undefined when it is the last */
function nextCommand(file: string, words: string[], d: Diagnosis): string[] | undefined {
  let start: string;
  let elf: ElfFile | undefined;
  try {
    start = firstLine(file);
    elf = readElf(file);
  } catch (error) {
    return void d.reasons.push(`${file} cannot be read: ${messageOf(error)}`);
  }
  if (elf === undefined) {
    const interpreter = scriptInterpreter(start);
    d.steps.push(`${file}: a script, run by ${interpreter.join(" ")}`);
    return interpreter;
  }
  d.reasons.push(...programReasons(file, elf));
  if (elf.interpreter !== undefined) d.interpreter = elf.interpreter;
  // env(1) becomes the program it names, with all that it was given itself.
  const named = file.endsWith("/env") ? words.slice(1).find(isProgramName) : undefined;
  if (named === undefined) return void d.steps.push(`${file}: a program`);
  d.steps.push(`${file}: becomes ${named}`);
  return [named];
}

/** Among the arguments of env(1), such as `-S name=value python3`. */
function isProgramName(word: string): boolean {
  return !word.startsWith("-") && !word.includes("=");
}

function firstLine(path: string): string {
  const lineBytesMax = 256;
  using file = Deno.openSync(path);
  const bytes = new Uint8Array(lineBytesMax);
  const count = file.readSync(bytes) ?? 0;
  return new TextDecoder().decode(bytes.subarray(0, count)).split("\n")[0];
}

/** A file that is neither a program nor says who runs it: execvp(3) gives it to the shell. */
function scriptInterpreter(line: string): string[] {
  const words = line.startsWith("#!") ? line.slice(2).trim().split(/\s+/) : [];
  return words.length === 0 || words[0] === "" ? ["/bin/sh"] : words;
}

function programReasons(file: string, elf: ElfFile): string[] {
  const { bits, machine, interpreter, isGo } = elf;
  if (bits !== 64 || machine !== MACHINE_X86_64) {
    return [
      `${file} is for another machine (${bits} bits, ELF machine ${machine}), the library for x86-64`,
    ];
  }
  if (interpreter === undefined) return [`${file} is static: nothing can be loaded before it`];
  const reasons: string[] = [];
  if (!interpreter.endsWith("/ld-linux-x86-64.so.2")) {
    const library = interpreter.includes("musl") ? "musl" : interpreter;
    reasons.push(`${file} uses another C library (${library}), ours needs glibc`);
  }
  if (isGo) reasons.push(`${file} is a Go program: it calls the kernel without the C library`);
  else if (reasons.length === 0) {
    reasons.push(...ownCallReasons(Deno.realPathSync(file), interpreter));
  }
  if (isSecure(file)) {
    reasons.push(
      `${file} runs with another user's or group's rights, or with capabilities: ld.so(8) ignores LD_PRELOAD`,
    );
  }
  return reasons;
}

/** Whether the kernel sets AT_SECURE for the program, see getauxval(3). */
function isSecure(file: string): boolean {
  const real = Deno.realPathSync(file);
  if (mountHolding(readMounts(), real)?.options.includes("nosuid")) return false;
  const info = Deno.statSync(real);
  const mode = info.mode ?? 0;
  const otherUser = (mode & 0o4000) !== 0 && info.uid !== currentUid();
  const otherGroup = (mode & 0o2010) === 0o2010 && info.gid !== Deno.gid();
  return otherUser || otherGroup || (currentUid() !== 0 && hasCapabilities(real));
}

function mountReasons(mount: MountEntry): string[] {
  const uid = mountUid(mount);
  if (uid !== currentUid()) {
    return [`${mount.mountPoint} was mounted by user ${uid}: only that user has direct access`];
  }
  const { problem, daemonRuns } = inspect(objectOfMount(mount));
  if (problem !== "") return [problem];
  return daemonRuns
    ? []
    : [`the daemon of ${mount.mountPoint} is not a process of this system, or died`];
}

/** @param interpreter the dynamic loader; its C library lies beside it */
function libraryReasons(interpreter: string | undefined): string[] {
  let library: string;
  try {
    library = preloadLibrary();
  } catch (error) {
    return [messageOf(error)];
  }
  if (interpreter === undefined) return [];
  const missing = missingVersions(library.replace("$PLATFORM", "x86_64"), interpreter);
  return missing.length === 0
    ? []
    : [`its C library is too old: it has no ${missing.join(", ")}, which our library needs`];
}

function missingVersions(library: string, interpreter: string): string[] {
  try {
    const directory = Deno.realPathSync(interpreter).replace(/\/[^/]*$/, "");
    const defined = readElf(`${directory}/libc.so.6`)?.versionsDefined ?? [];
    const needed = readElf(library)?.versionsNeeded ?? [];
    return defined.length === 0
      ? []
      : needed.filter((version) => version.startsWith("GLIBC_") && !defined.includes(version));
  } catch {
    return []; // Not where it usually is: the loader will find out.
  }
}
