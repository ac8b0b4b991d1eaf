/**
 * Applies migrations to an empty database in memory, so that what SQLite itself refuses
 * (an unknown table or column, a view that loses its column, a broken reference) is found
 * before anything is sent. Rows are not there: what only fails on data is not found.
 */
import { DatabaseSync } from "node:sqlite";
import type { Stmt } from "sqlite3-parser";
import { messageOf } from "../../exit.ts";
import { RULES, type LintFinding, type RuleId } from "./finding.ts";
import type { MigrationFile } from "./lint.ts";
import { nodesOf } from "./nodes.ts";
import { positions, readSource, shortened, type Source } from "./statements.ts";

/** As D1 is: foreign keys on, "text" in double quotes allowed. */
function open(): DatabaseSync {
  const database = new DatabaseSync(":memory:", {
    enableForeignKeyConstraints: true,
    enableDoubleQuotedStringLiterals: true,
  });
  // Wrangler's own table, in its own words.
  database.exec(
    'CREATE TABLE "d1_migrations" (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)',
  );
  return database;
}

/** Recursion may never end; such a statement is compiled, not run. */
function mayNotEnd(node: Stmt): boolean {
  if (node.type === "CreateViewStmt" || node.type === "CreateTriggerStmt") return false;
  for (const { node: inner } of nodesOf(node)) if (inner.type === "With" && inner.recursive) return true;
  return false;
}

interface Refusal {
  readonly offset: number;
  readonly text: string;
  readonly message: string;
}

/** @returns the statement that SQLite refuses; `null` when it takes the whole file, which then is in */
function run(database: DatabaseSync, source: Source): Refusal | null {
  database.exec("BEGIN");
  for (const { node, text, offset } of source.statements) {
    try {
      const prepared = database.prepare(text);
      if (!mayNotEnd(node)) prepared.run();
    } catch (error) {
      database.exec("ROLLBACK");
      return { offset, text, message: messageOf(error) };
    }
  }
  try {
    database.exec("COMMIT");
    return null;
  } catch (error) {
    database.exec("ROLLBACK");
    const last = source.statements.at(-1);
    return { offset: last?.offset ?? 0, text: last?.text ?? "", message: messageOf(error) };
  }
}

/** SQLite's word on statements that the linter's parser cannot read. */
function refusesUnreadable(database: DatabaseSync, { unreadable }: Source): Refusal | null {
  for (const { offset, text } of unreadable) {
    try {
      database.prepare(text);
    } catch (error) {
      return { offset, text, message: messageOf(error) };
    }
  }
  return null;
}

function finding(file: string, { sql }: Source, rule: RuleId, refusal: Refusal, mend: string): LintFinding {
  return {
    rule,
    severity: RULES[rule],
    file,
    statement: shortened(refusal.text),
    ...positions(sql)(refusal.offset),
    message: refusal.message,
    mend,
    allowed: null,
  };
}

const MEND = "Mend the statement; nothing of the file would be applied.";
const NOT_REHEARSED = "Look at the file yourself: it was read, but not tried.";

/**
 * Tries the pending files after the applied ones, in their order, until one is refused.
 * @param skip files that must not run here, since D1 refuses them anyway
 */
export function rehearse(
  applied: readonly MigrationFile[],
  pending: readonly MigrationFile[],
  skip: ReadonlySet<string>,
): readonly LintFinding[] {
  const database = open();
  try {
    const untried = (file: MigrationFile, source: Source, message: string): LintFinding =>
      finding(file.file, source, "not-rehearsed", { offset: 0, text: file.file, message }, NOT_REHEARSED);
    for (const file of applied) {
      const source = readSource(file.sql);
      const refusal = source.unreadable[0] ?? run(database, source);
      if (refusal === null) continue;
      const message = `The applied migration ${file.file} cannot be repeated on this SQLite (${refusal.message}), so nothing behind it could be tried.`;
      return pending.slice(0, 1).map((next) => untried(next, readSource(next.sql), message));
    }
    for (const [index, file] of pending.entries()) {
      const source = readSource(file.sql);
      if (skip.has(file.file)) return [];
      const refusal =
        refusesUnreadable(database, source) ?? (source.unreadable.length > 0 ? null : run(database, source));
      if (refusal !== null) return [finding(file.file, source, "sqlite-refuses", refusal, MEND)];
      const next = pending[index + 1];
      if (source.unreadable.length > 0 && next !== undefined) {
        const message = `${file.file} holds a statement that cannot be read, so nothing behind it could be tried.`;
        return [untried(next, readSource(next.sql), message)];
      }
    }
    return [];
  } finally {
    database.close();
  }
}

/**
 * One list of what linter and SQLite say: what SQLite refuses need not be called unreadable, and
 * a fault that both name stands once.
 */
export function merged(
  linted: readonly LintFinding[],
  rehearsed: readonly LintFinding[],
): readonly LintFinding[] {
  const refused = new Set(rehearsed.filter(({ rule }) => rule === "sqlite-refuses").map(({ file }) => file));
  return [...linted.filter(({ rule, file }) => rule !== "unreadable" || !refused.has(file)), ...rehearsed];
}
