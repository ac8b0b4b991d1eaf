/** SQL of a reindexing: what the scans found, and what the index has now. */
import { decodeRows, intersectRows, type RowSet, unionRows } from "../cold/index.ts";
import { jsonChunks } from "../manifest/index.ts";
import { type Candidate, overlaps } from "./choose.ts";
import type { HotRow, Share, Shares } from "./same.ts";

/** A scanned object that could be part of the index. */
export interface FoundFile extends Omit<Candidate, "shares"> {
  readonly recordCount: number;
  readonly blockCount: number;
  /** What the index says of it now; `null` where it does not know it. */
  readonly state: string | null;
}

const FOUND_A_QUERY = 1_000;

type FoundRow = Omit<FoundFile, "rows" | "damaged" | "live"> & {
  readonly rows: string;
  readonly damage: string | null;
};

/** Every scanned object that says which rows it holds, by path. */
export async function* foundFiles(db: D1Database): AsyncGenerator<FoundFile> {
  for (let after = ""; ;) {
    const { results } = await db
      .prepare(
        `SELECT r.file_path AS path, r.file ->> 'table' AS "table", r.file ->> 'fingerprint' AS fingerprint,
                r.file ->> 'period' AS period, r.file ->> 'generation' AS generation, r.uploaded_at AS uploadedAt,
                r.file ->> 'damage' AS damage, coalesce(r.file ->> 'recordCount', 0) AS recordCount,
                coalesce(r.file ->> 'blockCount', 0) AS blockCount, r.rows, f.state
         FROM reindex_files r LEFT JOIN archived_files f ON f.file_path = r.file_path
         WHERE r.file_path > ?1 AND r.rows <> '' ORDER BY r.file_path LIMIT ?2`,
      )
      .bind(after, FOUND_A_QUERY)
      .all<FoundRow>();
    for (const { rows, damage, ...file } of results) {
      yield { ...file, rows: decodeRows(rows), damaged: damage !== null, live: file.state === "live" };
    }
    const last = results.at(-1);
    if (last === undefined || results.length < FOUND_A_QUERY) return;
    after = last.path;
  }
}

/** Of a damaged object the scan has no blocks: what the index has of it counts. */
const SHARES = `
  SELECT b.file_path AS path, b.dataset_id AS datasetId, sum(b.record_count) AS records,
         min(b.start_timestamp) AS minTime, max(b.end_timestamp) AS maxTime
  FROM json_each(?1) p JOIN reindex_blocks b ON b.file_path = p.value
  GROUP BY b.file_path, b.dataset_id
  UNION ALL
  SELECT f.file_path, b.dataset_id, sum(b.record_count), min(b.start_timestamp), max(b.end_timestamp)
  FROM json_each(?1) p
  JOIN reindex_files r ON r.file_path = p.value AND r.file ->> 'damage' IS NOT NULL
  JOIN archived_files f ON f.file_path = r.file_path
  JOIN block_indexes b ON b.file_id = f.id
  GROUP BY f.file_path, b.dataset_id`;

/** Files whose blocks one query sums up. */
const SHARES_A_QUERY = 500;

const NO_SHARES: Shares = new Map();

/** Says what each file has of each dataset, where it names rows that others name, too; of the rest nobody asks. */
async function withShares(
  db: D1Database,
  files: readonly FoundFile[],
  contested: ReadonlySet<FoundFile>,
): Promise<readonly (FoundFile & Candidate)[]> {
  const shares = new Map<string, Map<string, Share>>();
  const paths = [...contested].map(({ path }) => path);
  for (let start = 0; start < paths.length; start += SHARES_A_QUERY) {
    const { results } = await db
      .prepare(SHARES)
      .bind(JSON.stringify(paths.slice(start, start + SHARES_A_QUERY)))
      .all<Share & { readonly path: string; readonly datasetId: string }>();
    for (const { path, datasetId, records, minTime, maxTime } of results) {
      const ofFile = shares.get(path) ?? new Map<string, Share>();
      shares.set(path, ofFile.set(datasetId, { records, minTime, maxTime }));
    }
  }
  return files.map((file) => ({ ...file, shares: shares.get(file.path) ?? NO_SHARES }));
}

/** Files as they can be chosen among, and the hot rows that some of them name. */
export async function candidatesOf(
  db: D1Database,
  files: readonly FoundFile[],
): Promise<{ readonly candidates: readonly (FoundFile & Candidate)[]; readonly hot: readonly HotRow[] }> {
  const named = unionRows(files.flatMap(({ rows }) => rows));
  const hotNamed = intersectRows(named, await hotIds(db));
  const contested = new Set<FoundFile>();
  for (const pair of overlaps(files)) for (const file of pair) contested.add(file);
  for (const file of files) {
    if (intersectRows(file.rows, hotNamed).length > 0) contested.add(file);
  }
  return { candidates: await withShares(db, files, contested), hot: await hotRows(db, hotNamed) };
}

/** Ids of the hot rows. */
async function hotIds(db: D1Database): Promise<RowSet> {
  const { results } = await db
    .prepare(
      `SELECT min(id) AS first, max(id) AS last
       FROM (SELECT id, id - row_number() OVER (ORDER BY id) AS island FROM buffer_logs)
       GROUP BY island`,
    )
    .all<{ first: number; last: number }>();
  return unionRows(results.map(({ first, last }) => [first, last]));
}

async function hotRows(db: D1Database, ids: RowSet): Promise<readonly HotRow[]> {
  const rows: HotRow[] = [];
  for (const chunk of jsonChunks(ids)) {
    const { results } = await db
      .prepare(
        `SELECT b.id, b.dataset_id AS datasetId, b.table_name AS "table", b.period,
                b.schema_fingerprint AS fingerprint, b.record_count AS records, b.min_time AS minTime,
                b.max_time AS maxTime
         FROM json_each(?1) r JOIN buffer_logs b ON b.id BETWEEN r.value ->> 0 AND r.value ->> 1`,
      )
      .bind(chunk)
      .all<HotRow>();
    rows.push(...results);
  }
  return rows;
}

/** What readers see now. */
export async function liveNow(
  db: D1Database,
): Promise<{ readonly files: number; readonly blocks: number; readonly records: number }> {
  const row = await db
    .prepare(
      `SELECT count(*) AS files, coalesce(sum(block_count), 0) AS blocks, coalesce(sum(record_count), 0) AS records
       FROM archived_files WHERE state = 'live'`,
    )
    .first<{ files: number; blocks: number; records: number }>();
  return row ?? { files: 0, blocks: 0, records: 0 };
}

/**
 * Files of the index that are lost, or will be because no scan has found their object.
 * @param expiryCutoff files whose retention counts from then or earlier have expired, ms UTC
 */
export async function missingFiles(
  db: D1Database,
  expiryCutoff: number,
): Promise<readonly { readonly path: string; readonly recordCount: number }[]> {
  const { results } = await db
    .prepare(
      `SELECT file_path AS path, record_count AS recordCount FROM archived_files
       WHERE state = 'lost' OR (state = 'live' AND retained_from > ?1
                                AND file_path NOT IN (SELECT file_path FROM reindex_files))`,
    )
    .bind(expiryCutoff)
    .all<{ path: string; recordCount: number }>();
  return results;
}
