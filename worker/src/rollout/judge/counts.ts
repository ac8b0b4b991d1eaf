/** The metrics that are counted: of how many requests each is told. */
import type { GateSettings } from "../contract.ts";
import { MIN_HITS } from "./e-process.ts";
import { hasPeer, type Scope } from "./scope.ts";
import { begun, type Counts, type RoutePair } from "./series.ts";
import { pooled, shareOf, type Hits, type Split } from "./split.ts";

export const COUNTED_METRICS = ["errors", "exceptions", "overdue"] as const;
export type CountedMetric = (typeof COUNTED_METRICS)[number];

function hitsOf(counts: Counts, metric: CountedMetric): Hits {
  return { hits: counts[metric], trials: Math.max(begun(counts), counts[metric]) };
}

/** Both lanes of one route. */
export function countedSplit(
  { canary, stable }: { readonly canary: Counts; readonly stable: Counts },
  metric: CountedMetric,
): Split {
  return { canary: hitsOf(canary, metric), stable: hitsOf(stable, metric) };
}

/**
 * The same, of the canary's hits those only that are proven: the stable lane has answered
 * the very request in its place.
 */
export function provenSplit(
  pair: { readonly canary: Counts; readonly stable: Counts },
  metric: CountedMetric,
): Split {
  const { canary, stable } = countedSplit(pair, metric);
  return { canary: { ...canary, hits: Math.min(canary.hits, pair.canary.fallbacks) }, stable };
}

/** What the share of proven failures may be where no stable lane answers beside the canary, 0–1. */
export function provenLimit({ errorTolerance, maxErrorShare }: GateSettings): number {
  return Math.min(errorTolerance, maxErrorShare);
}

/**
 * Whether the canary has failed more than the gate allows, be it by chance. What has is not condemned for
 * it, but has to show that it was chance before it goes on: with more requests the share falls.
 */
export function exceedsGate(scope: Scope, metric: CountedMetric, gate: GateSettings): boolean {
  const { canary, stable } = pooled(scope.pairs.map((pair) => countedSplit(pair, metric)));
  if (canary.hits < MIN_HITS) return false;
  if (hasPeer(scope)) return shareOf(canary) > shareOf(stable) + gate.errorTolerance;
  const proven = pooled(scope.pairs.map((pair) => provenSplit(pair, metric))).canary;
  const isProven = proven.hits >= MIN_HITS && shareOf(proven) > provenLimit(gate);
  return isProven || shareOf(canary) > gate.maxErrorShare;
}

const CRON = "cron";
/** Failed canary runs after which nobody waits for the next judgement. */
const SURE_RUNS = 2;

/** Failed cron runs that speak against the canary. */
export interface CronFinding extends Split {
  /** Enough to take it back at once. */
  readonly sure: boolean;
}

/**
 * Cron runs are too rare for statistics, but each comes with its own control: a run that
 * the canary fails is done again by the stable archiver at once, and counts only when that
 * one succeeds. So when more than half of the canary's runs failed, and none of the
 * stable lane's own, it is the canary. One such run is a `fail`, unless the next one is
 * good before the next judgement; two are beyond doubt. This rule is not part of
 * `falseAlarm`: a run has bad luck as often as it has.
 */
export function cronFinding(pairs: readonly RoutePair[]): CronFinding | null {
  const pair = pairs.find(({ route }) => route === CRON);
  if (pair === undefined) return null;
  const { canary, stable } = pair;
  if (stable.errors > 0 || canary.errors === 0 || canary.errors * 2 <= canary.requests) return null;
  return { ...countedSplit(pair, "errors"), sure: canary.errors >= SURE_RUNS };
}
