/** The list of commands. A command's module is loaded when it runs, so that each start loads only what it needs. */
import { closest, UsageError } from "./arguments.ts";

export interface Command {
  /** Printed by `-h`. */
  help: string;
  /** @returns the exit code */
  run(args: string[]): number | Promise<number>;
}

interface Entry {
  summary: string;
  load(): Promise<Command>;
}

export const commands: Record<string, Entry> = {
  mount: { summary: "mount an in-memory file system", load: () => import("./mount.ts") },
  umount: { summary: "unmount it and free its memory", load: () => import("./umount.ts") },
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
  const command = await findCommand(name).load();
  if (asksForHelp(args)) {
    console.log(command.help);
    return 0;
  }
  return await command.run(args);
}

function asksForHelp(args: string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? undefined : end).some((arg) => arg === "-h" || arg === "--help");
}
