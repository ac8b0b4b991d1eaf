/** SQL of a reindexing: what the scans found, and the transaction that puts it in the index's place. */
import { encodeRows, type FileBlock } from "../cold/index.ts";
import { guardLease, jsonChunks, type Lease } from "../manifest/index.ts";

import type { ScanResult } from "./scan.ts";

const KEEP_FILE = `
  INSERT INTO reindex_files (file_path, file, rows, uploaded_at) VALUES (?1, ?2, ?3, ?4)
  ON CONFLICT (file_path) DO UPDATE SET file = excluded.file, rows = excluded.rows, uploaded_at = excluded.uploaded_at`;

const KEEP_BLOCKS = `
  INSERT INTO reindex_blocks (file_path, dataset_id, start_byte, length, crc32, record_count, start_timestamp,
                              end_timestamp)
  SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
  FROM json_each(?2)`;

/** Keeps what a scan has found of one object. */
export async function keepFound(db: D1Database, object: R2Object, found: ScanResult): Promise<void> {
  const { key } = object;
  const uploadedAt = object.uploaded.getTime();
  const labels = found.ok ? found.file.labels : found.object.labels;
  const statements = [
    db.prepare("DELETE FROM reindex_blocks WHERE file_path = ?1").bind(key),
    db
      .prepare(KEEP_FILE)
      .bind(
        key,
        JSON.stringify(fileValues(found, uploadedAt)),
        labels === null ? "" : encodeRows(labels.rows),
        uploadedAt,
      ),
  ];
  for (const chunk of jsonChunks(found.ok ? found.file.blocks.map(blockValues) : [])) {
    statements.push(db.prepare(KEEP_BLOCKS).bind(key, chunk));
  }
  await db.batch(statements);
}

function fileValues(found: ScanResult, uploadedAt: number): Readonly<Record<string, unknown>> {
  const labels = found.ok ? found.file.labels : found.object.labels;
  const { table, period, fingerprint, level, generation, retainedFrom } = labels ?? {};
  const lastRow = labels?.rows.at(-1)?.[1] ?? 0;
  const said = {
    table,
    period,
    fingerprint,
    level,
    generation,
    lastRow,
    retainedFrom: retainedFrom ?? uploadedAt,
  };
  if (!found.ok) return { ...said, damage: found.object.check };
  const { size, headerSize, codec, sha256, sync, recordCount, minTime, maxTime, blocks } = found.file;
  const measured = { size, headerSize, codec, sha256, sync, recordCount, minTime, maxTime };
  return { ...said, ...measured, blockCount: blocks.length };
}

function blockValues(block: FileBlock): readonly unknown[] {
  const { datasetId, start, length, recordCount, minTime, maxTime } = block;
  return [datasetId, start, length, block.crc32, recordCount, minTime, maxTime];
}

/** Forgets what earlier scans have found. */
export async function forgetFound(db: D1Database): Promise<void> {
  await db.batch([db.prepare("DELETE FROM reindex_files"), db.prepare("DELETE FROM reindex_blocks")]);
}

/** What every change of the index needs. */
export interface IndexStore {
  readonly db: D1Database;
  readonly lease: Lease;
  /** ms UTC. */
  readonly now: () => number;
}

function stillOurs({ db, lease, now }: IndexStore): D1PreparedStatement {
  return guardLease(db, lease, now());
}

/** Queries of `compareListing`. */
export const LISTING_QUERIES = 4;

/**
 * Forgets objects that a listing no longer has, and finds those that no scan has read.
 * @param after the key before the listing; `to` its last one, `null` where the bucket ends
 */
export async function compareListing(
  store: IndexStore,
  objects: readonly R2Object[],
  after: string,
  to: string | null,
): Promise<ReadonlySet<string>> {
  const { db } = store;
  const keys = JSON.stringify(objects.map(({ key, uploaded }) => [key, uploaded.getTime()]));
  const [, , , unseen] = await db.batch<{ key: string }>([
    stillOurs(store),
    db
      .prepare(
        `DELETE FROM reindex_files WHERE file_path > ?2 AND (?3 IS NULL OR file_path <= ?3)
           AND NOT EXISTS (SELECT 1 FROM json_each(?1) WHERE value ->> 0 = file_path AND value ->> 1 = uploaded_at)`,
      )
      .bind(keys, after, to),
    db
      .prepare(
        `DELETE FROM reindex_blocks WHERE file_path > ?1 AND (?2 IS NULL OR file_path <= ?2)
           AND file_path NOT IN (SELECT file_path FROM reindex_files)`,
      )
      .bind(after, to),
    db
      .prepare(
        `SELECT value ->> 0 AS key FROM json_each(?1)
         WHERE value ->> 0 NOT IN (SELECT file_path FROM reindex_files)`,
      )
      .bind(keys),
  ]);
  return new Set(unseen?.results.map(({ key }) => key));
}

