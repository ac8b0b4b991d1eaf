/** SQL of erasures. Every change of the archive is one transaction behind the manifest's guard. */
import type { FileBlock, RowRange } from "../cold/index.ts";
import type { ErasureReceipt } from "../contract.ts";
import { guardLease, type Lease } from "../manifest/index.ts";

/** Marks the row of the work list that stands for the rest of the bucket; no object's key begins so. */
const REST = ">";

/** Receipts that a listing answers. */
const MAX_RECEIPTS = 100;

/** What every change needs. */
export interface ErasureStore {
  readonly db: D1Database;
  readonly lease: Lease;
  /** ms UTC. */
  readonly now: () => number;
}

/** An erasure that is not done. */
export interface RunningErasure {
  readonly id: string;
  readonly datasetId: string;
  /** ms UTC. */
  readonly requestedAt: number;
  /** Of the hot rows that there had been. */
  readonly lastRow: number;
}

/** A file that is to be written again. */
export interface ErasureSource {
  readonly id: number;
  readonly path: string;
  readonly state: "live" | "lost";
  readonly size: number;
  readonly sha256: string;
  /** ms UTC. */
  readonly retainedFrom: number;
  /** Blocks that are not the dataset's. */
  readonly blocksLeft: number;
}

/** A statement that fails its transaction when the lease is lost, and prolongs it otherwise. */
function stillOurs({ db, lease, now }: ErasureStore): D1PreparedStatement {
  return guardLease(db, lease, now());
}

/**
 * Prolongs the lease.
 * @throws D1's error when it is lost
 */
export async function renew(store: ErasureStore): Promise<void> {
  await stillOurs(store).run();
}

const INSERT_ERASURE = `
  INSERT INTO erasures (id, dataset_id, requested_at, last_row, hot_rows, hot_records, cold_blocks, cold_records,
                        dead_letters, files_rewritten, files_deleted, bytes_before, bytes_after)
  SELECT ?1, ?2, ?3, (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'buffer_logs'), hot.rows, hot.records, cold.blocks, cold.records,
         (SELECT count(*) FROM dead_letters WHERE dataset_id = ?2), 0, 0, 0, 0
  FROM (SELECT count(*) AS rows, coalesce(sum(record_count), 0) AS records
        FROM buffer_logs WHERE dataset_id = ?2) AS hot,
       (SELECT count(*) AS blocks, coalesce(sum(record_count), 0) AS records
        FROM block_indexes WHERE dataset_id = ?2) AS cold`;

/** Objects that nothing reads any more may hold the dataset, too: their blocks are not known. */
const INSERT_FILES = `
  INSERT INTO erasure_files (erasure_id, file_path)
  SELECT ?1, file_path FROM archived_files
  WHERE state NOT IN ('live', 'lost') OR id IN (SELECT file_id FROM block_indexes WHERE dataset_id = ?2)`;

const REMEMBER_MESSAGES = `
  INSERT INTO archived_messages (message_id, archived_at)
  SELECT message_id, ?2 FROM buffer_logs WHERE dataset_id = ?1
  ON CONFLICT (message_id) DO NOTHING`;

const MARK_EMPTY = `
  UPDATE archived_files SET state = 'deleting', state_at = ?2, last_modified_at = ?2
  WHERE file_path IN (SELECT file_path FROM erasure_files WHERE erasure_id = ?1) AND state <> 'deleting'
    AND NOT EXISTS (SELECT 1 FROM block_indexes WHERE file_id = archived_files.id)`;

/**
 * Takes everything of a dataset out of what readers see, and writes down what
 * is left to do. The tombstone keeps out what was accepted until now.
 * @throws D1's error, also when the lease is lost
 */
