/** A read: hot rows and cold blocks of one dataset, merged in time order, a page at a time. */
import { ReadError } from "../cold/index.ts";
import type { InvalidInput, Page, ReadRequest, ReadResult, Unreadable } from "../contract.ts";
import { FaultList } from "../faults.ts";
import { errorFields, log } from "../log.ts";
import { checkDatasetId } from "../names.ts";
import { expiryCutoff } from "../settings.ts";
import { encodePage, MIXED_PAGE, streamOf } from "./body.ts";
import { decodeCursor, deriveKey, encodeCursor } from "./cursor.ts";
import { namesTag, type PageTag, tagPage } from "./etag.ts";
import { neededOf } from "./need.ts";
import type { Position } from "./order.ts";
import {
  assemblePage,
  DEFAULT_READ_BOUNDS,
  type PageBindings,
  type PageContent,
  type ReadBounds,
} from "./page.ts";
import { holdsTable, readSnapshot, type Snapshot } from "./store.ts";

export interface ReadBindings extends PageBindings {
  /** Signs cursors; pages begun under another secret cannot be gone on with. */
  readonly cursorSecret: string;
}

const MAX_LIMIT = 10_000;

/** A page begins anew when the archive changes under it in a way that it notices, which is rare, but not for ever. */
const MAX_SNAPSHOTS = 10;

const FORMATS: readonly unknown[] = ["json", "ndjson", "ocf"] satisfies readonly ReadRequest["format"][];

/**
 * Reads one page, or says which stored data cannot be read: a page is whole or
 * refused. Its body is encoded while it is read.
 */
export async function read(
  request: ReadRequest,
  bindings: ReadBindings,
  bounds: ReadBounds = DEFAULT_READ_BOUNDS,
): Promise<ReadResult> {
  try {
    return await readPage(request, bindings, bounds);
  } catch (error) {
    if (error instanceof ReadError) return unreadable(error, request);
    throw error;
  }
}

/** @throws ReadError when stored data cannot be read */
async function readPage(
  request: ReadRequest,
  bindings: ReadBindings,
  bounds: ReadBounds,
): Promise<ReadResult> {
  const { registry } = bindings;
  if (!(await isKnownTable(request.table, bindings))) {
    return { ok: false, reason: "unknown-table", tables: registry.tables };
  }
  const keys = {
    cursor: deriveKey(bindings.cursorSecret, "strata.read.cursor"),
    tag: deriveKey(bindings.cursorSecret, "strata.read.etag"),
  };
  const faults = new FaultList();
  const start = checkRequest(request, keys.cursor, faults);
  if (start === null) return refused(faults);

  const { table, to, limit } = request;
  for (let attempt = 0; attempt < MAX_SNAPSHOTS; attempt += 1) {
    const snapshot = await snapshotFor(request, start, bindings, bounds);
    const tag = tagFor(keys.tag, request, start, snapshot, bindings, bounds);
    if (namesTag(request.ifNoneMatch, tag.etag)) return { ok: true, modified: false, etag: tag.etag };
    const content = await assemblePage({ table, to, limit, start }, snapshot, bindings, bounds);
    if (content !== null) return answer(request, content, tag, keys.cursor, bindings);
  }
  throw new ReadError("object-missing", `the archive changed under the page ${MAX_SNAPSHOTS} times`);
}

/** A table is known by its schema, by the stack's leave to have none, or by what is stored of it. */
async function isKnownTable(table: string, { db, registry, settings, now }: ReadBindings): Promise<boolean> {
  if (registry.newest(table) !== undefined) return true;
  if (registry.generic(table) === undefined) return false;
  return settings.genericTables || holdsTable(db, table, expiryCutoff(settings, now()));
}

function unreadable(error: ReadError, { table }: ReadRequest): Unreadable {
  const { code, message: detail } = error;
  log.error("read.unreadable", { code, table, ...errorFields(error) });
  return { ok: false, reason: "unreadable", code, detail };
}

function refused(faults: FaultList): InvalidInput {
  return { ok: false, reason: "invalid", faults: faults.kept, faultCount: faults.count };
}

function checkRequest(request: ReadRequest, cursorKey: Uint8Array, faults: FaultList): Position | null {
  checkDatasetId(request.datasetId, faults);
  if (!Number.isSafeInteger(request.from)) faults.add("/from", "must be integer milliseconds since 1970");
  if (!Number.isSafeInteger(request.to)) faults.add("/to", "must be integer milliseconds since 1970");
  else if (request.to <= request.from) faults.add("/to", "must be later than from");
  if (!Number.isInteger(request.limit) || request.limit < 1 || request.limit > MAX_LIMIT) {
    faults.add("/limit", `must be an integer from 1 to ${MAX_LIMIT}`);
  }
  if (!FORMATS.includes(request.format)) faults.add("/format", `must be one of ${FORMATS.join(", ")}`);
  if (faults.count > 0) return null;
  if (request.cursor === undefined) return { time: request.from, digest: "", copies: 0 };
  const position = decodeCursor(cursorKey, request, request.cursor);
  if (position === null) faults.add("/cursor", "is not a cursor of this query");
  return position;
}

async function snapshotFor(
  { datasetId, table, to, limit }: ReadRequest,
  start: Position,
  { db, settings, now }: ReadBindings,
  bounds: ReadBounds,
): Promise<Snapshot> {
  const query = {
    datasetId,
    table,
    from: start.time,
    to,
    // After a record of this time, others of it may have been handed out already.
    wholeFrom: start.digest === "" ? start.time : start.time + 1,
    limit,
    expiryCutoff: expiryCutoff(settings, now()),
    maxHotRows: bounds.hotRows,
    maxBlocks: bounds.blocks,
    hotBytes: Math.min(bounds.hotPortion, bounds.hotBytes),
  };
  return neededOf(await readSnapshot(db, query), query);
}

function tagFor(
  key: Uint8Array,
  { datasetId, table, from, to, limit, format }: ReadRequest,
  start: Position,
  snapshot: Snapshot,
  { registry, settings }: ReadBindings,
  bounds: ReadBounds,
): PageTag {
  const query = [datasetId, table, from, to, limit, start, bounds, settings.blockBytes];
  return tagPage(key, { format, schema: registry.newest(table)?.json ?? null, query, snapshot });
}

function answer(
  request: ReadRequest,
  content: PageContent,
  tag: PageTag,
  cursorKey: Uint8Array,
  { registry }: ReadBindings,
): Page | InvalidInput {
  const { records, next, rangeReads, coldBytes, lostBlocks, foundLoss } = content;
  const chunks = encodePage(request, records, registry, tag.sync);
  if (chunks === null) {
    const faults = new FaultList();
    faults.add("/format", MIXED_PAGE);
    return refused(faults);
  }
  const cold = records.filter(({ source }) => source === "cold").length;
  return {
    ok: true,
    modified: true,
    body: streamOf(chunks),
    // The tag was made for what the snapshot promised.
    etag: foundLoss ? null : tag.etag,
    nextCursor: next === null ? null : encodeCursor(cursorKey, request, next),
    hot: records.length - cold,
    cold,
    rangeReads,
    coldBytes,
    lostBlocks,
  };
}
