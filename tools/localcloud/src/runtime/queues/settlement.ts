/** What becomes of messages: pure decisions of the broker. */
import type { QueueConsumerSettings } from "../../model.ts";

/** What a `queue` handler's run came to, in workerd's terms. */
export interface DeliveryResult {
  /** `ok`, or why the handler failed. */
  readonly outcome: string;
  readonly ackAll: boolean;
  readonly retryBatch: { readonly retry: boolean; readonly delaySeconds?: number | undefined };
  readonly explicitAcks: readonly string[];
  readonly retryMessages?:
    | readonly { readonly msgId: string; readonly delaySeconds?: number | undefined }[]
    | undefined;
}

export type Settlement =
  | { readonly kind: "acknowledge" }
  | { readonly kind: "retry"; readonly delaySeconds: number }
  /** Out of retries: to the dead-letter queue if there is one, else gone. */
  | { readonly kind: "give-up" };

/**
 * Settles one message of a delivered batch. A message acknowledged or retried by itself keeps
 * that whatever happens to the batch; for the others `ackAll` or `retryAll` counts, else
 * whether the handler succeeded.
 * @param attempts deliveries so far, this one included.
 */
export function settle(
  messageId: string,
  attempts: number,
  result: DeliveryResult,
  settings: QueueConsumerSettings,
): Settlement {
  if (result.explicitAcks.includes(messageId)) return { kind: "acknowledge" };
  const own = result.retryMessages?.find((retry) => retry.msgId === messageId);
  const failed = result.outcome !== "ok" && !result.ackAll;
  if (own === undefined && !result.retryBatch.retry && !failed) return { kind: "acknowledge" };
  if (attempts > settings.maxRetries) return { kind: "give-up" };
  const delaySeconds = own?.delaySeconds ?? result.retryBatch.delaySeconds ?? settings.retryDelaySeconds;
  return { kind: "retry", delaySeconds };
}

/**
 * When the next batch is due (ms UTC): at once when it is full, else when its oldest
 * message has waited long enough.
 * @param oldest when the oldest message that may be delivered became deliverable (ms UTC).
 */
export function batchDueAt(
  ready: { readonly count: number; readonly oldest: number },
  settings: QueueConsumerSettings,
): number {
  return ready.count >= settings.batchSize ? ready.oldest : ready.oldest + settings.maxWaitMs;
}
