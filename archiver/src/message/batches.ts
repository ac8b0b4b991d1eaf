/** Groups message bodies into batches that a queue takes. */
import { MAX_BATCH_BYTES, MAX_BATCH_MESSAGES } from "./limits.ts";

/**
 * Cuts items, in their order, into batches within the queue's limits.
 * @param sizeOf bytes of an item's body; none may exceed a message's bound
 */
export function* queueBatches<T>(items: Iterable<T>, sizeOf: (item: T) => number): Generator<readonly T[]> {
  let batch: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (batch.length === MAX_BATCH_MESSAGES || (batch.length > 0 && bytes + size > MAX_BATCH_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** Bodies as a queue's `sendBatch` wants them. */
export function sendRequests(bodies: readonly Uint8Array[]): readonly MessageSendRequest<Uint8Array>[] {
  return bodies.map((body) => ({ body, contentType: "bytes" }));
}
