/** Where this program's own native libraries are; see build_kind.ts for the three shapes. */

import { buildKind } from "./build_kind.ts";

/**
 * Path of a library of ours that `Deno.dlopen` can open, for example of "libbtfuse_native.so".
 * Throws an error that names the path tried.
 */
export function findLibrary(name: string): string {
  const kind = buildKind();
  const relative = kind === "launcher" ? `./${name}` : `../shim/zig-out/lib/${name}`;
  const path = new URL(relative, import.meta.url).pathname;
  if (!mayBeFile(path)) {
    throw new Error(`cannot load ${name}: there is no ${path}; "./dev build" makes it`);
  }
  return kind === "deno compile" ? unpackLibrary(name, path) : path;
}

/**
 * Copies a library out of the executable, where dlopen cannot reach it, into the user's cache. The
 * directory is named by the content, so that another version's copy is never replaced while in use.
 * Exported for its test only.
 */
export function unpackLibrary(name: string, embeddedPath: string): string {
  const content = Deno.readFileSync(embeddedPath);
  const problems: string[] = [];
  for (const cache of cacheDirectories()) {
    try {
      const directory = `${cache}/library-${fnv1a(content)}`;
      ensurePrivateDirectory(cache);
      ensurePrivateDirectory(directory);
      const path = `${directory}/${name}`;
      if (mayBeFile(path) && equalBytes(Deno.readFileSync(path), content)) return path;
      // Renamed when complete: a second process starting now sees all of it or nothing.
      const unfinished = `${path}.${Deno.pid}`;
      Deno.writeFileSync(unfinished, content, { mode: 0o700 });
      Deno.renameSync(unfinished, path);
      return path;
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(`cannot unpack ${name}: ${problems.join("; ")}`);
}

/** The same places in the same order as shim/launcher.zig. */
function cacheDirectories(): string[] {
  const uid = Deno.uid();
  const xdg = Deno.env.get("XDG_CACHE_HOME");
  const home = Deno.env.get("HOME");
  const directories: string[] = [];
  if (xdg?.startsWith("/")) directories.push(`${xdg}/btfuse`);
  // With `sudo` HOME may be another user's: nothing of ours belongs there.
  if (home?.startsWith("/") && ownerOf(home) === uid) directories.push(`${home}/.cache/btfuse`);
  directories.push(uid === 0 ? "/var/cache/btfuse" : `/tmp/btfuse-${uid}`);
  return directories;
}

/** Makes the directory; refuses one in which somebody else could have placed a library. */
function ensurePrivateDirectory(path: string): void {
  Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  const info = Deno.lstatSync(path);
  if (!info.isDirectory || info.uid !== Deno.uid() || ((info.mode ?? 0) & 0o022) !== 0) {
    throw new Error(`${path} must be a directory of yours that only you can write`);
  }
}

function ownerOf(path: string): number | null {
  try {
    return Deno.statSync(path).uid;
  } catch {
    return null;
  }
}

/** Without permission to look, as under `deno test --allow-ffi`, dlopen will tell. */
function mayBeFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    return error instanceof Deno.errors.NotCapable;
  }
}

/** A short name for a content; node:crypto would add 20 ms to every start. */
function fnv1a(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
