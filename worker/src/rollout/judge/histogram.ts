/**
 * Log-scaled histograms that can be added: the buckets of DDSketch (Masson, Rim,
 * Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
 * guarantees", VLDB 2019), with fixed ends instead of its collapsing store.
 */
import type { Histogram, HistogramBucket } from "../contract.ts";

/** A quantile differs from a value that was counted by at most this part of it. */
export const RELATIVE_ERROR = 0.05;
/** What is not above it, is negative, or is no number, falls into bucket 0 and is told as 0. */
export const LOWEST_VALUE = 0.01;
/** What is greater than its edge (82 minutes, in milliseconds) falls into it, too. */
export const LAST_BUCKET = 200;

const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
const LOG_GAMMA = Math.log(GAMMA);

/** The bucket of a value: 0 to `LAST_BUCKET`. */
export function bucketOf(value: number): number {
  if (!(value > LOWEST_VALUE)) return 0;
  return Math.min(LAST_BUCKET, Math.ceil(Math.log(value / LOWEST_VALUE) / LOG_GAMMA));
}

/** The greatest value of a bucket. */
export function edgeOf(bucket: number): number {
  return LOWEST_VALUE * GAMMA ** bucket;
}

/** The value that a bucket is told as: within `RELATIVE_ERROR` of all that it holds. */
export function valueOf(bucket: number): number {
  return bucket <= 0 ? 0 : ((2 * LOWEST_VALUE) / (GAMMA + 1)) * GAMMA ** bucket;
}

/** The sum of two histograms. */
export function addHistograms(left: Histogram, right: Histogram): Histogram {
  if (left.length === 0) return right;
  if (right.length === 0) return left;
  const sum: HistogramBucket[] = [];
  let i = 0;
  let j = 0;
  for (;;) {
    const a = left[i];
    const b = right[j];
    if (a === undefined) return sum.concat(right.slice(j));
    if (b === undefined) return sum.concat(left.slice(i));
    if (a[0] === b[0]) sum.push([a[0], a[1] + b[1]]);
    else sum.push(a[0] < b[0] ? a : b);
    if (a[0] <= b[0]) i += 1;
    if (b[0] <= a[0]) j += 1;
  }
}

/** The sum of many histograms. */
export function sumHistograms(histograms: readonly Histogram[]): Histogram {
  return histograms.reduce(addHistograms, []);
}

/** How many values were counted. */
export function countOf(histogram: Histogram): number {
  let sum = 0;
  for (const [, count] of histogram) sum += count;
  return sum;
}

/** How many values fell into buckets above that of `value`; one in its own bucket is not above it. */
export function countAbove(histogram: Histogram, value: number): number {
  const own = bucketOf(value);
  let sum = 0;
  for (const [bucket, count] of histogram) if (bucket > own) sum += count;
  return sum;
}

/** The bucket of the lower `q`-quantile (0–1), as DDSketch defines it; `null` of an empty histogram. */
export function quantileBucket(histogram: Histogram, q: number): number | null {
  const rank = Math.floor(q * (countOf(histogram) - 1));
  let seen = 0;
  for (const [bucket, count] of histogram) {
    seen += count;
    if (seen > rank) return bucket;
  }
  return null;
}

/** The lower `q`-quantile (0–1), within `RELATIVE_ERROR`; `null` of an empty histogram. */
export function quantile(histogram: Histogram, q: number): number | null {
  const bucket = quantileBucket(histogram, q);
  return bucket === null ? null : valueOf(bucket);
}

/** Mean and variance of the values as they are told; `null` of an empty histogram. */
export function moments(histogram: Histogram): { readonly mean: number; readonly variance: number } | null {
  const count = countOf(histogram);
  if (count === 0) return null;
  let sum = 0;
  for (const [bucket, times] of histogram) sum += times * valueOf(bucket);
  const mean = sum / count;
  let squares = 0;
  for (const [bucket, times] of histogram) squares += times * (valueOf(bucket) - mean) ** 2;
  return { mean, variance: count > 1 ? squares / (count - 1) : 0 };
}
