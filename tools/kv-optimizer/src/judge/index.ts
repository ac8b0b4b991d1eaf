import type { CallPath, Finding, Judgement, KvCall, Quota, QuotaUse } from "../model.ts";
import type { JudgeContext } from "./context.ts";
import { estimate, sumOf } from "./estimate.ts";
import { verdictOn } from "./verdict.ts";
import { quotaOf, weigh } from "./weight.ts";

export { DEFAULT_ASSUMPTIONS, type JudgeContext } from "./context.ts";

/** Judges a call: what it is for, how often it is made, and where it had better go. The order of its paths does not matter. */
export function judge(found: KvCall, context: JudgeContext): Judgement {
  const call = { ...found, paths: found.paths.toSorted(byText) };
  const verdict = verdictOn(call, context);
  const figures = estimate(call, context);
  const { category, confidence } = verdict;
  return {
    ...verdict,
    estimate: figures,
    weight: weigh({ call, category, confidence, perDay: figures.perDay }),
  };
}

/** The best moves first: by weight, then by place. What is ignored comes last. The order is total. */
export function rank(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted(
    (a, b) =>
      Number(a.ignored !== null) - Number(b.ignored !== null) ||
      b.judgement.weight - a.judgement.weight ||
      compare(a.file, b.file) ||
      a.line - b.line ||
      a.column - b.column ||
      compare(a.id, b.id),
  );
}

const QUOTAS: readonly Quota[] = ["reads", "writes", "deletes", "lists"];

/** What the findings draw on each quota a day. What is ignored does not count. */
export function quotaUse(findings: readonly Finding[]): readonly QuotaUse[] {
  const counted = findings.filter(({ ignored }) => ignored === null);
  return QUOTAS.map((quota) => {
    const rates = counted
      .filter(({ operation }) => quotaOf(operation) === quota)
      .map(({ judgement }) => judgement.estimate.perDay);
    const known = rates.filter((rate) => rate !== null);
    return { quota, perDay: sumOf(known), unknown: rates.length - known.length };
  });
}

function byText(a: CallPath, b: CallPath): number {
  return compare(JSON.stringify(a), JSON.stringify(b));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
