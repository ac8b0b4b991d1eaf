/** SQL of hot storage. */

/** One message as `buffer_logs` holds it. */
export interface HotRow {
  readonly messageId: string;
  readonly datasetId: string;
  readonly table: string;
  readonly period: string;
  readonly fingerprint: string;
  readonly recordCount: number;
  readonly minTime: number;
  readonly maxTime: number;
  /** When the request was accepted, ms UTC. */
  readonly acceptedAt: number;
  /** Base64 of the records. */
  readonly data: string;
  readonly bytes: number;
}

/** D1 takes values of 2 MB; a statement's one parameter stays well below. */
export const MAX_PARAMETER_CHARS = 1_000_000;

/**
 * `ON CONFLICT` and not `OR IGNORE`, which would drop a row for any broken
 * constraint. A message that was archived already is not stored again, and none
 * of a dataset that was erased after the message was accepted: asked in the
 * statement itself, so that an erasure comes wholly before it or wholly after.
 */
const INSERT = `
  INSERT INTO buffer_logs (message_id, dataset_id, table_name, period, schema_fingerprint, record_count,
                           min_time, max_time, data, bytes, created_at)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
         value ->> 6, value ->> 7, value ->> 8, value ->> 9, ?2
  FROM json_each(?1)
  WHERE NOT EXISTS (SELECT 1 FROM archived_messages WHERE message_id = value ->> 0)
    AND NOT EXISTS (SELECT 1 FROM erasures WHERE dataset_id = value ->> 1 AND requested_at >= value ->> 10)
  ON CONFLICT (message_id) DO NOTHING`;

/**
 * Stores messages in one statement with two parameters.
 * @param now ms UTC
 * @returns how many were new
 */
export async function storeHotRows(db: D1Database, rows: readonly HotRow[], now: number): Promise<number> {
  const values = rows.map((row) => [
    row.messageId,
    row.datasetId,
    row.table,
    row.period,
    row.fingerprint,
    row.recordCount,
    row.minTime,
    row.maxTime,
    row.data,
    row.bytes,
    row.acceptedAt,
  ]);
  const { meta } = await db.prepare(INSERT).bind(JSON.stringify(values), now).run();
  return meta.changes;
}

/** How many of these messages belong to a dataset that was erased after they were accepted. */
export async function countErased(
  db: D1Database,
  rows: readonly Pick<HotRow, "datasetId" | "acceptedAt">[],
): Promise<number> {
  const found = await db
    .prepare(
      `SELECT count(*) AS messages FROM json_each(?1) WHERE EXISTS
         (SELECT 1 FROM erasures WHERE dataset_id = value ->> 0 AND requested_at >= value ->> 1)`,
    )
    .bind(JSON.stringify(rows.map(({ datasetId, acceptedAt }) => [datasetId, acceptedAt])))
    .first<{ messages: number }>();
  return found?.messages ?? 0;
}

/** What tells a message from others, and whether an erasure keeps it out. */
export type MessageIdentity = Pick<HotRow, "messageId" | "datasetId" | "acceptedAt">;

/**
 * Which of these messages are dealt with: hot, archived, or of a dataset that was
 * erased after they were accepted. One query with one parameter.
 * @returns their ids
 */
export async function findStored(
  db: D1Database,
  messages: readonly MessageIdentity[],
): Promise<ReadonlySet<string>> {
  const { results } = await db
    .prepare(
      `SELECT value ->> 0 AS id FROM json_each(?1)
       WHERE EXISTS (SELECT 1 FROM buffer_logs WHERE message_id = value ->> 0)
          OR EXISTS (SELECT 1 FROM archived_messages WHERE message_id = value ->> 0)
          OR EXISTS (SELECT 1 FROM erasures WHERE dataset_id = value ->> 1 AND requested_at >= value ->> 2)`,
    )
    .bind(JSON.stringify(messages.map((one) => [one.messageId, one.datasetId, one.acceptedAt])))
    .all<{ id: string }>();
  return new Set(results.map(({ id }) => id));
}

/**
 * Forgets archived messages that no queue can deliver any more, at most `limit`
 * of them. A dead letter may be sent back however old it is: what was archived
 * since the oldest of them was accepted may be one of them.
 * @param before ms UTC
 */
export async function forgetArchivedMessages(db: D1Database, before: number, limit: number): Promise<number> {
  const { meta } = await db
    .prepare(
      `DELETE FROM archived_messages WHERE message_id IN
         (SELECT message_id FROM archived_messages
          WHERE archived_at < min(?1, coalesce((SELECT min(accepted_at) FROM dead_letters), ?1))
          ORDER BY archived_at LIMIT ?2)`,
    )
    .bind(before, limit)
    .run();
  return meta.changes;
}
