/**
 * Damage: a word of the region that cannot be what it says. Clients have the region mapped, so a defect in one of their programs
 * may store anything anywhere. Whoever follows numbers of the region looks whether they are possible, and takes no more steps than a
 * whole region can need; beyond that it throws a DamageError. It costs the request that met it an EIO, and `btfuse check`
 * says what is wrong.
 */

/** The most names that share a bucket of the hash. Buckets are half as many as inodes, and the seed is secret: 4,096 is never reached. */
export const HASH_CHAIN_MAX = 4096;
/** A red-black tree of 2^31 nodes is not deeper. */
export const TREE_DEPTH_MAX = 64;

export class DamageError extends Error {
  override name = "DamageError";
}

/** @throws {DamageError} always */
export function damaged(text: string): never {
  throw new DamageError(`the region is damaged: ${text} (see btfuse check)`);
}
