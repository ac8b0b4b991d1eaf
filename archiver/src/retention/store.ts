/** SQL of retention. */
import { NOT_SAID } from "../manifest/index.ts";

/** A file that nobody may read any more. */
export interface ExpiredFile {
  readonly id: number;
  readonly records: number;
}

/** An erasure has work to do on these files, and does it itself. */
const NOT_ERASED = "file_path NOT IN (SELECT file_path FROM erasure_files)";

/** Parameters: ms UTC. Whoever announced these files is dead, because we hold the lease. */
export const DELETE_UNFINISHED =
  "UPDATE archived_files SET state = 'deleting', state_at = ?1 WHERE state = 'writing'";

/** A run of an older version of the Worker does not say from when its files are retained: from when it stored them. */
export const SAY_RETENTION = `
  UPDATE archived_files SET retained_from = created_at
  WHERE retained_from = ${NOT_SAID} AND state <> 'writing'`;

/** Parameters: ms UTC, the end of the grace in ms UTC. */
export const DELETE_REPLACED = `
  UPDATE archived_files SET state = 'deleting', state_at = ?1
  WHERE state = 'compacted' AND state_at <= ?2 AND ${NOT_ERASED}`;

/** Parameters: cutoff in ms UTC, files, blocks. At least one file, however many blocks it has. */
export const EXPIRED = `
  SELECT id, records FROM (
    SELECT id, record_count AS records, block_count AS own,
           sum(block_count) OVER (ORDER BY retained_from, id ROWS UNBOUNDED PRECEDING) AS blocks
    FROM (SELECT * FROM archived_files
          WHERE retained_from <= ?1 AND state IN ('live', 'lost') AND ${NOT_ERASED}
          ORDER BY retained_from, id LIMIT ?2)
  ) WHERE blocks <= ?3 OR blocks = own`;

/** The files whose retention counts from a time or earlier, the oldest first. */
export async function listExpired(
  db: D1Database,
  request: { readonly cutoff: number; readonly maxFiles: number; readonly maxBlocks: number },
): Promise<readonly ExpiredFile[]> {
  const { cutoff, maxFiles, maxBlocks } = request;
  const { results } = await db.prepare(EXPIRED).bind(cutoff, maxFiles, maxBlocks).all<ExpiredFile>();
  return results;
}

/** Takes files and their blocks from the readers. */
export function deleteFiles(
  db: D1Database,
  ids: readonly number[],
  now: number,
): readonly D1PreparedStatement[] {
  const parameter = JSON.stringify(ids);
  return [
    db
      .prepare(
        `UPDATE archived_files SET state = 'deleting', state_at = ?2
         WHERE id IN (SELECT value FROM json_each(?1)) AND state IN ('live', 'lost')`,
      )
      .bind(parameter, now),
    db
      .prepare("DELETE FROM block_indexes WHERE file_id IN (SELECT value FROM json_each(?1))")
      .bind(parameter),
  ];
}

/** A file whose object is to be removed. */
export interface DeletedFile {
  readonly id: number;
  readonly filePath: string;
  readonly size: number;
  /** 1 where its row may go as soon as its object is gone. */
  readonly isLast: number;
}

/**
 * Parameters: id, files, the end of the tombstones' time in ms UTC. A row without
 * content (an unfinished file's, an orphan's) is a tombstone for a while: no
 * commit can name its path, and what a stalled writer still uploads is removed.
 */
export const DELETING = `
  SELECT id, file_path AS filePath, file_size AS size, sha256 <> '' OR state_at <= ?3 AS isLast
  FROM archived_files WHERE state = 'deleting' AND id > ?1 ORDER BY id LIMIT ?2`;

export async function listDeleting(
  db: D1Database,
  request: { readonly after: number; readonly limit: number; readonly tombstonesUntil: number },
): Promise<readonly DeletedFile[]> {
  const { after, limit, tombstonesUntil } = request;
  const { results } = await db.prepare(DELETING).bind(after, limit, tombstonesUntil).all<DeletedFile>();
  return results;
}

/** Forgets files whose objects are gone. */
export function forgetFiles(db: D1Database, ids: readonly number[]): D1PreparedStatement {
  return db
    .prepare(
      `DELETE FROM archived_files WHERE state = 'deleting' AND id IN (SELECT value FROM json_each(?1))`,
    )
    .bind(JSON.stringify(ids));
}

/** Where the sweep goes on: after this key. */
export async function sweepPosition(db: D1Database): Promise<string> {
  const row = await db
    .prepare("SELECT position FROM bucket_sweep WHERE name = 'cold'")
    .first<{ position: string }>();
  return row?.position ?? "";
}

