/** SQL of compaction. */
import type { FileBlock } from "../cold/index.ts";
import { NOT_SAID } from "../manifest/index.ts";
import type { ColdFile } from "./policy.ts";

/** A live file with what is needed to read it. */
export interface SourceFile extends ColdFile {
  readonly filePath: string;
  readonly headerSize: number;
  /** Hex. */
  readonly sync: string;
  readonly generation: number;
}

/** What the sources of a merge hold of a dataset. */
export interface DatasetTotal {
  readonly datasetId: string;
  readonly records: number;
  readonly blocks: number;
}

export interface CandidateRequest {
  /** Files of so many bytes are merged no more. */
  readonly targetBytes: number;
  /** Files whose retention counts from this time or earlier are left alone, ms UTC. */
  readonly leftToExpiry: number;
  /** Ids of files that could not be read. */
  readonly skip: readonly number[];
}

/** Files that a plan looks at: some 5 MB of memory. Where there are more, the next plan sees them. */
const MAX_CANDIDATES = 20_000;

/**
 * Parameters: bytes, retention, ids to skip, files. Only files that share their
 * period or month with another one; those with most neighbours first, so that
 * some that can never be merged do not hide others. An erasure's files are its own.
 */
export const CANDIDATES = `
  WITH candidate AS (
    SELECT *, CASE WHEN level = 2 THEN period
                   WHEN period GLOB '[0-9][0-9][0-9][0-9]_[0-9][0-9]_[0-9][0-9]' THEN substr(period, 1, 7) END AS month
    FROM archived_files
    WHERE state = 'live' AND file_size < ?1 AND retained_from > ?2 AND retained_from < ${NOT_SAID}
      AND id NOT IN (SELECT value FROM json_each(?3))
      AND file_path NOT IN (SELECT file_path FROM erasure_files)
  ), counted AS (
    SELECT *,
           count(*) OVER (PARTITION BY table_name, period, schema_fingerprint, compression_codec) AS of_period,
           count(*) OVER (PARTITION BY table_name, month, schema_fingerprint, compression_codec) AS of_month
    FROM candidate
  )
  SELECT id, file_path AS filePath, table_name AS "table", period, schema_fingerprint AS fingerprint,
         compression_codec AS codec, level, generation, file_size AS size, header_size AS headerSize,
         sync_marker AS sync, block_count AS blocks, retained_from AS retainedFrom
  FROM counted WHERE of_period > 1 OR (month IS NOT NULL AND of_month > 1)
  ORDER BY of_period DESC, table_name, period, id LIMIT ?4`;

/** Lists the files that may have something to be merged with. */
export async function listCandidates(
  db: D1Database,
  { targetBytes, leftToExpiry, skip }: CandidateRequest,
): Promise<readonly SourceFile[]> {
  const { results } = await db
    .prepare(CANDIDATES)
    .bind(targetBytes, leftToExpiry, JSON.stringify(skip), MAX_CANDIDATES)
    .all<SourceFile>();
  return results;
}

/** Parameter: ids of files. */
export const DATASET_TOTALS = `
  SELECT dataset_id AS datasetId, sum(record_count) AS records, count(*) AS blocks
  FROM block_indexes WHERE file_id IN (SELECT value FROM json_each(?1))
  GROUP BY dataset_id ORDER BY dataset_id`;

/** What files hold of each dataset, in the order of the datasets' bytes. */
export async function datasetTotals(
  db: D1Database,
  fileIds: readonly number[],
): Promise<readonly DatasetTotal[]> {
  const { results } = await db.prepare(DATASET_TOTALS).bind(JSON.stringify(fileIds)).all<DatasetTotal>();
  return results;
}

/** Parameters: file, offset, blocks. */
export const BLOCKS = `
  SELECT dataset_id AS datasetId, start_byte AS start, length, crc32, record_count AS recordCount,
         start_timestamp AS minTime, end_timestamp AS maxTime
  FROM block_indexes WHERE file_id = ?1 AND start_byte > ?2 ORDER BY start_byte LIMIT ?3`;

/** The blocks of a file that begin after an offset, at most `limit`, in the order of their place. */
export async function listBlocks(
  db: D1Database,
  fileId: number,
  after: number,
  limit: number,
): Promise<readonly FileBlock[]> {
  const { results } = await db.prepare(BLOCKS).bind(fileId, after, limit).all<FileBlock>();
  return results;
}
