/** The judgement of a phase: the canary against the stable lane, over the same time. */
import type {
  Check,
  FiguresByLane,
  GateSettings,
  Judgement,
  Lane,
  LaneFigures,
  Series,
  TrafficClass,
  Verdict,
} from "../contract.ts";
import { judged, type Looked } from "./checks.ts";
import { answerCheck, countedChecks, cronCheck } from "./count-checks.ts";
import { exceedsGate } from "./counts.ts";
import { quantile } from "./histogram.ts";
import { classScope, hasPeer, openClasses, type ClassScope, type Evidence, type Scope } from "./scope.ts";
import { classNoun, FATES, moreOf, outOf, percent } from "./sentences.ts";
import { begun, EMPTY_TALLY, laneCounts, laneLatency, routePairs, type RoutePair } from "./series.ts";
import { latencyChecks, numberChecks, silentNumbers } from "./value-checks.ts";

/** A judgement is stored and sent; checks of routes beyond it are left out, failing ones last. */
const MAX_CHECKS = 80;

const ORDER: readonly Verdict[] = ["fail", "error", "inconclusive", "pass"];

/** A class in both windows. */
interface JudgedClass {
  readonly total: ClassScope;
  readonly recent: ClassScope;
}

const NOTHING: RoutePair = { route: "", canary: EMPTY_TALLY, stable: EMPTY_TALLY };

/** The same route in the recent window, which may hold nothing of it. */
function recentOf(scope: Scope, { routes }: ClassScope): Scope {
  const found = routes.find(({ route }) => route === scope.route);
  return found ?? { ...scope, pairs: [NOTHING], canary: EMPTY_TALLY, stable: EMPTY_TALLY };
}

/** Of a route, what fails and what has its sample is worth telling. */
function worthTelling({ check, lacks }: Looked): boolean {
  return check.verdict !== "inconclusive" || lacks !== null;
}

function checksOf({ total, recent }: JudgedClass, gate: GateSettings, classes: number): readonly Looked[] {
  const { whole, routes } = total;
  const all = judged(whole, recent.whole, gate, classes, routes.length);
  const ofRoutes = routes
    .filter(({ canary }) => begun(canary) > 0)
    .flatMap((scope) => {
      const one = judged(scope, recentOf(scope, recent), gate, classes, routes.length);
      const answers = answerCheck(one);
      return [
        ...countedChecks(one),
        ...(answers === null ? [] : [answers]),
        ...latencyChecks(one),
        ...numberChecks(one),
      ].filter(worthTelling);
    });
  const cron = cronCheck(whole);
  return [...(cron === null ? [] : [cron]), ...countedChecks(all), ...latencyChecks(all), ...ofRoutes];
}

/** What the canary cannot be blamed for yet: the first sentence of each metric, the class as a whole before its routes. */
function lackingOf(looked: readonly Looked[]): readonly string[] {
  const byMetric = new Map<string, string>();
  for (const { check, lacks } of looked) {
    if (lacks !== null && !byMetric.has(check.metric)) byMetric.set(check.metric, lacks);
  }
  return [...byMetric.values()];
}

/** What a pass of one class still needs of its sample. */
function missingOf({ whole }: ClassScope, gate: GateSettings): readonly string[] {
  const { traffic, canary, stable } = whole;
  const minSample = gate.minSample[traffic];
  if (minSample === 0) return [];
  const seen = begun(canary);
  if (seen === 0 && begun(stable) === 0) {
    return [`${moreOf(minSample, traffic)}: no ${classNoun(traffic)} came in on either lane`];
  }
  if (seen < minSample) return [moreOf(minSample - seen, traffic)];
  if (whole.share < 1 && !hasPeer(whole)) {
    return [`${classNoun(traffic)} on the stable lane to compare with: it answered none`];
  }
  return [];
}