export async function beginErasure(
  store: ErasureStore,
  id: string,
  datasetId: string,
): Promise<RunningErasure> {
  const { db } = store;
  const now = store.now();
  const results = await db.batch<{ lastRow: number }>([
    stillOurs(store),
    db.prepare(INSERT_ERASURE).bind(id, datasetId, now),
    db.prepare(INSERT_FILES).bind(id, datasetId),
    db.prepare("INSERT INTO erasure_files (erasure_id, file_path) VALUES (?1, ?2)").bind(id, REST),
    db.prepare(REMEMBER_MESSAGES).bind(datasetId, now),
    db.prepare("DELETE FROM buffer_logs WHERE dataset_id = ?1").bind(datasetId),
    db.prepare("DELETE FROM block_indexes WHERE dataset_id = ?1").bind(datasetId),
    db.prepare("DELETE FROM dead_letters WHERE dataset_id = ?1").bind(datasetId),
    db.prepare(MARK_EMPTY).bind(id, now),
    db.prepare("SELECT last_row AS lastRow FROM erasures WHERE id = ?1").bind(id),
  ]);
  return { id, datasetId, requestedAt: now, lastRow: results.at(-1)?.results[0]?.lastRow ?? 0 };
}

/** Running erasures, oldest first: of one dataset, or all. */
export async function runningErasures(
  db: D1Database,
  datasetId: string | null = null,
): Promise<readonly RunningErasure[]> {
  const { results } = await db
    .prepare(
      `SELECT id, dataset_id AS datasetId, requested_at AS requestedAt, last_row AS lastRow FROM erasures
       WHERE completed_at IS NULL AND dataset_id = coalesce(?1, dataset_id) ORDER BY requested_at, id`,
    )
    .bind(datasetId)
    .all<RunningErasure>();
  return results;
}

/** Whether anything of the dataset has come that was accepted after an erasure had begun. */
export async function hasComeSince(db: D1Database, erasure: RunningErasure): Promise<boolean> {
  const come = await db
    .prepare(
      `SELECT EXISTS (SELECT 1 FROM buffer_logs WHERE dataset_id = ?1)
           OR EXISTS (SELECT 1 FROM block_indexes WHERE dataset_id = ?1)
           OR EXISTS (SELECT 1 FROM dead_letters WHERE dataset_id = ?1 AND accepted_at > ?2) AS come`,
    )
    .bind(erasure.datasetId, erasure.requestedAt)
    .first<number>("come");
  return come === 1;
}

const RECEIPTS = `
  SELECT id, dataset_id AS datasetId, requested_at AS requestedAt, completed_at AS completedAt,
         hot_rows AS hotRows, hot_records AS hotRecords, cold_blocks AS coldBlocks, cold_records AS coldRecords,
         dead_letters AS deadLetters, files_rewritten AS filesRewritten, files_deleted AS filesDeleted,
         bytes_before AS bytesBefore, bytes_after AS bytesAfter,
         (SELECT count(*) FROM erasure_files WHERE erasure_id = erasures.id AND file_path NOT LIKE '>%') AS filesLeft
  FROM erasures WHERE id = coalesce(?1, id) ORDER BY requested_at DESC, id LIMIT ?2`;

/** The receipts of all erasures, or of one; newest first, at most 100. */
export async function readReceipts(
  db: D1Database,
  id: string | null = null,
): Promise<readonly ErasureReceipt[]> {
  const { results } = await db.prepare(RECEIPTS).bind(id, MAX_RECEIPTS).all<Omit<ErasureReceipt, "state">>();
  return results.map((row) => ({ ...row, state: row.completedAt === null ? "running" : "done" }));
}

/** Files of the work list that nobody reads: their objects are to be deleted as they are. */
export async function unreadFiles(
  db: D1Database,
  erasureId: string,
  limit: number,
): Promise<readonly string[]> {
  const { results } = await db
    .prepare(
      `SELECT e.file_path AS path FROM erasure_files e LEFT JOIN archived_files f ON f.file_path = e.file_path
       WHERE e.erasure_id = ?1 AND e.file_path NOT LIKE '>%' AND (f.id IS NULL OR f.state NOT IN ('live', 'lost'))
       ORDER BY e.file_path LIMIT ?2`,
    )
    .bind(erasureId, limit)
    .all<{ path: string }>();
  return results.map(({ path }) => path);
}

const COUNT_DELETED = `
  UPDATE erasures SET
    files_deleted = files_deleted + json_array_length(?2),
    bytes_before = bytes_before + (SELECT coalesce(sum(file_size), 0) FROM archived_files
                                   WHERE file_path IN (SELECT value FROM json_each(?2)))
  WHERE id = ?1`;

