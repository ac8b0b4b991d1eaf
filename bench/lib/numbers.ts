/** Numbers as people read them. */

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const whole = (value: number): string => WHOLE.format(value);

export const fixed = (value: number, digits: number): string =>
  new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);

/** A factor, for example `1.43×`. */
export const times = (factor: number): string => `${fixed(factor, 2)}×`;

/** A difference in percent of `base`, for example `−71.3 %`. */
export function change(value: number, base: number): string {
  const percent = (100 * (value - base)) / base;
  return `${percent < 0 ? "−" : "+"}${fixed(Math.abs(percent), 1)} %`;
}

const KIB = 1024;

/** Bytes in the unit that leaves three digits or so. */
export function bytes(value: number): string {
  if (value < KIB) return `${whole(value)} B`;
  if (value < KIB * KIB) return `${fixed(value / KIB, 1)} KiB`;
  return `${fixed(value / KIB / KIB, 1)} MiB`;
}

/** The value in the middle. @throws Error of an empty list */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const high = sorted[Math.floor(sorted.length / 2)];
  const low = sorted[Math.floor((sorted.length - 1) / 2)];
  if (high === undefined || low === undefined) throw new Error("there is no median of nothing");
  return (high + low) / 2;
}
