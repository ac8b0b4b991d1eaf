/** Arithmetic of request counts by lane and class. */
import type { CountsByLane, Lane, LaneCounts, TrafficClass } from "./contract.ts";

const NONE: LaneCounts = { requests: 0, errors: 0 };

export const NO_COUNTS: CountsByLane = {
  stable: { read: NONE, write: NONE },
  canary: { read: NONE, write: NONE },
};

function add(left: LaneCounts, right: LaneCounts): LaneCounts {
  return { requests: left.requests + right.requests, errors: left.errors + right.errors };
}

/** The sum of both. */
export function addCounts(left: CountsByLane, right: CountsByLane): CountsByLane {
  const lane = (name: Lane) => ({
    read: add(left[name].read, right[name].read),
    write: add(left[name].write, right[name].write),
  });
  return { stable: lane("stable"), canary: lane("canary") };
}

/** What there is to count of one request. */
export interface Counted {
  readonly lane: Lane;
  readonly traffic: TrafficClass;
  readonly failed: boolean;
  /** It was counted as answered before; then its body broke. */
  readonly again?: boolean;
}

/** The counts of a single request. */
export function oneRequest({ lane, traffic, failed, again = false }: Counted): CountsByLane {
  const counts = { requests: again ? 0 : 1, errors: failed ? 1 : 0 };
  return { ...NO_COUNTS, [lane]: { ...NO_COUNTS[lane], [traffic]: counts } };
}
