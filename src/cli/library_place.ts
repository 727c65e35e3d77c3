/**
 * Where the preloaded library lies for programs to load: LD_PRELOAD goes from program to program, to those of other
 * users, in other root directories and of 32 bits too, and whoever cannot load what it names says so on standard error.
 *
 * So the library is copied out of the user's cache, which nobody else may enter and which people delete, to a public
 * place: for root below /run, else below /tmp. Everybody may read it there; nobody but its owner may write any
 * directory of it, and the content is compared at each use. The tree below the place:
 *
 * ```
 * preload-HASH/before-libasan.so → platforms
 * preload-HASH/platforms/x86_64/libbtfuse_preload.so
 *                        haswell, xeon_phi → x86_64
 *                        i686/libbtfuse_preload.so      the one for 32-bit programs, which does nothing
 *                        i386, i486, i586 → i686
 * ```
 *
 * - `$PLATFORM` in LD_PRELOAD means one of these names to each program's own dynamic linker (ld.so(8)), so where 32-bit
 *   programs can run at all they find the library that they can load.
 * - A program built with AddressSanitizer refuses to start unless the first library of the process is the sanitizer's,
 *   which it tells by "libasan.so" being somewhere in the path by which that was loaded. Ours does no harm in front of it, and
 *   so has it. With the sanitizer linked statically a program refuses to start when that is in the path of any file that it
 *   has mapped; the kernel shows such paths without symbolic links, so a link has the name.
 *
 * What cannot be reached after a change of root directory or rights, the library itself takes out of the environment of
 * programs that are started (shim/preload/exec_environment.zig, which knows this tree too).
 */
import {
  effectiveUser,
  identityOf,
  isLoadable,
  isSameContent,
  nameOfContent,
} from "../../ffi/files.ts";
import { findLibrary } from "../../ffi/library_path.ts";

const LIBRARY_NAME = "libbtfuse_preload.so";
const SANITIZER_LINK = "before-libasan.so";
const PLATFORMS = "platforms";
const PLATFORM = "x86_64";
const PLATFORM_32BIT = "i686";
/** What dynamic linkers call the same machines, by version and processor. */
const platformAliases: Record<string, string> = {
  haswell: PLATFORM,
  xeon_phi: PLATFORM,
  i386: PLATFORM_32BIT,
  i486: PLATFORM_32BIT,
  i586: PLATFORM_32BIT,
};
/** The dynamic linker that every 32-bit program names. */
const LINKER_32BIT = "/lib/ld-linux.so.2";

/** @returns the library's path as LD_PRELOAD can name it: absolute, perhaps with `$PLATFORM` in it */
export function placeLibrary(): string {
  const source = findLibrary("libbtfuse_preload.so");
  for (const place of publicPlaces(effectiveUser())) {
    const path = copyTo(place, source);
    if (path !== undefined) return path;
  }
  return source;
}

function publicPlaces(uid: number): string[] {
  return uid === 0
    ? ["/run/btfuse", "/var/lib/btfuse", "/tmp/btfuse-library-0"]
    : [`/tmp/btfuse-library-${uid}`, `/var/tmp/btfuse-library-${uid}`];
}

/**
 * Copies the libraries to a place. Exported for its test only.
 * @returns undefined: this place cannot be used, or not be trusted
 */
export function copyTo(place: string, source: string): string | undefined {
  const parent = identityOf(place.slice(0, place.lastIndexOf("/")));
  if (parent === undefined || !keepsNames(parent.uid, parent.mode)) return undefined;
  const version = `preload-${nameOfContent(source)}`;
  const tree = `${place}/${version}/${PLATFORMS}`;
  try {
    makePublicDirectories(place, [version, PLATFORMS]);
    placeFile(`${tree}/${PLATFORM}`, source);
    placeFile(`${tree}/${PLATFORM_32BIT}`, findLibrary("libbtfuse_preload_32bit.so"));
    for (const [name, target] of Object.entries(platformAliases)) {
      placeLink(`${tree}/${name}`, target);
    }
    placeLink(`${place}/${version}/${SANITIZER_LINK}`, PLATFORMS);
  } catch {
    return undefined; // It is full, read-only, or not ours: the next place may do.
  }
  const start = `${place}/${version}/${SANITIZER_LINK}`;
  const path = `${start}/${PLATFORM}/${LIBRARY_NAME}`;
  if (!isLoadable(path)) return undefined;
  const anyPlatform = `${start}/$PLATFORM/${LIBRARY_NAME}`;
  return identityOf(LINKER_32BIT) !== undefined && isUnderstood(anyPlatform, tree)
    ? anyPlatform
    : path;
}

/** Whether nobody but root can rename or remove in a directory what is ours. */
function keepsNames(uid: number, mode: number): boolean {
  const isSticky = (mode & 0o1000) !== 0;
  return uid === 0 && (isSticky || (mode & 0o022) === 0);
}

/** @throws one is there that somebody else could write */
function makePublicDirectories(place: string, below: string[]): void {
  let path = place;
  for (const name of [undefined, ...below]) {
    if (name !== undefined) path += `/${name}`;
    makePublicDirectory(path);
  }
}

function makePublicDirectory(path: string): void {
  try {
    Deno.mkdirSync(path, { mode: 0o755 });
    Deno.chmodSync(path, 0o755); // whatever the umask
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  const found = identityOf(path);
  if (!found?.isDirectory || found.uid !== effectiveUser() || found.mode !== 0o755) {
    throw new Error(`${path} must be a directory of this user with mode 0755`);
  }
}

/** Puts the library into a directory, unless it is there already. */
function placeFile(directory: string, source: string): void {
  makePublicDirectory(directory);
  const path = `${directory}/${LIBRARY_NAME}`;
  const found = identityOf(path);
  if (
    found?.isFile && found.uid === effectiveUser() && found.mode === 0o644 &&
    isSameContent(path, source)
  ) return;
  // Renamed when complete: a program that starts now sees all of it or nothing.
  const unfinished = `${directory}/.${Deno.pid}`;
  Deno.writeFileSync(unfinished, Deno.readFileSync(source), { mode: 0o644 });
  Deno.chmodSync(unfinished, 0o644);
  Deno.renameSync(unfinished, path);
}

function placeLink(path: string, target: string): void {
  try {
    Deno.symlinkSync(target, path);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists) || Deno.readLinkSync(path) !== target) {
      throw error;
    }
  }
}

/** Whether this machine's dynamic linker finds the library there, without a word. Tried once: a file in the tree says so. */
function isUnderstood(path: string, tree: string): boolean {
  const understood = `${tree}/platform-is-understood`;
  if (identityOf(understood)?.uid === effectiveUser()) return true;
  try {
    const { success, stderr } = new Deno.Command("/bin/true", {
      env: { LD_PRELOAD: path },
      clearEnv: true,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).outputSync();
    if (!success || stderr.length > 0) return false;
    Deno.writeTextFileSync(understood, "");
    return true;
  } catch {
    return false;
  }
}
