/** Checks of shares: errors, exceptions, overdue answers, and kinds of answers. */
import type { Check } from "../contract.ts";
import {
  ANSWER_MARGIN,
  isRefusal,
  isReplaced,
  kindSplits,
  notOfKind,
  replacesOthers,
  type Concerned,
  type KindSplit,
} from "./answers.ts";
import { CHECK_PARTS, type Window } from "./budget.ts";
import { checkOf, lacksClients, type Finding, type Judged, type Looked } from "./checks.ts";
import { severalFailed } from "./clients.ts";
import {
  COUNTED_METRICS,
  countedSplit,
  cronFinding,
  provenLimit,
  provenSplit,
  type CountedMetric,
} from "./counts.ts";
import { hasPeer, type Scope } from "./scope.ts";
import { cronSentence, FATES, kindText, outOf, percent, scopeNoun } from "./sentences.ts";
import { laneClients } from "./series.ts";
import { pooled, shareOf, type Split } from "./split.ts";
import { binomialUpper } from "./tails.ts";
import { worseShareP } from "./p-values.ts";

const samplesOf = ({ canary, stable }: Split): Check["samples"] => ({
  canary: canary.trials,
  stable: stable.trials,
});

/**
 * The p-value of failures. Without a stable lane, two limits are asked, each with half of
 * what may be spent: `maxErrorShare` for all of them, and `errorTolerance` for those that the
 * stable lane has proven by answering better.
 */
function countedP(scope: Scope, splits: readonly Split[], proven: Split, gate: Judged["gate"]): number {
  if (hasPeer(scope)) return worseShareP(splits, gate.errorTolerance);
  const { canary } = pooled(splits);
  const all = binomialUpper(canary.hits, canary.trials, gate.maxErrorShare);
  const sure = binomialUpper(proven.canary.hits, proven.canary.trials, provenLimit(gate));
  return Math.min(1, 2 * Math.min(all, sure));
}

function countedFinding(scope: Scope, metric: CountedMetric, { gate }: Judged): Finding {
  const splits = scope.pairs.map((pair) => countedSplit(pair, metric));
  const both = pooled(splits);
  const { canary, stable } = both;
  const peer = hasPeer(scope);
  const refuted = scope.pairs.map((pair) => provenSplit(pair, metric));
  const proven = pooled(refuted);
  const open = canary.hits - proven.canary.hits;
  const clients = open > 0 ? laneClients(scope.pairs, "canary") : null;
  const several = severalFailed(clients);
  const sure = !peer && proven.canary.hits > 0 && !(shareOf(canary) > gate.maxErrorShare);
  const limit = peer ? gate.errorTolerance : sure ? provenLimit(gate) : gate.maxErrorShare;
  const beside = peer ? `, ${outOf(stable)} on the stable lane (${percent(shareOf(stable))})` : "";
  return {
    p: countedP(scope, several ? splits : refuted, proven, gate),
    doubt: several
      ? null
      : {
          p: countedP(scope, splits, proven, gate),
          lacks: lacksClients(
            `${outOf({ hits: open, trials: canary.trials })} canary ${scopeNoun(scope)} ${FATES[metric]}`,
            clients?.failed ?? 0,
          ),
        },
    canary: canary.trials === 0 ? null : shareOf(canary),
    stable: stable.trials === 0 ? null : shareOf(stable),
    unit: "share",
    samples: samplesOf(both),
    text: `${outOf(canary)} canary ${scopeNoun(scope)} ${FATES[metric]} (${percent(shareOf(canary))})${beside}`,
    allowed: peer
      ? `up to ${percent(limit)} more is allowed`
      : `up to ${percent(limit)} is allowed where ${sure ? "the stable lane answers in its place" : "no stable lane answers beside it"}`,
  };
}

/** Errors, exceptions and overdue answers. */
export function countedChecks(judged: Judged): readonly Looked[] {
  return COUNTED_METRICS.map((metric) =>
    checkOf(metric, judged, CHECK_PARTS[metric], (window) => countedFinding(judged[window], metric, judged)),
  ).filter((check) => check !== null);
}

function kindSentence(scope: Scope, { kind, canary, stable }: KindSplit): string {
  return (
    `${outOf(canary)} canary ${scopeNoun(scope)} were answered with ${kindText(kind)} (${percent(shareOf(canary))}), ` +
    `${outOf(stable)} on the stable lane (${percent(shareOf(stable))})`
  );
}

/** Kinds are tested both ways, each with its part; the least likely one is told. */
function answerFinding(scope: Scope): Finding | null {
  const [pair] = scope.pairs;
  if (pair === undefined || !hasPeer(scope)) return null;
  const kinds = kindSplits(pair);
  const tests = 2 * kinds.length;
  const found = kinds
    .flatMap((split) =>
      kindPs(split, scope.share).map(({ p, by }) => ({ split, p: Math.min(1, tests * p), by })),
    )
    .sort((a, b) => a.p - b.p || b.split.canary.hits - a.split.canary.hits);
  const blamed = found.find(({ by }) => by.several) ?? found[0];
  const doubtful = found.find(({ by }) => !by.several);
  if (blamed === undefined || blamed.split.canary.trials === 0) return null;
  const { split } = blamed;
  const { canary, stable } = split;
  return {
    p: blamed.by.several ? blamed.p : 1,
    doubt:
      doubtful === undefined
        ? null
        : { p: doubtful.p, lacks: lacksClients(kindSentence(scope, doubtful.split), doubtful.by.groups) },
    canary: shareOf(canary),
    stable: stable.trials === 0 ? null : shareOf(stable),
    unit: "share",
    samples: samplesOf(split),
    text: kindSentence(scope, split),
    allowed: `up to ${percent(ANSWER_MARGIN)} difference is allowed`,
  };
}

interface KindP {
  readonly p: number;
  /** Who got what speaks against the canary. */
  readonly by: Concerned;
}

/** More of a kind than on the stable lane, and fewer. */
function kindPs(split: KindSplit, share: number): readonly KindP[] {
  const more = replacesOthers(split, share) ? worseShareP([split], ANSWER_MARGIN) : 1;
  const gone = !isRefusal(split.kind) && isReplaced(split, share);
  const fewer = gone ? worseShareP([notOfKind(split)], ANSWER_MARGIN) : 1;
  return [
    { p: more, by: split.concerned },
    { p: fewer, by: split.concernedByOthers },
  ];
}

/** Kinds of answers of one route. */
export function answerCheck(judged: Judged): Looked | null {
  return checkOf("answers", judged, CHECK_PARTS.answers, (window: Window) => answerFinding(judged[window]));
}

/** The canary's failed cron runs, see `cronFinding`. */
export function cronCheck({ pairs, traffic }: Scope): Looked | null {
  const found = traffic === "background" ? cronFinding(pairs) : null;
  if (found === null) return null;
  const check: Check = {
    metric: "errors",
    traffic,
    route: "cron",
    verdict: "fail",
    canary: shareOf(found.canary),
    stable: shareOf(found.stable),
    unit: "share",
    samples: samplesOf(found),
    reason: cronSentence(found),
  };
  return { check, lacks: null };
}
