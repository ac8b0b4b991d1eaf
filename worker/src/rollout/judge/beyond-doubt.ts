/** The alarm between two judgements: what has to go at once. */
import type { GateSettings } from "../contract.ts";
import { ANSWER_MARGIN, kindSplits, replacesOthers } from "./answers.ts";
import { ALARM_PARTS, alarmLevel, scopePart, windowPart, type Window } from "./budget.ts";
import { severalFailed } from "./clients.ts";
import {
  COUNTED_METRICS,
  countedSplit,
  cronFinding,
  provenLimit,
  provenSplit,
  type CountedMetric,
} from "./counts.ts";
import { logEvidence, logEvidenceAbove } from "./e-process.ts";
import { classScope, hasPeer, openClasses, type ClassScope, type Evidence, type Scope } from "./scope.ts";
import { begun, laneClients } from "./series.ts";
import { chance, cronSentence, FATES, kindText, outOf, percent, scopeNoun } from "./sentences.ts";
import { pooled, type Hits } from "./split.ts";

interface Alarm {
  readonly hits: Hits;
  /** What they are compared with. */
  readonly beside: string;
  readonly log: number;
}

type Splitter = typeof countedSplit;

/** Beside a stable lane: all failures, or the proven ones where too few clients met the others. */
function comparedAlarm(
  scope: Scope,
  metric: CountedMetric,
  gate: GateSettings,
  enough: number,
): Alarm | null {
  const found = (splitter: Splitter): Alarm | null => {
    const splits = scope.pairs.map((pair) => splitter(pair, metric));
    const log = logEvidence(splits, scope.share, gate.errorTolerance);
    if (log < enough) return null;
    const { canary, stable } = pooled(splits);
    return { hits: canary, beside: `${outOf(stable)} on the stable lane`, log };
  };
  const all = found(countedSplit);
  if (all === null || severalFailed(laneClients(scope.pairs, "canary"))) return all;
  return found(provenSplit);
}

/** Where no stable lane answers beside it: two limits, each with half of what may be spent. */
function limitedAlarm(scope: Scope, metric: CountedMetric, gate: GateSettings, enough: number): Alarm | null {
  const found = (splitter: Splitter, limit: number, where: string): Alarm | null => {
    const hits = pooled(scope.pairs.map((pair) => splitter(pair, metric))).canary;
    const log = logEvidenceAbove(hits, limit) - Math.LN2;
    return log < enough ? null : { hits, beside: `at most ${percent(limit)} may, where ${where}`, log };
  };
  const alone = "no stable lane answers beside it";
  const all = found(countedSplit, gate.maxErrorShare, alone);
  if (all !== null && severalFailed(laneClients(scope.pairs, "canary"))) return all;
  return found(provenSplit, provenLimit(gate), "the stable lane answers in its place");
}

/**
 * Background work that the canary failed was done by the stable archiver right after: each failure is
 * proven, so that few of them need no comparison. Two tests, each with half of what may be spent.
 */
function backgroundAlarm(
  scope: Scope,
  metric: CountedMetric,
  gate: GateSettings,
  enough: number,
): Alarm | null {
  const compared = comparedAlarm(scope, metric, gate, enough + Math.LN2);
  if (compared !== null) return compared;
  const hits = pooled(scope.pairs.map((pair) => provenSplit(pair, metric))).canary;
  const limit = provenLimit(gate);
  const log = logEvidenceAbove(hits, limit) - Math.LN2;
  const beside = `at most ${percent(limit)} may, where the stable lane then does it`;
  return log < enough ? null : { hits, beside, log };
}

/** Errors, exceptions and overdue answers of one scope. @param level what may be spent on them */
function countedAlarm(scope: Scope, gate: GateSettings, level: number): string | null {
  const peer = hasPeer(scope);
  for (const metric of COUNTED_METRICS) {
    if (scope.canary[metric] === 0) continue;
    const beside = scope.traffic === "background" ? backgroundAlarm : comparedAlarm;
    const alarm = peer ? beside : limitedAlarm;
    const found = alarm(scope, metric, gate, -Math.log(level * ALARM_PARTS[metric]));
    if (found === null) continue;
    const { hits, log } = found;
    return `${outOf(hits)} canary ${scopeNoun(scope)} ${FATES[metric]}, ${found.beside}; ${chance(Math.exp(-log))}`;
  }
  return null;
}

/** Answers of a kind that the stable lane hardly gives. */
function answerAlarm(scope: Scope, level: number): string | null {
  const [pair] = scope.pairs;
  if (pair === undefined || !hasPeer(scope)) return null;
  const kinds = kindSplits(pair);
  for (const split of kinds) {
    if (!split.concerned.several) continue;
    const log = logEvidence([split], scope.share, ANSWER_MARGIN);
    if (log < -Math.log((level * ALARM_PARTS.answers) / kinds.length)) continue;
    if (!replacesOthers(split, scope.share)) continue;
    return (
      `${outOf(split.canary)} canary ${scopeNoun(scope)} were answered with ${kindText(split.kind)}, ` +
      `${outOf(split.stable)} on the stable lane; ${chance(Math.exp(-log))}`
    );
  }
  return null;
}

function classAlarm(
  { whole, routes }: ClassScope,
  gate: GateSettings,
  part: (scope: Scope) => number,
): string | null {
  for (const scope of routes) {
    const level = part(scope);
    const found = countedAlarm(scope, gate, level) ?? answerAlarm(scope, level);
    if (found !== null) return found;
  }
  return countedAlarm(whole, gate, part(whole));
}

/**
 * Why the canary must go at once, in a sentence; `null` while nothing is beyond doubt. To
 * be asked at every report: over a whole phase, and all that is looked at, it is wrong
 * about a good canary with a probability of at most half of `gate.falseAlarm` (see
 * `budget.ts` and `e-process.ts`, and for cron runs `cronFinding`). It looks at failures
 * and unusual answers; how fast the canary answers is judged by `judge` only.
 */
export function beyondDoubt({ total, recent, shares }: Evidence, gate: GateSettings): string | null {
  const classes = openClasses(shares);
  for (const traffic of classes) {
    const windows: Readonly<Record<Window, ClassScope>> = {
      total: classScope(total, traffic, shares),
      recent: classScope(recent, traffic, shares),
    };
    const seen = { total: begun(windows.total.whole.canary), recent: begun(windows.recent.whole.canary) };
    for (const window of ["total", "recent"] as const) {
      if (window === "recent" && seen.recent === seen.total) continue;
      const { routes } = windows[window];
      const level = alarmLevel(gate.falseAlarm) * windowPart(window, seen.total, seen.recent);
      const part = ({ route }: Scope): number => level * scopePart(classes.length, route, routes.length);
      const found = classAlarm(windows[window], gate, part);
      if (found !== null) return found;
    }
    const cron = traffic === "background" ? cronFinding(windows.total.whole.pairs) : null;
    if (cron?.sure === true) return cronSentence(cron);
  }
  return null;
}
