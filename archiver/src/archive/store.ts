/** SQL of an archive run. */
import { GENERIC_FINGERPRINT } from "../tables/index.ts";
import type { HotRow } from "./plan.ts";

/** A place in the order in which a run goes through the hot rows. */
export interface Place {
  readonly table: string;
  readonly period: string;
  readonly id: number;
}

/** Before every row. */
export const FIRST_PLACE: Place = { table: "", period: "", id: 0 };

/** The rows that lie before a run. */
export interface Scope {
  /** Newest row that the run looks at. */
  readonly watermark: number;
  /** `<table>/<fingerprint>` of the schemas that this version can decode, beside the generic envelope. */
  readonly schemas: readonly string[];
  /** Rows up to here have been seen. */
  readonly after: Place;
}

/** What a pass may pick. */
export interface PickBounds {
  readonly maxRows: number;
  readonly maxRecords: number;
  /** Bytes of records; a single larger row is still picked. */
  readonly maxBytes: number;
}

/**
 * The id of the newest row that a run may move, or 0. Ids and times grow
 * together, but for the differences of the consumers' clocks.
 * @param storedBefore ms UTC: the end of the hot window
 */
export async function hotWatermark(db: D1Database, storedBefore: number): Promise<number> {
  const row = await db
    .prepare("SELECT id FROM buffer_logs WHERE created_at <= ?1 ORDER BY id DESC LIMIT 1")
    .bind(storedBefore)
    .first<{ id: number }>();
  return row?.id ?? 0;
}

/** Parameters: watermark, table, period, id of the place, generic fingerprint, schemas. The plus keeps SQLite to the index of places. */
const IN_SCOPE = `
  +id <= ?1 AND (table_name, period, id) > (?2, ?3, ?4)
  AND (schema_fingerprint = ?5 OR table_name || '/' || schema_fingerprint IN (SELECT value FROM json_each(?6)))`;

/** Further parameters: rows, records, bytes. */
export const PICK = `
  WITH candidate AS (
    SELECT id, table_name, period, record_count, bytes FROM buffer_logs WHERE ${IN_SCOPE}
    ORDER BY table_name, period, id LIMIT ?7
  ), picked AS (
    SELECT id, row_number() OVER place AS number, sum(record_count) OVER place AS records,
           sum(bytes) OVER place AS bytes
    FROM candidate WINDOW place AS (ORDER BY table_name, period, id ROWS UNBOUNDED PRECEDING)
  )
  SELECT b.id, b.dataset_id AS datasetId, b.table_name AS "table", b.period, b.schema_fingerprint AS fingerprint,
         b.record_count AS recordCount, b.data
  FROM picked JOIN buffer_logs b ON b.id = picked.id
  WHERE picked.number = 1 OR picked.records <= ?8 AND picked.bytes <= ?9
  ORDER BY b.table_name, b.period, b.id`;

export const COUNT = `SELECT count(*) AS rows FROM buffer_logs WHERE ${IN_SCOPE}`;

function scopeValues({ watermark, schemas, after }: Scope): readonly unknown[] {
  return [watermark, after.table, after.period, after.id, GENERIC_FINGERPRINT, JSON.stringify(schemas)];
}

/** Picks a bounded set of hot rows, in the order of their places. */
export async function pickHotRows(
  db: D1Database,
  scope: Scope,
  { maxRows, maxRecords, maxBytes }: PickBounds,
): Promise<readonly HotRow[]> {
  const { results } = await db
    .prepare(PICK)
    .bind(...scopeValues(scope), maxRows, maxRecords, maxBytes)
    .all<HotRow>();
  return results;
}

/** How many rows lie before a run. */
export async function countHotRows(db: D1Database, scope: Scope): Promise<number> {
  const row = await db
    .prepare(COUNT)
    .bind(...scopeValues(scope))
    .first<{ rows: number }>();
  return row?.rows ?? 0;
}
