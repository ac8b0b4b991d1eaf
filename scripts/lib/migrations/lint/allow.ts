/** `-- strata:allow <rule> <reason>`: accepts one finding of the statement that it stands before, in, or behind on the same line. */
import { isRule, RULES, type RuleId } from "./finding.ts";
import type { Source } from "./statements.ts";

const ALLOW = /^--\s*strata:allow\b\s*(\S*)\s*(.*)$/s;

interface Allowance {
  readonly rule: RuleId;
  readonly reason: string;
  readonly offset: number;
  /** Index of its statement. */
  readonly statement: number;
}

export interface Allowances {
  readonly valid: readonly Allowance[];
  /** Comments that accept nothing, with why. */
  readonly invalid: readonly { readonly offset: number; readonly why: string }[];
}

/** The statement that a comment belongs to; -1 without one. */
function statementOf({ sql, statements }: Source, offset: number): number {
  const next = statements.findIndex(({ end }) => end > offset);
  const inside = statements[next];
  if (inside !== undefined && inside.offset < offset) return next;
  const previous = next === -1 ? statements.length - 1 : next - 1;
  const before = statements[previous];
  const sameLine = before !== undefined && !sql.slice(before.end, offset).includes("\n");
  return sameLine ? previous : next;
}

/** The allow comments of a file. */
export function readAllowances(source: Source): Allowances {
  const valid: Allowance[] = [];
  const invalid: { offset: number; why: string }[] = [];
  for (const { text, offset } of source.comments) {
    const [matched, id = "", rest = ""] = ALLOW.exec(text.trim()) ?? [];
    if (matched === undefined) continue;
    const reason = rest.trim();
    const statement = statementOf(source, offset);
    if (!isRule(id)) {
      invalid.push({ offset, why: `there is no rule ${id === "" ? "in it" : `"${id}"`}` });
    } else if (RULES[id] === "refused-by-d1") {
      invalid.push({ offset, why: `nothing allows ${id}: D1 refuses it` });
    } else if (reason === "") {
      invalid.push({ offset, why: `it gives no reason for ${id}` });
    } else if (statement === -1) {
      invalid.push({ offset, why: "there is no statement behind it" });
    } else {
      valid.push({ rule: id, reason, offset, statement });
    }
  }
  return { valid, invalid };
}
