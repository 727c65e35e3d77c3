/** The list of commands. A command's module is loaded when it runs, so that each start loads only what it needs. */
import { closest, splitCommand, UsageError } from "./arguments.ts";

export interface Command {
  /** Printed by `-h`. */
  help: string;
  /** @returns the exit code */
  run(args: string[]): number | Promise<number>;
}

interface Entry {
  summary: string;
  load(): Promise<Command>;
  /** Its arguments end in another command: what stands there is not for us. */
  takesCommand?: true;
}

/** Options of such commands that have a value. */
export const COMMAND_VALUE_OPTIONS = ["--mount"];

export const commands: Record<string, Entry> = {
  mount: { summary: "mount an in-memory file system", load: () => import("./mount.ts") },
  umount: { summary: "unmount it and free its memory", load: () => import("./umount.ts") },
  run: {
    summary: "run a program with direct access",
    load: () => import("./run.ts"),
    takesCommand: true,
  },
  env: { summary: "print the environment for direct access", load: () => import("./env.ts") },
  doctor: {
    summary: "say whether a program gets direct access",
    load: () => import("./doctor.ts"),
    takesCommand: true,
  },
  status: { summary: "list mounts and how full they are", load: () => import("./status.ts") },
  check: { summary: "verify the structures of a mount", load: () => import("./check.ts") },
  version: { summary: "print versions", load: () => import("./version.ts") },
  help: { summary: "explain a command", load: () => import("./help.ts") },
};

export function isCommand(name: string | undefined): name is string {
  return name !== undefined && Object.hasOwn(commands, name);
}

/** @throws {UsageError} there is no such command */
export function findCommand(name: string): Entry {
  if (isCommand(name)) return commands[name];
  const likely = closest(name, Object.keys(commands));
  throw new UsageError(
    `unknown command '${name}'${likely === undefined ? "" : `, did you mean '${likely}'?`}`,
  );
}

/** @returns the exit code */
export async function runCommand(name: string, args: string[]): Promise<number> {
  const entry = findCommand(name);
  const command = await entry.load();
  if (asksForHelp(entry.takesCommand ? splitCommand(args, COMMAND_VALUE_OPTIONS).own : args)) {
    console.log(command.help);
    return 0;
  }
  return await command.run(args);
}

function asksForHelp(args: string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? undefined : end).some((arg) => arg === "-h" || arg === "--help");
}
