/**
 * An archive run: under the lease, pick → build → upload → commit, again and
 * again, until nothing is left below the watermark or a bound is reached. Only the
 * commit changes what a reader sees; a run that dies before it leaves an object
 * without a manifest row, and nothing else.
 */
import type { ArchiveRunResult } from "../contract.ts";
import { errorFields, log } from "../log.ts";
import type { SchemaRegistry } from "../tables/index.ts";
import { acquireLease, holdsLease, type Lease, releaseLease } from "./lease.ts";
import { putOnce } from "./object.ts";
import { type ArchiveFile, buildFile, groupRows, type HotRow, readRows, type RowGroup } from "./plan.ts";
import { COMMIT_QUERIES, commitFiles, countHotRows, hotWatermark, pickHotRows } from "./store.ts";

export interface ArchiveBindings {
  readonly db: D1Database;
  readonly bucket: R2Bucket;
  readonly registry: SchemaRegistry;
  /** ms UTC. */
  readonly now: () => number;
  /** Who runs; for the operator's eyes. */
  readonly holder: string;
}

/** What a run and each of its passes may take. */
export interface RunBounds {
  /** ms after which nothing further is begun. */
  readonly runTime: number;
  readonly filesPerRun: number;
  /** D1 queries that the run may make, each statement of a batch counted. */
  readonly queriesPerRun: number;
  /** Bytes of records after which nothing further is begun; they stand for CPU time, which no clock shows. */
  readonly bytesPerRun: number;
  /** Files that become visible in one transaction. */
  readonly filesPerCommit: number;
  readonly rowsPerPass: number;
  /** Bytes of records that a pass picks; it takes about eight times as much memory. */
  readonly bytesPerPass: number;
}

export const DEFAULT_BOUNDS: RunBounds = {
  runTime: 20_000,
  filesPerRun: 500,
  // D1 ends an invocation at its 1,001st query, also before it could let its lease go.
  queriesPerRun: 950,
  // An invocation has 30 s of CPU; sorting and deflating takes up to 0.1 s a MiB.
  bytesPerRun: 192 * 1024 * 1024,
  filesPerCommit: 64,
  rowsPerPass: 2_000,
  bytesPerPass: 4 * 1024 * 1024,
};

export const ARCHIVE_LEASE = "archive";

/** Longer than the work between two commits takes; each commit renews it. */
export const LEASE_TTL_MS = 60_000;

/** Queries beside those of the passes: lease, watermark, a lost lease, what remains, release. */
const RUN_QUERIES = 5;

/** One pick, before the commits of its files. */
const PICK_QUERIES = 1;

/** Workers keep six connections open at a time. */
const PARALLEL_UPLOADS = 4;

const NOTHING: ArchiveRunResult = {
  ran: false,
  files: 0,
  blocks: 0,
  records: 0,
  hotRows: 0,
  coldBytes: 0,
  remaining: 0,
};

/**
 * Moves hot rows to cold storage.
 * @throws what D1 or R2 threw; what was committed before stays, nothing is lost or doubled
 */
export async function archiveRun(
  bindings: ArchiveBindings,
  bounds: RunBounds = DEFAULT_BOUNDS,
): Promise<ArchiveRunResult> {
  const { db, now, holder } = bindings;
  const lease = await acquireLease(db, { name: ARCHIVE_LEASE, holder, now: now(), ttl: LEASE_TTL_MS });
  if (lease === null) return NOTHING;
  try {
    const result = await drain(lease, bindings, bounds);
    log.info("archive.run", { ...result, holder });
    return result;
  } catch (error) {
    log.error("archive.run_failed", { holder, ...errorFields(error) });
    throw error;
  } finally {
    await releaseLease(db, lease).catch((error: unknown) =>
      log.warn("archive.lease_not_released", errorFields(error)),
    );
  }
}

