/** Background work: the order to the archiver, and its counts as evidence. */
import type { BackgroundOrder, BackgroundTally } from "../../../../archiver/src/contract.ts";
import type { Histogram, RolloutState, Series } from "../contract.ts";
import { viewOf } from "../view.ts";

export type BackgroundCounts = BackgroundTally["series"][number];

/** An order outlives this many intervals in which the object says nothing. */
const VALID_INTERVALS = 3;
const MIN_VALID_MS = 10_000;
const CLOSED_OVERDUE_MS = 3_000;

/**
 * What the archiver has to do now. An order that is not renewed runs out, so a
 * canary is not fed by an archiver that can no longer be reached. Whether a probe
 * is due, the archiver knows.
 */
export function backgroundOrder(state: RolloutState): BackgroundOrder {
  const { id, phase, shares } = viewOf(state);
  const intervalMs = state.plan?.intervalMs ?? 0;
  const share = shares.background;
  return {
    rolloutId: id,
    phase,
    revision: state.revision,
    share,
    validMs: Math.max(MIN_VALID_MS, VALID_INTERVALS * intervalMs),
    overdueMs: state.plan?.overdueMs ?? CLOSED_OVERDUE_MS,
    probe: share > 0,
  };
}

function histogramSince(before: Histogram, now: Histogram): Histogram | null {
  const counts = new Map(now);
  for (const [bucket, count] of before) {
    const left = (counts.get(bucket) ?? 0) - count;
    if (left < 0) return null;
    if (left === 0) counts.delete(bucket);
    else counts.set(bucket, left);
  }
  return [...counts];
}

/** The difference; all of `now` when the archiver has begun to count anew. */
function since(before: BackgroundCounts, now: BackgroundCounts): BackgroundCounts {
  const latency = histogramSince(before.latency, now.latency);
  const difference = {
    requests: now.requests - before.requests,
    errors: now.errors - before.errors,
    exceptions: now.exceptions - before.exceptions,
    overdue: now.overdue - before.overdue,
    deliveries: now.deliveries - before.deliveries,
    failedDeliveries: now.failedDeliveries - before.failedDeliveries,
  };
  if (latency === null || Object.values(difference).some((count) => count < 0)) return now;
  return { ...now, ...difference, latency };
}

/**
 * Messages of one delivery fail together, so it is deliveries that are counted; the
 * archiver's latency has one value for each, in the judge's own buckets.
 */
function seriesOf({
  lane,
  route,
  deliveries,
  failedDeliveries,
  latency,
  ...counts
}: BackgroundCounts): Series {
  return {
    lane,
    traffic: "background",
    route,
    requests: deliveries,
    errors: failedDeliveries,
    exceptions: counts.exceptions,
    overdue: counts.overdue,
    latency,
    // What the canary failed counts only when the stable archiver could do it right after.
    fallbacks: failedDeliveries,
    answers: {},
    numbers: {},
    clients: null,
  };
}

/** What two tallies of one phase differ by. */
export function backgroundSince(
  before: readonly BackgroundCounts[],
  now: readonly BackgroundCounts[],
): readonly Series[] {
  return now
    .map((counts) => {
      const former = before.find(({ lane, route }) => lane === counts.lane && route === counts.route);
      return former === undefined ? counts : since(former, counts);
    })
    .filter(({ requests, errors, overdue }) => requests + errors + overdue > 0)
    .map(seriesOf);
}
