/** SQL of a read: hot rows and cold blocks as they stand at one moment. */

export interface SnapshotRequest {
  readonly datasetId: string;
  readonly table: string;
  /** Inclusive, ms UTC. */
  readonly from: number;
  /** Exclusive, ms UTC. */
  readonly to: number;
  readonly maxHotRows: number;
  readonly maxHotBytes: number;
  readonly maxBlocks: number;
}

export interface HotSource {
  readonly fingerprint: string;
  readonly recordCount: number;
  readonly minTime: number;
  /** Base64 of the records. */
  readonly data: string;
}

export interface ColdBlock {
  readonly filePath: string;
  readonly codec: string;
  /** Hex. */
  readonly sync: string;
  readonly fingerprint: string;
  readonly start: number;
  readonly length: number;
  readonly crc32: number;
  readonly recordCount: number;
  readonly minTime: number;
}

export interface Snapshot {
  readonly hot: readonly HotSource[];
  /** In the order of their first record. */
  readonly cold: readonly ColdBlock[];
  /** Everything that begins before this time, ms UTC, is in the snapshot; infinite when all is. */
  readonly completeBefore: number;
}

/** Parameters: dataset, table, from, to, rows, bytes. A row beyond a bound comes without its data. */
export const HOT = `
  WITH candidate AS (
    SELECT id, min_time, bytes FROM buffer_logs
    WHERE dataset_id = ?1 AND table_name = ?2 AND min_time < ?4 AND max_time >= ?3
    ORDER BY min_time, id LIMIT ?5 + 1
  ), measured AS (
    SELECT id, min_time, row_number() OVER win AS place, sum(bytes) OVER win AS total
    FROM candidate WINDOW win AS (ORDER BY min_time, id ROWS UNBOUNDED PRECEDING)
  )
  SELECT b.schema_fingerprint AS fingerprint, b.record_count AS recordCount, b.min_time AS minTime,
         CASE WHEN measured.place = 1 OR (measured.place <= ?5 AND measured.total <= ?6) THEN b.data END AS data
  FROM measured JOIN buffer_logs b ON b.id = measured.id
  ORDER BY measured.place`;

/** Parameters: dataset, table, from, to, blocks. One more block than wanted says that there are more. */
export const COLD = `
  SELECT f.file_path AS filePath, f.compression_codec AS codec, f.sync_marker AS sync,
         f.schema_fingerprint AS fingerprint, b.start_byte AS start, b.length, b.crc32,
         b.record_count AS recordCount, b.start_timestamp AS minTime
  FROM block_indexes b JOIN archived_files f ON f.id = b.file_id
  WHERE b.dataset_id = ?1 AND b.table_name = ?2 AND b.start_timestamp < ?4 AND b.end_timestamp >= ?3
  ORDER BY b.start_timestamp, b.id LIMIT ?5 + 1`;

/** Reads hot and cold in one transaction, so that a record on its way between them is seen once. */
export async function readSnapshot(db: D1Database, request: SnapshotRequest): Promise<Snapshot> {
  const scope = [request.datasetId, request.table, request.from, request.to];
  const [hotResult, coldResult] = await db.batch([
    db.prepare(HOT).bind(...scope, request.maxHotRows, request.maxHotBytes),
    db.prepare(COLD).bind(...scope, request.maxBlocks),
  ]);
  const rows = (hotResult?.results ?? []) as readonly (Omit<HotSource, "data"> & {
    readonly data: string | null;
  })[];
  const blocks = (coldResult?.results ?? []) as readonly ColdBlock[];

  const hot = rows.flatMap((row) => (row.data === null ? [] : [{ ...row, data: row.data }]));
  const firstHotLeft = rows.find(({ data }) => data === null)?.minTime ?? Number.POSITIVE_INFINITY;
  const firstColdLeft = blocks[request.maxBlocks]?.minTime ?? Number.POSITIVE_INFINITY;
  return {
    hot,
    cold: blocks.slice(0, request.maxBlocks),
    completeBefore: Math.min(firstHotLeft, firstColdLeft),
  };
}
