/**
 * The one-file executable made by `deno compile`. It needs `denort`, the base binary that Deno
 * downloads once for each of its versions, or that DENORT_BIN names.
 */

import { type Embedded, run } from "./build_common.ts";

const DOWNLOAD_HOST = "https://dl.deno.land";
const PROBE_TIMEOUT_MS = 5_000;
const COMPILE_TIMEOUT_MS = 300_000;

/** Arguments after `deno`; a test compares them with what the program needs. */
export function compileArguments({ scripts, libraries }: Embedded, output: string): string[] {
  const [main, ...workers] = scripts;
  return [
    "compile",
    "--allow-all",
    "--no-prompt",
    // The code cache would be a file in /tmp that another user can place there first.
    "--no-code-cache",
    "--exclude-unused-npm",
    ...[...workers, ...libraries].flatMap((path) => ["--include", path]),
    "--output",
    output,
    main,
  ];
}

/** Null: not possible here; standard error says why in one line. */
export async function compile(
  contents: Embedded,
  output: string,
): Promise<"deno compile" | null> {
  const unfinished = `${output}.new`;
  try {
    await ensureDenort();
    await run([Deno.execPath(), ...compileArguments(contents, unfinished)], {
      capture: true,
      timeoutMs: COMPILE_TIMEOUT_MS,
    });
    await probe(unfinished);
    Deno.renameSync(unfinished, output);
    return "deno compile";
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    console.error(`build: no deno compile, ${reason.replaceAll(/\s+/g, " ")}`);
    return null;
  }
}

/** Looks before `deno compile` does, which would wait for long where the network is closed. */
async function ensureDenort(): Promise<void> {
  if (Deno.env.has("DENORT_BIN")) return;
  const path = `release/v${Deno.version.deno}/denort-${Deno.build.target}.zip`;
  const info = JSON.parse(await run([Deno.execPath(), "info", "--json"], { capture: true }));
  try {
    if (Deno.statSync(`${info.denoDir}/dl/${path}`).isFile) return;
  } catch {
    // Not downloaded yet.
  }
  const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  const response = await fetch(`${DOWNLOAD_HOST}/${path}`, { method: "HEAD", signal }).catch(() => {
    throw new Error(
      `its base binary is not in Deno's cache and cannot be had from ${DOWNLOAD_HOST}`,
    );
  });
  if (!response.ok) throw new Error(`its base binary: ${response.url} answers ${response.status}`);
}

/** Throws when the new executable does not work: then the launcher is the better choice. */
async function probe(executable: string): Promise<void> {
  const version = await run([executable, "version"], { capture: true });
  if (!version.includes("deno compile")) throw new Error(`version says ${version.trim()}`);
  try {
    Deno.openSync("/dev/fuse", { read: true, write: true }).close();
  } catch {
    return; // No mount is possible here, whatever the executable.
  }
  const directory = Deno.makeTempDirSync({ prefix: "btfuse-build-" });
  try {
    await run([executable, "mount", "--size", "16M", directory], { capture: true });
    try {
      Deno.writeTextFileSync(`${directory}/file`, "probe");
      if (Deno.readTextFileSync(`${directory}/file`) !== "probe") throw new Error("wrong content");
    } finally {
      await run([executable, "umount", directory], { capture: true });
    }
  } finally {
    Deno.removeSync(directory);
  }
}
