/** SQL of a read: hot rows and cold blocks as they stand at one moment. */
import type { ColdBlock } from "../cold/index.ts";

export interface SnapshotRequest {
  readonly datasetId: string;
  readonly table: string;
  /** Inclusive, ms UTC. */
  readonly from: number;
  /** Exclusive, ms UTC. */
  readonly to: number;
  /** A source that begins at this time or later, ms UTC, and ends before `to` counts with all of its records. */
  readonly wholeFrom: number;
  /** Records wanted: what begins after more of them is left out. */
  readonly limit: number;
  /** Files retained from this time or earlier have expired, ms UTC. */
  readonly expiryCutoff: number;
  /** Rows and blocks that are listed. */
  readonly maxHotRows: number;
  readonly maxBlocks: number;
  /** Bytes of the rows that come with their data. */
  readonly hotBytes: number;
}

interface Extent {
  /** Event times of the first and last record, ms UTC. */
  readonly minTime: number;
  readonly maxTime: number;
  readonly recordCount: number;
}

export interface HotRow extends Extent {
  readonly id: number;
  readonly messageId: string;
  readonly fingerprint: string;
  /** Size of the records. */
  readonly bytes: number;
  /** Base64 of the records; `null` for a row that is listed only. */
  readonly data: string | null;
}

export interface StoredBlock extends ColdBlock, Extent {
  /** The object of a lost file is gone. */
  readonly state: "live" | "lost";
}

export interface Snapshot {
  /** In the order of their first record; the first of them have their data. */
  readonly hot: readonly HotRow[];
  /** In the order of their first record. */
  readonly cold: readonly StoredBlock[];
  /** Everything that begins before this time, ms UTC, is in the snapshot; infinite when all is. */
  readonly completeBefore: number;
}

/**
 * Parameters: dataset, table, from, to, rows, bytes, whole from, limit.
 * A page ends at the latest where the rows that lie wholly within the range and
 * end no later have more records than it takes: rows that begin later are left out.
 */
export const HOT = `
  WITH candidate AS (
    SELECT id, min_time, max_time, bytes,
           iif(min_time >= ?7 AND max_time < ?4, record_count, 0) AS records
    FROM buffer_logs
    WHERE dataset_id = ?1 AND table_name = ?2 AND min_time < ?4 AND max_time >= ?3
    ORDER BY min_time, id LIMIT ?5 + 1
  ), ended AS (
    SELECT max_time, sum(records) OVER (ORDER BY max_time, id ROWS UNBOUNDED PRECEDING) AS total FROM candidate
  ), page AS (
    SELECT min(max_time) AS end_time FROM ended WHERE total > ?8
  ), placed AS (
    SELECT id, min_time, row_number() OVER place AS place, sum(bytes) OVER place AS total
    FROM candidate WINDOW place AS (ORDER BY min_time, id ROWS UNBOUNDED PRECEDING)
  )
  SELECT b.id, b.message_id AS messageId, b.schema_fingerprint AS fingerprint,
         b.record_count AS recordCount, b.min_time AS minTime, b.max_time AS maxTime, b.bytes,
         CASE WHEN placed.place = 1 OR (placed.place <= ?5 AND placed.total <= ?6) THEN b.data END AS data
  FROM placed CROSS JOIN page CROSS JOIN buffer_logs b
  WHERE b.id = placed.id AND placed.min_time <= coalesce(page.end_time, placed.min_time)
  ORDER BY placed.place`;

/** Parameters: dataset, table, from, to, blocks, whole from, limit, expiry cutoff. As `HOT`; lost blocks hold nothing. */
export const COLD = `
  WITH candidate AS (
    SELECT b.id, b.start_timestamp AS min_time, b.end_timestamp AS max_time,
           iif(f.state = 'live' AND b.start_timestamp >= ?6 AND b.end_timestamp < ?4, b.record_count, 0) AS records
    FROM block_indexes b JOIN archived_files f ON f.id = b.file_id
    WHERE b.dataset_id = ?1 AND b.table_name = ?2 AND b.start_timestamp < ?4 AND b.end_timestamp >= ?3
      AND f.state IN ('live', 'lost') AND f.retained_from > ?8
    ORDER BY b.start_timestamp, b.id LIMIT ?5 + 1
  ), ended AS (
    SELECT max_time, sum(records) OVER (ORDER BY max_time, id ROWS UNBOUNDED PRECEDING) AS total FROM candidate
  ), page AS (
    SELECT min(max_time) AS end_time FROM ended WHERE total > ?7
  )
  SELECT f.file_path AS filePath, f.compression_codec AS codec, f.sync_marker AS sync,
         f.schema_fingerprint AS fingerprint, f.state, b.start_byte AS start, b.length, b.crc32,
         b.record_count AS recordCount, b.start_timestamp AS minTime, b.end_timestamp AS maxTime
  FROM candidate CROSS JOIN page CROSS JOIN block_indexes b CROSS JOIN archived_files f
  WHERE b.id = candidate.id AND f.id = b.file_id
    AND candidate.min_time <= coalesce(page.end_time, candidate.min_time)
  ORDER BY candidate.min_time, candidate.id`;

