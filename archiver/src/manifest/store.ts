/**
 * SQL of the manifest. Whatever changes what readers see is one transaction,
 * and its first statement is the guard: it fails the whole unless the lease is
 * still ours and everything that the change builds on is still as it was.
 */
import type { WrittenFile } from "../cold/index.ts";
import { type Lease, LEASE_TTL_MS } from "./lease.ts";

/** A file that becomes live. */
export interface NewFile {
  readonly key: string;
  readonly file: WrittenFile;
  /** From when its records' retention counts, ms UTC. */
  readonly retainedFrom: number;
}

/** A change of the archive. */
export interface Commit {
  readonly lease: Lease;
  /** ms UTC. */
  readonly now: number;
  /** When the lease will expire after the commit, ms UTC. */
  readonly leaseExpiresAt: number;
  /** They appear with their blocks. Announced ones, or ones whose path no file has. */
  readonly files: readonly NewFile[];
  /** They vanish, and their messages are remembered; all of them must still be hot. Some 100,000 at most. */
  readonly hotRowIds: readonly number[];
  /** Ids of files that the new ones replace; all of them must still be live or lost. Their blocks vanish. */
  readonly replaced: readonly number[];
  /** What becomes of the replaced: kept for readers that are just at it, or deleted next. */
  readonly replacedState: "compacted" | "deleting";
  /** Statements that belong to the same transaction. */
  readonly also?: readonly D1PreparedStatement[];
}

/** D1 takes values of 2 MB; a statement's one JSON parameter stays well below. */
const MAX_PARAMETER_BYTES = 1_000_000;

/** Cuts a list into JSON arrays of at most `MAX_PARAMETER_BYTES`; none for an empty list. */
export function* jsonChunks(items: readonly unknown[]): Generator<string> {
  let chunk: string[] = [];
  let size = 0;
  for (const item of items) {
    const text = JSON.stringify(item);
    const bytes = Buffer.byteLength(text) + 1;
    if (chunk.length > 0 && size + bytes > MAX_PARAMETER_BYTES) {
      yield `[${chunk.join(",")}]`;
      chunk = [];
      size = 0;
    }
    chunk.push(text);
    size += bytes;
  }
  if (chunk.length > 0) yield `[${chunk.join(",")}]`;
}

/**
 * Also renews the lease. Where a condition does not hold, the expiry becomes
 * NULL, which the column refuses, and the refusal takes the transaction back.
 * An insert, because an update of a lease that is not there would refuse nothing.
 */
const GUARD = `
  INSERT INTO leases (name, holder, fence, expires_at)
  SELECT ?1, '', ?2, CASE
    WHEN (SELECT fence FROM leases WHERE name = ?1) = ?2
     AND (SELECT count(*) FROM buffer_logs WHERE id IN (SELECT value FROM json_each(?4))) = ?5
     AND (SELECT count(*) FROM archived_files
          WHERE id IN (SELECT value FROM json_each(?6)) AND state IN ('live', 'lost')) = ?7
     AND NOT EXISTS (SELECT 1 FROM archived_files
                     WHERE file_path IN (SELECT value FROM json_each(?8)) AND state <> 'writing')
    THEN ?3 END
  WHERE true
  ON CONFLICT (name) DO UPDATE SET expires_at = excluded.expires_at`;

const INSERT_FILES = `
  INSERT INTO archived_files (file_path, table_name, period, file_size, header_size, compression_codec, sha256,
                              sync_marker, schema_fingerprint, record_count, block_count, min_time, max_time,
                              level, generation, retained_from, created_at, last_modified_at, state, state_at)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
         value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14,
         value ->> 15, ?2, ?2, 'live', ?2
  FROM json_each(?1) WHERE true
  ON CONFLICT (file_path) DO UPDATE SET
    file_size = excluded.file_size, header_size = excluded.header_size, sha256 = excluded.sha256,
    compression_codec = excluded.compression_codec, sync_marker = excluded.sync_marker,
    record_count = excluded.record_count, block_count = excluded.block_count, min_time = excluded.min_time,
    max_time = excluded.max_time, level = excluded.level, generation = excluded.generation,
    retained_from = excluded.retained_from, last_modified_at = excluded.last_modified_at, state = 'live',
    state_at = excluded.state_at`;

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

const DELETE_BLOCKS = "DELETE FROM block_indexes WHERE file_id IN (SELECT value FROM json_each(?1))";

