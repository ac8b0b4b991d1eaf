/** Tests of one look: p-values, one-sided, that the canary is worse than it may be. */
import type { Histogram } from "../contract.ts";
import { bucketOf, countAbove, countOf, edgeOf, moments, quantileBucket, valueOf } from "./histogram.ts";
import { canaryPart, nearestNull, pooled, shareOf, type Split } from "./split.ts";
import { binomialLower, binomialUpper, hypergeometricUpper, normalUpper } from "./tails.ts";

function divergence(a: number, b: number): number {
  const part = (x: number, y: number): number => (x === 0 ? 0 : x * Math.log(x / y));
  return part(a, b) + part(1 - a, 1 - b);
}

/**
 * Against equal shares, route by route: given how many hits a route had on both lanes,
 * they fall on the canary by chance. One route: Fisher's exact test. Several: their sum
 * is a sum of independent coins (Vatutin, Mikhailov 1982), and the binomial tail of the
 * same mean bounds it from above (Hoeffding, "On the distribution of the number of
 * successes in independent trials", 1956); it asks what the Cochran–Mantel–Haenszel
 * test asks, and is exact for the few errors for which that one's normal tail is not.
 */
export function equalSharesP(splits: readonly Split[]): number {
  const used = splits.filter(({ canary, stable }) => canary.trials > 0 && stable.trials > 0);
  const [only] = used;
  if (used.length === 1 && only !== undefined) {
    const { canary, stable } = only;
    const all = canary.trials + stable.trials;
    return hypergeometricUpper(canary.hits, canary.trials, canary.hits + stable.hits, all);
  }
  let seen = 0;
  let hits = 0;
  let mean = 0;
  for (const split of used) {
    const both = split.canary.hits + split.stable.hits;
    seen += split.canary.hits;
    hits += both;
    mean += both * canaryPart(split);
  }
  return seen < mean + 1 ? 1 : binomialUpper(seen, hits, mean / hits);
}

/**
 * Against "the canary's share is at most the stable lane's and `margin`": the signed root
 * of the likelihood ratio at the restricted estimate of Farrington and Manning (1990),
 * half a hit taken off for continuity. Their score statistic is the same to first
 * order, but far out in the tail of few errors its normal approximation is off by orders.
 */
export function marginP({ canary, stable }: Split, margin: number): number {
  if (canary.trials === 0 || stable.trials === 0) return 1;
  const high = Math.max(0, canary.hits - 0.5) / canary.trials;
  const low = shareOf(stable);
  if (high <= low + margin) return 1;
  const near = nearestNull(high, low, canaryPart({ canary, stable }), margin);
  const distance = canary.trials * divergence(high, near + margin) + stable.trials * divergence(low, near);
  return normalUpper(Math.sqrt(2 * Math.max(0, distance)));
}

/** Both must doubt: the exact test of equal shares by route, and the test at the margin over all routes. */
export function worseShareP(splits: readonly Split[], margin: number): number {
  const equal = equalSharesP(splits);
  return equal >= 1 || margin === 0 ? equal : Math.max(equal, marginP(pooled(splits), margin));
}

/** That the canary got no fewer than its ordered `share` (0–1) of answers that are alike on both lanes. */
export function missingAnswersP(canary: number, stable: number, share: number): number {
  return binomialLower(canary, canary + stable, share);
}

/** Two histograms of one route. */
export interface HistogramPair {
  readonly canary: Histogram;
  readonly stable: Histogram;
}

/** What a value may be, beside that of the stable lane. */
export type Allowance = (stable: number) => number;

/**
 * The question whether the canary's `q`-quantile is above what is allowed, as one of
 * shares: of the stable values those above their own quantile, of the canary's those
 * above what is allowed beside it. While the canary's values are at most the stable
 * lane's with the allowance, its share is no greater, whatever the distribution: the
 * control-quantile test of Mathisen (Annals of Mathematical Statistics 14, 1943), an
 * exceedance test (Gumbel, von Schelling 1950). It is the distance of the two
 * distribution functions at that point (Kolmogorov–Smirnov takes the greatest of them
 * all), it takes the small sample of both lanes into account, and buckets cost power
 * only, since edges are compared. `null` where a lane has no value.
 */
