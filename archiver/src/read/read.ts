/** A read: hot rows and cold blocks of one dataset, merged in time order, a page at a time. */
import type { ReadRequest, ReadResult } from "../contract.ts";
import { FaultList } from "../faults.ts";
import { checkDatasetId } from "../names.ts";
import {
  decodeRecord,
  RecordError,
  type RecordRun,
  scanRecords,
  type SchemaRegistry,
} from "../tables/index.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { fetchBlocks, ReadError } from "./fetch.ts";
import { type Candidate, FirstRecords, type Position, positionAfter } from "./order.ts";
import { type ColdBlock, type HotSource, readSnapshot, type Snapshot } from "./store.ts";

export interface ReadBindings {
  readonly db: D1Database;
  readonly bucket: R2Bucket;
  readonly registry: SchemaRegistry;
}

/** What one page may take; a page that meets a bound is shorter than its limit and has a cursor. */
export interface ReadBounds {
  readonly hotRows: number;
  /** Bytes of hot records. */
  readonly hotBytes: number;
  /** Blocks that are listed. */
  readonly blocksListed: number;
  /** Blocks that are fetched, each about 64 KB of records. */
  readonly blocksFetched: number;
  /** Blocks that are fetched at a time. */
  readonly wave: number;
  /** Bytes of records on a page, of which there is at least one. */
  readonly pageBytes: number;
}

export const DEFAULT_READ_BOUNDS: ReadBounds = {
  hotRows: 10_000,
  hotBytes: 8 * 1024 * 1024,
  blocksListed: 2_000,
  blocksFetched: 400,
  wave: 128,
  // A call carries 32 MiB, and the decoded form of a record is up to eight times its bytes.
  pageBytes: 4 * 1024 * 1024,
};

export const MAX_LIMIT = 10_000;

/**
 * Reads one page.
 * @throws ReadError when stored data cannot be read; a page is whole or not there
 */
export async function read(
  request: ReadRequest,
  bindings: ReadBindings,
  bounds: ReadBounds = DEFAULT_READ_BOUNDS,
): Promise<ReadResult> {
  const { registry } = bindings;
  if (registry.newest(request.table) === undefined) {
    return { ok: false, reason: "unknown-table", tables: registry.tables };
  }
  const faults = new FaultList();
  const start = checkRequest(request, faults);
  if (start === null) return { ok: false, reason: "invalid", faults: faults.kept, faultCount: faults.count };

  const snapshot = await readSnapshot(bindings.db, {
    datasetId: request.datasetId,
    table: request.table,
    from: start.time,
    to: request.to,
    maxHotRows: bounds.hotRows,
    maxHotBytes: bounds.hotBytes,
    maxBlocks: bounds.blocksListed,
  });
  const first = new FirstRecords(start, request.to, request.limit);
  for (const row of snapshot.hot) first.offer(openHotRow(row, request.table, registry), "hot");
  const { horizon, rangeReads } = await offerCold(first, snapshot, request, bindings, bounds);
  const found = first.take(horizon);
  const page = cutPage(found, request.limit, bounds.pageBytes);
  return answer(request, page, nextPosition(start, found, page, horizon), rangeReads);
}

function checkRequest(request: ReadRequest, faults: FaultList): Position | null {
  checkDatasetId(request.datasetId, faults);
  if (!Number.isSafeInteger(request.from)) faults.add("/from", "must be integer milliseconds since 1970");
  if (!Number.isSafeInteger(request.to)) faults.add("/to", "must be integer milliseconds since 1970");
  else if (request.to <= request.from) faults.add("/to", "must be later than from");
  if (!Number.isInteger(request.limit) || request.limit < 1 || request.limit > MAX_LIMIT) {
    faults.add("/limit", `must be an integer from 1 to ${MAX_LIMIT}`);
  }
  if (faults.count > 0) return null;
  if (request.cursor === undefined) return { time: request.from, digest: "", copies: 0 };
  const position = decodeCursor(request, request.cursor);
  if (position === null) faults.add("/cursor", "is not a cursor of this query");
  return position;
}