const FORGET_FILES = `
  DELETE FROM archived_files
  WHERE file_path IN (SELECT value FROM json_each(?1)) AND state NOT IN ('live', 'lost')`;

const CROSS_OFF = `
  DELETE FROM erasure_files WHERE erasure_id = ?1 AND file_path IN (SELECT value FROM json_each(?2))`;

/** Crosses off files whose objects are deleted. */
export async function crossOff(
  store: ErasureStore,
  erasureId: string,
  paths: readonly string[],
): Promise<void> {
  const { db } = store;
  const list = JSON.stringify(paths);
  await db.batch([
    stillOurs(store),
    db.prepare(COUNT_DELETED).bind(erasureId, list),
    db.prepare(FORGET_FILES).bind(list),
    db.prepare(CROSS_OFF).bind(erasureId, list),
  ]);
}

/** The next file of the work list that readers use. @param after path of the one before */
export function nextSource(db: D1Database, erasureId: string, after: string): Promise<ErasureSource | null> {
  return db
    .prepare(
      `SELECT f.id, f.file_path AS path, f.state, f.file_size AS size, f.sha256, f.retained_from AS retainedFrom,
              (SELECT count(*) FROM block_indexes WHERE file_id = f.id) AS blocksLeft
       FROM erasure_files e JOIN archived_files f ON f.file_path = e.file_path
       WHERE e.erasure_id = ?1 AND e.file_path > ?2 AND f.state IN ('live', 'lost')
       ORDER BY e.file_path LIMIT 1`,
    )
    .bind(erasureId, after)
    .first<ErasureSource>();
}

/** Gives up files of the work list that hold nothing else. */
export async function markEmpty(store: ErasureStore, erasureId: string): Promise<void> {
  const { db } = store;
  await db.batch([stillOurs(store), db.prepare(MARK_EMPTY).bind(erasureId, store.now())]);
}

/** Crosses off a file whose object is gone; its other blocks stay, so that reads say what they miss. */
export async function crossOffLost(
  store: ErasureStore,
  erasureId: string,
  source: ErasureSource,
): Promise<void> {
  const { db } = store;
  await db.batch([
    stillOurs(store),
    db
      .prepare(
        `UPDATE archived_files SET state = 'lost', last_modified_at = ?2, state_at = iif(state = 'lost', state_at, ?2)
         WHERE id = ?1`,
      )
      .bind(source.id, store.now()),
    db.prepare(CROSS_OFF).bind(erasureId, JSON.stringify([source.path])),
  ]);
}

/** Counts a file that was written again; part of the transaction that puts the new one in its place. */
export function countRewritten(
  db: D1Database,
  erasureId: string,
  source: ErasureSource,
  bytesAfter: number,
): readonly D1PreparedStatement[] {
  return [
    db
      .prepare(
        `UPDATE erasures SET files_rewritten = files_rewritten + 1, bytes_before = bytes_before + ?2,
                             bytes_after = bytes_after + ?3
         WHERE id = ?1`,
      )
      .bind(erasureId, source.size, bytesAfter),
    db.prepare(CROSS_OFF).bind(erasureId, JSON.stringify([source.path])),
  ];
}

/** Keeps a file that was written again as unread as its source was; one that has no checksum stays so for good. */
export function keepLost(db: D1Database, path: string, source: ErasureSource): D1PreparedStatement {
  return db
    .prepare(
      "UPDATE archived_files SET state = 'lost', sha256 = iif(?2 = '', '', sha256) WHERE file_path = ?1",
    )
    .bind(path, source.sha256);
}

/** Files whose objects are being deleted, whoever began it. */
export async function deletingFiles(db: D1Database, limit: number): Promise<readonly string[]> {
  const { results } = await db
    .prepare("SELECT file_path AS path FROM archived_files WHERE state = 'deleting' ORDER BY id LIMIT ?1")
    .bind(limit)
    .all<{ path: string }>();
  return results.map(({ path }) => path);
}

/** Removes the rows of files whose objects are deleted. */
export async function forgetFiles(store: ErasureStore, paths: readonly string[]): Promise<void> {
  await store.db.batch([stillOurs(store), store.db.prepare(FORGET_FILES).bind(JSON.stringify(paths))]);
}

