/**
 * The few numbers the bench needs about a row of samples.
 * @module
 */

/** Where the middle half of the samples lies, in the samples' own unit. */
export interface Summary {
  p25: number;
  median: number;
  p75: number;
}

/**
 * The value below which `fraction` (0 to 1) of the samples lie, interpolated between neighbours (R's type 7, the
 * usual one). Throws a RangeError for no samples or a fraction outside.
 */
export function quantile(samples: readonly number[], fraction: number): number {
  if (samples.length === 0) throw new RangeError("quantile: there are no samples");
  if (!(fraction >= 0 && fraction <= 1)) {
    throw new RangeError(`quantile: ${fraction} is not between 0 and 1`);
  }
  const sorted = samples.toSorted((a, b) => a - b);
  const position = fraction * (sorted.length - 1);
  const below = sorted[Math.floor(position)] as number;
  const above = sorted[Math.ceil(position)] as number;
  return below + (above - below) * (position % 1);
}

/** Median and quartiles. Medians, because what disturbs a sample only ever makes it longer. */
export function summarize(samples: readonly number[]): Summary {
  return {
    p25: quantile(samples, 0.25),
    median: quantile(samples, 0.5),
    p75: quantile(samples, 0.75),
  };
}

/** A copy in random order (Fisher-Yates). `random` returns numbers in [0, 1). */
export function shuffled<T>(items: readonly T[], random: () => number = Math.random): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other] as T, result[last] as T];
  }
  return result;
}
