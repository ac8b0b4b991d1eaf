import { type Context, Hono } from "hono";
import { z } from "zod";
import type { QueueTally } from "../runtime/queues/message-store.ts";
import { ProducerError, type SentMessage, validateMessages } from "../runtime/queues/producer.ts";
import type { StoredQueue } from "../state/queues.ts";
import type { Control } from "./control.ts";
import { ok } from "./envelope.ts";
import { ApiError, CODE } from "./errors.ts";
import { body } from "./request.ts";

const ROUTE = "/queues/:queue/messages";

const delay = z.number().optional();

/** A message as a client sends it; without a type it is JSON. */
const messageSchema = z.discriminatedUnion("content_type", [
  z.object({ content_type: z.literal("text"), body: z.string(), delay_seconds: delay }),
  z.object({ content_type: z.literal("bytes"), body: z.base64(), delay_seconds: delay }),
  z.object({
    content_type: z.literal("json").default("json"),
    body: z.json(),
    delay_seconds: delay,
  }),
]);

const batchSchema = z.object({ messages: z.array(messageSchema).min(1), delay_seconds: delay });

type Message = z.infer<typeof messageSchema>;

function bytesOf(message: Message): Uint8Array {
  switch (message.content_type) {
    case "json":
      return Buffer.from(JSON.stringify(message.body));
    case "text":
      return Buffer.from(message.body);
    case "bytes":
      return Buffer.from(message.body, "base64");
  }
}

/** The messages as the broker takes them. @throws {ApiError} 400 or 413 in the platform's words. */
function sent(
  messages: readonly Message[],
  delaySeconds: number | undefined,
  batch: boolean,
): readonly SentMessage[] {
  const raw = messages.map((message) => ({
    body: bytesOf(message),
    format: message.content_type,
    delay: message.delay_seconds ?? delaySeconds,
  }));
  try {
    return validateMessages(raw, batch);
  } catch (error) {
    if (!(error instanceof ProducerError)) throw error;
    throw new ApiError(error.status === 413 ? 413 : 400, CODE.QUEUE_INVALID, error.message);
  }
}

function shown({ backlog, backlogBytes, oldest }: QueueTally): unknown {
  const metrics = {
    backlog_count: backlog,
    backlog_bytes: backlogBytes,
    oldest_message_timestamp_ms: oldest,
  };
  return { metadata: { metrics } };
}

/** `queues/{id}/messages`: what a producer without a Worker sends. */
export function messageRoutes(control: Control, findQueue: (c: Context) => StoredQueue): Hono {
  const app = new Hono();

  async function send(c: Context, messages: readonly SentMessage[]): Promise<Response> {
    const { createdAt: _created, modifiedAt: _modified, ...queue } = findQueue(c);
    return ok(c, shown(await control.runtime.send(queue, messages)));
  }

  app.post(ROUTE, async (c) => {
    findQueue(c);
    const message = await body(c, messageSchema, CODE.QUEUE_INVALID);
    return await send(c, sent([message], undefined, false));
  });

  app.post(`${ROUTE}/batch`, async (c) => {
    findQueue(c);
    const batch = await body(c, batchSchema, CODE.QUEUE_INVALID);
    return await send(c, sent(batch.messages, batch.delay_seconds, true));
  });

  return app;
}
