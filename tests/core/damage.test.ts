/**
 * Stray words: a defect in a program under `btfuse run` may store anything into the region. Each trial overwrites one word or a few of a
 * filled file system, in plain memory, and then does everything there is: each operation returns a result or throws a
 * DamageError (which its worker answers with EIO), soon, and `check` ends with a list of what is wrong.
 */
import { statisticsOf } from "../../src/core/statistics.ts";
import { assert } from "@std/assert";
import { DamageError } from "../../src/core/damage.ts";
import { FileSystem } from "../../src/core/file_system.ts";
import { S_IFDIR, S_IFMT, S_IFREG } from "../../src/core/inode_table.ts";
import {
  DENTRY_INO,
  DENTRY_KIND,
  DENTRY_PARENT,
  DENTRY_WORDS,
  INODE_EXTEND_LOCK,
  INODE_MAP_HEIGHT,
  INODE_MAP_ROOT,
  INODE_OPEN_COUNT,
  INODE_WORDS,
  LIMBO_MAX,
  NAME_BYTES_MAX,
  ROOT_INO,
  SLOT_KIND_DENTRY,
  SUPER_INODE_USED,
  SUPER_LIMBO,
  SUPER_NAMESPACE_SEQ,
  SUPER_WORDS,
} from "../../src/region/layout.gen.ts";
import { bytes, newFileSystem, Random } from "./support.ts";

const TRIALS = 400;
const hasFfi = Deno.permissions.querySync({ name: "ffi" }).state === "granted";
const OPERATION_MS_MAX = 1000;
const OWNER = { umask: 0, uid: 0, gid: 0, rdev: 0 };
const decoder = new TextDecoder("latin1");
const DATA = new Uint8Array(64 << 10).fill(7);

/** Every kind of record, each in every shape it has. */
function filled(): FileSystem {
  const fs = newFileSystem({ sizeBytes: 2 << 20, inodeCountMax: 300, clientCount: 2 });
  fs.guard.hasDied = () => true;
  const make = (parent: number, name: string, mode = S_IFREG | 0o644) => {
    const text = bytes(name);
    const ino = fs.makeNode(parent, text, 0, text.length, { ...OWNER, mode });
    assert(ino > 0);
    return ino;
  };
  let parent = ROOT_INO;
  for (let depth = 0; depth < 5; depth++) {
    parent = make(parent, `directory${depth}`, S_IFDIR | 0o755);
    for (let i = 0; i < 12; i++) make(parent, `file${i}`);
    const small = make(parent, "small");
    fs.data.write(small, 0, DATA, 0, 5000);
    // Block maps of height 1, 2 and 3.
    for (const [name, offset] of [["h1", 1 << 20], ["h2", 2 ** 33], ["h3", 2 ** 43]] as const) {
      const ino = make(parent, `${name}${"n".repeat(60 * depth)}`);
      fs.data.write(ino, 0, DATA, 0, 9000);
      fs.data.write(ino, offset, DATA, 0, 9000);
      fs.data.reserve(ino, offset + 2 * 65536, 20_000);
    }
    fs.xattrs.set(small, "user.long", DATA.subarray(0, 700), 0);
    fs.xattrs.set(small, "user.short", DATA.subarray(0, 7), 0);
    for (const length of [20, 900]) {
      const text = bytes(`link${length}\0${"t".repeat(length)}`);
      fs.symlink(parent, text, 0, text.length - length - 1, text.length - length, length, {
        uid: 0,
        gid: 0,
      });
    }
    const linkName = bytes("hard");
    fs.names.link(small, parent, linkName, 0, linkName.length);
    const gone = bytes("gone");
    fs.inodes.set(make(parent, "gone"), INODE_OPEN_COUNT, 1);
    fs.names.unlink(parent, gone, 0, gone.length);
  }
  return fs;
}

/** What can be damaged, as it is before. */
class Target {
  readonly inodeCount: number;
  readonly slotCount: number;
  readonly blockCount: number;
  readonly mapBlocks: number[] = [];

  constructor(readonly fs: FileSystem) {
    this.inodeCount = fs.inodePool.used;
    this.slotCount = fs.slotPool.used;
    this.blockCount = fs.blockPool.used;
    for (let ino = 1; ino <= this.inodeCount; ino++) {
      if (!fs.inodes.isRegular(ino)) continue;
      fs.map.visit(ino, (block, data) => {
        if (!data) this.mapBlocks.push(block);
        return true;
      });
    }
  }
}

/** What operations are tried on: at random, and what was damaged. */
interface Chosen {
  inos: number[];
  names: { parent: number; name: string }[];
}

