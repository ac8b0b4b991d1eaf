/** Short ways to write down what both lanes did. */
import type { ClientGroups, GateSettings, Series, Shares } from "../contract.ts";
import { DEFAULT_GATE } from "../plan.ts";
import { bucketOf } from "./histogram.ts";
import type { Evidence } from "./scope.ts";
import { EMPTY_TALLY } from "./series.ts";

export const GATE: GateSettings = DEFAULT_GATE;
export const TENTH: Shares = { read: 10, write: 0, background: 0 };

/** Requests that took `ms` each and were JSON, `errors` of them 500. */
export function seen(
  lane: Series["lane"],
  route: string,
  requests: number,
  { errors = 0, ms = 20, ...more }: Partial<Series> & { readonly ms?: number } = {},
): Series {
  return {
    ...EMPTY_TALLY,
    lane,
    traffic: "read",
    route,
    requests,
    errors,
    latency: requests === 0 ? [] : [[bucketOf(ms), requests]],
    answers: { "2xx application/json": requests - errors, "5xx application/problem+json": errors },
    ...more,
  };
}

export function evidence(total: readonly Series[], more: Partial<Evidence> = {}): Evidence {
  return { total, recent: total, shares: TENTH, background: { reachable: true }, ...more };
}

/** So many groups of clients, the first `failed` of which met an error. */
export function clients(seenGroups: number, failed = 0, answers: ClientGroups["answers"] = {}): ClientGroups {
  return { seen: groups(seenGroups), failed: groups(failed), answers };
}

/** The bitmap of the first so many groups. */
export function groups(count: number): number {
  return 2 ** count - 1;
}
