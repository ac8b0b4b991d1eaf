/** What one delivery or run adds to the counts. Pure. */
import type { BackgroundSeries } from "./contract.ts";
import { bucketOf } from "./histogram.ts";

/** How one piece of work ended. */
export interface Outcome {
  readonly lane: BackgroundSeries["lane"];
  readonly route: BackgroundSeries["route"];
  /** Messages, or 1 run; 0 counts nothing. */
  readonly requests: number;
  /** Of the requests: the canary did not do them, or the stable lane did not. */
  readonly errors: number;
  /** How it failed, if it did. */
  readonly how: "answered" | "threw" | "overdue";
  /** ms. */
  readonly took: number;
}

/**
 * The counts of one delivery or run. A delivery that the canary has not answered for
 * in time is late and no failure: the stable lane's, which may take the time it
 * needs, is no more than late either, and a slow database makes both late. A late
 * run is one, because the caller has just done the same work in time.
 */
export function countsOf({ lane, route, requests, errors: missed, how, took }: Outcome): BackgroundSeries {
  const onlyLate = lane === "canary" && route === "queue" && how === "overdue";
  const errors = onlyLate ? 0 : missed;
  const failed = errors > 0 ? 1 : 0;
  return {
    lane,
    route,
    requests,
    errors,
    exceptions: how === "threw" ? failed : 0,
    overdue: how === "overdue" && requests > 0 ? 1 : 0,
    deliveries: 1,
    failedDeliveries: failed,
    latency: how === "threw" ? [] : [[bucketOf(took), 1]],
  };
}
