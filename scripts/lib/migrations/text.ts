/** Lint findings for people. */
import type { LintFinding } from "./lint/finding.ts";

/** `migrations/hub/0003_x.sql:2:1 drop-table` */
function head({ file, line, column, rule }: LintFinding): string {
  return `${file}:${line}:${column} ${rule}`;
}

/** A finding in two or three lines: where and what, the statement, how to do without it. */
export function findingLines(finding: LintFinding): readonly string[] {
  return [
    `${head(finding)} (${finding.severity}): ${finding.message}`,
    ...(finding.statement === "" ? [] : [`    ${finding.statement}`]),
    finding.allowed === null ? `    Instead: ${finding.mend}` : `    Accepted: ${finding.allowed}`,
  ];
}

/** What is worth saying of findings that stop nothing: one line each, accepted ones with their reason. */
export function noteLines(findings: readonly LintFinding[]): readonly string[] {
  return findings.map((finding) =>
    finding.allowed === null
      ? `${head(finding)}: ${finding.message} ${finding.mend}`
      : `${head(finding)} is accepted: ${finding.allowed}`,
  );
}

/** `2 refused-by-d1, 1 contract` */
export function counted(findings: readonly LintFinding[]): string {
  const order = ["refused-by-d1", "contract", "locking", "warning"] as const;
  const parts = order.flatMap((severity) => {
    const { length } = findings.filter((finding) => finding.severity === severity);
    return length === 0 ? [] : [`${length} ${severity}`];
  });
  return parts.length === 0 ? "no findings" : parts.join(", ");
}
