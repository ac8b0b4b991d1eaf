/** The gate: a pure judgement of what the canary answered in one phase. */
import type { CountsByLane, GateSettings, LaneCounts } from "./contract.ts";

export const DEFAULT_GATE: GateSettings = { maxErrorShare: 0.02, minSample: 50 };

/** `inconclusive`: fewer canary requests than the sample asks for. */
export type Verdict =
  | { readonly kind: "inconclusive" }
  | { readonly kind: "pass" }
  | { readonly kind: "fail"; readonly reason: string };

/** What the canary answered, reads and writes together. */
export function canaryTotal({ canary }: CountsByLane): LaneCounts {
  return {
    requests: canary.read.requests + canary.write.requests,
    errors: canary.read.errors + canary.write.errors,
  };
}

const percent = (share: number): string => `${Number((share * 100).toFixed(2))} %`;

/** Judges the counts of one phase. */
export function judge(counts: CountsByLane, { maxErrorShare, minSample }: GateSettings): Verdict {
  const { requests, errors } = canaryTotal(counts);
  if (requests === 0 || requests < minSample) return { kind: "inconclusive" };
  const share = errors / requests;
  if (share <= maxErrorShare) return { kind: "pass" };
  return {
    kind: "fail",
    reason: `gate: ${errors} of ${requests} canary requests failed (${percent(share)}, at most ${percent(maxErrorShare)} allowed)`,
  };
}
