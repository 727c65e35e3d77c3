/** Sizes and counts as people write and read them. */
import { UsageError } from "./arguments.ts";

const factorOf: Record<string, number> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/**
 * "512M", "1.5G", "4096" or "50%" of memory, as tmpfs(5) has it.
 * @returns bytes
 * @throws {UsageError}
 */
export function parseSize(text: string, memoryBytes: number): number {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text);
  if (percent) return memoryBytes * Number(percent[1]) / 100;
  const [, digits, unit] = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/i.exec(text) ?? [];
  if (digits === undefined) {
    throw new UsageError(
      `size '${text}' is no size: write bytes, a number with K, M, G or T, or a percentage of memory`,
    );
  }
  return Number(digits) * factorOf[unit.toLowerCase()];
}

/** "1000", "10k" or "2M". @throws {UsageError} */
export function parseCount(text: string, what: string): number {
  const [, digits, unit] = /^(\d+)([km]?)$/i.exec(text) ?? [];
  if (digits === undefined) {
    throw new UsageError(`${what} '${text}' is no count: write a number, also with K or M`);
  }
  return Number(digits) * factorOf[unit.toLowerCase()];
}

/** As df -h: three digits at least, such as "1.50G". */
export function formatBytes(bytes: number): string {
  const units = ["B", "K", "M", "G", "T"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) {
    bytes /= 1024;
    unit++;
  }
  return `${unit === 0 ? bytes : bytes.toPrecision(bytes >= 1000 ? 4 : 3)}${units[unit]}`;
}
