import { type Context, Hono } from "hono";
import { z } from "zod";
import type { StoredConsumer, StoredQueue } from "../state/queues.ts";
import { consumerRoutes, shownConsumer } from "./queue-consumers.ts";
import { messageRoutes } from "./queue-messages.ts";
import { type Control, newHexId } from "./control.ts";
import { ok, paged, timestamp } from "./envelope.ts";
import { ApiError, CODE } from "./errors.ts";
import { body, param } from "./request.ts";

const ROUTE = "/queues";
const PAGE = { perPage: 100, maxPerPage: 1000, code: CODE.QUEUE_INVALID };
const DEFAULT_RETENTION_SECONDS = 4 * 86_400;
const MIN_RETENTION_SECONDS = 60;
const MAX_RETENTION_SECONDS = 14 * 86_400;
const MAX_DELAY_SECONDS = 86_400;

const settingsSchema = z.object({
  delivery_delay: z.number().int().min(0).max(MAX_DELAY_SECONDS).optional(),
  delivery_paused: z.boolean().optional(),
  message_retention_period: z.number().int().min(MIN_RETENTION_SECONDS).max(MAX_RETENTION_SECONDS).optional(),
});

const queueName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-_]{0,61}[a-z0-9])?$/i, "1–63 letters, digits, hyphens and underscores");

const createSchema = z.object({ queue_name: queueName, settings: settingsSchema.optional() });
const updateSchema = z.object({ queue_name: queueName.optional(), settings: settingsSchema.optional() });

/** The settings of a queue once `given` is laid over `base`. */
function withSettings(base: StoredQueue, given: z.infer<typeof settingsSchema> | undefined): StoredQueue {
  return {
    ...base,
    deliveryDelaySeconds: given?.delivery_delay ?? base.deliveryDelaySeconds,
    deliveryPaused: given?.delivery_paused ?? base.deliveryPaused,
    retentionSeconds: given?.message_retention_period ?? base.retentionSeconds,
  };
}

const DEFAULTS = {
  deliveryDelaySeconds: 0,
  deliveryPaused: false,
  retentionSeconds: DEFAULT_RETENTION_SECONDS,
};

/** The scripts whose deployed versions send to the queue. */
function producersOf(control: Control, queueName: string): { type: string; script: string }[] {
  const { store } = control;
  return store.scripts
    .list()
    .filter(({ name }) =>
      (store.deployments.current(name)?.versions ?? []).some(({ versionId }) =>
        (store.versions.get(name, versionId)?.bindings ?? []).some(
          (binding) => binding.type === "queue" && binding.queue_name === queueName,
        ),
      ),
    )
    .map(({ name }) => ({ type: "worker", script: name }));
}

/** Whether something that runs refers to a queue of that name, which was deleted and is made again. */
function isNamed(control: Control, queueName: string): boolean {
  return (
    producersOf(control, queueName).length > 0 ||
    control.store.queues.consumers().some(({ deadLetterQueue }) => deadLetterQueue === queueName)
  );
}

function shown(control: Control, queue: StoredQueue): unknown {
  const consumer: StoredConsumer | null = control.store.queues.consumerOf(queue.id);
  const consumers = consumer === null ? [] : [shownConsumer(queue, consumer)];
  const producers = producersOf(control, queue.name);
  return {
    queue_id: queue.id,
    queue_name: queue.name,
    created_on: timestamp(queue.createdAt),
    modified_on: timestamp(queue.modifiedAt),
    producers,
    producers_total_count: producers.length,
    consumers,
    consumers_total_count: consumers.length,
    settings: {
      delivery_delay: queue.deliveryDelaySeconds,
      delivery_paused: queue.deliveryPaused,
      message_retention_period: queue.retentionSeconds,
    },
  };
}

/** `queues`: queues, their consumers, messages sent to them. */
export function queueRoutes(control: Control): Hono {
  const app = new Hono();
  const { store, changes } = control;

  function find(c: Context): StoredQueue {
    const id = param(c, "queue");
    const queue = store.queues.get(id);
    if (queue === null) {
      throw new ApiError(404, CODE.QUEUE_NOT_FOUND, `Queue not found: ${id}`);
    }
    return queue;
  }

  function refuseTakenName(name: string, id: string | null): void {
    const holder = store.queues.byName(name);
    if (holder !== null && holder.id !== id) {
      throw new ApiError(409, CODE.QUEUE_NAME_TAKEN, `Queue name '${name}' is already taken.`);
    }
  }

  app.post(ROUTE, async (c) => {
    const request = await body(c, createSchema, CODE.QUEUE_INVALID);
    const at = control.now();
    const queue = withSettings(
      { id: newHexId(), name: request.queue_name, createdAt: at, modifiedAt: at, ...DEFAULTS },
      request.settings,
    );
    const write = (): void => {
      refuseTakenName(queue.name, null);
      store.queues.put(queue);
    };
    await (isNamed(control, queue.name) ? changes.deploy(write) : changes.store(write));
    return ok(c, shown(control, queue));
  });

  app.get(ROUTE, (c) => {
    const names = c.req.queries("name");
    const matching = store.queues.list().filter(({ name }) => names === undefined || names.includes(name));
    return paged(c, matching, PAGE, (page) => page.map((queue) => shown(control, queue)));
  });

  app.get(`${ROUTE}/:queue`, (c) => ok(c, shown(control, find(c))));

  async function update(c: Context, whole: boolean): Promise<Response> {
    const request = await body(c, updateSchema, CODE.QUEUE_INVALID);
    const updated = await changes.deploy(() => {
      const queue = find(c);
      const name = request.queue_name ?? queue.name;
      refuseTakenName(name, queue.id);
      const base = { ...queue, ...(whole ? DEFAULTS : {}), name, modifiedAt: control.now() };
      const next = withSettings(base, request.settings);
      store.queues.put(next);
      return next;
    });
    return ok(c, shown(control, updated));
  }
  // PUT replaces the whole object: a setting that is not sent goes back to its default.
  app.put(`${ROUTE}/:queue`, (c) => update(c, true));
  app.patch(`${ROUTE}/:queue`, (c) => update(c, false));

  app.delete(`${ROUTE}/:queue`, async (c) => {
    const { id } = find(c);
    await changes.deploy(() => store.queues.delete(id));
    await control.runtime.dropQueue(id);
    return ok(c, {});
  });

  app.route("/", consumerRoutes(control, find));
  app.route("/", messageRoutes(control, find));
  return app;
}
