/**
 * Reads a migration file into statements.
 *
 * The parser is `sqlite3-parser`: its LALR tables are generated from SQLite's own `parse.y` (3.53),
 * so that it reads what SQLite reads. Of this repository's migrations and 23 hard cases (triggers
 * with CASE … END, STRICT, generated columns, upserts, ALTER … ADD CONSTRAINT, …) it read all but
 * one; `sql-parser-cst`, which is GPL, 21, `sqlite-parser` 14, `node-sql-parser` 12. It does not
 * recurse (20,000 nested parentheses, which overflow the stack of the others) and is the fastest
 * (1 MB in 0.14 s; the others 0.7 to 6.4 s). The one: ORDER BY and LIMIT of UPDATE and DELETE, an
 * option of SQLite's build.
 */
import { parseStmt, tokenize, tokenName, type Stmt, type Token } from "sqlite3-parser";

export interface Statement {
  readonly node: Stmt;
  /** As written, without the semicolon. */
  readonly text: string;
  /** Offsets in the file in UTF-16 units: of its first character, and after its semicolon. */
  readonly offset: number;
  readonly end: number;
}

/** A statement that the parser cannot read. */
export interface Unreadable {
  readonly offset: number;
  readonly text: string;
  /** In the words of SQLite's parser. */
  readonly message: string;
}

export interface Comment {
  readonly text: string;
  readonly offset: number;
}

export interface Source {
  /** The file's text; a byte order mark is a blank, as it is to SQLite. */
  readonly sql: string;
  readonly statements: readonly Statement[];
  readonly unreadable: readonly Unreadable[];
  readonly comments: readonly Comment[];
  /** Why text that is appended to the file would not be read as a statement; `null` when it would. */
  readonly unfinished: "statement" | "comment" | null;
}

const SHORT = 80;
/** Enough text for `shortened`, however long the statement. */
const SHORT_SOURCE = 1_000;

/** A statement on one line of at most 80 characters. */
export function shortened(text: string): string {
  const line = text.slice(0, SHORT_SOURCE).replaceAll(/\s+/g, " ").trim();
  return line.length <= SHORT ? line : `${line.slice(0, SHORT - 1)}…`;
}

const isTrivia = ({ type }: Token): boolean => ["SPACE", "COMMENT"].includes(tokenName(type) ?? "");
const isComment = ({ type }: Token): boolean => tokenName(type) === "COMMENT";
const isSemicolon = ({ type }: Token): boolean => tokenName(type) === "SEMI";

function isOpenComment({ text }: Token): boolean {
  return text.startsWith("/*") && !(text.length >= 4 && text.endsWith("*/"));
}

function unfinished(tokens: readonly Token[]): Source["unfinished"] {
  const last = tokens.at(-1);
  if (last !== undefined && isComment(last) && isOpenComment(last)) return "comment";
  const meaningful = tokens.findLast((token) => !isTrivia(token));
  return meaningful === undefined || isSemicolon(meaningful) ? null : "statement";
}

/** Splits and parses a file; what cannot be read is in `unreadable`, never thrown. */
export function readSource(text: string): Source {
  const sql = text.startsWith("\uFEFF") ? ` ${text.slice(1)}` : text;
  const tokens = [...tokenize(sql, { emitTrivia: true })];
  const starts = tokens.filter((token) => !isTrivia(token) && !isSemicolon(token));
  const semicolons = tokens.filter(isSemicolon);
  const statements: Statement[] = [];
  const unreadable: Unreadable[] = [];
  let position = 0;
  let start = 0;
  let semicolon = 0;
  const afterSemicolon = (from: number): number => {
    while ((semicolons[semicolon]?.span.offset ?? Infinity) < from) semicolon += 1;
    const found = semicolons[semicolon];
    return found === undefined ? sql.length : found.span.offset + 1;
  };
  for (;;) {
    while ((starts[start]?.span.offset ?? Infinity) < position) start += 1;
    const first = starts[start];
    if (first === undefined) break;
    const { offset } = first.span;
    const rest = sql.slice(offset);
    const parsed = parseStmt(rest, { allowTrailing: true });
    if (parsed.status === "ok") {
      const length = parsed.root.span.offset + parsed.root.span.length;
      position = afterSemicolon(offset + length);
      statements.push({ node: parsed.root, text: rest.slice(0, length), offset, end: position });
      continue;
    }
    const [error] = parsed.errors;
    const at = offset + (error?.span.offset ?? 0);
    position = afterSemicolon(at);
    const broken = sql.slice(offset, position);
    unreadable.push({ offset: at, text: broken, message: error?.message ?? "not SQL" });
    // The body of a trigger holds semicolons: what follows cannot be told from it.
    if (/^create\s+(?:temp\w*\s+)?trigger\b/i.test(broken)) break;
  }
  const comments = tokens.filter(isComment).map(({ text: comment, span }) => ({
    text: comment,
    offset: span.offset,
  }));
  return { sql, statements, unreadable, comments, unfinished: unfinished(tokens) };
}

/** Turns offsets into lines and columns, both from 1. */
export function positions(
  sql: string,
): (offset: number) => { readonly line: number; readonly column: number } {
  const lineStarts = [0];
  for (let at = sql.indexOf("\n"); at !== -1; at = sql.indexOf("\n", at + 1)) lineStarts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = lineStarts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (lineStarts[low] ?? 0) + 1 };
  };
}
