/** What a queue binding sends, in the platform's protocol: one message, a batch, or a question for the backlog. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { z } from "zod";
import type { QueueRecord } from "../../model.ts";
import type { Broker } from "./broker.ts";
import { CONTENT_TYPES, type ContentType, type NewMessage, type QueueTally } from "./message-store.ts";

/** The platform's limits, in bytes, messages and seconds; it counts 1 KB as 1,000 bytes. */
export const QUEUE_LIMITS = {
  messageBytes: 128_000,
  batchMessages: 100,
  batchBytes: 256_000,
  delaySeconds: 86_400,
} as const;

/** A request that the platform refuses; the binding throws "Queue send failed: " and the message. */
export class ProducerError extends Error {
  override readonly name = "ProducerError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const batchSchema = z.object({
  messages: z.array(
    z.object({
      body: z.string(),
      contentType: z.string().optional(),
      delaySecs: z.number().optional(),
    }),
  ),
});

/** A message as it was sent; `delaySeconds` absent: the queue's own delay. */
export interface SentMessage {
  readonly contentType: ContentType;
  readonly body: Uint8Array;
  readonly delaySeconds: number | undefined;
}

/** Answers a request of a queue binding. @param path `message`, `batch` or `metrics`. */
export async function answerProducer(
  broker: Broker,
  queueName: string,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  now: () => number,
): Promise<void> {
  try {
    const queue = broker.queueNamed(queueName);
    if (queue === undefined) throw new ProducerError(404, `queue ${queueName} does not exist`);
    const metrics =
      path === "metrics"
        ? broker.tally(queue.id)
        : broker.send(queue.id, scheduled(await readMessages(path, request), queue, now()));
    const body = path === "metrics" ? metricsOf(metrics) : { metadata: { metrics: metricsOf(metrics) } };
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  } catch (error) {
    if (!(error instanceof ProducerError)) throw error;
    response.writeHead(error.status, error.message, { "content-type": "text/plain" });
    response.end(error.message);
  }
}

function metricsOf({ backlog, backlogBytes, oldest }: QueueTally) {
  return { backlogCount: backlog, backlogBytes, oldestMessageTimestamp: oldest };
}

/** Messages with the time from which they are deliverable, `now` being in ms UTC. */
export function scheduled(
  messages: readonly SentMessage[],
  queue: QueueRecord,
  now: number,
): readonly NewMessage[] {
  return messages.map(({ contentType, body, delaySeconds }) => ({
    contentType,
    body,
    visibleAt: now + (delaySeconds ?? queue.deliveryDelaySeconds) * 1000,
  }));
}

async function readMessages(path: string, request: IncomingMessage): Promise<readonly SentMessage[]> {
  const delayHeader = request.headers["x-msg-delay-secs"];
  const delay = delayHeader === undefined ? undefined : Number(delayHeader);
  const body = await buffer(request);
  if (path === "message") {
    const format = request.headers["x-msg-fmt"];
    return validateMessages(
      [{ body, format: format === undefined ? undefined : String(format), delay }],
      false,
    );
  }
  const batch = batchSchema.parse(JSON.parse(body.toString()));
  const messages = batch.messages.map((message) => ({
    body: Buffer.from(message.body, "base64"),
    format: message.contentType,
    delay: message.delaySecs ?? delay,
  }));
  return validateMessages(messages, true);
}

interface RawMessage {
  readonly body: Uint8Array;
  readonly format: string | undefined;
  readonly delay: number | undefined;
}

/**
 * Holds messages against the platform's limits.
 * @throws {ProducerError} in the platform's words.
 */
export function validateMessages(messages: readonly RawMessage[], batch: boolean): readonly SentMessage[] {
  const { messageBytes, batchMessages, batchBytes } = QUEUE_LIMITS;
  if (messages.length > batchMessages) {
    throw new ProducerError(
      413,
      `batch message count of ${messages.length} exceeds limit of ${batchMessages}`,
    );
  }
  const largest = Math.max(0, ...messages.map(({ body }) => body.byteLength));
  if (largest > messageBytes) {
    throw new ProducerError(
      413,
      batch
        ? `message in batch has length ${largest} bytes which exceeds single message size limit of ${messageBytes}`
        : `message length of ${largest} bytes exceeds limit of ${messageBytes}`,
    );
  }
  const total = messages.reduce((sum, { body }) => sum + body.byteLength, 0);
  if (total > batchBytes) {
    throw new ProducerError(413, `batch size of ${total} bytes exceeds limit of ${batchBytes}`);
  }
  return messages.map(({ body, format, delay }) => ({
    body,
    contentType: contentTypeOf(format),
    delaySeconds: validDelay(delay),
  }));
}

function contentTypeOf(format = "v8"): ContentType {
  const known = CONTENT_TYPES.find((contentType) => contentType === format);
  if (known !== undefined) return known;
  throw new ProducerError(
    400,
    `message content type ${format} is invalid; if specified, must be one of 'text', 'json', 'bytes', or 'v8'`,
  );
}

function validDelay(delay: number | undefined): number | undefined {
  if (delay === undefined) return undefined;
  if (Number.isSafeInteger(delay) && delay >= 0 && delay <= QUEUE_LIMITS.delaySeconds) return delay;
  throw new ProducerError(
    400,
    `message delay ${delay} is invalid: it must be a whole number of seconds from 0 to ${QUEUE_LIMITS.delaySeconds}`,
  );
}
