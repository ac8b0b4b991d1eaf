/** Checks of values: latency quantiles, and the numbers that features report. */
import type { Check, NumberTally } from "../contract.ts";
import { CHECK_PARTS, type Window } from "./budget.ts";
import { checkOf, lacksClients, type Finding, type Judged, type Looked } from "./checks.ts";
import { severalMeasured } from "./clients.ts";
import { countOf, quantile } from "./histogram.ts";
import { hasPeer, type ClassScope, type Scope } from "./scope.ts";
import { millis, plain, scopeNoun, whole } from "./sentences.ts";
import { begun, laneClients, laneLatency } from "./series.ts";
import {
  equalSharesP,
  exceedance,
  greaterNumbersP,
  quantileAboveP,
  smallerNumbersP,
  type HistogramPair,
} from "./p-values.ts";

const QUANTILES = [
  { metric: "p50", q: 0.5 },
  { metric: "p95", q: 0.95 },
  { metric: "p99", q: 0.99 },
] as const;

/** The quantile that has a limit of its own where there is no stable lane. */
const LIMITED = "p95";
/** Fewer values in the recent window do not say that a defect is over. */
const MIN_RECENT = 5;

type Quantile = (typeof QUANTILES)[number];

function allowedBeside(stable: number, { latency }: Judged["gate"]): number {
  return Math.max(stable * (1 + latency.tolerance), stable + latency.slackMs);
}

/** Both lanes of a scope in one window. */
interface Latencies extends HistogramPair {
  readonly samples: Check["samples"];
}

function latenciesOf({ pairs }: Scope): Latencies {
  const canary = laneLatency(pairs, "canary");
  const stable = laneLatency(pairs, "stable");
  return { canary, stable, samples: { canary: countOf(canary), stable: countOf(stable) } };
}

interface Quantiles {
  readonly canary: number | null;
  readonly stable: number | null;
}

const quantilesOf = ({ canary, stable }: Latencies, q: number): Quantiles => ({
  canary: quantile(canary, q),
  stable: quantile(stable, q),
});

const exceeds = ({ canary, stable }: Quantiles, gate: Judged["gate"]): boolean =>
  canary !== null && stable !== null && canary > allowedBeside(stable, gate);

/** Whether the recent window shows a canary that is fast again: a cold start or a pause is over. */
function isOver(recent: Latencies, q: number, gate: Judged["gate"]): boolean {
  const { canary, stable } = recent.samples;
  return Math.min(canary, stable) >= MIN_RECENT && !exceeds(quantilesOf(recent, q), gate);
}

/** A finding about values, which are a matter of what clients ask for: of too few, they blame nobody. */
function ofSeveral(scope: Scope, finding: Finding): Finding {
  if (finding.p >= 1) return finding;
  const clients = laneClients(scope.pairs, "canary");
  if (severalMeasured(clients, laneClients(scope.pairs, "stable"))) return finding;
  const lacks = lacksClients(finding.text, clients?.seen ?? 0);
  return { ...finding, p: 1, doubt: { p: finding.p, lacks } };
}

type Windows = Readonly<Record<Window, Latencies>>;

function comparedLatency(
  judged: Judged,
  windows: Windows,
  { metric, q }: Quantile,
  window: Window,
): Finding | null {
  const { gate } = judged;
  const scope = judged[window];
  const latencies = windows[window];
  const values = quantilesOf(latencies, q);
  if (values.canary === null || values.stable === null) return null;
  const doubtful = exceeds(values, gate) && (window === "recent" || !isOver(windows.recent, q, gate));
  const splits = doubtful
    ? scope.pairs
        .map(({ canary, stable }) =>
          exceedance({ canary: canary.latency, stable: stable.latency }, q, (edge) =>
            allowedBeside(edge, gate),
          ),
        )
        .filter((split) => split !== null)
    : [];
  const { samples } = latencies;
  return ofSeveral(scope, {
    ...values,
    samples,
    p: doubtful ? equalSharesP(splits) : 1,
    unit: "ms",
    text:
      `${metric} of canary ${scopeNoun(scope)} is ${millis(values.canary)}, ${millis(values.stable)} on the stable lane ` +
      `(${whole(samples.canary)} and ${whole(samples.stable)} samples)`,
    allowed: `up to ${millis(allowedBeside(values.stable, gate))} is allowed`,
  });
}

