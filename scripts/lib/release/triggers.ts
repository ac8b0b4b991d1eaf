/** Whether the queue consumers of the account are those of the topology: versions do not carry them. */
import type { QueueConsumer as WantedConsumer, WorkerKey } from "../../../infra/topology.ts";
import type { QueueConsumer } from "../cloudflare-api.ts";
import type { ReleaseContext } from "../environment.ts";

const MS_PER_SECOND = 1000;

/**
 * Whether `found` is what the topology wants of it.
 * @param deadLetterQueue name of the queue for messages that fail too often; `null` for none
 */
export function sameConsumer(
  wanted: WantedConsumer,
  deadLetterQueue: string | null,
  script: string,
  found: readonly QueueConsumer[],
): boolean {
  const consumer = found.find(({ scriptName }) => scriptName === script);
  return (
    consumer !== undefined &&
    consumer.deadLetterQueue === deadLetterQueue &&
    consumer.batchSize === wanted.maxBatchSize &&
    consumer.maxWaitMs === wanted.maxBatchTimeoutSeconds * MS_PER_SECOND &&
    consumer.maxRetries === wanted.maxRetries
  );
}

/** Whether any queue consumer of the Worker is missing or set otherwise. */
export async function triggersDiffer({ api, topology }: ReleaseContext, worker: WorkerKey): Promise<boolean> {
  const { name, consumers } = topology.workers[worker];
  const same = await Promise.all(
    consumers.map(async (wanted) => {
      const found = await api.queueConsumers(topology.queues[wanted.queue].name);
      const deadLetterQueue = wanted.deadLetter === null ? null : topology.queues[wanted.deadLetter].name;
      return sameConsumer(wanted, deadLetterQueue, name, found);
    }),
  );
  return same.includes(false);
}
