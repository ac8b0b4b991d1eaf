/** The queue consumer: each message becomes one row of `buffer_logs`, once. */
import { errorFields, log } from "../log.ts";
import { decodeMessage, EnvelopeError } from "../message/index.ts";
import { RecordError, scanRecords, type SchemaRegistry } from "../tables/index.ts";
import { type HotRow, MAX_PARAMETER_CHARS, storeHotRows } from "./store.ts";

export interface ConsumeBindings {
  readonly db: D1Database;
  readonly registry: SchemaRegistry;
  /** ms UTC. */
  readonly now: () => number;
}

/** A message that will not become readable by waiting. */
class PoisonMessage extends Error {
  override readonly name = "PoisonMessage";
}

/** A message of a schema that another version of this Worker has: it is coming up, or was rolled back. */
class UnknownSchema extends Error {
  override readonly name = "UnknownSchema";
}

interface Delivery {
  readonly message: Message<unknown>;
  readonly row: HotRow;
}

/**
 * Stores a delivery. A message is acknowledged when its row is in D1, retried
 * with a growing delay when D1 refuses it or its schema is not known here, and
 * retried at once when it cannot be read, so that it reaches the dead-letter
 * queue with its reason in the log.
 */
export async function consume(
  batch: Pick<MessageBatch<unknown>, "messages">,
  bindings: ConsumeBindings,
): Promise<void> {
  const deliveries = batch.messages.flatMap((message) => {
    const row = readOrRetry(message, bindings.registry);
    return row === null ? [] : [{ message, row }];
  });
  for (const chunk of chunks(deliveries)) await storeChunk(chunk, bindings);
}

function readOrRetry(message: Message<unknown>, registry: SchemaRegistry): HotRow | null {
  try {
    return readMessage(message.body, registry);
  } catch (error) {
    const waits = error instanceof UnknownSchema;
    if (!(waits || isUnreadable(error))) throw error;
    log.error("buffer.unreadable_message", {
      message_id: message.id,
      attempts: message.attempts,
      ...errorFields(error),
    });
    message.retry({ delaySeconds: waits ? retryDelaySeconds(message.attempts) : 0 });
    return null;
  }
}

const isUnreadable = (error: unknown): boolean =>
  error instanceof PoisonMessage || error instanceof EnvelopeError || error instanceof RecordError;

function bodyBytes(body: unknown): Uint8Array {
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  if (body instanceof Uint8Array) return body;
  throw new PoisonMessage("the message's body is not bytes");
}

function readMessage(body: unknown, registry: SchemaRegistry): HotRow {
  const { id, payload, ...message } = decodeMessage(bodyBytes(body));
  const schema = registry.find(message.table, message.fingerprint);
  if (schema === undefined) {
    throw new UnknownSchema(`table ${message.table} has no schema with fingerprint ${message.fingerprint}`);
  }
  const { times } = scanRecords(schema, payload, message.recordCount);
  const minTime = times.reduce((least, time) => Math.min(least, time), Number.POSITIVE_INFINITY);
  const maxTime = times.reduce((most, time) => Math.max(most, time), Number.NEGATIVE_INFINITY);
  if (times.length === 0 || minTime !== message.minTime || maxTime !== message.maxTime) {
    throw new PoisonMessage("the envelope's times are not those of its records");
  }
  return {
    ...message,
    messageId: id,
    data: Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("base64"),
    bytes: payload.byteLength,
  };
}

function* chunks(deliveries: readonly Delivery[]): Generator<readonly Delivery[]> {
  let chunk: Delivery[] = [];
  let size = 0;
  for (const delivery of deliveries) {
    const chars = delivery.row.data.length + ROW_OVERHEAD_CHARS;
    if (chunk.length > 0 && size + chars > MAX_PARAMETER_CHARS) {
      yield chunk;
      chunk = [];
      size = 0;
    }
    chunk.push(delivery);
    size += chars;
  }
  if (chunk.length > 0) yield chunk;
}

/** Every column but the data, at its longest. */
const ROW_OVERHEAD_CHARS = 512;

async function storeChunk(chunk: readonly Delivery[], { db, now }: ConsumeBindings): Promise<void> {
  try {
    const rows = chunk.map(({ row }) => row);
    const stored = await storeHotRows(db, rows, now());
    for (const { message } of chunk) message.ack();
    log.info("buffer.stored", {
      messages: chunk.length,
      duplicates: chunk.length - stored,
      records: rows.reduce((sum, { recordCount }) => sum + recordCount, 0),
    });
  } catch (error) {
    log.error("buffer.store_failed", { messages: chunk.length, ...errorFields(error) });
    for (const { message } of chunk) message.retry({ delaySeconds: retryDelaySeconds(message.attempts) });
  }
}

/** 30 s, 90 s, 270 s …, at most an hour: an outage of D1 should not fill the dead-letter queue. */
function retryDelaySeconds(attempts: number): number {
  return Math.min(30 * 3 ** (attempts - 1), 3600);
}