/** Where no stable lane answers, p95 has an absolute limit if the plan sets one; nothing else is judged. */
function limitedLatency(
  { total: scope, gate }: Judged,
  latencies: Latencies,
  { metric, q }: Quantile,
): Finding | null {
  const values = quantilesOf(latencies, q);
  if (metric !== LIMITED || values.canary === null) return null;
  const limit = gate.maxP95Ms;
  const { samples } = latencies;
  const text = `${metric} of canary ${scopeNoun(scope)} is ${millis(values.canary)} (${whole(samples.canary)} samples)`;
  return {
    ...values,
    samples,
    p: limit === null ? 1 : quantileAboveP(latencies.canary, q, limit),
    unit: "ms",
    text: limit === null ? `${text}; not judged, no stable lane answers beside it` : text,
    allowed: limit === null ? "" : `up to ${millis(limit)} is allowed where no stable lane answers beside it`,
  };
}

/** p50, p95 and p99. */
export function latencyChecks(judged: Judged): readonly Looked[] {
  const peer = hasPeer(judged.total);
  const windows: Windows = { total: latenciesOf(judged.total), recent: latenciesOf(judged.recent) };
  return QUANTILES.map((wanted) =>
    checkOf(wanted.metric, judged, CHECK_PARTS[wanted.metric], (window) => {
      if (peer) return comparedLatency(judged, windows, wanted, window);
      return window === "total" ? limitedLatency(judged, windows.total, wanted) : null;
    }),
  ).filter((check) => check !== null);
}

const meanOf = ({ sum, count }: NumberTally): number => sum / count;

function numberFinding(scope: Scope, name: string, { gate }: Judged): Finding | null {
  const [pair] = scope.pairs;
  const rule = gate.numbers[name];
  const canary = pair?.canary.numbers[name];
  const stable = pair?.stable.numbers[name];
  if (rule === undefined || canary === undefined || canary.count === 0) return null;
  if (stable === undefined || stable.count === 0 || !hasPeer(scope)) return null;
  const factor = 1 + rule.tolerance;
  const histograms = { canary: canary.histogram, stable: stable.histogram };
  const higher = rule.worse === "higher";
  const allowed = higher ? meanOf(stable) * factor : meanOf(stable) / factor;
  const beyond = higher ? meanOf(canary) > allowed : meanOf(canary) < allowed;
  const test = higher ? greaterNumbersP : smallerNumbersP;
  return ofSeveral(scope, {
    p: beyond ? test(histograms, factor) : 1,
    canary: meanOf(canary),
    stable: meanOf(stable),
    unit: "number",
    samples: { canary: canary.count, stable: stable.count },
    text:
      `${name} of canary ${scopeNoun(scope)} is ${plain(meanOf(canary))} in the mean, ` +
      `${plain(meanOf(stable))} on the stable lane (${whole(canary.count)} and ${whole(stable.count)} samples)`,
    allowed: `${higher ? "up" : "down"} to ${plain(allowed)} is allowed`,
  });
}

/** The numbers of one route of which the gate says which way is worse. */
export function numberChecks(judged: Judged): readonly Looked[] {
  const names = Object.keys(judged.gate.numbers);
  return names
    .map((name) =>
      checkOf(name, judged, CHECK_PARTS.numbers / names.length, (window) =>
        numberFinding(judged[window], name, judged),
      ),
    )
    .filter((check) => check !== null);
}

/**
 * Numbers of the gate that the stable lane reports on a route and the canary, asked for the
 * same, never does: a number that is gone cannot be compared. In sentences.
 */
export function silentNumbers({ routes }: ClassScope, gate: Judged["gate"]): readonly string[] {
  return routes.filter(hasPeer).flatMap((scope) =>
    Object.keys(gate.numbers).flatMap((name) => {
      const [pair] = scope.pairs;
      const stable = pair?.stable.numbers[name]?.count ?? 0;
      const canary = pair?.canary.numbers[name]?.count ?? 0;
      if (stable === 0 || canary > 0 || begun(scope.canary) === 0) return [];
      return [
        `${name} with canary ${scopeNoun(scope)}: the stable lane has reported it ${whole(stable)} times, the canary never`,
      ];
    }),
  );
}
