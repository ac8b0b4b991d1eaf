/** Sums of series, and the bounds that keep them small whatever is reported. */
import type { ClientGroups, Histogram, Lane, NumberTally, Series, TrafficClass } from "../contract.ts";
import { addGroups } from "./clients.ts";
import { addHistograms, sumHistograms } from "./histogram.ts";

/** Routes of all classes that are kept apart. */
export const MAX_ROUTES = 64;
/** Kinds of answers that a series keeps apart. */
export const MAX_KINDS = 48;
/** Names of numbers that a series keeps apart. */
export const MAX_NUMBERS = 16;
/** What is beyond a bound is counted under this name. */
export const OTHER = "(other)";

/** What a series counts, without where. */
export type Tally = Omit<Series, "lane" | "traffic" | "route">;

export const EMPTY_TALLY: Tally = {
  requests: 0,
  errors: 0,
  exceptions: 0,
  overdue: 0,
  fallbacks: 0,
  latency: [],
  answers: {},
  numbers: {},
  clients: null,
};

/** Counts by name, at most `bound` names, those beyond it as `OTHER`. */
function addNamed<T>(
  left: Readonly<Record<string, T>>,
  right: Readonly<Record<string, T>>,
  bound: number,
  add: (a: T, b: T) => T,
): Readonly<Record<string, T>> {
  const sums = new Map(Object.entries(left));
  for (const [name, value] of Object.entries(right)) {
    const key = sums.has(name) || sums.size < bound - 1 ? name : OTHER;
    const before = sums.get(key);
    sums.set(key, before === undefined ? value : add(before, value));
  }
  return Object.fromEntries(sums);
}

const addCounts = (a: number, b: number): number => a + b;

function addNumbers(a: NumberTally, b: NumberTally): NumberTally {
  return { count: a.count + b.count, sum: a.sum + b.sum, histogram: addHistograms(a.histogram, b.histogram) };
}

/** Whoever either of them has met; what is known of one only stands for both. */
function addClients(a: ClientGroups | null, b: ClientGroups | null): ClientGroups | null {
  if (a === null || b === null) return a ?? b;
  return {
    seen: addGroups(a.seen, b.seen),
    failed: addGroups(a.failed, b.failed),
    answers: addNamed(a.answers, b.answers, MAX_KINDS, addGroups),
  };
}

/** The sum of two tallies. */
export function addTallies(a: Tally, b: Tally): Tally {
  return {
    requests: a.requests + b.requests,
    errors: a.errors + b.errors,
    exceptions: a.exceptions + b.exceptions,
    overdue: a.overdue + b.overdue,
    fallbacks: a.fallbacks + b.fallbacks,
    latency: addHistograms(a.latency, b.latency),
    answers: addNamed(a.answers, b.answers, MAX_KINDS, addCounts),
    numbers: addNamed(a.numbers, b.numbers, MAX_NUMBERS, addNumbers),
    clients: addClients(a.clients, b.clients),
  };
}

const routeKey = ({ traffic, route }: Pick<Series, "traffic" | "route">): string => `${traffic} ${route}`;

/**
 * The sum by lane, class and route. A route beyond the first `MAX_ROUTES` is counted as
 * `OTHER` on both lanes alike, so that they stay comparable.
 */
export function addSeries(list: readonly Series[], more: readonly Series[]): readonly Series[] {
  const sums = new Map<string, Series>();
  const routes = new Set<string>();
  const add = (series: Series): void => {
    const known = routes.has(routeKey(series)) || routes.size < MAX_ROUTES;
    const one = known ? series : { ...series, route: OTHER };
    if (known) routes.add(routeKey(one));
    const key = `${one.lane} ${routeKey(one)}`;
    const before = sums.get(key);
    sums.set(key, before === undefined ? one : { ...one, ...addTallies(before, one) });
  };
  for (const series of list) add(series);
  for (const series of more) add(series);
  return [...sums.values()];
}

/** Both lanes of one route of a class. */
export interface RoutePair {
  readonly route: string;
  readonly canary: Tally;
  readonly stable: Tally;
}

/** The routes of one class on both lanes, those with most canary requests first. */
export function routePairs(list: readonly Series[], traffic: TrafficClass): readonly RoutePair[] {
  const pairs = new Map<string, Record<Lane, Tally>>();
  for (const series of list) {
    if (series.traffic !== traffic) continue;
    const pair = pairs.get(series.route) ?? { canary: EMPTY_TALLY, stable: EMPTY_TALLY };
    const before = pair[series.lane];
    pair[series.lane] = before === EMPTY_TALLY ? series : addTallies(before, series);
    pairs.set(series.route, pair);
  }
  return [...pairs]
    .map(([route, pair]) => ({ route, ...pair }))
    .sort((a, b) => b.canary.requests - a.canary.requests);
}

/** What is counted of requests, without their latency, answers and numbers. */
export type Counts = Pick<Tally, "requests" | "errors" | "exceptions" | "overdue" | "fallbacks">;

/** What one lane did for all the routes. */
export function laneCounts(pairs: readonly RoutePair[], lane: Lane): Counts {
  const sum = { requests: 0, errors: 0, exceptions: 0, overdue: 0, fallbacks: 0 };
  for (const pair of pairs) {
    const tally = pair[lane];
    sum.requests += tally.requests;
    sum.errors += tally.errors;
    sum.exceptions += tally.exceptions;
    sum.overdue += tally.overdue;
    sum.fallbacks += tally.fallbacks;
  }
  return sum;
}

/** Whom one lane met on all the routes; `null` when that is not known. */
export function laneClients(pairs: readonly RoutePair[], lane: Lane): ClientGroups | null {
  return pairs.reduce<ClientGroups | null>((all, pair) => addClients(all, pair[lane].clients), null);
}

/** How fast one lane answered for all the routes. */
export function laneLatency(pairs: readonly RoutePair[], lane: Lane): Histogram {
  return sumHistograms(pairs.map((pair) => pair[lane].latency));
}

/** How many there were: in a short window, what was learned late may exceed what was begun. */
export function begun({ requests, errors, overdue }: Counts): number {
  return Math.max(requests, errors, overdue);
}
