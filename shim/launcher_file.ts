/** The one-file executable made with our own launcher; the format is described in payload.zig. */

import { type Embedded, ROOT, run, ZIG_OUT } from "./build_common.ts";

export async function packWithLauncher(contents: Embedded, output: string): Promise<"launcher"> {
  const directory = Deno.makeTempDirSync({ prefix: "btfuse-build-" });
  const unfinished = `${output}.new`;
  try {
    const scripts = await bundle(contents.scripts, directory);
    const parts = [
      // Deno under our name: that is what `ps` and `pgrep` show.
      `btfuse=${Deno.execPath()}`,
      ...[...scripts, ...contents.libraries].map((path) => `${baseName(path)}=${path}`),
    ];
    const launcher = `${ZIG_OUT}/bin/btfuse-launcher`;
    await run([`${ZIG_OUT}/bin/btfuse-pack`, unfinished, launcher, ...parts]);
    // Renamed when complete: a running btfuse keeps the file it was started from.
    Deno.renameSync(unfinished, output);
    return "launcher";
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Puts each script with all its imports into one JavaScript file; returns their paths. */
async function bundle(scripts: string[], directory: string): Promise<string[]> {
  const options = ["--quiet", "--platform=deno", `--outdir=${directory}`];
  await run([Deno.execPath(), "bundle", ...options, ...scripts]);
  return scripts.map((path) => path.replace(ROOT, directory).replace(/\.ts$/, ".js"));
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
