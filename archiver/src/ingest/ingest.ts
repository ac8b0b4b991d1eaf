/** Ingest: validate all, encode once, enqueue slice by slice. */
import type { Ingested, IngestRequest, IngestResult } from "../contract.ts";
import { FaultList } from "../faults.ts";
import { errorFields, log } from "../log.ts";
import { encodeMessage, MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, sendRequests } from "../message/index.ts";
import { checkDatasetId, checkIdempotencyKey, checkPeriodTag, dayOf } from "../names.ts";
import type { Settings } from "../settings.ts";
import type { SchemaRegistry, TableSchema } from "../tables/index.ts";
import { containerRecords } from "./container.ts";
import { findKey, type IngestKey, ingestKey, isContainer, rememberKey } from "./keys.ts";
import { MAX_CONTAINER_BYTES, MAX_PAYLOAD_BYTES, MAX_RECORDS, MAX_SLICES } from "./limits.ts";
import { type EncodedRecord, pack, type Packed } from "./pack.ts";
import { checkRecords, encodeRecords, explainTime } from "./records.ts";

export interface IngestBindings {
  readonly queue: Pick<Queue<Uint8Array>, "sendBatch">;
  /** Asked for idempotency keys only. */
  readonly db: D1Database;
  readonly registry: SchemaRegistry;
  readonly settings: Pick<Settings, "genericTables">;
  readonly randomId: () => string;
  /** ms UTC. */
  readonly now: () => number;
}

const RETRY_AFTER_SECONDS = 5;

/**
 * Accepts a request's records, or refuses them whole with every fault: nothing
 * is enqueued unless every record fits a schema of its table. When the queue
 * refuses in the middle of a large request, the records before are accepted and
 * the answer says how many they are. A send whose answer is lost counts as
 * refused, so that only a request with an idempotency key may be sent again
 * without doubling what did arrive.
 * @throws when an idempotency key cannot be looked up; nothing was enqueued
 */
export async function ingest(request: IngestRequest, bindings: IngestBindings): Promise<IngestResult> {
  const newest = newestSchema(request.table, bindings);
  if (newest === undefined) return { ok: false, reason: "unknown-table", tables: bindings.registry.tables };

  const faults = new FaultList();
  checkRequest(request, faults);
  const key = faults.count === 0 ? keyOf(request, faults) : undefined;
  const known = key === undefined ? null : await findKey(bindings.db, key);
  if (key !== undefined && known !== null) {
    if (known.requestHash !== key.requestHash) return { ok: false, reason: "idempotency-key-reused" };
    return { ok: true, ...known.answer, replayed: true };
  }

  const source = readRecords(request, newest, bindings.registry, faults);
  if (source === null || faults.count > 0) return invalid(faults);

  const packed = pack({
    datasetId: request.datasetId,
    schema: source.schema,
    key: key === undefined ? bindings.randomId() : `${key.keyHash}\n${key.requestHash}`,
    acceptedAt: bindings.now(),
    records: source.records,
    periodOf: (time) => request.periodTag ?? dayOf(time),
  });
  checkSize(packed, request, source.count, faults);
  if (faults.count > 0) return invalid(faults);

  const result = await send(packed, source.count, bindings.queue);
  if (key !== undefined && result.ok) await rememberOrWarn(key, result, bindings);
  return result;
}

function newestSchema(table: string, { registry, settings }: IngestBindings): TableSchema | undefined {
  return registry.newest(table) ?? (settings.genericTables ? registry.generic(table) : undefined);
}

function invalid(faults: FaultList): IngestResult {
  return { ok: false, reason: "invalid", faults: faults.kept.map(explainTime), faultCount: faults.count };
}

/** The faults that can be seen without looking at a record. */
function checkRequest(request: IngestRequest, faults: FaultList): void {
  checkDatasetId(request.datasetId, faults);
  if (request.periodTag !== undefined) checkPeriodTag(request.periodTag, faults);
  if (request.idempotencyKey !== undefined) checkIdempotencyKey(request.idempotencyKey, faults);
  if (isContainer(request)) {
    const { container } = request;
    if (!(container instanceof Uint8Array)) faults.add("/container", "must be bytes");
    else if (container.byteLength > MAX_CONTAINER_BYTES) {
      faults.add("/container", `must have at most ${MAX_CONTAINER_BYTES} bytes, not ${container.byteLength}`);
    }
  } else if (!Array.isArray(request.records) || request.records.length === 0) {
    faults.add("/records", "must be an array of at least one record");
  } else if (request.records.length > MAX_RECORDS) {
    faults.add("/records", `must be at most ${MAX_RECORDS} records, not ${request.records.length}`);
  }
}

function keyOf(request: IngestRequest, faults: FaultList): IngestKey | undefined {
  if (request.idempotencyKey === undefined) return undefined;
  try {
    return ingestKey(request, request.idempotencyKey);
  } catch (error) {
    faults.add("/records", `must be JSON values: ${errorFields(error).message}`);
    return undefined;
  }
}

interface Source {
  readonly schema: TableSchema;
  readonly records: Iterable<EncodedRecord>;
  readonly count: number;
}

function readRecords(
  request: IngestRequest,
  newest: TableSchema,
  registry: SchemaRegistry,
  faults: FaultList,
): Source | null {
  if (isContainer(request)) {
    const { container } = request;
    if (!(container instanceof Uint8Array) || container.byteLength > MAX_CONTAINER_BYTES) return null;
    const source = containerRecords(container, newest, registry, faults);
    return source === null ? null : { ...source, count: source.records.length };
  }
  if (!Array.isArray(request.records) || request.records.length > MAX_RECORDS) return null;
  const records = checkRecords(newest, request.records, faults);
  return { schema: newest, records: encodeRecords(newest, records), count: records.length };
}

function checkSize(packed: Packed, request: IngestRequest, count: number, faults: FaultList): void {
  for (const index of packed.oversized) {
    faults.add(`/records/${index}`, `must encode to at most ${MAX_PAYLOAD_BYTES} bytes`);
  }
  if (packed.fitting !== null) {
    faults.add(
      isContainer(request) ? "/container" : "/records",
      `holds more than one request takes: the first ${packed.fitting} of ${count} fill ${MAX_SLICES} batches of ` +
        `${MAX_BATCH_BYTES} bytes and ${MAX_BATCH_MESSAGES} messages, each of one period; send the others in another`,
    );
  }
}

type Sent = Ingested | Extract<IngestResult, { reason: "queue-unavailable" }>;

/** Sends slice after slice, so that what was accepted is always a beginning of the request. */
async function send({ slices, bytes }: Packed, of: number, queue: IngestBindings["queue"]): Promise<Sent> {
  let accepted = 0;
  let messages = 0;
  for (const slice of slices) {
    try {
      await queue.sendBatch(sendRequests(slice.messages.map(encodeMessage)));
    } catch (error) {
      log.warn("ingest.queue_refused", { accepted, of, ...errorFields(error) });
      return { ok: false, reason: "queue-unavailable", retryAfterSeconds: RETRY_AFTER_SECONDS, accepted, of };
    }
    accepted += slice.records;
    messages += slice.messages.length;
  }
  return { ok: true, accepted, messages, bytes, replayed: false };
}

/** A key that is not remembered costs a repeated request its quick answer, and doubles nothing: the messages' ids are the same. */
async function rememberOrWarn(key: IngestKey, answer: Ingested, { db, now }: IngestBindings): Promise<void> {
  try {
    await rememberKey(db, key, answer, now());
  } catch (error) {
    log.warn("ingest.key_not_remembered", errorFields(error));
  }
}
