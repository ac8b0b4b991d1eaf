/**
 * The bucket of a duration, as the contract says it (`BackgroundSeries.latency`):
 * the hub adds these histograms to its own, so both know the formula. DDSketch
 * (Masson, Rim and Lee, VLDB 2019) with fixed ends.
 */

const LOWEST_MS = 0.01;
const LAST_BUCKET = 200;
const LOG_GAMMA = Math.log(1.05 / 0.95);

/** @param ms a duration */
export function bucketOf(ms: number): number {
  if (!(ms > LOWEST_MS)) return 0;
  return Math.min(LAST_BUCKET, Math.ceil(Math.log(ms / LOWEST_MS) / LOG_GAMMA));
}
