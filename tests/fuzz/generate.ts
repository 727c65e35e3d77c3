/**
 * Makes random operations. The same seed and the same surveys give the same operations.
 * @module
 */
import { AT, O, RENAME, S } from "../support/agent.ts";
import type { Argument } from "../support/agent_process.ts";
import { attributeOperations } from "./generate_attributes.ts";
import { dataOperations } from "./generate_data.ts";
import { directoryOperations } from "./generate_directories.ts";
import {
  BASE_FROM_WORK,
  ROOT_SLOT,
  SLOT_COUNT,
  SLOT_FIRST,
  SOURCE_BYTES,
  SOURCE_PATH,
  SOURCE_SLOT,
} from "./layout.ts";
import { type Kind, Model } from "./model.ts";
import type { Comparison, Op } from "./operation.ts";
import { pickProfile, type Profile } from "./profile.ts";
import { Random } from "./random.ts";

const USERS: readonly (readonly [uid: number, gid: number, groups: readonly number[]])[] = [
  [0, 0, []],
  [1000, 1000, []],
  [1001, 1000, [5000]],
  [1002, 1002, [5000, 6000]],
];

type Maker = (g: Generator) => void;

/** What is generated, with weights. */
const MAKERS: readonly (readonly [weight: number, maker: Maker])[] = [
  [7, (g) => g.mkdir()],
  [12, (g) => g.create()],
  [9, (g) => g.open()],
  [2, (g) => g.mknod()],
  [3, (g) => g.symlink()],
  [4, (g) => g.link()],
  [5, (g) => g.unlink()],
  [3, (g) => g.rmdir()],
  [8, (g) => g.rename()],
  [1, (g) => g.tmpfile()],
  [3, (g) => g.process()],
  ...attributeOperations,
  ...dataOperations,
  ...directoryOperations,
];
const WEIGHT_SUM = MAKERS.reduce((sum, [weight]) => sum + weight, 0);

/** Makes the operations of one run in one directory. */
export class Generator {
  readonly random: Random;
  readonly model = new Model();
  readonly profile: Profile;
  /** For each process: slots believed to be open. */
  readonly slots: Map<number, Kind>[];
  #prepared = false;
  #ops: Op[] = [];
  #door = 0;

  constructor(seed: number, readonly doorCount: number) {
    this.random = new Random(seed);
    this.profile = pickProfile(this.random);
    this.slots = Array.from({ length: doorCount }, () => new Map());
  }

