/** SQL of the dead letters. */
import type { DeadLetter } from "../contract.ts";

/** A letter as it is stored; `null` where the message cannot be read. */
export interface LetterRow {
  readonly deliveryId: string;
  readonly reason: string;
  readonly datasetId: string | null;
  readonly table: string | null;
  readonly recordCount: number | null;
  /** ms UTC. */
  readonly acceptedAt: number | null;
  readonly bytes: number;
  /** Base64 of the message as it was sent. */
  readonly body: string;
}

/** A letter as an operator sends it back. */
export interface StoredLetter {
  readonly id: number;
  /** Base64. */
  readonly body: string;
}

/** What an erased dataset has left among the dead letters is erased with it, so a late letter of it is not kept. */
const INSERT = `
  INSERT INTO dead_letters (delivery_id, reason, dataset_id, table_name, record_count, accepted_at,
                            bytes, body, received_at)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
         value ->> 6, value ->> 7, ?2
  FROM json_each(?1)
  WHERE NOT EXISTS (SELECT 1 FROM erasures WHERE dataset_id = value ->> 2 AND requested_at >= value ->> 5)
  ON CONFLICT (delivery_id) DO NOTHING`;

/**
 * Stores letters in one statement with two parameters.
 * @param now ms UTC
 * @returns how many were new
 */
export async function insertLetters(
  db: D1Database,
  rows: readonly LetterRow[],
  now: number,
): Promise<number> {
  const values = rows.map((row) => [
    row.deliveryId,
    row.reason,
    row.datasetId,
    row.table,
    row.recordCount,
    row.acceptedAt,
    row.bytes,
    row.body,
  ]);
  const { meta } = await db.prepare(INSERT).bind(JSON.stringify(values), now).run();
  return meta.changes;
}

/** A page of letters by id, without their bodies, and how many there are in all: one snapshot. */
export async function selectPage(
  db: D1Database,
  after: number,
  limit: number,
): Promise<{ readonly letters: readonly DeadLetter[]; readonly total: number }> {
  const [page, count] = await db.batch([
    db
      .prepare(
        `SELECT id, received_at AS receivedAt, reason, dataset_id AS datasetId, table_name AS "table",
                record_count AS records, bytes
         FROM dead_letters WHERE id > ?1 ORDER BY id LIMIT ?2`,
      )
      .bind(after, limit),
    db.prepare("SELECT count(*) AS total FROM dead_letters"),
  ]);
  const letters = (page as D1Result<DeadLetter> | undefined)?.results ?? [];
  const total = (count as D1Result<{ total: number }> | undefined)?.results[0]?.total ?? 0;
  return { letters, total };
}

/** The highest id that there is now; 0 when there is no letter. */
export async function newestId(db: D1Database): Promise<number> {
  const row = await db.prepare("SELECT max(id) AS id FROM dead_letters").first<{ id: number | null }>();
  return row?.id ?? 0;
}

/** Letters of a choice: those named, or every one up to an id. */
export type Scope = { readonly ids: readonly number[] } | { readonly upTo: number };

/** A condition with one parameter, `?1`. */
function condition(scope: Scope): { readonly sql: string; readonly value: string | number } {
  return "ids" in scope
    ? { sql: "id IN (SELECT value FROM json_each(?1))", value: JSON.stringify(scope.ids) }
    : { sql: "id <= ?1", value: scope.upTo };
}

/** The first letters of a scope, with their bodies. */
export async function selectLetters(
  db: D1Database,
  scope: Scope,
  limit: number,
): Promise<readonly StoredLetter[]> {
  const { sql, value } = condition(scope);
  const { results } = await db
    .prepare(`SELECT id, body FROM dead_letters WHERE ${sql} ORDER BY id LIMIT ?2`)
    .bind(value, limit)
    .all<StoredLetter>();
  return results;
}

/** Deletes the first letters of a scope. @returns how many */
export async function deleteLetters(db: D1Database, scope: Scope, limit: number): Promise<number> {
  const { sql, value } = condition(scope);
  const { meta } = await db
    .prepare(
      `DELETE FROM dead_letters WHERE id IN
         (SELECT id FROM dead_letters WHERE ${sql} ORDER BY id LIMIT ?2)`,
    )
    .bind(value, limit)
    .run();
  return meta.changes;
}

/** How many letters of a scope there are. */
export async function countLetters(db: D1Database, scope: Scope): Promise<number> {
  const { sql, value } = condition(scope);
  const row = await db
    .prepare(`SELECT count(*) AS letters FROM dead_letters WHERE ${sql}`)
    .bind(value)
    .first<{ letters: number }>();
  return row?.letters ?? 0;
}
