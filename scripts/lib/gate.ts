/**
 * When a phase is over. The judge is the hub: it takes a bad release back by
 * itself. A gate here only says whether enough was seen to go on.
 */
import type { RolloutState } from "../../worker/src/rollout/contract.ts";
import type { GatePolicy, GateVerdict, TrafficPhase } from "./release-events.ts";

export interface GateReading {
  readonly verdict: GateVerdict;
  /** Canary requests and errors of the phase, both classes. */
  readonly requests: number;
  readonly errors: number;
  /** Since the phase began. */
  readonly elapsedMs: number;
  /** A sentence. */
  readonly reason: string;
}

/** Requests and errors of the canary lane in the current phase. */
export function canaryTotals({ counts }: RolloutState): {
  readonly requests: number;
  readonly errors: number;
} {
  const { read, write } = counts.canary;
  return { requests: read.requests + write.requests, errors: read.errors + write.errors };
}

const percent = (part: number, whole: number): string =>
  whole === 0 ? "0.0 %" : `${((100 * part) / whole).toFixed(1)} %`;

const seconds = (ms: number): string => `${(ms / 1000).toFixed(0)} s`;

/**
 * Reads one state against the policy.
 *
 * @param rolloutId the rollout that this run drives
 * @param openedAt when the gate was opened, milliseconds UTC: the interval and
 *   the wait are measured on this clock alone, whatever the hub's clock says
 * @param now milliseconds UTC
 */
export function readGate(
  state: RolloutState,
  rolloutId: string,
  phase: TrafficPhase,
  policy: GatePolicy,
  openedAt: number,
  now: number,
): GateReading {
  const { requests, errors } = canaryTotals(state);
  const elapsedMs = now - openedAt;
  const reading = (verdict: GateVerdict, reason: string): GateReading => ({
    verdict,
    requests,
    errors,
    elapsedMs,
    reason,
  });
  if (state.id !== rolloutId) return reading("fail", "another rollout has taken its place");
  if (state.status === "rolled-back") return reading("fail", state.reason ?? "the hub took it back");
  if (state.status !== "active" || state.phase > phase) {
    return reading("pass", "someone else has moved it on");
  }

  const seen = `${requests} canary requests, ${errors} errors (${percent(errors, requests)})`;
  const enough = requests >= policy.minSample;
  if (enough && elapsedMs >= policy.intervalMs) return reading("pass", seen);
  if (!enough && elapsedMs >= Math.max(policy.maxWaitMs, policy.intervalMs)) {
    return reading("inconclusive", `${seen}; ${policy.minSample} are needed, after ${seconds(elapsedMs)}`);
  }
  return reading(
    "waiting",
    `${seen}; ${policy.minSample} needed, ${seconds(elapsedMs)} (at least ${seconds(policy.intervalMs)})`,
  );
}
