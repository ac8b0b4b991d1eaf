import * as cloudflare from "@pulumi/cloudflare";
import { mapRecord } from "../map-record.ts";
import { QUEUE_KEYS, type QueueKey, type Topology } from "../topology.ts";

/** Queues and dead-letter queues. Their consumers belong to wrangler. */
export function queues(topology: Topology, accountId: string): Record<QueueKey, cloudflare.Queue> {
  return mapRecord(
    QUEUE_KEYS,
    topology.queues,
    ({ name, deliveryDelaySeconds, retentionSeconds }, key) =>
      new cloudflare.Queue(`queue-${key}`, {
        accountId,
        queueName: name,
        // All three, or the provider plans a change of those that are missing.
        settings: {
          deliveryDelay: deliveryDelaySeconds,
          deliveryPaused: false,
          messageRetentionPeriod: retentionSeconds,
        },
      }),
  );
}
