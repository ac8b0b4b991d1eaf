/** The queue consumer: each message becomes one row of `buffer_logs`, once. */
import { errorFields, log } from "../log.ts";
import { queueBatches, retryDelaySeconds, sendRequests, wrapDeadLetter } from "../message/index.ts";
import type { SchemaRegistry } from "../tables/index.ts";
import { bytesOrText, type Reading, readMessage } from "./read-message.ts";
import { countErased, type HotRow, MAX_PARAMETER_CHARS, storeHotRows } from "./store.ts";

export interface ConsumeBindings {
  readonly db: D1Database;
  readonly deadLetters: Pick<Queue<Uint8Array>, "send" | "sendBatch">;
  readonly registry: SchemaRegistry;
  /** ms UTC. */
  readonly now: () => number;
}

interface Delivery {
  readonly message: Message<unknown>;
  readonly row: HotRow;
}

interface Poison {
  readonly message: Message<unknown>;
  readonly reason: string;
}

/** An outage of D1 should not fill the dead-letter queue. */
const MAX_RETRY_DELAY_SECONDS = 3_600;

/**
 * Stores a delivery. A message is acknowledged when its row is in D1, or when
 * its dataset was erased after it was accepted. It is retried with a growing
 * delay when D1 refuses it or its schema is not known here. One that cannot be
 * read is sent to the dead-letter queue with its reason, and acknowledged then.
 */
export async function consume(
  batch: Pick<MessageBatch<unknown>, "messages">,
  bindings: ConsumeBindings,
): Promise<void> {
  const deliveries: Delivery[] = [];
  const poison: Poison[] = [];
  for (const message of batch.messages) {
    const reading = readOrNull(message, bindings.registry);
    if (reading?.kind === "row") deliveries.push({ message, row: reading.row });
    else if (reading?.kind === "unreadable") poison.push({ message, reason: reading.reason });
    else retryLater(message);
  }
  for (const chunk of chunks(deliveries)) await storeChunk(chunk, bindings);
  await bury(poison, bindings);
}

/** A message on which the reader itself fails must not take its neighbours with it. */
function readOrNull(message: Message<unknown>, registry: SchemaRegistry): Reading | null {
  const fields = { message_id: message.id, attempts: message.attempts };
  try {
    const reading = readMessage(message.body, registry);
    if (reading.kind === "unknown-schema") {
      log.warn("buffer.unknown_schema", { ...fields, message: reading.reason });
    }
    return reading;
  } catch (error) {
    log.error("buffer.read_failed", { ...fields, ...errorFields(error) });
    return null;
  }
}

function retryLater(message: Message<unknown>): void {
  message.retry({ delaySeconds: retryDelaySeconds(message.attempts, MAX_RETRY_DELAY_SECONDS) });
}

/** Every column but the data, at its longest. */
const ROW_OVERHEAD_CHARS = 512;

/** A message that D1 refused so often is stored alone, in case it is the one that fails its neighbours. */
const SUSPECT_ATTEMPTS = 4;

function* chunks(deliveries: readonly Delivery[]): Generator<readonly Delivery[]> {
  let chunk: Delivery[] = [];
  let size = 0;
  for (const delivery of deliveries) {
    if (delivery.message.attempts >= SUSPECT_ATTEMPTS) {
      yield [delivery];
      continue;
    }
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

async function storeChunk(chunk: readonly Delivery[], { db, now }: ConsumeBindings): Promise<void> {
  const rows = chunk.map(({ row }) => row);
  let stored: number;
  try {
    stored = await storeHotRows(db, rows, now());
  } catch (error) {
    log.error("buffer.store_failed", { messages: chunk.length, ...errorFields(error) });
    for (const { message } of chunk) retryLater(message);
    return;
  }
  for (const { message } of chunk) message.ack();
  const erased = stored === rows.length ? 0 : await erasedOrUnknown(db, rows);
  log.info("buffer.stored", {
    messages: chunk.length,
    stored,
    /** `null` when D1 could not be asked; the rest of what was not stored are duplicates. */
    erased,
    duplicates: erased === null ? null : chunk.length - stored - erased,
    records: rows.reduce((sum, { recordCount }) => sum + recordCount, 0),
  });
}

/** The messages are stored and acknowledged: a failing count must not fail them. */
async function erasedOrUnknown(db: D1Database, rows: readonly HotRow[]): Promise<number | null> {
  try {
    return await countErased(db, rows);
  } catch {
    return null;
  }
}

/** Sends messages to the dead-letter queue, each wrapped with its reason. */
async function bury(poison: readonly Poison[], { deadLetters }: ConsumeBindings): Promise<void> {
  const letters = poison.flatMap(({ message, reason }) => {
    log.error("buffer.unreadable_message", {
      message_id: message.id,
      attempts: message.attempts,
      message: reason,
    });
    const letter = wrapDeadLetter({ deliveryId: message.id, reason, body: bytesOrText(message.body) });
    if (letter !== null) return [{ message, letter }];
    // Too large for a reason: used-up retries take it to the dead-letter queue as it is.
    message.retry({ delaySeconds: 0 });
    return [];
  });
  for (const batch of queueBatches(letters, ({ letter }) => letter.byteLength)) {
    try {
      await deadLetters.sendBatch(sendRequests(batch.map(({ letter }) => letter)));
      for (const { message } of batch) message.ack();
    } catch (error) {
      log.error("buffer.dead_letter_refused", { messages: batch.length, ...errorFields(error) });
      for (const { message } of batch) retryLater(message);
    }
  }
}