export function exceedance({ canary, stable }: HistogramPair, q: number, allowed: Allowance): Split | null {
  const bucket = quantileBucket(stable, q);
  const trials = countOf(canary);
  if (bucket === null || trials === 0) return null;
  const edge = edgeOf(bucket);
  return {
    canary: { hits: countAbove(canary, allowed(edge)), trials },
    stable: {
      hits: stable.reduce((sum, [own, count]) => sum + (own > bucket ? count : 0), 0),
      trials: countOf(stable),
    },
  };
}

/** Below this many values on a lane, ranks and means say nothing. */
const MIN_VALUES = 8;

/**
 * That the canary's values are no greater than the stable lane's: the rank test of Mann
 * and Whitney (1947) on buckets, with the correction for ties.
 */
function greaterRanksP({ canary, stable }: HistogramPair): number {
  const m = countOf(canary);
  const s = countOf(stable);
  const below = new Map(stable);
  const own = new Map(canary);
  const buckets = [...new Set([...below.keys(), ...own.keys()])].sort((a, b) => a - b);
  let wins = 0;
  let seen = 0;
  let ties = 0;
  for (const bucket of buckets) {
    const a = own.get(bucket) ?? 0;
    const b = below.get(bucket) ?? 0;
    wins += a * (seen + b / 2);
    seen += b;
    ties += (a + b) ** 3 - (a + b);
  }
  const all = m + s;
  const variance = ((m * s) / 12) * (all + 1 - ties / (all * (all - 1)));
  return variance <= 0 ? 1 : normalUpper((wins - (m * s) / 2 - 0.5) / Math.sqrt(variance));
}

/** That the canary's mean is at most `factor` times the stable lane's (Welch 1947). */
function greaterMeanP({ canary, stable }: HistogramPair, factor: number): number {
  const a = moments(canary);
  const b = moments(stable);
  if (a === null || b === null) return 1;
  const difference = a.mean - factor * b.mean;
  const variance = a.variance / countOf(canary) + (factor * factor * b.variance) / countOf(stable);
  if (difference <= 0) return 1;
  return variance === 0 ? 0 : normalUpper(difference / Math.sqrt(variance));
}

/** The values divided by `factor`, in buckets. */
function divided(histogram: Histogram, factor: number): Histogram {
  const counts = new Map<number, number>();
  for (const [bucket, count] of histogram) {
    const own = bucketOf(valueOf(bucket) / factor);
    counts.set(own, (counts.get(own) ?? 0) + count);
  }
  return [...counts];
}

/**
 * That the canary's numbers are at most `factor` times the stable lane's. Ranks must doubt that
 * they are the same, which no single wild value sways; and either the means must doubt the factor
 * (numbers that are 0 or 1), or the ranks of the canary's values divided by it (long tails).
 */
export function greaterNumbersP(pair: HistogramPair, factor: number): number {
  if (Math.min(countOf(pair.canary), countOf(pair.stable)) < MIN_VALUES) return 1;
  const scaled = { canary: divided(pair.canary, factor), stable: pair.stable };
  const beyondFactor = 2 * Math.min(greaterMeanP(pair, factor), greaterRanksP(scaled));
  return Math.max(greaterRanksP(pair), Math.min(1, beyondFactor));
}

/** That the numbers of the canary are at least the stable lane's divided by `factor`. */
export function smallerNumbersP({ canary, stable }: HistogramPair, factor: number): number {
  return greaterNumbersP({ canary: stable, stable: canary }, factor);
}

/** That no more than a part 1 − `q` of the values is above `limit`, with no lane to compare with. */
export function quantileAboveP(histogram: Histogram, q: number, limit: number): number {
  const bucket = bucketOf(limit);
  const above = histogram.reduce((sum, [own, count]) => sum + (own > bucket ? count : 0), 0);
  return binomialUpper(above, countOf(histogram), 1 - q);
}
