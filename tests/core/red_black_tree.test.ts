import { assert, assertEquals } from "@std/assert";
import { RedBlackTree } from "../../src/core/red_black_tree.ts";
import {
  DENTRY_COOKIE,
  DENTRY_RED,
  DENTRY_WORDS,
  INODE_WORDS,
} from "../../src/region/layout.gen.ts";
import { Random } from "./support.ts";

const DIRECTORY = 1;

function newTree(count: number): RedBlackTree {
  return new RedBlackTree(
    new Uint32Array((count + 1) * DENTRY_WORDS),
    new Uint32Array(2 * INODE_WORDS),
  );
}

function insert(tree: RedBlackTree, node: number, cookie: number): void {
  tree.slots[node * DENTRY_WORDS + DENTRY_COOKIE] = cookie % 2 ** 32;
  tree.slots[node * DENTRY_WORDS + DENTRY_COOKIE + 1] = Math.floor(cookie / 2 ** 32);
  tree.insert(DIRECTORY, node);
}

function listing(tree: RedBlackTree): number[] {
  const nodes: number[] = [];
  for (let node = tree.newest(DIRECTORY); node !== 0; node = tree.older(node)) nodes.push(node);
  return nodes;
}

Deno.test("red-black tree equals a sorted list through random insertions and removals", () => {
  const random = new Random();
  const nodeCount = 400;
  const tree = newTree(nodeCount);
  const model = new Map<number, number>();
  for (let step = 0; step < 20_000; step++) {
    const node = 1 + random.below(nodeCount);
    if (model.has(node)) {
      tree.remove(DIRECTORY, node);
      model.delete(node);
    } else {
      // Cookies on both sides of 2^32.
      const cookie = random.below(2 ** 33) * 2 ** 15 + step;
      insert(tree, node, cookie);
      model.set(node, cookie);
    }
    const sorted = [...model].sort((a, b) => b[1] - a[1]);
    if (step % 50 === 0) {
      assertEquals(tree.check(DIRECTORY, model.size), []);
      assertEquals(listing(tree), sorted.map(([node]) => node));
    }
    const at = random.below(2 ** 30) * 2 ** 18;
    assertEquals(tree.below(DIRECTORY, at), sorted.find(([, cookie]) => cookie < at)?.[0] ?? 0);
  }
});

for (const order of ["growing", "falling"]) {
  Deno.test(`red-black tree stays balanced with ${order} cookies`, () => {
    const count = 20_000;
    const tree = newTree(count);
    for (let i = 1; i <= count; i++) insert(tree, i, order === "growing" ? i : count - i + 1);
    assertEquals(tree.check(DIRECTORY, count), []);
    assertEquals(listing(tree).length, count);
    for (let i = 1; i <= count; i += 2) tree.remove(DIRECTORY, i);
    assertEquals(tree.check(DIRECTORY, count), []);
    assertEquals(listing(tree).length, count / 2);
  });
}

Deno.test("red-black tree: check finds a wrong colour", () => {
  const tree = newTree(3);
  for (let i = 1; i <= 3; i++) insert(tree, i, i);
  tree.slots[1 * DENTRY_WORDS + DENTRY_RED] = 0;
  assert(tree.check(DIRECTORY, 3).length > 0);
});