export function moveSweep(db: D1Database, position: string): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO bucket_sweep (name, position) VALUES ('cold', ?1)
       ON CONFLICT (name) DO UPDATE SET position = excluded.position`,
    )
    .bind(position);
}

/** Keys that the manifest does not name. */
export async function listUnnamed(db: D1Database, keys: readonly string[]): Promise<readonly string[]> {
  const { results } = await db
    .prepare(
      `SELECT value AS key FROM json_each(?1)
       WHERE NOT EXISTS (SELECT 1 FROM archived_files WHERE file_path = value)`,
    )
    .bind(JSON.stringify(keys))
    .all<{ key: string }>();
  return results.map(({ key }) => key);
}

/** A file whose object should be there, or should be and is not. */
export interface ReadableFile {
  readonly id: number;
  readonly filePath: string;
  readonly state: "live" | "lost";
  readonly size: number;
  readonly sha256: string;
}

/** Parameters: key (exclusive), key (inclusive) or NULL, cutoff in ms UTC, files. */
export const READABLE = `
  SELECT id, file_path AS filePath, state, file_size AS size, sha256
  FROM archived_files
  WHERE file_path > ?1 AND (?2 IS NULL OR file_path <= ?2)
    AND state IN ('live', 'lost') AND retained_from > ?3 AND ${NOT_ERASED}
  ORDER BY file_path LIMIT ?4`;

/** The files after one key and up to another (`null`: to the end) that readers use, in the order of their paths. */
export async function listReadable(
  db: D1Database,
  request: {
    readonly after: string;
    readonly upTo: string | null;
    readonly cutoff: number;
    readonly limit: number;
  },
): Promise<readonly ReadableFile[]> {
  const { after, upTo, cutoff, limit } = request;
  const { results } = await db.prepare(READABLE).bind(after, upTo, cutoff, limit).all<ReadableFile>();
  return results;
}

/** Names an object that nothing names as one that is being deleted. */
export function markOrphans(
  db: D1Database,
  orphans: readonly { readonly key: string; readonly size: number }[],
  now: number,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO archived_files (file_path, table_name, period, schema_fingerprint, file_size, header_size,
                                   compression_codec, sha256, sync_marker, record_count, block_count, min_time,
                                   max_time, created_at, last_modified_at, state, state_at)
       SELECT value ->> 0, '', '', '', value ->> 1, 0, '', '', '', 0, 0, 0, 0, ?2, ?2, 'deleting', ?2
       FROM json_each(?1) WHERE true
       ON CONFLICT (file_path) DO NOTHING`,
    )
    .bind(JSON.stringify(orphans.map(({ key, size }) => [key, size])), now);
}

/** Files of one state enter another. */
export function changeState(
  db: D1Database,
  change: {
    readonly ids: readonly number[];
    readonly from: string;
    readonly to: string;
    readonly now: number;
  },
): D1PreparedStatement {
  const { ids, from, to, now } = change;
  return db
    .prepare(
      `UPDATE archived_files SET state = ?3, state_at = ?4
       WHERE id IN (SELECT value FROM json_each(?1)) AND state = ?2`,
    )
    .bind(JSON.stringify(ids), from, to, now);
}

/** A file some of whose blocks the index does not have: their dataset was erased while the object was gone. */
const LIST_FOR_ERASURE = `
  INSERT INTO erasure_files (erasure_id, file_path)
  SELECT e.id, f.file_path
  FROM archived_files f JOIN erasures e ON e.id =
    (SELECT id FROM erasures WHERE requested_at >= f.created_at ORDER BY requested_at DESC, id LIMIT 1)
  WHERE f.id IN (SELECT value FROM json_each(?1))
    AND f.block_count > (SELECT count(*) FROM block_indexes WHERE file_id = f.id)
  ON CONFLICT (erasure_id, file_path) DO NOTHING`;

const REOPEN_ERASURES = `
  UPDATE erasures SET completed_at = NULL
  WHERE completed_at IS NOT NULL AND id IN (SELECT erasure_id FROM erasure_files)`;

/** Restored files that hold what was erased: an erasure, whichever, goes on and writes them again without it. */
export function eraseRestored(db: D1Database, ids: readonly number[]): readonly D1PreparedStatement[] {
  if (ids.length === 0) return [];
  return [db.prepare(LIST_FOR_ERASURE).bind(JSON.stringify(ids)), db.prepare(REOPEN_ERASURES)];
}
