/**
 * Random requests at both doors, each also done by the model; whatever differs is thrown as an error that says how to have it again.
 * @module
 */
import { assertEquals } from "@std/assert";
import type { Random } from "../core/support.ts";
import { attributeRequests } from "./attribute_requests.ts";
import { dataRequests } from "./data_requests.ts";
import { nameRequests } from "./name_requests.ts";
import { Trial, type Weighted } from "./trial.ts";

const requests: Weighted[] = [...nameRequests, ...attributeRequests, ...dataRequests];

export class Requests {
  readonly trial: Trial;

  constructor(random: Random) {
    this.trial = new Trial(random);
  }

  /** One request and what the model says of it. @throws what differs */
  step(): void {
    this.trial.advance();
    let left = this.trial.random.below(requests.reduce((sum, [weight]) => sum + weight, 0));
    const [, name, operation] = requests.find(([weight]) => (left -= weight) < 0) ??
      requests[0];
    this.trial.said = "";
    try {
      operation(this.trial);
      for (let i = 0; i < 2; i++) this.trial.compareAttributes(this.trial.any());
    } catch (error) {
      throw new Error(`${name}${this.trial.said}`, { cause: error });
    }
  }

  /** Every invariant, and what is left in use. */
  check(): void {
    const { fs, model } = this.trial;
    assertEquals(fs.check(), []);
    const { nodes } = model;
    for (const node of nodes) this.trial.compareAttributes(node);
    assertEquals(fs.inodePool.used, nodes.size, "inodes in use");
    const blocks = [...nodes].reduce((sum, { blocks }) => sum + blocks.size, 0);
    assertEquals(fs.blockPool.used >= blocks, true, "blocks in use");
    for (const node of nodes) {
      if (model.isRegular(node)) {
        const bytes = new Uint8Array(node.data.length);
        assertEquals(fs.data.readInto(node.ino, 0, bytes, 0, bytes.length), bytes.length);
        assertEquals(bytes, node.data, `contents of inode ${node.ino}`);
      }
    }
  }
}