/** Reads hot and cold in one transaction, so that a record on its way between them is seen once. */
export async function readSnapshot(db: D1Database, request: SnapshotRequest): Promise<Snapshot> {
  const { datasetId, table, from, to, wholeFrom, limit, maxHotRows, maxBlocks } = request;
  const [hotResult, coldResult] = await db.batch([
    db.prepare(HOT).bind(datasetId, table, from, to, maxHotRows, request.hotBytes, wholeFrom, limit),
    db.prepare(COLD).bind(datasetId, table, from, to, maxBlocks, wholeFrom, limit, request.expiryCutoff),
  ]);
  const rows = (hotResult?.results ?? []) as readonly HotRow[];
  const blocks = (coldResult?.results ?? []) as readonly StoredBlock[];
  return {
    hot: rows.slice(0, maxHotRows),
    cold: blocks.slice(0, maxBlocks),
    completeBefore: Math.min(
      rows[maxHotRows]?.minTime ?? Number.POSITIVE_INFINITY,
      blocks[maxBlocks]?.minTime ?? Number.POSITIVE_INFINITY,
    ),
  };
}

/**
 * Loads hot rows of a snapshot that were only listed. A row never changes.
 * @returns `null` when one of them is hot no more
 */
export async function loadHotRows(
  db: D1Database,
  rows: readonly HotRow[],
): Promise<readonly (HotRow & { readonly data: string })[] | null> {
  const { results } = await db
    .prepare("SELECT id, data FROM buffer_logs WHERE id IN (SELECT value FROM json_each(?1))")
    .bind(JSON.stringify(rows.map(({ id }) => id)))
    .all<{ id: number; data: string }>();
  const dataOf = new Map(results.map(({ id, data }) => [id, data]));
  const loaded = rows.flatMap((row) => {
    const data = dataOf.get(row.id);
    return data === undefined ? [] : [{ ...row, data }];
  });
  return loaded.length === rows.length ? loaded : null;
}

/** The states of files by their paths; a file that the manifest does not have is not in the map. */
export async function fileStates(
  db: D1Database,
  paths: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { results } = await db
    .prepare(
      "SELECT file_path, state FROM archived_files WHERE file_path IN (SELECT value FROM json_each(?1))",
    )
    .bind(JSON.stringify(paths))
    .all<{ file_path: string; state: string }>();
  return new Map(results.map(({ file_path, state }) => [file_path, state]));
}

/** Marks live files whose objects are gone. @returns how many were still live */
export async function markLost(db: D1Database, paths: readonly string[], now: number): Promise<number> {
  const { meta } = await db
    .prepare(
      `UPDATE archived_files SET state = 'lost', state_at = ?2, last_modified_at = ?2
       WHERE state = 'live' AND file_path IN (SELECT value FROM json_each(?1))`,
    )
    .bind(JSON.stringify(paths), now)
    .run();
  return meta.changes;
}

/** Parameters: table, expiry cutoff. */
export const HOLDS_TABLE = `
  SELECT EXISTS (SELECT 1 FROM buffer_logs WHERE table_name = ?1)
      OR EXISTS (SELECT 1 FROM archived_files
                 WHERE table_name = ?1 AND state IN ('live', 'lost') AND retained_from > ?2) AS held`;

/** Whether any record of a table is stored. */
export async function holdsTable(db: D1Database, table: string, expiryCutoff: number): Promise<boolean> {
  return (await db.prepare(HOLDS_TABLE).bind(table, expiryCutoff).first<number>("held")) === 1;
}
