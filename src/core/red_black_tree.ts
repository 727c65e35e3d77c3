/**
 * A directory's red-black tree: its dentries in the order of their cookies, which is the order in
 * which they were made. Nodes are dentry slots, so the tree takes no memory of its own.
 *
 * Why by cookie and not by name: a readdir position must survive insertions and removals, must fit
 * the 64-bit offset of getdents(2), and a listing must end although entries are added meanwhile.
 * Listing from the newest entry to the oldest gives all three without a word of state a reader.
 *
 * INVARIANTS (CLRS, chapter 13; checked by `check`): the root is black; a red node has black children;
 * every path from a node to a leaf has the same number of black nodes; `up` mirrors left and right;
 * in-order, cookies grow.
 */
import {
  DENTRY_COOKIE,
  DENTRY_LEFT,
  DENTRY_RED,
  DENTRY_RIGHT,
  DENTRY_UP,
  DENTRY_WORDS,
  INODE_TREE_ROOT,
  INODE_WORDS,
} from "../region/layout.gen.ts";
import { damaged, TREE_DEPTH_MAX } from "./damage.ts";

export class RedBlackTree {
  constructor(readonly slots: Uint32Array, readonly inodes: Uint32Array) {}

  root(directory: number): number {
    return this.inodes[directory * INODE_WORDS + INODE_TREE_ROOT];
  }
  #setRoot(directory: number, node: number): void {
    this.inodes[directory * INODE_WORDS + INODE_TREE_ROOT] = node;
  }
  #get(node: number, field: number): number {
    return this.slots[node * DENTRY_WORDS + field];
  }
  #set(node: number, field: number, value: number): void {
    this.slots[node * DENTRY_WORDS + field] = value;
  }
  /** A child or parent that there must be. */
  #link(node: number, field: number): number {
    const linked = this.#get(node, field);
    return linked !== 0 && linked * DENTRY_WORDS < this.slots.length ? linked : this.#damaged(node);
  }
  #damaged(node: number): never {
    return damaged(`a directory's tree is not one, at dentry ${node}`);
  }
  #isRed(node: number): boolean {
    return node !== 0 && this.slots[node * DENTRY_WORDS + DENTRY_RED] === 1;
  }

  /** The cookie: at most 2^53, so exact in a number. */
  cookie(node: number): number {
    const at = node * DENTRY_WORDS + DENTRY_COOKIE;
    return this.slots[at] + this.slots[at + 1] * 2 ** 32;
  }

  /** Adds `node`, whose cookie is set already and differs from all others. */
  insert(directory: number, node: number): void {
    const cookie = this.cookie(node);
    let parent = 0;
    let side = DENTRY_LEFT;
    let depth = 0;
    for (let at = this.root(directory); at !== 0; at = this.#get(at, side)) {
      if (at * DENTRY_WORDS >= this.slots.length || ++depth > TREE_DEPTH_MAX) this.#damaged(at);
      parent = at;
      side = cookie < this.cookie(at) ? DENTRY_LEFT : DENTRY_RIGHT;
    }
    this.#set(node, DENTRY_LEFT, 0);
    this.#set(node, DENTRY_RIGHT, 0);
    this.#set(node, DENTRY_UP, parent);
    this.#set(node, DENTRY_RED, 1);
    if (parent === 0) this.#setRoot(directory, node);
    else this.#set(parent, side, node);
    this.#insertFixup(directory, node);
  }

  #insertFixup(directory: number, start: number): void {
    let node = start;
    let steps = 0;
    for (let parent = this.#get(node, DENTRY_UP); this.#isRed(parent);) {
      if (++steps > TREE_DEPTH_MAX) this.#damaged(node);
      // A red parent is not the root, so there is a grandparent.
      const grand = this.#link(parent, DENTRY_UP);
      const near = this.#get(grand, DENTRY_LEFT) === parent ? DENTRY_LEFT : DENTRY_RIGHT;
      const far = near === DENTRY_LEFT ? DENTRY_RIGHT : DENTRY_LEFT;
      const uncle = this.#get(grand, far);
      if (this.#isRed(uncle)) {
        this.#set(parent, DENTRY_RED, 0);
        this.#set(uncle, DENTRY_RED, 0);
        this.#set(grand, DENTRY_RED, 1);
        node = grand;
      } else {
        if (this.#get(parent, far) === node) {
          node = parent;
          this.#rotate(directory, node, near);
        }
        this.#set(this.#link(node, DENTRY_UP), DENTRY_RED, 0);
        this.#set(grand, DENTRY_RED, 1);
        this.#rotate(directory, grand, far);
      }
      parent = this.#get(node, DENTRY_UP);
    }
    this.#set(this.root(directory), DENTRY_RED, 0);
  }

  /** Turns `node` down to `side`; its child on the other side takes its place. */
  #rotate(directory: number, node: number, side: number): void {
    const other = side === DENTRY_LEFT ? DENTRY_RIGHT : DENTRY_LEFT;
    const child = this.#link(node, other);
    const inner = this.#get(child, side);
    this.#set(node, other, inner);
    if (inner !== 0) this.#set(inner, DENTRY_UP, node);
    this.#replace(directory, node, child);
    this.#set(child, side, node);
    this.#set(node, DENTRY_UP, child);
  }

  /** Puts `child` (may be 0) where `node` hangs. */
  #replace(directory: number, node: number, child: number): void {
    const parent = this.#get(node, DENTRY_UP);
    if (parent === 0) this.#setRoot(directory, child);
    else if (this.#get(parent, DENTRY_LEFT) === node) this.#set(parent, DENTRY_LEFT, child);
    else this.#set(parent, DENTRY_RIGHT, child);
    if (child !== 0) this.#set(child, DENTRY_UP, parent);
  }

  remove(directory: number, node: number): void {
    const left = this.#get(node, DENTRY_LEFT);
    const right = this.#get(node, DENTRY_RIGHT);
    if (Math.max(left, right) * DENTRY_WORDS >= this.slots.length) this.#damaged(node);
    let removedBlack = !this.#isRed(node);
    let child: number;
    let parent: number;
    if (left === 0 || right === 0) {
      child = left === 0 ? right : left;
      parent = this.#get(node, DENTRY_UP);
      this.#replace(directory, node, child);
    } else {
      // The successor takes the node's place and colour.
      const next = this.#lowest(right);
      removedBlack = !this.#isRed(next);
      child = this.#get(next, DENTRY_RIGHT);
      parent = next;
      if (next !== right) {
        parent = this.#link(next, DENTRY_UP);
        this.#replace(directory, next, child);
        this.#set(next, DENTRY_RIGHT, right);
        this.#set(right, DENTRY_UP, next);
      }
      this.#replace(directory, node, next);
      this.#set(next, DENTRY_LEFT, left);
      this.#set(left, DENTRY_UP, next);
      this.#set(next, DENTRY_RED, this.#get(node, DENTRY_RED));
    }
    if (removedBlack) this.#removeFixup(directory, child, parent);
  }

  /** `node` (may be 0, hence its parent apart) has one black node too few above its leaves. */
  #removeFixup(directory: number, start: number, startParent: number): void {
    let node = start;
    let parent = startParent;
    let steps = 0;
    while (parent !== 0 && !this.#isRed(node)) {
      if (++steps > TREE_DEPTH_MAX) this.#damaged(parent);
      const near = this.#get(parent, DENTRY_LEFT) === node ? DENTRY_LEFT : DENTRY_RIGHT;
      const far = near === DENTRY_LEFT ? DENTRY_RIGHT : DENTRY_LEFT;
      // The side of which one black node is missing is not the only one.
      let sibling = this.#link(parent, far);
      if (this.#isRed(sibling)) {
        this.#set(sibling, DENTRY_RED, 0);
        this.#set(parent, DENTRY_RED, 1);
        this.#rotate(directory, parent, near);
        sibling = this.#link(parent, far);
      }
      if (
        !this.#isRed(this.#get(sibling, DENTRY_LEFT)) &&
        !this.#isRed(this.#get(sibling, DENTRY_RIGHT))
      ) {
        this.#set(sibling, DENTRY_RED, 1);
        node = parent;
        parent = this.#get(node, DENTRY_UP);
        continue;
      }
      if (!this.#isRed(this.#get(sibling, far))) {
        this.#set(this.#get(sibling, near), DENTRY_RED, 0);
        this.#set(sibling, DENTRY_RED, 1);
        this.#rotate(directory, sibling, far);
        sibling = this.#link(parent, far);
      }
      this.#set(sibling, DENTRY_RED, this.#get(parent, DENTRY_RED));
      this.#set(parent, DENTRY_RED, 0);
      this.#set(this.#link(sibling, far), DENTRY_RED, 0);
      this.#rotate(directory, parent, near);
      node = this.root(directory);
      break;
    }
    if (node !== 0) this.#set(node, DENTRY_RED, 0);
  }

  #lowest(node: number): number {
    return this.#outermost(node, DENTRY_LEFT);
  }
  #highest(node: number): number {
    return this.#outermost(node, DENTRY_RIGHT);
  }
  #outermost(node: number, side: number): number {
    let at = node;
    for (let depth = 0; depth <= TREE_DEPTH_MAX; depth++) {
      if (at * DENTRY_WORDS >= this.slots.length) break;
      const next = this.#get(at, side);
      if (next === 0) return at;
      at = next;
    }
    return this.#damaged(node);
  }

  /** The newest dentry, or 0. */
  newest(directory: number): number {
    const root = this.root(directory);
    return root === 0 ? 0 : this.#highest(root);
  }

  /** The newest dentry whose cookie is below `cookie`, or 0. */
  below(directory: number, cookie: number): number {
    let found = 0;
    let depth = 0;
    for (let at = this.root(directory); at !== 0;) {
      if (at * DENTRY_WORDS >= this.slots.length || ++depth > TREE_DEPTH_MAX) this.#damaged(at);
      if (this.cookie(at) < cookie) {
        found = at;
        at = this.#get(at, DENTRY_RIGHT);
      } else at = this.#get(at, DENTRY_LEFT);
    }
    return found;
  }

  /** The next older dentry, or 0. */
  older(node: number): number {
    const left = this.#get(node, DENTRY_LEFT);
    if (left !== 0) return this.#highest(left);
    let at = node;
    let parent = this.#get(at, DENTRY_UP);
    for (let depth = 0; parent !== 0 && this.#get(parent, DENTRY_LEFT) === at; depth++) {
      if (parent * DENTRY_WORDS >= this.slots.length || depth > TREE_DEPTH_MAX) {
        this.#damaged(node);
      }
      at = parent;
      parent = this.#get(at, DENTRY_UP);
    }
    return parent;
  }

  /** Every violation of the invariants, as text. Bounded even when links form a loop. */
  check(directory: number, entryCountMax: number): string[] {
    const problems: string[] = [];
    const say = (text: string) => problems.push(`tree of inode ${directory}: ${text}`);
    const root = this.root(directory);
    if (root === 0) return problems;
    if (this.#isRed(root)) say("the root is red");
    if (this.#get(root, DENTRY_UP) !== 0) say("the root has a parent");
    if (root * DENTRY_WORDS >= this.slots.length) {
      say(`its root is the impossible dentry ${root}`);
      return problems;
    }
    let visited = 0;
    let leafBlacks = -1;
    const stack: [node: number, blacks: number, low: number, high: number][] = [
      [root, 0, -1, Infinity],
    ];
    for (let top = stack.pop(); top; top = stack.pop()) {
      const [node, above, low, high] = top;
      if (++visited > entryCountMax) {
        say(`more than ${entryCountMax} nodes`);
        break;
      }
      const blacks = above + (this.#isRed(node) ? 0 : 1);
      const cookie = this.cookie(node);
      if (cookie <= low || cookie >= high) say(`dentry ${node} is out of order`);
      for (const side of [DENTRY_LEFT, DENTRY_RIGHT]) {
        const child = this.#get(node, side);
        if (child === 0) {
          if (leafBlacks < 0) leafBlacks = blacks;
          else if (leafBlacks !== blacks) {
            say(`dentry ${node}: ${blacks} black nodes, elsewhere ${leafBlacks}`);
          }
          continue;
        }
        if (child * DENTRY_WORDS >= this.slots.length) {
          say(`dentry ${node} names the impossible dentry ${child}`);
          continue;
        }
        if (this.#get(child, DENTRY_UP) !== node) {
          say(`dentry ${child} does not point up to ${node}`);
        }
        if (this.#isRed(node) && this.#isRed(child)) {
          say(`red dentry ${node} has red child ${child}`);
        }
        stack.push(
          side === DENTRY_LEFT ? [child, blacks, low, cookie] : [child, blacks, cookie, high],
        );
      }
    }
    return problems;
  }
}