/** Overwrites one word. @returns what, for a person to read */
function damage(target: Target, random: Random, chosen: Chosen): string {
  const { fs, mapBlocks } = target;
  const { region } = fs;
  const inode = () => 1 + random.below(target.inodeCount + 5);
  const slot = () => 1 + random.below(target.slotCount + 5);
  const inodeWord = (): [Uint32Array, number] => {
    const ino = inode();
    chosen.inos.push(ino);
    const word = random.below(INODE_WORDS);
    // For a lock that somebody seems to hold is waited by futex(2).
    const isMet = word !== INODE_EXTEND_LOCK || hasFfi;
    return [region.inodes, ino * INODE_WORDS + (isMet ? word : INODE_MAP_HEIGHT)];
  };
  const slotWord = (): [Uint32Array, number] => {
    const at = slot();
    if (fs.names.get(at, DENTRY_KIND) === SLOT_KIND_DENTRY) {
      const name = new Uint8Array(NAME_BYTES_MAX);
      const text = decoder.decode(name.subarray(0, fs.names.copyName(at, name, 0)));
      chosen.names.push({ parent: fs.names.get(at, DENTRY_PARENT), name: text });
      chosen.inos.push(fs.names.get(at, DENTRY_PARENT), fs.names.get(at, DENTRY_INO));
    }
    return [region.slots, at * DENTRY_WORDS + random.below(14)];
  };
  const mapWord = (): [Uint32Array, number] => {
    const block = random.pick(mapBlocks);
    const at = random.pick([0, 1, 2, 255, 256, random.below(1024)]);
    for (let ino = 1; ino <= target.inodeCount; ino++) {
      if (region.inodes[ino * INODE_WORDS + INODE_MAP_ROOT] === block) chosen.inos.push(ino);
    }
    return [region.words(block), region.wordIndex(block) + at];
  };
  const superWord = (first: number, count: number): [Uint32Array, number] => [
    region.superblock,
    first + random.below(count),
  ];
  const places: [string, () => [Uint32Array, number]][] = [
    // Not the core lock, which only time heals, and not what is read once.
    ["counters", () => superWord(SUPER_INODE_USED, 9)],
    ["superblock", () => superWord(SUPER_NAMESPACE_SEQ, SUPER_WORDS - SUPER_NAMESPACE_SEQ)],
    ["limbo", () => superWord(SUPER_LIMBO, 3 * LIMBO_MAX)],
    ["bucket", () => [region.buckets, random.below(region.buckets.length)]],
    ["inode", inodeWord],
    ["inode", inodeWord],
    ["slot", slotWord],
    ["slot", slotWord],
    ["map", mapWord],
    ["block", () => {
      const block = 1 + random.below(target.blockCount);
      return [region.words(block), region.wordIndex(block) + random.below(8)];
    }],
    ["set", () => [
      random.pick([region.inodeSets, region.slotSets, region.blockSets]),
      random.below(40),
    ]],
  ];
  const [name, place] = random.pick(places);
  const [words, at] = place();
  const old = words[at];
  const value = random.pick([
    0,
    1,
    2,
    0xffff_ffff,
    0x8000_0000,
    0x7fff_ffff,
    random.below(2 ** 32),
    random.below(300),
    inode(),
    slot(),
    random.pick(mapBlocks),
    old ^ (1 << random.below(32)),
    old + 1,
    old - 1,
    Math.floor(at / DENTRY_WORDS),
    Math.floor(at / INODE_WORDS),
  ]) >>> 0;
  words[at] = value;
  return `${name} word ${at}: ${old} → ${value}`;
}

