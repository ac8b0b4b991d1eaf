/** The expand/contract linter: reads migrations and says what they would do to the code that serves now. */
import { readAllowances, type Allowances } from "./allow.ts";
import { contractFaults, rebuilt } from "./contract.ts";
import { dataFaults } from "./data.ts";
import { RULES, type Fault, type LintFinding } from "./finding.ts";
import { findRebuilds, type Rebuild } from "./rebuild.ts";
import { refusedByD1 } from "./refused.ts";
import { EMPTY_SCHEMA, pass, served, type Schema } from "./schema.ts";
import { positions, readSource, shortened, type Source, type Statement } from "./statements.ts";

/** A migration file. */
export interface MigrationFile {
  /** Name by which findings call it. */
  readonly file: string;
  readonly sql: string;
}

interface Placed {
  readonly fault: Fault;
  /** Index of the statement; `null` for a fault of the file. */
  readonly statement: number | null;
  readonly offset: number;
  readonly text: string;
}

function faultsOfFile(source: Source): readonly Placed[] {
  const unreadable = source.unreadable.map(({ offset, text, message }): Placed => ({
    fault: {
      rule: "unreadable",
      message: `It cannot be read, so nobody knows what it does: ${message}.`,
      mend: "Mend the statement. Write UPDATE and DELETE with LIMIT as … WHERE id IN (SELECT id … LIMIT n).",
    },
    statement: null,
    offset,
    text,
  }));
  const end = source.sql.trimEnd().length;
  const last = source.statements.at(-1)?.text ?? "";
  if (source.unfinished === null) return unreadable;
  const fault: Fault =
    source.unfinished === "statement"
      ? {
          rule: "unfinished-file",
          message: "The last statement has no semicolon: wrangler appends its own statement to the file.",
          mend: "End the file with a semicolon.",
        }
      : {
          rule: "unfinished-file",
          message:
            "The last comment is not closed: it swallows wrangler's note that the file is applied, and it is applied again and again.",
          mend: "Close the comment.",
        };
  return [...unreadable, { fault, statement: null, offset: end, text: last }];
}

/** In a rebuild only what D1 refuses is said of its statements; the rest is one fault. */
function faultsOf(
  statement: Statement,
  index: number,
  schema: Schema,
  rebuilds: readonly Rebuild[],
): readonly Fault[] {
  const refused = refusedByD1(statement, schema);
  const rebuild = rebuilds.find(({ statements }) => statements.includes(index));
  if (rebuild === undefined) {
    return [...refused, ...contractFaults(statement.node, schema), ...dataFaults(statement.node, schema)];
  }
  if (rebuild.create !== index || statement.node.type !== "CreateTableStmt") return refused;
  return [...refused, rebuilt(schema, rebuild, statement.node)];
}

function crlfTriggers({ statements }: Source, index: number): readonly Fault[] {
  const statement = statements[index];
  if (statement?.node.type !== "CreateTriggerStmt" || !statement.text.includes("\r")) return [];
  return [
    {
      rule: "trigger-text",
      message: "D1's query endpoint has cut trigger bodies at CRLF line ends (incomplete input).",
      mend: "Save the file with LF line ends.",
    },
  ];
}

/** Marks what comments accept; a comment that accepts nothing is a finding of its own. */
function withAllowances(
  placed: readonly Placed[],
  { valid, invalid }: Allowances,
  finding: (placed: Placed, allowed: string | null) => LintFinding,
): readonly LintFinding[] {
  const used = new Set<(typeof valid)[number]>();
  const findings = placed.map((one) => {
    const allowance = valid.find(
      (comment) =>
        comment.rule === one.fault.rule && comment.statement === one.statement && !used.has(comment),
    );
    if (allowance !== undefined) used.add(allowance);
    return finding(one, allowance?.reason ?? null);
  });
  const idle = [
    ...invalid,
    ...valid
      .filter((comment) => !used.has(comment))
      .map(({ offset, rule }) => ({ offset, why: `its statement has no finding ${rule}` })),
  ].map(({ offset, why }) => {
    const fault: Fault = {
      rule: "allow-comment",
      message: `The strata:allow comment allows nothing: ${why}.`,
      mend: "Write -- strata:allow <rule> <reason> on or before the statement, or delete it.",
    };
    return finding({ fault, statement: null, offset, text: "-- strata:allow" }, null);
  });
  return [...findings, ...idle];
}

/**
 * Lints one file against the schema that it meets.
 * @returns its findings in the order of the file, and the schema that it leaves
 */
export function lintFile(
  { file, sql }: MigrationFile,
  schema: Schema,
): { readonly findings: readonly LintFinding[]; readonly after: Schema } {
  const source = readSource(sql);
  const rebuilds = findRebuilds(source.statements);
  const placed: Placed[] = [...faultsOfFile(source)];
  const after = pass(schema, source.statements, (index, before) => {
    const statement = source.statements[index];
    if (statement === undefined) return;
    const faults = [...faultsOf(statement, index, before, rebuilds), ...crlfTriggers(source, index)];
    for (const fault of faults) {
      placed.push({
        fault,
        statement: index,
        offset: fault.offset ?? statement.offset,
        text: statement.text,
      });
    }
  });
  const position = positions(source.sql);
  const finding = ({ fault, offset, text }: Placed, allowed: string | null): LintFinding => ({
    rule: fault.rule,
    severity: RULES[fault.rule],
    file,
    statement: shortened(text),
    ...position(offset),
    message: fault.message,
    mend: fault.mend,
    allowed,
  });
  const findings = withAllowances(placed, readAllowances(source), finding);
  return { findings: findings.toSorted((a, b) => a.line - b.line || a.column - b.column), after };
}

/**
 * What a migration would do to the code that serves now, and what D1 would refuse of it.
 * Pure; a file that cannot be read is a finding.
 * @param schema what the file meets; absent: every table that it does not make may be in use
 */
export function lintMigration(
  sql: string,
  file: string,
  schema: Schema = EMPTY_SCHEMA,
): readonly LintFinding[] {
  return lintFile({ file, sql }, schema).findings;
}

/** The schema that applied migrations leave, as the code that serves now knows it. */
export function servedSchema(applied: readonly MigrationFile[]): Schema {
  let schema = EMPTY_SCHEMA;
  for (const { sql } of applied) schema = pass(schema, readSource(sql).statements);
  return served(schema);
}

/** Lints the files of one run: a table that one of them makes is new to the files after it, too. */
export function lintRun(
  applied: readonly MigrationFile[],
  pending: readonly MigrationFile[],
): readonly LintFinding[] {
  let schema = servedSchema(applied);
  return pending.flatMap((file) => {
    const { findings, after } = lintFile(file, schema);
    schema = after;
    return findings;
  });
}
