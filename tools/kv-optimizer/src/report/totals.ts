/** The sums of a report. */
import type { Finding, Totals } from "../model.ts";

/** What is ignored is counted as such only. */
export function totalsOf(findings: readonly Finding[]): Totals {
  const counted = findings.filter(({ ignored }) => ignored === null);
  const having = (holds: (finding: Finding) => boolean): number => counted.filter(holds).length;
  return {
    calls: counted.length,
    puts: having(({ operation }) => operation === "put"),
    putsWithoutTtl: having(({ ttl }) => ttl?.verdict === "no"),
    putsUnknownTtl: having(({ ttl }) => ttl?.verdict === "unknown"),
    lists: having(({ operation }) => operation === "list"),
    controlPlane: having(({ judgement }) => judgement.category === "A"),
    ignored: findings.length - counted.length,
  };
}
