/**
 * Writes a D1 database as SQL that loads into an empty one: tables, their rows, then
 * what would act on the rows (indexes, views, triggers). Every statement keeps within D1's limit.
 */
import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { DumpRefusal, type DumpOptions } from "./contract.ts";
import { openCopy } from "./d1-snapshots.ts";

/** D1 refuses a statement above 100,000 bytes; what a value grows by when it is quoted is counted. */
const MAX_STATEMENT = 90_000;
/** In a row that is too long for one statement, a value above this goes there in pieces. */
const MAX_INLINE = 512;
/** Bytes of a piece; a byte is two hex digits. */
const PIECE = 40_000;

const tableSchema = z.object({
  name: z.string(),
  sql: z.string(),
  kind: z.enum(["table", "virtual", "shadow", "view"]),
});
const columnSchema = z.object({ name: z.string(), hidden: z.number() });
const objectSchema = z.object({ name: z.string(), table: z.string(), type: z.string(), sql: z.string() });
const sequenceSchema = z.object({ name: z.string(), seq: z.string() });

type Table = z.infer<typeof tableSchema>;

/** What SQLite keeps for itself, and what the platform does: neither is the user's. */
const OWN_TABLE = /^(sqlite_|_cf_)/;

/** A copy of a database, opened to be written as SQL. */
export class Dump {
  readonly #database: DatabaseSync;
  readonly #options: DumpOptions;
  readonly #tables: readonly Table[];
  /** Where long values are put together; a name that the database does not use. */
  readonly #pieces: string;
  #usedPieces = false;

  /** @throws {DumpRefusal} when the file holds what SQL text cannot bring back. */
  constructor(file: string, options: DumpOptions) {
    this.#options = options;
    this.#database = openCopy(file);
    try {
      const all = this.#all(
        tableSchema,
        `SELECT s.name, s.sql, l.type AS kind FROM sqlite_schema s
         JOIN pragma_table_list l ON l.name = s.name AND l.schema = 'main'
         WHERE s.type = 'table' AND s.sql IS NOT NULL ORDER BY s.rowid`,
      );
      this.#tables = selected(all, options.tables);
      this.#pieces = freeName(all.map(({ name }) => name));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }

  /** The statements, each ending in a semicolon and a newline. */
  *statements(): Generator<string> {
    const { noSchema, noData } = this.#options;
    // Rows may come before those that they refer to, but not before the table that these are in.
    yield "PRAGMA defer_foreign_keys=TRUE;\n";
    if (!noSchema) yield* this.#tables.map(({ sql }) => `${sql};\n`);
    if (!noData) {
      for (const table of this.#tables) yield* this.#rows(table);
      if (this.#usedPieces) yield `DROP TABLE ${this.#pieces};\n`;
      yield* this.#sequences();
    }
    if (!noSchema) yield* this.#rest();
  }

  *#rows({ name }: Table): Generator<string> {
    const columns = this.#all(columnSchema, `SELECT name, hidden FROM pragma_table_xinfo(?)`, name)
      .filter(({ hidden }) => hidden === 0)
      .map((column) => identifier(column.name));
    // Text is read as its bytes: a string in JavaScript would lose what is no proper Unicode.
    const cells = columns.map(
      (column) =>
        `typeof(${column}) = 'text', CASE typeof(${column}) WHEN 'text' THEN CAST(${column} AS BLOB) ELSE ${column} END`,
    );
    const select = this.#database.prepare(`SELECT ${cells.join(", ")} FROM ${identifier(name)}`);
    select.setReadBigInts(true);
    select.setReturnArrays(true);
    const into = `INSERT INTO ${identifier(name)} (${columns.join(",")}) VALUES`;
    for (const row of select.iterate()) {
      const values = cellsOf(Object.values(row));
      const literals = values.map(literal);
      const insert = `${into}(${literals.join(",")});\n`;
      if (Buffer.byteLength(insert) <= MAX_STATEMENT) yield insert;
      else yield* this.#longRow(into, values, literals);
    }
  }

  /** A row with values that are too long for one statement: they are put together in a table first. */
  *#longRow(into: string, values: readonly Cell[], literals: readonly string[]): Generator<string> {
    if (!this.#usedPieces) yield `CREATE TABLE ${this.#pieces} (cell INTEGER PRIMARY KEY, value);\n`;
    this.#usedPieces = true;
    const inline: string[] = [];
    for (const [cell, { text, value }] of values.entries()) {
      const short = literals[cell] ?? "NULL";
      if (!(value instanceof Uint8Array) || Buffer.byteLength(short) <= MAX_INLINE) {
        inline.push(short);
        continue;
      }
      yield `INSERT INTO ${this.#pieces} VALUES (${cell}, ${hex(value.subarray(0, PIECE))});\n`;
      for (let at = PIECE; at < value.length; at += PIECE) {
        const piece = hex(value.subarray(at, at + PIECE));
        yield `UPDATE ${this.#pieces} SET value = value || ${piece} WHERE cell = ${cell};\n`;
      }
      const type = text ? "TEXT" : "BLOB";
      inline.push(`(SELECT CAST(value AS ${type}) FROM ${this.#pieces} WHERE cell = ${cell})`);
    }
    yield `${into}(${inline.join(",")});\n`;
    yield `DELETE FROM ${this.#pieces};\n`;
  }

  /** Where AUTOINCREMENT goes on; after the rows, which move it, too. */
  *#sequences(): Generator<string> {
    const names = new Set(this.#tables.map(({ name }) => name));
    const kept = this.#all(z.unknown(), "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'");
    if (kept.length === 0) return;
    for (const { name, seq } of this.#all(
      sequenceSchema,
      "SELECT name, CAST(seq AS TEXT) AS seq FROM sqlite_sequence",
    )) {
      if (!names.has(name)) continue;
      yield `DELETE FROM sqlite_sequence WHERE name = ${quoted(name)};\n`;
      yield `INSERT INTO sqlite_sequence (name, seq) VALUES (${quoted(name)}, ${seq});\n`;
    }
  }

  /** Indexes, views, then the triggers, which may stand on views. */
  *#rest(): Generator<string> {
    const objects = this.#all(
      objectSchema,
      `SELECT name, tbl_name AS "table", type, sql FROM sqlite_schema
       WHERE type IN ('index', 'view', 'trigger') AND sql IS NOT NULL
       ORDER BY type = 'trigger', type = 'view', rowid`,
    );
    const { tables } = this.#options;
    const names = new Set([...tables, ...this.#tables.map(({ name }) => name)]);
    for (const { table, sql } of objects) {
      if (tables.length === 0 || names.has(table)) yield `${sql};\n`;
    }
  }

  #all<T>(schema: z.ZodType<T>, sql: string, ...params: string[]): T[] {
    const statement = this.#database.prepare(sql);
    return statement.all(...params).map((row) => schema.parse(row));
  }
}

