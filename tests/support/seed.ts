/**
 * Seeds of random tests. Each prints its own, and BTFUSE_SEED in the environment gives it back.
 * @module
 */

/** The seed that BTFUSE_SEED chooses, else one that nobody has chosen. */
export function randomSeed(): number {
  return chosenSeed() ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

/** The same, printed for whom it may fail. */
export function shownSeed(): number {
  const seed = randomSeed();
  console.log(`seed ${seed}: BTFUSE_SEED=${seed} repeats it`);
  return seed;
}

/** What BTFUSE_SEED says; undefined without it, or where tests may not look. @throws {TypeError} it is no seed */
export function chosenSeed(): number | undefined {
  const name = "BTFUSE_SEED";
  if (Deno.permissions.querySync({ name: "env", variable: name }).state !== "granted") {
    return undefined;
  }
  const text = Deno.env.get(name);
  if (text === undefined) return undefined;
  const seed = Number(text);
  if (Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32) return seed;
  throw new TypeError(`${name}=${text} is no whole number below 2^32`);
}