  /** About `count` operations and a survey at their end, after which the acting user is root again. */
  chunk(count: number): Op[] {
    this.#ops = [];
    if (!this.#prepared) this.#prepare();
    while (this.#ops.length < count) {
      // Stretches of operations by one process: changing costs an exchange.
      if (this.doorCount > 1 && this.random.chance(0.05)) {
        this.#door = this.random.int(this.doorCount);
      }
      let at = this.random.int(WEIGHT_SUM);
      for (const [weight, make] of MAKERS) {
        at -= weight;
        if (at >= 0) continue;
        make(this);
        break;
      }
    }
    for (this.#door = this.doorCount - 1; this.#door > 0; this.#door--) this.calm();
    this.calm();
    this.emit("survey", [BASE_FROM_WORK], "survey");
    return this.#ops;
  }

  #prepare(): void {
    this.#prepared = true;
    for (this.#door = 0; this.#door < this.doorCount; this.#door++) {
      this.emit("openat", [AT.FDCWD, SOURCE_PATH, O.CREAT | O.RDWR, 0o600, SOURCE_SLOT]);
      this.emit("fstat", [SOURCE_SLOT], "stat");
      this.emit("pwrite", [SOURCE_SLOT, { pattern: 99, length: SOURCE_BYTES }, 0]);
    }
    this.#door = 0;
  }

  emit(name: string, args: Argument[], compare: Comparison = "all"): void {
    this.#ops.push({ name, args, compare, door: this.#door });
  }

  /** Root again, in the starting directory, with the usual umask. */
  calm(): void {
    this.emit("act", [0, 0, new Uint8Array()]);
    this.emit("fchdir", [ROOT_SLOT]);
    this.emit("umask", [0o022]);
    this.emit("variant", [0]);
  }

  /** A slot that is probably open, on a file unless a directory is wanted. */
  slot(wanted: Kind = "file"): number {
    const open = this.slots[this.#door] ?? new Map<number, Kind>();
    const fitting = [...open.keys()].filter((slot) => open.get(slot) === wanted);
    return fitting.length === 0 || this.random.chance(0.08)
      ? this.anySlot()
      : this.random.pick(fitting);
  }

  anySlot(): number {
    return SLOT_FIRST + this.random.int(SLOT_COUNT);
  }

  closed(slot: number): void {
    this.slots[this.#door]?.delete(slot);
  }

  name(): string {
    if (this.random.chance(0.005)) return "n".repeat(this.random.pick([254, 255, 256]));
    return this.random.pick(this.profile.names);
  }

  /** A path that probably exists. */
  existing(kind?: Kind): string {
    return this.decorated(this.model.pick(this.random, kind));
  }

  /** A path that may or may not exist, in a directory that probably does. */
  fresh(): string {
    const dir = this.model.pick(this.random, "directory");
    const deep = dir.split("/").length > this.profile.depthMax;
    return deep || dir === "." ? this.name() : `${dir}/${this.name()}`;
  }

  /** Now and then a path is written in another way, which may mean something else. */
  decorated(path: string): string {
    if (!this.random.chance(0.04)) return path;
    return this.random.pick([
      `${path}/`,
      `./${path}`,
      `${path}/.`,
      path.replace("/", "//"),
      `${path}/${this.name()}`,
    ]);
  }

  mode(): number {
    return this.random.pick([
      0o755,
      0o777,
      0o777,
      0o644,
      0o666,
      0o700,
      0o600,
      0o1777,
      0o2777,
      0o4755,
      0o2755,
      0o6777,
      0o2767,
      0,
      0o444,
      0o111,
      0o070,
    ]);
  }

  mkdir(): void {
    const path = this.fresh();
    this.emit("mkdirat", [AT.FDCWD, path, this.random.chance(0.7) ? 0o777 : this.mode()]);
    this.model.add(path, "directory");
  }

  create(): void {
    const path = this.fresh();
    const extra = this.random.pick([0, 0, 0, O.EXCL, O.TRUNC, O.APPEND]);
    this.opened(path, O.CREAT | O.RDWR | extra, this.random.chance(0.7) ? 0o666 : this.mode());
    this.model.add(path, "file");
  }

  open(): void {
    const kind = this.random.pick(
      ["file", "file", "file", "directory", "link", undefined] as const,
    );
    const access = this.random.pick([O.RDONLY, O.RDWR, O.RDWR, O.WRONLY]);
    const extra = this.random.pick([
      0,
      0,
      0,
      0,
      O.TRUNC,
      O.APPEND,
      O.NOFOLLOW,
      O.DIRECTORY,
      O.PATH,
      O.NOATIME,
    ]);
    this.opened(this.existing(kind), (kind === "directory" ? O.RDONLY : access) | extra, 0);
  }

  /** Never blocking, should it be a fifo. */
  opened(path: string, flags: number, mode: number, dir: number = AT.FDCWD): void {
    const slot = this.anySlot();
    this.emit("openat", [dir, path, flags | O.NONBLOCK, mode, slot]);
    this.emit("fstat", [slot], "stat");
    if (flags & O.CREAT) this.slots[this.#door]?.set(slot, "file");
  }

  mknod(): void {
    const path = this.fresh();
    const type = this.random.pick([S.IFIFO, S.IFSOCK, S.IFCHR, S.IFREG]);
    this.emit("mknodat", [
      AT.FDCWD,
      path,
      type | 0o666,
      type === S.IFCHR ? 1 : 0,
      type === S.IFCHR ? 3 : 0,
    ]);
    this.model.add(path, type === S.IFREG ? "file" : "other");
  }

  /** Targets climb at most one directory, so that nothing leads far out of the tree. */
  symlink(): void {
    const path = this.fresh();
    const up = this.random.chance(0.2) ? "../" : "";
    const target = up + (this.random.chance(0.5) ? this.model.pick(this.random) : this.name());
    this.emit("symlinkat", [
      this.random.chance(0.03) ? "x".repeat(this.random.int(300) + 1) : target,
      AT.FDCWD,
      path,
    ]);
    this.model.add(path, "link");
  }

  link(): void {
    const to = this.fresh();
    const flags = this.random.chance(0.1) ? AT.SYMLINK_FOLLOW : 0;
    if (this.random.chance(0.1)) {
      this.emit("linkat", [this.slot(), "", AT.FDCWD, to, AT.EMPTY_PATH]);
    } else {
      this.emit("linkat", [AT.FDCWD, this.existing("file"), AT.FDCWD, to, flags]);
    }
    this.model.add(to, "file");
  }

  unlink(): void {
    const path = this.existing(this.random.pick(["file", "file", "link", undefined]));
    this.emit("unlinkat", [AT.FDCWD, path, 0]);
    if (this.model.find(path)?.kind !== "directory") this.model.remove(path);
  }

  rmdir(): void {
    const path = this.existing("directory");
    if (this.random.chance(0.5)) this.emit("remove", [path]);
    else this.emit("unlinkat", [AT.FDCWD, path, AT.REMOVEDIR]);
    if (path !== "." && this.model.find(path)?.children.size === 0) this.model.remove(path);
  }

  rename(): void {
    const from = this.existing();
    const to = this.random.chance(0.5) ? this.existing() : this.fresh();
    const flags = this.random.pick([0, 0, 0, 0, RENAME.NOREPLACE, RENAME.EXCHANGE]);
    this.emit("renameat2", [AT.FDCWD, from, AT.FDCWD, to, flags]);
    this.model.rename(from, to, flags === RENAME.EXCHANGE);
  }

  tmpfile(): void {
    const slot = this.anySlot();
    this.emit("openat", [
      AT.FDCWD,
      this.model.pick(this.random, "directory"),
      O.TMPFILE | O.RDWR,
      0o666,
      slot,
    ]);
    this.emit("fstat", [slot], "stat");
    this.emit("write", [slot, {
      pattern: this.random.int(1000),
      length: this.random.skewed(5000),
    }]);
    if (!this.random.chance(0.5)) return;
    const to = this.fresh();
    this.emit("linkat", [slot, "", AT.FDCWD, to, AT.EMPTY_PATH]);
    this.model.add(to, "file");
  }

  /** Who acts, with which umask and by which of several equal functions; now and then from another directory. */
  process(): void {
    const choice = this.random.int(8);
    if (choice < 4) {
      const [uid, gid, groups] = this.random.chance(0.5)
        ? this.random.pick(USERS)
        : USERS[0] ?? [0, 0, []];
      this.emit("act", [uid, gid, new Uint8Array(new Uint32Array(groups).buffer)]);
    } else if (choice === 4) {
      this.emit("umask", [this.random.pick([0, 0, 0o022, 0o077, 0o177])]);
    } else if (choice === 5) {
      this.emit("variant", [this.random.int(3)]);
    } else {
      const dir = this.model.pick(this.random, "directory");
      const names = [...this.model.find(dir)?.children.keys() ?? []];
      this.emit("chdir", [dir]);
      this.emit("fstatat", [AT.FDCWD, names.length > 0 ? this.random.pick(names) : ".", 0], "stat");
      const name = this.name();
      this.opened(name, O.CREAT | O.RDWR, 0o666);
      this.emit("fchdir", [ROOT_SLOT]);
      this.model.add(dir === "." ? name : `${dir}/${name}`, "file");
    }
  }
}
