/**
 * A directory tree as text, so that two trees can be compared to the last byte: one line a file, sorted.
 * @module
 */
import { assertSame } from "./scenario.ts";
import { runOk } from "../support/mounts.ts";

/** What to leave out of a manifest. */
export interface ManifestOptions {
  /** Leave out modification times, for trees whose files were made at different moments. */
  withoutTimes?: boolean;
  /** Add the allocated blocks of regular files, for sparse files. */
  withBlocks?: boolean;
  /** Leave out link counts of directories, which not every source file system keeps. */
  withoutDirectoryLinks?: boolean;
  /** Add extended attributes, which include POSIX ACLs. */
  withAttributes?: boolean;
}

/** A file as `find -printf` shows it. */
const FIELDS = ["%P", "%y", "%m", "%U:%G", "%s", "%n", "%T@", "%l", "%i", "%b"];

/**
 * Lists a tree: path, type, mode, owner, size, link count, time in ns, link target, names sharing the inode,
 * and SHA-256 of every regular file. The sizes of directories are left out: each file system has its own.
 */
export async function manifest(dir: string, options: ManifestOptions = {}): Promise<string> {
  const listing = await runOk(["find", dir, "-printf", `${FIELDS.join("\\t")}\\0`], {
    timeoutMs: 120_000,
  });
  const files = listing.stdout.split("\0").slice(0, -1).map((line) => line.split("\t"));
  const sums = await checksums(dir);
  const namesOf = new Map<string, string[]>();
  for (const [path = "", type, , , , , , , inode = ""] of files) {
    if (type !== "d") namesOf.set(inode, [...namesOf.get(inode) ?? [], path].sort());
  }
  const lines = files.map(
    ([path = "", type, mode, owner, size, links, time, target, inode = "", blocks]) => {
      const names = namesOf.get(inode) ?? [];
      return [
        JSON.stringify(path),
        `${type}${mode}`,
        owner,
        type === "d" ? "" : `${size} bytes`,
        type === "d" && options.withoutDirectoryLinks ? "" : `links ${links}`,
        options.withoutTimes ? "" : time,
        type === "l" ? `-> ${target}` : sums.get(path) ?? "",
        names.length > 1 ? `= ${JSON.stringify(names[0])}` : "",
        options.withBlocks && type === "f" ? `${blocks} blocks` : "",
      ].filter((part) => part !== "").join(" ");
    },
  );
  const attributes = options.withAttributes ? await extendedAttributes(dir) : [];
  return [...lines.sort(), ...attributes].join("\n");
}

/** Throws, showing the first differences, unless `copy` is to the last byte and attribute what `original` is. */
export async function assertSameTree(
  copy: string,
  original: string,
  options: ManifestOptions = { withoutDirectoryLinks: true },
): Promise<void> {
  const [actual, expected] = [await manifest(copy, options), await manifest(original, options)];
  assertSame({ [`${copy} and ${original}`]: actual }, { [`${copy} and ${original}`]: expected }, [
    "copy",
    "original",
  ]);
}

/** SHA-256 of every regular file, by its path below `dir`. */
async function checksums(dir: string): Promise<Map<string, string>> {
  const sums = await runOk(
    ["find", ".", "-type", "f", "-exec", "sha256sum", "-z", "{}", "+"],
    { cwd: dir, timeoutMs: 120_000 },
  );
  // A line is the sum in hexadecimal, two blanks and the path as find gave it.
  const lines = sums.stdout.split("\0").slice(0, -1);
  return new Map(lines.map((line) => [line.slice(64 + 2 + "./".length), line.slice(0, 64)]));
}

/** The extended attributes of every file that has some, one file a line. */
async function extendedAttributes(dir: string): Promise<string[]> {
  const dump = await runOk(["getfattr", "-R", "-P", "-h", "-d", "-m", "-", "-e", "hex", "."], {
    cwd: dir,
  });
  return dump.stdout.split("\n\n").filter((block) => block !== "").map((block) => {
    const [file, ...attributes] = block.split("\n");
    return [file, ...attributes.sort()].join(" ");
  }).sort();
}
