/**
 * Evidence that may be looked at after every request. An E-process is a non-negative
 * process that, while the canary is no worse than allowed, is at most 1 in the mean at
 * every time at which one may stop. By Ville's inequality (1939) it ever reaches 1/α with
 * probability at most α: no number of looks adds false alarms (Robbins, "Statistical
 * methods related to the law of the iterated logarithm", 1970; Johari, Koomen,
 * Pekelis, Walsh, "Always valid inference", 2022). Here it is a likelihood ratio as in
 * Wald's sequential test (1945), averaged over a few ways in which a canary can be bad.
 *
 * Two lanes: each request is the canary's with the probability of its share, and its
 * outcome then is a coin. The ratio is that of a bad pair of coins to the pair that is
 * nearest to it among those that are allowed (`nearestNull`). Only the difference counts:
 * coins that grow bad for both lanes at the same time, as when a database is down, leave
 * the process at most 1 in the mean, since each single request does.
 */
import { canaryPart, nearestNull, shareOf, type Hits, type Split } from "./split.ts";

const STABLE_SHARES = [0.001, 0.01, 0.05, 0.2, 0.5];
const CANARY_SHARES = [0.02, 0.05, 0.1, 0.3, 0.7, 0.98];
/** Of what may be said with fewer hits, one client's bad luck is the better explanation. */
export const MIN_HITS = 3;

interface Alternative {
  readonly canary: number;
  readonly stable: number;
}

const ALTERNATIVES: readonly Alternative[] = STABLE_SHARES.flatMap((stable) =>
  CANARY_SHARES.filter((canary) => canary >= 2 * stable).map((canary) => ({ canary, stable })),
);

/** ln of the mean of the exponentials. */
function logMean(logs: readonly number[]): number {
  const most = Math.max(...logs);
  if (!Number.isFinite(most)) return most;
  return most + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - most), 0) / logs.length);
}

function logRatio({ hits, trials }: Hits, bad: number, good: number): number {
  return hits * Math.log(bad / good) + (trials - hits) * Math.log((1 - bad) / (1 - good));
}

function logRatioOf(split: Split, bad: Alternative, q: number, margin: number): number {
  const stable = nearestNull(bad.canary, bad.stable, q, margin);
  return logRatio(split.canary, bad.canary, stable + margin) + logRatio(split.stable, bad.stable, stable);
}

function mixture(splits: readonly Split[], part: (split: Split) => number, margin: number): number {
  const logs = ALTERNATIVES.filter(({ canary, stable }) => canary > stable + margin).map((bad) =>
    splits.reduce((sum, split) => sum + logRatioOf(split, bad, part(split), margin), 0),
  );
  return logs.length === 0 ? -Infinity : logMean(logs);
}

/**
 * ln E against "on every route the canary's share of hits is at most the stable lane's
 * and `margin`". Routes are multiplied, so a lane that is asked more often for a route
 * that always fails is not worse for it. Of two processes, one for the share that was
 * ordered and one for the share that came, the smaller is told: clients keep their
 * lane, so the two can differ.
 * @param share the canary's ordered part of the requests, 0–1, exclusive
 */
export function logEvidence(splits: readonly Split[], share: number, margin: number): number {
  const used = splits.filter(({ canary, stable }) => canary.trials > 0 && stable.trials > 0);
  const hits = used.reduce((sum, { canary }) => sum + canary.hits, 0);
  if (hits < MIN_HITS || !used.some((split) => shareOf(split.canary) > shareOf(split.stable) + margin)) {
    return -Infinity;
  }
  const ordered = mixture(used, () => share, margin);
  return ordered <= 0 ? ordered : Math.min(ordered, mixture(used, canaryPart, margin));
}

/** ln E against "the share of hits is at most `limit`", with no lane to compare with. */
export function logEvidenceAbove({ hits, trials }: Hits, limit: number): number {
  if (hits < MIN_HITS) return -Infinity;
  const good = Math.min(Math.max(limit, 1e-4), 0.98);
  const bads = [2 * good, 5 * good, 10 * good, 0.3, 0.7, 0.98, (1 + good) / 2].filter(
    (bad) => bad > good && bad < 1,
  );
  return logMean(bads.map((bad) => logRatio({ hits, trials }, bad, good)));
}
