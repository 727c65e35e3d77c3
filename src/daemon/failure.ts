/** Something outside the program is in the way: the message says what and what to do. Ends a command with exit code 1. */
export class Failure extends Error {
  override name = "Failure";
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
