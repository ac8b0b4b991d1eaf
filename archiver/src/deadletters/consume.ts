/** The dead-letter queue's consumer: each letter becomes one row, once, and waits for an operator. */
import { bytesOrText, readMessage } from "../buffer/index.ts";
import { errorFields, log } from "../log.ts";
import {
  decodeMessage,
  EnvelopeError,
  type GivenUp,
  type IngestMessage,
  retryDelaySeconds,
  unwrapDeadLetter,
} from "../message/index.ts";
import type { SchemaRegistry } from "../tables/index.ts";
import { insertLetters, type LetterRow } from "./store.ts";

export interface DeadLetterBindings {
  readonly db: D1Database;
  readonly registry: SchemaRegistry;
  /** ms UTC. */
  readonly now: () => number;
}

/** The longest delay that a queue takes; with it, a letter outlasts any outage that its retention does. */
const MAX_RETRY_DELAY_SECONDS = 12 * 3_600;

/** D1 takes values of 2 MB; a statement's parameter stays well below. */
const MAX_PARAMETER_CHARS = 1_000_000;

/** Every column but the body, at its longest: the reason's characters may take six each in JSON. */
const ROW_OVERHEAD_CHARS = 5_000;

interface Letter {
  readonly message: Message<unknown>;
  readonly row: LetterRow;
}

/**
 * Stores the letters of a delivery. One that arrives twice is stored once, one
 * of a dataset that was erased since is not kept, and one that D1 refuses is
 * retried with delays that grow to 12 hours.
 */
export async function storeDeadLetters(
  batch: Pick<MessageBatch<unknown>, "messages">,
  { db, registry, now }: DeadLetterBindings,
): Promise<void> {
  const letters = batch.messages.map((message) => ({ message, row: readLetter(message, registry) }));
  for (const chunk of chunks(letters)) {
    try {
      const stored = await insertLetters(
        db,
        chunk.map(({ row }) => row),
        now(),
      );
      for (const { message } of chunk) message.ack();
      log.error("deadletters.stored", { letters: chunk.length, new: stored });
    } catch (error) {
      log.error("deadletters.store_failed", { letters: chunk.length, ...errorFields(error) });
      for (const { message } of chunk) {
        message.retry({ delaySeconds: retryDelaySeconds(message.attempts, MAX_RETRY_DELAY_SECONDS) });
      }
    }
  }
}

function* chunks(letters: readonly Letter[]): Generator<readonly Letter[]> {
  let chunk: Letter[] = [];
  let size = 0;
  for (const letter of letters) {
    const chars = letter.row.body.length + ROW_OVERHEAD_CHARS;
    if (chunk.length > 0 && size + chars > MAX_PARAMETER_CHARS) {
      yield chunk;
      chunk = [];
      size = 0;
    }
    chunk.push(letter);
    size += chars;
  }
  if (chunk.length > 0) yield chunk;
}

function readLetter(message: Message<unknown>, registry: SchemaRegistry): LetterRow {
  const bytes = bytesOrText(message.body);
  const letter = unwrapDeadLetter(bytes) ?? {
    deliveryId: message.id,
    reason: reasonOf(message.body, registry),
    body: bytes,
  };
  const envelope = envelopeOf(letter);
  return {
    deliveryId: letter.deliveryId,
    reason: letter.reason,
    datasetId: envelope?.datasetId ?? null,
    table: envelope?.table ?? null,
    recordCount: envelope?.recordCount ?? null,
    acceptedAt: envelope?.acceptedAt ?? null,
    bytes: letter.body.byteLength,
    body: Buffer.from(letter.body.buffer, letter.body.byteOffset, letter.body.byteLength).toString("base64"),
  };
}

/** The queue says nothing about a message that it gave up itself; reading it once more does. */
function reasonOf(body: unknown, registry: SchemaRegistry): string {
  try {
    const reading = readMessage(body, registry);
    if (reading.kind !== "row") return reading.reason;
    return "it can be read, but every delivery of it failed: the database was not available";
  } catch (error) {
    const { error: name, message } = errorFields(error);
    return `reading it fails: ${name}: ${message}`;
  }
}

function envelopeOf({ body }: GivenUp): IngestMessage | null {
  try {
    return decodeMessage(body);
  } catch (error) {
    if (error instanceof EnvelopeError) return null;
    throw error;
  }
}