/** What the index will be. */
export interface IndexPlan {
  /** Files that readers use. */
  readonly live: readonly string[];
  /** Files whose records are nowhere else, but that cannot be read beside others: kept and not read. */
  readonly apart: readonly string[];
  /** Files that others hold the records of. */
  readonly superseded: readonly string[];
  /** Above every id of a hot row that was ever given. */
  readonly lastRow: number;
  /** Files whose retention counts from then or earlier have expired, ms UTC. */
  readonly expiryCutoff: number;
}

const BLOCK_COLUMNS = "dataset_id, start_byte, length, crc32, record_count, start_timestamp, end_timestamp";

/** Paths whose rows in the index are as they should be. */
const RIGHT = `
  SELECT f.file_path AS path
  FROM json_each(?1) p
  JOIN reindex_files r ON r.file_path = p.value
  JOIN archived_files f ON f.file_path = r.file_path
  WHERE f.state = 'live' AND f.table_name = r.file ->> 'table' AND f.period = r.file ->> 'period'
    AND f.file_size = r.file ->> 'size' AND f.header_size = r.file ->> 'headerSize'
    AND f.compression_codec = r.file ->> 'codec' AND f.sha256 = r.file ->> 'sha256'
    AND f.sync_marker = r.file ->> 'sync' AND f.schema_fingerprint = r.file ->> 'fingerprint'
    AND f.record_count = r.file ->> 'recordCount' AND f.block_count = r.file ->> 'blockCount'
    AND f.min_time = r.file ->> 'minTime' AND f.max_time = r.file ->> 'maxTime' AND f.level = r.file ->> 'level'
    AND f.generation = r.file ->> 'generation' AND f.retained_from = r.file ->> 'retainedFrom'
    AND f.block_count = (SELECT count(*) FROM block_indexes WHERE file_id = f.id)
    AND NOT EXISTS (SELECT ${BLOCK_COLUMNS} FROM reindex_blocks WHERE file_path = f.file_path
                    EXCEPT SELECT ${BLOCK_COLUMNS} FROM block_indexes WHERE file_id = f.id)`;

async function notRight(db: D1Database, paths: readonly string[]): Promise<readonly string[]> {
  const right = new Set<string>();
  for (const chunk of jsonChunks(paths)) {
    const { results } = await db.prepare(RIGHT).bind(chunk).all<{ path: string }>();
    for (const { path } of results) right.add(path);
  }
  return paths.filter((path) => !right.has(path));
}

/** A file without a checksum is none that anybody may take for whole. */
const PUT_FILES = `
  INSERT INTO archived_files (file_path, table_name, period, file_size, header_size, compression_codec, sha256,
                              sync_marker, schema_fingerprint, record_count, block_count, min_time, max_time,
                              level, generation, retained_from, created_at, last_modified_at, state, state_at)
  SELECT r.file_path, file ->> 'table', file ->> 'period', file ->> 'size', file ->> 'headerSize', file ->> 'codec',
         iif(p.value ->> 1 = 'lost', '', file ->> 'sha256'), file ->> 'sync', file ->> 'fingerprint',
         file ->> 'recordCount', file ->> 'blockCount', file ->> 'minTime', file ->> 'maxTime', file ->> 'level',
         file ->> 'generation', file ->> 'retainedFrom', r.uploaded_at, ?2, p.value ->> 1, ?2
  FROM json_each(?1) p JOIN reindex_files r ON r.file_path = p.value ->> 0 WHERE true
  ON CONFLICT (file_path) DO UPDATE SET
    table_name = excluded.table_name, period = excluded.period, file_size = excluded.file_size,
    header_size = excluded.header_size, compression_codec = excluded.compression_codec, sha256 = excluded.sha256,
    sync_marker = excluded.sync_marker, schema_fingerprint = excluded.schema_fingerprint,
    record_count = excluded.record_count, block_count = excluded.block_count, min_time = excluded.min_time,
    max_time = excluded.max_time, level = excluded.level, generation = excluded.generation,
    retained_from = excluded.retained_from, last_modified_at = excluded.last_modified_at,
    state_at = iif(state = excluded.state, state_at, excluded.state_at), state = excluded.state`;

const DROP_BLOCKS = `
  DELETE FROM block_indexes WHERE file_id IN
    (SELECT f.id FROM json_each(?1) p JOIN archived_files f ON f.file_path = p.value ->> 0)`;

/**
 * Blocks of a dataset that was erased stay out where all of the object's rows are
 * from before: when it was uploaded says nothing of that, nor does the bucket's clock.
 */
