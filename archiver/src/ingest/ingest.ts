/** Ingest: validate all, encode once, enqueue whole. */
import type { IngestRequest, IngestResult } from "../contract.ts";
import { FaultList } from "../faults.ts";
import { errorFields, log } from "../log.ts";
import { encodeMessage } from "../message/index.ts";
import { checkDatasetId, checkPeriodTag, dayOf } from "../names.ts";
import type { SchemaRegistry, TableSchema } from "../tables/index.ts";
import { MAX_BATCH_BYTES, MAX_MESSAGES, MAX_PAYLOAD_BYTES, MAX_TIME, MIN_TIME } from "./limits.ts";
import { pack, type Packed, type TimedRecord } from "./pack.ts";
import { validate } from "./validate.ts";

export interface IngestBindings {
  readonly queue: Pick<Queue<Uint8Array>, "sendBatch">;
  readonly registry: SchemaRegistry;
  readonly randomId: () => string;
}

const RETRY_AFTER_SECONDS = 5;

/**
 * Accepts a request's records whole, or refuses them whole.
 * Nothing is enqueued unless every record fits the newest schema of its table.
 */
export async function ingest(request: IngestRequest, bindings: IngestBindings): Promise<IngestResult> {
  const schema = bindings.registry.newest(request.table);
  if (schema === undefined) return { ok: false, reason: "unknown-table", tables: bindings.registry.tables };

  const faults = new FaultList();
  const records = checkRequest(request, schema, faults);
  if (faults.count > 0) return invalid(faults);

  const packed = pack({
    datasetId: request.datasetId,
    schema,
    key: requestKey(request, bindings),
    records,
    periodOf: ({ time }) => request.periodTag ?? dayOf(time),
  });
  const bodies = packed.messages.map(encodeMessage);
  checkSize(packed, bodies, faults);
  if (faults.count > 0) return invalid(faults);

  try {
    await bindings.queue.sendBatch(bodies.map((body) => ({ body, contentType: "bytes" })));
  } catch (error) {
    log.warn("ingest.queue_refused", { table: schema.table, messages: bodies.length, ...errorFields(error) });
    return { ok: false, reason: "queue-unavailable", retryAfterSeconds: RETRY_AFTER_SECONDS };
  }
  return { ok: true, accepted: records.length, messages: bodies.length, bytes: packed.bytes };
}

function invalid(faults: FaultList): IngestResult {
  return { ok: false, reason: "invalid", faults: faults.kept, faultCount: faults.count };
}

/** Without a client's key, every request is a new one. */
function requestKey(request: IngestRequest, { randomId }: IngestBindings): string {
  if (request.idempotencyKey === undefined) return randomId();
  return `client\n${request.datasetId}\n${request.table}\n${request.idempotencyKey}`;
}

function checkRequest(
  request: IngestRequest,
  schema: TableSchema,
  faults: FaultList,
): readonly TimedRecord[] {
  checkDatasetId(request.datasetId, faults);
  if (request.periodTag !== undefined) checkPeriodTag(request.periodTag, faults);
  if (!Array.isArray(request.records) || request.records.length === 0) {
    faults.add("/records", "must be an array of at least one record");
    return [];
  }
  const records: TimedRecord[] = [];
  for (const [index, record] of request.records.entries()) {
    const path = `/records/${index}`;
    const before = faults.count;
    validate(schema.type, record, path, faults);
    if (faults.count > before || !isTimed(record)) continue;
    if (record.time >= MIN_TIME && record.time <= MAX_TIME) records.push(record);
    else faults.add(`${path}/time`, "must be milliseconds since 1970 of a time in the years 1 to 9999");
  }
  return records;
}

const isTimed = (record: unknown): record is TimedRecord =>
  typeof record === "object" && record !== null && "time" in record && typeof record.time === "number";

function checkSize(packed: Packed, bodies: readonly Uint8Array[], faults: FaultList): void {
  for (const index of packed.oversized) {
    faults.add(`/records/${index}`, `must encode to at most ${MAX_PAYLOAD_BYTES} bytes`);
  }
  if (bodies.length > MAX_MESSAGES) {
    faults.add(
      "/records",
      `fall into ${bodies.length} messages, one a period; at most ${MAX_MESSAGES} a request: ` +
        "send fewer days at a time, or name one period",
    );
  }
  const bytes = bodies.reduce((sum, body) => sum + body.byteLength, 0);
  if (bytes > MAX_BATCH_BYTES) {
    faults.add(
      "/records",
      `encode to ${bytes} bytes; at most ${MAX_BATCH_BYTES} a request: send fewer records`,
    );
  }
}
