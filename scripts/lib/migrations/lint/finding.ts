/** What the migration linter can say: its rules, how grave each is, and one finding. */

/**
 * `refused-by-d1`: the file cannot be applied. `contract`: the code that serves now may fail on
 * the new schema, or data goes. `locking`: the statement's work grows with the table, and D1 runs
 * one query at a time. `warning`: worth knowing, stops nothing.
 */
export type Severity = "contract" | "refused-by-d1" | "locking" | "warning";

/** Every rule with its severity; `docs/migrations.md` explains each. */
export const RULES = {
  transaction: "refused-by-d1",
  attach: "refused-by-d1",
  vacuum: "refused-by-d1",
  "temp-object": "refused-by-d1",
  pragma: "refused-by-d1",
  function: "refused-by-d1",
  "virtual-table": "refused-by-d1",
  "reserved-name": "refused-by-d1",
  "alter-constraint": "refused-by-d1",
  "add-column-refused": "refused-by-d1",
  "bound-parameter": "refused-by-d1",
  "statement-too-long": "refused-by-d1",
  "too-many-columns": "refused-by-d1",
  "expression-too-deep": "refused-by-d1",
  "pattern-too-long": "refused-by-d1",
  "unfinished-file": "refused-by-d1",
  "sqlite-refuses": "refused-by-d1",
  unreadable: "contract",
  "drop-table": "contract",
  "drop-column": "contract",
  "drop-view": "contract",
  "drop-trigger": "contract",
  "drop-unique-index": "contract",
  "rename-table": "contract",
  "rename-column": "contract",
  "rebuild-table": "contract",
  "unique-index": "contract",
  "expression-index": "contract",
  "add-column-not-null": "contract",
  "add-column-check": "contract",
  "add-column-foreign-key": "contract",
  "add-column-trigger": "contract",
  "add-column-generated": "contract",
  "foreign-key": "contract",
  "replace-rows": "contract",
  "raising-trigger": "contract",
  "writing-trigger": "contract",
  "migrations-table": "contract",
  "unbounded-update": "locking",
  "unbounded-delete": "locking",
  "insert-select": "locking",
  "unbounded-subquery": "locking",
  reindex: "locking",
  "drop-index": "warning",
  "create-index": "warning",
  "create-trigger": "warning",
  "trigger-text": "warning",
  "if-not-exists": "warning",
  "pragma-without-effect": "warning",
  "no-effect": "warning",
  "virtual-table-export": "warning",
  "allow-comment": "warning",
  "not-rehearsed": "warning",
} as const satisfies Readonly<Record<string, Severity>>;

export type RuleId = keyof typeof RULES;

export function isRule(id: string): id is RuleId {
  return Object.hasOwn(RULES, id);
}

export interface LintFinding {
  readonly rule: RuleId;
  readonly severity: Severity;
  readonly file: string;
  /** The statement on one line, shortened. */
  readonly statement: string;
  /** Both from 1; columns count UTF-16 units. */
  readonly line: number;
  readonly column: number;
  /** What happens. */
  readonly message: string;
  /** How to reach the same without it. */
  readonly mend: string;
  /** Reason of the `strata:allow` comment that accepts it; `null` without one. */
  readonly allowed: string | null;
}

/** What a rule found, before it is placed in a file. */
export interface Fault {
  readonly rule: RuleId;
  readonly message: string;
  readonly mend: string;
  /** Where in the file, as an offset in UTF-16 units; absent: the statement's beginning. */
  readonly offset?: number;
}

/** Whether a finding keeps its migration from being applied. */
export function refuses({ severity, allowed }: LintFinding, allowContract: boolean): boolean {
  switch (severity) {
    case "refused-by-d1":
      return true;
    case "contract":
    case "locking":
      return allowed === null && !allowContract;
    case "warning":
      return false;
  }
}