/** After which key the bucket is still to be searched; `null` when it has been. */
export async function searchedTo(db: D1Database, erasureId: string): Promise<string | null> {
  const row = await db
    .prepare(
      "SELECT substr(file_path, 2) AS key FROM erasure_files WHERE erasure_id = ?1 AND file_path LIKE '>%'",
    )
    .bind(erasureId)
    .first<{ key: string }>();
  return row?.key ?? null;
}

/** Remembers how far the bucket has been searched. @param key `null` for all of it */
export async function rememberSearch(
  store: ErasureStore,
  erasureId: string,
  key: string | null,
): Promise<void> {
  const { db } = store;
  const row = "erasure_id = ?1 AND file_path LIKE '>%'";
  const statement =
    key === null
      ? db.prepare(`DELETE FROM erasure_files WHERE ${row}`).bind(erasureId)
      : db.prepare(`UPDATE erasure_files SET file_path = ?2 WHERE ${row}`).bind(erasureId, REST + key);
  await db.batch([stillOurs(store), statement]);
}

/** Those of the keys that no file has, and the ids that hot storage has given, both ends included. */
export async function findOrphans(
  db: D1Database,
  keys: readonly string[],
): Promise<{ readonly orphans: ReadonlySet<string>; readonly given: RowRange }> {
  const [found, sequence, space] = await db.batch<{ key: string; seq: number; firstRow: number }>([
    db
      .prepare(
        "SELECT value AS key FROM json_each(?1) WHERE value NOT IN (SELECT file_path FROM archived_files)",
      )
      .bind(JSON.stringify(keys)),
    db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'buffer_logs'"),
    db.prepare("SELECT first_row AS firstRow FROM row_spaces WHERE table_name = 'buffer_logs'"),
  ]);
  return {
    orphans: new Set(found?.results.map(({ key }) => key)),
    given: [space?.results[0]?.firstRow ?? 0, sequence?.results[0]?.seq ?? 0],
  };
}

/** Letters that arrived meanwhile and were accepted before. */
const LATE_LETTERS = "dataset_id = ?2 AND accepted_at <= (SELECT requested_at FROM erasures WHERE id = ?1)";

/** Declares an erasure done if nothing is left of it. */
export async function completeErasure(store: ErasureStore, { id, datasetId }: RunningErasure): Promise<void> {
  const { db } = store;
  await db.batch([
    stillOurs(store),
    db
      .prepare(
        `UPDATE erasures SET dead_letters = dead_letters + (SELECT count(*) FROM dead_letters WHERE ${LATE_LETTERS})
         WHERE id = ?1`,
      )
      .bind(id, datasetId),
    db.prepare(`DELETE FROM dead_letters WHERE ${LATE_LETTERS}`).bind(id, datasetId),
    db
      .prepare(
        `UPDATE erasures SET completed_at = ?2
         WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM erasure_files WHERE erasure_id = ?1)
           AND NOT EXISTS (SELECT 1 FROM archived_files WHERE state = 'deleting')`,
      )
      .bind(id, store.now()),
  ]);
}

/** What the blocks of a file share. */
interface BlockFile {
  readonly filePath: string;
  readonly codec: string;
  /** Hex. */
  readonly sync: string;
  readonly fingerprint: string;
}

/** A block as a rewrite needs it. */
export interface IndexedBlock extends BlockFile, FileBlock {}

/** The blocks of a file, in the order of their place; what they share is in memory once. */
export async function blocksOf(db: D1Database, fileId: number): Promise<readonly IndexedBlock[]> {
  const file = await db
    .prepare(
      `SELECT file_path AS filePath, compression_codec AS codec, sync_marker AS sync,
              schema_fingerprint AS fingerprint
       FROM archived_files WHERE id = ?1`,
    )
    .bind(fileId)
    .first<BlockFile>();
  const { results } = await db
    .prepare(
      `SELECT dataset_id AS datasetId, start_byte AS start, length, crc32, record_count AS recordCount,
              start_timestamp AS minTime, end_timestamp AS maxTime
       FROM block_indexes WHERE file_id = ?1 ORDER BY start_byte`,
    )
    .bind(fileId)
    .all<Omit<IndexedBlock, keyof BlockFile>>();
  return file === null ? [] : results.map((block) => ({ ...file, ...block }));
}
