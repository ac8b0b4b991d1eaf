/**
 * An archive run: under the lease, pick → build → upload → commit, again and
 * again, until nothing is left below the watermark or a bound is reached. Only the
 * commit changes what a reader sees; a run that dies before it leaves an object
 * without a manifest row, and nothing else.
 */
import { putOnce } from "../cold/index.ts";
import type { ArchiveRunResult } from "../contract.ts";
import { type Meter, meterBindings, NO_SPEND } from "../cost/index.ts";
import { errorFields, log } from "../log.ts";
import {
  type ArchiveBindings,
  COMMIT_QUERIES,
  commitChange,
  holdsLease,
  type Lease,
  LEASE_TTL_MS,
  type NewFile,
  withLease,
} from "../manifest/index.ts";
import { type ArchiveFile, buildFile, fileKey, groupRows, type ReadGroup, readRows } from "./plan.ts";
import { countHotRows, FIRST_PLACE, hotWatermark, pickHotRows, type Place, type Scope } from "./store.ts";

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
  readonly recordsPerPass: number;
}

/**
 * A pass keeps at most four times its bytes of records in memory (first D1's
 * answer as text and as rows; then the records, a copy of them in order, and the
 * files) and 40 bytes a record, as measured: 26 MiB with files of 4 MiB, 42 MiB
 * with the largest that a stack may set.
 */
export const DEFAULT_BOUNDS: RunBounds = {
  runTime: 20_000,
  filesPerRun: 500,
  // D1 ends an invocation at its 1,001st query, also before it could let its lease go.
  queriesPerRun: 950,
  // An invocation has 30 s of CPU; sorting and deflating takes up to 0.1 s a MiB.
  bytesPerRun: 192 * 1024 * 1024,
  filesPerCommit: 64,
  // Also keeps the index of a commit, up to one block a row and one a KiB of records, within COMMIT_QUERIES.
  rowsPerPass: 2_000,
  recordsPerPass: 250_000,
};

/** Queries that end a run: a lost lease, what remains, release. */
const END_QUERIES = 3;

/** One pick, before the commits of its files. */
const PICK_QUERIES = 1;

/** Workers keep six connections open at a time. */
const PARALLEL_UPLOADS = 4;

type Progress = Pick<ArchiveRunResult, "files" | "blocks" | "records" | "hotRows" | "coldBytes">;

const NOTHING: Progress = { files: 0, blocks: 0, records: 0, hotRows: 0, coldBytes: 0 };

/**
 * Moves hot rows to cold storage.
 * @throws what D1 or R2 threw; what was committed before stays, nothing is lost or doubled
 */
export async function archiveRun(
  bindings: ArchiveBindings,
  bounds: RunBounds = DEFAULT_BOUNDS,
): Promise<ArchiveRunResult> {
  const { holder } = bindings;
  const { meter, metered } = meterBindings(bindings);
  try {
    const moved = await withLease(metered, (lease) => drain(lease, metered, bounds, meter));
    if (moved === null) return { ran: false, ...NOTHING, remaining: 0, spent: NO_SPEND };
    log.info("archive.run", { ...moved, ...meter.spent, holder });
    return { ran: true, ...moved, spent: meter.spent };
  } catch (error) {
    log.error("archive.run_failed", { holder, ...meter.spent, ...errorFields(error) });
    throw error;
  }
}

async function drain(
  lease: Lease,
  bindings: ArchiveBindings,
  bounds: RunBounds,
  meter: Meter,
): Promise<Progress & Pick<ArchiveRunResult, "remaining">> {
  const { db, registry, settings, now } = bindings;
  const mayGoOn = withinBounds(bindings, bounds, meter);
  let scope: Scope = {
    watermark: await hotWatermark(db, now() - settings.hotWindow),
    schemas: registry.known.map(({ table, fingerprint }) => `${table}/${fingerprint}`),
    after: FIRST_PLACE,
  };
  let total = NOTHING;

  for (;;) {
    const pass = await readPass(bindings, scope, bounds);
    if (pass === null) return { ...total, remaining: 0 };
    const { groups, last } = pass;
    for (let start = 0; start < groups.length; start += bounds.filesPerCommit) {
      const files = await buildFiles(groups.slice(start, start + bounds.filesPerCommit), bindings, meter);
      const kept = files.length === 0 || (await store(lease, bindings, files));
      if (kept) total = add(total, files);
      if (!kept || !mayGoOn(total)) return { ...total, remaining: await countHotRows(db, scope) };
    }
    scope = { ...scope, after: last };
  }
}