function openHotRow(row: HotSource, table: string, registry: SchemaRegistry): RecordRun {
  const schema = registry.find(table, row.fingerprint);
  if (schema === undefined) {
    throw new ReadError(
      "unknown-schema",
      `a hot row of ${table} has schema ${row.fingerprint}, which is not known`,
    );
  }
  try {
    return scanRecords(schema, Buffer.from(row.data, "base64"), row.recordCount);
  } catch (cause) {
    if (!(cause instanceof RecordError)) throw cause;
    throw new ReadError("block-damaged", `a hot row of ${table}: ${cause.message}`, { cause });
  }
}

/**
 * Fetches blocks in the order of their first record, until enough records are
 * known to lie before everything that has not been fetched.
 * @returns the time before which nothing is missing
 */
async function offerCold(
  first: FirstRecords,
  snapshot: Snapshot,
  request: ReadRequest,
  { bucket, registry }: ReadBindings,
  bounds: ReadBounds,
): Promise<{ readonly horizon: number; readonly rangeReads: number }> {
  let rangeReads = 0;
  let fetched = 0;
  for (;;) {
    const horizon = Math.min(
      snapshot.completeBefore,
      snapshot.cold[fetched]?.minTime ?? Number.POSITIVE_INFINITY,
    );
    const known = first.measureBefore(horizon);
    const isFull = known.records > request.limit || known.bytes > bounds.pageBytes;
    const affordable = Math.min(bounds.blocksFetched - fetched, bounds.wave);
    if (isFull || fetched === snapshot.cold.length || affordable <= 0) return { horizon, rangeReads };
    const missing = request.limit + 1 - known.records;
    const wave = enough(snapshot.cold.slice(fetched, fetched + affordable), missing);
    const { runs, rangeReads: made } = await fetchBlocks(bucket, wave, request.table, registry);
    for (const run of runs) first.offer(run, "cold");
    rangeReads += made;
    fetched += wave.length;
  }
}

/** The first blocks that together hold at least `records` records. */
function enough(blocks: readonly ColdBlock[], records: number): readonly ColdBlock[] {
  let held = 0;
  const end = blocks.findIndex(({ recordCount }) => {
    held += recordCount;
    return held >= records;
  });
  return end === -1 ? blocks : blocks.slice(0, end + 1);
}

/** The records that a page has room for: at least one, at most `limit`. */
function cutPage(found: readonly Candidate[], limit: number, maxBytes: number): readonly Candidate[] {
  let bytes = 0;
  const overweight = found.findIndex((candidate) => {
    bytes += candidate.size;
    return bytes > maxBytes;
  });
  return found.slice(0, overweight === -1 ? limit : Math.min(limit, Math.max(overweight, 1)));
}

function answer(
  request: ReadRequest,
  page: readonly Candidate[],
  next: Position | null,
  rangeReads: number,
): ReadResult {
  const cold = page.filter(({ source }) => source === "cold").length;
  return {
    ok: true,
    records: page.map(({ run, bytes }) => decodeRecord(run.schema, bytes)),
    nextCursor: next === null ? null : encodeCursor(request, next),
    hot: page.length - cold,
    cold,
    rangeReads,
  };
}

function nextPosition(
  start: Position,
  found: readonly Candidate[],
  page: readonly Candidate[],
  horizon: number,
): Position | null {
  if (found.length > page.length) return positionAfter(page, start);
  if (horizon === Number.POSITIVE_INFINITY) return null;
  if (page.length === 0 && horizon <= start.time) {
    throw new ReadError(
      "too-dense",
      `more than a page may load begins at or before ${new Date(horizon).toISOString()} and reaches past it`,
    );
  }
  return { time: horizon, digest: "", copies: 0 };
}
