/** SQL of the checks; it reads only. */
import type { FileBlock } from "../cold/index.ts";
import { jsonChunks } from "../manifest/index.ts";
import type { IndexedFile } from "./checks.ts";

const FILE_COLUMNS = `
  id, file_path AS path, table_name AS "table", period, file_size AS size, header_size AS headerSize,
  compression_codec AS codec, sha256, sync_marker AS sync, schema_fingerprint AS fingerprint,
  record_count AS recordCount, block_count AS blockCount, min_time AS minTime, max_time AS maxTime, state,
  state_at AS stateAt, level, generation, retained_from AS retainedFrom, last_modified_at AS lastModifiedAt`;

/** The next files by id. */
export async function filesAfter(db: D1Database, id: number, limit: number): Promise<readonly IndexedFile[]> {
  const { results } = await db
    .prepare(`SELECT ${FILE_COLUMNS} FROM archived_files WHERE id > ?1 ORDER BY id LIMIT ?2`)
    .bind(id, limit)
    .all<IndexedFile>();
  return results;
}

/** The file as it is now, unless an erasure works on it. */
export function fileNow(db: D1Database, id: number): Promise<IndexedFile | null> {
  return db
    .prepare(
      `SELECT ${FILE_COLUMNS} FROM archived_files
       WHERE id = ?1 AND file_path NOT IN (SELECT file_path FROM erasure_files)`,
    )
    .bind(id)
    .first<IndexedFile>();
}

/** Rows that are in memory at a time, about 1 MB. */
const BLOCKS_A_QUERY = 5_000;

/** A file's blocks in the order of their place. @param onQuery is told of every query */
export async function* blocksOf(
  db: D1Database,
  fileId: number,
  onQuery: () => void,
): AsyncGenerator<FileBlock> {
  let after = { start: -1, id: 0 };
  for (;;) {
    onQuery();
    const { results } = await db
      .prepare(
        `SELECT id, dataset_id AS datasetId, start_byte AS start, length, crc32, record_count AS recordCount,
                start_timestamp AS minTime, end_timestamp AS maxTime
         FROM block_indexes WHERE file_id = ?1 AND (start_byte, id) > (?2, ?3) ORDER BY start_byte, id LIMIT ?4`,
      )
      .bind(fileId, after.start, after.id, BLOCKS_A_QUERY)
      .all<FileBlock & { readonly id: number }>();
    yield* results;
    const last = results.at(-1);
    if (last === undefined || results.length < BLOCKS_A_QUERY) return;
    after = last;
  }
}

/** Files by id of blocks that no read file has, in a range of ids; at most `limit` of them. */
export async function orphanBlocks(
  db: D1Database,
  after: number,
  to: number,
  limit: number,
): Promise<readonly { readonly fileId: number; readonly state: string | null; readonly blocks: number }[]> {
  const { results } = await db
    .prepare(
      `SELECT b.file_id AS fileId, f.state, count(*) AS blocks
       FROM block_indexes b LEFT JOIN archived_files f ON f.id = b.file_id
       WHERE b.file_id > ?1 AND b.file_id <= ?2 AND (f.id IS NULL OR f.state NOT IN ('live', 'lost'))
       GROUP BY b.file_id ORDER BY b.file_id LIMIT ?3`,
    )
    .bind(after, to, limit)
    .all<{ fileId: number; state: string | null; blocks: number }>();
  return results;
}

/** Messages that are hot although they were archived; at most `limit` of them. */
export async function hotAndCold(db: D1Database, limit: number): Promise<readonly string[]> {
  const { results } = await db
    .prepare(
      `SELECT message_id AS id FROM buffer_logs
       WHERE message_id IN (SELECT message_id FROM archived_messages) ORDER BY id LIMIT ?1`,
    )
    .bind(limit)
    .all<{ id: string }>();
  return results.map(({ id }) => id);
}

/** Those of the keys that no file of the index has, whatever its state, and no erasure works on. */
export async function unnamedKeys(db: D1Database, keys: readonly string[]): Promise<ReadonlySet<string>> {
  const unnamed = new Set<string>();
  for (const chunk of jsonChunks(keys)) {
    const { results } = await db
      .prepare(
        `SELECT value AS key FROM json_each(?1)
         WHERE value NOT IN (SELECT file_path FROM archived_files)
           AND value NOT IN (SELECT file_path FROM erasure_files)`,
      )
      .bind(chunk)
      .all<{ key: string }>();
    for (const { key } of results) unnamed.add(key);
  }
  return unnamed;
}