/**
 * Picks the next rows and finds their records. The rows' text is not kept.
 * @returns `null` when there are none
 */
async function readPass(
  { db, registry, settings }: ArchiveBindings,
  scope: Scope,
  bounds: RunBounds,
): Promise<{ readonly groups: readonly ReadGroup[]; readonly last: Place } | null> {
  const rows = await pickHotRows(db, scope, {
    maxRows: bounds.rowsPerPass,
    maxRecords: bounds.recordsPerPass,
    maxBytes: settings.fileBytes,
  });
  const last = rows.at(-1);
  if (last === undefined) return null;
  const groups = groupRows(rows, (table, fingerprint) => registry.find(table, fingerprint)).map(readRows);
  for (const group of groups) reportUnreadable(group);
  return { groups, last: { table: last.table, period: last.period, id: last.id } };
}

/** Whether a run that has moved so much may begin something further. */
function withinBounds(
  { now }: ArchiveBindings,
  bounds: RunBounds,
  meter: Meter,
): (total: Progress) => boolean {
  const deadline = now() + bounds.runTime;
  return ({ files }) =>
    now() < deadline &&
    files < bounds.filesPerRun &&
    meter.spent.compressedBytes < bounds.bytesPerRun &&
    meter.spent.d1Queries + PICK_QUERIES + COMMIT_QUERIES + END_QUERIES <= bounds.queriesPerRun;
}

async function buildFiles(
  groups: readonly ReadGroup[],
  { settings }: ArchiveBindings,
  meter: Meter,
): Promise<readonly ArchiveFile[]> {
  const files: ArchiveFile[] = [];
  for (const group of groups) {
    if (group.readable.length === 0) continue;
    const file = await buildFile(group, group.readable, settings);
    meter.add({ compressedBytes: file.recordBytes });
    files.push(file);
  }
  return files;
}

/** Row ids that a log line names. */
const NAMED_ROWS = 20;

function reportUnreadable({ schema, period, unreadable }: ReadGroup): void {
  const [first] = unreadable;
  if (first === undefined) return;
  log.error("archive.unreadable_rows", {
    table: schema.table,
    period,
    rows: unreadable.length,
    row_ids: unreadable.slice(0, NAMED_ROWS).map(({ id }) => String(id)),
    ...errorFields(first.error),
  });
}

/** Uploads files and commits them. @returns `false` when another run has taken the lease: the rows are its to move now */
async function store(
  lease: Lease,
  { db, bucket, now }: ArchiveBindings,
  files: readonly ArchiveFile[],
): Promise<boolean> {
  const stored = await uploadAll(bucket, files, lease.fence);
  try {
    await commitChange(db, {
      lease,
      now: now(),
      leaseExpiresAt: now() + LEASE_TTL_MS,
      files: stored,
      hotRowIds: files.flatMap((file) => file.rowIds),
      replaced: [],
      replacedState: "compacted",
    });
    return true;
  } catch (error) {
    // Where the lease cannot be looked up either, the commit's own error says more.
    if (await holdsLease(db, lease).catch(() => true)) throw error;
    log.warn("archive.lease_lost", { fence: lease.fence, ...errorFields(error) });
    return false;
  }
}

async function uploadAll(
  bucket: R2Bucket,
  files: readonly ArchiveFile[],
  fence: number,
): Promise<readonly NewFile[]> {
  const stored: NewFile[] = [];
  for (let start = 0; start < files.length; start += PARALLEL_UPLOADS) {
    const uploads = files.slice(start, start + PARALLEL_UPLOADS).map(async (built): Promise<NewFile> => {
      const key = fileKey(built, fence);
      return { key, file: built.file, retainedFrom: await putOnce(bucket, key, built.file, built.bytes) };
    });
    stored.push(...(await Promise.all(uploads)));
  }
  return stored;
}

function add(total: Progress, files: readonly ArchiveFile[]): Progress {
  const sum = (count: (file: ArchiveFile) => number): number =>
    files.reduce((all, file) => all + count(file), 0);
  return {
    files: total.files + files.length,
    blocks: total.blocks + sum(({ file }) => file.blocks.length),
    records: total.records + sum(({ file }) => file.recordCount),
    hotRows: total.hotRows + sum(({ rowIds }) => rowIds.length),
    coldBytes: total.coldBytes + sum(({ bytes }) => bytes.length),
  };
}
