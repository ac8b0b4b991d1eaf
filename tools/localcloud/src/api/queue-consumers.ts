import { type Context, Hono } from "hono";
import { z } from "zod";
import type { QueueConsumerSettings } from "../model.ts";
import type { StoredConsumer, StoredQueue } from "../state/queues.ts";
import { type Control, newHexId } from "./control.ts";
import { ok, timestamp } from "./envelope.ts";
import { ApiError, CODE, notImplemented, workerNotFound } from "./errors.ts";
import { body, param } from "./request.ts";

const ROUTE = "/queues/:queue/consumers";

const DEFAULTS: QueueConsumerSettings = {
  batchSize: 10,
  maxWaitMs: 5000,
  maxRetries: 3,
  retryDelaySeconds: 0,
  maxConcurrency: null,
};

const settingsSchema = z.object({
  batch_size: z.number().int().min(1).max(100).nullish(),
  max_wait_time_ms: z.number().int().min(0).max(60_000).nullish(),
  max_retries: z.number().int().min(0).max(100).nullish(),
  retry_delay: z.number().int().min(0).max(86_400).nullish(),
  max_concurrency: z.number().int().min(1).max(250).nullish(),
});

const consumerSchema = z.object({
  type: z.string().default("worker"),
  script_name: z.string().optional(),
  script: z.string().optional(),
  dead_letter_queue: z.string().nullish(),
  settings: settingsSchema.optional(),
});

type ConsumerRequest = z.infer<typeof consumerSchema>;

function settingsOf(given: z.infer<typeof settingsSchema> | undefined): QueueConsumerSettings {
  return {
    batchSize: given?.batch_size ?? DEFAULTS.batchSize,
    maxWaitMs: given?.max_wait_time_ms ?? DEFAULTS.maxWaitMs,
    maxRetries: given?.max_retries ?? DEFAULTS.maxRetries,
    retryDelaySeconds: given?.retry_delay ?? DEFAULTS.retryDelaySeconds,
    maxConcurrency: given?.max_concurrency ?? DEFAULTS.maxConcurrency,
  };
}

/** A consumer as the API shows it; `script` and `script_name` both, as its clients read either. */
export function shownConsumer(queue: StoredQueue, consumer: StoredConsumer): unknown {
  const { settings } = consumer;
  return {
    consumer_id: consumer.id,
    created_on: timestamp(consumer.createdAt),
    queue_id: queue.id,
    queue_name: queue.name,
    type: "worker",
    script: consumer.scriptName,
    script_name: consumer.scriptName,
    ...(consumer.deadLetterQueue === null ? {} : { dead_letter_queue: consumer.deadLetterQueue }),
    settings: {
      batch_size: settings.batchSize,
      max_wait_time_ms: settings.maxWaitMs,
      max_retries: settings.maxRetries,
      retry_delay: settings.retryDelaySeconds,
      max_concurrency: settings.maxConcurrency,
    },
  };
}

/** `queues/{id}/consumers`: the Worker that a queue is delivered to. */
export function consumerRoutes(control: Control, findQueue: (c: Context) => StoredQueue): Hono {
  const app = new Hono();
  const { store, changes } = control;

  function find(c: Context): { queue: StoredQueue; consumer: StoredConsumer } {
    const queue = findQueue(c);
    const consumer = store.queues.consumerOf(queue.id);
    const id = param(c, "consumer");
    if (consumer?.id !== id) {
      throw new ApiError(404, CODE.QUEUE_CONSUMER_NOT_FOUND, `Consumer not found: ${id}`);
    }
    return { queue, consumer };
  }

  function checked(
    request: ConsumerRequest,
  ): Pick<StoredConsumer, "scriptName" | "deadLetterQueue" | "settings"> {
    if (request.type !== "worker") {
      throw notImplemented(`queue consumers of type ${request.type}`);
    }
    const scriptName = request.script_name ?? request.script;
    if (scriptName === undefined) {
      throw new ApiError(400, CODE.QUEUE_INVALID, "Invalid request: script_name is missing");
    }
    if (store.scripts.get(scriptName) === null) {
      throw workerNotFound(scriptName);
    }
    const deadLetterQueue = request.dead_letter_queue ?? null;
    if (deadLetterQueue !== null && store.queues.byName(deadLetterQueue) === null) {
      throw new ApiError(404, CODE.QUEUE_NOT_FOUND, `Dead letter queue not found: ${deadLetterQueue}`);
    }
    return { scriptName, deadLetterQueue, settings: settingsOf(request.settings) };
  }

  app.get(ROUTE, (c) => {
    const queue = findQueue(c);
    const consumer = store.queues.consumerOf(queue.id);
    return ok(c, consumer === null ? [] : [shownConsumer(queue, consumer)]);
  });

  app.post(ROUTE, async (c) => {
    const request = await body(c, consumerSchema, CODE.QUEUE_INVALID);
    const queue = findQueue(c);
    const created = await changes.deploy(() => {
      if (store.queues.consumerOf(queue.id) !== null) {
        throw new ApiError(
          409,
          CODE.QUEUE_HAS_CONSUMER,
          `Queue '${queue.name}' already has a consumer; a queue has one at most.`,
        );
      }
      const consumer = { id: newHexId(), queueId: queue.id, createdAt: control.now(), ...checked(request) };
      store.queues.putConsumer(consumer);
      return consumer;
    });
    return ok(c, shownConsumer(queue, created));
  });

  app.get(`${ROUTE}/:consumer`, (c) => {
    const { queue, consumer } = find(c);
    return ok(c, shownConsumer(queue, consumer));
  });

  app.put(`${ROUTE}/:consumer`, async (c) => {
    const request = await body(c, consumerSchema, CODE.QUEUE_INVALID);
    const queue = findQueue(c);
    const updated = await changes.deploy(() => {
      const next = { ...find(c).consumer, ...checked(request) };
      store.queues.putConsumer(next);
      return next;
    });
    return ok(c, shownConsumer(queue, updated));
  });

  app.delete(`${ROUTE}/:consumer`, async (c) => {
    await changes.deploy(() => store.queues.deleteConsumer(find(c).consumer.id));
    return ok(c, {});
  });

  return app;
}
