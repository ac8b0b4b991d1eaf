import { z } from "zod";
import { defineKind, type Existing } from "../kind.ts";
import { toPulumiNames } from "../naming.ts";

const inputs = z.object({
  accountId: z.string(),
  queueName: z.string(),
  settings: z
    .object({
      deliveryDelay: z.number().exactOptional(),
      deliveryPaused: z.boolean().exactOptional(),
      messageRetentionPeriod: z.number().exactOptional(),
    })
    .exactOptional(),
});

type Settings = NonNullable<z.infer<typeof inputs>["settings"]>;

function apiSettings({ deliveryDelay, deliveryPaused, messageRetentionPeriod }: Settings) {
  return {
    ...(deliveryDelay !== undefined && { delivery_delay: deliveryDelay }),
    ...(deliveryPaused !== undefined && { delivery_paused: deliveryPaused }),
    ...(messageRetentionPeriod !== undefined && { message_retention_period: messageRetentionPeriod }),
  };
}

function body(accountId: string, queueName: string, settings: Settings | undefined) {
  return {
    account_id: accountId,
    queue_name: queueName,
    ...(settings && { settings: apiSettings(settings) }),
  };
}

function existing(accountId: string, queue: { readonly queue_id?: string }): Existing {
  if (queue.queue_id === undefined) {
    throw new Error("the API described a queue without its id");
  }
  return { id: queue.queue_id, state: { ...toPulumiNames(queue), accountId } };
}

export const queue = defineKind({
  type: "cloudflare:index/queue:Queue",
  inputs,
  replacedBy: [],
  async create(api, { accountId, queueName, settings }) {
    // The API takes the settings with the name, although the SDK's type of this call does not list them.
    return existing(accountId, await api.queues.create(body(accountId, queueName, settings)));
  },
  async read(api, id, { accountId }) {
    return existing(accountId, await api.queues.get(id, { account_id: accountId }));
  },
  async update(api, id, { accountId, queueName, settings }) {
    return existing(accountId, await api.queues.update(id, body(accountId, queueName, settings)));
  },
  async delete(api, id, { accountId }) {
    await api.queues.delete(id, { account_id: accountId });
  },
});
