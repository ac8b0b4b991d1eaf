import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, MAX_MESSAGE_BYTES, queueBatches } from "./index.ts";

/** What the queue adds to a message of its own. */
const METADATA_BYTES = 100;

describe("queue batches", () => {
  it("keep every item, in order, within the queue's 128 KB, 100 messages and 256 KB", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(MAX_MESSAGE_BYTES), { maxLength: 300 }), (sizes) => {
        const batches = [...queueBatches(sizes, (size) => size)];
        expect(batches.flat()).toEqual(sizes);
        for (const batch of batches) {
          expect(batch.length).toBeGreaterThan(0);
          expect(batch.length).toBeLessThanOrEqual(100);
          const bytes = batch.reduce((sum, size) => sum + size + METADATA_BYTES, 0);
          expect(bytes).toBeLessThanOrEqual(256_000);
        }
      }),
    );
    expect(MAX_MESSAGE_BYTES + METADATA_BYTES).toBeLessThanOrEqual(128_000);
  });

  it("are as few as the order allows", () => {
    const small = Array.from({ length: 250 }, () => 10);
    expect([...queueBatches(small, (size) => size)].map(({ length }) => length)).toEqual([
      MAX_BATCH_MESSAGES,
      MAX_BATCH_MESSAGES,
      50,
    ]);
    expect([...queueBatches([MAX_BATCH_BYTES - 5, 5, 1], (size) => size)]).toHaveLength(2);
  });
});
