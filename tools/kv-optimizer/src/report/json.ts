/** The report for programs. */
import type { CheckOutcome } from "../baseline/outcome.ts";
import type { Report } from "../model.ts";
import { neutralJson } from "./neutral.ts";

function document(value: object): string {
  return `${neutralJson(JSON.stringify(value, null, 2))}\n`;
}

/** The report as it is. `check --baseline` takes it as a baseline. */
export function jsonReport(report: Report): string {
  return document(report);
}

/** A check: what it compared, what failed, and the report that it rests on. Findings by id. */
export function jsonOutcome(outcome: CheckOutcome, report: Report): string {
  const { comparison, regressions } = outcome;
  return document({
    version: 1,
    ok: outcome.ok,
    against: outcome.against,
    before: comparison.before,
    after: comparison.after,
    regressions: regressions.calls.map(({ finding, rules }) => ({
      id: finding.id,
      file: finding.file,
      line: finding.line,
      rules,
    })),
    growth: regressions.growth,
    added: comparison.added.map(({ id }) => id),
    worsened: comparison.worsened.map(({ finding }) => finding.id),
    gone: comparison.gone,
    stale: outcome.stale.map(({ id }) => id),
    report,
  });
}
