/** The end of a check: everything that a report of it says. Pure. */
import type { Report } from "../model.ts";
import { compare, type Comparison } from "./compare.ts";
import type { Entry } from "./entry.ts";
import { regressions, type Policy, type Regressions } from "./regressions.ts";

export interface CheckOutcome {
  /** What was compared with, for people: a file or a commit. */
  readonly against: string;
  readonly comparison: Comparison;
  readonly regressions: Regressions;
  /** Entries of a baseline file that accept nothing any more. A commit has none. */
  readonly stale: readonly Entry[];
  /** What takes the stale entries away, as a command or the part of one. */
  readonly staleRemedy: string;
  /** No regression, nothing stale, no faulty comment. */
  readonly ok: boolean;
}

export interface Accepted {
  readonly against: string;
  readonly entries: readonly Entry[];
  /** How to take out stale entries; `null` when they are no fault. */
  readonly staleRemedy: string | null;
}

/** Holds a report against what is accepted. */
export function checkReport(accepted: Accepted, report: Report, policy: Policy): CheckOutcome {
  const comparison = compare(accepted.entries, report.findings);
  const broken = regressions(comparison, policy);
  const stale = accepted.staleRemedy === null ? [] : comparison.gone;
  return {
    against: accepted.against,
    comparison,
    regressions: broken,
    stale,
    staleRemedy: accepted.staleRemedy ?? "",
    ok: broken.calls.length + broken.growth.length + stale.length + report.commentFaults.length === 0,
  };
}
