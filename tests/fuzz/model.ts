/**
 * What the generator believes to exist. It only serves to make operations that mostly succeed: nothing is compared
 * with it, and every survey replaces it by what is really there.
 * @module
 */
import { S } from "../support/agent.ts";
import type { Random } from "./random.ts";

export type Kind = "directory" | "file" | "link" | "other";

export interface Node {
  kind: Kind;
  /** Entries of a directory. */
  children: Map<string, Node>;
}

export function node(kind: Kind): Node {
  return { kind, children: new Map() };
}

export class Model {
  root = node("directory");

  /** Rebuilds the tree from the paths and modes of a survey, parents before children. */
  rebuild(entries: Iterable<{ path: string; mode: number }>): void {
    this.root = node("directory");
    for (const { path, mode } of entries) this.add(path, kindOf(mode));
  }

  find(path: string): Node | undefined {
    let at: Node | undefined = this.root;
    for (const name of path.split("/")) {
      if (name !== "" && name !== ".") at = at?.children.get(name);
    }
    return at;
  }

  add(path: string, kind: Kind): void {
    const [dir, name] = split(path);
    const parent = this.find(dir);
    if (parent?.kind === "directory" && !parent.children.has(name)) {
      parent.children.set(name, node(kind));
    }
  }

  remove(path: string): void {
    const [dir, name] = split(path);
    this.find(dir)?.children.delete(name);
  }

  rename(from: string, to: string, exchange: boolean): void {
    const [source, target] = [split(from), split(to)];
    const [fromDir, toDir] = [this.find(source[0]), this.find(target[0])];
    const moved = fromDir?.children.get(source[1]);
    if (!fromDir || !toDir || !moved || from === to || `${to}/`.startsWith(`${from}/`)) return;
    const other = toDir.children.get(target[1]);
    if (exchange) {
      if (!other || `${from}/`.startsWith(`${to}/`)) return;
      fromDir.children.set(source[1], other);
    } else {
      if (
        other &&
        (other.children.size > 0 || (other.kind === "directory") !== (moved.kind === "directory"))
      ) return;
      fromDir.children.delete(source[1]);
    }
    toDir.children.set(target[1], moved);
  }

  /** The path of something that exists, of the wanted kind when a few attempts find one; "." when all is empty. */
  pick(random: Random, wanted?: Kind): string {
    let path = ".";
    for (let attempt = 0; attempt < 8; attempt++) {
      const found = this.#walk(random, wanted);
      path = found.path;
      if (wanted === undefined || found.kind === wanted) break;
    }
    return path;
  }

  #walk(random: Random, wanted?: Kind): { path: string; kind: Kind } {
    const names: string[] = [];
    let at = this.root;
    while (at.children.size > 0) {
      const name = nth(at.children.keys(), random.int(at.children.size));
      names.push(name);
      at = at.children.get(name) ?? at;
      if (at.kind !== "directory" || random.chance(wanted === "directory" ? 0.5 : 0.25)) break;
    }
    return { path: names.join("/") || ".", kind: at.kind };
  }
}

function nth(values: Iterable<string>, index: number): string {
  for (const value of values) if (index-- === 0) return value;
  return "";
}

export function split(path: string): [dir: string, name: string] {
  const at = path.lastIndexOf("/");
  return at < 0 ? ["", path] : [path.slice(0, at), path.slice(at + 1)];
}

function kindOf(mode: number): Kind {
  const type = mode & S.IFMT;
  return type === S.IFDIR
    ? "directory"
    : type === S.IFREG
    ? "file"
    : type === S.IFLNK
    ? "link"
    : "other";
}
