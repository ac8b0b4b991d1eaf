/** Which changes since a baseline fail a check. Pure. */
import type { Finding } from "../model.ts";
import type { Comparison } from "./compare.ts";
import { FIGURES, type Figure } from "./entry.ts";

/** Rules that decide by the identity of a call, not by sums. */
export const FAIL_RULES = ["new-put-no-ttl", "new-list", "control-plane"] as const;
export type FailRule = (typeof FAIL_RULES)[number];

export interface Policy {
  readonly failOn: readonly FailRule[];
  /** By how much each figure may grow; `Infinity` for any amount. */
  readonly allowances: Readonly<Record<Figure, number>>;
}

/** A call that breaks rules. */
export interface BrokenRules {
  readonly finding: Finding;
  readonly rules: readonly FailRule[];
}

/** A figure that grew by more than is allowed. */
export interface Growth {
  readonly figure: Figure;
  readonly before: number;
  readonly after: number;
  readonly allowed: number;
}

export interface Regressions {
  readonly calls: readonly BrokenRules[];
  readonly growth: readonly Growth[];
}

function brokenBy(finding: Finding, isNew: boolean): readonly FailRule[] {
  const rules: FailRule[] = [];
  if (finding.ttl?.verdict === "no") rules.push("new-put-no-ttl");
  if (isNew && finding.operation === "list") rules.push("new-list");
  if (isNew && finding.judgement.category === "A") rules.push("control-plane");
  return rules;
}

/**
 * The regressions of a comparison. A put whose TTL cannot be told breaks no rule.
 * Figures are held to their allowances with and without rules.
 */
export function regressions(comparison: Comparison, { failOn, allowances }: Policy): Regressions {
  const { added, worsened, before, after } = comparison;
  const changed = [
    ...added.map((finding) => ({ finding, rules: brokenBy(finding, true) })),
    ...worsened.map(({ finding }) => ({ finding, rules: brokenBy(finding, false) })),
  ];
  return {
    calls: changed
      .map(({ finding, rules }) => ({ finding, rules: rules.filter((rule) => failOn.includes(rule)) }))
      .filter(({ rules }) => rules.length > 0),
    growth: FIGURES.map((figure) => ({
      figure,
      before: before[figure],
      after: after[figure],
      allowed: allowances[figure],
    })).filter((growth) => growth.after - growth.before > growth.allowed),
  };
}
