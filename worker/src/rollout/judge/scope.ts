/** What is judged by itself: each class that has a share, and each of its routes. */
import { TRAFFIC_CLASSES, type Series, type Shares, type TrafficClass } from "../contract.ts";
import { begun, laneCounts, routePairs, type Counts, type RoutePair } from "./series.ts";

/** What is known when a judgement is made. */
export interface Evidence {
  /** Sums since the phase began (latency: since its initial delay was over). */
  readonly total: readonly Series[];
  /** Sums of the last few intervals. */
  readonly recent: readonly Series[];
  readonly shares: Shares;
  /** Whether the archiver has answered for its background work. */
  readonly background: { readonly reachable: boolean };
}

/**
 * The canary's part where it gets copies: each read is counted once on either lane. The tests hold for
 * such pairs, too: what one request does to both lanes alike makes them differ less than chance would.
 */
export const PAIRED_SHARES: Shares = { read: 50, write: 0, background: 0 };

/** A class as a whole, or one route of it, in one window of time. */
export interface Scope {
  readonly traffic: TrafficClass;
  /** `null` for the class as a whole. */
  readonly route: string | null;
  /** The canary's ordered part of the requests, 0–1. */
  readonly share: number;
  /** The routes that it consists of. */
  readonly pairs: readonly RoutePair[];
  readonly canary: Counts;
  readonly stable: Counts;
}

/** One class that has a share, in one window. */
export interface ClassScope {
  readonly whole: Scope;
  readonly routes: readonly Scope[];
}

/** The class as a whole and route by route. */
export function classScope(list: readonly Series[], traffic: TrafficClass, shares: Shares): ClassScope {
  const pairs = routePairs(list, traffic);
  const share = shares[traffic] / 100;
  const whole = { canary: laneCounts(pairs, "canary"), stable: laneCounts(pairs, "stable") };
  return {
    whole: { traffic, route: null, share, pairs, ...whole },
    routes: pairs.map((pair) => ({
      traffic,
      route: pair.route,
      share,
      pairs: [pair],
      canary: pair.canary,
      stable: pair.stable,
    })),
  };
}

/** The classes of which the canary has a share. */
export function openClasses(shares: Shares): readonly TrafficClass[] {
  return TRAFFIC_CLASSES.filter((traffic) => shares[traffic] > 0);
}

/** Whether a stable lane answers beside the canary; where none does, absolute limits hold. */
export function hasPeer({ share, stable }: Scope): boolean {
  return share < 1 && begun(stable) > 0;
}