/** Failures beyond what the gate allows that chance may still explain; those that lack something else are told. */
function doubtOf({ whole }: ClassScope, gate: GateSettings, looked: readonly Looked[]): readonly string[] {
  const told = new Set(looked.flatMap(({ check, lacks }) => (lacks === null ? [] : [check.metric])));
  return (["errors", "overdue"] as const)
    .filter((metric) => !told.has(metric) && exceedsGate(whole, metric, gate))
    .map((metric) => {
      const hits = { hits: whole.canary[metric], trials: begun(whole.canary) };
      const { traffic } = whole;
      return `more canary ${classNoun(traffic)}, to tell chance from a fault: ${outOf(hits)} ${FATES[metric]}, which is more than the gate allows`;
    });
}

function figuresOf(pairs: readonly RoutePair[], lane: Lane): LaneFigures {
  const { requests, errors, fallbacks } = laneCounts(pairs, lane);
  const latency = laneLatency(pairs, lane);
  const at = (q: number): number | null => quantile(latency, q);
  return { requests, errors, fallbacks, p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

/** Totals by lane and class. */
export function figures(list: readonly Series[]): FiguresByLane {
  const pairs = {
    read: routePairs(list, "read"),
    write: routePairs(list, "write"),
    background: routePairs(list, "background"),
  };
  const of = (lane: Lane): Readonly<Record<TrafficClass, LaneFigures>> => ({
    read: figuresOf(pairs.read, lane),
    write: figuresOf(pairs.write, lane),
    background: figuresOf(pairs.background, lane),
  });
  return { stable: of("stable"), canary: of("canary") };
}

function passReason(classes: readonly JudgedClass[]): string {
  const seen = classes.map(({ total: { whole } }) => {
    const { requests, errors } = whole.canary;
    const share = requests === 0 ? "" : ` (${percent(errors / requests)})`;
    const alone = hasPeer(whole) ? "" : ", latency not compared: no stable lane answers beside it";
    return `${outOf({ hits: errors, trials: requests })} ${classNoun(whole.traffic)} failed${share}${alone}`;
  });
  return `the canary is as good as it has to be: ${seen.join("; ")}`;
}

function failReason(failing: readonly Check[]): string {
  const more = failing.length - 1;
  const others = more === 0 ? "" : ` (and ${more} more ${more === 1 ? "check fails" : "checks fail"})`;
  return `${failing[0]?.reason ?? ""}${others}`;
}

/**
 * Judges what was counted in a phase so far. `fail`: some metric of some class or route
 * is worse than the gate allows, and chance is no explanation for it (`budget.ts` says how often
 * a good canary is failed over all looks at a phase). `error`: background work has a
 * share and its counts could not be had. `inconclusive`: a class that has a share lacks its
 * sample, the canary failed more than the gate allows, which may be chance still, or never reports a
 * number of the gate, or what would fail it was met by too few clients (`clients.ts`), see
 * `missing`. `pass`: else. A sample that is too small keeps from passing, never from failing.
 * @param at ISO 8601
 */
export function judge(evidence: Evidence, gate: GateSettings, at: string): Judgement {
  const { total, recent, shares, background } = evidence;
  const open = openClasses(shares);
  const classes = open.map((traffic): JudgedClass => ({
    total: classScope(total, traffic, shares),
    recent: classScope(recent, traffic, shares),
  }));
  const looked = classes.map((one) => checksOf(one, gate, open.length));
  const checks = looked
    .flat()
    .map(({ check }) => check)
    .sort((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict));
  const failing = checks.filter(({ verdict }) => verdict === "fail");
  const missing = classes.flatMap((one, index) => [
    ...missingOf(one.total, gate),
    ...doubtOf(one.total, gate, looked[index] ?? []),
    ...silentNumbers(one.total, gate),
    ...lackingOf(looked[index] ?? []),
  ]);
  const unreachable = shares.background > 0 && !background.reachable;
  const [verdict, reason] = ((): readonly [Verdict, string] => {
    if (failing.length > 0) return ["fail", failReason(failing)];
    if (unreachable) return ["error", "the archiver did not answer for its background work"];
    if (missing.length > 0) return ["inconclusive", `too little was seen: ${missing.join("; ")}`];
    return ["pass", passReason(classes)];
  })();
  return { at, verdict, reason, missing, checks: checks.slice(0, MAX_CHECKS), figures: figures(total) };
}

export const NO_FIGURES: FiguresByLane = figures([]);