/** The tables that are asked for, all without a choice. @throws {DumpRefusal} */
function selected(all: readonly Table[], wanted: readonly string[]): readonly Table[] {
  const own = all.filter(({ name }) => !OWN_TABLE.test(name));
  const missing = wanted.filter((name) => !own.some((table) => table.name === name));
  if (missing.length > 0) throw new DumpRefusal(`no such table: ${missing.join(", ")}`);
  const chosen = wanted.length === 0 ? own : own.filter(({ name }) => wanted.includes(name));
  const special = chosen.filter(({ kind }) => kind !== "table").map(({ name }) => name);
  if (special.length > 0) {
    throw new DumpRefusal(
      `D1 Export error: cannot export databases with Virtual Tables (fts5): ${special.join(", ")}`,
    );
  }
  return chosen;
}

function freeName(taken: readonly string[]): string {
  let name = "_export_pieces";
  while (taken.includes(name)) name += "_";
  return identifier(name);
}

/** A value as SQLite holds it; texts and blobs as their bytes. */
interface Cell {
  readonly text: boolean;
  readonly value: Uint8Array | number | bigint | null;
}

/** Pairs "is it text" with the value. */
function cellsOf(row: readonly unknown[]): Cell[] {
  const cells: Cell[] = [];
  for (let i = 0; i + 1 < row.length; i += 2) {
    cells.push({ text: row[i] === 1n, value: columnValue(row[i + 1]) });
  }
  return cells;
}

function columnValue(value: unknown): Cell["value"] {
  if (value === null || typeof value === "number" || typeof value === "bigint") return value;
  if (value instanceof Uint8Array) return value;
  throw new Error(`SQLite returned a ${typeof value}`);
}

function literal({ text, value }: Cell): string {
  if (value === null) return "NULL";
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return real(value);
  return text ? textLiteral(value) : hex(value);
}

/** With a point or an exponent, so that it stays a REAL where the column would take an INTEGER. */
function real(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? "9e999" : "-9e999";
  const digits = String(value);
  return /[.e]/.test(digits) ? digits : `${digits}.0`;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function textLiteral(bytes: Uint8Array): string {
  try {
    const text = utf8.decode(bytes);
    // SQL text ends at a NUL.
    if (!text.includes("\0")) return quoted(text);
  } catch {
    // Not UTF-8: only its bytes say what it is.
  }
  return `CAST(${hex(bytes)} AS TEXT)`;
}

function hex(bytes: Uint8Array): string {
  return `X'${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}'`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
