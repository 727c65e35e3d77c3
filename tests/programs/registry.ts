/**
 * What tests take from the npm registry. A registry out of reach is a failure that says so, not a skipped test.
 * @module
 */
import { describeFailure, run, type RunOptions } from "../support/mounts.ts";

const UNREACHABLE =
  /EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED|ERR_SOCKET_TIMEOUT/;

/** Runs npm with its usual cache, asking the registry only for what is not there. */
export async function npm(args: string[], options: RunOptions = {}): Promise<string> {
  const command = [
    "npm",
    ...args,
    "--prefer-offline",
    "--loglevel=error",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
  ];
  const result = await run(command, { timeoutMs: 180_000, ...options });
  if (result.code === 0) return result.stdout;
  const reason = result.timedOut || UNREACHABLE.test(result.stderr)
    ? "the npm registry cannot be reached; this test needs the network, or an npm cache filled by an earlier run\n"
    : "";
  throw new Error(reason + describeFailure(command, result));
}

/** Puts the archive of one package into `dir` and returns its path, after checking its integrity. */
export async function fetchPackage(name: string, integrity: string, dir: string): Promise<string> {
  const archive = (await npm(["pack", name], { cwd: dir })).trim();
  const digest = await crypto.subtle.digest("SHA-512", await Deno.readFile(`${dir}/${archive}`));
  const found = `sha512-${btoa(String.fromCharCode(...new Uint8Array(digest)))}`;
  if (found !== integrity) {
    throw new Error(
      `${name} from the npm registry is ${found}, which is not the pinned ${integrity}`,
    );
  }
  return `${dir}/${archive}`;
}