const REPLACE_FILES = `
  UPDATE archived_files SET state = ?2, state_at = ?3, last_modified_at = ?3
  WHERE id IN (SELECT value FROM json_each(?1))`;

function fileValues({ key, file, retainedFrom }: NewFile): readonly unknown[] {
  return [
    key,
    file.table,
    file.period,
    file.size,
    file.headerSize,
    file.codec,
    file.sha256,
    file.sync,
    file.fingerprint,
    file.recordCount,
    file.blocks.length,
    file.minTime,
    file.maxTime,
    file.level,
    file.generation,
    retainedFrom,
  ];
}

function blockValues({ key, file }: NewFile): readonly (readonly unknown[])[] {
  return file.blocks.map((block) => [
    key,
    block.datasetId,
    block.start,
    block.length,
    block.crc32,
    block.recordCount,
    block.minTime,
    block.maxTime,
  ]);
}

/**
 * The statements that fail a transaction unless the lease and what the change
 * builds on still stand; they renew the lease.
 */
function guard(db: D1Database, commit: Commit): D1PreparedStatement {
  const { lease, leaseExpiresAt, files, hotRowIds, replaced } = commit;
  return db
    .prepare(GUARD)
    .bind(
      lease.name,
      lease.fence,
      leaseExpiresAt,
      JSON.stringify(hotRowIds),
      hotRowIds.length,
      JSON.stringify(replaced),
      replaced.length,
      JSON.stringify(files.map(({ key }) => key)),
    );
}

/** The same for a transaction that changes nothing of the manifest itself. @param now ms UTC */
export function guardLease(db: D1Database, lease: Lease, now: number): D1PreparedStatement {
  return guard(db, {
    lease,
    now,
    leaseExpiresAt: now + LEASE_TTL_MS,
    files: [],
    hotRowIds: [],
    replaced: [],
    replacedState: "deleting",
  });
}

/**
 * Makes a change of the archive visible, whole or not at all.
 * @throws D1's error, also when the lease is lost or something else has changed
 */
export async function commitChange(db: D1Database, commit: Commit): Promise<void> {
  const { now, files, hotRowIds, replaced, replacedState, also = [] } = commit;
  const statements = [guard(db, commit)];
  for (const chunk of jsonChunks(files.map(fileValues))) {
    statements.push(db.prepare(INSERT_FILES).bind(chunk, now));
  }
  if (replaced.length > 0) {
    const ids = JSON.stringify(replaced);
    statements.push(
      db.prepare(DELETE_BLOCKS).bind(ids),
      db.prepare(REPLACE_FILES).bind(ids, replacedState, now),
    );
  }
  for (const chunk of jsonChunks(files.flatMap(blockValues))) {
    statements.push(db.prepare(INSERT_BLOCKS).bind(chunk));
  }
  if (hotRowIds.length > 0) {
    const ids = JSON.stringify(hotRowIds);
    statements.push(db.prepare(REMEMBER_MESSAGES).bind(ids, now), db.prepare(DELETE_ROWS).bind(ids));
  }
  await db.batch([...statements, ...also]);
}

/** Most statements of a commit whose parameters are each below a megabyte, without `also`. */
export const COMMIT_QUERIES = 7;

/** What is known of a file before its object is written. */
export interface Announcement {
  readonly lease: Lease;
  /** ms UTC. */
  readonly now: number;
  readonly key: string;
  readonly table: string;
  readonly period: string;
  readonly fingerprint: string;
}

/**
 * Announces a file whose object will be written next, so that a writer that
 * dies leaves a trace. Readers do not see it.
 * @returns `false` when the lease is lost
 */
export async function announceFile(db: D1Database, announcement: Announcement): Promise<boolean> {
  const { lease, now, key, table, period, fingerprint } = announcement;
  const { meta } = await db
    .prepare(
      `INSERT INTO archived_files (file_path, table_name, period, schema_fingerprint, file_size, header_size,
                                   compression_codec, sha256, sync_marker, record_count, block_count, min_time,
                                   max_time, created_at, last_modified_at, state, state_at)
       SELECT ?1, ?2, ?3, ?4, 0, 0, '', '', '', 0, 0, 0, 0, ?5, ?5, 'writing', ?5
       WHERE EXISTS (SELECT 1 FROM leases WHERE name = ?6 AND fence = ?7)`,
    )
    .bind(key, table, period, fingerprint, now, lease.name, lease.fence)
    .run();
  return meta.changes > 0;
}
