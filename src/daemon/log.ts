/**
 * Messages of the daemon. In the foreground stderr is the terminal; in the background it is a log file, which
 * the daemon removes when it ends well and which stays when something failed.
 */
import { Failure } from "./failure.ts";
import { currentUid, listObjects } from "./shared_objects.ts";

const messageBytesMax = 1 << 20;
const keptDays = 7;

let messageBytesLeft = messageBytesMax;

/** One line to stderr; a daemon that complains for ever cannot fill the disk. */
export function say(text: string): void {
  const line = new TextEncoder().encode(`btfuse: ${text}\n`);
  if (line.length > messageBytesLeft) return;
  messageBytesLeft -= line.length;
  try {
    Deno.stderr.writeSync(line);
  } catch {
    // A full disk or a closed pipe must not keep the daemon from unmounting.
  }
}

/** @returns path of a new, empty log that only this user can read */
export function createLog(name: string): string {
  const reasons: string[] = [];
  for (const directory of logDirectories()) {
    try {
      Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
      requireOwn(directory);
      removeOldLogs(directory);
      const path = `${directory}/${name}.log`;
      // The name is free, so the log of a former mount of this name has served.
      removeLog(path);
      Deno.writeTextFileSync(path, "", { createNew: true, mode: 0o600 });
      return path;
    } catch (error) {
      reasons.push((error as Error).message);
    }
  }
  throw new Failure(`cannot create a log file: ${reasons.join("; ")}`);
}

function logDirectories(): string[] {
  const state = Deno.env.get("XDG_STATE_HOME");
  const home = Deno.env.get("HOME");
  const uid = currentUid();
  const directories: string[] = [];
  if (state?.startsWith("/")) directories.push(`${state}/btfuse`);
  else if (uid === 0) directories.push("/var/log/btfuse");
  else if (home?.startsWith("/")) directories.push(`${home}/.local/state/btfuse`);
  return [...directories, `/tmp/btfuse-log-${uid}`];
}

/** In a directory of somebody else a log could be a link to any file of ours. */
function requireOwn(directory: string): void {
  const info = Deno.lstatSync(directory);
  if (!info.isDirectory || info.uid !== currentUid() || ((info.mode ?? 0) & 0o022) !== 0) {
    throw new Failure(`${directory} is not a directory of yours that only you can write`);
  }
}

function removeOldLogs(directory: string): void {
  const uid = currentUid();
  const inUse = new Set(
    listObjects().filter((object) => object.uid === uid).map(({ name }) => name),
  );
  const before = Date.now() - keptDays * 24 * 3600 * 1000;
  for (const entry of Deno.readDirSync(directory)) {
    const name = entry.name.replace(/\.log$/, "");
    if (name === entry.name || inUse.has(name)) continue;
    const path = `${directory}/${entry.name}`;
    if ((Deno.lstatSync(path).mtime?.getTime() ?? 0) < before) Deno.removeSync(path);
  }
}

/** A log that is gone already is no error. */
export function removeLog(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** @returns the last lines of a log, "" when it is empty */
export function endOfLog(path: string): string {
  const lineCountMax = 20;
  const text = Deno.readTextFileSync(path).trimEnd();
  return text.split("\n").slice(-lineCountMax).join("\n");
}
