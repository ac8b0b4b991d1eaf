/** SQL of an archive run. */
import { type Lease, renewLease } from "./lease.ts";
import type { ArchiveFile, HotRow } from "./plan.ts";

/** What a pass may pick. */
export interface PickRequest {
  /** Newest row that the run looks at. */
  readonly watermark: number;
  /** `<table>/<fingerprint>` of the schemas that this version can decode. */
  readonly schemas: readonly string[];
  /** Rows that this run has found unreadable. */
  readonly skip: readonly number[];
  readonly maxRows: number;
  /** Bytes of records; a single larger row is still picked. */
  readonly maxBytes: number;
}

/** The newest hot row's id, or 0. A later row has a larger one, because D1 has one writer. */
export async function hotWatermark(db: D1Database): Promise<number> {
  const row = await db.prepare("SELECT max(id) AS id FROM buffer_logs").first<{ id: number | null }>();
  return row?.id ?? 0;
}

/** Parameters: watermark, schemas, rows to skip, rows, bytes. */
export const PICK = `
  WITH candidate AS (
    SELECT id, table_name, period, bytes FROM buffer_logs
    WHERE id <= ?1
      AND table_name || '/' || schema_fingerprint IN (SELECT value FROM json_each(?2))
      AND id NOT IN (SELECT value FROM json_each(?3))
    ORDER BY table_name, period, id LIMIT ?4
  ), picked AS (
    SELECT id, bytes, sum(bytes) OVER (ORDER BY table_name, period, id ROWS UNBOUNDED PRECEDING) AS total
    FROM candidate
  )
  SELECT b.id, b.dataset_id AS datasetId, b.table_name AS "table", b.period, b.schema_fingerprint AS fingerprint,
         b.record_count AS recordCount, b.data
  FROM picked JOIN buffer_logs b ON b.id = picked.id
  WHERE picked.total <= ?5 OR picked.total = picked.bytes
  ORDER BY b.table_name, b.period, b.id`;

/** Picks a bounded set of hot rows, whole periods first. */
export async function pickHotRows(db: D1Database, request: PickRequest): Promise<readonly HotRow[]> {
  const { results } = await db
    .prepare(PICK)
    .bind(
      request.watermark,
      JSON.stringify(request.schemas),
      JSON.stringify(request.skip),
      request.maxRows,
      request.maxBytes,
    )
    .all<HotRow>();
  return results;
}

/** How many hot rows stand at or below the watermark. */
export async function countHotRows(db: D1Database, watermark: number): Promise<number> {
  const row = await db
    .prepare("SELECT count(*) AS rows FROM buffer_logs WHERE id <= ?1")
    .bind(watermark)
    .first<{ rows: number }>();
  return row?.rows ?? 0;
}

/**
 * The guard of a commit is the file's own path: it is NULL, which the column
 * refuses, unless the lease is still ours and every row is still hot. The
 * refusal takes the whole batch back.
 */
const INSERT_FILES = `
  INSERT INTO archived_files (file_path, table_name, period, file_size, header_size, compression_codec, sha256,
                              sync_marker, schema_fingerprint, record_count, block_count, min_time, max_time,
                              created_at, last_modified_at)
  SELECT CASE WHEN EXISTS (SELECT 1 FROM leases WHERE name = ?2 AND fence = ?3)
               AND (SELECT count(*) FROM buffer_logs WHERE id IN (SELECT value FROM json_each(?4))) = ?5
              THEN value ->> 0 END,
         value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8,
         value ->> 9, value ->> 10, value ->> 11, value ->> 12, ?6, ?6
  FROM json_each(?1)`;

const INSERT_BLOCKS = `
  INSERT INTO block_indexes (file_id, dataset_id, table_name, start_byte, length, crc32, record_count,
                             start_timestamp, end_timestamp)
  SELECT f.id, b.value ->> 1, f.table_name, b.value ->> 2, b.value ->> 3, b.value ->> 4, b.value ->> 5,
         b.value ->> 6, b.value ->> 7
  FROM json_each(?1) b JOIN archived_files f ON f.file_path = b.value ->> 0
  ORDER BY b.key`;

const REMEMBER_MESSAGES = `
  INSERT INTO archived_messages (message_id, archived_at)
  SELECT message_id, ?2 FROM buffer_logs WHERE id IN (SELECT value FROM json_each(?1))
  ON CONFLICT (message_id) DO NOTHING`;

const DELETE_ROWS = "DELETE FROM buffer_logs WHERE id IN (SELECT value FROM json_each(?1))";

/** Statements of one commit. */
export const COMMIT_QUERIES = 5;

export interface Commit {
  readonly lease: Lease;
  /** ms UTC. */
  readonly now: number;
  /** When the lease will expire after the commit, ms UTC. */
  readonly leaseExpiresAt: number;
  readonly files: readonly ArchiveFile[];
}

/**
 * Moves the files' rows from hot to cold in one transaction: the files and
 * their blocks appear and the rows vanish, or nothing happens.
 * @throws D1's error, also when the lease is lost
 */
export async function commitFiles(
  db: D1Database,
  { lease, now, leaseExpiresAt, files }: Commit,
): Promise<void> {
  const rowIds = files.flatMap((file) => file.rowIds);
  const ids = JSON.stringify(rowIds);
  const fileValues = files.map((file) => [
    file.key,
    file.table,
    file.period,
    file.bytes.length,
    file.headerSize,
    file.codec,
    file.sha256,
    file.sync,
    file.fingerprint,
    file.recordCount,
    file.blocks.length,
    file.minTime,
    file.maxTime,
  ]);
  const blockValues = files.flatMap((file) =>
    file.blocks.map((block) => [
      file.key,
      block.datasetId,
      block.start,
      block.length,
      block.crc32,
      block.recordCount,
      block.minTime,
      block.maxTime,
    ]),
  );
  await db.batch([
    db
      .prepare(INSERT_FILES)
      .bind(JSON.stringify(fileValues), lease.name, lease.fence, ids, rowIds.length, now),
    db.prepare(INSERT_BLOCKS).bind(JSON.stringify(blockValues)),
    db.prepare(REMEMBER_MESSAGES).bind(ids, now),
    db.prepare(DELETE_ROWS).bind(ids),
    renewLease(db, lease, leaseExpiresAt),
  ]);
}
