/** Finding the file of a command as execvp(3) does. */

/** What the C library takes when PATH is not set. */
const DEFAULT_PATH = "/bin:/usr/bin";

/** Files that a command may mean, in the order in which they are tried. */
export function candidates(command: string, path = DEFAULT_PATH): string[] {
  if (command === "") return [];
  if (command.includes("/")) return [command];
  return path.split(":").map((directory) => `${directory || "."}/${command}`);
}

/** The first of them that can be executed, undefined when there is none. */
export function findProgram(command: string, path?: string): string | undefined {
  return candidates(command, path).find((file) => {
    try {
      const info = Deno.statSync(file);
      return info.isFile && ((info.mode ?? 0) & 0o111) !== 0;
    } catch {
      return false;
    }
  });
}