/** Everything that both doors ask the core for, on whatever is there. */
function* operations(
  fs: FileSystem,
  random: Random,
  chosen: Chosen,
): Generator<[string, () => unknown]> {
  const { inodes, names, data } = fs;
  const out = new Uint8Array(1 << 16);
  const inos = [...chosen.inos, ROOT_INO];
  for (let i = 0; i < 8; i++) inos.push(1 + random.below(110));
  const damagedNames = (ino: number) =>
    chosen.names.filter(({ parent }) => parent === ino).map(({ name }) => name);
  for (const ino of inos.filter((each) => inodes.exists(each))) {
    const type = inodes.mode(ino) & S_IFMT;
    yield ["touch", () => inodes.touchAtime(ino)];
    yield ["xattr list", () => fs.xattrs.list(ino, () => true)];
    yield ["xattr set", () => fs.attributes.setXattr(ino, "user.long", DATA.subarray(0, 200), 0)];
    yield ["chmod", () => fs.attributes.chmod(ino, 0o600)];
    if (type === S_IFDIR) {
      yield ["list", () => {
        let above = Infinity;
        for (let slot = names.tree.newest(ino); slot !== 0; slot = names.tree.older(slot)) {
          names.requireListed(slot, ino, above);
          above = names.tree.cookie(slot);
          names.copyName(slot, out, 0);
          names.ino(slot);
        }
      }];
      yield ["list on", () => names.tree.below(ino, random.below(30))];
      for (
        const name of ["file3", "small", "none", "hard", "new", "directory1", ...damagedNames(ino)]
      ) {
        const text = bytes(`${name}renamed`);
        yield [`find ${name}`, () => names.find(ino, text, 0, name.length)];
        yield [
          `make ${name}`,
          () => fs.makeNode(ino, text, 0, name.length, { ...OWNER, mode: S_IFREG | 0o600 }),
        ];
        const target = random.pick(inos);
        yield [`rename ${name}`, () =>
          inodes.exists(target) &&
          names.rename(ino, text, 0, name.length, target, 0, text.length, 0)];
        yield [`unlink ${name}`, () => names.unlink(ino, text, 0, name.length)];
        yield [`rmdir ${name}`, () => names.rmdir(ino, text, 0, name.length)];
      }
      const link = bytes("another");
      yield ["link", () => names.link(inos[3], ino, link, 0, link.length)];
    } else if (type === S_IFREG) {
      const offset = random.pick([0, 4096, 1 << 20, 2 ** 33, 2 ** 43, 2 ** 51]);
      yield ["read", () => data.readInto(ino, offset, out, 0, out.length)];
      yield ["seek data", () => data.seek(ino, 0, 3)];
      yield ["seek hole", () => data.seek(ino, offset, 4)];
      yield ["write", () => data.write(ino, offset, DATA, 0, 20_000)];
      yield ["append", () => data.write(ino, -1, DATA, 0, 5000)];
      yield ["reserve", () => data.reserve(ino, offset, 1 << 20)];
      yield ["reserve all", () => data.reserve(ino, 0, 2 ** 52)];
      yield ["zero range", () => data.zeroRange(ino, offset, 100_000)];
      yield ["copy", () => data.copy(ino, 0, inos[1], 100, 1 << 20)];
      yield ["punch", () => data.punchHole(ino, offset, 2 ** 34)];
      yield ["truncate", () => data.truncate(ino, random.pick([0, 5000, 2 ** 34]))];
    } else {
      yield ["readlink", () => fs.readlink(ino, out, 0)];
    }
    yield ["forget", () => fs.forget(ino, 1)];
  }
  const { superblock, sizes } = fs.region;
  const memory = { residentBytes: 0, metadataBytes: 0 };
  yield ["statistics", () => statisticsOf({ superblock, sizes, ...memory })];
  yield ["limbo", () => fs.drainLimbo()];
  yield ["orphans", () => fs.releaseOrphans(() => false)];
  yield ["memory", () => {
    for (const pool of fs.pools()) for (let i = 0; i < 20; i++) pool.punchSome(16);
  }];
}

function trial(seed: number, memory: Uint8Array, snapshot: Uint8Array, target: Target): void {
  const random = new Random(seed, false);
  memory.set(snapshot);
  const chosen: Chosen = { inos: [], names: [] };
  const damages: string[] = [];
  for (let count = random.pick([1, 1, 1, 4]); count > 0; count--) {
    damages.push(damage(target, random, chosen));
  }
  const fs = FileSystem.open(target.fs.region);
  fs.guard.hasDied = () => true;
  const attempt = (name: string, operation: () => unknown) => {
    const start = performance.now();
    const where = () => `BTFUSE_SEED=${seed}, ${damages.join(", ")}, then ${name}`;
    try {
      operation();
    } catch (error) {
      fs.settle();
      if (!(error instanceof DamageError)) throw new Error(where(), { cause: error });
    }
    const ms = performance.now() - start;
    assert(ms < OPERATION_MS_MAX, `${where()}: took ${ms.toFixed()} ms`);
  };
  attempt("check", () => fs.check());
  for (const [name, operation] of operations(fs, random, chosen)) attempt(name, operation);
  attempt("check at the end", () => fs.check());
}

Deno.test("damage: stray words cost requests an error, never an operation that does not end", () => {
  const random = new Random();
  const fs = filled();
  const memory = new Uint8Array(fs.region.superblock.buffer);
  const snapshot = memory.slice();
  const target = new Target(fs);
  trial(random.seed, memory, snapshot, target);
  for (let i = 0; i < TRIALS; i++) trial(random.below(2 ** 32), memory, snapshot, target);
});