async function drain(lease: Lease, bindings: ArchiveBindings, bounds: RunBounds): Promise<ArchiveRunResult> {
  const { db, registry } = bindings;
  const within = withinBounds(bindings, bounds);
  const watermark = await hotWatermark(db);
  const unreadable = new Set<number>();
  let spent: Spent = { queries: RUN_QUERIES, bytes: 0 };
  let total: ArchiveRunResult = { ...NOTHING, ran: true };

  for (;;) {
    const rows = await pickHotRows(db, {
      watermark,
      schemas: registry.known.map(({ table, fingerprint }) => `${table}/${fingerprint}`),
      skip: [...unreadable],
      maxRows: bounds.rowsPerPass,
      maxBytes: bounds.bytesPerPass,
    });
    spent = { queries: spent.queries + PICK_QUERIES, bytes: spent.bytes + bytesOf(rows) };
    const groups = groupRows(rows, (table, fingerprint) => registry.find(table, fingerprint));
    for (let start = 0; start < groups.length; start += bounds.filesPerCommit) {
      const files = buildFiles(groups.slice(start, start + bounds.filesPerCommit), unreadable);
      await uploadAll(bindings.bucket, files);
      if (files.length > 0 && !(await commit(lease, bindings, files))) return finish(db, watermark, total);
      total = add(total, files);
      spent = { ...spent, queries: spent.queries + COMMIT_QUERIES };
      if (!within(total, spent)) return finish(db, watermark, total);
    }
    if (groups.length === 0) return finish(db, watermark, total);
  }
}

/** What a run has taken of the invocation. */
interface Spent {
  /** D1 queries, with those that end the run. */
  readonly queries: number;
  /** Bytes of records that were picked. */
  readonly bytes: number;
}

/** Base64 has four characters for three bytes. */
const bytesOf = (rows: readonly HotRow[]): number =>
  rows.reduce((sum, { data }) => sum + data.length * (3 / 4), 0);

/** Whether a run that has made and taken so much may begin something further. */
function withinBounds(
  { now }: ArchiveBindings,
  bounds: RunBounds,
): (total: ArchiveRunResult, spent: Spent) => boolean {
  const deadline = now() + bounds.runTime;
  return (total, { queries, bytes }) =>
    now() < deadline &&
    total.files < bounds.filesPerRun &&
    bytes < bounds.bytesPerRun &&
    queries + PICK_QUERIES + COMMIT_QUERIES <= bounds.queriesPerRun;
}

async function finish(db: D1Database, watermark: number, total: ArchiveRunResult): Promise<ArchiveRunResult> {
  return { ...total, remaining: await countHotRows(db, watermark) };
}

function buildFiles(groups: readonly RowGroup[], unreadableIds: Set<number>): readonly ArchiveFile[] {
  return groups.flatMap((group) => {
    const { readable, unreadable } = readRows(group);
    for (const { row, error } of unreadable) {
      unreadableIds.add(row.id);
      log.error("archive.unreadable_row", {
        row_id: row.id,
        table: row.table,
        period: row.period,
        ...errorFields(error),
      });
    }
    return readable.length === 0 ? [] : [buildFile(group, readable)];
  });
}

async function uploadAll(bucket: R2Bucket, files: readonly ArchiveFile[]): Promise<void> {
  for (let start = 0; start < files.length; start += PARALLEL_UPLOADS) {
    await Promise.all(files.slice(start, start + PARALLEL_UPLOADS).map((file) => putOnce(bucket, file)));
  }
}

/** @returns `false` when another run has taken the lease: the rows are its to move now */
async function commit(
  lease: Lease,
  { db, now }: ArchiveBindings,
  files: readonly ArchiveFile[],
): Promise<boolean> {
  try {
    await commitFiles(db, { lease, now: now(), leaseExpiresAt: now() + LEASE_TTL_MS, files });
    return true;
  } catch (error) {
    // Where the lease cannot be looked up either, the commit's own error says more.
    if (await holdsLease(db, lease).catch(() => true)) throw error;
    log.warn("archive.lease_lost", { fence: lease.fence, ...errorFields(error) });
    return false;
  }
}

function add(total: ArchiveRunResult, files: readonly ArchiveFile[]): ArchiveRunResult {
  const sum = (count: (file: ArchiveFile) => number): number =>
    files.reduce((all, file) => all + count(file), 0);
  return {
    ...total,
    files: total.files + files.length,
    blocks: total.blocks + sum((file) => file.blocks.length),
    records: total.records + sum((file) => file.recordCount),
    hotRows: total.hotRows + sum((file) => file.rowIds.length),
    coldBytes: total.coldBytes + sum((file) => file.bytes.length),
  };
}