const PUT_BLOCKS = `
  INSERT INTO block_indexes (file_id, table_name, ${BLOCK_COLUMNS})
  SELECT f.id, f.table_name, b.dataset_id, b.start_byte, b.length, b.crc32, b.record_count, b.start_timestamp,
         b.end_timestamp
  FROM json_each(?1) p
  JOIN reindex_files r ON r.file_path = p.value ->> 0
  JOIN archived_files f ON f.file_path = r.file_path
  JOIN reindex_blocks b ON b.file_path = r.file_path
  WHERE NOT EXISTS (SELECT 1 FROM erasures e
                    WHERE e.dataset_id = b.dataset_id AND e.last_row >= r.file ->> 'lastRow')
  ORDER BY p.key, b.start_byte`;

const SET_ASIDE = `
  UPDATE archived_files SET state = 'compacted', state_at = ?2, last_modified_at = ?2
  WHERE state IN ('live', 'lost') AND file_path IN (SELECT value ->> 0 FROM json_each(?1))`;

/** Their blocks stay, so that reads say what they miss. What the bucket's own rule removed is not missed. */
const MARK_LOST = `
  UPDATE archived_files SET state = 'lost', state_at = ?1, last_modified_at = ?1
  WHERE state = 'live' AND retained_from > ?2 AND file_path NOT IN (SELECT file_path FROM reindex_files)`;

const DROP_UNREAD_BLOCKS = `
  DELETE FROM block_indexes WHERE file_id IN
    (SELECT id FROM archived_files WHERE state NOT IN ('live', 'lost'))`;

const DROP_GONE = `
  DELETE FROM archived_files
  WHERE state NOT IN ('live', 'lost') AND file_path NOT IN (SELECT file_path FROM reindex_files)`;

/** An object from before an erasure is there again, or still: the erasure has to take it out. */
const LIST_FOR_ERASURE = `
  INSERT INTO erasure_files (erasure_id, file_path)
  SELECT e.id, r.file_path
  FROM erasures e
  JOIN reindex_blocks b ON b.dataset_id = e.dataset_id
  JOIN reindex_files r ON r.file_path = b.file_path AND e.last_row >= r.file ->> 'lastRow'
  JOIN archived_files f ON f.file_path = r.file_path AND f.state IN ('live', 'lost')
  WHERE true
  ON CONFLICT (erasure_id, file_path) DO NOTHING`;

const REOPEN_ERASURES = `
  UPDATE erasures SET completed_at = NULL
  WHERE completed_at IS NOT NULL AND id IN (SELECT erasure_id FROM erasure_files)`;

/** A row that is inserted and deleted again: `AUTOINCREMENT` gives no id at or below it any more. */
const PASS_ROWS = `
  INSERT INTO buffer_logs (id, message_id, dataset_id, table_name, period, schema_fingerprint, record_count,
                           min_time, max_time, bytes, created_at, data)
  SELECT ?1, 'reindex', '', '', '', '', 0, 0, 0, 0, 0, ''
  WHERE NOT EXISTS (SELECT 1 FROM buffer_logs WHERE id >= ?1)`;

/**
 * Puts what was found in the index's place, whole or not at all. Rows that are
 * right already are not touched; a file that has one keeps its id.
 * @throws D1's error, also when the lease is lost
 */
export async function replaceIndex(store: IndexStore, plan: IndexPlan): Promise<void> {
  const { db } = store;
  const now = store.now();
  const put = [
    ...(await notRight(db, plan.live)).map((path) => [path, "live"]),
    ...plan.apart.map((path) => [path, "lost"]),
  ];
  const statements = [stillOurs(store)];
  for (const chunk of jsonChunks(put)) {
    statements.push(
      db.prepare(PUT_FILES).bind(chunk, now),
      db.prepare(DROP_BLOCKS).bind(chunk),
      db.prepare(PUT_BLOCKS).bind(chunk),
    );
  }
  for (const chunk of jsonChunks(plan.superseded.map((path) => [path]))) {
    statements.push(db.prepare(SET_ASIDE).bind(chunk, now));
  }
  statements.push(
    db.prepare(MARK_LOST).bind(now, plan.expiryCutoff),
    db.prepare(DROP_UNREAD_BLOCKS),
    db.prepare(DROP_GONE),
    db.prepare(LIST_FOR_ERASURE),
    db.prepare(REOPEN_ERASURES),
    // Whatever rows the bucket's files name, the index knows them now.
    db.prepare("UPDATE row_spaces SET first_row = 0"),
  );
  if (plan.lastRow > 0) {
    statements.push(
      db.prepare(PASS_ROWS).bind(plan.lastRow),
      db.prepare("DELETE FROM buffer_logs WHERE id = ?1 AND message_id = 'reindex'").bind(plan.lastRow),
    );
  }
  await db.batch(statements);
}
